"""Finds amounts of several currencies or units that would be added up as if they were one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np

from capacity.model.settings import SalesSettings
from capacity.quality import Finding
from capacity.quality.column_roles import currency_names
from capacity.quality.composition import shown
from capacity.quality.units import unit_change
from capacity.sources.judging import Judgement
from capacity.sources.kept_columns import rule_columns
from capacity.sources.sql import DAY, literal, quote

SIGNS = {  # how amounts name their currency; a crown may be that of three countries, a dollar that of four
    "EUR": "€|eur",
    "USD": r"\$|usd|us",
    "GBP": "£|gbp",
    "JPY": "¥|jpy",
    "INR": "₹|inr|rs",
    "CHF": "chf|fr",
    "PLN": "zł|pln",
    "CZK": "kč|czk",
    "SEK": "sek",
    "NOK": "nok",
    "DKK": "dkk",
    "CAD": "cad",
    "AUD": "aud",
    "NZD": "nzd",
    "RUB": "₽",
    "TRY": "₺",
}
CLEAR = 0.01  # share of rows of other currencies up to which they are typing errors
MOST = 3  # currencies that a message names


def currency_findings(judgement: Judgement) -> tuple[Finding, ...]:
    """Whether the amounts that are summed up are of several currencies, by their text or by a column beside them.

    A column that groups, selects or rules look at is known: each currency then is judged as somebody wants it.
    """
    amount = judgement.settings.value.sum
    if amount is None:
        return ()
    database = judgement.source.database
    found = _in_text(judgement, amount)
    for name in _columns(judgement) if not found else ():
        query = f"SELECT trim(CAST({quote(name)} AS VARCHAR)) AS c, count(*) FROM orders WHERE c != '' GROUP BY 1"
        found = found or several(database.execute(query).fetchall())
    return several_finding(amount, found)


def unit_findings(database: duckdb.DuckDBPyConnection, settings: SalesSettings) -> tuple[Finding, ...]:
    """Whether the mean amount of a day changes by the factor between two units, as from euros to cents."""
    if settings.value.sum is None:
        return ()
    day = f"step_start // {DAY} * {DAY}"
    query = (
        f"SELECT {day} AS day, sum(CAST(value AS DOUBLE)) / sum(row_count) FROM counted WHERE aside = 0 "
        "AND len(failed) = 0 AND step_start IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    rows = database.execute(query).fetchall()
    changed = unit_change(np.array([mean for _, mean in rows], dtype=float))
    if changed is None:
        return ()
    since = datetime.fromtimestamp(rows[changed[0]][0], UTC)
    said = (
        f"{settings.value.sum}: expected amounts of one unit, got about {changed[1]:.3g} times those before from "
        f"{since:%Y-%m-%d} on: convert them, leave the older ones out, or count orders"
    )
    return (Finding("units", "refuse", said),)


def several_finding(amount: str, found: Sequence[tuple[str, int]]) -> tuple[Finding, ...]:
    """That the amounts of a column are of several currencies, the most frequent first; nothing where there are none."""
    if not found:
        return ()
    listed = ", ".join(f"{count:,} in {shown(currency)}" for currency, count in found[:MOST])
    said = (
        f"{amount}: expected amounts of one currency, got {listed}: their sum has no unit; select one currency, group "
        "by it, convert the amounts, or count orders"
    )
    return (Finding("currencies", "refuse", said),)


def _in_text(judgement: Judgement, amount: str) -> list[tuple[str, int]]:
    """The currencies that the text of the amounts names."""
    database = judgement.source.database
    kinds = database.execute("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'raw'").fetchall()
    if dict(kinds).get(amount) != "VARCHAR":
        return []
    plain = (
        f"SELECT 1 FROM raw WHERE {quote(amount)} IS NOT NULL AND TRY_CAST({quote(amount)} AS DOUBLE) IS NULL LIMIT 1"
    )
    if database.execute(plain).fetchone() is None:
        return []
    text = f"lower({quote(amount)})"
    cases = " ".join(
        f"WHEN regexp_matches({text}, {literal(rf'(^|[^a-z])({sign})([^a-z]|$)')}) THEN '{code}'"
        for code, sign in SIGNS.items()
    )
    named = f"regexp_matches({text}, '[a-z€$£¥₹₽₺]')"
    query = f"SELECT CASE {cases} END AS c, count(*) FROM raw WHERE {named} AND c IS NOT NULL GROUP BY 1"
    return several(database.execute(query).fetchall())


def _columns(judgement: Judgement) -> list[str]:
    """The columns with currencies that nothing in the settings looks at."""
    settings = judgement.settings
    known = {settings.group}
    for rule in (*settings.select, *settings.rules):
        known |= rule_columns(judgement.source.columns, rule)
    return [name for name in currency_names(list(judgement.source.columns)) if name not in known]


def several(currencies: Iterable[tuple[Any, Any]]) -> list[tuple[str, int]]:
    """The currencies with their rows, the most frequent first; none where one has nearly all rows."""
    counts = ((str(name), int(count)) for name, count in currencies)
    rows = sorted(counts, key=lambda one: -one[1])
    others = sum(count for _, count in rows[1:])
    return rows if others > CLEAR * sum(count for _, count in rows) else []
