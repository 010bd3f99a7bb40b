"""One pass over the configured workloads: observe, decide, act. `preview` has only a reader, so it cannot write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from capacity.app.actuation import ActuatorSteps, Due, Key, Situation, by_workload, written
from capacity.app.claims import CLAIMS
from capacity.app.headroom import HEADROOM
from capacity.app.reconciliation import (
    PARALLEL,
    Guard,
    Reconciliation,
    Stays,
    TargetState,
    checked,
    decided_cases,
    guarded,
    owner_warnings,
    reasons_to_stay,
    refusals,
)
from capacity.app.vertical import VERTICAL
from capacity.cluster.act import announce, announce_actuation, give_back, write
from capacity.cluster.annotations import read_expiry, read_wishes
from capacity.cluster.autoscaler import Autoscaler
from capacity.cluster.client import ABSENT, CONFLICT, ClusterAsker, ClusterReader, ClusterWriter
from capacity.cluster.kinds import KINDS
from capacity.cluster.lease import TRIES, Writers
from capacity.cluster.metric_target import move_target
from capacity.cluster.observe import Autoscalers, forgotten, list_autoscalers, observe_workloads, read_target
from capacity.decision import ControllerRules, hold
from capacity.decision.decide import STILL
from capacity.decision.reached import UNREACHED
from capacity.logs import run_threads
from capacity.model import ClusterError, Decision, Workload
from capacity.model.outcome import Actuation, Outcome, TargetMove

Item = TypeVar("Item")
Result = TypeVar("Result")
ACTUATORS: tuple[ActuatorSteps, ...] = (HEADROOM, VERTICAL, CLAIMS)


def preview(reader: ClusterReader, work: Reconciliation) -> Iterator[Outcome]:
    """Show what `apply` would do now. It makes no call that can write.

    Parameters
    ----------
    reader : ClusterReader
        A client of the cluster.
    work : Reconciliation
        The inputs of the pass.

    Returns
    -------
    iterator of Outcome
        One per workload.
    """
    by_namespace = list_autoscalers(reader, work.counted)
    cases, guard = decided_cases(reader, work, by_namespace)
    cases = checked(reader, work, guard, cases)
    dues = observe_actuators(reader, work.situation(cases, guard), reasons_to_stay(guard, cases))
    outcomes = [_warned(case.outcome(work), case) for case in cases]
    both = work.with_notes([*outcomes, *work.without_floor()])
    yield from actuated(both, by_workload((due, due.actuation) for due in dues))


def _warned(outcome: Outcome, case: TargetState) -> Outcome:
    return replace(outcome, warnings=(*outcome.warnings, *owner_warnings(case)))


def ask(asker: ClusterAsker, work: Reconciliation) -> Iterator[Outcome]:
    """What `apply` would do now, with each write sent to the server as a dry run, which shows refusals in advance."""
    by_namespace = list_autoscalers(asker, work.counted)
    cases, guard = decided_cases(asker, work, by_namespace)
    cases = checked(asker, work, guard, cases)
    dues = observe_actuators(asker, work.situation(cases, guard), reasons_to_stay(guard, cases))
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
    """The decision of an actuator, with the server's refusal if there is one."""
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

    A failure of one workload does not stop the others. Floors that expired and belong to no configured workload are
    restored.

    Parameters
    ----------
    writer : ClusterWriter
        A client of the cluster.
    work : Reconciliation
        The inputs of the pass.
    writers : Writers or None
        The Leases that make writers exclude each other. Default: acquired for this pass only.
    stop : callable
        Whether to begin no further write, as on SIGTERM; writes under way are finished. Default: never.

    Returns
    -------
    iterator of Outcome
        One per workload; nothing is written before it is iterated.
    """
    by_namespace = list_autoscalers(writer, work.counted)
    cases, guard = decided_cases(writer, work, by_namespace)
    situation = work.situation(cases, guard)
    dues = [] if work.chosen is not None else observe_actuators(writer, situation, reasons_to_stay(guard, cases))
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
            yield from _expired(writer, work, guard, taken, by_namespace)


def restore(
    writer: ClusterWriter,
    workloads: Sequence[Workload],
    now: datetime,
    *,
    policy: ControllerRules | None = None,
    expired: bool = False,
) -> Iterator[Outcome]:
    """Restore every floor and ceiling: first the value, then the ownership, then remove our annotations.

    This includes objects that only an earlier configuration named.

    Parameters
    ----------
    writer : ClusterWriter
        A client of the cluster.
    workloads : sequence of Workload
        The configured workloads; their namespaces are searched.
    now : datetime
        The time, with a time zone.
    policy : ControllerRules or None
        Lower floors by one step as these rules allow: call again until no outcome is held. Default none: at once.
    expired : bool
        Whether only expired floors are restored, which no controller renewed in time. Default no.

    Returns
    -------
    iterator of Outcome
        One per object; nothing is written before it is iterated.
    """
    counted = [workload for workload in workloads if workload.scaling == "horizontal"]
    by_namespace = list_autoscalers(writer, counted)
    with Writers(writer) as taken:
        for workload, _, found in [
            *observe_workloads(writer, counted, by_namespace, now),
            *forgotten(by_namespace, workloads, now),
        ]:
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
    """An outcome of a restore that has no floor, only actuations."""
    workload = next(due.workload for due in dues if due.workload.key == key)
    return Outcome(workload, actuations=some)


@dataclass(frozen=True, slots=True)
class _Acting:
    """The writes of one pass: several at a time, since each waits for the server most of its time."""

    writer: ClusterWriter
    work: Reconciliation
    guard: Guard
    taken: Writers
    stop: Callable[[], bool]

    def all(self, cases: Sequence[TargetState]) -> list[tuple[TargetState, Outcome]]:
        """Each case and its outcome, in order. Due writes are made, rises before anything else is read."""
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
        """Write. Returns the outcome, and the object if an Event is due."""
        planned = case.outcome(self.work)
        if self.stop():
            return replace(planned, error="the pass was stopped before this write; the next pass makes it"), None
        told: list[Autoscaler] = []
        outcome = guarded(case.workload, lambda: self._written(case, told))
        error = "; ".join(text for text in (planned.error, outcome.error) if text) or None
        return replace(outcome, error=error), told[0] if told else None

    def _written(self, case: TargetState, told: list[Autoscaler]) -> Outcome:
        """Write; if somebody else wrote in between, read and decide again."""
        (workload, autoscalers, autoscaler), decision = case.seen, case.decision
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
                autoscaler = _read_again(self.writer, workload, autoscalers, autoscaler)
                decision = self.work.decide(workload, autoscalers, autoscaler)
                decision = self.guard.hold(workload.namespace, autoscaler.observation, decision)
                due = TargetState(
                    (workload, autoscalers, autoscaler), decision, move=self.work.move(workload, autoscaler, decision)
                )
                if not due.due:
                    return due.outcome(self.work)
                continue
            told += [autoscaler] if decision.changes or decision.reason in (STILL, UNREACHED) else []
            done = decision.changes or (move is not None and move.refused is None)
            return Outcome(workload, decision, done=done, warnings=refusals(workload, move), target=move)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _set(self, workload: Workload, autoscaler: Autoscaler, decision: Decision) -> TargetMove | None:
        """Write the floor if it moves or its notes do, then the target if it moves."""
        if decision.changes or decision.notes:
            autoscaler = autoscaler.reread(write(self.writer, autoscaler, decision, self.work.expires(workload)))
        move = self.work.move(workload, autoscaler, decision)
        if move is not None and move.refused is None:
            move_target(self.writer, autoscaler, move)
        return move


def _urgency(case: TargetState) -> float:
    """The new floor relative to what runs now: the largest shortage is written first."""
    decision, seen = case.decision, case.observation
    assert decision is not None and seen is not None  # noqa: S101, PT018 - a case that rises has both
    return decision.floor / max(1, seen.current)


def _read_again(
    writer: ClusterWriter, workload: Workload, autoscalers: Autoscalers, autoscaler: Autoscaler
) -> Autoscaler:
    try:
        document = writer.target(KINDS[workload.target.kind], workload.namespace, workload.target.name)
    except ClusterError as error:
        raise _gone(workload) if error.status == ABSENT else error from error
    if autoscaler.kind.scaled:
        return read_target(writer, workload, autoscalers, autoscaler.now)
    return autoscaler.reread(document)


def _gone(workload: Workload) -> ClusterError:
    target = workload.target
    message = (
        f"{target.kind} {target.name} is gone: it was deleted after this pass read it; nothing was created in its place"
    )
    return ClusterError(message, ABSENT)


def _expired(
    writer: ClusterWriter,
    work: Reconciliation,
    guard: Guard,
    taken: Writers,
    by_namespace: dict[str, Autoscalers | ClusterError],
) -> Iterator[Outcome]:
    """Restore, step by step, objects with our annotations that no workload names and that have expired."""
    for workload, _, found in forgotten(by_namespace, work.workloads, work.now):
        off = guard.off.get(workload.namespace) or guard.unknown.get(workload.namespace)
        stopped = off is not None or guard.skew is not None or guard.change is not None
        if not stopped and not isinstance(found, ClusterError) and _has_expired(found, work.now):
            yield guarded(workload, partial(_given_back, writer, workload, found, work.policy, taken))


def _has_expired(found: Autoscaler, now: datetime) -> bool:
    """Whether it has expired, and no annotation asks to leave it alone."""
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


def observe_actuators(reader: ClusterReader, situation: Situation, stays: Stays) -> list[Due]:
    """The decisions of every actuator, held if a guard or a person says so. Nothing is written."""
    found = [due for one in ACTUATORS for due in one.observe(reader, situation)]
    return [_guarded(due, stays) for due in found]


def give_back_actuators(reader: ClusterReader, situation: Situation) -> Iterator[Due]:
    """The writes that restore everything that actuators set in the situation's namespaces."""
    for one in ACTUATORS:
        yield from one.give_back(reader, situation)


def actuate(
    writer: ClusterWriter,
    dues: Sequence[Due],
    situation: Situation,
    refusal: Callable[[str], str | None],
    parallel: int,
) -> dict[Key, tuple[Actuation, ...]]:
    """Make the due writes, several at a time, each with its Event. Returns the actuations of each workload."""
    act = partial(_acted, writer, situation, refusal)
    due = [one for one in dues if one.write is not None or one.tells]
    if parallel == 1 or len(due) < 2:
        made = {id(one): act(one) for one in due}
    else:
        with run_threads(parallel, "actuate") as pool:
            made = dict(zip(map(id, due), pool.map(act, due), strict=True))
    return by_workload((one, made.get(id(one), one.actuation)) for one in dues)


def actuated(outcomes: Iterable[Outcome], found: dict[Key, tuple[Actuation, ...]]) -> Iterator[Outcome]:
    """The outcomes of a pass, each with the actuations of its workload."""
    for outcome in outcomes:
        yield replace(outcome, actuations=found.get(outcome.workload.key, ()))


def _guarded(due: Due, stays: Stays) -> Due:
    reason = stays(due) if due.write is not None else None
    return due if reason is None else due.held(*reason)


def _acted(writer: ClusterWriter, situation: Situation, refusal: Callable[[str], str | None], due: Due) -> Actuation:
    """Make one write, whose failure affects only itself, and then its Event, whose failure is only logged."""
    try:
        other = refusal(due.workload.namespace)
    except ClusterError as error:
        return replace(due.actuation, error=str(error))
    if other is not None:
        return due.held("HeldByOtherWriter", other).actuation
    made = written(writer, due)
    if due.tells or (made.done and made.changes) or made.reason != due.actuation.reason:
        announce_actuation(writer, due.workload, made, situation.now)
    return made
