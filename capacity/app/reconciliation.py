"""The inputs of one pass, what it decides for each workload, and why floors are held. Nothing here writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from capacity.app.actuation import Due, Key, Situation
from capacity.cluster.autoscaler import Autoscaler
from capacity.cluster.client import ClusterReader
from capacity.cluster.kinds import Kind
from capacity.cluster.lease import read_switch
from capacity.cluster.metric_target import target_move
from capacity.cluster.observe import (
    Autoscalers,
    Seen,
    observe_workloads,
    other_owner,
    scaled_by,
    with_times,
)
from capacity.cluster.ownership import Owner, advice
from capacity.cluster.readiness import with_readiness
from capacity.decision import Brake, ControllerRules, check_due, decide, hold, with_slow_starts
from capacity.decision.decide import STILL
from capacity.decision.guards import BrakeEpisode, brake_episode
from capacity.decision.reached import UNREACHED
from capacity.model import (
    CapacityError,
    ClusterError,
    Decision,
    Observation,
    Owned,
    Plan,
    Wishes,
    Workload,
    WorkloadPlan,
)
from capacity.model.fields import AutoLeadTime
from capacity.model.outcome import Outcome, TargetMove
from capacity.shown import shows_itself

PARALLEL = 8  # writes at a time: an API server that takes 40 ms a write then takes 200 a second
UNTOUCHED = ("Excluded", "Frozen", "SwitchedOff", "HeldChangeWindow")  # whose autoscaler is left as it stands
SKEW = timedelta(minutes=2)  # between our clock and the API server's: NTP keeps them within a second
Stays = Callable[[Due], tuple[str, str] | None]  # the reason, and the sentence, why something may not be written now


@dataclass(frozen=True, slots=True)
class Guard:
    """Why floors may not move (`off` by namespace, `change`) or not be lowered (`skew`, `episode`); None: they may.

    `unknown`: by namespace, why its off switch cannot be read, which counts as off. `server_time`: the API server's
    clock, used to note the times of moves while our clock is wrong.
    """

    off: Mapping[str, str | None] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    skew: str | None = None
    server_time: datetime | None = None
    episode: BrakeEpisode = field(default_factory=BrakeEpisode)
    change: str | None = None

    def hold(self, namespace: str, observation: Observation, decision: Decision) -> Decision:
        """The decision, held if this guard says so."""
        off = self.off.get(namespace)
        if off is not None:
            return hold(observation, "SwitchedOff", off)
        if self.change is not None:
            return hold(observation, "HeldChangeWindow", f"a change is in progress: {self.change}")
        if self.skew is not None:
            return self._skewed(observation, decision)
        return self.episode.applied(observation, decision)

    def stays(self, due: Due) -> tuple[str, str] | None:
        """Why an actuator may not make this write; None: it may."""
        namespace = due.workload.namespace
        off = self.off.get(namespace) or self.unknown.get(namespace)
        if off is not None:
            return "SwitchedOff", off
        if self.change is not None:
            return "HeldChangeWindow", f"a change is in progress: {self.change}"
        if self.skew is not None and due.actuation.falls:
            return "HeldClockSkew", self.skew
        return None

    def _skewed(self, observation: Observation, decision: Decision) -> Decision:
        """With a wrong clock no floor is lowered, and its time is not noted."""
        if decision.falls:
            return hold(observation, "HeldClockSkew", str(self.skew))
        memory = replace(observation.memory, moved_at=self.server_time, safe_floor=decision.memory.safe_floor)
        return replace(decision, memory=memory, notes=False)


def clock_skew(now: datetime, server_time: datetime | None, waited: timedelta = timedelta(0)) -> str | None:
    """Why our clock cannot be trusted; None if the API server's clock nearly agrees, or is not known.

    `waited`: how long after `now` the server's answer came. A slow server is no wrong clock.
    """
    now += waited
    if server_time is None or abs(now - server_time) <= SKEW:
        return None
    return f"our clock says {now:%Y-%m-%dT%H:%M:%SZ}, the API server's {server_time:%Y-%m-%dT%H:%M:%SZ}"


@shows_itself
@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The inputs of one pass: the workloads, their plan, the rules, and the time.

    Parameters
    ----------
    workloads : sequence of Workload
        The configured workloads.
    plan : Plan or None
        The plan to follow; None where there is none.
    policy : ControllerRules
        How floors move.
    now : datetime
        The time to decide for, with a time zone.
    unreadable : mapping of str to str
        By namespace, why its plan could not be read. Default none.
    brake : Brake
        When so many floors would fall together that none does. Default: `Brake()`.
    home : str or None
        The namespace of the off switch. Default: each workload's own.
    real_time : bool
        Whether `now` is the clock's, to be compared with the API server's. Default no.
    change : str or None
        The change in progress, which holds every floor. Default none.
    began : float or None
        `now` in seconds of this process's monotonic clock. Default none.
    chosen : frozenset of (str, str) or None
        Namespace and target of those that may be written. Default: all, and those that no workload names any more.
    parallel : int
        Concurrent writes. Default: see the field.
    metric_times : bool
        Whether to check in metrics.k8s.io when metrics were measured, before a floor is lowered. Default no.
    contradicted : mapping of (str, str) to str
        By namespace and name, why its plan contradicts the configuration and is not followed. Default none.
    noted : mapping of (str, str) to str
        By namespace and name, a warning about what its plan does not know yet of the configuration. Default none.
    """

    workloads: Sequence[Workload]
    plan: Plan | None
    policy: ControllerRules
    now: datetime
    unreadable: Mapping[str, str] = field(default_factory=dict)
    brake: Brake = field(default_factory=Brake)
    home: str | None = None
    real_time: bool = False
    change: str | None = None
    began: float | None = None
    chosen: frozenset[tuple[str, str]] | None = None
    parallel: int = PARALLEL
    metric_times: bool = False
    contradicted: Mapping[Key, str] = field(default_factory=dict)
    noted: Mapping[Key, str] = field(default_factory=dict)
    _plans: Mapping[tuple[str, str], WorkloadPlan] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        plans = self.plan.workloads if self.plan else ()
        object.__setattr__(self, "_plans", {plan.key: plan for plan in plans if plan.key not in self.contradicted})

    def decide(self, workload: Workload, autoscalers: Autoscalers, autoscaler: Autoscaler) -> Decision:
        """The decision for one workload, held if somebody else owns the floor."""
        observation = autoscaler.observation
        owner = other_owner(workload, autoscaler.document, autoscalers) or _reconciled(workload, autoscaler)
        if owner is not None and observation.wishes.excluded is None:
            return hold(observation, *owner)
        plan = self._plan(workload, observation)
        decision = decide(plan, observation, self.now, replace(self.policy, ceiling_buffer=workload.ceiling_buffer))
        if plan is not self._plans.get(workload.key) and plan is not None:
            learned = f"lead time {plan.lead_time.total_seconds():.0f} s, as the last late rise took"
            decision = replace(decision, detail=f"{decision.detail}; {learned}")
        due = autoscaler.expiry_due(self.expires(workload)) and observation.wishes.excluded is None
        return replace(decision, notes=True) if due and not decision.notes else decision

    def move(self, workload: Workload, autoscaler: Autoscaler, decision: Decision) -> TargetMove | None:
        """The move of the autoscaler's target; None while its floor is held or left alone."""
        if decision.held or decision.reason in UNTOUCHED:
            return None
        plan = self._plans.get(workload.key)
        policy = None if plan is None else plan.policy
        managed = workload.manages_target and policy is not None and policy.standing == "managed"
        return target_move(autoscaler, policy.target if managed and policy else None, take=workload.target.take)

    def situation(self, cases: Sequence[TargetState], guard: Guard) -> Situation:
        """The inputs of the actuators."""
        scaled = {
            case.workload.key: scaled_by(case.workload, found.document) for case in cases if (found := case.found)
        }
        server_time = guard.server_time if guard.skew is not None else None
        return Situation(self.workloads, self._plans, self.now, self.policy, scaled, server_time)

    @property
    def counted(self) -> list[Workload]:
        """The workloads that scale by their number of pods: those that have a floor."""
        return [workload for workload in self.workloads if workload.scaling == "horizontal"]

    def without_floor(self) -> list[Outcome]:
        """The outcomes of the other workloads, to which actuations are added. An unreadable plan is an error."""
        others = (workload for workload in self.workloads if workload.scaling != "horizontal")
        unusable = ((one, self.unusable(one)) for one in others)
        return [Outcome(one, error=None if why is None else f"plan: {why}") for one, why in unusable]

    def unusable(self, workload: Workload) -> str | None:
        """Why the plan of a workload could not be read, or is not followed; None: it is, or there is none."""
        return self.unreadable.get(workload.namespace) or self.contradicted.get(workload.key)

    def with_notes(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """The outcomes, with a warning if a plan does not match the present configuration."""
        for outcome in outcomes:
            note = self.noted.get(outcome.workload.key)
            said = () if note is None else (f"{outcome.where}: {note}",)
            yield replace(outcome, warnings=(*outcome.warnings, *said)) if said else outcome

    def checks(self, workload: Workload, observation: Observation) -> bool:
        """Whether the ready replicas of this workload must be counted now."""
        plan, period = self._plan(workload, observation), self.policy.period
        return plan is not None and check_due(observation, self.now, plan.lead_time + 2 * period, period)

    def plan_of(self, workload: Workload) -> WorkloadPlan | None:
        """The plan of one workload; None where there is none."""
        return self._plans.get(workload.key)

    def _plan(self, workload: Workload, observation: Observation) -> WorkloadPlan | None:
        """Its plan. An automatic lead time is also learned from rises; a configured one is kept."""
        plan = self._plans.get(workload.key)
        if plan is None:
            return None
        if not isinstance(workload.lead_time, AutoLeadTime):
            return replace(plan, lead_time=workload.lead_time) if workload.lead_time > plan.lead_time else plan
        return with_slow_starts(plan, observation.memory, self.now)

    def waited(self, reader: ClusterReader) -> timedelta:
        """The time from `now` to the server's last answer."""
        answered = reader.answered_at
        return timedelta(seconds=0 if self.began is None or answered is None else answered - self.began)

    def expires(self, workload: Workload) -> datetime | None:
        """When a floor set now expires unless it is renewed; None without a plan."""
        plan = self._plans.get(workload.key)
        return None if plan is None else plan.end + self.policy.hold_for


@dataclass(frozen=True, slots=True)
class TargetState:
    """One workload in a pass: its observation and decision, or the error that prevented them."""

    seen: Seen
    decision: Decision | None = None
    error: str | None = None
    move: TargetMove | None = None

    @property
    def workload(self) -> Workload:
        """The workload."""
        return self.seen[0]

    @property
    def found(self) -> Autoscaler | None:
        """Its autoscaler; None if it could not be read."""
        return None if isinstance(self.seen[2], ClusterError) else self.seen[2]

    @property
    def due(self) -> bool:
        """Whether a write is due."""
        moves = self.move is not None and self.move.refused is None
        return self.decision is not None and (self.decision.changes or self.decision.notes or moves)

    @property
    def rises(self) -> bool:
        """Whether the floor or ceiling moves, and the floor does not fall."""
        return self.decision is not None and self.decision.changes and not self.decision.falls

    @property
    def falls(self) -> bool:
        """Whether the floor falls."""
        return self.decision is not None and self.decision.falls

    @property
    def comes_down(self) -> bool:
        """Whether the floor falls, or would fall if its metrics were known to be alive or its last step were older."""
        return self.falls or (self.decision is not None and self.decision.reason in ("SecondLook", "StepDown", STILL))

    def outcome(self, work: Reconciliation) -> Outcome:
        """The case as decided, before anything is written."""
        unusable = work.unusable(self.workload)
        errors = [f"plan: {unusable}" if unusable else None, self.error]
        error = "; ".join(text for text in errors if text) or None
        return Outcome(
            self.workload, self.decision, error, warnings=refusals(self.workload, self.move), target=self.move
        )

    @property
    def observation(self) -> Observation | None:
        """The observation; None if there is none."""
        found = self.seen[2]
        return None if isinstance(found, ClusterError) or self.decision is None else found.observation


def refusals(workload: Workload, move: TargetMove | None) -> tuple[str, ...]:
    """Why a target is not set, as a warning."""
    if move is None or move.refused is None:
        return ()
    return (f"{workload.namespace}/{workload.target.name}: {move}",)


def guarded(workload: Workload, act: Callable[[], Outcome]) -> Outcome:
    """The outcome of one workload; an error affects only this workload. Objects written by others may lack any key."""
    try:
        return act()
    except (CapacityError, KeyError, TypeError, ValueError, AttributeError) as error:
        text = str(error) if isinstance(error, CapacityError) else f"unexpected answer: {type(error).__name__} {error}"
        return Outcome(workload, error=text)


def decided_cases(
    reader: ClusterReader, work: Reconciliation, by_namespace: dict[str, Autoscalers | ClusterError]
) -> tuple[list[TargetState], Guard]:
    """Every workload as observed and decided, held if the guard of this pass says so; and the guard."""
    cases = [_case(work, seen) for seen in observe_workloads(reader, work.counted, by_namespace, work.now)]
    skew = clock_skew(work.now, reader.server_time, work.waited(reader)) if work.real_time else None
    off, unknown = _switches(reader, work)
    guard = _braked(work, cases, Guard(off, unknown, skew, reader.server_time, change=work.change))
    return [_guarded_case(work, guard, case) for case in cases], guard


def reasons_to_stay(guard: Guard, cases: Sequence[TargetState]) -> Stays:
    """Why a write may not be made now: annotations of people on the workload's autoscaler, then the guard."""
    wishes = {case.workload.key: case.observation.wishes for case in cases if case.observation is not None}
    unread = {case.workload.key: case.error for case in cases if case.observation is None}

    def stays(due: Due) -> tuple[str, str] | None:
        wish = wishes.get(due.workload.key, Wishes())
        if wish.excluded is not None:
            return "Excluded", wish.excluded
        if wish.unclear is not None:
            return "HeldUnclearWish", wish.unclear
        if due.workload.key in unread and due.actuation.falls:
            return "HeldUnclearWish", f"the annotations of its autoscaler cannot be read: {unread[due.workload.key]}"
        return guard.stays(due) if wish.frozen is None else ("Frozen", wish.frozen)

    return stays


def _case(work: Reconciliation, seen: Seen) -> TargetState:
    workload, autoscalers, found = seen
    if isinstance(found, ClusterError):
        return TargetState(seen, error=str(found))
    outcome = guarded(workload, lambda: Outcome(workload, work.decide(workload, autoscalers, found)))
    return TargetState(seen, outcome.decision, outcome.error)


def checked(
    reader: ClusterReader, work: Reconciliation, guard: Guard, cases: Sequence[TargetState]
) -> list[TargetState]:
    """The cases, some decided again after more reads: ready replicas after a rise, the age of metrics at a fall."""
    raised = [case for case in cases if _rise_is_due(work, case)]
    falling = [case for case in cases if work.metric_times and case.comes_down]
    seen = dict(zip(map(id, raised), with_readiness(reader, [case.seen for case in raised]), strict=True))
    seen |= dict(zip(map(id, falling), with_times(reader, [case.seen for case in falling]), strict=True))
    return [_guarded_case(work, guard, _case(work, seen[id(case)])) if id(case) in seen else case for case in cases]


def _rise_is_due(work: Reconciliation, case: TargetState) -> bool:
    seen, decision = case.observation, case.decision
    followed = decision is not None and decision.reason in ("AsPlanned", UNREACHED)
    return followed and seen is not None and work.checks(case.workload, seen)


def _switches(reader: ClusterReader, work: Reconciliation) -> tuple[dict[str, str | None], dict[str, str]]:
    """By namespace: why it is switched off; and why its switch cannot be read, which counts as off."""
    off: dict[str, str | None] = {}
    unknown: dict[str, str] = {}
    for namespace in dict.fromkeys(workload.namespace for workload in work.workloads):
        try:
            off[namespace] = read_switch(reader, work.home or namespace)
        except ClusterError as error:
            unknown[namespace] = f"off switch: {error}"
    return off, unknown


def _braked(work: Reconciliation, cases: list[TargetState], guard: Guard) -> Guard:
    fleet = [
        (case.seen[2].observation, case.decision)
        for case in cases
        if case.decision is not None and isinstance(case.seen[2], Autoscaler) and case.decision.reason != "Excluded"
    ]
    return replace(guard, episode=brake_episode(fleet, work.now, work.brake))


def _guarded_case(work: Reconciliation, guard: Guard, case: TargetState) -> TargetState:
    found, namespace = case.seen[2], case.workload.namespace
    if case.decision is None or isinstance(found, ClusterError):
        return case
    if namespace in guard.unknown:
        return TargetState(case.seen, error=guard.unknown[namespace])
    decision = guard.hold(namespace, found.observation, case.decision)
    return TargetState(case.seen, decision, move=work.move(case.workload, found, decision))


def _reconciled(workload: Workload, autoscaler: Autoscaler) -> tuple[Owned, str] | None:
    """Why we may not set the field, and who owns it; a ceiling that is only honored does not count.

    A controller would write the field again. Tools that applied it server-side would meet a conflict, which a person
    has to allow; but a field that we once owned and others took back is set again.
    """
    kind, name, target = autoscaler.kind, workload.target.name, workload.target
    managers = autoscaler.reconcilers(target.ignored_by, with_ceiling=workload.ceiling_buffer is not None)
    if managers:
        return "HeldForeignOwner", _reconciler_text(managers, kind, name)
    appliers = [one for one in autoscaler.appliers() if one.manager not in target.ignored_by]
    if not appliers or target.take or autoscaler.notes.baseline is not None:
        return None
    found = advice(appliers[0], kind, name)
    return "HeldForeignOwner", (
        f"{found}; until then set target.take: true to take it by force once, or target.ignored_by: "
        f"[{appliers[0].manager}] where it leaves the field out already"
    )


def _reconciler_text(managers: list[str], kind: Kind, name: str) -> str:
    names = ", ".join(managers)
    if all(manager.lower().startswith(("kustomize-", "helm-")) for manager in managers):
        return f"{names} sets this field back by itself; {advice(Owner(managers[0], 'Apply'), kind, name).cure}"
    argo = advice(Owner("argocd", "Apply"), kind, name).cure.partition(", then set")[0]
    return f"{names} sets this field back by itself; in Argo CD {argo}, then set target.ignored_by: [{names}]"


def owner_warnings(outcome: TargetState) -> tuple[str, ...]:
    """What a tool will do to a floor that we are about to take from it for the first time; () if nothing."""
    found = outcome.seen[2]
    if isinstance(found, ClusterError) or outcome.decision is None or not outcome.decision.changes:
        return ()
    owner = found.first_owner()
    if found.notes.baseline is not None or owner is None:
        return ()
    return (f"{outcome.workload.namespace}/{outcome.workload.target.name}: {advice(owner, found.kind, found.name)}",)
