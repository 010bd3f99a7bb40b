"""Whether a user's columns help: their effect is used where forecasts from held-out origins came nearer by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from capacity.forecast.covariates import ColumnEffect, Columns, learn_columns, spoken
from capacity.forecast.far import forecast_far
from capacity.forecast.setting import Setting
from capacity.forecast.steady import LEAST_STEPS
from capacity.model.arrays import Array
from capacity.series.seasons import WEEK

ORIGINS = 8  # held-out origins, a horizon apart
LEAST_ORIGINS = 3
GAIN = 0.01  # share by which the error must fall over all of them
MEMBER_ORIGINS = 6  # rolling origins inside each trial: enough to rank members, half the cost


@dataclass(frozen=True, slots=True)
class Influence:
    """The factors that are used on history and horizon, and what is said about the columns."""

    past: Array  # (T,)
    ahead: Array  # (H,)
    spread: Array  # (H,)
    notes: tuple[str, ...] = ()


def find_influence(row: Array, setting: Setting, columns: Columns | None) -> Influence:
    """The effect of columns on a history (T,) without its events, if it earns its place."""
    none = Influence(np.ones(len(row)), np.ones(setting.horizon), np.zeros(setting.horizon))
    if columns is None:
        return none
    effect = learn_columns(row, columns, _per_week(setting))
    helps = bool(effect.slopes.any()) and _helps(row, setting, columns)
    notes = spoken(columns, effect.slopes, helps)
    return Influence(effect.past, effect.ahead, effect.spread, notes) if helps else replace(none, notes=notes)


def _per_week(setting: Setting) -> int:
    return max(1, round(WEEK / setting.step))


def _helps(row: Array, setting: Setting, columns: Columns) -> bool:
    horizon = max(1, min(setting.horizon, len(row) // 8))
    stride = max(horizon, round(timedelta(days=3) / setting.step))
    ends = range(len(row) - horizon, len(row) // 2, -stride)[:ORIGINS]
    errors = np.array([_errors(row, end, replace(setting, horizon=horizon), columns) for end in ends]).reshape(-1, 2)
    errors = errors[np.isfinite(errors).all(axis=1)]
    plain, told = errors.sum(axis=0)
    return len(errors) >= LEAST_ORIGINS and told < (1 - GAIN) * plain


def _errors(row: Array, end: int, setting: Setting, columns: Columns) -> tuple[float, float]:
    """Mean absolute error of one held-out window without and with the columns; NaN where it cannot be told."""
    known, actual = row[:end], row[end : end + setting.horizon]
    if (~np.isnan(known)).sum() < LEAST_STEPS or np.isnan(actual).all():
        return float("nan"), float("nan")
    effect: ColumnEffect = learn_columns(known, columns.until(end, setting.horizon), _per_week(setting))
    quick = replace(setting, quantile_levels=(0.5,), origins=MEMBER_ORIGINS, window=0)
    batch = forecast_far(np.stack([known, known / effect.past]), quick)
    plain, told = batch.quantiles[0, :, 0], batch.quantiles[1, :, 0] * effect.ahead
    return float(np.nanmean(np.abs(plain - actual))), float(np.nanmean(np.abs(told - actual)))
