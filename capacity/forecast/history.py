"""A batch of histories made ready for the members: spikes masked, gaps filled for the lags (never for the fit).

And the rolling origins: where the past is cut, so that what came next can be compared with what would have been
forecast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.model.arrays import Array, Mask, Places
from capacity.stats import lower_quantiles, nan_mean, nan_median

KNOWN_SLOT = (
    4  # values of a slot that make it typical: from fewer, a filled gap would repeat the very value to be forecast
)
LEVEL_TRUST = 0.1  # of the mean: a few hours of night say little of the level of a day
SPIKE = 10.0  # times the 99th percentile: the wildest real series here (Wikipedia, World Cup) stay below 7
LOG_FLOOR = 0.1  # of the mean: added before the logarithm where a series comes close to zero, so that zeros stay finite


@dataclass(frozen=True, slots=True)
class History:
    """N series of T steps. `filled` has no gaps; `weights` is 0 where nothing was observed, and on outliers."""

    filled: Array  # (N, T)
    observed: Mask  # (N, T)
    weights: Array  # (N, T)


@dataclass(frozen=True, slots=True)
class Scale:
    """A way to standardise N series and to come back; with `floor` (in units of `mean`) on the logarithm."""

    center: Array  # (N, 1)
    spread: Array  # (N, 1)
    mean: Array  # (N, 1)
    floor: Array | None = None  # (N, 1)

    def apply(self, values: Array) -> Array:
        """Values (N, T) to standard units."""
        level = values if self.floor is None else np.log(values / self.mean + self.floor)
        return (level - self.center) / self.spread

    def invert(self, standard: Array) -> Array:
        """Standard units (N, K, H) to values >= 0."""
        level = standard * self.spread[:, :, None]
        level += self.center[:, :, None]
        if self.floor is not None:
            np.exp(level, out=level)
            level -= self.floor[:, :, None]
            level *= self.mean[:, :, None]
        return np.where(level > 1e-12 * self.mean[:, :, None], level, 0.0)


def prepare(values: Array, seasons: tuple[int, ...]) -> History:
    """Fill gaps (NaN) of `values` (N, T) from the typical season at the local level; nothing observed is changed."""
    observed = ~np.isnan(values)
    filled = values if observed.all() else _fill(values, observed, seasons)
    return History(filled, observed, observed.astype(np.float64))


def without_spikes(values: Array) -> Array:
    """Values beyond ten times the series' 99th percentile become gaps: one wrong number may not move every forecast.

    >>> without_spikes(np.array([[1.0, 2.0, 1.0, 1e12]]))
    array([[ 1.,  2.,  1., nan]])
    """
    highest = np.nanmax(values, axis=1)
    wild = np.flatnonzero(highest > 3.0 * nan_mean(values, 1))  # no other row can hold such a value
    if not len(wild):
        return values
    usual = lower_quantiles(values[wild], 0.99)[:, None]
    answer = values.copy()
    answer[wild] = np.where((values[wild] > SPIKE * usual) & (usual > 0), np.nan, values[wild])
    return answer


def raw_scale(history: History) -> Scale:
    """Standardise in the unit of the series."""
    center, spread = _moments(history.filled, history.weights)
    return Scale(center, spread, _mean(history))


def log_scale(history: History) -> Scale:
    """Standardise the logarithm; only series that come close to zero are lifted by a floor."""
    mean = _mean(history)
    seen = np.where(history.weights > 0, history.filled, np.inf)
    lowest = np.partition(seen, max(0, seen.shape[1] // 100), axis=1)[:, : max(1, seen.shape[1] // 100)].max(axis=1)
    lowest = np.where(np.isfinite(lowest), lowest, 0.0)
    floor = np.clip(LOG_FLOOR - lowest[:, None] / mean, 0.0, LOG_FLOOR) * (lowest[:, None] <= 0.01 * mean)
    logs = np.log(history.filled / mean + np.maximum(floor, 1e-9))
    center, spread = _moments(logs, history.weights)
    return Scale(center, spread, mean, np.maximum(floor, 1e-9))


def _mean(history: History) -> Array:
    mean = (history.filled * history.weights).sum(axis=1) / np.maximum(history.weights.sum(axis=1), 1e-12)
    return np.where(mean > 0, mean, 1.0)[:, None]


def _moments(values: Array, weights: Array) -> tuple[Array, Array]:
    mass = np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    center = (values * weights).sum(axis=1, keepdims=True) / mass
    spread = np.sqrt((weights * (values - center) ** 2).sum(axis=1, keepdims=True) / mass)
    size = np.maximum(np.abs(center), 1.0)  # of a constant, what else there is to divide by: steps before it are 0
    return center, np.where(spread > 1e-12 * size, spread, size)


def typical(values: Array, seasons: tuple[int, ...]) -> Array:
    """The median of each slot of the longest season, falling back to the first season and to the series: (N, T)."""
    answer = np.broadcast_to(nan_median(values, 1)[:, None], values.shape)
    for season in seasons:
        short = values.shape[1] % season
        padded = np.pad(values, ((0, 0), ((season - short) % season, 0)), constant_values=np.nan)
        slots = nan_median(padded.reshape(len(values), -1, season), 1, KNOWN_SLOT)  # (N, season)
        tiled = np.tile(slots, padded.shape[1] // season)[:, -values.shape[1] :]
        answer = np.where(np.isnan(tiled), answer, tiled)
    return np.nan_to_num(answer)


def _fill(values: Array, observed: Mask, seasons: tuple[int, ...]) -> Array:
    shape = typical(values, seasons)
    around, seen = seasons[0] if seasons else 7, observed.astype(np.float64)
    sold, usual = (_local_mean(np.where(observed, part, 0.0), seen, around) for part in (values, shape))
    prior = LEVEL_TRUST * shape.mean(axis=1, keepdims=True) + 1e-300
    ratio = np.zeros_like(sold)  # to its season's shape: a low day takes more from its peak than from its night
    np.divide(sold + prior, usual + prior, out=ratio, where=usual > 0)
    return np.where(observed, values, np.where(usual > 0, shape * ratio, sold))


def _local_mean(values: Array, mass: Array, width: int) -> Array:
    """The mean of what was observed in the last `width` steps up to each; where nothing was, of all before."""
    total, count = np.cumsum(values, axis=1), np.cumsum(mass, axis=1)
    recent, seen = total.copy(), count.copy()
    recent[:, width:] -= total[:, :-width]
    seen[:, width:] -= count[:, :-width]
    return np.where(seen > 0.5, recent / np.maximum(seen, 1.0), total / np.maximum(count, 1.0))


@dataclass(frozen=True, slots=True)
class Origins:
    """The cuts of a history of `ends[0]` columns: each origin knows the columns before its end and nothing else.

    `ends[0]` is the real origin, `ends[1:]` the rolling ones, latest first. Every origin is forecast over `horizon`
    steps; `scored` of them are compared with what came.
    """

    ends: Places  # (K + 1,)
    horizon: int
    scored: int

    @property
    def count(self) -> int:
        """The number of rolling origins, the real one not counted."""
        return len(self.ends) - 1

    def actuals(self, values: Array) -> Array:
        """What came after each rolling origin: (N, T) -> (N, K, scored)."""
        index = self.ends[1:, None] + np.arange(self.scored)  # (K, scored)
        return values[:, index]


def place_origins(length: int, horizon: int, wanted: int, stride: int, need: int) -> Origins:
    """Cut a history of `length` columns at up to `wanted` origins, `stride` apart, with `need` columns before each.

    Where whole horizons do not fit, shorter windows are scored, so that at least half of what is left makes origins.

    >>> place_origins(700, 48, 3, 24, 336).ends
    array([700, 652, 628, 604])
    """
    room = length - min(need, length // 2)
    scored = max(1, min(horizon, room // 2))
    stride = max(1, min(stride, (room - scored) // 3))  # a short history is cut more densely: at least four origins
    count = min(wanted, (room - scored) // stride + 1)
    ends = [length, *(length - scored - stride * k for k in range(count))]
    return Origins(np.array(ends, dtype=np.intp), horizon, scored)
