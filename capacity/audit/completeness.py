"""Whether the newest steps have the rows they usually have: what arrived beside what the same hours had before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

WEEKS = 4  # earlier weeks whose median says what is usual: one holiday or outage among them changes nothing
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class StepCount:
    """Rows of one step: how many came, how many passed every rule, and how many are usual (None: nothing to tell)."""

    start: datetime
    rows: int
    passed: int
    usual: float | None

    @property
    def completeness(self) -> float | None:
        """Rows that came / rows that are usual, at most 1; None where nothing is usual.

        >>> StepCount(datetime(2026, 11, 27, 18), 30, 30, 40.0).completeness
        0.75
        """
        return min(1.0, self.rows / self.usual) if self.usual else None


def step_counts(rows: pd.Series, passed: pd.Series, newest: int = 24) -> tuple[StepCount, ...]:
    """The newest steps with their rows and the median rows of the same hour of the week in the four weeks before.

    `rows` and `passed` have one value per step, on the same regular UTC index; steps without rows are 0.

    >>> import pandas as pd
    >>> index = pd.date_range("2026-01-01", periods=24 * 28, freq="h", tz="UTC")
    >>> counts = pd.Series(10.0, index)
    >>> step_counts(counts, counts, 1)[0].usual
    10.0
    """
    steps = max(1, round(WEEK / (rows.index[1] - rows.index[0]))) if len(rows) > 1 else 1
    values = rows.to_numpy(dtype=float)
    found = []
    for place in range(max(0, len(values) - newest), len(values)):
        earlier = [values[place - week * steps] for week in range(1, WEEKS + 1) if place >= week * steps]
        usual = float(median(earlier)) if earlier else None
        start = rows.index[place].to_pydatetime()
        found.append(StepCount(start, int(values[place]), int(passed.iloc[place]), usual))
    return tuple(found)
