"""The days of a plan, and how many changes each may have: a part of a day has its part of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from capacity.domain.arrays import Counts, Places
from capacity.planning.optimum import run_starts

DAY = timedelta(days=1)
LEAST = 6  # an event rises and falls in stages; with fewer its floor stands too high, and moves more when made again
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Days:
    """Which of its days each step lies on (steps,), in their order, and the changes that each day may have (days,)."""

    each: Places
    most: Counts

    @staticmethod
    def of(steps: pd.DatetimeIndex, step: timedelta, most: int) -> Days:
        """The days (UTC) of these steps; a day that they do not fill may have as large a part of `most` changes.

        A plan is made again and again, and each begins within a day and ends within one: had each part a whole day's
        changes, the plans of one day would have many days' together.

        >>> Days.of(pd.date_range("2026-11-27T18:00Z", periods=31, freq="h"), timedelta(hours=1), 24).most.tolist()
        [6, 24, 6]
        """
        each = np.unique(steps.normalize().asi8, return_inverse=True)[1].astype(np.intp)
        parts = np.bincount(each) * (step / DAY)
        proportional = np.ceil(most * np.minimum(parts, 1.0) - ROUNDING).astype(np.int64)
        return Days(each, np.minimum(np.maximum(proportional, LEAST), most))

    @property
    def starts(self) -> Places:
        """The first step of each day (days,)."""
        return run_starts(self.each)

    @property
    def lengths(self) -> Counts:
        """The steps of each day (days,)."""
        return np.bincount(self.each).astype(np.int64)

    def sums(self, values: npt.NDArray[np.generic]) -> Counts:
        """The sum of whole numbers (n, steps) over each day (n, days)."""
        return np.add.reduceat(values.astype(np.int64), self.starts, axis=1)

    def changes(self, floors: Counts) -> Counts:
        """How often the floors (n, steps) change on each day (n, days); what stands at first is no change."""
        return self.sums(np.diff(floors, axis=1, prepend=floors[:, :1]) != 0)
