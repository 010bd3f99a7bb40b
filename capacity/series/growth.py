"""What a planner asks first: when is the next peak, how high, how sure; and how much has the business grown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from capacity.model import Forecast, require
from capacity.model.arrays import Array
from capacity.series.seasons import DAY, WEEK, YEAR
from capacity.series.steps import evened, month_zone
from capacity.stats import nearest_level

WINDOW = timedelta(days=28)  # four of every weekday: long enough for a mean, short enough for "now"
PEAK_LEVEL = 0.99  # of the steps: the peak that is planned for, without the one step that was a mistake
SEEN = 0.5  # share of a window that must hold data
LEAST_STEPS = 4


@dataclass(frozen=True, slots=True)
class ComingPeak:
    """The step of a forecast with the highest sales: what is expected there, and between which quantiles.

    `expected`, `low` and `high` are in the unit of the forecast, at the levels `expected_level`, `low_level` and
    `high_level`: the level nearest to the median, the lowest and the highest one that were forecast.
    """

    at: datetime
    expected: float
    low: float
    high: float
    expected_level: float
    low_level: float
    high_level: float


@dataclass(frozen=True, slots=True)
class Growth:
    """Change against the same weeks a year before, as a share (0.2: a fifth more), for mean and peak apart.

    `start` and `end` bound the window `[start, end)` that is compared. None where a year before is not known or was
    zero; `reason` says so then.
    """

    start: datetime
    end: datetime
    mean: float | None
    peak: float | None
    reason: str = ""


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
    return ComingPeak(at, expected, low, high, float(levels[middle]), float(levels[0]), float(levels[-1]))


def past_growth(history: pd.Series) -> Growth:
    """The last 28 days of a history (regular UTC index, gaps as NaN) against the same weeks a year before.

    The peak is the 99th percentile of the steps. A year is 52 whole weeks, so that weekdays meet weekdays; of longer
    steps, as many as make a year. Raises `DataError` for fewer than two steps.

    >>> index = pd.date_range("2024-01-01", periods=800, freq="D", tz="UTC")
    >>> growth = past_growth(pd.Series(np.where(np.arange(800) < 500, 10.0, 15.0), index))
    >>> growth.mean, growth.peak
    (0.5, 0.5)
    """
    step = _step(history)
    end = history.index[-1] + step
    recent = history.loc[end - max(WINDOW, LEAST_STEPS * step) :]
    return _against(history, pd.DatetimeIndex(recent.index), recent.to_numpy(dtype=np.float64), step)


def coming_growth(history: pd.Series, forecast: Forecast) -> Growth:
    """What is forecast against the same steps a year before, from the level nearest to the median.

    A middle forecast has no lucky days in it: the growth of its peak is rather understated.
    """
    step = _step(history)
    require(step == forecast.step, "growth: expected a forecast in steps of {}, got {}", step, forecast.step)
    levels = [float(level) for level in forecast.quantiles.columns]
    middle = levels[nearest_level(levels)]
    return _against(
        history, pd.DatetimeIndex(forecast.quantiles.index), forecast.at(middle).to_numpy(dtype=np.float64), step
    )


def _step(history: pd.Series) -> timedelta:
    require(len(history) >= 2, "growth: expected at least two steps, got {}", len(history))
    even = evened(history).index
    step: timedelta = pd.Timedelta((even[1:] - even[:-1]).min()).to_pytimedelta()
    return step


def _against(history: pd.Series, index: pd.DatetimeIndex, now: Array, step: timedelta) -> Growth:
    """Values now at these steps against the history a year before each of them."""
    year = round(YEAR / step) * step if step > WEEK else 52 * WEEK
    start, end = index[0].to_pydatetime(), (index[-1] + step).to_pydatetime()
    then = history.reindex(_before(index, history, year)).to_numpy(dtype=np.float64)
    for values, when in ((now, start), (then, start - year)):
        if np.isfinite(values).mean() < SEEN:
            return Growth(start, end, None, None, _missing(when, end - start))
    return Growth(start, end, *_grown(now, then))


def _before(index: pd.DatetimeIndex, history: pd.Series, year: timedelta) -> pd.DatetimeIndex:
    zone = month_zone(pd.DatetimeIndex(history.index), str(history.attrs.get("timezone", "UTC")))
    if zone is None:
        return index - year
    return (index.tz_convert(zone) - pd.DateOffset(years=1)).tz_convert("UTC")


def _missing(start: datetime, length: timedelta) -> str:
    return f"no data for most of the {length / DAY:.0f} days from {start.date()} on"


def _grown(now: Array, then: Array) -> tuple[float | None, float | None, str]:
    means = float(np.nanmean(now)), float(np.nanmean(then))
    peaks = float(np.nanquantile(now, PEAK_LEVEL)), float(np.nanquantile(then, PEAK_LEVEL))
    if means[1] <= 0 or peaks[1] <= 0:
        return None, None, "there were no sales a year before"
    return means[0] / means[1] - 1, peaks[0] / peaks[1] - 1, ""
