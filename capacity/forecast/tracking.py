"""Online tracking: what the quantiles covered on past origins, and how today's follow from it.

Quantile tracking (Angelopoulos, Candes and Tibshirani, 2023): after each window an offset moves up by what was missed
and down by what was covered too much, so that no drift of the errors can keep the coverage off for long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.model.arrays import Array

RATE = 0.2  # of an offset per window and unit of missed coverage: .1 to .5 are level on traces and M4 training windows
LEAST = 0.5  # mean absolute errors added to the offset that moves, so that one near zero can leave it


@dataclass(frozen=True, slots=True)
class Tracked:
    """Offsets after the last window, and the share of all windows' steps that stayed under them on the way."""

    offsets: Array  # (N, Q)
    coverage: Array  # (N, Q), NaN where nothing was scored


def track(shape: Array, offsets: Array, levels: tuple[float, ...]) -> Tracked:
    """Follow the coverage of comparable errors (N, K, n), latest window first, from starting offsets (N, Q).

    >>> always_higher = np.full((1, 14, 10), 2.0)
    >>> tracked = track(always_higher, np.array([[1.0]]), (0.9,))
    >>> tracked.offsets.round(2), tracked.coverage.round(2)
    (array([[2.08]]), array([[0.64]]))
    """
    wanted, now = np.asarray(levels), offsets.copy()
    seen = ~np.isnan(shape)
    steps = seen.sum(axis=2)  # (N, K)
    pace = RATE * (np.abs(offsets) + LEAST)
    total = np.zeros_like(offsets)
    for k in range(shape.shape[1] - 1, -1, -1):
        under = np.stack([(shape[:, k] <= now[:, place, None]).sum(axis=1) for place in range(len(wanted))], axis=1)
        total += under
        missed = np.where(steps[:, k, None] > 0, wanted - under / np.maximum(steps[:, k, None], 1), 0.0)
        now = now + pace * missed
    every = steps.sum(axis=1, keepdims=True)
    return Tracked(now, np.where(every > 0, total / np.maximum(every, 1), np.nan))
