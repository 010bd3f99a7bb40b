"""The runner of long proofs: what it counts, that it says what it did not run, that a failure is one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from capacity.version import VERSION
from tests import proof
from tests.mutant_trials import survey
from tests.proof import Order, Outcome, main, of_tests, read_report, table
from tests.scale import TIMES, examples

NOW = datetime(2026, 11, 30, tzinfo=UTC)
DRILL = "drill of a failed pipeline day"
GOOD = Outcome(12_000, (), 1, 61.2)
REPORT = """<testsuites><testsuite>
<testcase classname="a" name="many"><properties><property name="runs" value="500"/></properties></testcase>
<testcase classname="a" name="one"/>
<testcase classname="a" name="wrong"><failure>no</failure></testcase>
<testcase classname="a" name="elsewhere"><skipped/></testcase>
</testsuite></testsuites>"""


def test_runs_are_counted_and_failures_named(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT)
    assert read_report(tmp_path / "report.xml", 3.0) == Outcome(502, ("a.wrong",), 1, 3.0)


def test_a_proof_that_finds_no_test_has_failed(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text("<testsuites><testsuite/></testsuites>")
    assert read_report(tmp_path / "report.xml", 0.0).failures == ("no test was found",)


def test_a_table_says_what_was_not_run() -> None:
    whole = table(Order(TIMES, 7), dict.fromkeys(proof.PROOFS, GOOD), NOW)
    assert f"| {DRILL} | {TIMES} | 12,000 | 0 | 1 | 61 | 2026-11-30, {VERSION}, pandas" in whole
    assert "not run" not in whole
    part = table(Order(2, 7), {DRILL: GOOD}, NOW)
    assert f"| {DRILL} | 2 | 12,000 |" in part
    assert f"{len(proof.PROOFS) - 1} of {len(proof.PROOFS)} proofs were not run." in part


def test_a_run_of_some_renews_their_rows_and_keeps_the_others() -> None:
    first, second, *_ = proof.PROOFS
    bad = Outcome(3, ("x.y",), 0, 1.0, "a note")
    before = table(Order(TIMES, 7), {first: bad, second: bad}, NOW) + "| a proof that is no more | 1 |\n"
    after = table(Order(2, 7), {second: GOOD}, NOW, before)
    rows = [line for line in after.splitlines() if line.startswith("|")][2:]
    assert rows[0] in before.splitlines()
    assert rows[1].startswith(f"| {second} | 2 | 12,000 | 0 | 1 |")
    assert len(rows) == 2
    assert [line for line in after.splitlines() if line.startswith("- ")] == [f"- {first}: x.y"]


def test_one_failure_fails_the_command_and_stands_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    orders: list[Order] = []

    def made_up(order: Order) -> Outcome:
        orders.append(order)
        return Outcome(3, ("x.y",), 0, 1.0)

    monkeypatch.setattr(proof, "PROOFS", {"good": lambda order: GOOD, "bad": made_up})
    monkeypatch.setattr("sys.argv", ["proof", "--times", "3", "--seed", "5", "--page", str(tmp_path / "page.md")])
    assert main() == 1
    assert orders == [Order(3, 5)]
    assert "| good | 3 | 12,000 |" in (tmp_path / "page.md").read_text()
    assert (tmp_path / "page.md").read_text() == capsys.readouterr().out
    assert "- bad: x.y" in (tmp_path / "page.md").read_text()


@pytest.mark.slow
def test_tests_are_run_as_often_as_ordered(tmp_path: Path) -> None:
    given = tmp_path / "test_given.py"
    given.write_text(
        "import pytest\n"
        "@pytest.mark.runs(3)\n"
        "def test_many(runs, dice):\n    assert (runs, dice.random() < 1) == (6, True)\n"
        "def test_turns(turn):\n    assert turn in (0, 1)\n"
        "def test_wrong(turn):\n    assert turn == 0\n"
    )
    here = Path(__file__).parents[1]
    outcome = of_tests(
        "--rootdir", str(tmp_path), "-c", str(here.parent / "pyproject.toml"), "-p", "tests.conftest", "-n0", str(given)
    )(Order(2, 1))
    assert (outcome.runs, len(outcome.failures), outcome.skipped) == (10, 1, 0)


def test_examples_are_those_of_the_suite_by_default() -> None:
    @examples(7)
    def test() -> None:
        """Nothing: only its marks count."""

    assert [mark.args for mark in test.pytestmark if mark.name == "runs"] == [(7,)]


@pytest.mark.slow
def test_survey_of_tests_comes_back_from_the_process_that_ran_them() -> None:
    test = f"{Path(__file__).parent}/test_volume_decision.py::test_a_plan_ends_at_its_end"
    found = survey(("capacity.decision.volumes",), (test,))
    assert not found.failed
    assert len(found.seconds) == 2
    assert any(module == "capacity.decision.volumes" and lines for (_, module), lines in found.lines.items())
