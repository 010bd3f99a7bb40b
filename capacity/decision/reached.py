"""What an autoscaler's numbers mean: what it asks for, whether it is alive, and whether a rise was reached in time.

A patch that the server accepted is not yet capacity. The lead time and two passes after a rise, ready replicas are
counted; where they are too few, the decision says so, and says what keeps the others until they are there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil, sqrt
from typing import Final

from capacity.model import Decision, Memory, Observation, WorkloadPlan
from capacity.model.observation import SLOW

UNREACHED: Final = "FloorNotReached"
FOLLOWED: Final = "AsPlanned"
REMEMBERED = timedelta(days=14)  # two weeks hold two of every kind of day; what was slow once need not stay so
LONGEST = timedelta(hours=1)  # whatever took longer was a failure, not a start
PASSES = 3  # after the lead time, in which a rise that was reached is looked at: one of them may be missed
TOLERANCE = 0.1  # of kube-controller-manager: within it an HPA stays where it is
ROUNDING = 1e-9  # 0.6 / 0.2 is 2.9999999999999996 to a computer
BUSY = 0.010  # cores a replica: of less, nothing is ever called frozen
LEAST_NOISE = 0.02  # of a pod's usage from one minute to the next: less was not seen on any workload that serves
SHARP = 2.0  # units of a reading that noise moves: then five equal looks happen less than once in 1,000
MILLICORE, MEMORY_PAGE = 0.001, 4096.0  # the units in which CPU and memory are reported


def check_due(observation: Observation, now: datetime, patience: timedelta, period: timedelta) -> bool:
    """Whether ready replicas must be counted now.

    That is for a few passes after each rise, and for as long as one is known to be short.

    >>> from datetime import UTC
    >>> minute, now = timedelta(minutes=1), datetime(2026, 11, 27, 18, tzinfo=UTC)
    >>> seen = Observation(9, 20, 9, 9, memory=Memory(moved_at=now - 7 * minute))
    >>> [check_due(seen, now, minutes * minute, minute) for minutes in (3, 7, 8)]
    [False, True, False]
    """
    moved, floor = observation.memory.moved_at, observation.floor
    if moved is None or now - moved < patience or observation.wishes.excluded is not None or floor == 0:
        return False
    newly = now - moved <= patience + PASSES * period
    return newly or observation.memory.short_since is not None or 0 < observation.current < floor


def judge_rise(decision: Decision, observation: Observation, now: datetime, patience: timedelta) -> Decision:
    """A floor that stands as planned, but longer than replicas take to start, while fewer of them are ready.

    Ready replicas are counted where they could be read, else those that the autoscaler reports: a count that nobody
    knows is not a count of too few. A rise that is reached late only because starts took long is remembered.
    """
    moved, memory, counted = observation.memory.moved_at, decision.memory, _counted(observation)
    if decision.reason != FOLLOWED or moved is None:
        return decision
    if _not_counted_yet(observation, now):
        return _short(decision, observation, f"too few of {observation.floor} replicas were ready")
    if counted is None:
        return decision
    count, word = counted
    if count >= observation.floor:
        return decision if memory.short_since is None else _reached_late(decision, now)
    if now - moved < patience:
        return decision
    return _short(decision, observation, f"{count} of {observation.floor} replicas {word}, set at {moved:%H:%MZ}")


def with_slow_starts(plan: WorkloadPlan, memory: Memory, now: datetime) -> WorkloadPlan:
    """The plan with the lead time that the last late rise really took; a shorter one than planned changes nothing."""
    slow, noted = memory.slow_start, memory.slow_at
    if slow is None or noted is None or not timedelta(0) <= now - noted < REMEMBERED or slow <= plan.lead_time:
        return plan
    return replace(plan, lead_time=min(slow, LONGEST))


def _not_counted_yet(observation: Observation, now: datetime) -> bool:
    """Whether replicas were found not to be ready, and nobody has counted since: that they run shows nothing."""
    memory, since = observation.memory, observation.memory.short_since
    unseen = observation.readiness is None and memory.short_for is not None
    return unseen and since is not None and timedelta(0) <= now - since <= LONGEST


def _counted(observation: Observation) -> tuple[int, str] | None:
    """How many replicas are ready, or run where only that is known, and the word for it."""
    readiness, readings = observation.readiness, observation.readings
    if readiness is not None:
        return readiness.ready, "are ready"
    return None if readings is None or readings.blind is not None else (observation.current, "run")


def _short(decision: Decision, observation: Observation, short: str) -> Decision:
    """Said with each pass, noted where it begins and where its cause changes."""
    readiness, memory = observation.readiness, decision.memory
    cause, detail = (None, "") if readiness is None else (readiness.cause, readiness.detail)
    text = "; ".join(part for part in (short, f"{cause}: {detail}" if cause else "", decision.detail) if part)
    since = memory.short_since or observation.memory.moved_at
    noted = replace(memory, short_since=since, short_for=cause or memory.short_for)
    return replace(decision, reason=UNREACHED, detail=text, memory=noted, notes=decision.notes or noted != memory)


def _reached_late(decision: Decision, now: datetime) -> Decision:
    """Ready after all. How long it took is the lead time from now on, unless something was broken meanwhile."""
    memory = decision.memory
    took = None if memory.short_since is None else now - memory.short_since
    noted = replace(memory, short_since=None, short_for=None)
    if took is not None and timedelta(0) < took <= LONGEST and memory.short_for in (None, *SLOW):
        noted = replace(noted, slow_start=timedelta(seconds=round(took.total_seconds())), slow_at=now)
    return replace(decision, memory=noted, notes=True)


def replicas_asked(ratios: Iterable[float], replicas: int, desired: int, floor: int) -> int:
    """The most that any metric asks for, from its ratio of current value to target, as the HPA computes it.

    Above its minimum, what the HPA wants itself counts as well; at its minimum it only obeys.

    >>> replicas_asked([1.05], 10, 10, 4), replicas_asked([1.25, 0.5], 10, 10, 10)
    (10, 13)
    """
    asked = [replicas if abs(ratio - 1) <= TOLERANCE else ceil(ratio * replicas - ROUNDING) for ratio in ratios]
    return max(*asked, desired if desired > floor else 0)


def moves(cores: float | None, memory: float | None, replicas: int) -> bool:
    """Whether these means of all replicas (cores, bytes) would differ from one minute to the next while measured.

    An HPA reports whole millicores: of 36 pods at 25 millicores two looks are often equal, and prove nothing. It is so
    where noise of `LEAST_NOISE` in each pod would move a mean by `SHARP` units.
    """
    if cores is None or cores < BUSY:
        return False
    noise = [LEAST_NOISE * cores / MILLICORE]
    if memory is not None:
        noise.append(LEAST_NOISE * memory / MEMORY_PAGE)
    return max(noise) >= SHARP * sqrt(replicas)
