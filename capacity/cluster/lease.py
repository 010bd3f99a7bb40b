"""Decides who may write: one writer at a time, by a Lease in each namespace, and nobody while the switch is off."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from capacity.cluster.client import ABSENT, CONFLICT, ClusterReader, ClusterWriter
from capacity.model import ClusterError

if TYPE_CHECKING:
    from capacity.cluster.kinds import Document

NAME = "capacity"
SHORTEST = timedelta(seconds=60)  # a pass is over by then: its CronJob ends it after 50 s
SWITCH_NAME, SWITCH_KEY = "capacity-switch", "enabled"
ON = ("true", "on", "yes", "1")


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write in one namespace, for `duration` from each renewal.

    Times are the text that MicroTime is, with six digits always: the client's own types drop them on a whole second,
    which the server refuses.
    """

    writer: ClusterWriter
    namespace: str
    holder: str
    duration: timedelta = SHORTEST

    def acquire(self, now: datetime) -> str | None:
        """Acquire or renew it. Returns who else holds it; None if we do."""
        try:
            found = self.writer.lease(self.namespace, NAME)
        except ClusterError as error:
            if error.status != ABSENT:
                raise
            return self._create(now)
        other = _live_holder(found, now)
        if other not in (None, self.holder):
            return other
        spec = {"renewTime": micro_time(now)} if other == self.holder else self._fresh(now)
        return self._written(found, spec, other or "another writer")

    def release(self, now: datetime) -> None:
        """Release it if we still hold it. If that fails, others only have to wait until it expires."""
        try:
            found = self.writer.lease(self.namespace, NAME)
            if (found.get("spec") or {}).get("holderIdentity") == self.holder:
                self._written(found, {"holderIdentity": None, "renewTime": micro_time(now)}, "")
        except ClusterError:
            return

    def _create(self, now: datetime) -> str | None:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": NAME, "namespace": self.namespace},
            "spec": self._fresh(now),
        }
        try:
            self.writer.create_lease(self.namespace, body)
        except ClusterError as error:
            if error.status != CONFLICT:
                raise
            return "another writer"
        return None

    def _fresh(self, now: datetime) -> Document:
        return {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": max(1, round(self.duration.total_seconds())),
            "acquireTime": micro_time(now),
            "renewTime": micro_time(now),
        }

    def _written(self, found: Document, spec: Document, other: str) -> str | None:
        version = {"resourceVersion": found["metadata"]["resourceVersion"]}
        try:
            self.writer.merge_lease(self.namespace, NAME, {"metadata": version, "spec": spec})
        except ClusterError as error:
            if error.status != CONFLICT:
                raise
            return other
        return None


def micro_time(moment: datetime) -> str:
    """A time as MicroTime: six digits, always.

    >>> micro_time(datetime(2026, 11, 27, 18, tzinfo=UTC))
    '2026-11-27T18:00:00.000000Z'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _live_holder(lease: Document, now: datetime) -> str | None:
    """Who holds it now. A renewal more than its duration in the future comes from a wrong clock and does not count."""
    spec = lease.get("spec") or {}
    holder = spec.get("holderIdentity")
    try:
        renewed = datetime.fromisoformat(str(spec.get("renewTime")))
        span = timedelta(seconds=int(spec.get("leaseDurationSeconds") or 0))
    except (ValueError, OverflowError):
        return None
    if not holder or renewed.tzinfo is None:
        return None
    return str(holder) if -span <= now - renewed < span else None


TRIES = 4  # reads and decisions per workload when others write at the same time (409)


def identity() -> str:
    """The identity of this process among all writers: the name of the pod and a random part."""
    return f"{socket.gethostname()[:63]}_{uuid.uuid4().hex[:8]}"


RENEW = SHORTEST / 3  # a pass that lasts longer renews what it holds before its next write


class Writers:
    """The Leases of one pass, renewed while it lasts; any number of threads may use them.

    `led`: namespaces whose Lease a loop keeps; `keep` renews that one, and says who else has it now.
    """

    def __init__(
        self,
        writer: ClusterWriter,
        led: frozenset[str] = frozenset(),
        keep: Callable[[str], str | None] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._writer, self._led, self._holder = writer, led, identity()
        self._keep, self._clock, self._lock = keep, clock, Lock()
        self._asked: dict[str, tuple[str | None, float]] = {}
        if keep is not None:
            self._asked = dict.fromkeys(led, (None, clock()))  # the loop renewed them as the pass began

    def refusal(self, namespace: str) -> str | None:
        """Who else writes in this namespace; None: we may. Raises `ClusterError` if the Lease cannot be acquired."""
        if namespace in self._led and self._keep is None:
            return None
        with self._lock:
            other, at = self._asked.get(namespace, (None, None))
            if at is None or (other is None and self._clock() - at >= RENEW.total_seconds()):
                other = self._renewed(namespace)
                self._asked[namespace] = other, self._clock()
        return None if other is None else f"{other} is writing in {namespace} now"

    def _renewed(self, namespace: str) -> str | None:
        if namespace in self._led and self._keep is not None:
            return self._keep(namespace)
        return self._lease(namespace).acquire(datetime.now(UTC))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for namespace, (other, _) in self._asked.items():
            if other is None and namespace not in self._led:
                self._lease(namespace).release(datetime.now(UTC))

    def _lease(self, namespace: str) -> Lease:
        return Lease(self._writer, namespace, self._holder)


def read_switch(reader: ClusterReader, namespace: str) -> str | None:
    """Why nothing may move; None if it may. Without the ConfigMap or its key: on. Any value but a clear yes: off."""
    try:
        found = reader.configmap(namespace, SWITCH_NAME)
    except ClusterError as error:
        if error.status == ABSENT:
            return None
        raise
    value = (found.get("data") or {}).get(SWITCH_KEY)
    if value is None or str(value).strip().lower() in ON:
        return None
    return f"ConfigMap {namespace}/{SWITCH_NAME} says {SWITCH_KEY}: {str(value)[:20]!r}"
