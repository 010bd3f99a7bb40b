"""The kinds of objects whose floor is moved, and where each keeps its floor and its ceiling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """Where a kind lives, and its fields of `spec`; what an absent one means. `ceiling` None: it has none of its own.

    `applied`: written by server-side apply; else by merge patch (no strategic merge, no apply on custom resources).
    `scaled`: the floor is written through the `scale` subresource.
    """

    name: str
    api_version: str
    plural: str
    floor: str
    ceiling: str | None
    absent_floor: int = 1
    absent_ceiling: int | None = None
    applied: bool = False
    scaled: bool = False

    @property
    def path(self) -> str:
        """The path of a namespace's objects of this kind, with {namespace} open."""
        return f"/apis/{self.api_version}/namespaces/{{namespace}}/{self.plural}"

    @property
    def group(self) -> str:
        """The API group."""
        return self.api_version.partition("/")[0]

    @property
    def floor_path(self) -> tuple[str, ...]:
        """The floor in managedFields."""
        return "f:spec", f"f:{self.floor}"

    @property
    def ceiling_path(self) -> tuple[str, ...] | None:
        """The ceiling in managedFields."""
        return ("f:spec", f"f:{self.ceiling}") if self.ceiling else None

    @property
    def pointers(self) -> list[str]:
        """The fields we may write, as JSON pointers."""
        return [f"/spec/{field}" for field in (self.floor, self.ceiling) if field]


HPA = Kind(
    "HorizontalPodAutoscaler",
    "autoscaling/v2",
    "horizontalpodautoscalers",
    "minReplicas",
    "maxReplicas",
    applied=True,
)
SCALED_OBJECT = Kind(  # KEDA's own defaults: 0 and 100 replicas
    "ScaledObject", "keda.sh/v1alpha1", "scaledobjects", "minReplicaCount", "maxReplicaCount", 0, 100
)
DEPLOYMENT = Kind("Deployment", "apps/v1", "deployments", "replicas", None, scaled=True)
STATEFUL_SET = Kind("StatefulSet", "apps/v1", "statefulsets", "replicas", None, scaled=True)
KINDS = {kind.name: kind for kind in (HPA, SCALED_OBJECT, DEPLOYMENT, STATEFUL_SET)}
