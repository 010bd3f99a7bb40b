"""An object with a floor as the API server returned it: makes observations from it, and patches for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from math import isfinite
from typing import Any

from capacity.cluster.annotations import (
    BASELINE,
    EXPIRES,
    FLOOR,
    OURS,
    REHEARSAL,
    STATE,
    Baseline,
    Notes,
    baseline_text,
    read_notes,
    read_wishes,
)
from capacity.cluster.annotations import state_text as text_of_state
from capacity.cluster.client import MANAGER
from capacity.cluster.kinds import HPA, Document, Kind
from capacity.cluster.ownership import Owner, handed_over, owners, owns
from capacity.decision.reached import moves, replicas_asked
from capacity.model import ClusterError, Decision, Observation, Readiness, Readings, Wishes
from capacity.model.fields import parse_quantity, rfc3339

SOURCES = {
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}


@dataclass(frozen=True)  # no slots: what is read once is kept
class Autoscaler:
    """One object as the cluster returned it, and the time at which it was read.

    `hpa`: the HPA that KEDA made of a ScaledObject; None where there is none. `limit`: the ceiling of a kind that has
    none of its own. `readiness`: what is known of its ready replicas; `measured_at`: when its metrics were measured;
    None where nobody looked.
    """

    document: Document
    now: datetime
    kind: Kind = HPA
    hpa: Document | None = None
    limit: int = 1
    readiness: Readiness | None = None
    measured_at: datetime | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.document["metadata"]["name"])

    @property
    def manager(self) -> str:
        """Our field manager."""
        return MANAGER

    @property
    def annotations(self) -> Document:
        """Its annotations."""
        found = self.document["metadata"].get("annotations")
        return found if isinstance(found, dict) else {}

    @cached_property
    def notes(self) -> Notes:
        """Our annotations on it. Raises `ClusterError` if the baseline cannot be read."""
        return read_notes(self.annotations, self.name)

    @property
    def spec(self) -> Document:
        """Its spec."""
        return self.document.get("spec") or {}

    @property
    def floor(self) -> int:
        """The present floor; the server's default if the field is absent."""
        value = self.spec.get(self.kind.floor)
        return self.kind.absent_floor if value is None else int(value)

    @property
    def ceiling(self) -> int:
        """The present ceiling; for a kind without one, the most replicas it may get."""
        if self.kind.ceiling is None:
            return max(self.limit, self.floor)
        value = self.spec.get(self.kind.ceiling)
        if value is None:
            value = self.kind.absent_ceiling
        if value is None:
            raise ClusterError(f"{self.name}: expected spec.{self.kind.ceiling}, got none")
        return int(value)

    @cached_property
    def observation(self) -> Observation:
        """The present replica counts, bounds and metrics, and what people request by annotation."""
        notes = self.notes
        baseline = notes.baseline
        status, lowered_by = (self._measured or {}).get("status") or {}, self._lowered_by()
        return Observation(
            floor=self.floor,
            ceiling=self.ceiling,
            current=self.floor if self.kind.scaled else _current(self._measured or {}),
            desired=self.floor if self.kind.scaled else int(status.get("desiredReplicas") or 0),
            baseline_floor=self._floor_of(baseline) if baseline else None,
            baseline_ceiling=baseline.ceiling if baseline else None,
            edited_by=self._editor() or lowered_by if baseline else None,
            lowered_from=notes.floor if baseline and lowered_by else None,
            readings=self._readings(),
            wishes=self._wishes(),
            memory=notes.memory,
            readiness=self.readiness,
        )

    def _readings(self) -> Readings | None:
        """The readings of its metrics; None without an autoscaler. `measured_at` is known of CPU and memory only."""
        if self._measured is None:
            return None
        found = read_metrics(self._measured)
        known = found.cpu_millicores is not None or found.memory_bytes is not None
        return replace(found, measured_at=self.measured_at) if known else found

    def condition_text(self) -> str:
        """The failing condition of its autoscaler; empty if there is none."""
        conditions = ((self._measured or {}).get("status") or {}).get("conditions") or []
        failing = [one for one in conditions if one.get("status") == "False" and one.get("type") != "ScalingLimited"]
        return "".join(f": {one.get('reason', '')} {one.get('message', '')}".rstrip() for one in failing[:1])

    def reconcilers(self, allowed: tuple[str, ...], *, with_ceiling: bool) -> list[str]:
        """Managers of the floor (and ceiling) that would set it back by themselves, without the `allowed` ones."""
        ceiling = self.kind.ceiling_path if with_ceiling else None
        paths = [self.kind.floor_path, *([ceiling] if ceiling else [])]
        found = [owner for path in paths for owner in owners(self.document, path)]
        names = {owner.manager for owner in found if owner.reconciles and owner.manager not in (MANAGER, *allowed)}
        return sorted(names)

    def appliers(self) -> list[Owner]:
        """Who applied the floor server-side and would meet a conflict; we never take it without permission."""
        found = owners(self.document, self.kind.floor_path)
        return [one for one in found if one.operation == "Apply" and one.manager != MANAGER and not one.reconciles]

    def first_owner(self) -> Owner | None:
        """Who else set the floor."""
        return _first_owner(self.document, self.kind.floor_path)

    def expiry_due(self, expires: datetime | None) -> bool:
        """Whether the noted expiry must be renewed to `expires`: less than half of its time is left."""
        noted = self.notes
        if noted.baseline is None or expires is None or expires <= self.now:
            return False
        return noted.expires is None or (
            noted.expires < expires and noted.expires - self.now < (expires - self.now) / 2
        )

    def written(self, decision: Decision, expires: datetime | None) -> Document:
        """The patch: our annotations, the floor, and the ceiling if it moves or is ours already.

        For server-side apply this is all we own; as a merge patch it changes just these fields. With the uid in it, an
        apply creates no object in the place of one that was deleted meanwhile.
        """
        metadata = self.document["metadata"]
        edited = self.observation.edited_by is not None and decision.floor == self.floor
        spec: Document = {} if edited else {self.kind.floor: decision.floor}  # a person's edit stays his
        if self.kind.ceiling and (decision.ceiling != self.ceiling or self._owns_ceiling):
            spec[self.kind.ceiling] = decision.ceiling
        if not self.kind.applied:
            spec = {key: value for key, value in spec.items() if value != self.spec.get(key)}
        return {
            "apiVersion": self.kind.api_version,
            "kind": self.kind.name,
            "metadata": {
                "name": self.name,
                "namespace": metadata["namespace"],
                **({"uid": metadata["uid"]} if self.kind.applied and "uid" in metadata else {}),
                "resourceVersion": metadata["resourceVersion"],
                "annotations": self._annotations(decision, expires, noted_floor=not edited),
            },
            **({"spec": spec} if spec else {}),
        }

    def restored(self, baseline: Baseline) -> Document | None:
        """The merge patch that restores the bounds; None if they are restored, or a person set the floor since.

        A field that was absent becomes absent again. The noted floor goes in the same request: a policy that guards it
        lets go.
        """
        spec: Document = {}
        if self._editor() is None and self.spec.get(self.kind.floor) != baseline.floor:
            spec[self.kind.floor] = baseline.floor
        ceiling = self.kind.ceiling
        if ceiling and self._owns_ceiling and self.spec.get(ceiling) != baseline.ceiling:
            spec[ceiling] = baseline.ceiling
        guard = {"annotations": {FLOOR: None}} if FLOOR in self.annotations else {}
        metadata = {**self._version(), **({} if self.kind.scaled else guard)}
        return {"metadata": metadata, "spec": spec} if spec else None

    def released(
        self, baseline: Baseline, others: Sequence[tuple[tuple[str, ...], Owner | None]] = ()
    ) -> list[Document]:
        """The JSON patch that hands our fields to their former owners and removes our annotations, values untouched.

        `others`: further paths of ours and their heirs.

        Never an apply without the field: the server would drop the value and default the floor to 1.
        """
        heirs: list[tuple[tuple[str, ...], Owner | None]] = [*others]
        if self.spec.get(self.kind.floor) is not None:
            heirs.append((self.kind.floor_path, baseline.floor_owner))
        if self.kind.ceiling_path and self.spec.get(str(self.kind.ceiling)) is not None:
            heirs.append((self.kind.ceiling_path, baseline.ceiling_owner))
        fields = handed_over(self.document, MANAGER, heirs, rfc3339(self.now.replace(microsecond=0)))
        gone = [key for key in OURS if key in self.annotations]
        return [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": self._version()["resourceVersion"]},
            {"op": "replace", "path": "/metadata/managedFields", "value": fields},
            *({"op": "remove", "path": "/metadata/annotations/" + key.replace("/", "~1")} for key in gone),
        ]

    def reread(self, document: Document) -> Autoscaler:
        """The same object in a newer version."""
        return replace(self, document=document)

    def _floor_of(self, baseline: Baseline) -> int:
        return self.kind.absent_floor if baseline.floor is None else baseline.floor

    @property
    def _measured(self) -> Document | None:
        return self.document if self.kind is HPA else self.hpa

    @property
    def _owns_ceiling(self) -> bool:
        return self.kind.ceiling_path is not None and owns(self.document, MANAGER, self.kind.ceiling_path)

    def _wishes(self) -> Wishes:
        wishes = read_wishes(self.annotations, self.now)
        at_rest = wishes == Wishes() and self._measured is None and not self.kind.scaled
        return Wishes(unclear="KEDA has made no HorizontalPodAutoscaler of it yet") if at_rest else wishes

    def _version(self) -> dict[str, str]:
        return {"resourceVersion": str(self.document["metadata"]["resourceVersion"])}

    def _editor(self) -> str | None:
        """Who changed the floor since our last write; None while we own it, nobody does, or it has our value."""
        path, noted = self.kind.floor_path, self.notes.floor
        others = [owner.manager for owner in owners(self.document, path) if owner.manager != MANAGER]
        if noted is not None and noted == self.floor:
            return None  # a policy kept it, or the other wrote the same: then only the ownership moved
        return others[0] if others and not owns(self.document, MANAGER, path) else None

    def _lowered_by(self) -> str | None:
        """Who lowered the floor since our last write. An apply that drops the field leaves a default without owner."""
        noted = self.notes.floor
        if noted is None or self.floor >= noted or owns(self.document, MANAGER, self.kind.floor_path):
            return None
        return self._editor() or "an apply that left the field out"

    def _annotations(self, decision: Decision, expires: datetime | None, *, noted_floor: bool) -> Document:
        notes = self.notes
        until = expires or notes.expires
        text = notes.baseline_text or baseline_text(self.first_touch(), self.now)
        ours = decision.floor if noted_floor else min(decision.floor, notes.floor or decision.floor)
        found: Document = {BASELINE: text, STATE: text_of_state(decision.memory), FLOOR: str(ours)}
        rehearsal = self.annotations.get(REHEARSAL)
        if rehearsal is not None and self.observation.wishes.rehearsed is not None:
            found[REHEARSAL] = rehearsal  # an apply without it would take it away
        elif rehearsal is not None and not self.kind.applied:
            found[REHEARSAL] = None
        return {**found, EXPIRES: rfc3339(until.replace(microsecond=0))} if until else found

    def first_touch(self) -> Baseline:
        """The present bounds and their owners, to be noted before the first write."""
        kind, spec = self.kind, self.spec
        ceiling = spec.get(kind.ceiling) if kind.ceiling else None
        ceiling_owner = _first_owner(self.document, kind.ceiling_path) if kind.ceiling_path else None
        return Baseline(spec.get(kind.floor), ceiling, _first_owner(self.document, kind.floor_path), ceiling_owner)


def _current(hpa: Document) -> int:
    """Running replicas. JSON leaves out a count of 0 and an unknown count alike: a condition tells them apart."""
    if scaled_to_zero(hpa):
        return 0
    return max(1, int((hpa.get("status") or {}).get("currentReplicas") or 1))


def _first_owner(document: Document, path: tuple[str, ...]) -> Owner | None:
    return next((owner for owner in owners(document, path) if owner.manager != MANAGER), None)


def made_by(document: Document) -> tuple[str, str] | None:
    """Kind and name of the object whose controller made this one and rewrites it, or None."""
    references: Any = document["metadata"].get("ownerReferences") or []
    return next(((str(item["kind"]), str(item["name"])) for item in references if item.get("controller")), None)


def read_metrics(hpa: Document) -> Readings:
    """The readings of an HPA (autoscaling/v2)."""
    spec, status = hpa.get("spec") or {}, hpa.get("status") or {}
    blind = _blind(status)
    if blind is not None:
        return Readings(blind=blind)
    try:
        wanted, cores, memory = _wanted(spec, status), _used(status, "cpu"), _used(status, "memory")
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        return Readings(blind=f"a metric cannot be read ({type(error).__name__}: {str(error)[:80]})")
    return Readings(
        wanted,
        cpu_millicores=None if cores is None else round(cores * 1000),
        memory_bytes=None if memory is None else round(memory),
        mark=_mark(status),
    )


def _mark(status: Document) -> str | None:
    """Usage per replica as text; None if it may be constant although it is measured."""
    replicas = max(1, int(status["currentReplicas"]))
    cores, memory = _average(status, "cpu"), _average(status, "memory")
    known = [None if value is None else _number(value) for value in (cores, memory)]
    if not moves(known[0], known[1], replicas):
        return None
    return str(cores) if memory is None else f"{cores} {memory}"


def scaled_to_zero(hpa: Document) -> bool:
    """Whether the HPA is inactive because its workload has 0 replicas."""
    conditions = (hpa.get("status") or {}).get("conditions") or []
    return any(item.get("type") == "ScalingActive" and item.get("reason") == "ScalingDisabled" for item in conditions)


def _blind(status: Document) -> str | None:
    conditions = {item.get("type"): item for item in status.get("conditions") or []}
    for name in ("ScalingActive", "AbleToScale"):
        condition = conditions.get(name)
        if condition is None and name == "ScalingActive":
            return "its autoscaler has not reported ScalingActive"
        if condition is not None and condition.get("status") != "True":
            return f"its autoscaler says {name}={condition.get('status')} {condition.get('reason', '')}".strip()
    return None if status.get("currentMetrics") else "its autoscaler has no current metrics"


def _wanted(spec: Document, status: Document) -> int:
    """The most that any metric asks for, as the HPA computes it; every metric must have been read."""
    replicas, ratios = int(status["currentReplicas"]), []
    metrics, current = spec.get("metrics") or [], status["currentMetrics"]
    if len(metrics) != len(current):
        raise ValueError(f"{len(current)} of {len(metrics)} metrics reported")
    for metric, reported in zip(metrics, current, strict=True):
        if metric["type"] != reported.get("type"):
            raise ValueError(f"no value for the metric of type {metric['type']}")
        part = SOURCES[metric["type"]]
        ratios.append(_ratio(metric[part]["target"], reported[part]["current"]))
    return replicas_asked(ratios, replicas, int(status.get("desiredReplicas") or 0), int(spec.get("minReplicas", 1)))


def _ratio(target: Document, current: Document) -> float:
    field = {"Utilization": "averageUtilization", "AverageValue": "averageValue", "Value": "value"}[target["type"]]
    ratio = _number(current[field]) / _number(target[field])
    if ratio < 0:
        raise ValueError(f"{field} {current[field]}")
    return ratio


def _used(status: Document, resource: str) -> float | None:
    """The usage of all replicas, in cores or bytes; None if no metric of the autoscaler has it."""
    value = _average(status, resource)
    return None if value is None else _number(value) * int(status["currentReplicas"])


def _average(status: Document, resource: str) -> Any:
    """The mean usage of a replica, as the autoscaler reports it."""
    for item in status["currentMetrics"]:
        if item.get("type") == "Resource" and item["resource"].get("name") == resource:
            return item["resource"]["current"].get("averageValue")
    return None


def _number(value: Any) -> float:
    number = parse_quantity(value)
    if not isfinite(number):
        raise ValueError(f"{value} is no number")
    return number
