"""Run one benchmark, or all of them into `benchmarks/results/`: a table for people, then one line of JSON."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.datasets import BUNDLED
from capacity import __version__

HERE = Path(__file__).parent
NAMES = tuple(
    sorted(file.stem for file in HERE.glob("[a-z]*.py") if "def run(data" in file.read_text(encoding="utf-8"))
)
RESULTS = HERE / "results"
LIBRARIES = ("numpy", "pandas", "statsmodels", "scikit-learn", "duckdb")
Run = Callable[[Path, bool], dict[str, Any]]


def main() -> int:
    """Parse, run, print; a whole run is also written to its file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=(*NAMES, "all"))
    parser.add_argument("--data", type=Path, default=BUNDLED, help="folder with more data sets than those bundled")
    parser.add_argument("--quick", action="store_true", help="a smaller run of the same kind")
    arguments = parser.parse_args()
    for name in NAMES if arguments.name == "all" else (arguments.name,):
        run: Run = import_module(f"benchmarks.{name}").run
        figures = rounded(run(arguments.data, arguments.quick))
        if not figures:
            sys.stdout.write(f"# {name}\n\nSkipped: its data is not here. The table in {RESULTS.name}/ stays.\n")
            continue
        text = table(name, figures, quick=arguments.quick)
        sys.stdout.write(f"{text}\n{json.dumps({name: figures})}\n")
        if not arguments.quick:
            (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    return 0


def rounded(figures: Any) -> Any:
    """Every float to four significant digits: more would pretend that two runs agree in them."""
    if isinstance(figures, dict):
        return {key: rounded(value) for key, value in figures.items()}
    return float(f"{figures:.4g}") if isinstance(figures, float) else figures


def table(name: str, figures: dict[str, Any], *, quick: bool) -> str:
    """The figures as a Markdown table under their date, machine and versions."""
    versions = ", ".join([f"capacity {__version__}", *(f"{library} {version(library)}" for library in LIBRARIES)])
    head = [
        f"# {name}",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {versions}{', quick' if quick else ''}.",
        "",
        f"Command: `python -m benchmarks {name}{' --quick' if quick else ''}`",
        "",
    ]
    rows = dict(_rows(figures))
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    lines += [f"| {key} | {' | '.join(str(row.get(column, '')) for column in columns)} |" for key, row in rows.items()]
    return "\n".join([*head, *lines, ""])


def _rows(figures: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """One row per entry, one per peer; an inner table (coverage) is a column for each of its values."""
    for key, value in figures.items():
        if key == "peers":
            entries = ((name, inner if isinstance(inner, dict) else {"value": inner}) for name, inner in value.items())
            yield from ((f"peers: {name}", _flat(inner)) for name, inner in entries)
        else:
            yield key, _flat(value) if isinstance(value, dict) else {"value": value}


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        flat.update(
            {f"{key} {name}": inner for name, inner in value.items()} if isinstance(value, dict) else {key: value}
        )
    return flat


if __name__ == "__main__":
    sys.exit(main())
