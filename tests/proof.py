"""Long proofs: what the suite tries some dozen times, tried twenty times as often, from a seed that can be repeated.

`python -m tests.proof` runs them all and writes benchmarks/results/proof.md; `--only NAME` runs some and renews their
rows, `--times 2` makes fewer runs of each. A proof is a name and how it is carried out: another kind than tests joins
the table with a function from `Order` to `Outcome`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from capacity.version import VERSION
from tests.mutant_trials import survivors
from tests.mutation import CONTROLLER, CONTROLLER_TESTS, DECISION, DECISION_TESTS
from tests.scale import TIMES
from tests.three_days import BLACK_FRIDAY, SATURDAY, WEDNESDAY, live

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "benchmarks" / "results" / "proof.md"
DAYS = ROOT / "benchmarks" / "results" / "three_days.txt"
SEED = 20261130
LIBRARIES = ("pandas", "hypothesis")


@dataclass(frozen=True)
class Order:
    """How much of a proof to run, in runs of the suite, and where its dice start."""

    times: int
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What came of a proof: runs made, what failed, tests that could not run here, seconds by the clock, a remark."""

    runs: int
    failures: tuple[str, ...]
    skipped: int
    seconds: float
    note: str = ""


Proof = Callable[[Order], Outcome]


def of_tests(*words: str, more: int = 1) -> Proof:
    """A proof whose runs are tests: files, test ids, or words such as `-k random`; `more`: times as many runs."""

    def carry_out(order: Order) -> Outcome:
        began, order = time.monotonic(), Order(more * order.times, order.seed)
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            done = subprocess.run(pytest_words(order, report, words), cwd=ROOT, check=False)
            seconds = time.monotonic() - began
            if not report.is_file():
                return Outcome(0, (f"pytest ended with {done.returncode} and no report",), 0, seconds)
            return read_report(report, seconds)

    return carry_out


def pytest_words(order: Order, report: Path, words: tuple[str, ...]) -> list[str]:
    """Every core takes tests; no limit of time, as the length of a proof is what `--times` says."""
    scale = [f"--times={order.times}", f"--seed={order.seed}", f"--hypothesis-seed={order.seed}"]
    quiet = ["-q", "--no-header", "-p", "no:cacheprovider", "--timeout=0", "--numprocesses=auto"]
    return [sys.executable, "-m", "pytest", *quiet, *scale, f"--junitxml={report}", *words]


def read_report(report: Path, seconds: float) -> Outcome:
    """The outcome that pytest wrote as JUnit's XML; a test that names no number of runs is one run."""
    runs, failures, skipped = 0, list[str](), 0
    for case in ET.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.find("skipped") is not None:
            skipped += 1
            continue
        runs += next((int(one.get("value", 1)) for one in case.iter("property") if one.get("name") == "runs"), 1)
        failures += [name for kind in ("failure", "error") if case.find(kind) is not None]
    if not runs and not skipped:
        failures.append("no test was found")
    return Outcome(runs, tuple(failures), skipped, seconds)


MUTANTS, NOTICED = 5, 0.9  # mutants for each of `--times`, and the share of them that the tests must notice


def of_mutants(modules: tuple[str, ...], tests: tuple[str, ...]) -> Proof:
    """A proof whose runs are mutants of some modules; it fails where the tests let too many of them live."""

    def carry_out(order: Order) -> Outcome:
        began, count = time.monotonic(), MUTANTS * order.times
        left = survivors(modules, tests, count, order.seed)
        failures = [f"not noticed: {mutant}" for mutant in left] if len(left) > (1 - NOTICED) * count else []
        return Outcome(count, tuple(failures), 0, time.monotonic() - began, f"{count - len(left)} noticed")

    return carry_out


def of_three_days(order: Order) -> Outcome:
    """Three days of a shop, with and without the guard; each minute of a workload is a run. The log is kept."""
    began, runs, failures = time.monotonic(), 0, list[str]()
    for guard in (False, True):
        days = live(WEDNESDAY if order.times >= TIMES else BLACK_FRIDAY, SATURDAY, guard=guard, seed=str(order.seed))
        runs += days.minutes
        failures += [f"{one.workload} at {one.at:%a %H:%M}: {one.ready} of {one.planned} pods" for one in days.misses]
        if not guard and order.times >= TIMES:
            DAYS.write_text("\n".join([*days.log, ""]), encoding="utf-8")
    return Outcome(runs, tuple(failures), 0, time.monotonic() - began)


PROOFS: dict[str, Proof] = {
    "random faults on paper: no floor falls without cause": of_tests(
        "tests/property/test_fault_runs.py::test_thousands_of_runs_of_random_faults_scale_nothing_in_without_cause"
    ),
    "random faults on paper: no pod shrinks or restarts without cause": of_tests(
        "tests/property/test_size_faults.py::test_thousands_of_random_runs_shrink_and_restart_nothing_without_cause",
        more=5,
    ),
    "random faults on paper: no buffer of nodes shrinks without cause, no claim is asked to shrink": of_tests(
        "tests/property/test_buffer_claim_faults.py::test_thousands_of_random_runs_shrink_no_buffer_and_no_claim",
        more=5,
    ),
    "random faults over the wire: no floor falls without cause": of_tests(
        "tests/integration/test_failures.py", "-k", "test_random_faults_over_the_wire_scale_nothing_in_without_cause"
    ),
    "killed with SIGKILL between two writes: nothing is lost": of_tests(
        "tests/integration/test_failures.py::test_killed_again_and_again", more=3
    ),
    "drill of a failed pipeline day": of_tests("tests/integration/test_drill.py"),
    "floors of the real verbs beside the simulator's, three days": of_tests(
        "tests/integration/test_simulated_is_real.py"
    ),
    "properties of the whole pipeline": of_tests(
        "tests/property",
        "--deselect=tests/property/test_fault_runs.py",
        "--deselect=tests/property/test_size_faults.py",
        "--deselect=tests/property/test_buffer_claim_faults.py",
    ),
    "properties of single parts": of_tests("tests/unit", "-m", "runs"),
    "properties of the Kubernetes double": of_tests("tests/integration/test_double_properties.py"),
    "three days of deploys, a quota, frozen metrics, a killed planner, Black Friday: no pod is missing": of_three_days,
    "mutants of the decision: the tests of its package notice at least 90 of 100": of_mutants(DECISION, DECISION_TESTS),
    "mutants of the controller: its tests notice at least 90 of 100": of_mutants(CONTROLLER, CONTROLLER_TESTS),
}


def main() -> int:
    """Carry out the proofs that were asked for, print and write the table; 1 if any of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--only", action="append", choices=PROOFS, metavar="NAME", help=f"one of {', '.join(PROOFS)}")
    parser.add_argument("--times", type=int, default=TIMES, help="runs, in suites; %(default)s is a whole proof")
    parser.add_argument("--seed", type=int, default=SEED, help="where the dice start; default %(default)s")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the table is written; default %(default)s")
    given = parser.parse_args()
    order, failed = Order(given.times, given.seed), False
    for name in given.only or PROOFS:  # the page is written after each: a run that is cut off loses one proof
        outcome = PROOFS[name](order)
        failed = failed or bool(outcome.failures)
        before = given.page.read_text(encoding="utf-8") if given.page.is_file() else ""
        given.page.write_text(table(order, {name: outcome}, datetime.now(UTC), before), encoding="utf-8")
    sys.stdout.write(given.page.read_text(encoding="utf-8"))
    return int(failed)


def table(order: Order, outcomes: dict[str, Outcome], now: datetime, before: str = "") -> str:
    """The page: a row for each proof that was run, now or `before`, with its date and version, and what failed."""
    rows = kept(before, "| ", " |") | {name: row(order, name, one, now) for name, one in outcomes.items()}
    missing = len(PROOFS) - len(rows)
    failures = [line for line in before.splitlines() if line.startswith("- ")]
    failures = [line for line in failures if not any(line.startswith(f"- {name}: ") for name in outcomes)]
    failures += [f"- {name}: {one}" for name, outcome in outcomes.items() for one in outcome.failures]
    return "\n".join(
        [
            *("# proof", "", f"Command: `python -m tests.proof --times {TIMES} --seed {order.seed}`", ""),
            *(f"A whole proof is {TIMES} times what the suite runs. A run with `--only` renews its own rows.", ""),
            *((f"{missing} of {len(PROOFS)} proofs were not run.", "") if missing else ()),
            *(
                "| proof | times | runs | failures | skipped | seconds | measured | note |",
                f"|---{5 * '|---:'}|---|---|",
            ),
            *(rows[name] for name in PROOFS if name in rows),
            *(("", "Failed:", "", *failures) if failures else ()),
            "",
        ]
    )


def kept(page: str, before: str, after: str) -> dict[str, str]:
    """The rows of a page that are proofs still, by proof."""
    lines = {
        line.removeprefix(before).partition(after)[0]: line for line in page.splitlines() if line.startswith(before)
    }
    return {name: line for name, line in lines.items() if name in PROOFS}


def row(order: Order, name: str, one: Outcome, now: datetime) -> str:
    """What came of a proof, when, and by which versions."""
    measured = ", ".join((f"{now:%Y-%m-%d}", VERSION, *(f"{library} {version(library)}" for library in LIBRARIES)))
    cells = (
        name,
        order.times,
        f"{one.runs:,}",
        len(one.failures),
        one.skipped,
        f"{one.seconds:.0f}",
        measured,
        one.note,
    )
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main())
