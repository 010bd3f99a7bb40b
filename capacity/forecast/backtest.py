"""Would we have been right? Forecasts from past origins, scored beside the seasonal naive; none sees beyond itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from capacity.forecast.gaps import steps_ahead
from capacity.forecast.sales import forecast_as_asked
from capacity.forecast.wallclock import clock_of
from capacity.model import Event, Forecast, ForecastRequest, require
from capacity.model.arrays import Array, Mask
from capacity.series.calendar import days_off
from capacity.series.frames import as_sales, countries, steps_of
from capacity.series.seasons import calendar_seasons
from capacity.shown import plot_noun, shows_itself
from capacity.stats import interval_score, pinball, smape

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.95, 0.975, 0.99)
RESAMPLES = 1000  # of whole origins: errors within one window hang together
SEED = 7
ROUNDING = 1e-9  # of the highest value: a smaller error is none


@dataclass(frozen=True, slots=True)
class Scores:
    """How far a forecast was off. `pinball` and `coverage` by quantile level; `msis` of the central 95 % interval."""

    mase: float
    smape: float
    wape: float
    wql: float
    msis: float
    pinball: dict[float, float]
    coverage: dict[float, float]


@shows_itself
@dataclass(frozen=True, slots=True)
class Backtest:
    """What each origin forecast and what happened, with scores beside the seasonal naive's.

    `windows` has one row per origin and step: origin, horizon (1, 2, ...), actual, naive, event, scale (of MASE), and
    one column per quantile level. `skill` = 1 - MAE / MAE of the seasonal naive; `skill_interval` holds it at 95 %
    (bootstrap of whole origins).
    """

    windows: pd.DataFrame
    season_length: int
    scores: Scores
    naive_mase: float
    skill: float
    skill_interval: tuple[float, float]
    models: tuple[str, ...]

    @property
    def coverage(self) -> dict[float, float]:
        """The share of steps that stayed under each quantile."""
        return self.scores.coverage

    def by_horizon(self) -> pd.DataFrame:
        """Scores for each distance from the origin: one row a distance, columns as in `Scores`, naive and coverage."""
        return self._grouped("horizon")

    def by_origin(self) -> pd.DataFrame:
        """The same for each origin: whether the coverage held over the last weeks."""
        return self._grouped("origin")

    def in_events(self) -> pd.DataFrame:
        """The same, apart for steps inside and outside of events."""
        return self._grouped("event")

    def to_frame(self) -> pd.DataFrame:
        """One row per origin and step (index `start`, UTC): `origin`, `horizon` (1, 2, ...), `actual`, `naive`,
        `event`, `scale` and the quantiles `q0.025`, ..., in sales per step."""
        named = {level: f"q{level:g}" for level in LEVELS}
        return self.windows.rename(columns=named).rename_axis("start")

    def plot(self, timezone: str = "UTC", *, theme: str = "light", ax: Any = None) -> Any:
        """Draw what came against what was forecast for it; returns the Figure, or `ax` where that was given."""
        return plot_noun(self, timezone, theme=theme, ax=ax)

    def _grouped(self, column: str) -> pd.DataFrame:
        seen = self.windows.dropna(subset=["actual"])
        return pd.DataFrame({key: _row(part) for key, part in seen.groupby(column)}).T.rename_axis(column)


def backtest_sales(
    sales: pd.Series | pd.DataFrame,
    *,
    time: str | None = None,
    value: str | None = None,
    horizon: str | timedelta | int = "1d",
    origins: int = 8,
    stride: str | timedelta | int | None = None,
    holidays: str | Sequence[str] = (),
    events: Event | Sequence[Event] = (),
    timezone: str | None = None,
    covariates: pd.DataFrame | None = None,
) -> Backtest:
    """Forecast from origins in the past and compare with the sales that followed.

    Holidays, events and covariates are known ahead, as in `forecast_sales`; their effects are learned anew at each
    origin from what was known then.

    Parameters
    ----------
    sales : Series or DataFrame
        Sales >= 0 per step, with an index or a column of times in any zone (without one: UTC, or that of `timezone`),
        regular up to gaps (missing steps or NaN; a gap is never zero), or by month starts.
    time : str or None
        Of a frame, the column with the times. Default: its index, else its only column of times.
    value : str or None
        Of a frame, the column with the sales. Default: its only column of numbers.
    horizon : str, timedelta or int
        How far ahead from each origin: `"7d"`, or a number of steps. Default 1 day.
    origins : int
        How many origins. Default 8.
    stride : str, timedelta, int or None
        From one origin to the next: `"8d"`, or a number of steps. Default: one horizon. Where it is whole weeks, all
        origins fall on one weekday, and what is said of a day ahead is said of that weekday.
    holidays : str or sequence of str
        Countries and states (GB-ENG, US) whose public holidays and bridge days are events; the days before and after
        them are too where past ones show it. Default none.
    events : Event or sequence of Event
        Past and coming events. Past ones are kept out of the normal shape and teach their uplift, coming ones are
        raised or lowered by it. Default none.
    timezone : str or None
        The clock on which the shape of days lives, days of 23 and 25 hours included. Default: the zone of the times,
        or the one that `read_sales` noted, else UTC.
    covariates : DataFrame or None
        Columns such as price or campaign spend on the same steps, known on the history and the whole horizon. Their
        effect is used where it would have helped in the past. Default none.

    Returns
    -------
    Backtest
        Forecasts and actual values of every origin and step, with scores beside those of the seasonal naive.

    Raises
    ------
    DataError
        Fewer than 8 steps would be left before the first origin.

    Examples
    --------
    >>> index = pd.date_range("2026-01-01", periods=24 * 28, freq="h", tz="UTC")
    >>> result = backtest_sales(pd.Series(10.0 + (index.hour - 12) ** 2 + index.day % 3, index), origins=4)
    >>> round(result.skill, 6) > 0, len(result.windows)
    (True, 96)
    """
    sales, holidays = as_sales(sales, time=time, value=value, timezone=timezone), countries(holidays)
    events = (events,) if isinstance(events, Event) else tuple(events)
    clock = clock_of(sales, timezone)
    series = sales.reindex(clock.grid(sales.index[-1]))
    steps = steps_ahead(steps_of(horizon, clock.step), clock.step)
    require(origins >= 1, "backtest: expected at least one origin, got {}", origins)
    apart = steps if stride is None else steps_ahead(steps_of(stride, clock.step), clock.step)
    first = len(series) - steps - (origins - 1) * apart
    enough = "backtest: expected at least 8 steps before the first origin, got {} of {}: ask for fewer or shorter ones"
    require(first >= 8, enough, max(0, first), len(series))
    season = _naive_season(series.iloc[:first], clock.step)
    request = ForecastRequest(clock.step * steps, LEVELS, holidays, tuple(events), clock.timezone)
    windows, models, scales = [], [], []
    for end in range(first, len(series) - steps + 1, apart):
        known = series.iloc[:end]
        forecast = forecast_as_asked(known, request, covariates)
        windows.append(_window(forecast, series, season))
        models.append(forecast.model)
        scales.append(_scale(known, season))
    calendar = (*events, *days_off(holidays, series.index[0], series.index[-1] + clock.step, clock.timezone))
    table = pd.concat(windows)
    table["event"] = _in_events(pd.DatetimeIndex(table.index), clock.step, calendar)
    table["scale"] = np.repeat(scales, steps)
    return _summed(table, season, models)


def _naive_season(known: pd.Series, step: timedelta) -> int:
    """The season whose naive was best before the first origin."""
    lengths = [length for length in calendar_seasons(step) if 2 * length <= len(known)] or [1]
    return min(lengths, key=lambda length: float(known.diff(length).abs().mean()))


def _window(forecast: Forecast, series: pd.Series, season: int) -> pd.DataFrame:
    index = forecast.quantiles.index
    known = series.loc[: pd.Timestamp(forecast.origin)].ffill()
    ahead = np.arange(len(index)) % season - season
    window = forecast.quantiles.copy()
    window.insert(0, "origin", pd.Timestamp(forecast.origin))
    window.insert(1, "horizon", np.arange(1, len(index) + 1))
    window.insert(2, "actual", series.reindex(index).to_numpy(dtype=float))
    window.insert(3, "naive", known.to_numpy(dtype=float)[len(known) + ahead])
    return window


def _scale(known: pd.Series, season: int) -> float:
    change = float(known.diff(season).abs().mean())
    return change if change > 0 else float("nan")


def _in_events(index: pd.DatetimeIndex, step: timedelta, events: Sequence[Event]) -> Mask:
    inside = np.zeros(len(index), dtype=bool)
    for event in events:
        start, end = (pd.Timestamp(moment).tz_convert("UTC") for moment in (event.start, event.end))
        inside |= np.asarray((index < end) & (index + step > start))
    return inside


def _row(part: pd.DataFrame) -> dict[str, float]:
    """Scores of some steps beside the seasonal naive's."""
    actual, naive, scale = (part[name].to_numpy(dtype=float) for name in ("actual", "naive", "scale"))
    scores = _scores(actual, part[list(LEVELS)].to_numpy(dtype=float), scale)
    plain = {name: float(getattr(scores, name)) for name in ("mase", "smape", "wape", "wql", "msis")}
    off = np.abs(part[0.5].to_numpy(dtype=float) - actual)
    means = {"steps": float(len(part)), "mae": float(off.mean()), "naive_mae": float(np.abs(naive - actual).mean())}
    return {
        **means,
        **plain,
        **{f"pinball_{level:g}": loss for level, loss in scores.pinball.items()},
        **{f"coverage_{level:g}": share for level, share in scores.coverage.items()},
    }


def _summed(table: pd.DataFrame, season: int, models: Sequence[str]) -> Backtest:
    seen = table["actual"].notna().to_numpy()
    require(bool(seen.any()), "backtest: expected data after an origin, got only gaps")
    actual, naive, scale = (table[name].to_numpy(dtype=float)[seen] for name in ("actual", "naive", "scale"))
    quantiles = table[list(LEVELS)].to_numpy(dtype=float)[seen]
    point = quantiles[:, LEVELS.index(0.5)]
    off, naive_off = np.abs(point - actual), np.abs(naive - actual)
    off = np.where(off <= ROUNDING * np.abs(actual).max(), 0.0, off)
    origin = table["origin"].to_numpy()[seen]
    return Backtest(
        windows=table,
        season_length=season,
        scores=_scores(actual, quantiles, scale),
        naive_mase=float(np.nanmean(naive_off / scale)) if np.isfinite(scale).any() else 0.0,
        skill=_skill(off.sum(), naive_off.sum()),
        skill_interval=_skill_interval(off, naive_off, origin),
        models=tuple(models),
    )


def _scores(actual: Array, quantiles: Array, scale: Array) -> Scores:
    point = quantiles[:, LEVELS.index(0.5)]
    losses = {level: float(pinball(actual, quantiles[:, k], level).mean()) for k, level in enumerate(LEVELS)}
    size = float(np.abs(actual).mean())
    width = interval_score(actual, quantiles[:, LEVELS.index(0.025)], quantiles[:, LEVELS.index(0.975)], 0.95)
    known = bool(np.isfinite(scale).any())  # a constant history has no change to scale by
    return Scores(
        mase=float(np.nanmean(np.abs(point - actual) / scale)) if known else 0.0,
        smape=smape(actual, point),
        wape=float(np.abs(point - actual).mean() / size) if size > 0 else 0.0,
        wql=2 * float(np.mean(list(losses.values()))) / size if size > 0 else 0.0,
        msis=float(np.nanmean(width / scale)) if known else 0.0,
        pinball=losses,
        coverage={level: float((actual <= quantiles[:, k]).mean()) for k, level in enumerate(LEVELS)},
    )


def _skill(off: float, naive_off: float) -> float:
    if naive_off > 0:
        return float(1.0 - off / naive_off)
    return 0.0 if off == 0 else -1.0


def _skill_interval(off: Array, naive_off: Array, origin: NDArray[np.generic]) -> tuple[float, float]:
    """The skill's central 95 % over resampled origins."""
    _, place = np.unique(origin, return_inverse=True)
    sums, naive_sums = np.bincount(place, off), np.bincount(place, naive_off)
    draws = np.random.default_rng(SEED).integers(0, len(sums), (RESAMPLES, len(sums)))
    ours, theirs = sums[draws].sum(axis=1), naive_sums[draws].sum(axis=1)
    skills = [_skill(float(a), float(b)) for a, b in zip(ours, theirs, strict=True)]
    low, high = np.quantile(skills, (0.025, 0.975))
    return float(low), float(high)
