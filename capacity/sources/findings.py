"""Finds what is read without an error and means something else: totals among rows, half a clock, several currencies,
and rows and identifiers that are there twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from capacity.model.arrays import Array
from capacity.model.fields import duration_text
from capacity.model.settings import SalesSettings
from capacity.quality import Finding
from capacity.quality.column_roles import currency_names
from capacity.quality.composition import shown
from capacity.sources.columns import order_numbers, rule_columns
from capacity.sources.judging import Judgement
from capacity.sources.sql import ROW_HASH, hash_of, literal, quote

GOOD = "aside = 0 AND len(failed) = 0"
HOUR = 3600
MEASURED = 0.99  # share of steps with one row a group, from which rows are totals
LEAST_RUN = 5  # rows one after the other that are further apart than the others
LEAST_ROWS = 30  # of the file, below which no distance is the usual one
LEAST_DAYS = 5
LEAST_HOURS = 10  # of the twelve
OFTEN = 0.8  # share of days that have a total
LEAST_SPAN = 2 * 86400  # of rows further apart: less may be the busy hours of a day
LARGER = 0.6  # power of how many times longer, from which rows as much larger are totals (1) and no samples (0)
SINGLE = 0.9  # share of steps with one row a group, from which rows are totals
TWELVE = 10.5 * HOUR  # from noon back to one o'clock, nearly

SAMPLE = 300_000  # rows that are compared: those whose time has a hash that is a multiple of the rest
LEAST_STEPS, LEAST_REPEATED = 2, 20  # steps and different rows that come twice throughout, before it is no chance
LEAST_SHARE = 1e-3  # of all rows: fewer that come twice change no plan
FEW_NATURAL = 0.03  # the same of time and number: more, and rows are lines of orders, which share both
TELLING = 0.4  # different numbers by rows, from which they tell orders apart: two exports of all of them have half
MOST_STEPS = 3  # steps that come twice by those that do not: where nearly all do, each order has two rows
NATURAL = 0.1  # share of rows that equal another elsewhere, from which chance is asked
SAFE = 2**53  # whole numbers above it have no place in a double

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


def granularity_findings(judgement: Judgement) -> tuple[Finding, ...]:
    """Whether rows of a source with one amount a step are totals of longer times, or its clock has twelve hours."""
    found = _findings(judgement.settings, [_twelve_hours(judgement)])
    return (*found, *totals_findings(judgement.source.database, judgement.settings, judgement.timezone))


def totals_findings(database: duckdb.DuckDBPyConnection, settings: SalesSettings, timezone: str) -> tuple[Finding, ...]:
    """Whether some rows of a source are totals of longer times, from what was counted, wherever that was."""
    found = [_dates_alone(database, settings, timezone)]
    if settings.value.sum is not None and not any(found):
        steps = _steps(database)
        found += [_longer_totals(steps), _daily_totals(steps, timezone)]
    return _findings(settings, found)


def _dates_alone(database: duckdb.DuckDBPyConnection, settings: SalesSettings, timezone: str) -> str | None:
    """Whether steps are parts of a day, and all rows of all days have one time: dates, whose hours are elsewhere.

    A single row a day is a total, whose length planning finds out.
    """
    if settings.step >= timedelta(days=1):
        return None
    day = int(timedelta(days=1).total_seconds())
    local = f"timezone({literal(timezone)}, to_timestamp(step_start))"
    steps = (  # first, since there may be ten thousand groups a step
        "SELECT step_start, bool_and(on_step) AS exact, sum(row_count) AS n, count(*) AS counts "
        f"FROM counted WHERE {GOOD} AND step_start IS NOT NULL GROUP BY 1"
    )
    query = (
        f"SELECT coalesce(bool_and(exact), false), count(DISTINCT step_start // {day}), "
        f"least(count(DISTINCT step_start % {day}), count(DISTINCT {local} - date_trunc('day', {local}))), "
        f"CAST(sum(n) AS DOUBLE) / sum(counts) FROM ({steps})"
    )
    exact, days, times, rows = database.execute(query).fetchone() or (False, 0, 0, 0.0)
    if not exact or days < LEAST_DAYS or times > 1 or rows <= 1 / MEASURED:
        return None
    return (
        f"expected times within the day for steps of {duration_text(settings.step)}, got one time on each of {days} "
        "days, as dates have: set step: 1d, or give a column with date and time of day"
    )


def _findings(settings: SalesSettings, found: Sequence[str | None]) -> tuple[Finding, ...]:
    return tuple(Finding("granularity", "refuse", f"{settings.time}: {said}") for said in found if said)


def _steps(database: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Per step its value, rows and groups; empty where rows are single orders, of which any number may share a step.

    Good rows of a step and group are counted once, so that groups need no telling apart.
    """
    query = (
        "SELECT step_start AS at, sum(CAST(value AS DOUBLE)) AS value, sum(row_count) AS n, "
        f"count(grp) AS groups FROM counted WHERE {GOOD} AND step_start IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    frame = database.execute(query).df()
    if len(frame) < LEAST_ROWS:
        return frame[:0]
    totals = (frame["n"] <= frame["groups"]).mean() > SINGLE and (frame["n"] <= 2 * frame["groups"]).all()
    return frame if totals else frame[:0]


def _longer_totals(steps: pd.DataFrame) -> str | None:
    """Where rows lie several steps apart for days and are as much larger: totals of a longer time."""
    if steps.empty:
        return None
    at, value = steps["at"].to_numpy(dtype=float), steps["value"].to_numpy(dtype=float)
    apart = np.diff(at)
    short = float(apart.min())
    fine = value[:-1][apart == short]
    for longer in np.unique(apart[apart > short]) if len(fine) >= LEAST_RUN else ():
        first, count = _longest_run(apart == longer)
        if count < LEAST_RUN or count * longer < LEAST_SPAN:
            continue
        if value[first : first + count].mean() >= (longer / short) ** LARGER * fine.mean() > 0:
            begin, end = (pd.Timestamp(at[place], unit="s", tz="UTC") for place in (first, first + count))
            return (
                f"expected rows of one length, got rows {longer / HOUR:g} h apart from {begin:%Y-%m-%d} to "
                f"{end:%Y-%m-%d} that are larger than those {short / HOUR:g} h apart, as totals of a longer time are; "
                "leave them out, or set sales.step to it"
            )
    return None


def _longest_run(there: Array) -> tuple[int, int]:
    """Where the longest run of true values begins, and how long it is."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], there.astype(int), [0]))))
    begins, lengths = edges[::2], edges[1::2] - edges[::2]
    longest = int(np.argmax(lengths))
    return int(begins[longest]), int(lengths[longest])


def _daily_totals(steps: pd.DataFrame, timezone: str) -> str | None:
    """Whether the first step of most days has two rows, of which one is as much as the other steps of the day."""
    if steps.empty:
        return None
    local = pd.to_datetime(steps["at"], unit="s", utc=True).dt.tz_convert(timezone)
    twice = steps["n"] > steps["groups"]
    midnight = local == local.dt.normalize()
    if twice.sum() < LEAST_DAYS or (twice & ~midnight).sum() > 0.1 * twice.sum():
        return None
    days = steps.assign(day=local.dt.date, first=np.where(midnight, steps["value"], 0.0)).groupby("day")
    share = (days["first"].sum() / days["value"].sum().replace(0, np.nan)).dropna()
    if ((share >= 0.5) & (share <= 0.65)).mean() < OFTEN:
        return None
    return (
        f"expected each amount once, got two rows at midnight on {int(twice.sum())} days, of which one is as much as "
        "the rest of the day: totals of days among the rows; leave them out"
    )


def _twelve_hours(judgement: Judgement) -> str | None:
    """Whether hours are 1 to 12 alone, and rows in order fall back from noon to one o'clock on most days."""
    database, settings = judgement.source.database, judgement.settings
    step, zone = settings.step.total_seconds(), judgement.time_zone()
    if step > HOUR or not judgement.time.local or not isinstance(settings.source, str):
        return None
    hours = f"hour(timezone({literal(zone)}, to_timestamp(step_start)))"
    query = f"SELECT min({hours}), max({hours}), count(DISTINCT {hours}) FROM "
    query += f"(SELECT DISTINCT step_start FROM counted WHERE {GOOD})"
    low, high, different = database.execute(query).fetchone() or (0, 0, 0)
    if (low, high) != (1, 12) or different < LEAST_HOURS:
        return None
    times = f"SELECT epoch({judgement.time.instant}) AS t, source_row FROM orders"
    query = (
        f"SELECT count(*) FILTER (WHERE abs(b - t) BETWEEN {TWELVE} AND 43200), count(*) FILTER (WHERE b > t), "
        "count(*) FILTER (WHERE b < t), count(DISTINCT floor(t / 86400)) "
        f"FROM (SELECT t, lag(t) OVER (ORDER BY source_row) AS b FROM ({times}))"
    )
    falls, back, on, days = database.execute(query).fetchone() or (0, 0, 0, 0)
    if falls < max(LEAST_DAYS, days / 2) or min(back, on) > max((back + on) / 4, 2 * days):
        return None
    return (
        f"expected hours of the day, got 1 to 12 alone, and the clock falls back at noon on {falls} days: hours of the "
        "afternoon without PM; export times with 24 hours or with AM and PM"
    )


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
        return ()
    count = f"{'about ' if part > 1 else ''}{{:,}} rows".format
    found = twice(ROW_HASH)
    if found is not None:
        by_chance = found.natural > NATURAL and found.steps <= 3 * found.chance + LEAST_STEPS
        said = f"{count(int(found.rows * part))} equal another in every column, {found.when()}: do exports overlap?"
        once = Finding("repeated_rows", "warn", f"{said} A rule with `unique` counts each row once")
        return () if by_chance else (once,)
    for name, number in _numbers_of_orders(judgement).items():
        found = twice(f"{time}, {number}")
        if found is not None and found.natural <= FEW_NATURAL and found.steps <= MOST_STEPS * found.others:
            return (_changed_orders(count(int(found.rows * part)), name, found),)
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
    query = (
        f"WITH equal AS (SELECT {time}, hash({columns}) AS capacity_hash, count(*) AS capacity_n FROM orders {sampled} "
        f"GROUP BY ALL), timed AS (SELECT {moment} AS moment, capacity_n AS n FROM equal), "
        "steps AS (SELECT floor(epoch(moment) / 3600) AS step, sum(n) AS n, count(*) AS different, "
        "min(moment) AS first, max(moment) AS last, bool_and(n % 2 = 0) OR bool_and(n % 3 = 0) AS twice "
        "FROM timed GROUP BY 1) "
        "SELECT coalesce(sum(n - different) FILTER (WHERE twice), 0), count(*) FILTER (WHERE twice), "
        "coalesce(sum(different) FILTER (WHERE twice), 0), epoch(min(first) FILTER (WHERE twice)), "
        "epoch(max(last) FILTER (WHERE twice)), "
        "coalesce(1 - sum(different) FILTER (WHERE NOT twice) / sum(n) FILTER (WHERE NOT twice), 0), "
        "sum(0.5 ** different + 0.34 ** different), count(*) FILTER (WHERE NOT twice) "
        "FROM steps WHERE first IS NOT NULL"
    )
    found = judgement.source.database.execute(query).fetchone()
    return _Repeated(*found) if found else _Repeated(0, 0, 0, None, None, 0.0, 0.0, 0)


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
