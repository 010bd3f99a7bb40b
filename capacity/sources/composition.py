"""What the rows of each day consist of, in one query over the newest weeks; judged by `capacity.quality`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pandas as pd

from capacity.model.arrays import Array
from capacity.quality import Finding, Severity
from capacity.quality.column_roles import NO_ORDERS, Column
from capacity.quality.composition import Statistic, shown, value_statistics
from capacity.sources.judging import OWN, Judgement
from capacity.sources.kept_columns import read_columns, state_columns
from capacity.sources.sql import ROW_HASH, literal, quote
from capacity.sources.table import OrderTable

DAYS = 77  # 24-hour days that are compared: eight weeks, and three more whose surprise says how much days vary
SAMPLE = 1_000_000  # rows that are looked at: of more, those whose time has a hash that is a multiple of the rest
FEW_VALUES = 200  # different values up to which a column is a choice among some, and not an identifier
DAY = 86400
EQUAL = "rows that equal another"
PERSON = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|[+0][0-9][0-9 ()/.-]{6,}")  # an e-mail address, or a telephone number
ZONES = r"\b(tz|time ?zone|utc offset|gmt offset|tz offset|zeitzone|fuseau|huso)\b"
FEW_STATES = 0.01  # share of rows that are no orders, up to which they change no plan
LEAST_UNREADABLE = 5  # rows without a time


def count_composition(judgement: Judgement, end: datetime) -> tuple[Statistic, ...]:
    """The statistics of the 24-hour days that end at `end`, oldest first. Raises `duckdb.Error` as the rules do."""
    window = _Window(judgement, end)
    window.sample()
    frame = window.aggregates()
    if frame.empty:
        return ()
    frame = frame.set_index("day").reindex(range(DAYS - 1, -1, -1)).fillna(0)
    first = int(np.argmax(frame["n"].to_numpy() > 0))
    frame = frame.iloc[first:]
    return (*_row_statistics(window, frame), *window.values(frame))


@dataclass(frozen=True, slots=True)
class _Window:
    """The newest days of the judged rows."""

    judgement: Judgement
    end: datetime

    @property
    def database(self) -> duckdb.DuckDBPyConnection:
        return self.judgement.source.database

    @property
    def columns(self) -> tuple[str, ...]:
        return read_columns(self.judgement.settings, self.judgement.source.columns)

    def identifiers(self) -> frozenset[str]:
        """The columns that tell orders apart: of others, how many values differ depends on how many rows there are."""
        settings = self.judgement.settings
        unique = {name for rule in settings.rules if rule.unique is not None for name in rule.columns()}
        return frozenset(unique | {name for name in (settings.value.count_distinct,) if name is not None})

    def sample(self) -> None:
        """Make `newest`: the judged rows of the window, each with its day (0 is the newest) and a hash of all of it."""
        moment, end = f"{OWN}moment", self.end.timestamp()
        begin = (self.end - timedelta(days=DAYS)).timestamp()
        chosen = [quote(name) for name in self.columns]
        chosen += [f"{OWN}{name}" for name in ("moment", "value", "grp", "failed", "aside")]
        within = f"epoch({moment}) >= {begin} AND epoch({moment}) < {end}"
        count = self.database.execute(f"SELECT count(*) FROM {self.judgement.rows()} WHERE {within}").fetchone()
        part = max(1, (count or (0,))[0] // SAMPLE)
        sampled = f" AND hash({moment}) % {part} = 0" if part > 1 else ""
        self.database.execute(
            f"CREATE OR REPLACE TEMP TABLE newest AS SELECT {', '.join(chosen)}, {ROW_HASH}, "
            f"CAST(floor(({end} - epoch({moment})) / {DAY}) AS INTEGER) AS {OWN}day "
            f"FROM {self.judgement.rows()} WHERE {within}{sampled}"
        )

    def aggregates(self) -> pd.DataFrame:
        """One row per day: what is counted of its rows."""
        asked = {"n": "count(*)", "distinct_rows": f"count(DISTINCT {ROW_HASH})", **self._times(), **self._values()}
        for place, name in enumerate(self.columns):
            column = quote(name)
            asked[f"null_{place}"] = f"count(*) - count({column})"
            asked[f"distinct_{place}"] = f"count(DISTINCT {column})"
            asked[f"length_{place}"] = f"coalesce(sum(length(CAST({column} AS VARCHAR))), 0)"
        for bit in range(len(self.judgement.checks)):
            asked[f"failed_{bit}"] = f"count(*) FILTER (WHERE ({OWN}failed & {1 << bit}) != 0 AND {OWN}aside = 0)"
        for place in range(1, len(self.judgement.selects) + 1):
            asked[f"aside_{place}"] = f"count(*) FILTER (WHERE {OWN}aside = {place})"
        query = ", ".join(f"{text} AS {name}" for name, text in asked.items())
        return self.database.execute(f"SELECT {OWN}day AS day, {query} FROM newest GROUP BY 1").df()

    def _times(self) -> dict[str, str]:
        local = f"timezone({literal(self.judgement.timezone)}, {OWN}moment)"
        return {
            "at_zero": f"count(*) FILTER (WHERE second({local}) = 0)",
            "at_hour": f"count(*) FILTER (WHERE second({local}) = 0 AND minute({local}) = 0)",
            "at_midnight": f"count(*) FILTER (WHERE {local} = date_trunc('day', {local}))",
        }

    def _values(self) -> dict[str, str]:
        if self.judgement.settings.value.sum:
            value = f"CAST({OWN}value AS DOUBLE)"
            good = f"{OWN}failed = 0 AND {OWN}aside = 0"
            return {
                "good": f"count(*) FILTER (WHERE {good})",
                "logs": f"coalesce(sum(ln(1 + {value})) FILTER (WHERE {good}), 0)",
                "whole": f"count(*) FILTER (WHERE {good} AND {value} = floor({value}))",
                "zero": f"count(*) FILTER (WHERE {good} AND {value} = 0)",
            }
        column = self.judgement.settings.value.count_distinct
        if column is None:
            return {}
        number = f"TRY_CAST({quote(column)} AS BIGINT)"
        spread = f"quantile_disc({number}, 0.95) - quantile_disc({number}, 0.05)"
        return {"ids": f"count(DISTINCT {number})", "id_span": f"coalesce({spread}, 0) + 1"}

    def values(self, frame: pd.DataFrame) -> list[Statistic]:
        """The shares of the frequent values of each column that has few."""
        counted = (f"approx_count_distinct({quote(name)})" for name in self.columns)
        few = self.database.execute(f"SELECT {', '.join(counted)} FROM newest").fetchone() or ()
        time = self.judgement.settings.time
        chosen = [name for name, n in zip(self.columns, few, strict=True) if 1 < n <= FEW_VALUES and name != time]
        found: list[Statistic] = []
        whole = frame["n"].to_numpy(dtype=float)
        for name in chosen:
            query = f"SELECT CAST({quote(name)} AS VARCHAR) AS value, {OWN}day AS day, count(*) AS n FROM newest "
            rows = self.database.execute(f"{query} WHERE {quote(name)} IS NOT NULL GROUP BY 1, 2").df()
            table = rows.pivot_table(index="day", columns="value", values="n", aggfunc="sum", fill_value=0)
            table = table.reindex(frame.index, fill_value=0)
            counts: dict[str, Array] = {str(value): table[value].to_numpy(dtype=float) for value in table.columns}
            found += value_statistics(name, counts, whole)
        return found


def _row_statistics(window: _Window, frame: pd.DataFrame) -> list[Statistic]:
    """The statistics of whole rows, of their times, and of each column."""
    n = frame["n"].to_numpy(dtype=float)

    def of(name: str) -> Array:
        return frame[name].to_numpy(dtype=float)

    found = [
        Statistic(EQUAL, "share", n - of("distinct_rows"), n, 0.01),
        Statistic("times without seconds", "share", of("at_zero"), n, 0.2),
        Statistic("times on the full hour", "share", of("at_hour"), n, 0.08),
        Statistic("times at midnight", "share", of("at_midnight"), n, 0.03),
    ]
    for place, name in enumerate(window.columns):
        empty, there = of(f"null_{place}"), n - of(f"null_{place}")
        found.append(Statistic(f"{name} is empty", "share", empty, n, 0.01))
        if name in window.identifiers():
            found.append(Statistic(f"different values of {name} per row", "ratio", of(f"distinct_{place}"), there, 0.1))
        if name != window.judgement.settings.time:
            found.append(Statistic(f"characters of {name}", "ratio", of(f"length_{place}"), there, 0.1))
    for bit, check in enumerate(window.judgement.checks):
        found.append(Statistic(f"rows that fail {check.name}", "share", of(f"failed_{bit}"), n, 0.01))
    for place, select in enumerate(window.judgement.selects, start=1):
        found.append(Statistic(f"rows that {select.name} sets aside", "share", of(f"aside_{place}"), n, 0.03))
    if "logs" in frame:
        value = window.judgement.settings.value.sum
        found.append(Statistic(f"logarithm of {value}", "mean", of("logs"), of("good"), 0.2))
        found.append(Statistic(f"{value} is a whole number", "share", of("whole"), of("good"), 0.05))
        found.append(Statistic(f"{value} is zero", "share", of("zero"), of("good"), 0.02))
    if "ids" in frame and of("ids").sum() >= 0.5 * of(f"distinct_{window.columns.index(_ids(window))}").sum():
        found.append(Statistic(f"numbers of {_ids(window)} that are there", "ratio", of("ids"), of("id_span"), 0.1))
    return found


def _ids(window: _Window) -> str:
    return str(window.judgement.settings.value.count_distinct)


def group_statistics(table: OrderTable, end: datetime) -> tuple[Statistic, ...]:
    """The shares of the groups and of rows that fail, where the rows were counted in the database that holds them."""
    day = f"CAST(floor(({end.timestamp()} - step_start) / {DAY}) AS INTEGER)"
    query = (
        f"SELECT {day} AS day, grp, len(failed) = 0 AS good, sum(row_count) AS n FROM counted "
        f"WHERE step_start < {end.timestamp()} AND step_start >= {end.timestamp() - DAYS * DAY} GROUP BY ALL"
    )
    rows = table.database.execute(query).df()
    if rows.empty:
        return ()
    days = range(int(rows["day"].max()), -1, -1)
    n = rows.groupby("day")["n"].sum().reindex(days, fill_value=0).to_numpy(dtype=float)
    bad = rows[~rows["good"]].groupby("day")["n"].sum().reindex(days, fill_value=0).to_numpy(dtype=float)
    found = [Statistic("rows that fail a rule", "share", bad, n, 0.01)]
    group = table.settings.group
    if group is not None:
        wide = rows.pivot_table(index="day", columns="grp", values="n", aggfunc="sum", fill_value=0)
        wide = wide.reindex(days, fill_value=0)
        counts: dict[str, Array] = {str(name): wide[name].to_numpy(dtype=float) for name in wide.columns}
        found += value_statistics(group, counts, n)
    return tuple(found)


def unjudged(table: OrderTable) -> tuple[str, ...]:
    """A note for each `select` that leaves rows out because its check is NULL, as it is where a column is empty."""
    judgement = table.judgement
    checks = {} if judgement is None else {one.name: one.check for one in table.settings.select if one.check}
    notes = []
    for name, check in checks.items():
        query = f"SELECT count(*) FILTER (WHERE TRY(CAST(({check}) AS BOOLEAN)) IS NULL), count(*) FROM orders"
        try:
            empty, rows = table.database.execute(query).fetchone() or (0, 0)
        except duckdb.Error:  # windows and subqueries cannot be tried
            continue
        if empty:
            notes.append(
                f"select {name}: {empty:,} of {rows:,} rows are left out because the check is NULL or fails, as where "
                "a column is empty; say what those are, e.g. with coalesce(...)"
            )
    return tuple(notes)


def state_notes(table: OrderTable) -> tuple[str, ...]:
    """A note on rows that are no orders by a column beside them, such as cancelled ones, where nothing leaves them out.

    They may have been work when they came: whether they count is for somebody to say.
    """
    judgement = table.judgement
    names = () if judgement is None else state_columns(table.settings, list(judgement.source.columns))
    for name in names:
        text = f"lower(trim(CAST({quote(name)} AS VARCHAR)))"
        told = (
            f"{text} IN ('true', 't', 'yes', 'y', '1')"
            if re.search(NO_ORDERS, Column(name, "text", 1, 1).words)
            else (f"regexp_matches({text}, {literal(NO_ORDERS)})")
        )
        value = f"CAST({quote(name)} AS VARCHAR)"
        query = f"SELECT count(*) FILTER ({told}), count(*), min({value}) FILTER ({told}) FROM orders"
        count, rows, example = table.database.execute(query).fetchone() or (0, 0, "")
        if count > FEW_STATES * rows:
            return (
                f"{count:,} of {rows:,} rows have {shown(str(example))} in {name} and count as orders; a select with a "
                f"check such as `{quote(name)} <> {literal(str(example))}` leaves them out",
            )
    return ()


def zone_notes(table: OrderTable) -> tuple[str, ...]:
    """A note on a column that may name the zone of each row, beside times that name none."""
    judgement, settings = table.judgement, table.settings
    if judgement is None or not judgement.time.local:
        return ()
    names = [name for name in judgement.source.listed() if name not in (settings.time, settings.group)]
    return tuple(
        f"times are read in {judgement.time_zone()}, and {name} may name the zone of each row: where it changes, "
        f"export {settings.time} with its offset"
        for name in names
        if re.search(ZONES, Column(name, "text", 1, 1).words)
    )[:1]


def group_notes(table: OrderTable) -> tuple[str, ...]:
    """Notes on groups that are written in several ways, and on those that look like a person's address or number."""
    if table.settings.group is None:
        return ()
    query = "SELECT DISTINCT grp FROM counted WHERE grp IS NOT NULL AND aside = 0 ORDER BY grp"
    groups = [str(name) for (name,) in table.database.execute(query).fetchall()]
    alike: dict[str, list[str]] = {}
    for group in groups:
        alike.setdefault(" ".join(group.split()).casefold(), []).append(group)
    several = [names for names in alike.values() if len(names) > 1]
    notes = []
    if several:
        example = " and ".join(shown(name) for name in several[0][:3])
        notes.append(
            f"{len(several)} groups of {table.settings.group} are written in several ways, such as {example}: "
            "each is a group of its own"
        )
    people = sum(PERSON.fullmatch(group.strip()) is not None for group in groups)
    if people:
        notes.append(
            f"{people} groups of {table.settings.group} look like e-mail addresses or telephone numbers: "
            "their names are shown with every forecast; group by what is no person"
        )
    return tuple(notes)


def unreadable_lately(table: OrderTable, severity: Severity) -> tuple[Finding, ...]:
    """Whether rows without a readable time come more often among the newest day's rows than before them.

    They belong to no day: their place in the source says when they came, where it is in the order of time.
    """
    judgement = table.judgement
    if judgement is None or _without_time(table) < LEAST_UNREADABLE:
        return ()
    moment = f"{OWN}moment"
    newest = f"(SELECT max({moment}) - INTERVAL 1 DAY FROM newest)"
    first = f"(SELECT min(source_row) FROM {judgement.rows()} WHERE {moment} >= {newest})"
    bad = f"count(*) FILTER (WHERE {moment} IS NULL AND source_row"
    query = (
        f"SELECT {bad} >= first), {bad} < first), count(*) FILTER (WHERE source_row >= first), "
        f"count(*) FILTER (WHERE source_row < first) FROM {judgement.rows()}, (SELECT {first} AS first)"
    )
    lately, before, rows, earlier = table.database.execute(query).fetchone() or (0, 0, 0, 0)
    usual = before / earlier if earlier else 0.0
    if lately < LEAST_UNREADABLE or lately / rows <= max(0.01, 3 * usual):
        return ()
    said = f"unreadable_times: {lately / rows:.1%} of the newest day's rows have no time, usually {usual:.1%}"
    return (Finding("unreadable_times", severity, said),)


def _without_time(table: OrderTable) -> int:
    """Rows without a readable time, from what was counted: where there are none, no row is read again."""
    query = "SELECT coalesce(sum(row_count), 0) FROM counted WHERE step_start IS NULL"
    return int((table.database.execute(query).fetchone() or (0,))[0])
