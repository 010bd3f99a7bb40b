"""What is printed: nothing cut, nothing interpreted, results on stdout and remarks on stderr."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from capacity.cli.command import CommandContext
from capacity.logs import LOGGER, Run, end_run, set_up_logs
from capacity.views import Output, Sheet, show
from capacity.views.sheet import clock, duration

TRICKY = ["[red]text[/red]", "[/b]", "a, b", 'say "yes"', "two\nlines", "ünïcödé"]
SHEET = Sheet("Things [old]", ("name", "count"), [(text, place) for place, text in enumerate(TRICKY)], {"things": 6})


def test_json_is_the_document_alone(capsys: pytest.CaptureFixture[str]) -> None:
    show(SHEET, Output.json)
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"things": 6}
    assert printed.err == ""


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    set_up_logs()
    yield
    end_run()


def test_csv_reads_back_as_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    show(SHEET, Output.csv)
    header, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == ["name", "count"]
    assert rows == [[text, str(place)] for place, text in enumerate(TRICKY)]


@pytest.mark.parametrize("text", ["[red]text[/red]", "[/b]", "orders[ab].csv", "[link=x]y[/link]"])
def test_brackets_are_printed_as_they_are_wherever_they_stand(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(Sheet(f"title {text}", (f"column {text}",), [(f"cell {text}",)], {}, (f"footer {text}",)), Output.table)
    LOGGER.info("%s", f"remark {text}")
    printed = capsys.readouterr()
    for place in ("title", "column", "cell", "footer"):
        assert f"{place} {text}" in printed.out
    assert printed.err == f"remark {text}\n"


@pytest.mark.parametrize("length", [20, 119, 130, 317], ids=lambda length: f"{length} letters")
def test_no_value_is_cut_in_a_pipe(length: int, capsys: pytest.CaptureFixture[str]) -> None:
    show(Sheet("t", ("autoscaler", "floor", "why"), [("z" * length, 17, "because of rain")], {}), Output.table)
    printed = capsys.readouterr().out
    assert printed.count("z") == length
    assert "17" in printed
    assert "because of rain" in " ".join(printed.split())


def test_a_long_remark_stays_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    LOGGER.info("%s", "word " * 100)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_quiet_remark_is_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    CommandContext(Path("capacity.yaml"), Output.table, quiet=True, verbose=False, run=Run("", "plan")).say("hush")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_a_sheet_without_rows_has_no_names_of_columns_but_as_csv(capsys: pytest.CaptureFixture[str]) -> None:
    show(Sheet("Nothing yet", ("name",), [], {}, ("the end",)), Output.table)
    assert capsys.readouterr().out.split("\n") == ["Nothing yet", "the end", ""]
    show(Sheet("Nothing yet", ("name",), [], {}, ("the end",)), Output.csv)
    assert capsys.readouterr().out == "name\n"


def test_numbers_stand_to_the_right_and_words_to_the_left(capsys: pytest.CaptureFixture[str]) -> None:
    show(Sheet("t", ("a long column", "word"), [(7, "x"), (12, "yy")], {}), Output.table)
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.index(str(number)) + len(str(number)) for row, number in zip(rows, (7, 12), strict=True)] == [13, 13]
    assert rows[0].index("x") == rows[1].index("y")


@pytest.mark.parametrize(
    ("span", "text"),
    [
        pytest.param(timedelta(seconds=0), "0 s", id="no time"),
        pytest.param(timedelta(seconds=59), "59 s", id="seconds"),
        pytest.param(timedelta(minutes=1), "1 min", id="exactly a minute"),
        pytest.param(timedelta(seconds=90), "90 s", id="a minute and a half stays exact"),
        pytest.param(timedelta(minutes=119), "119 min", id="almost two hours"),
        pytest.param(timedelta(hours=2), "2 h", id="two hours"),
        pytest.param(timedelta(hours=24), "1 d", id="exactly a day"),
        pytest.param(timedelta(hours=47), "47 h", id="almost two days"),
        pytest.param(timedelta(days=1127), "1127 d", id="years"),
    ],
)
def test_durations_are_written_in_their_largest_sensible_unit(span: timedelta, text: str) -> None:
    assert duration(span) == text


def test_the_clock_is_the_business_own_on_either_side_of_a_change() -> None:
    assert clock(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "Europe/London") == "Sun 2026-10-25 01:30"
    assert clock(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "Europe/London") == "Sun 2026-10-25 01:30"
    assert clock(datetime(2026, 10, 25, 18, 40, tzinfo=UTC), "Asia/Kathmandu") == "Mon 2026-10-26 00:25"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("columns", "row", "lines"),
    [
        pytest.param(("a", "b"), ("x" * 60, "12"), [f"{'x' * 60}  12"], id="what fits stays as it is"),
        pytest.param(
            ("a", "why"), ("x" * 20, "word " * 20), [f"{'x' * 20}  {('word ' * 11).strip()}"], id="the last wraps"
        ),
        pytest.param(("a", "b"), ("word " * 12, "word " * 12), ["word word"], id="all wrap where the last has no room"),
        pytest.param(
            ("", "policy", *"cdefgh"),
            ("recommended", "word " * 12, *["+12.3 % to 45.6 %"] * 2, *["90.80 %"] * 4),
            ["recommended word"],
            id="words stay whole, and long values wrap between them",
        ),
        pytest.param(("a", "b"), ("x" * 100, "12"), ["x"], id="a word longer than the screen is folded, never cut"),
    ],
)
def test_a_terminal_of_80_columns_holds_every_value(
    columns: tuple[str, ...], row: tuple[str, ...], lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stdout", screen)
    show(Sheet("t", columns, [row], {}), Output.table)
    printed = screen.getvalue().splitlines()
    assert all(len(line) <= 80 for line in printed)
    assert printed[2].rstrip().startswith(lines[0])
    letters = sum(value.count("x") + value.count("word") for value in row)
    assert sum(line.count("x") + line.count("word") for line in printed) == letters
