"""Finds what prevents a plan or a pass: each check is independent of the others, and none writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from capacity.app.configuration import read_config
from capacity.app.doctor.cluster import FIX_CLUSTER, RightsReader, check_cluster, check_rights
from capacity.app.doctor.inputs import (
    FIX_CALENDAR,
    FIX_CONFIG,
    FIX_ORDERS,
    FIX_PROMETHEUS,
    FIX_SERVICE,
    FIX_USAGE,
    check_calendar,
    check_config,
    check_orders,
    check_prometheus,
    check_services,
    check_usage,
    check_versions,
)
from capacity.app.doctor.room import FIX_ROOM, check_room
from capacity.app.doctor.targets import FIX_TARGET, check_actuators, check_targets
from capacity.model import ConfigError, NoClusterError
from capacity.model.check import Finding, Part, isolated
from capacity.model.configuration import Config


@dataclass(frozen=True, slots=True)
class Check:
    """A check by name, and what to do where it cannot even look."""

    name: str
    run: Callable[[], Iterable[Finding]]
    fix: str


def examine(path: Path, now: datetime, part: Part, progress: Callable[[int, int], None]) -> list[Finding]:
    """Everything that can be found out about this configuration, this machine and the cluster."""
    findings = isolated("versions", check_versions, "install capacity again")
    try:
        config = read_config(path)
    except ConfigError as error:
        config = None
        findings.append(Finding("config", "fail", str(error), FIX_CONFIG))
    checks = [
        *(_of_data(config, path, now) if config else []),
        Check("cluster", partial(_cluster, config, now, part), FIX_CLUSTER),
    ]
    for done, check in enumerate(checks):
        progress(done, len(checks))
        findings += isolated(check.name, check.run, check.fix)
    return findings


def _of_data(config: Config, path: Path, now: datetime) -> list[Check]:
    return [
        Check("config", partial(check_config, config, path.name), FIX_CONFIG),
        Check("orders", partial(check_orders, config, now), FIX_ORDERS),
        Check("calendar", partial(check_calendar, config, now), FIX_CALENDAR),
        Check("usage", partial(check_usage, config, now), FIX_USAGE),
        Check("prometheus", partial(check_prometheus, config, now), FIX_PROMETHEUS),
        Check("services", partial(check_services, config), FIX_SERVICE),
    ]


def _cluster(config: Config | None, now: datetime, part: Part) -> Iterator[Finding]:
    """Whether it answers, then what we may and find there."""
    try:
        reader = RightsReader()
    except NoClusterError:
        fix = "set KUBECONFIG, or run in a cluster; planning to files needs none"
        yield Finding("cluster", "warn", "no cluster is configured", fix)
        return
    yield from check_cluster(reader, now)
    if config is None or not config.workloads:
        return
    yield from isolated("rights", partial(check_rights, config, reader, part), FIX_CLUSTER)
    yield from isolated("room", partial(check_room, config, reader), FIX_ROOM)
    yield from check_actuators(config, reader, part, now)
    if part is not Part.planner:  # it may not see autoscalers
        yield from isolated("targets", partial(check_targets, config.workloads, reader, now), FIX_TARGET)
