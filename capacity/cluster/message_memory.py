"""What was told to people, kept in an annotation of an object of ours: a job in a cluster has no disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capacity.cluster.client import ABSENT, ClusterWriter
from capacity.cluster.lease import NAME
from capacity.cluster.plan_index import INDEX
from capacity.model import ClusterError

if TYPE_CHECKING:
    from capacity.cluster.kinds import Document

MESSAGES = "capacity/messages"


@dataclass(frozen=True, slots=True)
class LeaseMemory:
    """The controller's: on its Lease of one namespace. Anything else there is left as it is."""

    writer: ClusterWriter
    namespace: str

    def load(self) -> object:
        """The JSON values kept there; None where there are none. Raises `ClusterError`."""
        try:
            return _kept(self.writer.lease(self.namespace, NAME))
        except ClusterError as error:
            if error.status != ABSENT:
                raise
            return None

    def save(self, document: object) -> None:
        """Keep the JSON values. Raises `ClusterError`."""
        metadata = _metadata(document)
        try:
            self.writer.merge_lease(self.namespace, NAME, {"metadata": metadata})
        except ClusterError as error:
            if error.status != ABSENT:
                raise
            self.writer.create_lease(
                self.namespace,
                {
                    "apiVersion": "coordination.k8s.io/v1",
                    "kind": "Lease",
                    "metadata": {"name": NAME, "namespace": self.namespace, **metadata},
                    "spec": {},
                },
            )


@dataclass(frozen=True, slots=True)
class PlanMemory:
    """The planner's: on the index of the plan in one namespace. Before the first plan nothing is kept."""

    writer: ClusterWriter
    namespace: str

    def load(self) -> object:
        """The JSON values kept there; None where there are none. Raises `ClusterError`."""
        try:
            return _kept(self.writer.configmap(self.namespace, INDEX))
        except ClusterError as error:
            if error.status != ABSENT:
                raise
            return None

    def save(self, document: object) -> None:
        """Keep the JSON values, where there is a plan. Raises `ClusterError`."""
        try:
            self.writer.merge_configmap(self.namespace, INDEX, {"metadata": _metadata(document)})
        except ClusterError as error:
            if error.status != ABSENT:
                raise


def _kept(found: Document) -> object:
    try:
        return json.loads((found["metadata"].get("annotations") or {}).get(MESSAGES, "null"))
    except ValueError:
        return None


def _metadata(document: object) -> Document:
    return {"annotations": {MESSAGES: json.dumps(document)}}
