"""What was told to people, kept in an annotation of the controller's Lease: a pass has no disk."""

from __future__ import annotations

import json
from dataclasses import dataclass

from capacity.cluster.client import ABSENT, ClusterWriter
from capacity.cluster.lease import NAME
from capacity.model import ClusterError

MESSAGES = "capacity/messages"


@dataclass(frozen=True, slots=True)
class LeaseMemory:
    """The annotation of the Lease of one namespace. Anything else there is left as it is."""

    writer: ClusterWriter
    namespace: str

    def load(self) -> object:
        """The JSON values kept there; None where there are none. Raises `ClusterError`."""
        try:
            notes = self.writer.lease(self.namespace, NAME)["metadata"].get("annotations") or {}
        except ClusterError as error:
            if error.status != ABSENT:
                raise
            return None
        try:
            return json.loads(notes.get(MESSAGES, "null"))
        except ValueError:
            return None

    def save(self, document: object) -> None:
        """Keep the JSON values. Raises `ClusterError`."""
        metadata = {"annotations": {MESSAGES: json.dumps(document)}}
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
