"""A rehearsal of a peak: what is asked for, and what it showed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from capacity.model.errors import require, require_aware

Ending = Literal["reached", "time", "budget", "stopped", "interfered"]
ENDINGS: tuple[Ending, ...] = get_args(Ending)


@dataclass(frozen=True, slots=True)
class RehearsalLimits:
    """How far a rehearsal may go: how long replicas are waited for, and how many replica hours it may take.

    >>> RehearsalLimits().most(replicas=27)
    6.75
    """

    within: timedelta = timedelta(minutes=15)
    budget: float = 24.0  # replica hours

    def __post_init__(self) -> None:
        require(
            timedelta(minutes=1) <= self.within <= timedelta(hours=2),
            "a rehearsal needs between 1m and 2h, got {}",
            self.within,
        )
        require(self.budget > 0, "a rehearsal needs a budget > 0 replica hours, got {}", self.budget)

    def most(self, replicas: int) -> float:
        """The replica hours that so many more replicas take at most."""
        return replicas * (self.within / timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class Hindrance:
    """What kept replicas from being ready, and after how long it was first seen."""

    after: timedelta
    text: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a rehearsal showed. Durations count from the raised floor; None where it did not come to that.

    Parameters
    ----------
    where : str
        The workload, as `namespace/name`.
    began : datetime
        When the floor was raised.
    before, to : int
        The floor before, and the rehearsed one.
    lead_time : timedelta
        The lead time that the plan counts on.
    ended : {"reached", "time", "budget", "stopped", "interfered"}
        Why it ended.
    asked, existing, ready : timedelta or None
        Until the autoscaler asked for that many replicas, until they existed, until they were ready.
    most_ready : int
        The most replicas that were ready at once.
    spent : float
        Replica hours that it took.
    hindrances : tuple of Hindrance
        What was in the way, in the order of time.
    left : int or None
        The floor that stands afterwards; None where it could not be given back, as `remark` says.
    remark : str
        What a person must know of the end. Default empty.
    """

    where: str
    began: datetime
    before: int
    to: int
    lead_time: timedelta
    ended: Ending
    asked: timedelta | None = None
    existing: timedelta | None = None
    ready: timedelta | None = None
    most_ready: int = 0
    spent: float = 0.0
    hindrances: tuple[Hindrance, ...] = ()
    left: int | None = None
    remark: str = ""

    def __post_init__(self) -> None:
        require_aware("began", self.began)
        require(self.ended in ENDINGS, "a rehearsal ends by one of {}, got {!r}", ENDINGS, self.ended)
        require(
            (self.ended == "reached") == (self.ready is not None),
            "a rehearsal is reached where replicas are ready, got {}",
            self,
        )

    @property
    def in_time(self) -> bool:
        """Whether all replicas were ready within the lead time that the plan counts on."""
        return self.ready is not None and self.ready <= self.lead_time
