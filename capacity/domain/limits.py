"""What a plan must keep to besides floor and ceiling: counts, steps, ramps, freezes, hours, holds and a budget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from capacity.domain.errors import require, require_aware
from capacity.domain.fields import STRICT, Duration, TimeZone


@dataclass(frozen=True, slots=True)
class Freeze:
    """No floor moves in ``[start, end)``: the floor for all of it stands before it begins."""

    __pydantic_config__ = STRICT

    start: Annotated[datetime, Field(description="First moment; without a zone, on the business's clock.")]
    end: Annotated[datetime, Field(description="First moment after it.")]
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

    __pydantic_config__ = STRICT

    start: Annotated[time, Field(description="For instance 06:00; quoted, as YAML takes 06:00 for a number.")]
    end: time
    timezone: Annotated[TimeZone, Field(description="In capacity.yaml the business's clock by default.")] = "UTC"

    def __post_init__(self) -> None:
        require(self.start != self.end, "change hours must not be empty, got {} to {}", self.start, self.end)

    def holds(self, clock: time) -> bool:
        """Whether floors may move at this time of the day."""
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


@dataclass(frozen=True, slots=True)
class Limits:
    """How floors may be set and moved; the defaults limit nothing but the number of changes a day."""

    __pydantic_config__ = STRICT

    allowed: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...],
        Field(alias="allowed_replicas", description="The only counts, ascending."),
    ] = ()
    multiple_of: Annotated[int, Field(ge=1, description="Counts are multiples of this.")] = 1
    step_up: Annotated[int | None, Field(ge=1, description="Most replicas that one change adds.")] = None
    step_down: Annotated[int | None, Field(ge=1, description="Most replicas that one change takes.")] = None
    ramp_up: Annotated[
        float | None, Field(gt=0, description="Most replicas that an hour adds: rises begin earlier.")
    ] = None
    ramp_down: Annotated[float | None, Field(gt=0, description="Most replicas that an hour takes.")] = None
    hold: Annotated[Duration, Field(description="No two changes closer than this.")] = timedelta(0)
    freezes: Annotated[tuple[Freeze, ...], Field(description="Times in which no floor moves.")] = ()
    hours: Annotated[tuple[ChangeHours, ...], Field(description="Hours in which floors may move; none: all.")] = ()
    budget: Annotated[
        float | None, Field(gt=0, description="Most money a month (30 days) may cost; peaks are cut first.")
    ] = None
    changes_a_day: Annotated[  # one an hour: more is churn that nobody reads
        int,
        Field(ge=1, description="Most changes of the floor on one day (UTC); a part of a day has its part of them."),
    ] = 24

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
