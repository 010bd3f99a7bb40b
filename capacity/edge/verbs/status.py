"""The verb that says whether the five promises are kept, what is coming, and what is held and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.domain import ConfigError
from capacity.edge.face import DONE, FAILED, HELD, Face, NowOption, read_clock, read_duration, verb
from capacity.edge.logs import LOGGER
from capacity.edge.options import PlanPlace

if TYPE_CHECKING:
    from datetime import datetime

    from capacity.domain import Plan
    from capacity.edge.config import Config
    from capacity.edge.promises import Status
    from capacity.edge.promises.status import Standing

WindowOption = Annotated[str, typer.Option(metavar="DURATION", help="How far back the promises are judged.")]
AuditsOption = Annotated[Path, typer.Option("--history", help="Folder in which `capacity audit` keeps its audits.")]


@verb
def status(
    face: Face,
    place: PlanPlace,
    *,
    window: WindowOption = "30d",
    history: AuditsOption = Path("audits"),
    now: NowOption = None,
) -> int:
    """Show whether the five promises are kept, with the error budget left, coming peaks, and what is held and why.

    What no source knows is said, and counts neither way. It cannot write.
    Exit code 0: no promise broken, nothing held; 3: one is; 1: a source failed.

    Example: capacity status -c capacity.yaml --window 30d
    """
    from capacity.edge.promises import read_status
    from capacity.edge.sheets import status_sheet

    config, moment, span = face.config(), read_clock(now), read_duration("--window", window)
    if span.total_seconds() < 60:
        raise ConfigError(f"--window: expected at least 1m, got {window}")
    found = read_status(config, moment, span, history, lambda: _standing(config, moment, place.file, now is None))
    face.show(status_sheet(found, config.timezone))
    for failure in found.failures:
        LOGGER.error("%s", failure)
    return _code(found)


def _code(found: Status) -> int:
    if found.failures:
        return FAILED
    return HELD if found.broken or found.standing.held else DONE


def _standing(config: Config, now: datetime, plan: Path | None, real_time: bool) -> Standing:
    """What a pass would do now, by a client that cannot write; without a cluster, the plan alone."""
    from capacity.domain import CapacityError
    from capacity.edge.cluster.client import ClusterReader
    from capacity.edge.controller.passes import make_pass
    from capacity.edge.controller.work import preview
    from capacity.edge.promises.status import Standing

    if not config.workloads:
        return Standing(unknown="no workloads are configured")
    try:
        reader = ClusterReader(requests_per_second=config.controller.requests_per_second)
    except CapacityError as error:
        return Standing(plan=_plan_alone(plan, now), unknown=str(error))
    work = make_pass(config, now, plan, reader, real_time=real_time)
    return Standing(work.plan, tuple(preview(reader, work)))


def _plan_alone(plan: Path | None, now: datetime) -> Plan | None:
    """The plan of a file, for its peaks; None where there is none to be read: that it is missing is said there."""
    from capacity.domain import CapacityError
    from capacity.edge.planfile import read_plan

    try:
        return None if plan is None else read_plan(plan, near=now)
    except CapacityError:
        return None
