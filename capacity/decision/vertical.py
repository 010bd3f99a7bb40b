"""Plan + observed pods + now -> requests and limits of each pod: up before the peak, down in steps, with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from capacity.decision.pod_sizing import PodSizing, SizingPass, Want, lowest_memory, noted_use, rank
from capacity.model import Workload, WorkloadPlan, require
from capacity.model.pod_observation import (
    ObservedPods,
    PodDecision,
    SizeDecision,
    SizeMemory,
    SizeReason,
)
from capacity.model.pod_size import SizeKey, Vertical
from capacity.model.policy import ControllerRules

SOON = timedelta(
    hours=1
)  # one rise for several: on public traces a third fewer resizes than half an hour, for 1 % cost
FUTURE = timedelta(minutes=2)  # clocks of one cluster differ by less
ROOMLESS = ("ResizeDeferred", "ResizeInfeasible", "NoResizeSupport")


def decide_sizes(
    plan: WorkloadPlan | None,
    workload: Workload,
    seen: ObservedPods,
    now: datetime,
    rules: ControllerRules | None = None,
) -> SizeDecision:
    """Decide the requests and limits of every pod of a workload that scales vertically, and why.

    A request covers every step that overlaps `[now, now + lead time + two controller periods]`. It rises at once, also
    where usage passes what was planned for, and comes down in steps: not while usage is unknown or has vanished, not
    within `step_every` of the last resize, not below what usage asks for, and memory not below what `memory_keep` and
    its decayed peak allow. Deciding again on
    the result changes nothing.

    Parameters
    ----------
    plan : WorkloadPlan or None
        The plan to follow; None where there is none.
    workload : Workload
        With its block `vertical`.
    seen : ObservedPods
        What the cluster shows of its pods.
    now : datetime
        The time to decide for, with a time zone.
    rules : ControllerRules or None
        Period, and how long sizes are held without a plan. Default: `ControllerRules()`.

    Returns
    -------
    SizeDecision
        For each pod what to ask for, and what to note on their owner.

    Examples
    --------
    >>> from capacity.model import LoadModel, Replica, Target
    >>> from capacity.model.pod_size import SizedContainer, SizeRange
    >>> vertical = Vertical({"app": SizedContainer(cpu=SizeRange(0.5, 8))})
    >>> db = Workload("shop", "db", LoadModel(1, 0, 0, 0), Replica(1, 2**30), 1, 1, Target(kind="StatefulSet"),
    ...               scaling="vertical", vertical=vertical)
    >>> decide_sizes(None, db, ObservedPods((), {}), datetime(2026, 11, 27, tzinfo=UTC)).reason
    'HeldNoPlan'
    """
    require(now.tzinfo is not None, "now must carry a time zone, got the naive time {}", now)
    require(workload.vertical is not None, "{}/{}: expected scaling: vertical", *workload.key)
    assert workload.vertical is not None  # noqa: S101 - required above
    now, rules = now.astimezone(UTC), rules or ControllerRules()
    stopped = _stopped(seen)
    if stopped is not None:
        return stopped
    before, seen = seen.memory, replace(seen, memory=_looked(seen, workload.vertical, now))
    wants, memory, planless = _wants(plan, workload.vertical, seen, now, rules)
    if wants is None:
        reason, detail = planless or ("HeldNoPlan", "no plan names this workload")
        return _noted(hold_sizes(replace(seen, memory=memory), reason, detail), before)
    kept = {
        name: lowest_memory(memory.used.get(name, ()), now, workload.vertical) for name in workload.vertical.containers
    }
    shared = SizingPass(
        workload.vertical,
        workload.target_utilization,
        wants,
        replace(seen, memory=memory),
        now,
        _doubt(plan, seen, now),
        _frozen(workload, now),
        kept,
    )
    return _noted(_decided(shared, planless), before)


def hold_sizes(seen: ObservedPods, reason: SizeReason, detail: str, *, held: bool = True) -> SizeDecision:
    """Every pod stays as it is."""
    return SizeDecision(
        tuple(PodDecision(pod, {}, reason, detail, held) for pod in seen.pods), seen.memory, False, reason, detail, held
    )


def falls(one: PodDecision) -> bool:
    """Whether any request of the pod comes down."""
    asked = {container.name: container.asked.requests for container in one.pod.containers}
    return any(
        amount < asked[name].get(resource, 0)
        for name, resources in one.resources.items()
        for resource, amount in resources.requests.items()
    )


def _stopped(seen: ObservedPods) -> SizeDecision | None:
    """What people, or another controller, ask for before any plan."""
    wishes = seen.wishes
    if wishes.excluded is not None:
        return hold_sizes(seen, "Excluded", wishes.excluded, held=False)
    if seen.refusal is not None:
        return hold_sizes(seen, *seen.refusal)
    if wishes.unclear is not None:
        return hold_sizes(seen, "HeldUnclearWish", wishes.unclear)
    return None if wishes.frozen is None else hold_sizes(seen, "Frozen", wishes.frozen)


def _looked(seen: ObservedPods, vertical: Vertical, now: datetime) -> SizeMemory:
    """The memory with what is in use now, and without what it says of pods that are gone."""
    used = dict(seen.memory.used)
    for name, sized in vertical.containers.items():
        here = [one.used.get("memory") for pod in seen.pods for one in pod.containers if one.name == name]
        known = [amount for amount in here if amount is not None]
        if sized.memory is not None and seen.blind is None and known and len(known) == len(here):
            used[name] = noted_use(used.get(name, ()), max(known), vertical.units((name, "memory"))[2], now, vertical)
    uids = {pod.name: pod.uid for pod in seen.pods}
    rooms = {name: room for name, room in seen.memory.rooms.items() if uids.get(name) == room[0]}
    rooms |= {pod.name: (pod.uid, pod.room) for pod in seen.pods if pod.pending == "Infeasible" and pod.room}
    unsupported = {name: uid for name, uid in seen.memory.unsupported.items() if uids.get(name) == uid}
    told = {name: text for name, text in seen.memory.told.items() if name in uids}
    return replace(seen.memory, used=used, rooms=rooms, unsupported=unsupported, told=told)


def _wants(
    plan: WorkloadPlan | None, vertical: Vertical, seen: ObservedPods, now: datetime, rules: ControllerRules
) -> tuple[dict[SizeKey, Want] | None, SizeMemory, tuple[SizeReason, str] | None]:
    """What the plan asks for, or the safe sizes after a hold; None where everything is held, and why."""
    sizes, memory = None if plan is None else plan.sizes, seen.memory
    if sizes is None:
        return _planless(memory, now, rules)
    if now >= sizes.end:
        ended = f"plan ended {sizes.end:%Y-%m-%dT%H:%MZ}"
        until = sizes.end + rules.hold_for
        if now < until:
            return None, memory, ("HeldPlanExpired", f"{ended}, sizes held until {until:%H:%MZ}")
        return _safe({one.key: one.safe for one in sizes.sizes}), memory, ("PlanExpired", f"{ended}: safe sizes")
    reach = now + sizes.lead_time + 2 * rules.period
    first = sizes.between(now, reach)
    if not first:
        return None, memory, ("HeldPlanNotStarted", f"the plan starts at {sizes.start:%Y-%m-%dT%H:%MZ}")
    later = sizes.between(now, reach + SOON)
    memory = replace(memory, held_since=None, safe={one.key: one.safe for one in sizes.sizes})
    known = {key: change for key, change in first.items() if key in vertical.moved()}
    return (
        {key: Want(change.amount, later[key].amount, _SHORT.get(change.binding)) for key, change in known.items()},
        memory,
        None,
    )


_SHORT = {"max": "its max", "node": "the largest node", "quota": "the quota"}


def _planless(
    memory: SizeMemory, now: datetime, rules: ControllerRules
) -> tuple[dict[SizeKey, Want] | None, SizeMemory, tuple[SizeReason, str]]:
    missing = "no plan sizes this workload"
    known = memory.held_since is not None and memory.held_since <= now + FUTURE
    since = memory.held_since if known and memory.held_since is not None else now
    until, noted = since + rules.hold_for, replace(memory, held_since=since)
    if now < until or not memory.safe:
        return None, noted, ("HeldNoPlan", f"{missing}; sizes held until {until:%m-%d %H:%MZ}")
    return _safe(memory.safe), noted, ("PlanExpired", f"{missing} since {since:%m-%d %H:%MZ}: safe sizes")


def _safe(amounts: Mapping[SizeKey, int]) -> dict[SizeKey, Want]:
    return {key: Want(amount, amount) for key, amount in amounts.items()}


def _doubt(plan: WorkloadPlan | None, seen: ObservedPods, now: datetime) -> tuple[SizeReason, str] | None:
    """Why no request may come down: nothing shrinks because data vanished."""
    if seen.blind is not None:
        return "HeldNoMetrics", seen.blind
    if seen.pods and seen.cpu_used() is None:
        return "HeldNoMetrics", "not every pod is measured"
    quiet, used = None if plan is None else plan.quiet_at(now), seen.cpu_used()
    if quiet is not None and used is not None and used < quiet:
        return "HeldTrafficVanished", f"usage {used}m is below the {quiet}m that a quiet hour has; an incident?"
    return None


def _frozen(workload: Workload, now: datetime) -> str | None:
    """The freeze that is on; None outside of freezes and within change hours."""
    limits = workload.limits
    freeze = next((one for one in limits.freezes if one.start <= now < one.end), None)
    if freeze is not None:
        return f"freeze {freeze.name} until {freeze.end:%Y-%m-%dT%H:%MZ}"
    if not limits.hours:
        return None
    from zoneinfo import ZoneInfo

    open_ = any(hours.holds(now.astimezone(ZoneInfo(hours.timezone)).time()) for hours in limits.hours)
    return None if open_ else "outside of limits.hours"


def _decided(shared: SizingPass, planless: tuple[SizeReason, str] | None) -> SizeDecision:
    seen, turn = shared.seen, _turn(shared)
    pods = [PodSizing(shared, pod, planless, may_restart=pod.name == turn).decided() for pod in seen.pods]
    told = {one.pod.name: text for one in pods if (text := _told(one)) is not None}
    pods = [
        replace(one, news=_told(one) is not None and seen.memory.told.get(one.pod.name) != _told(one)) for one in pods
    ]
    moved = any(one.changes for one in pods)
    memory = replace(seen.memory, told=told, moved_at=shared.now if moved else seen.memory.moved_at)
    reason: SizeReason = min((one.reason for one in pods), key=rank, default="AsPlanned")
    first = next((one for one in pods if one.reason == reason), None)
    held, detail = any(one.held for one in pods), "" if first is None else first.detail
    return SizeDecision(tuple(pods), memory, False, reason, detail, held)


def _noted(made: SizeDecision, before: SizeMemory) -> SizeDecision:
    """With `notes` where the memory is to be written."""
    return replace(made, notes=made.memory != before)


def _told(one: PodDecision) -> str | None:
    """What is reported of a pod once, not at every pass."""
    return one.told if one.reason in ROOMLESS else None


def _turn(shared: SizingPass) -> str | None:
    """The pod whose containers may be restarted in this pass: the last by name, while all pods serve."""
    if shared.frozen is not None or any(pod.may_restart_soon for pod in shared.seen.pods):
        return None
    waiting = [pod.name for pod in shared.seen.pods if PodSizing(shared, pod, None, may_restart=True).restarts()]
    return max(waiting, default=None)
