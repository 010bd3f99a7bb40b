"""Rows that come twice, and identifiers that have lost their last digits."""

from __future__ import annotations

from typing import Any

from capacity.audit import Finding
from capacity.edge.orders.judging import Judgement
from capacity.edge.sql import quote

SAMPLE = 300_000  # rows that are compared: those whose time has a hash that is a multiple of the rest
LEAST_STEPS, LEAST_ROWS = 2, 20  # steps and different rows that come twice throughout, before it is no chance
LEAST_SHARE = 1e-3  # of all rows: fewer that come twice change no plan
NATURAL = 0.1  # share of rows that equal another elsewhere, from which chance is asked
SAFE = 2**53  # whole numbers above it have no place in a double


def id_findings(judgement: Judgement) -> tuple[Finding, ...]:
    """Whether identifiers that are counted were rounded by a spreadsheet or by a program that took them for amounts."""
    column = judgement.settings.value.count_distinct
    if column is None:
        return ()
    name, kind = quote(column), judgement.source.columns[column]
    if kind.startswith(("DOUBLE", "FLOAT")):
        rounded = f"abs({name}) >= {SAFE}"
    elif kind == "VARCHAR" and _was_text(judgement):
        rounded = f"contains(upper({name}), 'E+') AND regexp_full_match({name}, '[0-9]([.,][0-9]+)?[eE][+][0-9]+')"
    else:
        return ()
    query = f"SELECT count(*), count(*) FILTER (WHERE {rounded}) FROM orders"
    rows, count = judgement.source.database.execute(query).fetchone() or (0, 0)
    if not count:
        return ()
    said = (
        f"{column}: expected identifiers as text, got {count:,} of {rows:,} as rounded numbers, so different orders "
        "look equal; export the column as text"
    )
    return (Finding("rounded_ids", "refuse", said),)


def _was_text(judgement: Judgement) -> bool:
    """Whether the source is text or a database: spreadsheets write text, not Parquet."""
    tables = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'raw'"
    return judgement.source.database.execute(tables).fetchone() == (1,)


def twins(judgement: Judgement) -> tuple[Finding, ...]:
    """Whether whole steps of rows come twice, as they do where exports overlap; rules on `unique` look for themselves.

    A step comes twice where every row of it is there as often as a multiple of two or three. Where rows are equal by
    chance elsewhere too, there must be more such steps than chance would leave.
    """
    settings, database = judgement.settings, judgement.source.database
    if any(rule.unique is not None for rule in settings.rules):
        return ()
    time = quote(settings.time)
    rows = (database.execute("SELECT count(*) FROM orders").fetchone() or (0,))[0]
    part = max(1, rows // SAMPLE)
    sampled = f"WHERE hash({time}) % {part} = 0" if part > 1 else ""
    columns = ", ".join(quote(name) for name in judgement.source.columns if name != "source_row")
    for hashed in (time, columns):  # the time alone first: where its steps do not come twice, no row needs to be read
        repeated, steps, different, first, last, natural, chance = _repeated(judgement, hashed, sampled)
        few = repeated * part < LEAST_SHARE * rows or (hashed == columns and different < LEAST_ROWS)
        if steps < LEAST_STEPS or few:
            return ()
    if natural > NATURAL and steps <= 3 * chance + LEAST_STEPS:
        return ()
    about = "about " if part > 1 else ""
    said = (
        f"{about}{int(repeated * part):,} rows equal another in every column, from {first:%Y-%m-%dT%H:%MZ} to "
        f"{last:%Y-%m-%dT%H:%MZ}: do exports overlap? A rule with `unique` counts each row once"
    )
    return (Finding("repeated_rows", "warn", said),)


def _repeated(judgement: Judgement, columns: str, sampled: str) -> tuple[int, int, int, Any, Any, float, float]:
    """Of steps that come twice throughout: rows that repeat another, steps, different rows, first and last time.

    Then the share of rows that repeat another in the other steps, and the steps that chance would leave.
    """
    moment = judgement.time.unordered or judgement.time.instant
    time = quote(judgement.settings.time)  # an instant costs more than a hash: it is made of few rows only
    query = (
        f"WITH equal AS (SELECT {time}, hash({columns}) AS capacity_hash, count(*) AS capacity_n FROM orders {sampled} "
        f"GROUP BY ALL), timed AS (SELECT {moment} AS moment, capacity_n AS n FROM equal), "
        "steps AS (SELECT floor(epoch(moment) / 3600) AS step, sum(n) AS n, count(*) AS different, "
        "min(moment) AS first, max(moment) AS last, bool_and(n % 2 = 0) OR bool_and(n % 3 = 0) AS twice "
        "FROM timed GROUP BY 1) "
        "SELECT coalesce(sum(n - different) FILTER (WHERE twice), 0), count(*) FILTER (WHERE twice), "
        "coalesce(sum(different) FILTER (WHERE twice), 0), min(first) FILTER (WHERE twice), "
        "max(last) FILTER (WHERE twice), "
        "coalesce(1 - sum(different) FILTER (WHERE NOT twice) / sum(n) FILTER (WHERE NOT twice), 0), "
        "sum(0.5 ** different + 0.34 ** different) FROM steps WHERE first IS NOT NULL"
    )
    found = judgement.source.database.execute(query).fetchone()
    return found or (0, 0, 0, None, None, 0.0, 0.0)
