"""The forecast of a sum: a total over shops, regions or workloads whose forecasts do not all err at once.

The quantile of a sum is the sum of the quantiles only where all parts are high at the same time. How far they are is
told by the errors of their forecasts at the same past origins. The parts are joined by a normal copula (Sklar, 1959)
with the correlation of these errors: each part keeps its own quantiles, and only their going together is modelled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from capacity.forecast.maxima import highest_quantiles
from capacity.model import DataError, Forecast, require
from capacity.model.arrays import Array, Places
from capacity.stats import normal_quantiles, ordered_quantiles, sliding_maxima

DRAWS = 2047  # an odd number of strata: the median is one of them; four times as many move no quantile by 1 %
LEAST_IN_COMMON = 4  # fewer past origins in common tell nothing of how two forecasts err together
CAUTION = 0.3  # standard errors; with 1, sums of eight series of goods covered .974 and their maxima all at 0.9
MIDDLE = 0.5


def forecast_total(forecasts: Sequence[Forecast] | Mapping[Any, Forecast]) -> Forecast:
    """Forecast the sum of several forecasts, with quantiles that hold for the sum.

    Where the errors of all parts went together at past origins, the quantiles of the sum are the sums of the quantiles.
    Where they did not, errors of the parts balance each other and the interval is narrower. Parts whose past errors are
    unknown are taken to err with all others.

    Parameters
    ----------
    forecasts : sequence or mapping of Forecast
        The parts: forecasts of the same steps, made at one origin, in one unit, that hold the quantile 0.5. A total may
        itself be a part.

    Returns
    -------
    Forecast
        The sum, in the unit of the parts, at the quantile levels that all parts share; with `maxima` where all parts
        have them over one window. Its `notes` say by how much the errors go together, and `residuals` allow for
        further totals.

    Raises
    ------
    DataError
        There is no forecast, or they differ in steps or unit, or lack the quantile 0.5.

    Examples
    --------
    >>> from datetime import timedelta
    >>> from capacity import forecast_sales
    >>> times = pd.date_range("2026-01-05", periods=24 * 28, freq="h", tz="UTC")
    >>> noise = np.random.default_rng(1)
    >>> shops = [pd.Series(noise.poisson(50 + 30 * np.sin(times.hour / 4)), times) for _ in range(9)]
    >>> parts = [forecast_sales(shop, horizon="1d") for shop in shops]
    >>> total = forecast_total(parts)
    >>> apart = sum(part.at(0.95) - part.at(0.5) for part in parts)
    >>> bool((total.at(0.95) - total.at(0.5)).sum() < 0.6 * apart.sum())
    True
    """
    parts = list(forecasts.values()) if isinstance(forecasts, Mapping) else list(forecasts)
    levels = _shared_levels(parts)
    first = parts[0]
    tables = np.stack([part.quantiles[list(levels)].to_numpy(dtype=np.float64) for part in parts])  # (N, H, Q)
    size = (tables[:, :, -1] - tables[:, :, levels.index(MIDDLE)]).mean(axis=1)  # (N,) of the errors of each part
    known, origins = rank_correlations([part.residuals for part in parts])
    together = _cautious(known, origins, size)
    quantiles = _sum_quantiles(tables, together, levels)
    highest = _maxima(parts, levels, quantiles, together)
    return Forecast(
        origin=first.origin,
        step=first.step,
        quantiles=_table(quantiles, first, levels),
        unit=first.unit,
        model=f"sum of {len(parts)} forecasts",
        notes=_notes(known),
        window=None if highest is None else first.window,
        maxima=None if highest is None else _table(highest, first, levels),
        unskilled=all(part.unskilled for part in parts),
        residuals=_residuals(parts, size),
    )


def _table(values: Array, like: Forecast, levels: Sequence[float]) -> pd.DataFrame:
    return pd.DataFrame(values, index=like.quantiles.index, columns=list(levels))


def _shared_levels(parts: Sequence[Forecast]) -> tuple[float, ...]:
    """The quantile levels that all parts have, of parts that can be added up."""
    require(len(parts) > 0, "total: expected at least one forecast, got none")
    strange = [type(part).__name__ for part in parts if not isinstance(part, Forecast)]
    require(not strange, "total: expected forecasts, got {}", *strange[:1])
    first = parts[0]
    for part in parts[1:]:
        same = part.step == first.step and part.quantiles.index.equals(first.quantiles.index)
        require(
            same,
            "total: expected forecasts of the same steps, got {} steps from {} and {} from {}",
            *(fact for one in (first, part) for fact in (len(one.quantiles), one.quantiles.index[0])),
        )
        require(part.unit == first.unit, "total: expected forecasts in one unit, got {} and {}", first.unit, part.unit)
    shared = set.intersection(*(set(map(float, part.quantiles.columns)) for part in parts))
    if MIDDLE not in shared:
        raise DataError(
            f"total: expected the quantile level 0.5 in every forecast, got {sorted(shared)} in all of them"
        )
    return tuple(sorted(shared))


def rank_correlations(errors: Sequence[pd.DataFrame | None]) -> tuple[Array, Places]:
    """How the errors of forecasts went together after shared past origins, and the number of these: (N, N) each.

    `errors` (past origins, steps) are the `residuals` of forecasts; where they are unknown or share too few origins,
    the correlation is 1. Ranks, as one outage must not decide.
    """
    seen = _aligned(errors)  # (N, origins, steps)
    known = np.isfinite(seen)
    origins = np.asarray(known.any(axis=2), dtype=np.intp)
    shared = np.asarray(origins @ origins.T, dtype=np.intp)
    scores, present = _centred_ranks(seen.reshape(len(seen), -1)), known.reshape(len(seen), -1).astype(np.float64)
    size = scores**2 @ present.T  # of each row, over what the other one knows too
    both = size * size.T
    rank = np.where(both > 0, (scores @ scores.T) / np.sqrt(np.where(both > 0, both, 1.0)), 1.0)
    rank = np.where(shared >= LEAST_IN_COMMON, np.clip(rank, -1.0, 1.0), 1.0)
    np.fill_diagonal(rank, 1.0)
    return rank, shared


def _cautious(rank: Array, shared: Places, size: Array) -> Array:
    """Correlations (N, N) moved towards 1 until the sum's variance is `CAUTION` standard errors above what was seen.

    The variance of a sum that K origins have shown has a relative standard error of ``sqrt(2 / K)``. `size` (N,) is
    that of each part's errors. Ranks become the correlation of a normal distribution with the same (Pearson, 1907).
    """
    normal = 2.0 * np.sin(np.pi / 6.0 * rank)
    np.fill_diagonal(normal, 1.0)
    origins = max(float(np.median(shared)), 1.0)
    seen, at_once = max(float(size @ normal @ size), 0.0), float(size.sum() ** 2)
    room = at_once - seen
    share = min(1.0, CAUTION * np.sqrt(2.0 / origins) * seen / room) if room > 1e-12 * at_once else 1.0
    return np.asarray(normal + share * (1.0 - normal))


def _aligned(errors: Sequence[pd.DataFrame | None]) -> Array:
    """Errors on the origins that any knows, over the steps that all know: (N, origins, steps), NaN where unknown."""
    known = [table for table in errors if table is not None]
    origins = pd.DatetimeIndex(sorted({origin for table in known for origin in table.index}))
    width = min((table.shape[1] for table in known), default=0)
    nothing = np.full((len(origins), width), np.nan)
    rows = [
        nothing if table is None else table.reindex(origins).to_numpy(dtype=np.float64)[:, :width] for table in errors
    ]
    return np.stack(rows)


def _centred_ranks(values: Array) -> Array:
    """Ranks of each row (ties share theirs) about their mean, 0 where unknown: (N, n)."""
    ranks = pd.DataFrame(values.T).rank().to_numpy(dtype=np.float64).T
    return np.asarray(np.nan_to_num(ranks - (np.isfinite(ranks).sum(axis=1, keepdims=True) + 1) / 2))


def _sum_quantiles(tables: Array, together: Array, levels: Sequence[float]) -> Array:
    """Quantiles (H, Q) of the sum of parts (N, H, Q) whose normal scores have this correlation.

    The same draws are taken for the parts as they go together and as if all were high at once; of the latter the
    quantiles are known, and what the draws miss there is taken off (a control variate).
    """
    full = tables.sum(axis=0)  # (H, Q)
    nodes, wide = _both_sides(tables, levels)
    scores = _scores(together)  # (draws, N)
    apart = sum(_on_nodes(scores[:, n], nodes) @ wide[n].T for n in range(len(wide)))  # (draws, H)
    at_once = _on_nodes(_strata(), nodes) @ wide.sum(axis=0).T
    less = np.quantile(at_once, levels, axis=0) - np.quantile(apart, levels, axis=0)  # (Q, H)
    return ordered_quantiles(full - less.T)


def _both_sides(tables: Array, levels: Sequence[float]) -> tuple[Array, Array]:
    """Normal scores of the levels and of those below the middle that are missing, and the parts' values there.

    What was not forecast below the middle lies as far from it as its counterpart above, and not below 0.
    """
    middle = levels.index(MIDDLE)
    missing = [place for place in range(len(levels) - 1, middle, -1) if levels[middle] * 2 - levels[place] < levels[0]]
    mirrored = np.maximum(2 * tables[:, :, [middle]] - tables[:, :, missing], 0.0)
    below = normal_quantiles([1 - levels[place] for place in missing])
    nodes = np.concatenate([below, normal_quantiles(levels)])
    return nodes, np.concatenate([mirrored, tables], axis=2)


def _on_nodes(scores: Array, nodes: Array) -> Array:
    """The weight of each node's value in the value at each score: linear between nodes, and on above: (n, nodes)."""
    if len(nodes) == 1:
        return np.ones((len(scores), 1))
    place = np.clip(np.searchsorted(nodes, scores) - 1, 0, len(nodes) - 2)
    share = np.maximum((scores - nodes[place]) / (nodes[place + 1] - nodes[place]), 0.0)
    weights = np.zeros((len(scores), len(nodes)))
    rows = np.arange(len(scores))
    weights[rows, place], weights[rows, place + 1] = 1.0 - share, share
    return weights


@lru_cache(maxsize=1)
def _strata() -> Array:
    """Normal scores of equal probability, ascending: (draws,)."""
    scores = normal_quantiles((np.arange(DRAWS) + 0.5) / DRAWS)
    scores.flags.writeable = False
    return scores


def _scores(together: Array) -> Array:
    """Draws of normal scores with this correlation (N, N), each dimension stratified (Latin hypercube): (draws, N)."""
    spread, directions = np.linalg.eigh(together)
    root = directions * np.sqrt(np.maximum(spread, 0.0))
    root /= np.sqrt((root**2).sum(axis=1, keepdims=True))  # what was cut below 0 leaves the variances at 1
    shuffle = np.random.default_rng(0)  # always the same draws: equal forecasts have equal sums
    independent = np.stack([shuffle.permutation(_strata()) for _ in range(len(together))], axis=1)
    return np.asarray(independent @ root.T)


def sum_distance(distance: Array, correlation: Array) -> Array:
    """How far the sum's quantile lies above its middle (steps,), from each one's distance (parts, steps).

    Exact for normal distributions: ``sqrt(d' R d)``, never above the sum of the distances.

    >>> apart = np.array([[3.0], [4.0]])
    >>> sum_distance(apart, np.eye(2)).tolist(), sum_distance(apart, np.ones((2, 2))).tolist()
    ([5.0], [7.0])
    """
    squared = np.einsum("it,ij,jt->t", distance, correlation, distance)
    return np.asarray(np.minimum(np.sqrt(np.maximum(squared, 0.0)), distance.sum(axis=0)))


def _maxima(parts: Sequence[Forecast], levels: Sequence[float], quantiles: Array, together: Array) -> Array | None:
    """The maxima of the sum over the window that all parts share (H, Q), None where they share none.

    Over the highest step of the sum by what each part's maximum lies above its own, as far as these go together.
    """
    first = parts[0]
    if first.window is None or any(part.window != first.window for part in parts):
        return None
    window = -(-first.window // first.step)
    above = np.stack(
        [
            part.maxima[list(levels)].to_numpy(dtype=np.float64)
            - sliding_maxima(part.quantiles[list(levels)].to_numpy(dtype=np.float64), window, axis=0)
            for part in parts
            if part.maxima is not None
        ]
    )  # (N, H, Q)
    more = sum_distance(np.maximum(above, 0.0).reshape(len(parts), -1), together).reshape(quantiles.shape)
    return np.asarray(np.maximum.accumulate(highest_quantiles(quantiles[None], window)[0] + more, axis=1))


def _residuals(parts: Sequence[Forecast], size: Array) -> pd.DataFrame | None:
    """The errors of the sum after past origins, over their usual size (those of the parts: (N,)); None if unknown."""
    if any(part.residuals is None for part in parts):
        return None
    seen = _aligned([part.residuals for part in parts])
    total = np.tensordot(size, seen, axes=1)  # (origins, steps)
    usual = np.nanmean(np.abs(total)) if np.isfinite(total).any() else 0.0
    if not usual > 0:
        return None
    origins = sorted({origin for part in parts if part.residuals is not None for origin in part.residuals.index})
    return pd.DataFrame(total / usual, index=pd.DatetimeIndex(origins))


def _notes(together: Array) -> tuple[str, ...]:
    if len(together) < 2:
        return ()
    apart = together[np.tril_indices(len(together), -1)]
    return (f"errors of its {len(together)} forecasts go together by {apart.mean():.2f} on average (1: all at once)",)
