"""The project's own API server in a process of its own: `python -m benchmarks.api_server COUNT KUBECONFIG SECONDS`.

It takes SECONDS for each answer. A line on its input asks for what was called since the last one, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.double import Entry, KubernetesDouble, slow
from tests.double.manifests import autoscaler


def serve(count: int, kubeconfig: Path, seconds: float) -> None:
    """Serve until the input ends."""
    with KubernetesDouble() as api:
        for place in range(count):
            api.create(autoscaler(f"web-{place}", namespace="shop"))
        api.create(autoscaler("single", namespace="alone"))
        if seconds:
            api.faults.add(".*", slow(seconds), times=10**9)
        raised: list[float] = []
        add = api.journal.add

        def timed(entry: Entry) -> None:
            add(entry)
            if entry.method == "PATCH" and "horizontalpodautoscalers" in entry.path:
                raised.append(time.monotonic())

        api.journal.add = timed  # type: ignore[method-assign]
        api.kubeconfig(kubeconfig)
        _say({"ready": True})
        for _ in sys.stdin:
            calls = Counter(entry.verb for entry in api.journal)
            _say({"calls": calls, "last_raise": raised[-1] if raised else None})
            api.journal.clear()
            raised.clear()


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
