"""Sales taken apart: level, cycles, events, and what none of them explains."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from capacity.model import Forecast, SalesParts, require
from capacity.series.growth import percent
from capacity.series.seasons import DAY, YEAR, decomposition, find_seasons
from capacity.series.steps import evened, numbers, rolling_median
from capacity.stats import nearest_level

LONGEST = timedelta(weeks=26)  # of fine history that is taken apart: half a year shows the cycles of today
HOUR = timedelta(hours=1)


def decompose_sales(sales: pd.Series) -> pd.DataFrame:
    """A history (regular UTC index, gaps as NaN) as level + one column per cycle + rest: its newest half year, three
    years where its steps are days or longer.

    Columns: `sales`, `level`, each cycle of `find_seasons` that fits twice by its name, `rest`; all in the unit of the
    sales, means of an hour where steps are finer. MSTL (Bandara, Hyndman and Bergmeir, 2021), robust against single
    extremes; gaps are filled by a straight line to find the parts, and have no `rest`. Without a cycle the level is
    the running median over a day's or a week's steps. Raises `DataError` on fewer than 8 steps with data.

    >>> index = pd.date_range("2026-01-01", periods=24 * 28, freq="h", tz="UTC")
    >>> parts = decompose_sales(pd.Series(10.0 + (index.hour - 12) ** 2, index))
    >>> list(parts.columns), round(float(parts["rest"].abs().max()), 6)
    (['sales', 'level', 'daily', 'rest'], 0.0)
    """
    seen = int(sales.notna().sum())
    require(seen >= 8, "decompose: expected at least 8 steps with data, got {}", seen)
    series = evened(numbers(sales, "decompose"))
    step: timedelta = (series.index[1:] - series.index[:-1]).min().to_pytimedelta()
    recent = series.loc[series.index > series.index[-1] - (3 * YEAR if step >= DAY else LONGEST)]
    hourly = recent.resample(HOUR).mean() if step < HOUR else recent.asfreq(pd.Timedelta(step))
    factor = 1.0 if step >= HOUR else step / HOUR
    whole = hourly.interpolate(limit_direction="both")
    lengths = {round(season.season_length * factor): season.name for season in find_seasons(sales)}
    fitting = {length: name for length, name in lengths.items() if 2 <= length <= len(whole) // 2}
    parts = _parts(whole, fitting)
    parts.insert(0, "sales", hourly)
    parts["rest"] = hourly - parts.drop(columns="sales").sum(axis=1)
    return parts.rename_axis("start")


def _parts(whole: pd.Series, lengths: dict[int, str]) -> pd.DataFrame:
    if not lengths:
        window = min(len(whole), 24 if len(whole) > 48 else 7)
        level = rolling_median(whole.to_numpy(dtype=np.float64), window, center=True, least=1)
        return pd.DataFrame({"level": level}, whole.index)
    from statsmodels.tsa.seasonal import MSTL  # slow to load: only where a decomposition is due

    fit = MSTL(whole.to_numpy(), periods=sorted(lengths), stl_kwargs=decomposition(min(lengths))).fit()
    cycles = np.asarray(fit.seasonal).reshape(len(whole), -1)
    named = {lengths[length]: cycles[:, place] for place, length in enumerate(sorted(lengths))}
    return pd.DataFrame({"level": np.asarray(fit.trend), **named}, whole.index)


WEEKS = 4  # of history behind level, day and week: recent, and each hour of the week four times
ONE_DAY, YEAR_OF_WEEKS = timedelta(days=1), timedelta(days=364)  # 52 weeks: the same weekday
AROUND = timedelta(days=14)  # on each side of a date a year ago: its season without its single days
TINY = 1e-9


def break_down_sales(
    history: pd.Series, forecast: Forecast, at: datetime, timezone: str, plain: Forecast | None = None
) -> SalesParts:
    """The median forecast of the step at `at` as a sum: what usual sales, the calendar and events make of it.

    `plain` is the forecast without the coming events. The level is the mean of the last four weeks; `day` and `week`
    are what the time of day and the hour of the week usually add to it, `year` what last year's season around this
    date added to last year's level; `events` the difference to `plain`. `model` is what the model makes of all else:
    what it learned beyond these means, such as a trend within the weeks.
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
        if forecast.step >= ONE_DAY
        else [
            ("day", day - level, "the usual time of day"),
            ("week", week - day, "the usual hour of the week"),
        ]
    )
    explained = level + sum(value for _, value, _ in within) + year
    parts = (
        ("model", without - explained, "what the model learned beyond these means"),
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
    then = _mean_between(history, at - YEAR_OF_WEEKS - AROUND, at - YEAR_OF_WEEKS + AROUND)
    base = _mean_between(history, origin - YEAR_OF_WEEKS - timedelta(weeks=WEEKS), origin - YEAR_OF_WEEKS)
    if then is None or base is None or base == 0:
        return 0.0, "not known: less than a year of history"
    return level * (then / base - 1), f"last year's season, {percent(then / base - 1)}"


def _mean_between(history: pd.Series, begin: datetime, end: datetime) -> float | None:
    if history.index[0] > pd.Timestamp(begin):
        return None
    part = history.loc[(history.index >= pd.Timestamp(begin)) & (history.index < pd.Timestamp(end))].dropna()
    return float(part.mean()) if len(part) else None
