"""When floors may move: outside of freezes, within the hours, and not too close to each other."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.domain import Limits
from capacity.domain.arrays import Mask, Places

SPARE = timedelta(minutes=2)  # a floor is raised up to two of the controller's minutes before its lead time
EPOCH = pd.Timestamp("1970-01-01", tz="UTC")


def block_starts(steps: pd.DatetimeIndex, limits: Limits, lead_time: timedelta) -> Places:
    """The steps at which the floor may change, the first of all among them (blocks,).

    A rise is carried out a lead time before its step and a fall at its step, so that a change may stand at a step only
    where none of that time is frozen. Holds are counted on the clock, not from the plan's start: two plans in a row
    move at the same moments.
    """
    free = np.ones(len(steps), dtype=bool)
    for freeze in limits.freezes:
        begin, end = pd.Timestamp(freeze.start), pd.Timestamp(freeze.end + lead_time + SPARE)
        free &= ~((steps >= begin) & (steps < end))
    if limits.hours:
        free &= _within_hours(steps, limits) & _within_hours(steps - lead_time - SPARE, limits)
    if limits.hold:
        turn = np.asarray((steps - EPOCH) // pd.Timedelta(limits.hold))
        free &= np.concatenate([[True], turn[1:] != turn[:-1]])
    free[0] = True
    return np.flatnonzero(free)


def _within_hours(moments: pd.DatetimeIndex, limits: Limits) -> Mask:
    inside = np.zeros(len(moments), dtype=bool)
    for hours in limits.hours:
        inside |= np.array([hours.holds(clock) for clock in moments.tz_convert(hours.timezone).time], dtype=bool)
    return inside
