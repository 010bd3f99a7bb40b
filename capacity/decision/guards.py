"""What holds a whole pass: too many floors that want to come down together, or a plan for another configuration.

The brake is one episode of the fleet: it begins when too many floors want down, holds for a time, lets go, and ends
when no longer so many want down. Each workload notes the beginning; a note of an earlier episode does not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, get_args

from capacity.decision.decide import BRAKE, FUTURE, hold
from capacity.model import Decision, Doubt, Observation, Plan, PlanError, Workload, WorkloadPlan
from capacity.model.fields import AutoLeadTime
from capacity.model.policy import Brake

LONGEST = timedelta(hours=12)  # after the brake let go: from 60 replicas to 3 takes three hours in steps of 10 %
EXPIRED: Final = "PlanExpired"
DOUBTS = get_args(Doubt)  # a floor held in doubt is ours to note on; one held for its owner is not
AGREE = 0.5  # share of the floors that want down which must have noted the same beginning
Key = tuple[str, str]  # namespace and name of a workload
AGAIN = "run `capacity plan` again"


@dataclass(frozen=True, slots=True)
class BrakeEpisode:
    """What the fleet shares in one pass. `began` None: no episode. `holds`: whether falls are held; `detail`: why."""

    began: datetime | None = None
    holds: bool = False
    detail: str = ""

    def applied(self, observation: Observation, decision: Decision) -> Decision:
        """The decision of one workload in this episode: held, noted, or its old note removed.

        >>> seen, falls = Observation(9, 20, 9, 9), Decision(8, 20, "DemandFalling", 9)
        >>> BrakeEpisode().applied(seen, falls) == falls
        True
        """
        marked = observation.memory.held_for == BRAKE
        if self.began is None:
            return _unmarked(decision) if marked and (not decision.held or decision.reason in DOUBTS) else decision
        if not decision.falls or decision.reason == EXPIRED:
            return decision
        memory = replace(observation.memory if self.holds else decision.memory, held_for=BRAKE, held_since=self.began)
        if not self.holds:
            return replace(decision, memory=memory)
        held = hold(observation, BRAKE, self.detail)
        return held if memory == observation.memory else replace(held, memory=memory, notes=True)


def brake_episode(fleet: Sequence[tuple[Observation, Decision]], now: datetime, brake: Brake) -> BrakeEpisode:
    """The episode that the fleet is in at `now`; none where few floors want to come down.

    >>> from datetime import UTC
    >>> seen, falls = Observation(9, 20, 9, 9), Decision(8, 20, "DemandFalling", 9)
    >>> episode = brake_episode([(seen, falls)] * 6, datetime(2026, 11, 27, tzinfo=UTC), Brake())
    >>> episode.applied(seen, falls).reason
    'HeldBrake'
    """
    falling = [seen for seen, decision in fleet if wants_down(decision)]
    if len(falling) < brake.at_least or len(falling) <= brake.share * len(fleet):
        return BrakeEpisode()
    began = _beginning(falling, now, brake)
    many = f"{len(falling)} of {len(fleet)} floors want to come down together"
    detail = f"{many}; held until {began + brake.hold_for:%H:%MZ}"
    return BrakeEpisode(began, now - began < brake.hold_for, detail)


def wants_down(decision: Decision) -> bool:
    """Whether this floor comes down now, or waits for its next step down.

    Not one whose plan is gone: it was held for `hold_for` already, and comes down to a safe floor.
    """
    if decision.reason == EXPIRED:
        return False
    return decision.falls or (not decision.held and "StepDown" in decision.clamps)


def _beginning(falling: Sequence[Observation], now: datetime, brake: Brake) -> datetime:
    """When the episode began: what most of the falling workloads noted, not too long ago; else now."""
    noted = Counter(
        seen.memory.held_since
        for seen in falling
        if seen.memory.held_for == BRAKE
        and seen.memory.held_since is not None
        and -FUTURE <= now - seen.memory.held_since < brake.hold_for + LONGEST
    )
    began, times = max(noted.items(), key=lambda item: (item[1], item[0]), default=(now, 0))
    return began if times >= AGREE * len(falling) else now


def _unmarked(decision: Decision) -> Decision:
    """The decision with the note of an episode that is over removed."""
    if decision.memory.held_for != BRAKE:
        return decision
    return replace(decision, memory=replace(decision.memory, held_for=None, held_since=None), notes=True)


@dataclass(frozen=True, slots=True)
class PlanCheck:
    """What contradicts the configuration: `refused` is not followed, `noted` is followed and shown as a warning.

    What changed for several workloads alike is noted once, at the first of them, as is that the plan as a whole is of
    other settings where no workload tells which.
    """

    refused: Mapping[Key, str] = field(default_factory=dict)
    noted: Mapping[Key, str] = field(default_factory=dict)


def check_plan(plan: Plan, workloads: Sequence[Workload], settings: tuple[str, Mapping[str, str]]) -> PlanCheck:
    """Compare a plan with the workloads as configured and with the hashes of the settings, whole and by block.

    A plan of other settings that holds none of the workloads is not theirs: raises `PlanError`. One whose floors leave
    the limits of a workload is refused for that workload. Other settings are noted, since the next plan follows them.
    """
    mine, other = {one.key: one for one in workloads}, _other_settings(plan, *settings)
    if other is not None and plan.workloads and not any(one.key in mine for one in plan.workloads):
        theirs, ours = _some([one.label for one in plan.workloads]), _some(["/".join(key) for key in mine])
        raise PlanError(f"expected a plan for {ours}, got one for {theirs}: it is of another configuration; {AGAIN}")
    pairs = [(one, mine[one.key]) for one in plan.workloads if one.key in mine]
    refused = {one.key: why for one, workload in pairs if (why := contradiction(one, workload)) is not None}
    if other is None:
        return PlanCheck(refused)
    followed = {one.key: "; ".join(changes(one, workload)) for one, workload in pairs if one.key not in refused}
    noted = _once({key: text for key, text in followed.items() if text})
    if followed and not noted:
        noted[next(iter(followed))] = other
    return PlanCheck(refused, noted)


def _once(changed: Mapping[Key, str]) -> dict[Key, str]:
    """What to note of each different change, at the first workload that it concerns.

    >>> _once({("shop", "web"): "floor 2, now 1", ("shop", "api"): "floor 2, now 1"})
    {('shop', 'web'): 'the plan was made for other settings (floor 2, now 1; 1 more alike): run `capacity plan` again'}
    """
    alike: dict[str, list[Key]] = {}
    for key, text in changed.items():
        alike.setdefault(text, []).append(key)
    more = {text: f"; {len(keys) - 1} more alike" if len(keys) > 1 else "" for text, keys in alike.items()}
    return {
        keys[0]: f"the plan was made for other settings ({text}{more[text]}): {AGAIN}" for text, keys in alike.items()
    }


def contradiction(plan: WorkloadPlan, workload: Workload) -> str | None:
    """Why a workload's plan cannot be followed as the workload is configured; None where it can.

    The ceiling is a limit only where it is honored: with `ceiling_policy: increase` a plan may rise above it.
    """
    if (plan.sizes is not None) != (workload.scaling == "vertical"):
        kind = "sizes of pods" if plan.sizes is not None else "numbers of pods"
        return f"expected a plan for scaling: {workload.scaling}, got one of {kind}; {AGAIN}"
    floors = [*(change.replicas for change in plan.floor), plan.safe_floor]
    low, high = min(floors), max(floors)
    if low < workload.floor:
        return f"expected floors of at least {workload.floor}, as configured, got {low}; {AGAIN}"
    if high > workload.ceiling and workload.ceiling_buffer is None:
        return f"expected floors of at most {workload.ceiling}, as configured, got {high}; {AGAIN}"
    return None


def changes(plan: WorkloadPlan, workload: Workload) -> Iterator[str]:
    """What is configured otherwise than when the plan was made, of what a plan knows."""
    known, replica = plan.derivation, workload.replica
    if plan.sizes is None:
        if known.floor != workload.floor:
            yield f"floor {known.floor}, now {workload.floor}"
        if known.ceiling != workload.ceiling and workload.ceiling_buffer is None:
            yield f"ceiling {known.ceiling}, now {workload.ceiling}"
        requested = plan.resources.get("cpu_request_millicores")
        if requested is not None and requested != round(replica.cpu_request * 1000):
            yield f"requests of {requested}m of CPU, now {round(replica.cpu_request * 1000)}m"
    late = workload.lead_time - plan.lead_time
    if not isinstance(workload.lead_time, AutoLeadTime) and plan.sizes is None and late.total_seconds() > 0:
        yield f"lead time {plan.lead_time.total_seconds():.0f}s, now {workload.lead_time.total_seconds():.0f}s"


def _other_settings(plan: Plan, whole: str, blocks: Mapping[str, str]) -> str | None:
    if not plan.settings_hash or plan.settings_hash == whole:
        return None
    differ = sorted(name for name in {*blocks, *plan.blocks} if blocks.get(name) != plan.blocks.get(name))
    where = f" ({', '.join(differ)})" if plan.blocks and differ else ""
    return f"the plan was made for other settings{where}: {AGAIN}"


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
