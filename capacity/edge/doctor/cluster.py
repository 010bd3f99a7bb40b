"""Whether the cluster answers, what it is, and whether its clock and ours agree."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from capacity.edge.controller.guards import clock_skew
from capacity.edge.doctor.finding import Finding
from capacity.edge.doctor.rights import RightsReader
from capacity.edge.screen import duration

FIX_CLUSTER = "set KUBECONFIG, mend the network, or renew the credentials; `kubectl version` shows the same"
OLDEST = (1, 26)  # minor version that made autoscaling/v2 and events.k8s.io/v1 the only ones served
FIX_CLOCK = "start NTP on this machine: with a wrong clock no floor comes down"


def check_cluster(reader: RightsReader, now: datetime) -> Iterator[Finding]:
    """The server's version, then its clock."""
    version = reader.version()
    if _minor(version) < OLDEST:
        fix = f"upgrade it to {OLDEST[0]}.{OLDEST[1]} or newer"
        yield Finding("cluster", "warn", f"Kubernetes {version} is older than any that we know", fix)
    else:
        yield Finding("cluster", "ok", f"Kubernetes {version} answers")
    skew = clock_skew(now, reader.server_time)
    if skew is not None:
        yield Finding("clock", "fail", skew, FIX_CLOCK)
    elif reader.server_time is not None:
        off = duration(abs(now.replace(microsecond=0) - reader.server_time))
        yield Finding("clock", "ok", f"ours and the API server's are within {off}")


def _minor(version: str) -> tuple[int, int]:
    """Major and minor of v1.36.0-eks-1; an unreadable one counts as new."""
    try:
        major, minor = version.removeprefix("v").split(".")[:2]
        return int(major), int(minor.rstrip("+"))
    except ValueError:
        return OLDEST
