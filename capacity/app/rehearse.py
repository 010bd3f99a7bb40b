"""Rehearses a peak: raises a floor now, measures how long replicas take and what delays them, and restores it.

The floor is raised with an annotation that expires, so that the controller keeps the floor meanwhile, and lowers it if
the rehearsal is killed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from capacity.app.control import preview
from capacity.app.reconciliation import Reconciliation
from capacity.cluster.act import announce, give_back, write
from capacity.cluster.annotations import REHEARSAL, rehearsal_text
from capacity.cluster.autoscaler import Autoscaler
from capacity.cluster.client import CONFLICT, ClusterReader, ClusterWriter
from capacity.cluster.lease import TRIES, Writers, read_switch
from capacity.cluster.observe import list_autoscalers, observe_workloads
from capacity.cluster.readiness import with_readiness
from capacity.model import ClusterError, ConfigError, Decision, Memory, Readiness, Workload, WorkloadPlan
from capacity.model.observation import SLOW
from capacity.model.outcome import Outcome
from capacity.model.rehearsal import Ending, Hindrance, Rehearsal, RehearsalLimits

LOOK = 5.0  # seconds between two reads, and the precision of a measured start
SPARE = timedelta(minutes=2)  # after its time limit, in which a rehearsal itself restores the floor
SYNCS = timedelta(seconds=30)  # two syncs of the autoscaler: until then it may not have seen the floor
HALF = 0.5  # of the way from the lowest to the highest floor of the plan: above it lies a peak


@dataclass(frozen=True, slots=True)
class Stage:
    """The workload, the pass that would be made for it now, and its environment: a client, a clock and a way to wait.

    `wait` waits the given number of seconds, and returns whether to stop.
    """

    writer: ClusterWriter
    work: Reconciliation
    workload: Workload
    clock: Callable[[], datetime]
    wait: Callable[[float], bool]


def find_workload(work: Reconciliation, name: str) -> Workload:
    """The workload by `namespace/name`. Raises `ConfigError`."""
    found = [one for one in work.workloads if f"{one.namespace}/{one.name}" == name]
    if not found:
        known = ", ".join(sorted(f"{one.namespace}/{one.name}" for one in work.workloads)[:20])
        raise ConfigError(f"expected a configured workload as NAMESPACE/NAME, got {name!r}; there are {known}")
    return found[0]


def rehearse(stage: Stage, to: int | None, limits: RehearsalLimits) -> Rehearsal:
    """Raise the floor of one workload now, wait until as many replicas are ready, and restore it.

    Parameters
    ----------
    stage : Stage
        The workload and its environment.
    to : int or None
        The floor to rehearse. None: the highest of the plan.
    limits : RehearsalLimits
        The time limit, and the replica-hours it may cost.

    Returns
    -------
    Rehearsal
        The result.

    Raises
    ------
    ClusterError
        It must not begin: a peak is near, somebody holds this floor, or the budget is too small; or the cluster
        refused.
    """
    plan, before = _may_begin(stage, to, limits)
    target = to if to is not None else plan.peak.replicas
    began = stage.clock()
    first = _raise(stage, before, target, began + limits.within + SPARE)
    run = _Run(stage, limits, target, began, before.observation.current, looked=began)
    try:
        run.watch()
    finally:
        left, remark = _given_back(stage, run, plan, first)
    return run.report(before.observation.floor, plan.lead_time, left, remark)


def _may_begin(stage: Stage, to: int | None, limits: RehearsalLimits) -> tuple[WorkloadPlan, Autoscaler]:
    """The present plan and autoscaler. Raises `ClusterError` if a rehearsal would do harm."""
    work, workload = stage.work, stage.workload
    (outcome,) = preview(stage.writer, replace(work, workloads=(workload,)))
    if outcome.decision is None or outcome.error is not None:
        raise ClusterError(f"{outcome.where}: {outcome.error}")
    plan = work.plan_of(workload)
    if plan is None:
        raise _refusal(workload, "no plan says when its peak is; make one first")
    decision = outcome.decision
    if decision.held or decision.reason not in CALM:
        raise _refusal(workload, f"its floor is not at rest: {decision.reason} ({decision.detail})")
    found = _look(stage.writer, workload, work.now)
    target = plan.peak.replicas if to is None else to
    for why in (_near_peak(plan, work, limits), _pointless(found, target), _dear(found, target, limits)):
        if why is not None:
            raise _refusal(workload, why)
    if found.readiness is None:
        raise _refusal(workload, "its ready replicas cannot be read; grant `list` of Deployments, pods and Events")
    return plan, found


CALM = ("AsPlanned", "StepDown", "SecondLook", "AutoscalerNeeds", "DemandFalling", "FloorNotReached")


def _refusal(workload: Workload, why: str) -> ClusterError:
    return ClusterError(f"{workload.namespace}/{workload.name}: not rehearsed, nothing was changed: {why}")


def _near_peak(plan: WorkloadPlan, work: Reconciliation, limits: RehearsalLimits) -> str | None:
    """Why a peak is too near: the rehearsal might not be over when its replicas are needed."""
    until = work.now + limits.within + SPARE + plan.lead_time + 2 * work.policy.period
    if until >= plan.end:
        return f"the plan ends at {plan.end:%Y-%m-%dT%H:%MZ}, too soon to know that no peak comes"
    lowest, highest = min(change.replicas for change in plan.floor), plan.peak.replicas
    coming = plan.floor_between(work.now, until) or highest
    if highest > lowest and coming > lowest + HALF * (highest - lowest):
        return f"a peak is on or near: the plan needs {coming} replicas until {until:%H:%MZ}, {highest} at most"
    return None


def _pointless(found: Autoscaler, target: int) -> str | None:
    seen = found.observation
    if target > seen.ceiling:
        return f"{target} replicas are above its ceiling {seen.ceiling}"
    if target <= max(seen.floor, seen.current):
        return f"{max(seen.floor, seen.current)} replicas run already; rehearse with more than these"
    return None


def _dear(found: Autoscaler, target: int, limits: RehearsalLimits) -> str | None:
    most = limits.most(target - found.observation.current)
    if most <= limits.budget:
        return None
    return f"it may take {most:.3g} replica hours, the budget is {limits.budget:g}: raise --budget or lower --within"


def _look(reader: ClusterReader, workload: Workload, now: datetime) -> Autoscaler:
    """The autoscaler, with its ready replicas if they can be read. Raises `ClusterError`."""
    seen = list(observe_workloads(reader, [workload], list_autoscalers(reader, [workload]), now))
    ((_, _, found),) = with_readiness(reader, seen)
    if isinstance(found, ClusterError):
        raise found
    return found


def _raise(stage: Stage, found: Autoscaler, target: int, until: datetime) -> Autoscaler:
    """Raise the floor, and note its expiry. Returns the autoscaler as it was just before."""
    workload, text = stage.workload, rehearsal_text(target, until)
    with Writers(stage.writer) as taken:
        other = taken.refusal(workload.namespace)
        if other is not None:
            raise _refusal(workload, f"{other}; try again in a minute")
        for attempt in range(1, TRIES + 1):
            noted = _annotated(found, text)
            memory = replace(found.observation.memory, moved_at=found.now)
            decision = _decision(noted, target, f"rehearsed until {until:%H:%MZ}", memory)
            try:
                write(stage.writer, noted, decision, stage.work.expires(workload))
            except ClusterError as error:
                if error.status != CONFLICT or attempt == TRIES:
                    raise
                found = _look(stage.writer, workload, stage.clock())
                continue
            announce(stage.writer, Outcome(workload, decision, done=True), noted)
            return found
    raise AssertionError("unreachable: the last attempt returns or raises")


def _annotated(found: Autoscaler, text: str) -> Autoscaler:
    metadata = found.document["metadata"]
    annotations = {**found.annotations, REHEARSAL: text}
    return found.reread({**found.document, "metadata": {**metadata, "annotations": annotations}})


def _decision(found: Autoscaler, floor: int, detail: str, memory: Memory) -> Decision:
    seen = found.observation
    return Decision(floor, seen.ceiling, "Rehearsing", seen.floor, seen.ceiling, detail, memory=memory)


@dataclass
class _Run:
    """A rehearsal in progress: what each read showed, until all replicas are ready or it must end."""

    stage: Stage
    limits: RehearsalLimits
    target: int
    began: datetime
    base: int
    looked: datetime
    ended: Ending = "stopped"
    remark: str = ""
    spent: float = 0.0
    most_ready: int = 0
    times: dict[str, timedelta] = field(default_factory=dict)
    hindrances: dict[str, Hindrance] = field(default_factory=dict)

    def watch(self) -> None:
        """Read repeatedly until the end. A failed read does not end it; the time limit does."""
        while not self.stage.wait(LOOK):
            now = self.stage.clock()
            try:
                found = _look(self.stage.writer, self.stage.workload, now)
                ending = self._interfered(found) or self._seen(found, now)
            except ClusterError as error:
                ending = None
                self.remark = f"a read failed: {error}"
            if ending is None and now - self.began >= self.limits.within:
                ending = "time"
            if ending is not None:
                self.ended = ending
                return

    def report(self, before: int, lead_time: timedelta, left: int | None, remark: str) -> Rehearsal:
        """The result."""
        return Rehearsal(
            where=f"{self.stage.workload.namespace}/{self.stage.workload.name}",
            began=self.began,
            before=before,
            to=self.target,
            lead_time=lead_time,
            ended=self.ended,
            asked=self.times.get("asked"),
            existing=self.times.get("existing"),
            ready=self.times.get("ready"),
            most_ready=self.most_ready,
            spent=self.spent,
            hindrances=tuple(self.hindrances.values()),
            left=left,
            remark=remark or self.remark,
        )

    def _interfered(self, found: Autoscaler) -> Ending | None:
        """Whether somebody else changed the object or used the off switch, which ends the rehearsal."""
        seen, workload = found.observation, self.stage.workload
        off = read_switch(self.stage.writer, self.stage.work.home or workload.namespace)
        wish = seen.wishes.frozen or seen.wishes.excluded or seen.wishes.unclear
        other = f"{seen.edited_by} set the floor to {seen.floor}" if seen.edited_by else None
        lowered = f"the floor was set to {seen.floor}" if seen.floor < self.target else None
        self.remark = off or wish or other or lowered or self.remark
        return "interfered" if off or wish or other or lowered else None

    def _seen(self, found: Autoscaler, now: datetime) -> Ending | None:
        seen, after = found.observation, now - self.began
        self.spent += max(0, seen.current - self.base) * ((now - self.looked) / timedelta(hours=1))
        self.looked = now
        ready = 0 if seen.readiness is None else seen.readiness.ready
        self.most_ready = max(self.most_ready, ready)
        for name, count in (("asked", seen.desired), ("existing", seen.current), ("ready", ready)):
            if count >= self.target:
                self.times.setdefault(name, after)
        self._hindered(seen.readiness, after)
        if "ready" in self.times:
            return "reached"
        return "budget" if self.spent >= self.limits.budget else None

    def _hindered(self, readiness: Readiness | None, after: timedelta) -> None:
        if readiness is None or readiness.cause is None or readiness.ready >= self.target:
            return
        if readiness.cause != "autoscaler" or after > SYNCS:
            self.hindrances.setdefault(readiness.cause, Hindrance(after, f"{readiness.cause}: {readiness.detail}"))


def _given_back(stage: Stage, run: _Run, plan: WorkloadPlan, first: Autoscaler) -> tuple[int | None, str]:
    """Restore the floor, or set what the plan needs by now. Returns it, and a remark if that failed."""
    try:
        return _back(stage, run, plan, first), ""
    except ClusterError as error:
        ends = run.began + run.limits.within + SPARE
        return None, f"not restored: {error}; the controller lowers the floor after {ends:%H:%MZ}"


def _back(stage: Stage, run: _Run, plan: WorkloadPlan, first: Autoscaler) -> int:
    workload, ended = stage.workload, rehearsal_text(run.target, run.began)
    for attempt in range(1, TRIES + 1):
        found = _look(stage.writer, workload, stage.clock())
        if found.observation.edited_by is not None:
            return found.floor  # somebody set it meanwhile: it stays
        try:
            if first.notes.baseline is None:
                give_back(stage.writer, workload, found, None)
                return first.floor
            need = plan.floor_between(found.now, found.now + plan.lead_time + 2 * stage.work.policy.period) or 0
            back = min(max(first.floor, need), run.target)
            decision = _decision(_annotated(found, ended), back, "the rehearsal is over", _learned(run, plan, found))
            write(stage.writer, _annotated(found, ended), decision, stage.work.expires(workload))
            announce(stage.writer, Outcome(workload, decision, done=True), found)
        except ClusterError as error:
            if error.status != CONFLICT or attempt == TRIES:
                raise
            continue
        return back
    raise AssertionError("unreachable: the last attempt returns or raises")


def _learned(run: _Run, plan: WorkloadPlan, found: Autoscaler) -> Memory:
    """Our annotations, with the time it took if that was longer than planned only because starts are slow."""
    memory = replace(found.observation.memory, moved_at=found.now)
    took = run.times.get("ready")
    if took is None or took <= plan.lead_time or not set(run.hindrances) <= set(SLOW):
        return memory
    return replace(memory, slow_start=timedelta(seconds=round(took.total_seconds())), slow_at=found.now)
