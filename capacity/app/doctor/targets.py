"""Checks what is moved: autoscalers with their metrics and targets, buffers of headroom, and claims that can grow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from capacity.app.doctor.cluster import Call, RightsReader
from capacity.app.doctor.room import QUOTAS
from capacity.cluster.autoscaler import Autoscaler
from capacity.cluster.buffers import BufferPlace, SeenBuffers, buffer_state, read_buffers
from capacity.cluster.claims import ObservedClaims, foreign_owner, observe_claims
from capacity.cluster.client import ClusterReader
from capacity.cluster.kinds import HPA
from capacity.cluster.observe import Autoscalers, list_autoscalers, observe_workloads, other_owner
from capacity.cluster.ownership import NOTHING, Owner, advice
from capacity.cluster.pod_sizes import SizedPods, observe_pods
from capacity.decision.reached import TOLERANCE
from capacity.model import ClusterError, Workload
from capacity.model.check import Finding, Part, State, isolated
from capacity.model.configuration import Config
from capacity.model.fields import parse_quantity
from capacity.model.volume import GIB, ClaimObservation, VolumeRules
from capacity.planning.sizing import highest_target, highest_tolerated_utilization

FIX_TARGET = "correct target.kind, target.name or namespace, or create the autoscaler"
FIX_OWNER = "let one tool own each target; until then its floor is held"
FIX_SIZE_OWNER = "let one tool own the size; until then no pod is resized"
FIX_USAGE = "install metrics-server; until then no size is reduced"
FIX_METRICS = "install metrics-server, or give the pods CPU requests; until then no floor is lowered"
FIX_HEADROOM = "see docs/howto/headroom.md, *What keeps the nodes*"
FIX_VOLUMES = "see docs/howto/volumes.md"
FIX_BUFFER_OWNER = "let one tool own each object; until then it is left as it is"
REFUSED = 403
CLASSES = Call("get", "storage.k8s.io", "storageclasses")
CALLS: Mapping[str, tuple[Call, ...]] = {  # by the overlay of k8s/overlays that grants them
    "headroom": tuple(
        Call(verb, group, resource)
        for group, resource in (("autoscaling.x-k8s.io", "capacitybuffers"), ("", "podtemplates"))
        for verb in ("list", "create", "patch", "delete")
    ),
    "placeholder": (
        *(Call(verb, "apps", "deployments") for verb in ("get", "list", "create", "patch", "delete")),
        Call("get", "scheduling.k8s.io", "priorityclasses"),
    ),
    "volumes": tuple(Call(verb, "", "persistentvolumeclaims") for verb in ("get", "list", "patch")),
}


def check_targets(workloads: Sequence[Workload], reader: ClusterReader, now: datetime) -> Iterator[Finding]:
    """The findings of each workload; one finding in total if all is well."""
    yield from _resized(workloads, reader, now)
    workloads = [workload for workload in workloads if workload.scaling == "horizontal"]
    observed = list_autoscalers(reader, workloads)
    sound = 0
    for workload, seen, found in observe_workloads(reader, workloads, observed, now):
        where = f"{workload.namespace}/{workload.name}"
        if isinstance(found, ClusterError):
            yield Finding("targets", "fail", f"{where}: {found}", FIX_TARGET)
            continue
        wrong = isolated("targets", partial(_target_findings, workload, seen, found), FIX_TARGET)
        yield from (Finding(one.check, one.state, f"{where}: {one.detail}", one.fix) for one in wrong)
        sound += not wrong
        yield from _owned(where, found)
    if sound:
        yield Finding("targets", "ok", f"{sound} of {len(workloads)} autoscalers exist, have metrics, and may be moved")


def _resized(workloads: Sequence[Workload], reader: ClusterReader, now: datetime) -> Iterator[Finding]:
    """Whether the pods of each vertically scaled workload can be resized, and reduced again."""
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
                yield Finding("targets", "ok", f"{where}: its pods have metrics and may be resized")


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
    """What to change in the tool that set the floor, so that its next run does not overwrite it."""
    owner = found.first_owner()
    if owner is None or owner.reconciles or owner.operation == "Apply":
        return
    told = advice(owner, found.kind, found.name)
    if told.cure != NOTHING:
        yield Finding("targets", "ok", f"{where}: {told.tool} set its floor: {told.effect}; {told.cure}")


def _target_findings(workload: Workload, seen: Autoscalers, found: Autoscaler) -> Iterator[Finding]:
    other = other_owner(workload, found.document, seen)
    if other is not None:
        yield Finding("targets", "fail", other[1], FIX_OWNER)
    managers = found.reconcilers(workload.target.ignored_by, with_ceiling=workload.ceiling_buffer is not None)
    if managers:
        names = ", ".join(managers)
        cure = advice(Owner(managers[0], "Apply"), found.kind, found.name).cure.partition(", then set")[0]
        fix = f"{cure.partition('; then set')[0]}, then set target.ignored_by: [{names}]"
        yield Finding("targets", "fail", f"{names} sets its floor back by itself", fix)
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
        detail = f"its target of {target} % lets utilization reach {highest} %; the plan assumes {wanted} %"
        yield Finding("targets", "warn", detail, fix)


def _utilization(spec: dict[str, Any]) -> int | None:
    """The CPU target in percent of the request; None where there is none."""
    for metric in spec.get("metrics") or []:
        resource = metric.get("resource") or metric.get("containerResource") or {}
        if resource.get("name") == "cpu":
            percent = (resource.get("target") or {}).get("averageUtilization")
            return None if percent is None else int(percent)
    return None


def _tolerance(spec: dict[str, Any]) -> float:
    """The tolerance for scaling up: its own (Kubernetes 1.33 and later), otherwise the controller manager's."""
    own = ((spec.get("behavior") or {}).get("scaleUp") or {}).get("tolerance")
    return TOLERANCE if own is None else parse_quantity(own)


def check_actuators(config: Config, reader: RightsReader, part: Part, now: datetime) -> Iterator[Finding]:
    """What prevents headroom and volumes. Empty if no workload asks for them, and for the planner."""
    if part is Part.planner:
        return
    yield from isolated("rights", partial(_rights, config.workloads, reader), FIX_HEADROOM)
    yield from isolated("headroom", partial(_headroom, config.workloads, reader, now), FIX_HEADROOM)
    for namespace in dict.fromkeys(one.namespace for one in config.workloads if one.volumes):
        own = [one for one in config.workloads if one.namespace == namespace and one.volumes]
        yield from isolated("volumes", partial(_volumes, namespace, own, reader, now), FIX_VOLUMES)


def _rights(workloads: Sequence[Workload], reader: RightsReader) -> Iterator[Finding]:
    for namespace in dict.fromkeys(one.namespace for one in workloads):
        asked = {_overlay(one) for one in workloads if one.namespace == namespace and one.headroom is not None}
        asked |= {"volumes" for one in workloads if one.namespace == namespace and one.volumes}
        calls = [(overlay, call) for overlay in sorted(asked) for call in CALLS[overlay]]
        for overlay, call in calls:
            if not reader.may(namespace, call):
                fix = f"install the overlay k8s/overlays/{overlay} (--set targets.{overlay}=true)"
                yield Finding("rights", "fail", f"{namespace}: the controller may not {call}", fix)
        if "volumes" in asked and not reader.may(namespace, CLASSES):
            fix = "install the overlay k8s/overlays/storage-classes, or rely on the server's own refusal"
            detail = f"{namespace}: the controller may not {CLASSES}, so it does not know which class can grow"
            yield Finding("rights", "warn", detail, fix)


def _overlay(workload: Workload) -> str:
    placeholder = workload.headroom is not None and workload.headroom.buffer == "placeholder"
    return "placeholder" if placeholder else "headroom"


def _headroom(workloads: Sequence[Workload], reader: ClusterReader, now: datetime) -> Iterator[Finding]:
    """Whether each buffer can be created, belongs to capacity, and has its nodes."""
    places: dict[tuple[str, str], BufferPlace] = {}
    for one in workloads:
        if one.headroom is not None:
            place = BufferPlace(one, one.headroom, (one.metrics.kind, one.name))
            places.setdefault(place.key, place)
    if not places:
        return
    seen = read_buffers(reader, list(places.values()))
    sound = 0
    for place in places.values():
        found = isolated("headroom", partial(_buffer, seen, place, now), FIX_HEADROOM)
        where = f"{place.key[0]}/{place.name}"
        yield from (Finding(one.check, one.state, f"{where}: {one.detail}", one.fix) for one in found)
        sound += not found
    if sound:
        yield Finding("headroom", "ok", f"{sound} of {len(places)} buffers of nodes can be kept")


def _buffer(seen: SeenBuffers, place: BufferPlace, now: datetime) -> Iterator[Finding]:
    state = buffer_state(seen, place, now)
    if state.refused is not None:
        yield Finding("headroom", "fail", state.refused[1], FIX_HEADROOM)
    elif state.foreign is not None:
        yield Finding("headroom", "fail", f"made by {state.foreign}", FIX_BUFFER_OWNER)
    elif state.edited:
        yield Finding("headroom", "warn", f"somebody set {state.replicas} pods, so it is not reduced", FIX_BUFFER_OWNER)
    elif state.replicas and not state.provisioned:
        yield Finding("headroom", "warn", f"its nodes are not ready: {state.message}", FIX_HEADROOM)


def _volumes(namespace: str, workloads: Sequence[Workload], reader: ClusterReader, now: datetime) -> Iterator[Finding]:
    """Whether each claim exists, can grow, may be grown by us, and has room up to its max."""
    listed = observe_claims(reader, namespace, set())
    named = {name: rule for one in workloads for rule in one.volumes for name in _matching(one, rule, listed)}
    claims = observe_claims(reader, namespace, set(named))
    sound, growth = 0, 0.0
    for workload in workloads:
        for rule in workload.volumes:
            matching = _matching(workload, rule, claims)
            if not matching:
                detail = f"{namespace}/{workload.name}: no claim {rule.claim or f'of template {rule.template}'} there"
                yield Finding("volumes", "fail", detail, "correct claim or template, or create the claim")
            for name in matching:
                found = list(_claim(workload, rule, claims, name, now))
                yield from (Finding("volumes", state, f"{namespace}/{name}: {text}", fix) for state, text, fix in found)
                sound += not found
                growth += _growth(rule, claims, name, now)
    if growth:
        yield from _within_quotas(namespace, growth, reader)
    if sound:
        yield Finding("volumes", "ok", f"{namespace}: {sound} of {len(named)} claims can grow")


def _matching(workload: Workload, rule: VolumeRules, claims: ObservedClaims) -> list[str]:
    return sorted(name for name in claims.documents if rule.matches(name, workload.name))


def _claim(
    workload: Workload, rule: VolumeRules, claims: ObservedClaims, name: str, now: datetime
) -> Iterator[tuple[State, str, str]]:
    """The state, detail and fix of everything that keeps a claim from growing."""
    try:
        seen = claims.observation(name, now)
    except ClusterError as error:
        yield "fail", str(error), FIX_VOLUMES
        return
    yield from _growable(seen)
    if rule.max is not None and seen.asked >= rule.max:
        yield "warn", f"it asks for {seen.asked / GIB:.4g}Gi, its max is {rule.max / GIB:.4g}Gi", "raise max"
    owner = foreign_owner(claims.documents[name], workload.target.ignored_by)
    if owner is not None:
        yield "warn", f"{owner} sets its size", "set it there, or add it to target.ignored_by"


def _growable(seen: ClaimObservation) -> Iterator[tuple[State, str, str]]:
    if seen.phase != "Bound":
        detail = f"it is {seen.phase or 'not bound'}: only a bound claim grows"
        yield "warn", detail, f"kubectl describe pvc {seen.name}"
    elif not seen.storage_class or not seen.class_found:
        detail = f"its class {seen.storage_class or '(none)'} does not exist"
        yield "fail", detail, "see `kubectl get storageclass`; its volume cannot grow"
    elif seen.expandable is False:
        fix = "set allowVolumeExpansion where its driver can, else move to a larger claim"
        yield "fail", f"its class {seen.storage_class} allows no expansion", fix
    elif seen.infeasible is not None:
        yield "fail", f"its last expansion cannot be done ({seen.infeasible})", f"kubectl describe pvc {seen.name}"


def _growth(rule: VolumeRules, claims: ObservedClaims, name: str, now: datetime) -> float:
    """How many more bytes it may still request; 0 if it has no max."""
    try:
        asked = claims.observation(name, now).asked
    except ClusterError:
        return 0.0
    return 0.0 if rule.max is None else max(0.0, rule.max - asked)


def _within_quotas(namespace: str, growth: float, reader: ClusterReader) -> Iterator[Finding]:
    """A storage quota that the claims would exceed at their max; nothing if quotas may not be read."""
    for quota in _readable(reader, QUOTAS.format(namespace=namespace)):
        status = quota.get("status") or {}
        hard = (status.get("hard") or (quota.get("spec") or {}).get("hard") or {}).get("requests.storage")
        if hard is None:
            continue
        room = parse_quantity(hard) - parse_quantity((status.get("used") or {}).get("requests.storage", "0"))
        if growth > room:
            name = (quota.get("metadata") or {}).get("name")
            detail = (
                f"{namespace}: quota {name} leaves {room / GIB:.4g}Gi of storage, its claims may ask for "
                f"{growth / GIB:.4g}Gi more up to their max"
            )
            yield Finding("volumes", "warn", detail, "raise requests.storage of the quota, or lower max")


def _readable(reader: ClusterReader, path: str) -> Iterable[Mapping[str, Any]]:
    try:
        return list(reader.objects(path))
    except ClusterError as error:
        if error.status != REFUSED:
            raise
        return ()
