"""Many series at once with what is known ahead: events that they share, columns of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from capacity.forecast.covariates import LEAST_DAYS, Columns, learn_columns
from capacity.forecast.eventgroup import EventsAhead, events_ahead, widen_events
from capacity.forecast.history import without_spikes
from capacity.forecast.peaks import highest_quantiles, over_steps
from capacity.forecast.setting import BatchForecast, Setting
from capacity.forecast.steady import forecast_steady
from capacity.forecast.uplift import Occurrence, learn_effects, masked, pooled_effects
from capacity.model import require
from capacity.model.arrays import Array

POOLED_DAYS = 90.0  # days' worth of the other series' slope in each series' own


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of T past and H coming steps: `occurrences` on their slots, `columns` (N, T + H, C) per series.

    A column must be finite on the horizon; NaN in the past is a gap.
    """

    occurrences: tuple[Occurrence, ...] = ()
    columns: Array | None = None


def forecast_batch(histories: Array, setting: Setting, known: Known | None = None) -> BatchForecast:
    """Forecast N histories (N, T) of one step; NaN is a gap, the last column the last step known.

    With `known`, the steps of past events are gaps for the normal shape and teach each kind's uplift, which coming ones
    get; series that have seen few of a kind lean on the others. A column's effect is used where it is clear.

    Raises `DataError` for values below zero or infinite and for series with fewer than 4 observations. What a history
    is too short for is left out and said in `notes`.

    >>> week = np.tile(10 + np.arange(7.0), (2, 8))
    >>> week[:, [10, 24, 38]] *= 3
    >>> sales = [Occurrence("sale", "sale", np.array([slot]), None) for slot in (10, 24, 38, 57)]
    >>> forecast = forecast_batch(week, Setting(timedelta(days=1), 3), Known(tuple(sales)))
    >>> forecast.quantiles[0, :, 0].round()
    array([10., 32., 12.])
    """
    if known is None:
        return forecast_steady(histories, setting)
    past, ahead = _columns_effect(histories, known, setting)
    before = [event for event in known.occurrences if event.slots[0] < histories.shape[1]]
    quiet = masked(histories, before) / past
    _require_rest(quiet, histories)
    steady = forecast_steady(quiet, setting)
    day, week = (max(1, round(cycle / setting.step)) for cycle in (timedelta(days=1), timedelta(days=7)))
    effects = pooled_effects([learn_effects(row, before, day, week) for row in without_spikes(histories) / past])
    slots = np.arange(histories.shape[1], histories.shape[1] + setting.horizon)
    coming = [event for event in known.occurrences if event.slots[-1] >= histories.shape[1]]
    return _put_back(steady, setting, ahead, [events_ahead(slots, coming, mine) for mine in effects])


def _require_rest(quiet: Array, histories: Array) -> None:
    left, seen = np.isfinite(quiet).sum(axis=1), np.isfinite(histories).sum(axis=1)
    worst = int((left / np.maximum(seen, 1)).argmin())
    require(
        bool(2 * left[worst] >= seen[worst]),
        "row {}: expected events on less than half of the steps, got {} of {}",
        worst,
        seen[worst] - left[worst],
        seen[worst],
    )


def _put_back(steady: BatchForecast, setting: Setting, columns: Array, events: Sequence[EventsAhead]) -> BatchForecast:
    """Forecasts of the steady rest (N, H) with the factors of columns (N, H) and of every series' events."""
    factor = columns * np.stack([ahead.factor for ahead in events])
    point, scaled = steady.point * factor, steady.quantiles * factor[:, :, None]
    wide = [widen_events(point[n], scaled[n], setting.quantile_levels, ahead) for n, ahead in enumerate(events)]
    quantiles = np.stack(wide)
    if steady.maxima is None:
        return replace(steady, point=point, quantiles=quantiles)
    excess = over_steps(steady.maxima, steady.quantiles, setting.window)
    maxima = np.maximum.accumulate(highest_quantiles(quantiles, setting.window) * excess, axis=2)
    return replace(steady, point=point, quantiles=quantiles, maxima=maxima)


def _columns_effect(histories: Array, known: Known, setting: Setting) -> tuple[Array, Array]:
    """Factors of the columns on histories (N, T) and horizon (N, H); slopes of few days lean on the other series'."""
    shape = (len(histories), histories.shape[1] + setting.horizon)
    if known.columns is None:
        return np.ones_like(histories), np.ones((len(histories), setting.horizon))
    values = np.asarray(known.columns, dtype=np.float64)
    require(values.ndim == 3 and values.shape[:2] == shape, "expected columns of shape {}, got {}", shape, values.shape)
    require(bool(np.isfinite(values[:, shape[1] - setting.horizon :]).all()), "expected finite columns on the horizon")
    week = max(1, round(timedelta(days=7) / setting.step))
    given = [_of_row(rows, histories.shape[1]) for rows in values]
    quiet = masked(histories, known.occurrences)
    slopes = np.stack([learn_columns(row, columns, week).slopes for row, columns in zip(quiet, given, strict=True)])
    days = np.isfinite(quiet).sum(axis=1, keepdims=True) * (setting.step / timedelta(days=1))
    trust = np.where(days >= LEAST_DAYS, days / (days + POOLED_DAYS), 0.0)
    shrunk = trust * slopes + (1 - trust) * np.median(slopes, axis=0)
    factors = [_factors(columns, slope) for columns, slope in zip(given, shrunk, strict=True)]
    return np.stack([past for past, _ in factors]), np.stack([ahead for _, ahead in factors])


def _of_row(values: Array, length: int) -> Columns:
    lowest = np.nanmin(values, axis=0)
    logarithmic = lowest > 0
    levels = np.where(logarithmic, np.log(np.where(logarithmic & ~np.isnan(values), values, 1.0)), values)
    levels = np.where(np.isnan(values), np.nan, levels)
    past = levels[:length]
    require(bool(np.isfinite(past).any(axis=0).all()), "expected columns that are known on the history, got only gaps")
    ahead = np.clip(levels[length:], np.nanmin(past, axis=0), np.nanmax(past, axis=0))
    return Columns(tuple(str(place) for place in range(values.shape[1])), past, ahead, logarithmic)


def _factors(columns: Columns, slopes: Array) -> tuple[Array, Array]:
    usual = np.nanmean(columns.past, axis=0)
    return np.exp(np.nan_to_num(columns.past - usual) @ slopes), np.exp((columns.ahead - usual) @ slopes)
