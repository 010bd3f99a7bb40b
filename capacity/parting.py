"""The sales of one step taken apart: level, trend, the day, the week, the year, events."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from capacity.domain import Forecast, SalesParts
from capacity.stats import nearest_level

WEEKS = 4  # of history behind level, day and week: recent, and each hour of the week four times
DAY, YEAR = timedelta(days=1), timedelta(days=364)  # 52 weeks: the same weekday
AROUND = timedelta(days=14)  # on each side of a date a year ago: its season without its single days
TINY = 1e-9


def part_sales(
    history: pd.Series, forecast: Forecast, at: datetime, timezone: str, plain: Forecast | None = None
) -> SalesParts:
    """The median forecast of the step at `at` as a sum: what usual sales, the calendar and events make of it.

    `plain` is the forecast without the coming events. The level is the mean of the last four weeks; `day` and `week`
    are what the time of day and the hour of the week usually add to it, `year` what last year's season around this
    date added to last year's level; `events` the difference to `plain`. `trend` is what the model makes of all else:
    growth, and what it learned beyond these means.
    """
    column = _median_level(forecast)
    total = float(forecast.quantiles[column].loc[pd.Timestamp(at)])
    without = total if plain is None else float(plain.quantiles[column].loc[pd.Timestamp(at)])
    recent = history.loc[history.index > history.index[-1] - timedelta(weeks=WEEKS)].dropna()
    level = float(recent.mean())
    day, week = _usual(recent, pd.Timestamp(at).tz_convert(timezone), timezone)
    year, year_why = _year(history, forecast.origin, at, level)
    within = (
        [("week", week - level, "the usual weekday")]
        if forecast.step >= DAY
        else [
            ("day", day - level, "the usual time of day"),
            ("week", week - day, "the usual hour of the week"),
        ]
    )
    explained = level + sum(value for _, value, _ in within) + year
    parts = (
        ("trend", without - explained, "growth, and all else the model has"),
        *within,
        ("year", year, year_why),
        ("events", total - without, "with coming events and holidays"),
    )
    return SalesParts(level, tuple(part for part in parts if abs(part[1]) > TINY))


def _median_level(forecast: Forecast) -> float:
    levels = [float(level) for level in forecast.quantiles.columns]
    return levels[nearest_level(levels)]


def _usual(recent: pd.Series, at: pd.Timestamp, timezone: str) -> tuple[float, float]:
    """Mean sales at this time of day, and at this hour of the week, on the business's clock."""
    clock = pd.DatetimeIndex(recent.index).tz_convert(timezone)
    minutes = clock.hour * 60 + clock.minute
    same_time = np.asarray(minutes == at.hour * 60 + at.minute)
    same_hour = same_time & np.asarray(clock.day_of_week == at.day_of_week)
    values = recent.to_numpy(dtype=float)
    overall = float(values.mean())
    day = float(values[same_time].mean()) if same_time.any() else overall
    return day, float(values[same_hour].mean()) if same_hour.any() else day


def _year(history: pd.Series, origin: datetime, at: datetime, level: float) -> tuple[float, str]:
    """What the season of last year around this date added to that year's level, on this year's level."""
    then = _mean_between(history, at - YEAR - AROUND, at - YEAR + AROUND)
    base = _mean_between(history, origin - YEAR - timedelta(weeks=WEEKS), origin - YEAR)
    if then is None or base is None or base == 0:
        return 0.0, "not known: less than a year of history"
    return level * (then / base - 1), f"last year's season, {then / base - 1:+.0%}"


def _mean_between(history: pd.Series, begin: datetime, end: datetime) -> float | None:
    if history.index[0] > pd.Timestamp(begin):
        return None
    part = history.loc[(history.index >= pd.Timestamp(begin)) & (history.index < pd.Timestamp(end))].dropna()
    return float(part.mean()) if len(part) else None
