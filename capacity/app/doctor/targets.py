"""Checks that each workload's autoscaler exists, is ours to move, has metrics, and has a target that can hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from capacity.cluster.autoscaler import Autoscaler
from capacity.cluster.client import ClusterReader
from capacity.cluster.kinds import HPA
from capacity.cluster.observe import ObservedTarget, observe_target, observe_targets, other_owner
from capacity.cluster.ownership import NOTHING, Owner, advice
from capacity.cluster.pod_sizes import SizedPods, observe_pods
from capacity.decision.reached import TOLERANCE
from capacity.model import ClusterError, Workload
from capacity.model.check import Finding, isolated
from capacity.model.fields import parse_quantity
from capacity.planning.sizing import highest_target, highest_tolerated_utilization

FIX_TARGET = "correct target.kind, target.name or namespace, or create the autoscaler"
FIX_OWNER = "one owner a target; else its floor is held"
FIX_SIZE_OWNER = "one owner of a size; else no pod is resized"
FIX_USAGE = "install metrics-server; until then no size comes down"
FIX_METRICS = "install metrics-server, or give the pods CPU requests; until then no floor comes down"


def check_targets(workloads: Sequence[Workload], reader: ClusterReader, now: datetime) -> Iterator[Finding]:
    """Each workload's own findings; or that all is well."""
    yield from _resized(workloads, reader, now)
    workloads = [workload for workload in workloads if workload.scaling == "horizontal"]
    observed = observe_targets(reader, workloads)
    sound = 0
    for workload, seen, found in observe_target(reader, workloads, observed, now):
        where = f"{workload.namespace}/{workload.name}"
        if isinstance(found, ClusterError):
            yield Finding("targets", "fail", f"{where}: {found}", FIX_TARGET)
            continue
        wrong = isolated("targets", partial(_target_findings, workload, seen, found), FIX_TARGET)
        yield from (Finding(one.check, one.state, f"{where}: {one.detail}", one.fix) for one in wrong)
        sound += not wrong
        yield from _owned(where, found)
    if sound:
        yield Finding("targets", "ok", f"{sound} of {len(workloads)} autoscalers there, ours to move and measured")


def _resized(workloads: Sequence[Workload], reader: ClusterReader, now: datetime) -> Iterator[Finding]:
    """Of each workload that scales vertically: whether its pods can be resized, and come down again."""
    sized = [workload for workload in workloads if workload.scaling == "vertical"]
    for namespace in dict.fromkeys(workload.namespace for workload in sized):
        own = [workload for workload in sized if workload.namespace == namespace]
        names = [(workload.target.kind, workload.target.name) for workload in own]
        seen = observe_pods(reader, namespace, now, names)
        for workload in own:
            where = f"{namespace}/{workload.name}"
            found = list(_size_findings(workload, seen, now))
            yield from (Finding(one.check, one.state, f"{where}: {one.detail}", one.fix) for one in found)
            if not found:
                yield Finding("targets", "ok", f"{where}: its pods are measured and ours to resize")


def _size_findings(workload: Workload, seen: SizedPods, now: datetime) -> Iterator[Finding]:
    try:
        observed = seen.observed(workload, now)
    except ClusterError as error:
        yield Finding("targets", "fail", str(error), FIX_TARGET)
        return
    if observed.refusal is not None:
        yield Finding("targets", "fail", observed.refusal[1], FIX_SIZE_OWNER)
    if observed.blind is not None:
        yield Finding("targets", "warn", observed.blind, FIX_USAGE)


def _owned(where: str, found: Autoscaler) -> Iterator[Finding]:
    """What to change in the tool that set the floor, so that its next run leaves it alone."""
    owner = found.first_owner()
    if owner is None or owner.reconciles or owner.operation == "Apply":
        return
    told = advice(owner, found.kind, found.name)
    if told.cure != NOTHING:
        yield Finding("targets", "ok", f"{where}: {told.tool} set its floor: {told.effect}; {told.cure}")


def _target_findings(workload: Workload, seen: ObservedTarget, found: Autoscaler) -> Iterator[Finding]:
    other = other_owner(workload, found.document, seen)
    if other is not None:
        yield Finding("targets", "fail", other[1], FIX_OWNER)
    managers = found.reconcilers(workload.target.ignored_by, with_ceiling=workload.ceiling_buffer is not None)
    if managers:
        names = ", ".join(managers)
        cure = advice(Owner(managers[0], "Apply"), found.kind, found.name).cure.partition(", then set")[0]
        fix = f"{cure.partition('; then set')[0]}, then set target.ignored_by: [{names}]"
        yield Finding("targets", "fail", f"{names} writes its floor again by itself", fix)
    appliers = [one for one in found.appliers() if one.manager not in workload.target.ignored_by]
    if appliers and not workload.target.take and found.notes.baseline is None:
        told = advice(appliers[0], found.kind, found.name)
        fix = f"{told.cure}; or set target.take: true"
        yield Finding("targets", "fail", f"{told.tool} set its floor: {told.effect}", fix)
    if found.ceiling < workload.ceiling and workload.ceiling_buffer is None:
        detail = f"its ceiling {found.ceiling} is below the planned {workload.ceiling}"
        yield Finding("targets", "warn", detail, "raise it, lower ceiling, or let ceiling_policy increase it")
    readings = found.observation.readings
    if readings is not None and readings.blind is not None:
        yield Finding("targets", "warn", readings.blind, FIX_METRICS)
    hpa = found.document if found.kind is HPA else found.hpa
    yield from _tolerated(workload, (hpa or {}).get("spec") or {})


def _tolerated(workload: Workload, spec: dict[str, Any]) -> Iterator[Finding]:
    """A utilization target that, with its tolerance, lets replicas be busier than planned before it adds any."""
    target, wanted = _utilization(spec), round(workload.target_utilization * 100)
    if target is None:
        return
    tolerance = _tolerance(spec)
    highest = highest_tolerated_utilization(target, tolerance)
    if highest > wanted:
        fix = f"set its averageUtilization to {highest_target(wanted, tolerance)}"
        yield Finding("targets", "warn", f"its target of {target} % tolerates {highest} %, planned are {wanted} %", fix)


def _utilization(spec: dict[str, Any]) -> int | None:
    """The CPU target in percent of the request; None where there is none."""
    for metric in spec.get("metrics") or []:
        resource = metric.get("resource") or metric.get("containerResource") or {}
        if resource.get("name") == "cpu":
            percent = (resource.get("target") or {}).get("averageUtilization")
            return None if percent is None else int(percent)
    return None


def _tolerance(spec: dict[str, Any]) -> float:
    """Its own tolerance of scaling up (Kubernetes 1.33 and later), else the controller manager's."""
    own = ((spec.get("behavior") or {}).get("scaleUp") or {}).get("tolerance")
    return TOLERANCE if own is None else parse_quantity(own)
