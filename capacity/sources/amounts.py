"""Finds amounts that are no sales, from what was counted: one far above all others, zeros, and groups that stopped."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import numpy as np
import pandas as pd

from capacity.model.settings import SalesSettings
from capacity.quality import Finding
from capacity.quality.amounts import BEFORE, days_stopped, extreme_steps, lost_amounts
from capacity.quality.column_roles import is_count
from capacity.quality.composition import shown
from capacity.sources.columns import order_numbers
from capacity.sources.judging import Judgement
from capacity.sources.sql import DAY, GOOD, hash_of, literal, quote

LARGE = 0.02  # share of the rows that a group has, from which its end changes a plan
MANY_ZEROS = 0.3  # share of orders whose amount is zero, from which amounts are lost: free items are fewer
LEAST_ROWS = 100
ORDERS = 2.0  # rows a step and group, from which rows are orders and no totals
ALONE, GRID, CLEAR = 0.6, 300, 0.05  # times by rows, seconds, and share of exceptions, of totals and repeated amounts
DEFAULT, OFTENER, LEAST_DAYS = 0.05, 10, 5  # share of rows at one time, times the next one, and on so many days
SEVERAL = 0.3  # share of days with a row in one and the same second, where it may be put in
PARTS = 0.1  # share of steps with parts of one, from which a count is none
CENTS = (50.0, 200.0)  # times, by which the usual cents are more than the usual euros
LIMITS = {*(10**power * n for power in (4, 5) for n in (1, 5)), 10**6, 65_535, 65_536, 1_048_575, 1_048_576}
NAMED = 3  # groups that a message names


def amount_findings(database: duckdb.DuckDBPyConnection, settings: SalesSettings) -> tuple[Finding, ...]:
    """Whether steps of sales are far above all others or zero by fault, and whether groups stopped before the end."""
    query = (
        "SELECT step_start, sum(CAST(value AS DOUBLE)) AS value FROM counted "
        f"WHERE {GOOD} AND step_start IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    frame = database.execute(query).df()
    steps = pd.Series(frame["value"].to_numpy(dtype=float), pd.to_datetime(frame["step_start"], unit="s", utc=True))
    lost = () if settings.value.sum is None else (*_lost(steps, settings), *_parts_of_counts(steps, settings.value.sum))
    stopped = () if settings.group is None else _stopped_groups(database, settings.group)
    return (*_extreme(steps, settings), *lost, *stopped)


def _extreme(steps: pd.Series, settings: SalesSettings) -> tuple[Finding, ...]:
    found = extreme_steps(steps.to_numpy())
    if found is None:
        return ()
    place, times, count = found
    summed = settings.value.sum
    name = summed or settings.value.count_distinct or "rows"
    why = (
        "is an amount wrong? A rule with `range` leaves it out"
        if summed
        else "are these a test, an import or a copy? A select leaves them out"
    )
    said = (
        f"{name}: expected steps of one size, got {steps.iloc[place]:.6g} in that of "
        f"{steps.index[place]:%Y-%m-%dT%H:%MZ}, {times:.4g} times what all but {count} have: {why}"
    )
    return (Finding("extreme_amounts", "warn", said),)


def _parts_of_counts(steps: pd.Series, amount: str) -> tuple[Finding, ...]:
    """Whether a column that is named as a count has parts, as means, shares and rates have."""
    parts = int((steps % 1 != 0).sum())
    if not is_count(amount) or len(steps) < LEAST_ROWS or parts < PARTS * len(steps):
        return ()
    said = (
        f"{amount}: expected whole numbers, as its name says, got parts of one in {parts:,} of {len(steps):,} steps: "
        "are these means, shares or rates? Export counts, or name what is summed up"
    )
    return (Finding("value", "warn", said),)


def _lost(steps: pd.Series, settings: SalesSettings) -> tuple[Finding, ...]:
    found = lost_amounts(steps) if settings.step < timedelta(days=1) else None
    if found is None:
        return ()
    said = (
        f"{settings.value.sum}: expected amounts above zero, as in other weeks, got zero in {found[0]:,} of "
        f"{found[1]:,} steps at hours that are never nearly so low: are amounts missing? Leave these rows out, so that "
        "they are gaps"
    )
    return (Finding("zero_amounts", "warn", said),)


def zero_findings(judgement: Judgement) -> tuple[Finding, ...]:
    """Whether so many orders have an amount of zero that amounts must be lost, as in a join that found no price."""
    amount = judgement.settings.value.sum
    if amount is None:
        return ()
    database, number = judgement.source.database, judgement.amount.number
    rows, steps = database.execute(f"SELECT sum(row_count), count(*) FROM counted WHERE {GOOD}").fetchone() or (0, 0)
    if not rows or rows < max(LEAST_ROWS, ORDERS * steps):
        return ()
    time, group = quote(judgement.settings.time), judgement.settings.group
    each = time if group is None else f"({time}, {quote(group)})"
    query = f"SELECT count(*) FILTER ({number} = 0), count({number}) FROM orders"
    zero, there = database.execute(query).fetchone() or (0, 0)
    if not there or zero < MANY_ZEROS * there:
        return ()
    (times,) = database.execute(f"SELECT count(DISTINCT {each}) FROM orders").fetchone() or (0,)
    if times > ALONE * there and _on_grid(judgement):
        return ()  # totals of steps that are shorter than those of the sales
    said = (
        f"{amount}: expected what each order was worth, got zero in {zero:,} of {there:,} rows, which then count for "
        "nothing: are amounts missing? Count orders, or leave out by a select what is none"
    )
    return (Finding("zero_amounts", "warn", said),)


def _on_grid(judgement: Judgement) -> bool:
    """Whether times stand on whole multiples of five minutes."""
    moment = f"epoch({judgement.time.unordered or judgement.time.instant})"
    query = f"SELECT avg(CAST({moment} % {GRID} = 0 AS INTEGER)) FROM orders"
    share = (judgement.source.database.execute(query).fetchone() or (0.0,))[0]
    return float(share or 0.0) >= 1 - CLEAR


def repeated_amount_findings(judgement: Judgement) -> tuple[Finding, ...]:
    """Whether all rows of an order have one amount, as where its total stands in each of its lines."""
    amount = judgement.settings.value.sum
    database = judgement.source.database
    there = {name for name, *_ in database.execute("DESCRIBE orders").fetchall()} if amount is not None else set()
    names = order_numbers(judgement.settings, judgement.source.listed())
    for name in names if amount is not None else ():
        column = next((quote(one) for one in (name, hash_of(name)) if one in there), None)
        if column is None:
            continue
        number = judgement.amount.number
        orders = (
            f"SELECT count(*) AS n, min({number}) AS low, max({number}) AS high FROM orders WHERE {column} IS NOT NULL "
            f"GROUP BY {column}"
        )
        query = (
            "SELECT count(*), sum(n), count(*) FILTER (low = high), count(DISTINCT low) FILTER (low = high) "
            f"FROM ({orders}) WHERE n > 1"
        )
        several, rows, same, different = database.execute(query).fetchone() or (0, 0, 0, 0)
        if several >= LEAST_ROWS and same >= (1 - CLEAR) * several and different >= several * LARGE:
            said = (
                f"{amount}: expected the amount of each row, got one and the same in all {int(rows):,} rows of "
                f"{several:,} orders of several rows: is the total of {name} in each of its lines? A rule with "
                f"`unique: {name}` counts it once"
            )
            return (Finding("repeated_rows", "warn", said),)
    return ()


def default_time_notes(judgement: Judgement) -> tuple[str, ...]:
    """A note on a time of day that many rows bear to the second, as where a program puts one in for a date."""
    if judgement.settings.step.total_seconds() >= DAY or not _often_at_an_end(judgement):
        return ()
    moment = judgement.time.unordered or judgement.time.instant
    second = f"CAST(epoch({moment}) AS BIGINT) % {DAY}"  # by UTC: a time of day on the clock has at most two of them
    times = f"SELECT {second} AS second, count(*) AS n FROM orders GROUP BY 1"
    query = f"SELECT second, n, sum(n) OVER () FROM ({times}) WHERE second IS NOT NULL ORDER BY n DESC, second LIMIT 3"
    top = judgement.source.database.execute(query).fetchall()
    if len(top) < 3 or top[0][1] < max(LEAST_ROWS, DEFAULT * top[0][2]) or top[0][1] < OFTENER * top[2][1]:
        return ()
    local = f"timezone({literal(judgement.timezone)}, {moment})"
    query = (
        f"SELECT CAST({local} AS TIME) AS clock, count(*) AS n, count(DISTINCT CAST({local} AS DATE)) FROM orders "
        f"WHERE {second} = {top[0][0]} GROUP BY 1 ORDER BY n DESC, clock LIMIT 1"
    )
    (at, count, days), rows = judgement.source.database.execute(query).fetchone() or (None, 0, 0), top[0][2]
    if at is None or days < LEAST_DAYS:
        return ()
    return (
        f"{count:,} of {rows:,} rows are at {at:%H:%M:%S} exactly, on {days:,} days: where a program put this in for a "
        "time that it did not know, leave them out",
    )


def _often_at_an_end(judgement: Judgement) -> bool:
    """Whether steps at one time of day often have a row in their first or last second, by what was counted."""
    length = int(judgement.settings.step.total_seconds())
    query = (
        "SELECT max(often) FROM (SELECT avg(CAST(epoch(first) < step_start + 1 OR "
        f"epoch(last) >= step_start + {length} - 1 AS INTEGER)) AS often "
        f"FROM counted WHERE {GOOD} AND step_start IS NOT NULL GROUP BY step_start % {DAY} "
        f"HAVING count(*) >= {LEAST_DAYS})"
    )
    often = (judgement.source.database.execute(query).fetchone() or (0.0,))[0]
    return float(often or 0.0) >= SEVERAL


def two_unit_findings(judgement: Judgement) -> tuple[Finding, ...]:
    """Whether whole amounts are about a hundred times those with parts, as cents among euros are."""
    amount = judgement.settings.value.sum
    if amount is None:
        return ()
    number, database = judgement.amount.number, judgement.source.database
    whole, parts = f"({number}) > 0 AND ({number}) % 1 = 0", f"({number}) % 1 != 0"
    query = f"SELECT count(*) FILTER ({whole}), count(*) FILTER ({parts}) FROM orders"
    some, others = database.execute(query).fetchone() or (0, 0)
    if min(some, others) < max(LEAST_ROWS, LARGE * (some + others)):
        return ()
    cents, euros = (_median(database, number, where) for where in (whole, parts))
    if not CENTS[0] <= cents / euros <= CENTS[1]:
        return ()
    said = (
        f"{amount}: expected amounts of one unit, got {some:,} whole ones of about {cents:,.6g} among {others:,} with "
        f"parts of about {euros:,.4g}: are some in cents? Convert them, or count orders"
    )
    return (Finding("units", "warn", said),)


def _median(database: duckdb.DuckDBPyConnection, number: str, where: str) -> float:
    """The median of some rows by counts of equal values: DuckDB's own keeps all rows in memory."""
    counts = f"SELECT {number} AS value, count(*) AS n FROM orders WHERE {where} GROUP BY 1"
    places = f"SELECT value, n, sum(n) OVER (ORDER BY value) AS upto, sum(n) OVER () AS rows FROM ({counts})"
    middle = (
        f"SELECT avg(CAST(value AS DOUBLE)) FROM ({places}) WHERE upto - 1 >= (rows - 1) // 2 AND upto - n <= rows // 2"
    )
    return float((database.execute(middle).fetchone() or (0.0,))[0])


def limit_notes(rows: int) -> tuple[str, ...]:
    """A note on as many rows as a program exports at most, with or without the line of names.

    >>> limit_notes(1_048_575), limit_notes(1_048_570)
    (('1,048,575 rows are as many as a spreadsheet or an export may hold: is the rest missing?',), ())
    """
    if rows not in LIMITS:
        return ()
    return (f"{rows:,} rows are as many as a spreadsheet or an export may hold: is the rest missing?",)


def _stopped_groups(database: duckdb.DuckDBPyConnection, group: str) -> tuple[Finding, ...]:
    """Whether large groups have had no rows for days while others went on, as where one part of a feed is missing."""
    days = (
        f"SELECT grp, step_start // {DAY} AS day, sum(row_count) AS n FROM counted WHERE {GOOD} "
        "AND step_start IS NOT NULL GROUP BY ALL"
    )
    large = (
        f"SELECT grp, day, n FROM (SELECT *, sum(n) OVER (PARTITION BY grp) AS own, sum(n) OVER () AS all_rows "
        f"FROM ({days})) WHERE own >= {LARGE} * all_rows"
    )
    rows = database.execute(large).df()
    if rows.empty:
        return ()
    totals = database.execute(f"SELECT day, sum(n) AS n FROM ({days}) GROUP BY 1").df().set_index("day")["n"]
    span = range(int(totals.index.min()), int(totals.index.max()))  # the newest day may not be over
    if len(span) < BEFORE:
        return ()
    wide = rows.pivot_table(index="day", columns="grp", values="n", aggfunc="sum").reindex(span).fillna(0.0)
    total = totals.reindex(span, fill_value=0).to_numpy(dtype=float)
    found = {}
    for name in wide.columns:
        own = wide[name].to_numpy(dtype=float)
        first = int(np.argmax(own > 0))
        stopped = days_stopped(own[first:], (total - own)[first:])
        if stopped is not None:
            found[str(name)] = (stopped, float(own.sum() / max(total.sum(), 1)))
    if not found:
        return ()
    named = [f"{shown(name)} ({100 * share:.0f} % of all, {days} days)" for name, (days, share) in found.items()]
    said = (
        f"{group}: expected rows of each group up to the newest day, got none of {', '.join(named[:NAMED])}"
        f"{f' and {len(named) - NAMED} more' if len(named) > NAMED else ''} while others went on: is a part of the "
        "export missing? Leave a group that has closed out by a select"
    )
    return (Finding("groups", "warn", said),)
