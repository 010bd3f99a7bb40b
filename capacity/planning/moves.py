"""How far floors may move at once and in an hour: a steep rise begins earlier, a steep fall ends later."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import numpy as np

from capacity.domain import Limits
from capacity.domain.arrays import Array, Counts
from capacity.planning.counts import allowed_above

ROUNDING = 1e-9


def ramped(floors: Counts, hours: Array, limits: Limits) -> Counts:
    """The lowest floors (blocks,) at or above these whose changes keep to the limits; `hours` between their starts.

    Only ever raised: first backwards, so that each rise is near enough to what follows, then forwards for the falls.

    >>> ramped(np.array([2, 2, 9, 2, 2]), np.ones(4), Limits(step_up=3, step_down=4)).tolist()
    [3, 6, 9, 5, 2]
    """
    rise = [_Most(limits.step_up, limits.ramp_up, span) for span in hours]
    fall = [_Most(limits.step_down, limits.ramp_down, span) for span in hours]
    early = _raise(floors[::-1], rise[::-1], limits)[::-1]
    late = _raise(floors, fall, limits)
    # Where the one is above the other it is on its own slope, which the other's limit does not touch.
    return np.maximum(early, late)


class _Most(NamedTuple):
    """The most that may be lost from one block to the next: at once, and in the hours between them."""

    step: int | None
    ramp: float | None
    hours: float


def _raise(floors: Counts, most: list[_Most], limits: Limits) -> Counts:
    """Each floor at least the one before it less the most that may be lost between them, at counts that may stand."""
    raised = floors.copy()
    reach = float(floors[0])  # a ramp of less than a replica a block is remembered in fractions
    for place in range(1, len(floors)):
        step, ramp, hours = most[place - 1]
        reach = max(float(floors[place]), -inf if ramp is None else reach - ramp * hours)
        reach = max(reach, -inf if step is None else float(raised[place - 1] - step))
        raised[place] = allowed_above(np.array([np.ceil(reach - ROUNDING)], dtype=np.int64), limits)[0]
    return raised
