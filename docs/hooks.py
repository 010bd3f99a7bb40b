"""Pages that the code writes while the site is built: commands, configuration, library."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from capacity import HOMES
from capacity.cli import VERBS, app
from capacity.model.configuration import Config

ROOT = Path(__file__).resolve().parents[1]
FURTHER = {  # what the library page shows of each package beside the names at the top level
    "capacity.series": (
        *("Season", "decompose_sales", "find_shifts", "Shift"),
        *("past_growth", "coming_growth", "coming_peak", "Growth", "forecast_if"),
    ),
    "capacity.quality": ("Audit", "Rule", "audit_usage"),
    "capacity.forecast": ("SalesForecaster", "Backtest"),
    "capacity.load": ("LoadReport", "Throughput", "ThroughputReport", "fit_throughput", "learn_throughput"),
    "capacity.planning": (
        *("plan_many", "plan_nodes", "safe_target", "advise_requests", "highest_tolerated_utilization"),
    ),
    "capacity.simulation": ("Replay",),
    "capacity.model": ("Pool", "NodeType", "Quota", "Supply", "Explanation"),
    "capacity.views": (
        *("plot_seasons", "plot_decomposition", "plot_forecast", "plot_backtest", "plot_calibration", "plot_load"),
        *("plot_plan", "plot_explanation", "plot_utilization", "plot_simulation", "plot_frontier", "save_figure"),
    ),
}
FOLDERS = {"Runbooks": "runbooks", "Decisions": "decisions"}
LINK = re.compile(r"\[([^]]+)\]\((?!https?:|#)([^)]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages; list in the navigation what it does not name: runbooks, decisions, any other page."""
    pages = {
        "reference/commands.md": commands_page(),
        "reference/configuration.md": configuration_page(),
        "reference/library.md": library_page(),
        "howto/install.md": install_page(),
    }
    for place, text in pages.items():
        files.append(File.generated(config, place, content=text))
    assert config.nav is not None
    found = sorted(file.src_uri for file in files.documentation_pages())
    for title, folder in FOLDERS.items():
        config.nav.append({title: [name for name in found if name.startswith(f"{folder}/")]})
    rest = [name for name in found if name not in set(named(config.nav))]
    if rest:
        config.nav.append({"More": rest})
    return files


def named(nav: Any) -> Iterator[str]:
    """Every page that a part of the navigation names."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from named(part)


def install_page() -> str:
    """k8s/README.md, whose links to manifests become their places in the repository."""
    text = (ROOT / "k8s" / "README.md").read_text(encoding="utf-8")
    text = LINK.sub(r"\1 (`k8s/\2`)", text)
    return text.replace("# Capacity on a cluster", "# Install it on a cluster", 1)


def commands_page() -> str:
    """Every verb with its help and options, in the order of the data."""
    parts = [
        "# Commands\n\nEvery command writes results to stdout and everything else to stderr. " + str(app.info.epilog)
    ]
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group) or hasattr(group, "commands")
    for panel, verbs in VERBS.items():
        parts.append(f"## {panel}")
        parts += [_command(verb.__name__, group.commands[verb.__name__]) for verb in verbs]  # type: ignore[union-attr]
    return "\n\n".join(parts) + "\n"


def _command(name: str, command: Any) -> str:
    text, _, example = inspect.cleandoc(command.help or "").partition("Example: ")
    rows = [_option(option) for option in command.params]
    shown = f"\n\n```console\n$ {example.strip()}\n```" if example else ""
    return (
        f"### capacity {name}\n\n{text.strip()}{shown}\n\n| option | meaning | default |\n|---|---|---|\n"
        + "\n".join(rows)
    )


def _option(option: Any) -> str:
    name = ", ".join(f"`{word}`" for word in option.opts)
    default = "" if option.default in (None, False) or callable(option.default) else f"`{option.default}`"
    return f"| {name} | {_cell(getattr(option, 'help', None) or 'input')} | {default} |"


def configuration_page() -> str:
    """Every key of capacity.yaml: its type, its default, its meaning; one table a block."""
    schema = Config.model_json_schema()
    parts = [
        "# Configuration\n\nThis page lists every key of `capacity.yaml`. Unknown keys are errors. "
        "`capacity schema` prints the same as a JSON Schema for editors.",
        _block("The whole file", schema),
    ]
    parts += [
        _block(name.removesuffix("Settings"), block) for name, block in schema["$defs"].items() if "properties" in block
    ]
    return "\n\n".join(parts) + "\n"


def _block(name: str, block: dict[str, Any]) -> str:
    needed = set(block.get("required", ()))
    rows = [
        " | ".join(
            (
                f"| `{key}`",
                _cell(_kind(value)),
                "needed" if key in needed else _default(value),
                f"{_cell(value.get('description', ''))} |",
            )
        )
        for key, value in block["properties"].items()
    ]
    about = inspect.cleandoc(block.get("description", ""))
    return f"## {name}\n\n{about}\n\n| key | type | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows)


def _kind(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2].removesuffix("Settings")
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_kind(one) for one in value["anyOf"] if one.get("type") != "null"))
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " or ".join(f"`{one}`" for one in value["enum"])
    if value.get("type") == "array":
        return f"list of {_kind(value.get('items', {}))}"
    kind = value.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _default(value: dict[str, Any]) -> str:
    default = value.get("default")
    return "" if default in (None, "", [], {}) or isinstance(default, dict) else f"`{default}`"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def library_page() -> str:
    """The public names in the order of the data flow, each with its docstring; then further ones by package."""
    names = [f"::: {home}.{name}" for home, names in HOMES.items() for name in names]
    for package, further in FURTHER.items():
        names += [f"## {package}", *(f"::: {home_of(package, name)}.{name}" for name in further)]
    return "# Library\n\n```python\nimport capacity as cap\n```\n\n" + "\n\n".join(names) + "\n"


def home_of(package: str, name: str) -> str:
    """The module that defines a name which a package gives."""
    return str(getattr(import_module(package), name).__module__)
