"""Compares the newest day of orders with earlier days: its hours, its total, its clock, and the values of its rows."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd

from capacity.model import ConfigError
from capacity.model.arrays import Array, Mask
from capacity.model.settings.planning import AnomalySettings
from capacity.quality import Audit, Finding, Severity
from capacity.quality.clock import find_clock_move
from capacity.quality.column_roles import NO_ORDERS, Column
from capacity.quality.composition import Statistic, find_changes, shown, value_statistics
from capacity.quality.usual import LEAST_DAYS, LEAST_WEEKS, WEEK, find_deviation, find_repeat, find_shift
from capacity.sources.columns import read_columns, state_columns
from capacity.sources.judging import OWN, Judgement
from capacity.sources.plausibility import AHEAD
from capacity.sources.sql import PLAUSIBLE, ROW_HASH, literal, one_line, quote
from capacity.sources.table import OrderTable

DAY = timedelta(days=1)
NEEDED = LEAST_WEEKS * WEEK + LEAST_DAYS + 1  # days of history without which no day is judged
MEASURED_AS = 50.0  # counts that a measurement stands for, where it is no whole number: its spread is that of its past
REPEATS = 8  # newest days whose rows are looked at for equal ones
SHOWN = 3  # changes that a message names
DAYS = 77  # 24-hour days that are compared: eight weeks, and three more whose surprise says how much days vary
SAMPLE = 1_000_000  # rows that are looked at: of more, those whose time has a hash that is a multiple of the rest
FEW_VALUES = 200  # different values up to which a column is a choice among some, and not an identifier
DAY_SECONDS = 86400
EQUAL = "rows that equal another"
PERSON = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|[+0][0-9][0-9 ()/.-]{6,}")  # an e-mail address, or a telephone number
SHOWN_STATES = 5  # values of a state that a note names
FEW_STATES = 0.01  # share of rows that are no orders, up to which they change no plan
LEAST_UNREADABLE = 5  # rows without a time


def notice_anomalies(audit: Audit, table: OrderTable, known_days: Collection[date] = ()) -> Audit:
    """The audit with what is unusual about the newest days: their counts, their clock and their composition.

    `known_days` (local dates of holidays, promotions and declared outages) are neither judged nor compared with others.
    A day that is over at the table's `now` is judged as a whole, a current day up to its newest whole step.
    """
    asked = table.settings.anomalies
    if asked is None or audit.first is None or audit.last is None:
        return audit
    long_enough = audit.last - audit.first >= NEEDED * DAY
    audit = replace(audit, notes=(*audit.notes, *unjudged(table), *group_notes(table), *state_notes(table)))
    if table.settings.step > DAY or not long_enough:
        return audit
    look = _Look(table, _end(table), asked, frozenset(known_days))
    return replace(audit, findings=(*audit.findings, *look.findings(), *clock_findings(table, asked.otherwise)))


def _end(table: OrderTable) -> datetime:
    """The end of the newest day that is judged: of the local day if that is over, otherwise of the last whole step.

    For measurements a missing row is a gap, so a day may end wherever its newest row is.
    """
    zone, step = ZoneInfo(table.timezone), table.settings.step
    whole: datetime = (table.steps()[-1] + step).to_pydatetime()
    newest = _newest(table)
    midnight = datetime.combine(newest.astimezone(zone).date() + DAY, datetime.min.time(), zone).astimezone(UTC)
    over = table.now >= midnight + (table.settings.late or timedelta(0))
    return whole if table.is_measurement() or not over or step >= DAY else max(whole, midnight)


def _newest(table: OrderTable) -> datetime:
    """The time of the newest row, good or bad, whose time is plausible."""
    sound = f"aside = 0 AND NOT list_contains(failed, {literal(PLAUSIBLE)})"
    query = f"SELECT max(epoch(last)) FROM counted WHERE {sound} AND epoch(last) <= {(table.now + AHEAD).timestamp()}"
    seconds = (table.database.execute(query).fetchone() or (None,))[0]
    return table.now if seconds is None else datetime.fromtimestamp(float(seconds), UTC)


@dataclass(frozen=True, slots=True)
class _Look:
    """The comparison: days of 24 hours, the last of which ends at `end` and is judged."""

    table: OrderTable
    end: datetime
    asked: AnomalySettings
    known_days: frozenset[date]

    def findings(self) -> tuple[Finding, ...]:
        """The findings on the newest days, the newest first."""
        days = max(1, self.asked.window // DAY)
        rows, (values, unit) = self._days(self.table.row_counts()[0]), self._values()
        skip = self._skipped(len(rows))
        try:
            statistics = self._composition()
        except duckdb.Error as error:
            raise ConfigError(f"sales: a check does not run on every row: {one_line(error)}") from error
        found: list[Finding] = []
        for back in range(1, REPEATS):  # what is loaded twice may be older than the newest day
            until = len(rows) - back
            if back >= days and until >= NEEDED and not skip[until - 1]:
                found += self._changes(back, tuple(one for one in statistics if one.name == EQUAL))
        for back in range(days):
            until = len(rows) - back
            if until < NEEDED or skip[until - 1]:
                continue
            if self.table.settings.value.count_distinct is None:  # of orders, how many lines they have is composition
                found += self._volume("row_anomalies", back, rows[:until], skip[:until])
            if self.table.settings.value.rows is None:
                found += self._volume("value_anomalies", back, values[:until], skip[:until], unit)
            counts = rows if self.table.settings.value.sum and not self.table.is_measurement() else values
            found += self._clock(counts[:until], skip[:until])
            found += self._changes(back, statistics)
        return (*found, *unreadable_lately(self.table, self.asked.otherwise))

    def _values(self) -> tuple[Array, float]:
        """The sales of each day's steps in units that vary as counts do, and that unit: the typical value of a row."""
        series = self.table.total(self.end)
        total, unit = float(series.sum()), 1.0
        if self.table.settings.value.sum is not None and total > 0:
            whole = bool((series.dropna() % 1 == 0).all())
            rows = float(self.table.row_counts()[1].sum())
            unit = (1.0 if whole else total / rows / MEASURED_AS) if self.table.is_measurement() else total / rows
        return self._days(series) / unit, unit

    def _days(self, series: pd.Series) -> Array:
        """One row per day, oldest first, of at most as many days as are compared; NaN where the source has a gap.

        Row counts and values have the same days, even if the oldest rows are bad and have no value.
        """
        step = pd.Timedelta(self.table.settings.step)
        steps = DAY // self.table.settings.step
        last = pd.Timestamp(self.end) - step
        first = self.table.row_counts()[0].index[0]
        days = min(DAYS + LEAST_WEEKS * WEEK, int((last - first + step) / pd.Timedelta(DAY)))
        index = pd.date_range(end=last, periods=days * steps, freq=step)
        missing = np.nan if self.table.is_measurement() else 0.0
        return series.reindex(index, fill_value=missing).to_numpy(dtype=float).reshape(days, steps)

    def _skipped(self, days: int) -> Mask:
        zone = ZoneInfo(self.table.timezone)
        starts = [self.end - (days - place) * DAY for place in range(days)]
        touched = [
            {at.astimezone(zone).date() for at in (start, start + DAY / 2, start + DAY * 0.99)} for start in starts
        ]
        return np.array([bool(dates & self.known_days) for dates in touched], dtype=bool)

    def _composition(self) -> tuple[Statistic, ...]:
        if self.table.judgement is None:
            return group_statistics(self.table, self.end)
        return count_composition(self.table.judgement, self.end)

    def _volume(self, rule: str, back: int, counts: Array, skip: Mask, unit: float = 1.0) -> list[Finding]:
        deviation = find_deviation(counts, skip, self.asked.coverage)
        if deviation is None:
            return []
        step = self.table.settings.step
        start = self.end - (back + 1) * DAY + deviation.first * step
        stop = start + deviation.steps * step
        said = (
            f"from {start:%Y-%m-%d %H:%M}Z to {stop:%Y-%m-%d %H:%M}Z expected about {deviation.expected * unit:.4g}, "
            f"got {deviation.actual * unit:.4g}"
        )
        return [self._finding(rule, said)]

    def _clock(self, counts: Array, skip: Mask) -> list[Finding]:
        found = []
        shift, repeat = find_shift(counts, skip), find_repeat(counts)
        if shift is not None:
            moved, side = abs(shift) * self.table.settings.step, "later" if shift > 0 else "earlier"
            found.append(self._finding("clock_shift", f"the newest day's times seem {moved} {side} than on other days"))
        if repeat is not None:
            before = f"{repeat} days before" if repeat > 1 else "the day before"
            said = f"every step of the newest day counts the same as {before}: was a day copied?"
            found.append(self._finding("repeated_day", said))
        return found

    def _changes(self, back: int, statistics: tuple[Statistic, ...]) -> list[Finding]:
        until = None if back == 0 else -back
        cut = (replace(one, part=one.part[:until], whole=one.whole[:until]) for one in statistics)
        changes = find_changes(cut)
        if not changes:
            return []
        day = f"the day that ends {self.end - back * DAY:%Y-%m-%d %H:%M}Z: "
        more = f"; and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        return [self._finding("composition", day + "; ".join(map(str, changes[:SHOWN])) + more)]

    def _finding(self, rule: str, said: str) -> Finding:
        return Finding(rule, self.asked.otherwise, f"{rule}: {said}")


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
        """The columns that identify orders. In other columns the number of values depends on the number of rows."""
        settings = self.judgement.settings
        unique = {name for rule in settings.rules if rule.unique is not None for name in rule.columns()}
        return frozenset(unique | {name for name in (settings.value.count_distinct,) if name is not None})

    def sample(self) -> None:
        """Create `newest`: the judged rows of the window, each with its day (0 is the newest) and a hash of the row."""
        moment, end = f"{OWN}moment", self.end.timestamp()
        begin = (self.end - timedelta(days=DAYS)).timestamp()
        chosen = [quote(name) for name in self.columns]
        chosen += [f"{OWN}{name}" for name in ("moment", "value", "grp", "failed", "aside")]
        within = f"epoch({moment}) >= {begin} AND epoch({moment}) < {end}"
        counted = f"SELECT sum(row_count) FROM counted WHERE step_start >= {begin} AND step_start < {end}"
        count = self.database.execute(counted).fetchone() or (None,)
        part = max(1, int(count[0] or 0) // SAMPLE)
        sampled = f" AND hash({moment}) % {part} = 0" if part > 1 else ""
        self.database.execute(
            f"CREATE OR REPLACE TEMP TABLE newest AS SELECT {', '.join(chosen)}, {ROW_HASH}, "
            f"CAST(floor(({end} - epoch({moment})) / {DAY_SECONDS}) AS INTEGER) AS {OWN}day "
            f"FROM {self.judgement.rows()} WHERE {within}{sampled}"
        )

    def aggregates(self) -> pd.DataFrame:
        """One row per day, with the counts of its rows."""
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
    """The shares of the groups and of failed rows, if the rows were counted in their database."""
    day = f"CAST(floor(({end.timestamp()} - step_start) / {DAY_SECONDS}) AS INTEGER)"
    query = (
        f"SELECT {day} AS day, grp, len(failed) = 0 AS good, sum(row_count) AS n FROM counted "
        f"WHERE step_start < {end.timestamp()} AND step_start >= {end.timestamp() - DAYS * DAY_SECONDS} GROUP BY ALL"
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
    """A note on rows that another column marks as no orders, such as cancelled ones, if no rule leaves them out.

    They may have caused load when they arrived, so a person must decide whether they count.
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
        query = (
            f"SELECT count(*) FILTER ({told}), count(*), list_sort(list(DISTINCT {value}) FILTER ({told})) FROM orders"
        )
        count, rows, states = table.database.execute(query).fetchone() or (0, 0, [])
        if count > FEW_STATES * rows:
            return (_counted_states(name, count, rows, [str(state) for state in states]),)
    return ()


def _counted_states(name: str, count: int, rows: int, states: list[str]) -> str:
    """The note on rows of these states; those beyond the first few are counted, as `...` in the check says."""
    first, more = states[:SHOWN_STATES], len(states) - SHOWN_STATES
    named = " or ".join(map(shown, first)) + (f" or {more} more values" if more > 0 else "")
    listed = ", ".join(map(literal, first)) + (", ..." if more > 0 else "")
    check = f"{quote(name)} <> {listed}" if len(states) == 1 else f"{quote(name)} NOT IN ({listed})"
    return (
        f"{count:,} of {rows:,} rows have {named} in {name} and count as orders; a select with a check such as "
        f"`{check}` leaves them out"
    )


def clock_findings(table: OrderTable, severity: Severity) -> tuple[Finding, ...]:
    """Whether the day's profile moves by an hour where the clock of the business is changed: times on another clock."""
    counted = table.total() if table.is_measurement() else table.row_counts()[0]
    moved = find_clock_move(counted, table.timezone)
    if moved is None:
        return ()
    time, own = table.settings.time, table.judgement is not None and not table.judgement.time.local
    if moved.with_clock and own:
        why = f"local times that are written as UTC do: export {time} with its true offset"
    elif moved.with_clock:
        why = "local times that are read in another zone do: set sales.timezone to that of their clock"
    else:
        why = f"times in UTC that are read as local ones do: set sales.timezone: UTC, or export {time} with its offset"
    said = (
        f"clock: expected the same hours of the day before and after the clock in {table.timezone} changed on "
        f"{moved.day}, got hours that moved {'with' if moved.with_clock else 'against'} it, as {why}; if customers do "
        "not live by this clock, set timezone: UTC"
    )
    return (Finding("clock", severity, said),)


def group_notes(table: OrderTable) -> tuple[str, ...]:
    """Notes on groups spelled in several ways, and on groups that look like e-mail addresses or telephone numbers."""
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
    """Whether rows without a readable time are more frequent among the newest day's rows than before.

    They belong to no day: their position says when they arrived, if the source is in the order of time.
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
    share = f"{100 * lately / rows:.1f} % of the newest day's rows have no time, usually {100 * usual:.1f} %"
    return (Finding("unreadable_times", severity, f"unreadable_times: {share}"),)


def _without_time(table: OrderTable) -> int:
    """The number of rows without a readable time, from the counts: if there are none, no row is read again."""
    query = "SELECT coalesce(sum(row_count), 0) FROM counted WHERE step_start IS NULL"
    return int((table.database.execute(query).fetchone() or (0,))[0])
