"""Who may write in this pass: the Lease of each namespace, taken before the first write, given back at the end."""

from __future__ import annotations

import socket
import uuid
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from capacity.edge.cluster.client import ClusterWriter
from capacity.edge.cluster.lease import Lease

TRIES = 4  # reads and decisions per workload when others write at the same time (409)


def identity() -> str:
    """This process among all that may write: the pod's name and a part that no other run shares."""
    return f"{socket.gethostname()[:63]}_{uuid.uuid4().hex[:8]}"


class Writers:
    """The Leases of one pass. `led`: namespaces whose Lease somebody else keeps for us (`capacity run`)."""

    def __init__(self, writer: ClusterWriter, led: frozenset[str] = frozenset()) -> None:
        self._writer, self._led, self._holder = writer, led, identity()
        self._asked: dict[str, str | None] = {}

    def refusal(self, namespace: str) -> str | None:
        """Who else writes in this namespace; None: we may. Raises `ClusterError` where the Lease cannot be had."""
        if namespace in self._led:
            return None
        if namespace not in self._asked:
            other = self._lease(namespace).acquire(datetime.now(UTC))
            self._asked[namespace] = None if other is None else f"{other} is writing in {namespace} now"
        return self._asked[namespace]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for namespace, other in self._asked.items():
            if other is None:
                self._lease(namespace).release(datetime.now(UTC))

    def _lease(self, namespace: str) -> Lease:
        return Lease(self._writer, namespace, self._holder)
