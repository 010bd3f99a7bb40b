"""Rolling origins: where the past is cut, so that what came next can be compared with what would have been forecast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.model.arrays import Array, Places


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
