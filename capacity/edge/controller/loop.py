"""The same pass again and again, by whoever leads; SIGTERM lets the pass in hand end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from capacity.domain import CapacityError
from capacity.edge.cluster.client import ClusterWriter
from capacity.edge.cluster.lease import SHORTEST, Lease
from capacity.edge.controller.writers import identity
from capacity.edge.logs import LOGGER

PERIODS = 3  # without renewal a leader is followed by another after this many periods


@dataclass
class Leader:
    """The Leases by which one of several loops leads; a namespace led by another is left to it."""

    writer: ClusterWriter
    namespaces: Sequence[str]
    period: timedelta
    holder: str = field(default_factory=identity)

    def lead(self) -> dict[str, str | None]:
        """Take or renew each namespace's Lease: who else leads there, None where we do."""
        return {namespace: self._lease(namespace).acquire(datetime.now(UTC)) for namespace in self.namespaces}

    def resign(self) -> None:
        """Let another lead at once."""
        for namespace in self.namespaces:
            self._lease(namespace).release(datetime.now(UTC))

    def _lease(self, namespace: str) -> Lease:
        return Lease(self.writer, namespace, self.holder, max(SHORTEST, PERIODS * self.period))


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; the former handlers come back afterwards."""
    stop = threading.Event()
    former = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def repeat(one_pass: Callable[[], None], period: timedelta, stop: threading.Event) -> None:
    """Run passes a period apart, from start to start, until told to stop. A failed pass is logged; the next tries."""
    while not stop.is_set():
        began = datetime.now(UTC)
        try:
            one_pass()
        except CapacityError as error:
            LOGGER.error("%s", error)
        stop.wait(max(0.0, (began + period - datetime.now(UTC)).total_seconds()))
