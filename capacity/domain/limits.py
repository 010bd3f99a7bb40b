"""What a plan must keep to besides floor and ceiling: counts, steps, ramps, freezes, hours, holds and a budget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import pairwise

from capacity.domain.errors import require, require_aware


@dataclass(frozen=True, slots=True)
class Freeze:
    """No floor moves in ``[start, end)``: the floor for all of it stands before it begins."""

    start: datetime
    end: datetime
    name: str = "freeze"

    def __post_init__(self) -> None:
        for moment in (self.start, self.end):
            require_aware(f"freeze {self.name}", moment)
        require(self.start < self.end, "freeze {}: start {} must lie before end {}", self.name, self.start, self.end)


@dataclass(frozen=True, slots=True)
class ChangeHours:
    """Floors move only in ``[start, end)`` of each day on the clock of `timezone`; an earlier end is tomorrow's.

    >>> ChangeHours(time(22), time(6), "Europe/London").holds(time(23, 30))
    True
    """

    start: time
    end: time
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        require(self.start != self.end, "change hours must not be empty, got {} to {}", self.start, self.end)

    def holds(self, clock: time) -> bool:
        """Whether floors may move at this time of the day."""
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


@dataclass(frozen=True, slots=True)
class Limits:
    """How floors may be set and moved; the defaults limit nothing but the number of changes a day.

    `allowed`: the only counts that may stand, ascending; `multiple_of`: counts are its multiples. `step_up`,
    `step_down`: most replicas one change adds or takes; `ramp_up`, `ramp_down`: most replicas an hour adds or takes.
    `hold`: no two changes closer than this. `budget`: most money a month of 30 days may cost, in the price's currency.
    """

    allowed: tuple[int, ...] = ()
    multiple_of: int = 1
    step_up: int | None = None
    step_down: int | None = None
    ramp_up: float | None = None
    ramp_down: float | None = None
    hold: timedelta = timedelta(0)
    freezes: tuple[Freeze, ...] = ()
    hours: tuple[ChangeHours, ...] = ()
    budget: float | None = None
    changes_a_day: int = 24  # one an hour: more is churn that nobody reads

    def __post_init__(self) -> None:
        require(self.multiple_of >= 1, "multiple_of must be >= 1, got {}", self.multiple_of)
        require(
            list(self.allowed) == sorted(set(self.allowed)), "allowed replicas must ascend, got {}", list(self.allowed)
        )
        require(all(count >= 1 for count in self.allowed), "allowed replicas must be >= 1, got {}", list(self.allowed))
        for name in ("step_up", "step_down", "ramp_up", "ramp_down", "budget"):
            value = getattr(self, name)
            require(value is None or 0 < value < float("inf"), "{} must be > 0, got {}", name, value)
        require(self.hold >= timedelta(0), "hold must be >= 0, got {}", self.hold)
        require(self.changes_a_day >= 1, "changes_a_day must be >= 1, got {}", self.changes_a_day)
        self._require_steps_reach_counts()

    def _require_steps_reach_counts(self) -> None:
        """A step that is smaller than the gap between two allowed counts can never be taken."""
        counts = [count for count in self.allowed if count % self.multiple_of == 0]
        require(
            bool(counts) or not self.allowed,
            "no allowed replicas {} is a multiple of {}",
            list(self.allowed),
            self.multiple_of,
        )
        gap = max((high - low for low, high in pairwise(counts)), default=self.multiple_of)
        for name in ("step_up", "step_down"):
            step = getattr(self, name)
            fits = step is None or step >= gap
            require(fits, "{} of {} cannot cross the gap of {} between the counts that are allowed", name, step, gap)

    @property
    def counts_are_free(self) -> bool:
        """Whether any count may stand."""
        return not self.allowed and self.multiple_of == 1

    @property
    def moments_are_free(self) -> bool:
        """Whether floors may move at any step."""
        return not self.hold and not self.freezes and not self.hours

    @property
    def moves_are_free(self) -> bool:
        """Whether a change may be of any size."""
        return all(getattr(self, name) is None for name in ("step_up", "step_down", "ramp_up", "ramp_down"))
