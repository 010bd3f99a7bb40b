"""The model: seasons by MSTL on a logarithmic scale, last cycle repeated, on a level with a damped robust trend."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capacity.forecast.history import Array, History
from capacity.seasonality import decomposition

CYCLES = 12  # of the longest season: older shapes say little about the coming one
LEVEL_STEPS = 400  # steps of history for a model without season
DAMPING = 0.9  # of the trend per longest season: a trend never runs on for ever (Gardner and McKenzie, 1985)


def forecast_median(history: History, steps: int, seasons: tuple[int, ...]) -> Array:
    """The coming `steps` values in log1p(sales / scale) of `log_scale`, events included: (steps,)."""
    known, scale = _recent(history, seasons), log_scale(history)
    fit = np.log1p(_filled(known, seasons) / scale)
    seasonal, rest = _decompose(fit, tuple(length for length in seasons if 2 * length < len(fit)))
    ahead = history.ahead(steps)
    shape = sum((_continue(part, length, known, ahead) for length, part in seasonal.items()), np.zeros(steps))
    level = _trend(rest, steps, max(seasons, default=min(len(rest), 30)))
    sales = np.expm1(shape + level).clip(min=0.0) * history.uplifts(ahead)
    return np.asarray(np.log1p(sales), dtype=float)


def log_scale(history: History) -> float:
    """The unit of the logarithm: the mean of the history, so that forecasts scale with their sales."""
    return float(np.nanmean(history.sales.to_numpy(dtype=float))) or 1.0


def _recent(history: History, seasons: tuple[int, ...]) -> History:
    wanted = CYCLES * max(seasons) if seasons else LEVEL_STEPS
    return History(history.sales.iloc[-wanted:], history.step, history.timezone, history.events)


def _filled(history: History, seasons: tuple[int, ...]) -> Array:
    """Gaps and events replaced by the same phase of the nearest cycle, else by what lies between."""
    sales = history.sales.where(~history.in_event())
    if sales.notna().sum() < 2:
        sales = history.sales
    for length in seasons:
        sales = sales.fillna(sales.shift(length)).fillna(sales.shift(-length))
    return sales.interpolate(limit_direction="both").to_numpy(dtype=float)


def _decompose(values: Array, seasons: tuple[int, ...]) -> tuple[dict[int, Array], Array]:
    """The seasonal part by season length, and all the rest."""
    if not seasons or np.ptp(values) == 0:
        return {}, values
    from statsmodels.tsa.seasonal import MSTL  # 2.5 s of CPU: only where a decomposition is due

    parts = MSTL(values, periods=list(seasons), stl_kwargs=decomposition(min(seasons))).fit()
    columns = np.asarray(parts.seasonal).reshape(len(values), -1)  # (steps, seasons)
    return {length: columns[:, place] for place, length in enumerate(seasons)}, values - columns.sum(axis=1)


def _continue(part: Array, length: int, known: History, ahead: pd.DatetimeIndex) -> Array:
    """The last cycle repeated by phase on the wall clock; a phase the clock skipped takes its neighbour's value."""
    index = known.index[-length:]
    phases = pd.Series(part[-length:]).groupby(known.wall_clock(index) % length).mean()
    full = phases.reindex(range(length)).interpolate(limit_direction="both")
    return np.asarray(full.to_numpy(dtype=float)[known.wall_clock(ahead) % length])


def _trend(rest: Array, steps: int, length: int) -> Array:
    """Level of the last season plus a Huber slope over the last three, damped season by season."""
    window = rest[-3 * length :]
    level = float(np.median(rest[-length:]))
    slope = _slope(window) if len(window) >= 3 * length >= 6 else 0.0
    decay = DAMPING ** (1.0 / length)
    reach = (length - 1) / 2 + decay * (1 - decay ** np.arange(1, steps + 1)) / (1 - decay)
    return np.asarray(level + slope * reach)


def _slope(window: Array) -> float:
    from sklearn.linear_model import HuberRegressor  # heavy: only where a trend is due

    if np.ptp(window) < 1e-9:
        return 0.0
    at = np.linspace(-1.0, 1.0, len(window))[:, None]  # (steps, 1), scaled for the optimizer
    return float(HuberRegressor(max_iter=1000).fit(at, window).coef_[0]) * 2 / (len(window) - 1)
