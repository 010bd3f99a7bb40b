"""Rows that come twice, and identifiers that have lost their last digits."""

from __future__ import annotations

from capacity.audit import Finding
from capacity.edge.orders.judging import Judgement
from capacity.edge.orders.sql import quote

SAMPLE = 1_000_000  # rows that are compared: those whose time has a hash that is a multiple of the rest
LEAST_STEPS, LEAST_ROWS = 2, 20  # steps and different rows that come twice throughout, before it is no chance
SAFE = 2**53  # whole numbers above it have no place in a double


def id_findings(judgement: Judgement) -> tuple[Finding, ...]:
    """Whether identifiers that are counted were rounded by a spreadsheet or by a program that took them for amounts."""
    column = judgement.settings.value.count_distinct
    if column is None:
        return ()
    name, kind = quote(column), judgement.source.columns[column]
    if kind.startswith(("DOUBLE", "FLOAT")):
        rounded = f"abs({name}) >= {SAFE}"
    elif kind == "VARCHAR":
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


def twins(judgement: Judgement) -> tuple[Finding, ...]:
    """Whether whole steps of rows come twice, as they do where exports overlap; rules on `unique` look for themselves.

    A step counts where every row of it is there as often as a multiple of two or three: rows that are equal by chance
    are not.
    """
    settings, database = judgement.settings, judgement.source.database
    if any(rule.unique is not None for rule in settings.rules):
        return ()
    time = quote(settings.time)
    rows = (database.execute("SELECT count(*) FROM orders").fetchone() or (0,))[0]
    part = max(1, rows // SAMPLE)
    sampled = f"WHERE hash({time}) % {part} = 0" if part > 1 else ""
    columns = ", ".join(quote(name) for name in judgement.source.columns if name != "source_row")
    moment = judgement.time.instant
    query = (
        f"WITH kept AS (SELECT {moment} AS moment, hash({columns}) AS row_hash FROM orders {sampled}), "
        "equal AS (SELECT moment, row_hash, count(*) AS n FROM kept WHERE moment IS NOT NULL GROUP BY ALL), "
        "steps AS (SELECT floor(epoch(moment) / 3600) AS step, sum(n) AS n, count(*) AS different, "
        "min(moment) AS first, max(moment) AS last, bool_and(n % 2 = 0) OR bool_and(n % 3 = 0) AS twice "
        "FROM equal GROUP BY 1) "
        "SELECT coalesce(sum(n - different) FILTER (WHERE twice), 0), count(*) FILTER (WHERE twice), "
        "coalesce(sum(different) FILTER (WHERE twice), 0), min(first) FILTER (WHERE twice), "
        "max(last) FILTER (WHERE twice) FROM steps"
    )
    repeated, steps, different, first, last = database.execute(query).fetchone() or (0, 0, 0, None, None)
    if steps < LEAST_STEPS or different < LEAST_ROWS:
        return ()
    about = "about " if part > 1 else ""
    said = (
        f"{about}{int(repeated * part):,} rows equal another in every column, from {first:%Y-%m-%dT%H:%MZ} to "
        f"{last:%Y-%m-%dT%H:%MZ}: do exports overlap? A rule with `unique` counts each row once"
    )
    return (Finding("repeated_rows", "warn", said),)
