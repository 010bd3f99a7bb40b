"""A user's own columns (price, campaign spend): their effect on log sales, learned apart from season and level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from capacity.forecast.wallclock import WallClock
from capacity.model import DataError, require
from capacity.model.arrays import Array, Mask
from capacity.stats import robust_deviation, robust_ridge

WEEKS_AROUND = 4  # on each side: their mean is what a step would have been; season and level cancel in the difference
FLOOR = 0.1  # of the mean, added before the logarithm: a step without sales stays finite
PENALTY = 10.0  # days' worth of "no effect" in standardised columns
SIGNIFICANT = 3.0  # standard errors an effect must show, counted over days: hours of one day hang together
LEAST_DAYS = 21  # of comparable steps: below it nothing is learned
STEEPEST = 5.0  # elasticity, or log units over a column's range, beyond which an effect is not believed


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns on the slots of a history and of its horizon; `logarithmic` where all values are positive."""

    names: tuple[str, ...]
    past: Array  # (T, C), NaN where unknown
    ahead: Array  # (H, C), within the range of `past`
    logarithmic: Mask  # (C,)

    def until(self, end: int, horizon: int) -> Columns:
        """What a forecast from an earlier end would have been given."""
        ahead = _clipped(self.past[end : end + horizon], self.past[:end])
        return Columns(self.names, self.past[:end], ahead, self.logarithmic)


@dataclass(frozen=True, slots=True)
class ColumnEffect:
    """Factors that the columns had and will have, 1 at their usual values, and how unsure the coming ones are."""

    past: Array  # (T,)
    ahead: Array  # (H,)
    spread: Array  # (H,), log units
    slopes: Array  # (C,), log sales per unit of the (log) column; 0 where no effect was found


def read_columns(covariates: pd.DataFrame, clock: WallClock, row: Array, future: pd.DatetimeIndex) -> Columns:
    """Lay columns on the slots of a history (T,) and of the steps after it.

    Raises `DataError` unless the index is UTC, ascending and unique, lies on the steps of the sales, covers the whole
    horizon with finite numbers, and part of the history.
    """
    index = covariates.index
    if not isinstance(index, pd.DatetimeIndex) or str(index.tz) != "UTC":
        raise DataError(f"covariates: expected a DatetimeIndex in UTC, got {getattr(index, 'tz', None) or 'none'}")
    require(index.is_unique and index.is_monotonic_increasing, "covariates: expected ascending, unique steps")
    require(bool(covariates.columns.is_unique) and covariates.shape[1] > 0, "covariates: expected named columns")
    grid = clock.grid(future[-1])
    inside = index[(index >= grid[0]) & (index <= grid[-1])]
    require(bool(inside.isin(grid).all()), "covariates: expected steps of {} as the sales have", clock.step)
    frame = _numbers(covariates).reindex(grid)
    _require_known(frame, future)
    slots = np.column_stack([_on_slots(frame[name], clock) for name in frame])
    past, ahead = slots[: len(row)], slots[len(row) :]
    lowest = np.nanmin(slots, axis=0)
    logarithmic = lowest > 0
    past, ahead = (np.where(logarithmic, np.log(np.where(logarithmic, part, 1.0)), part) for part in (past, ahead))
    return Columns(tuple(str(name) for name in frame), past, _clipped(ahead, past), logarithmic)


def _numbers(covariates: pd.DataFrame) -> pd.DataFrame:
    try:
        return covariates.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"covariates: expected numbers, got {dict(covariates.dtypes)}") from error


def _require_known(frame: pd.DataFrame, future: pd.DatetimeIndex) -> None:
    for name, column in frame.items():
        ahead = column.reindex(future)
        wrong = ahead.index[~np.isfinite(ahead.to_numpy())]
        require(len(wrong) == 0, "covariates: {} must be finite on the whole horizon, not so at {}", name, wrong[:1])
        past = column.to_numpy()[: -len(future)]
        require(not np.isinf(past).any(), "covariates: {} must not be infinite", name)
        require(bool(np.isfinite(past).any()), "covariates: {} must be known on the history, got only gaps", name)


def _on_slots(column: pd.Series, clock: WallClock) -> Array:
    """Values on slots; a slot that the clock skips repeats the one before."""
    return np.asarray(pd.Series(clock.row(column)).ffill(limit=1), dtype=np.float64)


def _clipped(ahead: Array, past: Array) -> Array:
    """Values within the range seen: what lies outside has never shown what it does."""
    seen = np.isfinite(past).any(axis=0)
    low = np.nanmin(np.where(seen, past, 0.0), axis=0)
    high = np.nanmax(np.where(seen, past, 0.0), axis=0)
    return np.clip(np.where(np.isnan(ahead), (low + high) / 2, ahead), low, high)


def learn_columns(row: Array, columns: Columns, per_week: int) -> ColumnEffect:
    """The effect of columns on a history (T,): ridge on what differs from the same step in the weeks around.

    Sales (in logs) and columns pass the same filter, so that season and level drop out of both (Frisch and Waugh,
    1933); wild steps count less. `per_week` is the number of steps in a week, 1 for longer steps.
    """
    mean = np.nanmean(row)
    none = ColumnEffect(np.ones(len(row)), np.ones(len(columns.ahead)), np.zeros(len(columns.ahead)), _no(columns))
    if not mean > 0:
        return none
    sales = np.log(row / mean + FLOOR)
    joint = np.column_stack([sales, columns.past])
    joint[np.isnan(joint).any(axis=1)] = np.nan
    around = _around(joint, per_week)
    off = joint - around
    known = ~np.isnan(off).any(axis=1)
    per_day = max(1.0, per_week / 7)
    if known.sum() < LEAST_DAYS * per_day:
        return none
    say = np.minimum(1.0, np.exp(around[known, 0]))  # a step with few sales has noisy logarithms
    slopes, errors = _fit(off[known], say, per_day)
    return _applied(columns, slopes, errors) if slopes.any() else none


def _no(columns: Columns) -> Array:
    return np.zeros(len(columns.names))


def _around(values: Array, per_week: int) -> Array:
    """The mean of the same step in the weeks around, (T, C); NaN with fewer than two of them."""
    total, count = np.zeros_like(values), np.zeros_like(values)
    for weeks in (*range(-WEEKS_AROUND, 0), *range(1, WEEKS_AROUND + 1)):
        lag = weeks * per_week
        if abs(lag) >= len(values):
            continue
        here, there = slice(max(0, -lag), len(values) - max(0, lag)), slice(max(0, lag), len(values) + min(0, lag))
        total[here] += np.nan_to_num(values[there])
        count[here] += ~np.isnan(values[there])
    return np.where(count >= 2, total / np.maximum(count, 1), np.nan)


def _fit(off: Array, say: Array, per_day: float) -> tuple[Array, Array]:
    """Slopes and their standard errors (C,); columns without a clear effect are left out one by one."""
    target, design = off[:, 0], off[:, 1:]
    size = np.sqrt((say[:, None] * design**2).sum(axis=0) / say.sum())
    used = size > 1e-9
    slopes, errors = np.zeros(len(size)), np.zeros(len(size))
    while used.any():
        part, deviation = _slopes(design[:, used] / size[used], target, say, per_day)
        weakest = int(np.argmin(np.abs(part) / deviation))
        if abs(part[weakest]) >= SIGNIFICANT * deviation[weakest]:
            slopes[used], errors[used] = part / size[used], deviation / size[used]
            break
        used[np.flatnonzero(used)[weakest]] = False
    return np.clip(slopes, -STEEPEST, STEEPEST), errors


def _slopes(design: Array, target: Array, say: Array, per_day: float) -> tuple[Array, Array]:
    penalty = np.full(design.shape[1], PENALTY * per_day)
    fit = robust_ridge(design, target, penalty, deviation=lambda errors: robust_deviation(errors) + 1e-12, weights=say)
    spread = np.sqrt((fit.weights * fit.errors**2).sum() / fit.weights.sum())
    return fit.coefficients, spread * np.sqrt(per_day * np.diag(np.linalg.inv(fit.gram)))


def _applied(columns: Columns, slopes: Array, errors: Array) -> ColumnEffect:
    """The effect against the columns' means; where a column is unknown it has none."""
    usual = np.nanmean(columns.past, axis=0)
    past, ahead = np.nan_to_num(columns.past - usual), columns.ahead - usual
    spread = np.sqrt((ahead**2) @ (errors**2))
    return ColumnEffect(np.exp(past @ slopes), np.exp(ahead @ slopes), spread, slopes)


def spoken(columns: Columns, slopes: Array, used: bool) -> tuple[str, ...]:
    """The effect of every column in words: "price: -1.8 % for +1 %"."""
    notes: Sequence[str] = [_one(columns, place, float(slope)) for place, slope in enumerate(slopes)]
    return tuple(
        note if used or not slope else f"{note}, not used: held-out origins did not improve by it"
        for note, slope in zip(notes, slopes, strict=True)
    )


def _one(columns: Columns, place: int, slope: float) -> str:
    name = columns.names[place]
    if not slope:
        return f"{name}: no effect found"
    if columns.logarithmic[place]:
        return f"{name}: {slope:+.2g} % for +1 %"
    values = columns.past[:, place][~np.isnan(columns.past[:, place])]
    unit = float(np.ptp(values) if len(np.unique(values)) == 2 else values.std())
    return f"{name}: {100 * np.expm1(slope * unit):+.0f} % for +{unit:.3g}"
