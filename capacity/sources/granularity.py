"""Finds times that are coarser than they look: totals of days among hours, and clocks of twelve hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from math import gcd

import duckdb
import numpy as np
import pandas as pd

from capacity.model.arrays import Array
from capacity.model.fields import duration_text
from capacity.model.settings import SalesSettings
from capacity.quality import Finding, Severity
from capacity.quality.column_roles import is_end
from capacity.quality.composition import shown
from capacity.quality.smoothing import smoothed
from capacity.quality.usual import only_adds_up
from capacity.sources.judging import OWN, Judgement
from capacity.sources.sql import GOOD, literal, quote

ROWS_BY_STEP = (  # first, since there may be ten thousand groups a step
    "SELECT step_start, bool_and(on_step) AS exact, sum(row_count) AS n, count(*) AS counts "
    f"FROM counted WHERE {GOOD} AND step_start IS NOT NULL GROUP BY 1"
)
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
DAILY_RESETS = 0.05  # of the steps: a little more than one in a day of hours
SAME = 0.005  # of a total: how far the sum of its rows may be from it
SUMS = 0.3  # of the rows at the start of hours or days: orders come at that second too
DOUBLED = (1.5, 2.6)  # times the usual of the time of day that two totals of one step are
EXACT = 0.5  # the same where every row is at the start of a step
UNITS = {"day": 5, "week": 3, "month": 2}  # of which totals stand among rows, and how many units must have one
LEAST_ZONED = 200  # rows with and without a zone, from which their hours of the day are compared
LEAST_GAIN = 0.05  # log-likelihood per row that a move of some hours must gain
NIGHT = 0.15  # share of rows before six, from which hours up to twelve are not those of a shop
LEAST_STEPS = 4  # of such a unit
TWELVE = 10.5 * HOUR  # from noon back to one o'clock, nearly


def granularity_findings(judgement: Judgement) -> tuple[Finding, ...]:
    """Whether rows of a source with one amount a step are totals of longer times, or its clock has twelve hours."""
    half = _twelve_hours(judgement)
    looked = (half, _totals_among_rows(judgement), _zones_apart(judgement))
    found = _findings(judgement.settings, looked)
    found += () if half else _findings(judgement.settings, [_only_twelve_hours(judgement)], "warn")
    found += totals_findings(judgement.source.database, judgement.settings, judgement.timezone)
    if judgement.settings.value.sum is None or any(one.rule == "granularity" for one in found):
        return found
    return (*_findings(judgement.settings, [_totals_anywhere(judgement)]), *found)


def totals_findings(database: duckdb.DuckDBPyConnection, settings: SalesSettings, timezone: str) -> tuple[Finding, ...]:
    """Whether some rows of a source are totals of longer times, from what was counted, wherever that was."""
    doubts: list[str | None] = []
    found = [_dates_alone(database, settings, timezone) or _dates_among_times(database, settings, timezone)]
    if settings.value.sum is not None and not any(found):
        steps = _steps(database)
        daily = _daily_totals(steps, timezone)
        found += [_longer_totals(steps), daily or _twice(steps, settings), _added_up(steps)]
        doubts = [] if any(found) else [_ends(steps, settings), _means(steps, settings)]
    if settings.group is not None:
        found.append(_group_of_all(database, settings.group))
    return (*_findings(settings, found), *_findings(settings, doubts, "warn"))


def _ends(steps: pd.DataFrame, settings: SalesSettings) -> str | None:
    """Whether totals bear the time of their end, by the name of its column: they would be a step too late."""
    if steps.empty or not steps["exact"].all() or not is_end(settings.time):
        return None
    return (
        "expected the start of each step, got times that are ends by their name, so that all are a step late: export "
        "the start, or subtract the step"
    )


def _means(steps: pd.DataFrame, settings: SalesSettings) -> str | None:
    """Whether totals are means or sums over longer times than their step, or lie on straight lines."""
    if steps.empty or settings.step >= timedelta(days=1):
        return None
    index = pd.DatetimeIndex(pd.to_datetime(steps["at"], unit="s", utc=True))
    grid = pd.date_range(index[0], index[-1], freq=pd.Timedelta(settings.step))
    why = smoothed(pd.Series(steps["value"].to_numpy(dtype=float), index).reindex(grid))
    if why is None:
        return None
    return (
        f"expected what was sold in each step alone, got {settings.value.sum} of which {why}, so that peaks are cut "
        "off: export each step for itself, or set sales.step to that time"
    )


def _group_of_all(database: duckdb.DuckDBPyConnection, group: str) -> str | None:
    """Whether one group is the sum of all others in nearly every step, as exports of several levels have it."""
    good = f"FROM counted WHERE {GOOD} AND step_start IS NOT NULL"
    query = (
        f"SELECT grp FROM (SELECT grp, sum(CAST(value AS DOUBLE)) AS v {good} GROUP BY 1), "
        f"(SELECT sum(CAST(value AS DOUBLE)) AS v_all, count(DISTINCT grp) AS groups {good}) "
        f"WHERE groups > 2 AND v_all > 0 AND abs(2 * v - v_all) <= {SAME} * v_all LIMIT 1"
    )
    row = database.execute(query).fetchone()
    if row is None:
        return None
    amount = "sum(CAST(value AS DOUBLE))"
    steps = f"SELECT step_start, {amount} FILTER (grp = $1) AS own, {amount} AS v {good} GROUP BY 1"
    same = f"SELECT avg(CAST(abs(2 * coalesce(own, 0) - v) <= {SAME} * v AS INTEGER)), count(*) FROM ({steps})"
    share, count = database.execute(same, [row[0]]).fetchone() or (0.0, 0)
    if count < LEAST_ROWS or share < SINGLE:
        return None
    return (
        f"expected each amount once, got the group {shown(str(row[0]))} of {group}, which is the sum of all others: "
        "leave it out with a select"
    )


def _dates_alone(database: duckdb.DuckDBPyConnection, settings: SalesSettings, timezone: str) -> str | None:
    """Whether steps are parts of a day, and all rows of all days have one time: dates, whose hours are elsewhere.

    A single row a day is a total, whose length planning finds out.
    """
    if settings.step >= timedelta(days=1):
        return None
    day = int(timedelta(days=1).total_seconds())
    local = f"timezone({literal(timezone)}, to_timestamp(step_start))"
    query = (
        f"SELECT coalesce(bool_and(exact), false), count(DISTINCT step_start // {day}), "
        f"least(count(DISTINCT step_start % {day}), count(DISTINCT {local} - date_trunc('day', {local}))), "
        f"CAST(sum(n) AS DOUBLE) / sum(counts) FROM ({ROWS_BY_STEP})"
    )
    exact, days, times, rows = database.execute(query).fetchone() or (False, 0, 0, 0.0)
    if exact and days >= LEAST_DAYS and times > 1 and rows > 1 / MEASURED:
        return _every_so_often(database, settings)
    if not exact or days < LEAST_DAYS or times > 1 or rows <= 1 / MEASURED:
        return _one_time(database)
    return (
        f"expected times within the day for steps of {duration_text(settings.step)}, got one time on each of {days} "
        "days, as dates have: set step: 1d, or give a column with date and time of day"
    )


def _every_so_often(database: duckdb.DuckDBPyConnection, settings: SalesSettings) -> str | None:
    """Whether all rows lie at the start of every second, third, ... step of the day: their times were rounded to it."""
    day, step = int(timedelta(days=1).total_seconds()), int(settings.step.total_seconds())
    query = f"SELECT DISTINCT step_start % {day} FROM counted WHERE {GOOD} AND step_start IS NOT NULL"
    apart = gcd(day, *(int(at) for (at,) in database.execute(query).fetchall()))
    if apart <= step:
        return None
    length = duration_text(timedelta(seconds=apart))
    return (
        f"expected times within each step of {duration_text(settings.step)}, got rows every {length} alone, as rounded "
        f"times have: set step: {length}, or give a column with the whole time"
    )


def _one_time(database: duckdb.DuckDBPyConnection) -> str | None:
    """Whether all rows have one time, as that of their export."""
    query = f"SELECT epoch(min(first)), epoch(max(last)), sum(row_count) FROM counted WHERE {GOOD}"
    first, last, rows = database.execute(query).fetchone() or (None, None, 0)
    if first is None or first != last or rows < LEAST_ROWS:
        return None
    at = pd.Timestamp(first, unit="s", tz="UTC")
    return f"expected the times of orders, got {at:%Y-%m-%dT%H:%MZ} in all {int(rows):,} rows: name another column"


def _dates_among_times(database: duckdb.DuckDBPyConnection, settings: SalesSettings, timezone: str) -> str | None:
    """Whether all rows of some days are at midnight, among days whose rows have times of their own."""
    if settings.step >= timedelta(days=1):
        return None
    local = f"timezone({literal(timezone)}, to_timestamp(step_start))"
    days = (
        f"SELECT date_trunc('day', {local}) AS day, sum(n) AS n, count(*) AS steps, "
        f"bool_and(exact AND {local} = date_trunc('day', {local})) AS midnight FROM ({ROWS_BY_STEP}) GROUP BY 1"
    )
    dates = f"midnight AND n >= {LEAST_HOURS}"
    query = (
        f"SELECT count(*) FILTER ({dates}), count(*) FILTER (steps >= {LEAST_DAYS}), min(day) FILTER ({dates}), "
        f"max(day) FILTER ({dates}) FROM ({days})"
    )
    found, timed, first, last = database.execute(query).fetchone() or (0, 0, None, None)
    if found < LEAST_DAYS or timed < LEAST_DAYS:
        return None
    return (
        f"expected times within the day for steps of {duration_text(settings.step)}, got dates alone on {found} days "
        f"from {first:%Y-%m-%d} to {last:%Y-%m-%d}: export their times, leave them out, or set step: 1d"
    )


def _findings(
    settings: SalesSettings, found: Sequence[str | None], severity: Severity = "refuse"
) -> tuple[Finding, ...]:
    return tuple(Finding("granularity", severity, f"{settings.time}: {said}") for said in found if said)


def _steps(database: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Per step its value, rows and groups; empty where rows are single orders, of which any number may share a step.

    Good rows of a step and group are counted once, so that groups need no telling apart.
    """
    query = (
        "SELECT step_start AS at, sum(CAST(value AS DOUBLE)) AS value, sum(row_count) AS n, "
        f"bool_and(on_step) AS exact, count(grp) AS groups FROM counted WHERE {GOOD} "
        "AND step_start IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    frame = database.execute(query).df()
    if len(frame) < LEAST_ROWS:
        return frame[:0]
    least = EXACT if frame["exact"].all() else SINGLE
    totals = (frame["n"] <= frame["groups"]).mean() > least and (frame["n"] <= 2 * frame["groups"]).all()
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


def _twice(steps: pd.DataFrame, settings: SalesSettings) -> str | None:
    """Whether some steps have two totals, as where totals were revised or exports overlap: they are twice as large."""
    if steps.empty or settings.step >= timedelta(days=1) or not steps["exact"].all():
        return None
    again = steps["n"] > steps["groups"]
    usual = steps["value"].where(~again).groupby(steps["at"] % (24 * HOUR)).transform("mean")
    times = (steps["value"] / usual)[again & (usual > 0)]
    if again.sum() < LEAST_RUN or not DOUBLED[0] <= times.median() <= DOUBLED[1]:
        return None
    twice = steps.loc[again, "at"]
    first, last = (pd.Timestamp(at, unit="s", tz="UTC") for at in (twice.iloc[0], twice.iloc[-1]))
    keys = ", ".join(quote(name) for name in (settings.time, settings.group) if name is not None)
    return (
        f"expected one total a step, got two for {len(twice)} steps from {first:%Y-%m-%dT%H:%MZ} to "
        f"{last:%Y-%m-%dT%H:%MZ}: a select with the check `source_row = max(source_row) OVER (PARTITION BY {keys})` "
        "keeps the latest"
    )


def _added_up(steps: pd.DataFrame) -> str | None:
    """Whether totals only rise, or rise within every day: they add up what was sold since a start."""
    if steps.empty:
        return None
    values = steps["value"].to_numpy(dtype=float)
    span = timedelta(seconds=float(steps["at"].iloc[-1] - steps["at"].iloc[0]))
    rises = np.diff(values)
    different = len(np.unique(rises[rises > 0])) >= LEAST_RUN  # what rises by one and the same is a ramp
    if not different or span < timedelta(days=2) or not only_adds_up(values, span, DAILY_RESETS):
        return None
    return (
        f"expected what was sold in each step, got values that only rise, up to {values.max():,.6g}, as totals since a "
        "start or since midnight do: export the difference of each two"
    )


def _totals_among_rows(judgement: Judgement) -> str | None:
    """Whether rows at the start of hours or days are the sum of the other rows of that time, or of the time before."""
    settings, database = judgement.settings, judgement.source.database
    if settings.value.sum is None:
        return None
    gate = f"SELECT count(*) FROM counted WHERE {GOOD} AND epoch(first) = step_start AND row_count > 1"
    if (database.execute(gate).fetchone() or (0,))[0] < LEAST_DAYS:
        return None
    local = f"timezone({literal(judgement.timezone)}, {OWN}moment)"
    for unit in ("hour", "day"):
        start = f"date_trunc('{unit}', {local})"
        query = (
            f"SELECT {start} AS began, sum({OWN}value) FILTER ({local} = {start}) AS own, "
            f"sum({OWN}value) FILTER ({local} != {start}) AS rest, count(*) FILTER ({local} != {start}) AS n "
            f"FROM {judgement.rows()} WHERE {OWN}failed = 0 AND {OWN}aside = 0 GROUP BY 1"
        )
        earlier = ", ".join(f"lag({name}) OVER (ORDER BY began) AS {name}_before" for name in ("rest", "n"))
        sums = "count(*) FILTER (own > 0 AND abs(own - rest{0}) <= {1} * own AND n{0} >= 3)"
        asked = f"count(own), {sums.format('', SAME)}, {sums.format('_before', SAME)}"
        asked = f"SELECT {asked} FROM (SELECT *, {earlier} FROM ({query}))"
        rows, same, after = database.execute(asked).fetchone() or (0, 0, 0)
        if max(same, after) >= max(LEAST_DAYS, SUMS * rows):
            return (
                f"expected each amount once, got {max(same, after)} rows on the full {unit} that are the sum of the "
                f"other rows of the {unit}{' before' if after > same else ''}: leave these totals out"
            )
    return None


def _totals_anywhere(judgement: Judgement) -> str | None:
    """Whether one row of nearly every day, week or month is the sum of its others, at whatever time it is.

    Rows are read only where one step of nearly each has half of all that it has.
    """
    database, zone = judgement.source.database, literal(judgement.timezone)
    for unit, least in UNITS.items():
        began = f"date_trunc('{unit}', timezone({zone}, to_timestamp(step_start)))"
        steps = (
            f"SELECT step_start, sum(CAST(value AS DOUBLE)) AS v FROM counted WHERE {GOOD} AND step_start IS NOT NULL"
        )
        units = f"SELECT sum(v) AS v, max(v) AS m, count(*) AS n FROM ({steps} GROUP BY 1) GROUP BY {began}"
        gate = f"SELECT count(*) FILTER (n >= {LEAST_STEPS} AND m > 0 AND m >= 0.49 * v), count(*) FROM ({units})"
        half, count = database.execute(gate).fetchone() or (0, 0)
        if half < max(least, OFTEN * count):
            continue
        query = (
            f"SELECT sum({OWN}value) AS v, max({OWN}value) AS m, count(*) AS n FROM {judgement.rows()} "
            f"WHERE {OWN}failed = 0 AND {OWN}aside = 0 GROUP BY date_trunc('{unit}', timezone({zone}, {OWN}moment))"
        )
        same = f"SELECT count(*) FROM ({query}) WHERE n >= {LEAST_STEPS} AND abs(v - 2 * m) <= {SAME} * m"
        found = (database.execute(same).fetchone() or (0,))[0]
        if found >= max(least, OFTEN * count):
            return (
                f"expected each amount once, got one row in each of {found} {unit}s that is the sum of the others: "
                "leave these totals out"
            )
    return None


def _zones_apart(judgement: Judgement) -> str | None:
    """Whether rows that name no zone have the hours of the day of those that do, only some hours later or earlier."""
    zoned = judgement.time.own_zone
    if zoned is None:
        return None
    local = f"timezone({literal(judgement.timezone)}, {judgement.time.instant})"
    query = f"SELECT {zoned}, hour({local}) AS h, count(*) FROM orders WHERE h IS NOT NULL GROUP BY ALL"
    hours = np.zeros((2, 24))
    for own, hour, count in judgement.source.database.execute(query).fetchall():
        hours[int(own), hour] += count
    told, silent = hours[1], hours[0]
    if min(told.sum(), silent.sum()) < LEAST_ZONED:
        return None
    shape = (told + 1) / (told.sum() + 24)
    gains = [float(silent @ np.log(np.roll(shape, move) / shape)) / silent.sum() for move in range(24)]
    move = int(np.argmax(gains))
    if gains[move] < LEAST_GAIN:
        return None
    side = f"{move} h later" if move <= 12 else f"{24 - move} h earlier"
    return (
        f"expected times of one clock, got {int(silent.sum()):,} that name no zone, which seem {side} than the others "
        f"if they are read in {judgement.time_zone()}; set sales.timezone to their clock, or export all with a zone"
    )


def _only_twelve_hours(judgement: Judgement) -> str | None:
    """Whether hours are 1 to 12 alone where rows are in no order that proves more, and even the night has many."""
    if not _has_twelve_hours(judgement):
        return None
    local = f"hour(timezone({literal(judgement.time_zone())}, to_timestamp(step_start)))"
    query = f"SELECT sum(row_count) FILTER ({local} < 6) / sum(row_count) FROM counted WHERE {GOOD}"
    night = (judgement.source.database.execute(query).fetchone() or (None,))[0]
    if night is None or night < NIGHT:
        return None
    return (
        f"expected hours of the day, got 1 to 12 alone and {100 * night:.0f} % of rows before six: are hours of the "
        "afternoon written without PM? Export times with 24 hours or with AM and PM"
    )


def _has_twelve_hours(judgement: Judgement) -> bool:
    """Whether times without a zone have the hours 1 to 12, and no others."""
    step, zone = judgement.settings.step.total_seconds(), judgement.time_zone()
    if step > HOUR or not judgement.time.local:
        return False
    hours = f"hour(timezone({literal(zone)}, to_timestamp(step_start)))"
    query = f"SELECT min({hours}), max({hours}), count(DISTINCT {hours}) FROM "
    query += f"(SELECT DISTINCT step_start FROM counted WHERE {GOOD})"
    low, high, different = judgement.source.database.execute(query).fetchone() or (0, 0, 0)
    return (low, high) == (1, 12) and different >= LEAST_HOURS


def _twelve_hours(judgement: Judgement) -> str | None:
    """Whether hours are 1 to 12 alone, and rows in order fall back from noon to one o'clock on most days."""
    database = judgement.source.database
    if not isinstance(judgement.settings.source, str) or not _has_twelve_hours(judgement):
        return None
    times = f"SELECT epoch({judgement.time.instant}) AS t, source_row FROM orders"
    query = (
        f"SELECT count(*) FILTER (abs(b - t) BETWEEN {TWELVE} AND 43200), count(*) FILTER (b - t > {HOUR}), "
        f"count(*) FILTER (WHERE t - b > {HOUR}), count(DISTINCT floor(t / 86400)) "
        f"FROM (SELECT t, lag(t) OVER (ORDER BY source_row) AS b FROM ({times}))"
    )
    falls, back, on, days = database.execute(query).fetchone() or (0, 0, 0, 0)
    if falls < max(LEAST_DAYS, days / 2) or min(back, on) > max((back + on) / 4, 2 * days):
        return None
    return (
        "expected hours of the day, got 1 to 12 alone, and the clock falls back at noon on "
        f"{min(falls, days):.0f} days: hours of the afternoon without PM; export times with 24 hours or with AM and PM"
    )
