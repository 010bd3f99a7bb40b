"""Whether the newest day of orders is like those before it: its hours, its total, its clock, and what its rows are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd

from capacity.model import ConfigError
from capacity.model.arrays import Array, Mask
from capacity.model.settings.orders import AnomalySettings
from capacity.quality import Audit, Finding
from capacity.quality.composition import Statistic, find_changes
from capacity.quality.usual import LEAST_DAYS, LEAST_WEEKS, WEEK, find_deviation, find_repeat, find_shift
from capacity.sources.composition import (
    DAYS,
    EQUAL,
    count_composition,
    group_notes,
    group_statistics,
    state_notes,
    unjudged,
    unreadable_lately,
    zone_notes,
)
from capacity.sources.plausibility import AHEAD
from capacity.sources.sql import PLAUSIBLE, literal, one_line
from capacity.sources.table import OrderTable

DAY = timedelta(days=1)
NEEDED = LEAST_WEEKS * WEEK + LEAST_DAYS + 1  # days of history without which no day is judged
MEASURED_AS = 50.0  # counts that a measurement stands for, where it is no whole number: its spread is that of its past
REPEATS = 8  # newest days whose rows are looked at for equal ones
SHOWN = 3  # changes that a message names


def notice_anomalies(audit: Audit, table: OrderTable, known_days: Collection[date] = ()) -> Audit:
    """The audit with what is unusual of the newest days: of their counts, their clock and their composition.

    `known_days` (local dates of holidays, promotions and declared outages) are not judged, and say nothing of others.
    A day that is over at the table's `now` is judged as a whole, another up to its newest whole step.
    """
    asked = table.settings.anomalies
    if asked is None or audit.first is None or audit.last is None:
        return audit
    long_enough = audit.last - audit.first >= NEEDED * DAY
    audit = replace(
        audit, notes=(*audit.notes, *unjudged(table), *group_notes(table), *state_notes(table), *zone_notes(table))
    )
    if table.settings.step > DAY or not long_enough:
        return audit
    look = _Look(table, _end(table), asked, frozenset(known_days))
    return replace(audit, findings=(*audit.findings, *look.findings()))


def _end(table: OrderTable) -> datetime:
    """Where the newest day that is judged ends: with the local day where that is over, else with the last whole step.

    Of measurements a missing row is a gap, so that a day may end wherever its newest row is.
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
    """What is looked at: the days of 24 hours that end at `end`, the newest of them judged."""

    table: OrderTable
    end: datetime
    asked: AnomalySettings
    known_days: frozenset[date]

    def findings(self) -> tuple[Finding, ...]:
        """Of the newest days, the newest first."""
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
        """The sales of each day's steps in units that vary as counts do, and the unit: what a row is worth."""
        series = self.table.total(self.end)
        total, unit = float(series.sum()), 1.0
        if self.table.settings.value.sum is not None and total > 0:
            whole = bool((series.dropna() % 1 == 0).all())
            rows = float(self.table.row_counts()[1].sum())
            unit = (1.0 if whole else total / rows / MEASURED_AS) if self.table.is_measurement() else total / rows
        return self._days(series) / unit, unit

    def _days(self, series: pd.Series) -> Array:
        """One row per day, oldest first, of at most as many days as are compared; NaN where the source has a gap.

        Rows and values have the same days, also where the oldest rows are bad and have no value.
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
