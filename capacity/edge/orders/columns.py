"""Columns of text as values: one type per column, decided from all rows, in any order and from any number of files."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import duckdb

from capacity.edge.orders.timing import is_iso, is_zoned
from capacity.edge.sql import quote

FIRST = 2048  # rows that can rule a type out; only all rows together can confirm one
MOST_DIGITS = 17  # a longer number is not what a double holds: it stays text


def _integer(name: str) -> str:
    return f"CAST(TRY_CAST({name} AS BIGINT) AS VARCHAR) = {name}"


def _number(name: str) -> str:
    """A decimal number without leading zeros or an exponent: those are identifiers, or have lost their last digits."""
    start = f"ltrim({name}, '-')"
    return (
        f"coalesce(isfinite(TRY_CAST({name} AS DOUBLE)), false) AND length({name}) <= {MOST_DIGITS} "
        f"AND NOT ({start} LIKE '0_%' AND {start} NOT LIKE '0.%') AND lower({name}) NOT LIKE '%e%' "
        f"AND {name} NOT LIKE '% %' AND {name} NOT LIKE '+%'"
    )


KINDS: dict[
    str, tuple[Callable[[str], str], str]
] = {  # type -> whether a value is one, and how it is made; the first that all values are is the column's
    "BOOLEAN": (lambda name: f"lower({name}) IN ('true', 'false')", "TRY_CAST({} AS BOOLEAN)"),
    "BIGINT": (_integer, "TRY_CAST({} AS BIGINT)"),
    "DOUBLE": (_number, "TRY_CAST({} AS DOUBLE)"),
    "DATE": (lambda name: f"length({name}) = 10 AND {is_iso(name)}", "TRY_CAST({} AS DATE)"),
    "TIMESTAMP": (lambda name: f"{is_iso(name)} AND NOT {is_zoned(name)}", "TRY_CAST({} AS TIMESTAMP)"),
    "TIMESTAMPTZ": (lambda name: f"{is_iso(name)} AND {is_zoned(name)}", "TRY_CAST({} AS TIMESTAMPTZ)"),
}


def typed(database: duckdb.DuckDBPyConnection, table: str, ids: set[str], made: Mapping[str, str]) -> str:
    """A SELECT of a table of text whose columns have their types; `ids` stay text, `made` are expressions already."""
    columns = [name for name, *_ in database.execute(f"DESCRIBE {table}").fetchall() if name != "source_row"]
    possible = {name: list(KINDS) for name in columns if name not in ids and name not in made}
    possible = _agreeing(database, f"(SELECT * FROM {table} LIMIT {FIRST})", possible)
    possible = _agreeing(database, table, possible)
    chosen = []
    for name in columns:
        kinds = possible.get(name, [])
        value = made.get(name) or (KINDS[kinds[0]][1].format(quote(name)) if kinds else quote(name))
        chosen.append(f"{_whole(value) if name in ids else value} AS {quote(name)}")
    return f"SELECT {', '.join(['source_row', *chosen])} FROM {table}"


def _whole(text: str) -> str:
    """An identifier that a program wrote as a number with parts, 7.0, as the 7 that other files have."""
    written = f"right({text}, 2) = '.0' AND regexp_full_match({text}, '-?[0-9]+[.]0')"
    return f"CASE WHEN {written} THEN left({text}, -2) ELSE {text} END"


def _agreeing(database: duckdb.DuckDBPyConnection, rows: str, possible: dict[str, list[str]]) -> dict[str, list[str]]:
    """The types that every value of these rows has; none for a column without values."""
    asked = [(name, kind) for name, kinds in possible.items() for kind in kinds]
    if not asked:
        return {}
    counts = [f"count({quote(name)})" for name in possible]
    counts += [f"count(*) FILTER (WHERE {KINDS[kind][0](quote(name))})" for name, kind in asked]
    row = database.execute(f"SELECT {', '.join(counts)} FROM {rows}").fetchone() or ()
    filled = dict(zip(possible, row, strict=False))
    fits = dict(zip(asked, row[len(possible) :], strict=True))
    return {
        name: [kind for kind in kinds if filled[name] and fits[name, kind] == filled[name]]
        for name, kinds in possible.items()
    }
