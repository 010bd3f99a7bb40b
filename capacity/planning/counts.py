"""Which counts may stand: multiples, a list of allowed ones, and the same number in every zone."""

from __future__ import annotations

import numpy as np

from capacity.domain import DataError, Limits
from capacity.domain.arrays import Counts


def allowed_above(need: Counts, limits: Limits) -> Counts:
    """The lowest count that may stand and serves each need; above the highest allowed one, that one.

    >>> allowed_above(np.array([1, 4, 7]), Limits(multiple_of=3)).tolist()
    [3, 6, 9]
    >>> allowed_above(np.array([1, 4, 9]), Limits(allowed=(2, 4, 8))).tolist()
    [2, 4, 8]
    """
    if not limits.allowed:
        return -(-need // limits.multiple_of) * limits.multiple_of
    counts = _counts(limits)
    return counts[np.minimum(np.searchsorted(counts, need), len(counts) - 1)]


def allowed_within(floor: int, ceiling: int, limits: Limits) -> tuple[int, int]:
    """Floor and ceiling moved inwards to counts that may stand. Raises `DataError` where none lies between.

    >>> allowed_within(2, 10, Limits(multiple_of=3))
    (3, 9)
    """
    if limits.counts_are_free:
        return floor, ceiling
    if limits.allowed:
        inside = [count for count in _counts(limits).tolist() if floor <= count <= ceiling]
    else:
        inside = [
            -(-floor // limits.multiple_of) * limits.multiple_of,
            ceiling // limits.multiple_of * limits.multiple_of,
        ]
    if not inside or inside[0] > inside[-1]:
        said = f"one of {list(limits.allowed)}" if limits.allowed else f"a multiple of {limits.multiple_of}"
        raise DataError(f"expected {said} between floor {floor} and ceiling {ceiling}, got none: widen one of them")
    return inside[0], inside[-1]


def _counts(limits: Limits) -> Counts:
    return np.array([count for count in limits.allowed if count % limits.multiple_of == 0], dtype=np.int64)
