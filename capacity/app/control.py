"""Observe, decide, act: one pass over the configured workloads. `preview` holds a reader, so it cannot write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from capacity.app.actuation import Due, Key, Situation, by_workload, written
from capacity.app.actuators import actuate, actuated, give_back_actuators, observe_actuators
from capacity.cluster.act import announce, write
from capacity.cluster.annotations import read_expiry, read_wishes
from capacity.cluster.autoscaler import Autoscaler
from capacity.cluster.client import ABSENT, CONFLICT, ClusterAsker, ClusterReader, ClusterWriter
from capacity.cluster.kinds import KINDS, Kind
from capacity.cluster.lease import TRIES, Writers, read_switch
from capacity.cluster.metric_target import move_target, target_move
from capacity.cluster.observe import (
    ObservedTarget,
    Seen,
    forgotten,
    observe_target,
    observe_targets,
    other_owner,
    read_target,
    scaled_by,
    with_times,
)
from capacity.cluster.ownership import Owner, advice
from capacity.cluster.readiness import with_readiness
from capacity.cluster.restore import give_back
from capacity.decision import Brake, ControllerRules, check_due, decide, hold, with_slow_starts
from capacity.decision.decide import STILL
from capacity.decision.guards import BrakeEpisode, brake_episode
from capacity.decision.reached import UNREACHED
from capacity.logs import run_threads
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
from capacity.model.actuation import Actuation
from capacity.model.fields import AutoLeadTime
from capacity.model.outcome import Outcome as Outcome
from capacity.model.outcome import TargetMove
from capacity.model.outcome import summary as summary
from capacity.shown import shows_itself

PARALLEL = 8  # writes at a time: an API server that takes 40 ms a write then takes 200 a second
Item = TypeVar("Item")
Result = TypeVar("Result")
UNTOUCHED = ("Excluded", "Frozen", "SwitchedOff", "HeldChangeWindow")  # whose autoscaler is left as it stands
SKEW = timedelta(minutes=2)  # between our clock and the API server's: NTP keeps them within a second


@dataclass(frozen=True, slots=True)
class Guard:
    """Why floors may not move (`off` by namespace, `change`), or may not come down (`skew`, `episode`); None: they may.

    `unknown`: by namespace, why its off switch cannot be read, which is as good as off. `server_time`: the API server's
    clock, by which is noted what moves while ours is wrong.
    """

    off: Mapping[str, str | None] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    skew: str | None = None
    server_time: datetime | None = None
    episode: BrakeEpisode = field(default_factory=BrakeEpisode)
    change: str | None = None

    def hold(self, namespace: str, observation: Observation, decision: Decision) -> Decision:
        """The decision, held where this guard says so."""
        off = self.off.get(namespace)
        if off is not None:
            return hold(observation, "SwitchedOff", off)
        if self.change is not None:
            return hold(observation, "HeldChangeWindow", f"a change is on: {self.change}")
        if self.skew is not None:
            return self._skewed(observation, decision)
        return self.episode.applied(observation, decision)

    def stays(self, due: Due) -> tuple[str, str] | None:
        """Why an actuator beside the floor may not write this; None: it may."""
        namespace = due.workload.namespace
        off = self.off.get(namespace) or self.unknown.get(namespace)
        if off is not None:
            return "SwitchedOff", off
        if self.change is not None:
            return "HeldChangeWindow", f"a change is on: {self.change}"
        if self.skew is not None and due.actuation.falls:
            return "HeldClockSkew", self.skew
        return None

    def _skewed(self, observation: Observation, decision: Decision) -> Decision:
        """A wrong clock lowers nothing and notes nothing of its own."""
        if decision.falls:
            return hold(observation, "HeldClockSkew", str(self.skew))
        memory = replace(observation.memory, moved_at=self.server_time, safe_floor=decision.memory.safe_floor)
        return replace(decision, memory=memory, notes=False)


def clock_skew(now: datetime, server_time: datetime | None, waited: timedelta = timedelta(0)) -> str | None:
    """Why our clock cannot be trusted; None where the API server's says nearly the same, or says nothing.

    `waited`: how long after `now` the server's answer came. A slow server is no wrong clock.
    """
    now += waited
    if server_time is None or abs(now - server_time) <= SKEW:
        return None
    return f"our clock says {now:%Y-%m-%dT%H:%M:%SZ}, the API server's {server_time:%Y-%m-%dT%H:%M:%SZ}"


@shows_itself
@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What one pass works on: the workloads, their plan, the rules, and the time.

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
        When so many floors want to come down that none does. Default: `Brake()`.
    home : str or None
        The namespace of the off switch. Default: each workload's own.
    real_time : bool
        Whether `now` is the clock's, to be compared with the API server's. Default no.
    change : str or None
        The change that is on and holds every floor. Default none.
    began : float or None
        `now` in seconds of this process's monotonic clock. Default none.
    chosen : frozenset of (str, str) or None
        Namespace and target of those that may be written. Default: all, and what nobody names any more.
    parallel : int
        Writes at a time. Default as the field says.
    metric_times : bool
        Whether metrics.k8s.io is asked when metrics were measured, before a floor comes down. Default no.
    contradicted : mapping of (str, str) to str
        By namespace and name, why its plan contradicts the configuration and is not followed. Default none.
    noted : mapping of (str, str) to str
        By namespace and name, what its plan does not know yet of the configuration: a warning. Default none.
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

    def decide(self, workload: Workload, scene: ObservedTarget, autoscaler: Autoscaler) -> Decision:
        """The decision for one workload, held where somebody else owns the floor."""
        observation = autoscaler.observation
        owner = other_owner(workload, autoscaler.document, scene) or _reconciled(workload, autoscaler)
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
        """What happens to the autoscaler's own target; nothing while its floor is held or left alone."""
        if decision.held or decision.reason in UNTOUCHED:
            return None
        plan = self._plans.get(workload.key)
        policy = None if plan is None else plan.policy
        managed = workload.manages_target and policy is not None and policy.standing == "managed"
        return target_move(autoscaler, policy.target if managed and policy else None, take=workload.target.take)

    def situation(self, cases: Sequence[TargetState], guard: Guard) -> Situation:
        """What the actuators beside the floor work on."""
        scaled = {
            case.workload.key: scaled_by(case.workload, found.document) for case in cases if (found := case.found)
        }
        server_time = guard.server_time if guard.skew is not None else None
        return Situation(self.workloads, self._plans, self.now, self.policy, scaled, server_time)

    @property
    def counted(self) -> list[Workload]:
        """The workloads whose number of pods moves: those that have a floor."""
        return [workload for workload in self.workloads if workload.scaling == "horizontal"]

    def without_floor(self) -> list[Outcome]:
        """The outcomes of the other workloads, to which actuators add; an unreadable plan is their error as well."""
        others = (workload for workload in self.workloads if workload.scaling != "horizontal")
        unusable = ((one, self.unusable(one)) for one in others)
        return [Outcome(one, error=None if why is None else f"plan: {why}") for one, why in unusable]

    def unusable(self, workload: Workload) -> str | None:
        """Why the plan of a workload could not be read, or is not followed; None: it is, or there is none."""
        return self.unreadable.get(workload.namespace) or self.contradicted.get(workload.key)

    def with_notes(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """The outcomes with a warning where a plan does not know the configuration as it is."""
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
        """Its plan; a lead time that nobody has set is learned from rises too, one that was set since is kept."""
        plan = self._plans.get(workload.key)
        if plan is None:
            return None
        if not isinstance(workload.lead_time, AutoLeadTime):
            return replace(plan, lead_time=workload.lead_time) if workload.lead_time > plan.lead_time else plan
        return with_slow_starts(plan, observation.memory, self.now)

    def waited(self, reader: ClusterReader) -> timedelta:
        """How long after `now` the server's last answer came."""
        answered = reader.answered_at
        return timedelta(seconds=0 if self.began is None or answered is None else answered - self.began)

    def expires(self, workload: Workload) -> datetime | None:
        """Until when a floor set now stands if nobody renews it; None without a plan."""
        plan = self._plans.get(workload.key)
        return None if plan is None else plan.end + self.policy.hold_for


@dataclass(frozen=True, slots=True)
class TargetState:
    """One workload in a pass: what was seen and decided; an error where it could not be."""

    seen: Seen
    decision: Decision | None = None
    error: str | None = None
    move: TargetMove | None = None

    @property
    def workload(self) -> Workload:
        """Whose case it is."""
        return self.seen[0]

    @property
    def found(self) -> Autoscaler | None:
        """Its object; None where it could not be read."""
        return None if isinstance(self.seen[2], ClusterError) else self.seen[2]

    @property
    def due(self) -> bool:
        """Whether something is to be written."""
        moves = self.move is not None and self.move.refused is None
        return self.decision is not None and (self.decision.changes or self.decision.notes or moves)

    @property
    def rises(self) -> bool:
        """Whether floor or ceiling move, and the floor does not come down."""
        return self.decision is not None and self.decision.changes and not self.decision.falls

    @property
    def falls(self) -> bool:
        """Whether the floor comes down."""
        return self.decision is not None and self.decision.falls

    @property
    def comes_down(self) -> bool:
        """Whether the floor comes down, or would were its metrics known to be alive or its last step older."""
        return self.falls or (self.decision is not None and self.decision.reason in ("SecondLook", "StepDown", STILL))

    def outcome(self, work: Reconciliation) -> Outcome:
        """The case as decided, before anything is written."""
        unusable = work.unusable(self.workload)
        errors = [f"plan: {unusable}" if unusable else None, self.error]
        error = "; ".join(text for text in errors if text) or None
        return Outcome(
            self.workload, self.decision, error, warnings=_refusals(self.workload, self.move), target=self.move
        )

    @property
    def observation(self) -> Observation | None:
        """What was seen of it; None where nothing could be."""
        found = self.seen[2]
        return None if isinstance(found, ClusterError) or self.decision is None else found.observation


def _refusals(workload: Workload, move: TargetMove | None) -> tuple[str, ...]:
    """Why a target is not set, as a warning."""
    if move is None or move.refused is None:
        return ()
    return (f"{workload.namespace}/{workload.target.name}: {move}",)


def preview(reader: ClusterReader, work: Reconciliation) -> Iterator[Outcome]:
    """Show what `apply` would do now. It makes no call that can write.

    Parameters
    ----------
    reader : ClusterReader
        A client of the cluster.
    work : Reconciliation
        What one pass works on.

    Returns
    -------
    iterator of Outcome
        One per workload.
    """
    scenes = observe_targets(reader, work.counted)
    cases, guard = _cases(reader, work, scenes)
    cases = checked(reader, work, guard, cases)
    dues = observe_actuators(reader, work.situation(cases, guard), _stays(guard, cases))
    outcomes = [_warned(case.outcome(work), case) for case in cases]
    both = work.with_notes([*outcomes, *work.without_floor()])
    yield from actuated(both, by_workload((due, due.actuation) for due in dues))


def _warned(outcome: Outcome, case: TargetState) -> Outcome:
    return replace(outcome, warnings=(*outcome.warnings, *owner_warnings(case)))


def ask(asker: ClusterAsker, work: Reconciliation) -> Iterator[Outcome]:
    """What `apply` would do now, each write put to the server as a dry run: a refusal is known before it counts."""
    scenes = observe_targets(asker, work.counted)
    cases, guard = _cases(asker, work, scenes)
    cases = checked(asker, work, guard, cases)
    dues = observe_actuators(asker, work.situation(cases, guard), _stays(guard, cases))
    outcomes = [
        guarded(case.workload, partial(_asked, asker, work, case)) if case.due else _warned(case.outcome(work), case)
        for case in cases
    ]
    actuations = by_workload((due, _asked_for(asker, due)) for due in dues)
    yield from actuated(work.with_notes([*outcomes, *work.without_floor()]), actuations)


def _asked(asker: ClusterAsker, work: Reconciliation, case: TargetState) -> Outcome:
    workload, _, autoscaler = case.seen
    assert case.decision is not None and not isinstance(autoscaler, ClusterError)  # noqa: S101, PT018 - a due case has both
    outcome = _warned(case.outcome(work), case)
    try:
        if case.decision.changes or case.decision.notes:
            write(asker, autoscaler, case.decision, work.expires(workload))
        if case.move is not None and case.move.refused is None:
            move_target(asker, autoscaler, case.move)
    except ClusterError as error:
        return replace(outcome, error=f"the server would refuse this: {error}")
    return outcome


def _asked_for(asker: ClusterAsker, due: Due) -> Actuation:
    """What an actuator decided, with the server's refusal where there is one."""
    if due.write is None or (refusal := written(asker, due).error) is None:
        return due.actuation
    return replace(due.actuation, error=f"the server would refuse this: {refusal}")


def apply(
    writer: ClusterWriter,
    work: Reconciliation,
    writers: Writers | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """Make one pass: decide as `preview` does, then write what is due: rises by urgency, falls, Events.

    One workload's failure never stops the others. Floors that nobody renewed and nobody names any more are given back.

    Parameters
    ----------
    writer : ClusterWriter
        A client of the cluster.
    work : Reconciliation
        What the pass works on.
    writers : Writers or None
        The Leases by which writers exclude each other. Default: taken for this pass alone.
    stop : callable
        Whether to begin no further write, as on SIGTERM; writes under way are finished. Default: never.

    Returns
    -------
    iterator of Outcome
        One per workload; nothing is written before it is iterated.
    """
    scenes = observe_targets(writer, work.counted)
    cases, guard = _cases(writer, work, scenes)
    situation = work.situation(cases, guard)
    dues = [] if work.chosen is not None else observe_actuators(writer, situation, _stays(guard, cases))
    with writers or Writers(writer) as taken:
        if work.chosen is not None:
            cases = [case for case in cases if (case.workload.namespace, case.workload.target.name) in work.chosen]
        acted = _Acting(writer, work, guard, taken, stop).all(cases)
        outcomes = [replace(one, observation=case.observation) for case, one in acted]
        found: dict[Key, tuple[Actuation, ...]] = {}
        if dues and not stop():
            found = actuate(writer, dues, situation, taken.refusal, work.parallel)
        both = work.with_notes([*outcomes, *([] if work.chosen is not None else work.without_floor())])
        yield from actuated(both, found)
        if work.chosen is None and not stop():
            yield from _expired(writer, work, guard, taken, scenes)


def restore(
    writer: ClusterWriter,
    workloads: Sequence[Workload],
    now: datetime,
    *,
    policy: ControllerRules | None = None,
    expired: bool = False,
) -> Iterator[Outcome]:
    """Give every floor and ceiling back: the value first, then ownership, then our annotations are removed.

    It covers what an earlier configuration named, too.

    Parameters
    ----------
    writer : ClusterWriter
        A client of the cluster.
    workloads : sequence of Workload
        The configured workloads; their namespaces are searched.
    now : datetime
        The time, with a time zone.
    policy : ControllerRules or None
        Come down one step as these rules allow: call again until no outcome is held. Default none: at once.
    expired : bool
        Whether only what nobody renewed in time is given back. Default no.

    Returns
    -------
    iterator of Outcome
        One per object; nothing is written before it is iterated.
    """
    counted = [workload for workload in workloads if workload.scaling == "horizontal"]
    scenes = observe_targets(writer, counted)
    with Writers(writer) as taken:
        for workload, _, found in [*observe_target(writer, counted, scenes, now), *forgotten(scenes, workloads, now)]:
            if isinstance(found, ClusterError):
                yield Outcome(workload, error=str(found))
                continue
            if not expired or _has_expired(found, now):
                yield guarded(workload, partial(_given_back, writer, workload, found, policy, taken))
        situation = Situation(workloads, {}, now)
        dues = [due for due in give_back_actuators(writer, situation) if not expired or due.expired]
        for some in actuate(writer, dues, situation, taken.refusal, PARALLEL).items():
            yield _actuations_alone(*some, dues)


def _actuations_alone(key: Key, some: tuple[Actuation, ...], dues: Sequence[Due]) -> Outcome:
    """An outcome of a restore that says nothing of a floor."""
    workload = next(due.workload for due in dues if due.workload.key == key)
    return Outcome(workload, actuations=some)


def guarded(workload: Workload, act: Callable[[], Outcome]) -> Outcome:
    """The outcome of one workload; its failure stays its own. Documents of others may miss any key."""
    try:
        return act()
    except (CapacityError, KeyError, TypeError, ValueError, AttributeError) as error:
        text = str(error) if isinstance(error, CapacityError) else f"unexpected answer: {type(error).__name__} {error}"
        return Outcome(workload, error=text)


def _cases(
    reader: ClusterReader, work: Reconciliation, scenes: dict[str, ObservedTarget | ClusterError]
) -> tuple[list[TargetState], Guard]:
    cases = [_case(work, seen) for seen in observe_target(reader, work.counted, scenes, work.now)]
    skew = clock_skew(work.now, reader.server_time, work.waited(reader)) if work.real_time else None
    off, unknown = _switches(reader, work)
    guard = _braked(work, cases, Guard(off, unknown, skew, reader.server_time, change=work.change))
    return [_guarded_case(work, guard, case) for case in cases], guard


def _stays(guard: Guard, cases: Sequence[TargetState]) -> Callable[[Due], tuple[str, str] | None]:
    """Why a write may not be made now: what people wrote on the workload's autoscaler, then the guard."""
    wishes = {case.workload.key: case.observation.wishes for case in cases if case.observation is not None}
    unread = {case.workload.key: case.error for case in cases if case.observation is None}

    def stays(due: Due) -> tuple[str, str] | None:
        wish = wishes.get(due.workload.key, Wishes())
        if wish.excluded is not None:
            return "Excluded", wish.excluded
        if wish.unclear is not None:
            return "HeldUnclearWish", wish.unclear
        if due.workload.key in unread and due.actuation.falls:
            return "HeldUnclearWish", f"what people wrote on its autoscaler is not known: {unread[due.workload.key]}"
        return guard.stays(due) if wish.frozen is None else ("Frozen", wish.frozen)

    return stays


def _case(work: Reconciliation, seen: Seen) -> TargetState:
    workload, scene, found = seen
    if isinstance(found, ClusterError):
        return TargetState(seen, error=str(found))
    outcome = guarded(workload, lambda: Outcome(workload, work.decide(workload, scene, found)))
    return TargetState(seen, outcome.decision, outcome.error)


def checked(
    reader: ClusterReader, work: Reconciliation, guard: Guard, cases: Sequence[TargetState]
) -> list[TargetState]:
    """The cases, some decided again after a closer look: what a rise has made ready, how old metrics are at a fall."""
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
    """Per namespace: why it is switched off; and why its switch cannot be read, which is as good as off."""
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


@dataclass(frozen=True, slots=True)
class _Acting:
    """The writes of one pass: several at a time, since each waits for the server most of its time."""

    writer: ClusterWriter
    work: Reconciliation
    guard: Guard
    taken: Writers
    stop: Callable[[], bool]

    def all(self, cases: Sequence[TargetState]) -> list[tuple[TargetState, Outcome]]:
        """Each case and its outcome, in their order; what is due is written, rises before anything else is read."""
        rises = sorted((case for case in cases if case.rises), key=_urgency, reverse=True)
        written: dict[int, tuple[Outcome, Autoscaler | None]] = {}
        written |= zip(map(id, rises), self._each(self._acted, rises), strict=True)
        open_cases = [case for case in cases if id(case) not in written]
        judged = iter(open_cases if self.stop() else checked(self.writer, self.work, self.guard, open_cases))
        cases = [case if id(case) in written else next(judged) for case in cases]
        rest = [case for case in cases if case.due and id(case) not in written]
        written |= zip(map(id, rest), self._each(self._acted, rest), strict=True)
        told = [pair for pair in written.values() if pair[1] is not None]
        warnings = dict(zip((id(pair[0]) for pair in told), self._each(self._announced, told), strict=True))
        outcomes = [written[id(case)][0] if id(case) in written else case.outcome(self.work) for case in cases]
        told_of = [replace(outcome, warnings=warnings.get(id(outcome), outcome.warnings)) for outcome in outcomes]
        return list(zip(cases, told_of, strict=True))

    def _each(self, act: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        if self.work.parallel == 1:
            return [act(item) for item in items]
        with run_threads(self.work.parallel, "write") as pool:
            return list(pool.map(act, items))

    def _announced(self, told: tuple[Outcome, Autoscaler | None]) -> tuple[str, ...]:
        outcome, autoscaler = told
        if self.stop() or autoscaler is None:
            return ()
        return announce(self.writer, outcome, autoscaler)

    def _acted(self, case: TargetState) -> tuple[Outcome, Autoscaler | None]:
        """Write; the object as well where an Event is due."""
        planned = case.outcome(self.work)
        if self.stop():
            return replace(planned, error="the pass was told to end before this write: the next pass makes it"), None
        told: list[Autoscaler] = []
        outcome = guarded(case.workload, lambda: self._written(case, told))
        error = "; ".join(text for text in (planned.error, outcome.error) if text) or None
        return replace(outcome, error=error), told[0] if told else None

    def _written(self, case: TargetState, told: list[Autoscaler]) -> Outcome:
        """When somebody else wrote in between, read and decide again."""
        (workload, scene, autoscaler), decision = case.seen, case.decision
        assert decision is not None and not isinstance(autoscaler, ClusterError)  # noqa: S101, PT018 - a due case has both
        other = self.taken.refusal(workload.namespace)
        if other is not None:
            return Outcome(workload, hold(autoscaler.observation, "HeldByOtherWriter", other))
        for attempt in range(1, TRIES + 1):
            try:
                move = self._set(workload, autoscaler, decision)
            except ClusterError as error:
                if error.status == ABSENT:
                    raise _gone(workload) from error
                if error.status != CONFLICT or attempt == TRIES:
                    raise
                autoscaler = _read_again(self.writer, workload, scene, autoscaler)
                decision = self.work.decide(workload, scene, autoscaler)
                decision = self.guard.hold(workload.namespace, autoscaler.observation, decision)
                due = TargetState(
                    (workload, scene, autoscaler), decision, move=self.work.move(workload, autoscaler, decision)
                )
                if not due.due:
                    return due.outcome(self.work)
                continue
            told += [autoscaler] if decision.changes or decision.reason in (STILL, UNREACHED) else []
            done = decision.changes or (move is not None and move.refused is None)
            return Outcome(workload, decision, done=done, warnings=_refusals(workload, move), target=move)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _set(self, workload: Workload, autoscaler: Autoscaler, decision: Decision) -> TargetMove | None:
        """Write the floor where it moves or is noted, then the target where it moves."""
        if decision.changes or decision.notes:
            autoscaler = autoscaler.reread(write(self.writer, autoscaler, decision, self.work.expires(workload)))
        move = self.work.move(workload, autoscaler, decision)
        if move is not None and move.refused is None:
            move_target(self.writer, autoscaler, move)
        return move


def _urgency(case: TargetState) -> float:
    """How many times what runs now is needed: the largest shortage is written first."""
    decision, seen = case.decision, case.observation
    assert decision is not None and seen is not None  # noqa: S101, PT018 - a case that rises has both
    return decision.floor / max(1, seen.current)


def _read_again(writer: ClusterWriter, workload: Workload, scene: ObservedTarget, autoscaler: Autoscaler) -> Autoscaler:
    try:
        document = writer.target(KINDS[workload.target.kind], workload.namespace, workload.target.name)
    except ClusterError as error:
        raise _gone(workload) if error.status == ABSENT else error from error
    if autoscaler.kind.scaled:
        return read_target(writer, workload, scene, autoscaler.now)
    return autoscaler.reread(document)


def _gone(workload: Workload) -> ClusterError:
    target = workload.target
    message = f"{target.kind} {target.name} is gone: it was deleted after this pass read it; nothing was made anew"
    return ClusterError(message, ABSENT)


def _expired(
    writer: ClusterWriter,
    work: Reconciliation,
    guard: Guard,
    taken: Writers,
    scenes: dict[str, ObservedTarget | ClusterError],
) -> Iterator[Outcome]:
    """Give back, step by step, what carries our notes, is named by nobody, and was not renewed in time."""
    for workload, _, found in forgotten(scenes, work.workloads, work.now):
        off = guard.off.get(workload.namespace) or guard.unknown.get(workload.namespace)
        stopped = off is not None or guard.skew is not None or guard.change is not None
        if not stopped and not isinstance(found, ClusterError) and _has_expired(found, work.now):
            yield guarded(workload, partial(_given_back, writer, workload, found, work.policy, taken))


def _has_expired(found: Autoscaler, now: datetime) -> bool:
    """Whether nobody renewed it in time, and nobody asked to leave it alone."""
    expires = read_expiry(found.annotations)
    return expires is not None and now >= expires and read_wishes(found.annotations, now).excluded is None


def _given_back(
    writer: ClusterWriter, workload: Workload, found: Autoscaler, policy: ControllerRules | None, taken: Writers
) -> Outcome:
    if found.notes.baseline is not None:
        other = taken.refusal(workload.namespace)
        if other is not None:
            return Outcome(workload, hold(found.observation, "HeldByOtherWriter", other))
    return give_back(writer, workload, found, policy)


def _reconciled(workload: Workload, autoscaler: Autoscaler) -> tuple[Owned, str] | None:
    """Why the field is not ours to set, and what makes it so; an honored ceiling is no matter.

    A controller writes again by itself. Who applied it server-side meets a conflict: that is for a person to allow, but
    what we were given once and others took back is put right.
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
        return f"{names} writes this field again by itself; {advice(Owner(managers[0], 'Apply'), kind, name).cure}"
    argo = advice(Owner("argocd", "Apply"), kind, name).cure.partition(", then set")[0]
    return f"{names} writes this field again by itself; in Argo CD {argo}, then set target.ignored_by: [{names}]"


def owner_warnings(outcome: TargetState) -> tuple[str, ...]:
    """What a tool will do to a floor that we are about to take from it for the first time; () where nothing."""
    found = outcome.seen[2]
    if isinstance(found, ClusterError) or outcome.decision is None or not outcome.decision.changes:
        return ()
    owner = found.first_owner()
    if found.notes.baseline is not None or owner is None:
        return ()
    return (f"{outcome.workload.namespace}/{outcome.workload.target.name}: {advice(owner, found.kind, found.name)}",)
