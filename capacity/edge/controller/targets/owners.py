"""The owner is found first: whose replicas these are, and why a target is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from capacity.domain import Owned, Workload
from capacity.domain.workload import TargetKind
from capacity.edge.cluster.kinds import HPA, SCALED_OBJECT, Document
from capacity.edge.controller.targets.autoscaler import made_by
from capacity.edge.controller.targets.notes import BASELINE

Movers = dict[tuple[str, str], set[str]]  # kind and name of a workload -> kind/name of what moves its replicas


@dataclass(frozen=True, slots=True)
class Scene:
    """The autoscalers of one namespace. `scaled_objects` None: not looked for, or KEDA is not installed.

    `unseen`: why its ScaledObjects could not be listed; None where they could, or need not be.
    """

    namespace: str
    hpas: dict[str, Document] = field(default_factory=dict)
    scaled_objects: dict[str, Document] | None = None
    unseen: str | None = None
    movers: Movers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "movers", _movers(self.hpas, self.scaled_objects or {}))

    def made_from(self, scaled_object: str) -> Document | None:
        """The HPA that KEDA made of a ScaledObject."""
        owner = (SCALED_OBJECT.name, scaled_object)
        return next((hpa for hpa in self.hpas.values() if made_by(hpa) == owner), None)

    def touched(self) -> Iterable[tuple[TargetKind, Document]]:
        """Kind and document of everything that carries our baseline."""
        kinds: list[tuple[TargetKind, dict[str, Document]]] = [
            ("HorizontalPodAutoscaler", self.hpas),
            ("ScaledObject", self.scaled_objects or {}),
        ]
        for kind, found in kinds:
            for document in found.values():
                if made_by(document) is None and BASELINE in (document["metadata"].get("annotations") or {}):
                    yield kind, document


def other_owner(workload: Workload, document: Document, scene: Scene) -> tuple[Owned, str] | None:
    """Who else moves the same replicas, or makes and rewrites this object, as reason and detail; None: nobody."""
    maker = made_by(document) if workload.target.kind == HPA.name else None
    if maker is not None:
        return "HeldForeignOwner", _made(*maker)
    movers = scene.movers.get(_scaled(workload, document), set())
    others = sorted(movers - {f"{workload.target.kind}/{workload.target.name}"})
    if not others:
        return None
    if workload.target.kind in (HPA.name, SCALED_OBJECT.name):
        names = ", ".join([f"{workload.target.kind}/{workload.target.name}", *others])
        return "HeldTwoOwners", f"{names} move the same replicas; keep one of them"
    return "HeldForeignOwner", f"its replicas are moved by {', '.join(others)}: name that as the target"


def _made(kind: str, name: str) -> str:
    if kind == SCALED_OBJECT.name:
        return f"made and rewritten by {kind}/{name}: set target: {{kind: {kind}, name: {name}}}"
    return f"made and rewritten by {kind}/{name}: its floor is set there, not here"


def _scaled(workload: Workload, document: Document) -> tuple[str, str]:
    """Kind and name of what is scaled."""
    if workload.target.kind not in (HPA.name, SCALED_OBJECT.name):
        return workload.target.kind, workload.target.name
    reference = (document.get("spec") or {}).get("scaleTargetRef") or {}
    return str(reference.get("kind") or "Deployment"), str(reference.get("name"))


def _movers(hpas: dict[str, Document], scaled_objects: dict[str, Document]) -> Movers:
    """Every autoscaler by the workload it moves; an HPA that another object made counts as that object."""
    found: Movers = {}
    for kind, documents in ((HPA, hpas), (SCALED_OBJECT, scaled_objects)):
        for name, document in documents.items():
            reference = (document.get("spec") or {}).get("scaleTargetRef") or {}
            scaled = (str(reference.get("kind") or "Deployment"), str(reference.get("name")))
            maker = made_by(document) if kind is HPA else None
            found.setdefault(scaled, set()).add("/".join(maker) if maker else f"{kind.name}/{name}")
    return found
