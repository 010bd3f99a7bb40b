"""Logs: the standard library's records as text or JSON lines, with the run that wrote them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from capacity.logs import LOGGER, LogForm, Run, end_run, set_up_logs


@pytest.fixture
def run() -> Iterator[Run]:
    set_up_logs()
    yield Run.begin("plan", LogForm.json)
    end_run()


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_record_is_one_json_line_with_its_run_and_its_facts(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    LOGGER.warning("tickets not read: %s", "a\nb", extra={"subject": "shop", "seen": 3})
    (line,) = written(capsys)
    assert list(line) == ["time", "level", "run", "verb", "message", "subject", "seen"]
    assert (line["level"], line["run"], line["verb"]) == ("warning", run.id, "plan")
    assert (line["message"], line["subject"], line["seen"]) == ("tickets not read: a\nb", "shop", 3)


def test_a_level_follows_from_the_call_and_never_from_the_text(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    LOGGER.info("%s", "capacity: error: is what the file is called")
    LOGGER.debug("not of interest")
    (line,) = written(capsys)
    assert (line["level"], line["message"]) == ("info", "capacity: error: is what the file is called")


def test_a_fact_never_takes_the_place_of_a_field(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    LOGGER.info("told", extra={"run": "forged", "level": "forged", "verb": "forged", "time": "forged"})
    (line,) = written(capsys)
    assert "forged" not in line.values()


@pytest.mark.parametrize(
    ("level", "line"),
    [
        pytest.param(logging.INFO, "wrote plan.json\n", id="a remark"),
        pytest.param(logging.WARNING, "capacity: wrote plan.json\n", id="a warning"),
        pytest.param(logging.ERROR, "capacity: error: wrote plan.json\n", id="an error"),
    ],
)
def test_text_marks_warnings_and_errors(level: int, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs()
    Run.begin("plan", LogForm.text)
    LOGGER.log(level, "wrote %s", "plan.json", extra={"subject": "shop"})
    end_run()
    assert capsys.readouterr().err == line


def test_as_a_library_nothing_is_written_but_what_the_caller_asks_for(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    set_up_logs()
    end_run()
    LOGGER.warning("by itself")
    assert capsys.readouterr().err == ""
    assert caplog.messages == ["by itself"]
