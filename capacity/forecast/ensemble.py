"""How much each member may say: weights per series from its errors on the rolling origins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.model.arrays import Array, Mask

POWER = 8.0  # weights are error^-8: flat between 4 and 10 on M4 training windows; picking the best alone is worse
RECENT = 10.0  # origins until an error counts half: where the regime changes, what worked lately works on
SOFTENING = 0.1  # of the mean: below it a relative error says nothing (an hour of one order against two)


@dataclass(frozen=True, slots=True)
class Blend:
    """The weighted members: what is forecast, and what would have been at each rolling origin.

    Errors are mean absolute ones over the rolling origins, recent ones counting more.
    """

    weights: Array  # (members, N)
    point: Array  # (N, H)
    past: Array  # (N, K, scored), each window blended without its own errors
    member_errors: Array  # (members, N)


def blend_members(forecasts: Array, actuals: Array) -> Blend:
    """Blend members (M, N, K + 1, H) by how near they came to what followed (N, K, scored), NaN where unknown."""
    past = forecasts[:, :, 1:, : actuals.shape[2]]
    seen, known = ~np.isnan(actuals), np.nan_to_num(actuals)
    recency = 0.5 ** (np.arange(actuals.shape[1]) / RECENT)  # the first rolling origin is the latest
    absolute, relative = _misses(past, known, seen)  # (M, N, K) each
    errors = (absolute * recency).sum(axis=2)
    absolute, relative = _equal_windows(absolute) * recency, relative * recency
    weights = _weights(absolute.sum(axis=2), relative.sum(axis=2))
    others = _weights(_without_own(absolute), _without_own(relative))  # (M, N, K)
    blended = np.einsum("mnk,mnkh->nkh", others, past)
    count = np.maximum((seen.sum(axis=2) * recency).sum(axis=1), 1e-12)
    point = np.einsum("mn,mnh->nh", weights, forecasts[:, :, 0])
    return Blend(weights, point, blended, errors / count)


def recent_errors(past: Array, actuals: Array) -> Array:
    """Mean absolute errors over the rolling origins (N, K, scored), recent ones counting more: (N,)."""
    recency = 0.5 ** (np.arange(actuals.shape[1]) / RECENT)
    count = np.maximum(((~np.isnan(actuals)).sum(axis=2) * recency).sum(axis=1), 1e-12)
    return np.asarray((np.nansum(np.abs(past - actuals), axis=2) * recency).sum(axis=1) / count)


def _misses(past: Array, actuals: Array, seen: Mask) -> tuple[Array, Array]:
    """Sums over each window of |error|, and of |error| relative to both values (half of sMAPE's term)."""
    size = np.where(seen, np.abs(past - actuals), 0.0)
    usual = np.abs(actuals).mean(axis=(1, 2), keepdims=True) * SOFTENING + 1e-300
    return size.sum(axis=3), (size / (np.abs(past) + np.abs(actuals) + usual)).sum(axis=3)


def _equal_windows(misses: Array) -> Array:
    """Misses (M, N, K) relative to the middle member's in each window: none of a high level outvotes the rest."""
    middle = np.median(misses, axis=0)  # (N, K)
    return np.asarray(misses / (middle + 1e-3 * middle.max(axis=1, keepdims=True) + 1e-300))


def _without_own(misses: Array) -> Array:
    return np.asarray(misses.sum(axis=2, keepdims=True) - misses)


def _weights(absolute: Array, relative: Array) -> Array:
    """Weights that fall with a power of the error; absolute and relative error have the same say."""
    power: Array = (_ratio(absolute) * _ratio(relative)) ** (-POWER / 2)
    return np.asarray(power / power.sum(axis=0))


def _ratio(errors: Array) -> Array:
    """Errors relative to the best member's; members that are all but perfect count as equals."""
    tiny = 1e-9 * errors.max(axis=0) + 1e-300
    return np.asarray((errors + tiny) / (errors.min(axis=0) + tiny))
