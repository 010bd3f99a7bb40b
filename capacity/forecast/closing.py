"""Closing times: slots of the week at which a business sells nothing are forecast from their own history."""

from __future__ import annotations

import numpy as np

from capacity.model.arrays import Array

RARELY = 0.05  # of its cycles at which a slot may have sold and still count as closed
CYCLES = 104  # looked back at: two years of weeks, as many as the 0.99 level asks for
LATEST = 2  # cycles whose sales open a slot again at once: new opening hours must not wait for a year to pass


def closed_slots(quantiles: Array, values: Array, season_length: int, levels: tuple[float, ...]) -> Array:
    """Quantiles (N, H, Q), lowered to a closed slot's own quantiles over its past cycles; other slots are untouched.

    `values` (N, T) end where the quantiles begin. Errors around a forecast know nothing of closing times: they would
    give a closed Saturday the spread of a busy Friday. A slot that n cycles have seen says nothing about levels above
    n / (n + 1).

    >>> week = np.array([4.0, 4, 4, 4, 4, 0, 4])
    >>> usual = np.full((1, 7, 1), 5.0)
    >>> closed_slots(usual, np.tile(week, (1, 30)), 7, (0.95,))[0, :, 0]
    array([5., 5., 5., 5., 5., 0., 5.])
    """
    cycles = min(CYCLES, values.shape[1] // season_length)
    if cycles <= LATEST:
        return quantiles
    past = values[:, -cycles * season_length :].reshape(len(values), cycles, season_length)
    seen = (~np.isnan(past)).sum(axis=1)  # (N, S)
    sold = past > 0
    closed = (seen > 0) & (sold.sum(axis=1) <= RARELY * seen) & ~sold[:, -LATEST:].any(axis=1)  # (N, S)
    if not closed.any():
        return quantiles
    own = _own_quantiles(past, levels)  # (N, S, Q)
    known = np.asarray(levels) <= (seen / (seen + 1))[:, :, None]
    slots = np.arange(quantiles.shape[1]) % season_length
    binding = (closed[:, :, None] & known)[:, slots]
    return np.where(binding, np.minimum(quantiles, own[:, slots]), quantiles)


def _own_quantiles(past: Array, levels: tuple[float, ...]) -> Array:
    """Quantiles over the cycles (axis 1), never interpolated downwards; a gap counts as a cycle that sold nothing."""
    ranked = np.quantile(np.nan_to_num(past), levels, axis=1, method="higher")  # (Q, N, S)
    return np.asarray(np.moveaxis(ranked, 0, -1))
