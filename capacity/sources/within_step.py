"""Rows by the part of their step: what times to the second tell of the shape within an hour or a day."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

import duckdb
import pandas as pd

from capacity.model.settings import SalesSettings
from capacity.sources.sql import DAY, literal, on_step

FINE, MIDDLE = 300, 900  # seconds of a part: of steps of up to an hour, and of longer ones
HOUR = 3600
MOST = 24  # quarters of an hour that a database tells apart in one answer
UNTOLD = "CAST(NULL AS UINTEGER[])"
NOT_WITHIN = "CAST([] AS UINTEGER[])"  # all rows are at the very start of their step
KNOWN = timedelta(days=119)  # how far back rows are told apart: thirteen weeks before the four that are replayed


def part_seconds(step: timedelta) -> int | None:
    """The length of a part of such a step in seconds; None where steps are so short, or so long, that none is told."""
    seconds = int(step.total_seconds())
    part = FINE if seconds <= HOUR else MIDDLE
    return part if MIDDLE < seconds <= DAY and seconds % MIDDLE == 0 else None


def rows_by_part(moment: str, settings: SalesSettings, timezone: str, good: str, rows: str = "1") -> str:
    """SQL: a list of how many good rows each part of a step has; empty where all are at its very start.

    Rows at midnight, of steps of days, are in no part: dates without a time, which exports mix with others, would make
    a rush of every midnight. `rows`: how many rows one row stands for.
    """
    part = part_seconds(settings.step)
    if part is None:
        return UNTOLD
    seconds = int(settings.step.total_seconds())
    local = f"timezone({literal(timezone)}, {moment})"
    since = f"epoch({moment}) % {seconds}" if seconds < DAY else f"epoch({local}) - epoch(date_trunc('day', {local}))"
    exact = on_step(moment, settings, timezone)
    told = good if seconds < DAY else f"{good} AND NOT ({exact})"
    place, many = f"floor(({since}) / {part})", "count(*)" if rows == "1" else f"sum({rows})"
    counts = [f"coalesce({many} FILTER (WHERE {told} AND {place} = {at}), 0)" for at in range(seconds // part)]
    return listed(f"bool_and({exact})", counts)


def listed(exact: str, counts: Sequence[str]) -> str:
    """SQL: the list of these counts; empty where all rows are at the very start of their step."""
    return f"CAST(CASE WHEN {exact} THEN [] ELSE [{', '.join(counts)}] END AS UINTEGER[])"


def quarters_of(seconds: int) -> int:
    """Into how many quarters of an hour a database counts the rows of such steps; 0: it does not tell them apart."""
    return seconds // MIDDLE if part_seconds(timedelta(seconds=seconds)) and seconds <= MOST * MIDDLE else 0


def from_quarters(seconds: int, exact: str, quarters: Sequence[str]) -> str:
    """SQL: the list as `rows_by_part` has it, of rows that were counted by quarters of an hour."""
    part = part_seconds(timedelta(seconds=seconds))
    if part is None or not quarters:
        return UNTOLD
    fill = ["0"] * (MIDDLE // part - 1)
    return listed(exact, [count for quarter in quarters for count in (quarter, *fill)])


def parts_query(database: duckdb.DuckDBPyConnection, good: str, step: timedelta) -> str | None:
    """SQL: grp, begin_at and n, the good rows in each part of the last steps; None where no row is within its step."""
    part = part_seconds(step)
    if part is None:
        return None
    last = "(SELECT max(step_start) FROM counted)"
    inside = f"{good} AND parts IS NOT NULL AND step_start >= {last} - {int(KNOWN.total_seconds())}"
    known = database.execute(f"SELECT count(*) FROM counted WHERE {inside} AND len(parts) > 0").fetchone()
    if not known or not known[0]:
        return None
    if step >= timedelta(seconds=DAY):
        inside += " AND len(parts) > 0"  # days of dates without a time say nothing
    each = (
        "SELECT grp, step_start, CASE WHEN len(parts) = 0 THEN [row_count] ELSE CAST(parts AS BIGINT[]) END AS counts "
        f"FROM counted WHERE {inside}"
    )
    return (
        f"SELECT grp, step_start + {part} * unnest(range(len(counts))) AS begin_at, unnest(counts) AS n FROM ({each})"
    )


def together(query: str) -> str:
    """SQL: the same of all groups together."""
    return f"SELECT '' AS grp, begin_at, sum(n) AS n FROM ({query}) GROUP BY begin_at"


def rows_in(database: duckdb.DuckDBPyConnection, query: str, step: timedelta) -> dict[str, pd.Series]:
    """Rows in each part of these steps (see `parts_query`), by group, on the full grid from the first to the last.

    Named as steps are: those of days by the business's date. Parts without rows have none.
    """
    part = part_seconds(step)
    table = database.execute(f"SELECT grp, begin_at, n FROM ({query}) ORDER BY grp, begin_at").df()
    return {str(group): _series(one, part or MIDDLE) for group, one in table.groupby("grp", sort=True)}


def rows_within(
    database: duckdb.DuckDBPyConnection, good: str, step: timedelta, groups: Collection[str | None]
) -> dict[str | None, pd.Series]:
    """The same of loaded orders, for these groups; None: of all together. Empty where no row is within its step."""
    query, named = parts_query(database, good, step), sorted(group for group in groups if group is not None)
    if query is None:
        return {}
    found: dict[str | None, pd.Series] = {}
    if None in groups:
        found[None] = rows_in(database, together(query), step).popitem()[1]
    if not named:
        return found
    chosen = f"SELECT * FROM ({query}) WHERE grp IN ({', '.join(map(literal, named))})"
    found.update(rows_in(database, chosen, step))
    return found


def _series(counts: pd.DataFrame, part: int) -> pd.Series:
    index = pd.DatetimeIndex(pd.to_datetime(counts["begin_at"].to_numpy(), unit="s", utc=True))
    series = pd.Series(counts["n"].to_numpy(dtype=float), index, name="rows")
    return series.reindex(pd.date_range(index[0], index[-1], freq=f"{part}s"), fill_value=0.0)
