"""Parts of plans that a test needs but does not look at."""

from __future__ import annotations

from typing import Any

from capacity.model import Derivation, ReplicaNeed, TargetUtilization


def derivation(**chosen: Any) -> Derivation:
    """How a peak of 4 cores and 1 GiB was sized: 10 replicas of half a core at 80 %."""
    usual = {"cpu_millicores": 4000, "memory_bytes": 2**30, "target": TargetUtilization(0.8)}
    return Derivation(**{**usual, "need": ReplicaNeed(10, 3), "floor": 2, "ceiling": 20, **chosen})
