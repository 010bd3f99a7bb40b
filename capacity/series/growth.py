"""What a planner asks first: when is the next peak, how high, how sure; and how much has the business grown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from capacity.model import Forecast, require
from capacity.model.arrays import Array
from capacity.series.calendar import holiday_events
from capacity.series.seasons import DAY, WEEK, YEAR
from capacity.series.steps import evened, month_zone
from capacity.stats import nearest_level

WINDOW = timedelta(days=28)  # four of every weekday: long enough for a mean, short enough for "now"
YEAR_OF_WEEKS = timedelta(weeks=52)  # weekdays meet weekdays
NEAR = timedelta(days=45)  # a moving feast of last year lies no further from where it would be by weeks
SEEN = 0.5  # share of a window that must hold data
WHOLE = 0.9  # share of a day's steps that must be known for the day to count
RESAMPLES, SEED = 1000, 20260301
LEAST_STEPS = 4


@dataclass(frozen=True, slots=True)
class ComingPeak:
    """The step of a forecast with the highest sales: what is expected there, and between which quantiles.

    `expected`, `low` and `high` are in the unit of the forecast: at the forecast level nearest to the median
    (`expected_level`), at the lowest level, and at the highest one (`high_level`).
    """

    at: datetime
    expected: float
    low: float
    high: float
    expected_level: float
    high_level: float


@dataclass(frozen=True, slots=True)
class Growth:
    """The level of some weeks against that of the same weeks a year before, holidays aligned.

    `change` is a share (0.2: a fifth more), `low` to `high` its 95 % interval over the days (None: one of a forecast).
    `start` and `end` bound the window `[start, end)` that is compared. None where a year before is not known or was
    zero; `reason` says so then.
    """

    start: datetime
    end: datetime
    change: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    @property
    def words(self) -> str:
        """In words, with the interval.

        >>> Growth(datetime(2026, 1, 1), datetime(2026, 1, 29), -0.002, -0.061, 0.084).words
        'level +0 % against the same weeks last year (95 % interval -6 % to +8 %)'
        """
        if self.change is None:
            return f"not known: {self.reason}"
        level = f"level {percent(self.change)} against the same weeks last year"
        if self.low is None or self.high is None:
            return level
        return f"{level} (95 % interval {percent(self.low)} to {percent(self.high)})"


@dataclass(frozen=True, slots=True)
class ComingGrowth:
    """A forecast against the same weeks last year, beside the growth so far, and what explains a difference.

    `last_year` and `this_year` are the changes from the 28 days before into the forecast's weeks, then and now: the
    forecast grows faster than the business so far where they differ. None where they are not known.
    """

    past: Growth
    coming: Growth
    last_year: float | None = None
    this_year: float | None = None

    @property
    def words(self) -> str:
        """The growth so far; where the forecast's lies outside of its interval, that too, and why."""
        past, coming = self.past, self.coming
        if past.change is None or coming.change is None or past.low is None or past.high is None:
            return past.words
        if past.low <= coming.change <= past.high or self.last_year is None or self.this_year is None:
            return past.words
        return (
            f"{past.words}; the forecast itself is {percent(coming.change)}, because into these weeks sales changed by "
            f"{percent(self.last_year)} last year and are expected to change by {percent(self.this_year)} this year"
        )


def percent(change: float) -> str:
    """A change, given as a share, with its sign.

    >>> percent(0.204), percent(-0.002)
    ('+20 %', '+0 %')
    """
    return f"{100 * change:+z.0f} %"


def coming_peak(forecast: Forecast) -> ComingPeak:
    """The next peak of a forecast: the first of its highest steps at the level nearest to the median.

    >>> index = pd.date_range("2026-11-27", periods=3, freq="D", tz="UTC")
    >>> quantiles = pd.DataFrame({0.1: [1.0, 4.0, 2.0], 0.5: [2.0, 6.0, 3.0], 0.9: [3.0, 9.0, 4.0]}, index)
    >>> peak = coming_peak(Forecast(index[0] - pd.Timedelta("1D"), timedelta(days=1), quantiles, "sales per day"))
    >>> peak.at.day, peak.low, peak.expected, peak.high
    (28, 4.0, 6.0, 9.0)
    """
    levels = np.array([float(level) for level in forecast.quantiles.columns])
    middle = nearest_level(levels)
    values = forecast.quantiles.to_numpy(dtype=np.float64)
    top = int(values[:, middle].argmax())
    at: datetime = forecast.quantiles.index[top].to_pydatetime()
    low, expected, high = (float(value) for value in values[top, [0, middle, -1]])
    return ComingPeak(at, expected, low, high, float(levels[middle]), float(levels[-1]))


def past_growth(history: pd.Series, holidays: Sequence[str] = ()) -> Growth:
    """The last 28 days of a history (regular UTC index, gaps as NaN) against the same weeks a year before.

    Each day is held against the same weekday 52 weeks earlier, a holiday against the same holiday (`holidays`:
    countries and states), and a day that was a holiday in one year alone counts in neither. Steps of weeks and months
    are held against those of a year earlier. The interval resamples the days. Raises `DataError` for fewer than two
    steps.

    >>> index = pd.date_range("2024-01-01", periods=800, freq="D", tz="UTC")
    >>> growth = past_growth(pd.Series(np.where(np.arange(800) < 500, 10.0, 15.0), index))
    >>> growth.change, growth.low, growth.high
    (0.5, 0.5, 0.5)
    """
    step = _step(history)
    end = history.index[-1] + step
    recent = history.loc[end - max(WINDOW, LEAST_STEPS * step) :]
    pairs = _pairs(history, recent, step, holidays)
    return _grown(pairs, (recent.index[0].to_pydatetime(), end.to_pydatetime()), with_interval=True)


def coming_growth(history: pd.Series, forecast: Forecast, holidays: Sequence[str] = ()) -> ComingGrowth:
    """What is forecast, at the level nearest to the median, against the same weeks a year before, as `past_growth`.

    Raises `DataError` for a forecast in other steps than the history's.
    """
    step = _step(history)
    require(step == forecast.step, "growth: expected a forecast in steps of {}, got {}", step, forecast.step)
    levels = [float(level) for level in forecast.quantiles.columns]
    ahead = forecast.at(levels[nearest_level(levels)])
    window = (ahead.index[0].to_pydatetime(), (ahead.index[-1] + step).to_pydatetime())
    pairs = _pairs(history, ahead, step, holidays)
    past, coming = past_growth(history, holidays), _grown(pairs, window)
    if past.change is None or coming.change is None:
        return ComingGrowth(past, coming)
    before = _pairs(history, history.loc[past.start :], step, holidays)
    return ComingGrowth(past, coming, _moved(before.then, pairs.then), _moved(before.now, pairs.now))


def _step(history: pd.Series) -> timedelta:
    require(len(history) >= 2, "growth: expected at least two steps, got {}", len(history))
    even = evened(history).index
    step: timedelta = pd.Timedelta((even[1:] - even[:-1]).min()).to_pytimedelta()
    return step


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Mean sales per step of each day (or longer step) now and a year before; NaN for what is not known."""

    now: Array
    then: Array
    before: datetime  # the start of the year-earlier window


def _pairs(history: pd.Series, now: pd.Series, step: timedelta, holidays: Sequence[str]) -> _Pairs:
    zone = str(history.attrs.get("timezone", "UTC"))
    if step > DAY:
        earlier = _before(
            pd.DatetimeIndex(now.index), history, round(YEAR / step) * step if step > WEEK else YEAR_OF_WEEKS
        )
        then = history.reindex(earlier).to_numpy(dtype=np.float64)
        return _Pairs(now.to_numpy(dtype=np.float64), then, earlier[0].to_pydatetime())
    days = _by_day(now, step, zone)
    partners = _same_days([*days.index], holidays, zone)
    known = [day for day in days.index if day in partners]
    past = _by_day(_around(history, partners.values()), step, zone)
    then = past.reindex([partners[day] for day in known]).to_numpy(dtype=np.float64)
    before = now.index[0].to_pydatetime() - YEAR_OF_WEEKS
    return _Pairs(days.reindex(known).to_numpy(dtype=np.float64), then, before)


def _around(history: pd.Series, days: Iterable[date]) -> pd.Series:
    """The history of these days and of two more on both sides, which are in no zone a part of them."""
    first, last = min(days, default=date.max), max(days, default=date.min)
    margin = pd.Timedelta(days=2)
    if first > last:
        return history.iloc[:0]
    return history.loc[pd.Timestamp(first, tz="UTC") - margin : pd.Timestamp(last, tz="UTC") + margin + DAY]


def _by_day(sales: pd.Series, step: timedelta, zone: str) -> pd.Series:
    """The mean step of each local day that is nearly whole; a step of a day is named by its date."""
    index = pd.DatetimeIndex(sales.index)
    local = index if step >= DAY else index.tz_convert(zone)
    days = sales.astype(np.float64).groupby(local.date).agg(["mean", "count"])
    whole = days["count"] >= WHOLE * (DAY / step)
    means: pd.Series = days["mean"].where(whole)
    return means


def _same_days(days: Sequence[date], holidays: Sequence[str], zone: str) -> dict[date, date]:
    """The day of last year that each day is held against; none for a day that was a holiday in one year alone."""
    plain = {day: day - YEAR_OF_WEEKS for day in days}
    if not holidays or not days:
        return plain
    clock = ZoneInfo(zone)
    first, last = (datetime(day.year, day.month, day.day, tzinfo=clock) for day in (days[0], days[-1]))
    events = holiday_events(holidays, first - YEAR_OF_WEEKS - NEAR, last + NEAR, zone)
    names = {event.start.astimezone(clock).date(): event.name for event in events}
    found = {}
    for day, earlier in plain.items():
        if day not in names:
            if earlier not in names:
                found[day] = earlier
            continue
        same = [other for other, name in names.items() if name == names[day] and abs(other - earlier) <= NEAR]
        if same:
            found[day] = min(same, key=lambda other: abs(other - earlier))
    return found


def _before(index: pd.DatetimeIndex, history: pd.Series, year: timedelta) -> pd.DatetimeIndex:
    zone = month_zone(pd.DatetimeIndex(history.index), str(history.attrs.get("timezone", "UTC")))
    if zone is None:
        return index - year
    return (index.tz_convert(zone) - pd.DateOffset(years=1)).tz_convert("UTC")


def _grown(pairs: _Pairs, window: tuple[datetime, datetime], *, with_interval: bool = False) -> Growth:
    start, end = window
    for values, when, year in ((pairs.now, start, ""), (pairs.then, pairs.before, "a year before, ")):
        if not len(values) or np.isfinite(values).mean() < SEEN:
            return Growth(start, end, None, reason=year + _missing(when, end - start))
    both = np.isfinite(pairs.now) & np.isfinite(pairs.then)
    now, then = pairs.now[both], pairs.then[both]
    if then.sum() <= 0:
        return Growth(start, end, None, reason="there were no sales a year before")
    change = float(now.sum() / then.sum() - 1)
    return Growth(start, end, change, *(_interval(now, then) if with_interval else (None, None)))


def _interval(now: Array, then: Array) -> tuple[float, float]:
    """The central 95 % of the change over resampled days."""
    places = np.random.default_rng(SEED).integers(0, len(now), (RESAMPLES, len(now)))
    nows, thens = now[places].sum(axis=1), then[places].sum(axis=1)
    low, high = np.quantile(nows[thens > 0] / thens[thens > 0] - 1, (0.025, 0.975))
    return float(low), float(high)


def _moved(before: Array, after: Array) -> float | None:
    """The change of the mean from one window to the next."""
    level = float(np.nanmean(before))
    return float(np.nanmean(after)) / level - 1 if level > 0 else None


def _missing(start: datetime, length: timedelta) -> str:
    return f"most of the {length / DAY:.0f} days from {start.date()} have no data"
