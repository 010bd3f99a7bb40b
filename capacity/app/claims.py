"""The actuator of volumes: compares claims with their plans and expands them ahead; it never makes one smaller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from capacity.app.actuation import ActuatorSteps, Due, Situation
from capacity.cluster.claims import (
    ObservedClaims,
    asked_bytes,
    expanded,
    foreign_owner,
    observe_claim,
    observe_claims,
    released,
)
from capacity.cluster.client import CONFLICT, ClusterReader, ClusterWriter
from capacity.cluster.lease import TRIES
from capacity.decision.volumes import decide_volume
from capacity.model import ClusterError, Workload
from capacity.model.outcome import Actuation
from capacity.model.volume import VolumeDecision, VolumePlan, VolumeRules

Document = dict[str, Any]


def observe(reader: ClusterReader, situation: Situation) -> Iterator[Due]:
    """The writes due for each claim that a workload names; an error affects only its claim."""
    for namespace, workloads in _by_namespace(situation.workloads).items():
        try:
            claims = observe_claims(reader, namespace, _wanted(workloads, situation))
        except ClusterError as error:
            yield from (_failed(workload, "*", str(error)) for workload in workloads)
            continue
        for workload in workloads:
            yield from _of_workload(workload, claims, situation)


def give_back(reader: ClusterReader, situation: Situation) -> Iterator[Due]:
    """Remove our annotations from claims. Their size stays: a volume cannot shrink."""
    for namespace, workloads in _by_namespace(situation.workloads).items():
        try:
            claims = observe_claims(reader, namespace, set())
        except ClusterError as error:
            yield _failed(workloads[0], "*", str(error))
            continue
        for name, document in claims.documents.items():
            body = released(document)
            if body is None:
                continue
            workload = next((one for one in workloads if _rules_of(one, name)), workloads[0])
            size = asked_bytes(document)
            detail = "its annotations are removed; its size stays, as a volume cannot shrink"
            actuation = _actuation(document, size, size, "Restored", detail)
            yield Due(workload, actuation, partial(_release, namespace=namespace, name=name, body=body))


CLAIMS = ActuatorSteps(observe, give_back)


def _release(writer: ClusterWriter, *, namespace: str, name: str, body: Document) -> None:
    writer.merge_claim(namespace, name, body)


def _by_namespace(workloads: Sequence[Workload]) -> dict[str, list[Workload]]:
    """The workloads with volumes; if there are none, no claim is read."""
    found: dict[str, list[Workload]] = {}
    for workload in workloads:
        if workload.volumes:
            found.setdefault(workload.namespace, []).append(workload)
    return found


def _wanted(workloads: Sequence[Workload], situation: Situation) -> set[str]:
    """The claims whose classes are read: those that have a plan."""
    return {plan.claim for one in workloads for plan in _plans(one, situation)}


def _plans(workload: Workload, situation: Situation) -> tuple[VolumePlan, ...]:
    plan = situation.plans.get(workload.key)
    return () if plan is None else plan.volumes


def _rules_of(workload: Workload, claim: str) -> VolumeRules | None:
    return next((rules for rules in workload.volumes if rules.matches(claim, workload.name)), None)


def _of_workload(workload: Workload, claims: ObservedClaims, situation: Situation) -> Iterator[Due]:
    plans = {plan.claim: plan for plan in _plans(workload, situation)}
    named = {rules.claim for rules in workload.volumes if rules.claim}
    matched = {name for name in claims.documents if _rules_of(workload, name)}
    for name in sorted(named | matched | {name for name in plans if _rules_of(workload, name)}):
        try:
            yield _of_claim(workload, claims, (name, plans.get(name)), situation)
        except ClusterError as error:
            yield _failed(workload, name, str(error))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            yield _failed(workload, name, f"unexpected answer: {type(error).__name__} {error}")


def _of_claim(
    workload: Workload, claims: ObservedClaims, planned: tuple[str, VolumePlan | None], situation: Situation
) -> Due:
    (name, plan), now = planned, situation.now
    observed = claims.observation(name, now)
    document = claims.documents[name]
    decision = decide_volume(plan, observed, now)
    owner = foreign_owner(document, workload.target.ignored_by)
    if decision.changes and owner is not None:
        detail = f"{owner} sets its size and would set it again: set it there, or add it to target.ignored_by"
        stays = _actuation(document, observed.asked, observed.asked, "HeldForeignOwner", detail)
        return Due(workload, replace(stays, held=True))
    detail = "; ".join(filter(None, [decision.detail, _template_note(workload, name) if decision.changes else ""]))
    actuation = replace(
        _actuation(document, decision.before, decision.size, decision.reason, detail), held=decision.held
    )
    if not decision.changes:
        return Due(workload, actuation)
    return Due(workload, actuation, _Expansion(workload, document, claims, plan, situation))


@dataclass(frozen=True, slots=True)
class _Expansion:
    """The write of a larger size, called with a writer at the end of a pass that has one."""

    workload: Workload
    document: Document
    claims: ObservedClaims
    plan: VolumePlan | None
    situation: Situation

    def __call__(self, writer: ClusterWriter) -> None:
        """Request the larger size; if somebody else wrote in between, read and decide again."""
        document, now = self.document, self.situation.now
        name = str(document["metadata"]["name"])
        for attempt in range(1, TRIES + 1):
            decision: VolumeDecision = decide_volume(self.plan, observe_claim(document, self.claims.classes, now), now)
            if not decision.changes:
                raise ClusterError(f"it changed after this pass read it ({decision.reason}); the next pass retries")
            try:
                writer.merge_claim(self.workload.namespace, name, expanded(document, decision, now))
            except ClusterError as error:
                if error.status != CONFLICT or attempt == TRIES:
                    raise
                document = writer.claim(self.workload.namespace, name)
                continue
            return


def _template_note(workload: Workload, claim: str) -> str:
    """A note that new replicas get the old size, since the template of a StatefulSet cannot be changed."""
    rules = _rules_of(workload, claim)
    if rules is None or rules.template is None:
        return ""
    return (
        f"new replicas still get the template's size: `kubectl delete statefulset {workload.name} --cascade=orphan`, "
        "then apply it with the new one"
    )


def _actuation(document: Document, before: int, after: int, reason: str, detail: str) -> Actuation:
    metadata = document["metadata"]
    return Actuation(
        "volumes",
        "v1",
        "PersistentVolumeClaim",
        str(metadata["name"]),
        {"storage": float(before)},
        {"storage": float(after)},
        reason,
        detail,
        uid=str(metadata.get("uid", "")),
    )


def _failed(workload: Workload, name: str, error: str) -> Due:
    return Due(workload, Actuation("volumes", "v1", "PersistentVolumeClaim", name, {}, {}, "Error", error=error))
