"""Finds rows that count wrongly without an error: there twice, rounded numbers, several currencies or units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from capacity.model.settings import SalesSettings
from capacity.quality import Finding
from capacity.quality.column_roles import currency_names, is_number_of_something
from capacity.quality.composition import shown
from capacity.quality.usual import level_change, unit_change
from capacity.sources.columns import order_numbers, rule_columns
from capacity.sources.judging import Judgement
from capacity.sources.sql import DAY, GOOD, ROW_HASH, hash_of, literal, quote

SAMPLE = 300_000  # rows that are compared: those whose time has a hash that is a multiple of the rest
MOST_READ = 5_000_000  # rows of which single ones are compared by their numbers
LEAST_STEPS, LEAST_REPEATED = 2, 20  # steps and different rows that come twice throughout, before it is no chance
LEAST_SHARE = 1e-3  # of all rows: fewer that come twice change no plan
FEW_NATURAL = 0.03  # the same of time and number: more, and rows are lines of orders, which share both
TELLING = 0.4  # different numbers by rows, from which they tell orders apart: two exports of all of them have half
MOST_STEPS = 3  # steps that come twice by those that do not: where nearly all do, each order has two rows
NATURAL = 0.1  # share of rows that equal another elsewhere, from which chance is asked
HOUR = 3600
OTHER_SIZE = 90.0  # times, by which the mean amount of a day changes where the column holds something else
FEW_ITEMS = 20  # different values of a choice among some, such as countries
OFTEN_ALL = 0.25  # share of busy steps that have all of them
SAFE = 2**53  # whole numbers above it have no place in a double

SIGNS = {  # how amounts name their currency; a crown may be that of three countries, a dollar that of four
    "EUR": "€|eur",
    "USD": r"\$|usd|us",
    "GBP": "£|gbp",
    "JPY": "¥|円|jpy",
    "CNY": "元|cny|rmb",
    "KRW": "₩|krw",
    "ILS": "₪|ils",
    "THB": "฿|thb",
    "PHP": "₱|php",
    "VND": "₫|vnd",
    "UAH": "₴|uah",
    "BRL": r"r\$|brl",
    "MXN": r"mx\$|mxn",
    "HKD": r"hk\$|hkd",
    "TWD": r"nt\$|twd",
    "SGD": r"s\$|sgd",
    "HUF": "ft|huf",
    "RON": "lei|ron",
    "AED": "aed",
    "SAR": "sar",
    "ZAR": "zar",
    "INR": "₹|inr|rs",
    "CHF": "chf|fr",
    "PLN": "zł|pln",
    "CZK": "kč|czk",
    "SEK": "sek",
    "NOK": "nok",
    "DKK": "dkk",
    "CAD": r"ca?\$|cad",
    "AUD": r"au?\$|aud",
    "NZD": r"nz\$|nzd",
    "RUB": "₽|rub",
    "TRY": "₺|try|tl",
}
CLEAR = 0.01  # share of rows of other currencies up to which they are typing errors
MOST = 3  # currencies that a message names


def id_findings(judgement: Judgement) -> tuple[Finding, ...]:
    """Whether identifiers that are counted were rounded by a spreadsheet or by a program that took them for amounts."""
    column = judgement.settings.value.count_distinct
    if column is None:
        return ()
    name, kind = quote(column), judgement.source.columns[column]
    if kind.startswith(("DOUBLE", "FLOAT")):
        rounded = f"abs({name}) >= {SAFE}"
    elif kind == "VARCHAR" and _is_text(judgement):
        rounded = f"contains(upper({name}), 'E+') AND regexp_full_match({name}, '[0-9]([.,][0-9]+)?[eE][+][0-9]+')"
    else:
        return ()
    query = f"SELECT count(*), count(*) FILTER (WHERE {rounded}) FROM orders"
    rows, count = judgement.source.database.execute(query).fetchone() or (0, 0)
    if not count:
        return ()
    message = (
        f"{column}: expected identifiers as text, got {count:,} of {rows:,} as rounded numbers, so different orders "
        "look equal; export the column as text"
    )
    return (Finding("rounded_ids", "refuse", message),)


def _is_text(judgement: Judgement) -> bool:
    """Whether the source is text or a database: spreadsheets write text, not Parquet."""
    tables = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'raw'"
    return judgement.source.database.execute(tables).fetchone() == (1,)


def repetition_findings(judgement: Judgement) -> tuple[Finding, ...]:
    """Whether whole steps of rows come twice, as they do where exports overlap; rules on `unique` look for themselves.

    A step comes twice where every row of it is there as often as a multiple of two or three. Where rows are equal by
    chance elsewhere too, there must be more such steps than chance would leave. Rows whose status changed between two
    exports are told by the time and the number of their orders, where a column has that number.
    """
    settings, database = judgement.settings, judgement.source.database
    if any(rule.unique is not None for rule in settings.rules):
        return ()
    time = quote(settings.time)
    rows = (database.execute("SELECT count(*) FROM orders").fetchone() or (0,))[0]
    part = max(1, rows // SAMPLE)
    sampled = f"WHERE hash({time}) % {part} = 0" if part > 1 else ""

    def twice(hashed: str) -> _Repeated | None:
        found = _repeated(judgement, hashed, sampled)
        few = found.rows * part < LEAST_SHARE * rows or (hashed != time and found.different < LEAST_REPEATED)
        return None if found.steps < LEAST_STEPS or few else found

    if twice(time) is None:  # where its steps do not come twice, no row needs to be read
        return _scattered(judgement) if rows <= MOST_READ else ()
    found = twice(ROW_HASH)
    if found is not None:
        return _equal_rows(found, part)
    for name, number in _numbers_of_orders(judgement).items():
        found = twice(f"{time}, {number}")
        if found is not None and found.natural <= FEW_NATURAL and found.steps <= MOST_STEPS * found.others:
            return (_changed_orders(_rows(found, part), name, found),)
        amount = settings.value.sum
        found = twice(f"{time}, {number}, {quote(amount)}") if amount is not None and found is not None else None
        if found is not None and found.others <= CLEAR * found.steps:
            said = (
                f"{_rows(found, part)} have the time, the {name} and the {amount} of another, in every step: does each "
                "order come again, as under a total of all groups? A select leaves one of both out"
            )
            return (Finding("repeated_rows", "warn", said),)
    return ()


def _scattered(judgement: Judgement) -> tuple[Finding, ...]:
    """Whether single rows come twice: each repeat of an order's number equals its first row in every column.

    Lines of one order share its number too, but differ in a column.
    """
    for name, number in _numbers_of_orders(judgement).items():
        query = f"SELECT count({number}), count(DISTINCT {number}), count(DISTINCT {ROW_HASH}) FROM orders"
        rows, numbers, different = judgement.source.database.execute(
            f"{query} WHERE {number} IS NOT NULL"
        ).fetchone() or (0, 0, 0)
        again = rows - different
        if again >= max(LEAST_REPEATED, LEAST_SHARE * rows) and different - numbers <= CLEAR * again:
            said = (
                f"{again:,} of {rows:,} rows equal another in every column, also in {name}, which is different in all "
                f"others: are they there twice? A rule with `unique: {name}` counts each once"
            )
            return (Finding("repeated_rows", "warn", said),)
    return ()


def _changed_orders(count: str, name: str, found: _Repeated) -> Finding:
    """That orders come twice, with other values: what counts each once, and what keeps its first or its latest row."""
    latest = f"source_row = max(source_row) OVER (PARTITION BY {quote(name)})"
    said = (
        f"{count} have the time and the {name} of another, but not all of its values, {found.when()}: do exports "
        f"overlap? `value: {{count_distinct: {name}}}` counts each once; a rule with `unique: {name}` keeps the first, "
        f"a select with the check `{latest}` the latest"
    )
    return Finding("repeated_rows", "warn", said)


def _numbers_of_orders(judgement: Judgement) -> dict[str, str]:
    """Columns that are named as an order's number and nearly tell rows apart, each with the SQL that does."""
    source = judgement.source
    there = {name for name, *_ in source.database.execute("DESCRIBE orders").fetchall()}
    known = {
        name: quote(shown)
        for name in order_numbers(judgement.settings, source.listed())
        for shown in (name, hash_of(name))
        if shown in there
    }
    if not known:
        return {}
    counted = ", ".join(f"approx_count_distinct({number})" for number in known.values())
    rows, *distinct = source.database.execute(f"SELECT count(*), {counted} FROM orders").fetchone() or (0,)
    return {name: known[name] for name, count in zip(known, distinct, strict=True) if count > TELLING * rows}


@dataclass(frozen=True, slots=True)
class _Repeated:
    """Of steps that come twice throughout: rows that repeat another, steps, different rows, first and last time.

    `first` and `last` are seconds since 1970; `natural` is the share of rows that repeat another in the other steps;
    `chance`: steps that chance would leave; `others`: steps that do not come twice.
    """

    rows: float
    steps: int
    different: int
    first: float | None
    last: float | None
    natural: float
    chance: float
    others: int

    def when(self) -> str:
        """From when to when, in words."""
        first, last = (datetime.fromtimestamp(seconds or 0.0, UTC) for seconds in (self.first, self.last))
        return f"from {first:%Y-%m-%dT%H:%MZ} to {last:%Y-%m-%dT%H:%MZ}"


def _repeated(judgement: Judgement, columns: str, sampled: str) -> _Repeated:
    moment = judgement.time.unordered or judgement.time.instant
    time = quote(judgement.settings.time)  # an instant costs more than a hash: it is made of few rows only
    steps = (
        f"WITH equal AS (SELECT {time}, hash({columns}) AS capacity_hash, count(*) AS capacity_n FROM orders {sampled} "
        f"GROUP BY ALL), timed AS (SELECT {moment} AS moment, capacity_n AS n FROM equal) "
        "SELECT sum(n) AS n, count(*) AS different, epoch(min(moment)) AS first, epoch(max(moment)) AS last, "
        "bool_and(n % 2 = 0) OR bool_and(n % 3 = 0) AS twice FROM timed WHERE moment IS NOT NULL "
        f"GROUP BY floor(epoch(moment) / {HOUR})"
    )
    return _repeated_in(judgement.source.database, steps)


def _repeated_in(database: duckdb.DuckDBPyConnection, steps: str) -> _Repeated:
    """What repeats in steps of n rows, of which some are different: n, different, first, last, twice."""
    query = (
        "SELECT coalesce(sum(n - different) FILTER (WHERE twice), 0), count(*) FILTER (WHERE twice), "
        "coalesce(sum(different) FILTER (WHERE twice), 0), min(first) FILTER (WHERE twice), "
        "max(last) FILTER (WHERE twice), "
        "coalesce(1 - sum(different) FILTER (WHERE NOT twice) / sum(n) FILTER (WHERE NOT twice), 0), "
        f"sum(0.5 ** different + 0.34 ** different), count(*) FILTER (WHERE NOT twice) FROM ({steps})"
    )
    found = database.execute(query).fetchone()
    return _Repeated(*found) if found else _Repeated(0, 0, 0, None, None, 0.0, 0.0, 0)


def repeated_in_database(steps: pd.DataFrame, part: int, rows: int) -> tuple[Finding, ...]:
    """The same where a database counted rows: `steps` are the hours of every `part`-th second of all `rows`."""
    with duckdb.connect() as database:
        steps = steps.astype({"n": "float64", "different": "int64", "first": "float64", "last": "float64"})
        database.register("steps", steps)
        found = _repeated_in(database, "SELECT * FROM steps")
    if found.steps < LEAST_STEPS or found.rows * part < LEAST_SHARE * rows or found.different < LEAST_REPEATED:
        return ()
    return _equal_rows(found, part)


def _equal_rows(found: _Repeated, part: int) -> tuple[Finding, ...]:
    """That whole steps of rows are there twice; none where chance leaves as many."""
    if found.natural > NATURAL and found.steps <= 3 * found.chance + LEAST_STEPS:
        return ()
    said = (
        f"{_rows(found, part)} equal another in every column, {found.when()}: do exports overlap, or does a join "
        "repeat rows? A rule with `unique` counts each row once"
    )
    return (Finding("repeated_rows", "warn", said),)


def _rows(found: _Repeated, part: int) -> str:
    return f"{'about ' if part > 1 else ''}{int(found.rows * part):,} rows"


def currency_findings(judgement: Judgement) -> tuple[Finding, ...]:
    """Whether the amounts that are summed up are of several currencies, by their text or by a column beside them.

    A column that groups, selects or rules look at is known: each currency then is judged as somebody wants it.
    """
    amount = judgement.settings.value.sum
    if amount is None:
        return ()
    database = judgement.source.database
    found = _in_text(judgement, amount)
    for name in _currency_columns(judgement) if not found else ():
        query = f"SELECT trim(CAST({quote(name)} AS VARCHAR)) AS c, count(*) FROM orders WHERE c != '' GROUP BY 1"
        found = found or several(database.execute(query).fetchall())
    return several_finding(amount, found)


def unit_findings(database: duckdb.DuckDBPyConnection, settings: SalesSettings) -> tuple[Finding, ...]:
    """Whether the mean amount of a day changes by the factor between two units, as from euros to cents."""
    if settings.value.sum is None:
        return ()
    day = f"step_start // {DAY} * {DAY}"
    query = (
        f"SELECT {day} AS day, sum(CAST(value AS DOUBLE)) / sum(row_count) FROM counted WHERE {GOOD} "
        "AND step_start IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    rows = database.execute(query).fetchall()
    means = np.array([mean for _, mean in rows], dtype=float)
    changed = unit_change(means)
    if changed is None:
        return _other_size(settings.value.sum, level_change(means), [day for day, _ in rows])
    since = datetime.fromtimestamp(rows[changed[0]][0], UTC)
    said = (
        f"{settings.value.sum}: expected amounts of one unit, got about {changed[1]:.3g} times those before from "
        f"{since:%Y-%m-%d} on: convert them, leave the older ones out, or count orders"
    )
    return (Finding("units", "refuse", said),)


def _other_size(amount: str, changed: tuple[int, float] | None, days: Sequence[float]) -> tuple[Finding, ...]:
    """That amounts are of another size from a day on, as where columns were exchanged; a price rises less."""
    if changed is None or max(changed[1], 1 / changed[1]) < OTHER_SIZE:
        return ()
    said = (
        f"{amount}: expected amounts of one size, got about {changed[1]:.3g} times those before from "
        f"{datetime.fromtimestamp(days[changed[0]], UTC):%Y-%m-%d} on: does the column still hold the same?"
    )
    return (Finding("units", "warn", said),)


def value_findings(database: duckdb.DuckDBPyConnection, settings: SalesSettings) -> tuple[Finding, ...]:
    """Whether what is counted can be counted: no sum of order numbers, no different values of a choice among some."""
    amount, item = settings.value.sum, settings.value.count_distinct
    if amount is not None and is_number_of_something(amount):
        said = f"{amount}: expected amounts, got a column whose name says that its numbers tell things apart"
        return (Finding("value", "warn", f"{said}: set value to what was sold, or to the orders counted"),)
    if item is None:
        return ()
    steps = (
        "SELECT step_start, sum(CAST(value AS DOUBLE)) AS v, sum(row_count) AS n FROM counted "
        f"WHERE {GOOD} AND step_start IS NOT NULL GROUP BY 1"
    )
    query = (
        f"SELECT max(most), avg(CAST(v = most AS INTEGER)) FILTER (n >= 4 * most), count(*) FILTER (n >= 4 * most) "
        f"FROM (SELECT *, max(v) OVER () AS most FROM ({steps}))"
    )
    most, share, count = database.execute(query).fetchone() or (None, None, 0)
    if most is None or count < LEAST_REPEATED or most > FEW_ITEMS or share < OFTEN_ALL:
        return ()
    said = (
        f"{item}: expected identifiers of orders, got at most {most:.0f} different values in a step, however many rows "
        f"it has: set value: {{count_distinct: ...}} to the number of the order, or value: {{rows: true}}"
    )
    return (Finding("value", "warn", said),)


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
    named = f"regexp_matches({text}, '[a-z\\p{{Sc}}円元]')"
    query = f"SELECT CASE {cases} END AS c, count(*) FROM raw WHERE {named} AND c IS NOT NULL GROUP BY 1"
    return several(database.execute(query).fetchall())


def _currency_columns(judgement: Judgement) -> list[str]:
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
