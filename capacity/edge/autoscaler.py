"""A HorizontalPodAutoscaler as a document and as nouns: observation out, apply body in, baseline in its annotations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from capacity.domain import ClusterError, Decision, Observation
from capacity.edge.cluster import MANAGER
from capacity.edge.ownership import CEILING, FLOOR, Owner, handed_over, owners, owns
from capacity.edge.planfile import rfc3339

BASELINE = "capacity/baseline"  # annotation: the bounds and their owners before our first touch, as JSON
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What to give back: floor, ceiling and who owned each before our first touch."""

    floor: int
    ceiling: int
    floor_owner: Owner | None
    ceiling_owner: Owner | None


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """One HPA as the cluster returned it. Everything in it was written by others: nothing is trusted unchecked."""

    document: Document

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.document["metadata"]["name"])

    @property
    def baseline(self) -> Baseline | None:
        """The baseline noted at our first touch; None where we never touched it. Raises `ClusterError` on nonsense."""
        text = (self.document["metadata"].get("annotations") or {}).get(BASELINE)
        return None if text is None else _parse_baseline(text, self.name)

    @property
    def observation(self) -> Observation:
        """The replica counts and bounds of now."""
        spec, status = self.document.get("spec") or {}, self.document.get("status") or {}
        baseline = self.baseline
        return Observation(
            floor=int(spec.get("minReplicas", 1)),
            ceiling=int(spec["maxReplicas"]),
            current=_current(status),
            desired=int(status.get("desiredReplicas") or 0),
            baseline_floor=baseline.floor if baseline else None,
            baseline_ceiling=baseline.ceiling if baseline else None,
            edited_by=self._editor() if baseline else None,
        )

    def reconcilers(self, allowed: tuple[str, ...]) -> list[str]:
        """Managers of the floor or ceiling that would write again by themselves; `allowed` leave them alone."""
        found = [owner for path in (FLOOR, CEILING) for owner in owners(self.document, path)]
        names = {owner.manager for owner in found if owner.reconciles and owner.manager not in (MANAGER, *allowed)}
        return sorted(names)

    @property
    def maker(self) -> str | None:
        """The object whose controller made this HPA and rewrites it, as kind/name (KEDA's ScaledObject), or None."""
        references = self.document["metadata"].get("ownerReferences") or []
        return next((f"{item['kind']}/{item['name']}" for item in references if item.get("controller")), None)

    def apply_body(self, decision: Decision, now: datetime) -> Document:
        """What to send by server-side apply: floor, ceiling where it moves or is ours already, and the baseline."""
        metadata = self.document["metadata"]
        spec: Document = {"minReplicas": decision.floor}
        if decision.ceiling != self.observation.ceiling or owns(self.document, MANAGER, CEILING):
            spec["maxReplicas"] = decision.ceiling
        return {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {
                "name": self.name,
                "namespace": metadata["namespace"],
                "resourceVersion": metadata["resourceVersion"],
                "annotations": {BASELINE: self._baseline_text(now)},
            },
            "spec": spec,
        }

    def restore_value(self, baseline: Baseline) -> Document | None:
        """The merge patch that sets the bounds back; None where they stand there, or a person set the floor since."""
        observed = self.observation
        spec: Document = {}
        if observed.edited_by is None and observed.floor != baseline.floor:
            spec["minReplicas"] = baseline.floor
        if owns(self.document, MANAGER, CEILING) and observed.ceiling != baseline.ceiling:
            spec["maxReplicas"] = baseline.ceiling
        return {"metadata": self._version(), "spec": spec} if spec else None

    def release(self, baseline: Baseline, now: datetime) -> list[Document]:
        """The JSON patch that hands our fields to their former owners and removes our annotation, values untouched.

        Never an apply without the field: the server would drop the value and default the floor to 1.
        """
        heirs = [(FLOOR, baseline.floor_owner), (CEILING, baseline.ceiling_owner)]
        fields = handed_over(self.document, MANAGER, heirs, rfc3339(now.replace(microsecond=0)))
        return [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": self._version()["resourceVersion"]},
            {"op": "replace", "path": "/metadata/managedFields", "value": fields},
            {"op": "remove", "path": "/metadata/annotations/" + BASELINE.replace("/", "~1")},
        ]

    def _version(self) -> dict[str, str]:
        return {"resourceVersion": str(self.document["metadata"]["resourceVersion"])}

    def _editor(self) -> str | None:
        """Who took the floor since our last write; None while it is ours, or nobody's."""
        others = [owner.manager for owner in owners(self.document, FLOOR) if owner.manager != MANAGER]
        return others[0] if others and not owns(self.document, MANAGER, FLOOR) else None

    def _baseline_text(self, now: datetime) -> str:
        noted = (self.document["metadata"].get("annotations") or {}).get(BASELINE)
        if noted is not None:
            return str(noted)
        observed = self.observation
        note = {
            "floor": observed.floor,
            "ceiling": observed.ceiling,
            "floor_owner": _owner_note(owners(self.document, FLOOR)),
            "ceiling_owner": _owner_note(owners(self.document, CEILING)),
            "noted": rfc3339(now),
        }
        return json.dumps(note, separators=(",", ":"))


def _current(status: Document) -> int:
    """Replicas that run. A count of 0 is left out of the JSON, as is a count nobody knows yet: the condition tells."""
    conditions = status.get("conditions") or []
    if any(item.get("type") == "ScalingActive" and item.get("reason") == "ScalingDisabled" for item in conditions):
        return 0
    return max(1, int(status.get("currentReplicas") or 1))


def _owner_note(found: list[Owner]) -> list[str] | None:
    first = next((owner for owner in found if owner.manager != MANAGER), None)
    return [first.manager, first.operation] if first else None


def _parse_baseline(text: str, name: str) -> Baseline:
    try:
        note = json.loads(text)
        floor, ceiling = note["floor"], note["ceiling"]
        if not (isinstance(floor, int) and isinstance(ceiling, int) and 0 <= floor <= ceiling):
            raise ValueError(f"floor {floor!r}, ceiling {ceiling!r}")
        return Baseline(floor, ceiling, _noted_owner(note.get("floor_owner")), _noted_owner(note.get("ceiling_owner")))
    except (ValueError, KeyError, TypeError) as error:
        raise ClusterError(f"{name}: annotation {BASELINE} cannot be read ({error}); correct or remove it") from error


def _noted_owner(note: Any) -> Owner | None:
    if note is None:
        return None
    manager, operation = note
    return Owner(str(manager), str(operation))
