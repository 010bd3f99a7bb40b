"""Faults to order: what a cluster does on a bad day, for the next requests that match a pattern."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.double.status import StatusError

TOO_MANY = "Too many requests, please try again later."


@dataclass(frozen=True)
class Fault:
    """What happens instead of, or before, the answer."""

    delay: float = 0.0
    """Seconds to wait first."""
    status: int | None = None
    """Answer with this code and do nothing; None lets the request through."""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: Literal["before", "after"] | None = None
    """Reset the connection before the change is applied, or after it is and before the client hears of it."""
    garbled: bool = False
    """Apply the request, then answer with half of the JSON."""


def too_many_requests(retry_after: int = 1) -> Fault:
    """429 as priority and fairness sends it: plain text, no Status, with Retry-After."""
    return Fault(status=429, body=TOO_MANY, headers={"Content-Type": "text/plain", "Retry-After": str(retry_after)})


def refusal(code: int, reason: str, message: str, headers: Mapping[str, str] | None = None) -> Fault:
    """A Status of any code, as 500 InternalError or 503 ServiceUnavailable."""
    body = json.dumps(StatusError(code, reason, message).as_object())
    return Fault(status=code, body=body, headers={"Content-Type": "application/json", **(headers or {})})


def internal_error() -> Fault:
    """500, as when etcd times out."""
    return refusal(500, "InternalError", "Internal error occurred: etcdserver: request timed out")


def unavailable(retry_after: int | None = None) -> Fault:
    """503, as while the API server restarts; with Retry-After if asked."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return refusal(503, "ServiceUnavailable", "the server is currently unable to handle the request", headers)


def slow(seconds: float) -> Fault:
    """An answer that takes its time."""
    return Fault(delay=seconds)


def reset_before() -> Fault:
    """A connection that breaks before the server has done anything."""
    return Fault(cut="before")


def reset_after() -> Fault:
    """A connection that breaks mid-patch: the change is stored, the client does not know."""
    return Fault(cut="after")


def garbled() -> Fault:
    """A 200 with a body that is no JSON, as a broken proxy sends it."""
    return Fault(garbled=True)


@dataclass
class _Order:
    pattern: re.Pattern[str]
    fault: Fault
    left: int


class Faults:
    """The queue of ordered faults; each is spent after its number of matching requests."""

    def __init__(self) -> None:
        self._orders: list[_Order] = []
        self._lock = threading.Lock()

    def add(self, pattern: str, fault: Fault, times: int = 1) -> None:
        """Order a fault for the next requests whose `METHOD /path?query` the pattern is found in."""
        with self._lock:
            self._orders.append(_Order(re.compile(pattern), fault, times))

    def clear(self) -> None:
        """Forget what was ordered and not yet happened."""
        with self._lock:
            self._orders.clear()

    @property
    def pending(self) -> int:
        """Return how many ordered faults have not happened."""
        with self._lock:
            return sum(order.left for order in self._orders)

    def next(self, line: str) -> Fault | None:
        """Return the fault for a request line, if one is ordered, and count it."""
        with self._lock:
            for order in self._orders:
                if order.left > 0 and order.pattern.search(line):
                    order.left -= 1
                    return order.fault
        return None
