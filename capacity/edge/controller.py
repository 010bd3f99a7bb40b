"""Observe -> decide -> act: one pass over the configured autoscalers. `preview` holds a reader, so it cannot write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from capacity.decision import Policy, decide
from capacity.domain import CapacityError, ClusterError, Decision, Plan, Workload
from capacity.edge.autoscaler import Autoscaler
from capacity.edge.cluster import ClusterReader, ClusterWriter
from capacity.edge.planfile import rfc3339

TRIES = 4  # reads and decisions per workload when others write at the same time (409)
CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass made of one workload: a decision, or the error that stood in its way; `done` where it was written."""

    workload: Workload
    decision: Decision | None = None
    error: str | None = None
    done: bool = False
    warnings: tuple[str, ...] = field(default_factory=tuple)

    @property
    def held(self) -> bool:
        """Whether nothing was decided for safety's sake."""
        return self.decision is not None and self.decision.held

    def __str__(self) -> str:
        where = f"{self.workload.namespace}/{self.workload.target}"
        if self.decision is None:
            return f"{where} error {self.error}"
        decision = self.decision
        move = (
            f"floor {decision.before} -> {decision.floor}"
            if decision.floor != decision.before
            else f"floor {decision.floor}"
        )
        if decision.before_ceiling not in (None, decision.ceiling):
            move += f" ceiling {decision.before_ceiling} -> {decision.ceiling}"
        return f"{where} {move} {decision.reason}" + (f" ({decision.detail})" if decision.detail else "")


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass works on: the workloads, their plan, the policy, and the time it is."""

    workloads: Sequence[Workload]
    plan: Plan
    policy: Policy
    now: datetime

    def decide(self, workload: Workload, autoscaler: Autoscaler) -> Decision:
        """The decision for one workload, held where a reconciler owns the floor."""
        observation = autoscaler.observation
        policy = replace(self.policy, ceiling_buffer=workload.ceiling_buffer)
        decision = decide(self.plan.workload(*workload.key), observation, self.now, policy)
        foreign = _foreign_owner(workload, autoscaler)
        if foreign is None:
            return decision
        floor, ceiling = observation.floor, observation.ceiling
        return Decision(floor, ceiling, "HeldForeignOwner", floor, ceiling, foreign, held=True)


def preview(reader: ClusterReader, work: Pass) -> Iterator[Outcome]:
    """What `apply` would do now, one outcome per workload. Makes no call that can write."""
    return (_decided(work, workload, found) for workload, found in _observed(reader, work.workloads))


def apply(writer: ClusterWriter, work: Pass) -> Iterator[Outcome]:
    """One pass: decide as `preview` does, then patch what changes. One workload's failure never stops the others."""
    for workload, found in _observed(writer, work.workloads):
        outcome = _decided(work, workload, found)
        if isinstance(found, Autoscaler) and outcome.decision is not None and outcome.decision.changes:
            outcome = _guarded(workload, partial(_patch, writer, work, workload, found))
        yield outcome


def restore(writer: ClusterWriter, workloads: Sequence[Workload], now: datetime) -> Iterator[Outcome]:
    """Give every floor and ceiling back: value first, then ownership, then our annotation goes."""
    for workload, found in _observed(writer, workloads):
        if isinstance(found, Autoscaler):
            yield _guarded(workload, partial(_restored, writer, workload, found, now))
        else:
            yield Outcome(workload, error=found)


def _observed(reader: ClusterReader, workloads: Iterable[Workload]) -> Iterator[tuple[Workload, Autoscaler | str]]:
    """Each workload with its autoscaler, or with the reason there is none: one LIST per namespace."""
    by_namespace: dict[str, list[Workload]] = {}
    for workload in workloads:
        by_namespace.setdefault(workload.namespace, []).append(workload)
    for namespace, members in by_namespace.items():
        try:
            found: dict[str, Any] = {item["metadata"]["name"]: item for item in reader.hpas(namespace)}
        except ClusterError as error:
            yield from ((workload, f"namespace {namespace}: {error}") for workload in members)
            continue
        for workload in members:
            item = found.get(workload.target)
            yield workload, Autoscaler(item) if item is not None else _missing(workload, sorted(found))


def _missing(workload: Workload, names: list[str]) -> str:
    return f"no HorizontalPodAutoscaler {workload.target!r} in namespace {workload.namespace}; it has {names or 'none'}"


def _decided(work: Pass, workload: Workload, found: Autoscaler | str) -> Outcome:
    if isinstance(found, str):
        return Outcome(workload, error=found)
    return _guarded(workload, lambda: Outcome(workload, work.decide(workload, found)))


def _guarded(workload: Workload, act: Callable[[], Outcome]) -> Outcome:
    """The outcome of one workload; its failure stays its own. Documents of others may miss any key."""
    try:
        return act()
    except (CapacityError, KeyError, TypeError, ValueError) as error:
        text = str(error) if isinstance(error, CapacityError) else f"unexpected answer: {type(error).__name__} {error}"
        return Outcome(workload, error=text)


def _patch(writer: ClusterWriter, work: Pass, workload: Workload, autoscaler: Autoscaler) -> Outcome:
    """Patch by server-side apply; when somebody else wrote in between, read and decide again."""
    for attempt in range(1, TRIES + 1):
        decision = work.decide(workload, autoscaler)
        if not decision.changes:
            return Outcome(workload, decision)
        try:
            writer.apply_hpa(workload.namespace, workload.target, autoscaler.apply_body(decision, work.now), force=True)
        except ClusterError as error:
            if error.status != CONFLICT or attempt == TRIES:
                raise
            autoscaler = Autoscaler(writer.hpa(workload.namespace, workload.target))
            continue
        return Outcome(
            workload, decision, done=True, warnings=_announce(writer, workload, autoscaler, decision, work.now)
        )
    raise AssertionError("unreachable: the last attempt returns or raises")


def _announce(
    writer: ClusterWriter, workload: Workload, autoscaler: Autoscaler, decision: Decision, now: datetime
) -> tuple[str, ...]:
    """Write the Event; the floor is moved already, so a failure to say so is only a warning."""
    try:
        writer.create_event(workload.namespace, _event(workload, autoscaler, decision, now))
    except ClusterError as error:
        return (f"{workload.namespace}/{workload.target}: moved, but no Event written: {error}",)
    return ()


def _event(workload: Workload, autoscaler: Autoscaler, decision: Decision, now: datetime) -> dict[str, Any]:
    regarding = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "namespace": workload.namespace,
        "name": workload.target,
        "uid": autoscaler.document["metadata"].get("uid", ""),
        "resourceVersion": autoscaler.document["metadata"].get("resourceVersion", ""),
    }
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"generateName": f"{workload.target}-", "namespace": workload.namespace},
        "eventTime": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond:06d}Z",  # MicroTime: never without its six digits
        "reportingController": "capacity",
        "reportingInstance": "capacity",
        "action": "MoveFloor",
        "reason": decision.reason,
        "regarding": regarding,
        "note": str(Outcome(workload, decision))[:1024],
        "type": "Warning" if decision.held or decision.clamps == ("CeilingReached",) else "Normal",
    }


def _restored(writer: ClusterWriter, workload: Workload, autoscaler: Autoscaler, now: datetime) -> Outcome:
    """Two guarded writes; after the first alone, running again finishes the second."""
    for attempt in range(1, TRIES + 1):
        baseline, observed = autoscaler.baseline, autoscaler.observation
        if baseline is None:
            detail = "never touched, or restored already"
            return Outcome(
                workload, Decision(observed.floor, observed.ceiling, "NothingToRestore", observed.floor, detail=detail)
            )
        try:
            value = autoscaler.restore_value(baseline)
            if value is not None:
                autoscaler = Autoscaler(writer.merge_hpa(workload.namespace, workload.target, value))
            left = Autoscaler(
                writer.json_patch_hpa(workload.namespace, workload.target, autoscaler.release(baseline, now))
            )
        except ClusterError as error:
            if error.status != CONFLICT or attempt == TRIES:
                raise
            autoscaler = Autoscaler(writer.hpa(workload.namespace, workload.target))
            continue
        expected = observed.floor if observed.edited_by else baseline.floor
        return Outcome(workload, _checked(left, expected, observed.floor, observed.ceiling), done=True)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _checked(left: Autoscaler, floor: int, before: int, before_ceiling: int) -> Decision:
    """The value must have survived the hand-over."""
    after = left.observation
    if after.floor != floor:
        raise ClusterError(f"restore: expected the floor {floor} to stay, got {after.floor}; set it by hand")
    return Decision(after.floor, after.ceiling, "Restored", before, before_ceiling)


def _foreign_owner(workload: Workload, autoscaler: Autoscaler) -> str | None:
    """Why this floor is another controller's to set, and what to do about it; None where it is free."""
    if autoscaler.maker is not None:
        return f"made and rewritten by {autoscaler.maker}: its floor is set there, not here"
    reconcilers = autoscaler.reconcilers(workload.ignored_by)
    return _ignore_differences(workload, reconcilers) if reconcilers else None


def _ignore_differences(workload: Workload, managers: list[str]) -> str:
    return (
        f"{', '.join(managers)} writes this field again by itself; in Argo CD add ignoreDifferences: "
        f"[{{group: autoscaling, kind: HorizontalPodAutoscaler, name: {workload.target}, "
        "jsonPointers: [/spec/minReplicas, /spec/maxReplicas]}] and syncOptions: [RespectIgnoreDifferences=true], "
        f"then set target.ignored_by: [{', '.join(managers)}]"
    )


def summary(outcomes: Sequence[Outcome], now: datetime) -> dict[str, Any]:
    """A pass in figures: how many workloads were changed, held, failed, at what time."""
    return {
        "now": rfc3339(now),
        "workloads": len(outcomes),
        "changed": sum(outcome.done for outcome in outcomes),
        "held": sum(outcome.held for outcome in outcomes),
        "failed": sum(outcome.error is not None for outcome in outcomes),
    }
