"""The members of the ensemble: each a function from history to forecasts from every origin, all in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.forecast.drift import reaches_back, with_last_years_drift
from capacity.forecast.history import History, log_scale, raw_scale
from capacity.forecast.origins import Origins
from capacity.forecast.ridge import LEAST_ROWS, design_for, ridge_forecast, sparse_design_for
from capacity.forecast.setting import Setting
from capacity.forecast.templates import Template, level_forecast, seasonal_mean, seasonal_naive, template_forecast
from capacity.model.arrays import Array
from capacity.series.seasons import calendar_seasons

LONG = 5_000  # steps of horizon beyond which rolling the full ridge forward would cost seconds and say little
STEADY = Template()
TRACKING = Template(half_life=2.0, level_half_life=0.1, decay_half_life=20.0)  # follows the level, keeps it


@dataclass(frozen=True, slots=True)
class Members:
    """Every member's forecast from every origin by its name, and which of them are the seasonal naives."""

    forecasts: dict[str, Array]  # (N, K + 1, H) each
    naives: tuple[str, ...]


def member_forecasts(history: History, seasons: tuple[int, ...], origins: Origins, setting: Setting) -> Members:
    """Every member's forecast from every origin, in the unit of the series, never negative."""
    forecasts, highest = {}, _highest(history.filled)
    for suffix, scale in (("", raw_scale(history)), (" of logs", log_scale(history))):
        standard = scale.apply(history.filled)
        for name, forecast in _on_scale(standard, history, seasons, origins).items():
            forecasts[name + suffix] = np.minimum(scale.invert(forecast), highest)
    if seasons and reaches_back(origins, setting.year):
        drifting = with_last_years_drift(forecasts["template of logs"], history.filled, setting.year, origins)
        forecasts["template with last year's drift"] = drifting
    naives = {f"seasonal naive {season}": season for season in seasons or _lags(origins, setting)}
    for name, season in naives.items():
        forecasts[name] = seasonal_naive(history.filled, season, origins)
    for cycles in (2, 4) if seasons else ():
        forecasts[f"mean of {cycles} seasons"] = seasonal_mean(history.filled, seasons[-1], cycles, origins)
    return Members(forecasts, tuple(naives))


def _highest(values: Array) -> Array:
    """The history and half its range, in the series' own unit: half a range of logs may be a factor of thousands."""
    low, high = values.min(axis=1), values.max(axis=1)
    return np.asarray((high + 0.5 * (high - low))[:, None, None])


def _lags(origins: Origins, setting: Setting) -> tuple[int, ...]:
    """Lags whose naive a series without a cycle is held against: the last step, and the calendar's few."""
    return (1, *(lag for lag in calendar_seasons(setting.step) if lag <= int(origins.ends.min())))


def _on_scale(standard: Array, history: History, seasons: tuple[int, ...], origins: Origins) -> dict[str, Array]:
    members = {}
    for name, design in (("ridge", design_for(seasons)), ("sparse ridge", sparse_design_for(seasons))):
        if name == "ridge" and origins.horizon > LONG:
            continue
        if int(origins.ends.min()) >= design.depth + LEAST_ROWS:
            members[name] = ridge_forecast(standard, _row_weights(history, design.depth), design, origins)
    if not seasons:
        return members | {
            f"level {width}": level_forecast(standard, history.weights, width, origins) for width in (3, 14)
        }
    members["template"] = template_forecast(standard, history.weights, seasons, origins, STEADY)
    members["tracking template"] = template_forecast(standard, history.weights, seasons, origins, TRACKING)
    if len(seasons) > 1:
        members["short template"] = template_forecast(standard, history.weights, seasons[:1], origins, STEADY)
    return members


def _row_weights(history: History, depth: int) -> Array:
    """A row counts if its target was observed, and less if the lags it leans on were not."""
    total = np.cumsum(history.observed, axis=1)
    before = np.concatenate([np.zeros((len(total), depth)), total[:, :-depth]], axis=1)
    share = (total - before) / depth
    return np.asarray(history.weights * share**2)
