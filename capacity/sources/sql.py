"""Pieces of SQL: quoted names, steps, and the built-in rules."""

from __future__ import annotations

from collections.abc import Sequence

from capacity.model.settings import SalesSettings


def quote(name: str) -> str:
    """An identifier in SQL.

    >>> quote("group")
    '"group"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text literal in SQL.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def one_line(error: BaseException) -> str:
    """An error's first sentences on one line, at most 300 characters."""
    lines: Sequence[str] = [line.strip() for line in str(error).split("\nLINE ")[0].splitlines() if line.strip()]
    return " ".join(lines)[:300]


GOOD = "aside = 0 AND len(failed) = 0"  # of `counted`: rows that count
DAY, MONDAY = 86400, 345600  # seconds; weeks begin on Monday, and 1970-01-05 was one


def step_start(moment: str, settings: SalesSettings, timezone: str) -> str:
    """The start of the step that holds a moment, in seconds since 1970; a step of days is named by its date."""
    seconds = int(settings.step.total_seconds())
    if seconds < DAY:
        return f"CAST(floor(epoch({moment}) / {seconds}) * {seconds} AS BIGINT)"
    local_day = f"epoch(date_trunc('day', timezone({literal(timezone)}, {moment})))"
    return f"CAST(floor(({local_day} - {MONDAY}) / {seconds}) * {seconds} + {MONDAY} AS BIGINT)"


def on_step(moment: str, settings: SalesSettings, timezone: str) -> str:
    """Whether a moment is the start of its step: a date without a time, or one measurement."""
    seconds = int(settings.step.total_seconds())
    if seconds < DAY:
        return f"epoch({moment}) % {seconds} = 0"
    local = f"timezone({literal(timezone)}, {moment})"
    return f"date_trunc('day', {local}) = {local}"


ROW_HASH = "capacity_hash"  # the column that tells equal rows apart, whatever columns are read


def hash_of(column: str) -> str:
    """The name of the column with hashes of a column whose values are not read."""
    return f"{ROW_HASH} of {column}"


def is_ours(column: str) -> bool:
    """Whether a column is ours, and not the source's."""
    return column == "source_row" or column.startswith(ROW_HASH)


READABLE = "readable_row"  # the CSV reader could not split the line into the file's columns
GROUP = "readable_group"  # the group column is empty: the row would be in no series
TIME = "readable_time"  # the time column is empty, or not a time in the given format
VALUE = "readable_value"  # the value column is empty, not a number, or not finite
NOT_NEGATIVE = "value_not_negative"  # a negative amount cancels demand that was served: it is not demand
PLAUSIBLE = "plausible_time"  # the time is ahead of the clock, or years or far away from that of all other rows
BUILT_IN = (READABLE, TIME, PLAUSIBLE, VALUE, NOT_NEGATIVE, GROUP)
EPOCHS = {"epoch": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}  # time_format: parts of a second
OLDEST, NEWEST = -2208988800, 7258118400  # 1900 and 2200: milliseconds read as seconds are no time at all
