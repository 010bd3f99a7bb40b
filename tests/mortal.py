"""A client of the cluster whose process dies in the middle of its work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from capacity.cluster.client import ClusterWriter
from tests.paper import Killed


class Mortal(ClusterWriter):
    """A writer whose process is killed at one of its calls, before the server hears of it or after it answered."""

    def __init__(self, kubeconfig: Path, at: int, *, after: bool) -> None:
        super().__init__(str(kubeconfig), requests_per_second=100_000)
        self.calls, self._at, self._after = 0, at, after

    def _request(self, *args: Any, **more: Any) -> Any:
        self.calls += 1
        if self.calls == self._at and not self._after:
            raise Killed
        answer = super()._request(*args, **more)
        if self.calls == self._at:
            raise Killed
        return answer
