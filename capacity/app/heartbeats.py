"""When planner and controller last did their work, from the cluster alone: missed passes show without Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from capacity.cluster.client import ABSENT, ClusterReader
from capacity.cluster.lease import NAME as LEASE
from capacity.model import ClusterError, Plan
from capacity.model.configuration import Config
from capacity.model.fields import time_or_none
from capacity.model.service_level import Heartbeat

CRONJOBS = "/apis/batch/v1/namespaces/{namespace}/cronjobs"
OURS = "app.kubernetes.io/part-of=capacity"
PASSES, LEAST = 3, timedelta(minutes=3)  # one missed pass is no news: floors cover two periods more than they must
PLANNINGS = timedelta(hours=3)  # of a planner that runs each hour


def read_heartbeats(config: Config, reader: ClusterReader, plan: Plan | None, now: datetime) -> tuple[Heartbeat, ...]:
    """The age of the plan, and of each namespace the runs of our CronJobs and the last renewal of the Lease."""
    workloads = dict.fromkeys(one.namespace for one in config.workloads)
    ours = config.controller.namespace
    pods = [ours] if ours is not None else [*filter(None, [config.controller.home]), *workloads]
    late = max(LEAST, PASSES * config.controller.period)
    found = [] if plan is None else [Heartbeat("plan", plan.created, now - plan.created > PLANNINGS, "made")]
    for namespace in dict.fromkeys([*pods, *workloads]):
        found += _jobs(reader, namespace, now, late) if namespace in pods else []
        found += _lease(reader, namespace)
    return tuple(found)


def _jobs(reader: ClusterReader, namespace: str, now: datetime, late: timedelta) -> Iterator[Heartbeat]:
    try:
        listed = list(reader.objects(CRONJOBS.format(namespace=namespace), labels=OURS))
    except ClusterError as error:
        yield Heartbeat(f"CronJobs in {namespace}", None, False, f"not known: {error}")
        return
    for one in listed:
        name = str(one["metadata"]["name"])
        patience = late if name.endswith("-controller") else PLANNINGS
        yield _job(f"CronJob {namespace}/{name}", one, now, patience)


def _job(what: str, job: dict[str, Any], now: datetime, patience: timedelta) -> Heartbeat:
    status = job.get("status") or {}
    ended, started = time_or_none(status.get("lastSuccessfulTime")), time_or_none(status.get("lastScheduleTime"))
    if (job.get("spec") or {}).get("suspend"):
        return Heartbeat(what, ended, True, "suspended")
    if ended is None:
        return Heartbeat(what, started, started is not None, "started, but never succeeded" if started else "never run")
    return Heartbeat(what, ended, now - ended > patience, "succeeded")


def _lease(reader: ClusterReader, namespace: str) -> Iterator[Heartbeat]:
    """The CronJob takes it only where it writes, so that its age is no alarm."""
    try:
        spec = reader.lease(namespace, LEASE).get("spec") or {}
    except ClusterError as error:
        if error.status != ABSENT:
            yield Heartbeat(f"Lease {namespace}/{LEASE}", None, False, f"not known: {error}")
        return
    holder = spec.get("holderIdentity")
    note = f"renewed, held by {holder}" if holder else "released"
    yield Heartbeat(f"Lease {namespace}/{LEASE}", time_or_none(spec.get("renewTime")), False, note)
