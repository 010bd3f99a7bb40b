"""Tables for a terminal, and the same values as JSON or CSV. Results go to stdout, logs to stderr."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from capacity.logs import write_line

if TYPE_CHECKING:
    from rich.table import Table

GIB = 2**30
NO_CURRENCY = "in your prices' currency"  # supply.currency is not set
WIDEST = 10_000  # characters: any row fits
READABLE = 100  # characters of a line of sentences
SHORT = (14, 12, 10, 8, 0)  # characters of values that stay whole on a narrow screen, tried in turn
LEAST_LAST = 20  # characters that the last column wraps in; with less left all columns wrap


class Output(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"
    csv = "csv"
    html = "html"


@dataclass(frozen=True)
class Sheet:
    """Rows of named values: printed as a table for people, as CSV for spreadsheets; `document` is what JSON prints.

    `prose`: the last column holds sentences, which wrap at a readable width on every output.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]
    document: Any
    footer: tuple[str, ...] = ()
    prose: bool = False


def show(sheet: Sheet, output: Output) -> None:
    """Print a sheet to stdout as a table, JSON or CSV; a page of HTML holds all sheets at once, see `Face.show`."""
    if output is Output.json:
        sys.stdout.write(json.dumps(sheet.document, indent=1) + "\n")
    elif output is Output.csv:
        sys.stdout.write(csv_text([sheet.columns, *sheet.rows]))
    else:
        _print_table(sheet)


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    r"""Rows as CSV text; no cell is taken for a formula.

    >>> csv_text([("shop", "=1+1", 2), ("two, three", None, 0.5)])
    'shop,\'=1+1,2\n"two, three",,0.5\n'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(_inert_row, rows))
    return text.getvalue()


def _inert_row(row: Sequence[object]) -> list[object]:
    """All of FORMULAS come before letters: most cells need no call."""
    return [_inert(value) if isinstance(value, str) and value < "A" else value for value in row]


FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def _inert(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe in front.

    >>> _inert("=cmd()"), _inert("-3.5"), _inert(-3)
    ("'=cmd()", '-3.5', -3)
    """
    risky = isinstance(value, str) and value.startswith(FORMULAS) and not re.fullmatch(r"[-+]?[0-9.,]+%?", value)
    return f"'{value}" if risky else value


def show_lines(lines: Sequence[str]) -> None:
    """Results of one line each, to be searched with grep; before a person they wrap at words."""
    for line in lines:
        write_line(line, sys.stdout)


def _print_table(sheet: Sheet) -> None:
    """On a terminal all wraps at words; a pipe has no width and gets as much as the longest value needs."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    endless = not sys.stdout.isatty() and not sheet.prose
    if sheet.prose:
        console.width = min(READABLE, console.width if sys.stdout.isatty() or "COLUMNS" in os.environ else READABLE)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(sheet.columns))
    for place, name in enumerate(sheet.columns):
        numeric = bool(sheet.rows) and all(is_number(row[place]) for row in sheet.rows)
        last = place == len(sheet.columns) - 1
        table.add_column(Text(name), justify="right" if numeric else "left", no_wrap=not last, header_style="dim")
    for row in sheet.rows:
        table.add_row(*(Text(str(value)) for value in row))
    widest = table.__rich_measure__(console, console.options.update(width=WIDEST)).maximum
    if endless:
        console.width = max(80, widest)
    elif widest > console.width and widest - _longest_last(sheet) > console.width - LEAST_LAST:
        _narrow(table, sheet, console.width)
    console.print(Text(sheet.title, "bold"), soft_wrap=endless)
    if sheet.prose or (sheet.rows and endless):  # a file or a search has no use for the spaces that fill a column
        with console.capture() as written:
            console.print(table)
        lines = "\n".join(line.rstrip() for line in written.get().splitlines())
        console.print(lines, markup=False, soft_wrap=endless)
    elif sheet.rows:  # names of columns above nothing tell nothing
        console.print(table)
    for line in sheet.footer:
        console.print(line, markup=False, soft_wrap=endless)


def _longest_last(sheet: Sheet) -> int:
    """Characters of the longest value in the last column."""
    from rich.cells import cell_len

    return max((cell_len(str(row[-1])) for row in sheet.rows), default=0)


def _narrow(table: Table, sheet: Sheet, width: int) -> None:
    """Every column wraps, so that no value is cut: short values stay whole where there is room, then words do."""
    table.padding = (0, 1, 0, 0)
    least = (_least_widths(sheet, short) for short in SHORT)
    fitting = next((found for found in least if sum(found) + len(found) <= width), None)
    widths = [None] * len(table.columns) if fitting is None else _filled(fitting, _least_widths(sheet, WIDEST), width)
    for column, chosen in zip(table.columns, widths, strict=True):
        column.no_wrap, column.overflow, column.width = False, "fold", chosen


def _filled(least: list[int], most: list[int], width: int) -> list[int]:
    """The least widths, and the room that is left for the columns that lack the most.

    >>> _filled([6, 5], [20, 6], 16)
    [9, 5]
    """
    widths = list(least)
    for _ in range(width - sum(least) - len(least)):
        lack = [full - chosen for full, chosen in zip(most, widths, strict=True)]
        if max(lack) <= 0:
            break
        widths[lack.index(max(lack))] += 1
    return widths


def _least_widths(sheet: Sheet, short: int) -> list[int]:
    """Characters that each column needs to break at spaces alone, and no value of at most `short` characters.

    >>> _least_widths(Sheet("", ("policy", "95 %"), [("HPA at 80 %", "2.6 to 6.9")], None), 10)
    [6, 10]
    """
    columns = zip(sheet.columns, *([str(value) for value in row] for row in sheet.rows), strict=True)
    return [max(_least(name, 0), *(_least(cell, short) for cell in cells)) for name, *cells in columns]


def _least(text: str, short: int) -> int:
    return len(text) if len(text) <= short else max(map(len, text.split()), default=0)


def is_number(value: object) -> bool:
    """Whether a value stands to the right in its column: a number, or text that is one."""
    return isinstance(value, int | float) or (
        isinstance(value, str) and re.fullmatch(r"[\d.,]+( ?%)?", value) is not None
    )


def clock(moment: datetime, timezone: str) -> str:
    """A time as a person reads it: weekday, date, hour on the business's clock."""
    return f"{moment.astimezone(ZoneInfo(timezone)):%a %Y-%m-%d %H:%M}"


def count(number: int, noun: str) -> str:
    """How many of something, in words.

    >>> count(1, "workload"), count(1200, "audit")
    ('1 workload', '1,200 audits')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def amount(value: float) -> str:
    """A number in three digits that mean something.

    >>> amount(53_917.0), amount(4.666), amount(0.00012345)
    ('53,900', '4.67', '0.000123')
    """
    return f"{float(f'{value:.3g}'):,.10g}"


def money(value: float, currency: str) -> str:
    """An amount with its currency; where none is configured, that it is the one of the prices.

    >>> money(1234.5, "EUR"), money(0.2, "")
    ('1,234.50 EUR', "0.20 in your prices' currency")
    """
    return f"{value:,.2f} {currency or NO_CURRENCY}"


def duration(span: timedelta) -> str:
    """A duration in its largest sensible unit.

    >>> duration(timedelta(minutes=5)), duration(timedelta(days=1127))
    ('5 min', '1127 d')
    """
    seconds = span.total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length or (seconds >= length and seconds % length == 0):
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def moment(at: Any) -> datetime:
    """A step's start, as pandas has it, as a plain time."""
    found: datetime = at.to_pydatetime()
    return found
