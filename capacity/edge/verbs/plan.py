"""The verb that plans: from the orders to plan.json and plan.png, or to the cluster's ConfigMaps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.domain import ConfigError
from capacity.edge.face import DONE, HELD, Face, FileArgument, SampleOption, read_clock, verb
from capacity.edge.screen import Output, say

if TYPE_CHECKING:
    from capacity.domain import Plan
    from capacity.edge.config import Config
    from capacity.edge.planner import Planned

OutOption = Annotated[Path, typer.Option("--plan", help="Where the plan goes; its picture lies beside it.")]
ToClusterOption = Annotated[bool, typer.Option("--to-cluster", help="Write the plan to ConfigMaps instead of files.")]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Processes that plan, where there are many workloads. Default: every core.")
]
DaskOption = Annotated[
    str | None, typer.Option("--cluster", metavar="TCP://...", help="Plan on the Dask workers of this scheduler.")
]
ShardsOption = Annotated[
    Path | None, typer.Option(help="Folder that keeps each part of the plan, so that a run cut off goes on.")
]
SHOWN = 20  # workloads in a table; the plan has them all


@verb
def plan(
    face: Face,
    file: FileArgument = None,
    *,
    sample: SampleOption = False,
    out: OutOption = Path("plan.json"),
    to_cluster: ToClusterOption = False,
    workers: WorkersOption = None,
    cluster: DaskOption = None,
    shards: ShardsOption = None,
) -> int:
    """Plan replicas so that CPU and memory stay under the target utilization; write plan.json and plan.png.

    Example: capacity plan --sample
    """
    from capacity.edge.bulletin import Bulletin
    from capacity.edge.fleet import Fleet, plan_fleet
    from capacity.edge.planner import QualityRefusedError, signed

    config = face.config(file=file, sample=sample)
    if not config.workloads:
        raise ConfigError("workloads: expected at least one workload to plan for, got none")
    fleet = Fleet(workers, cluster, shards)
    bulletin, began = Bulletin.of(config), perf_counter()
    try:
        with face.count("planning") as progress:
            planned = signed(plan_fleet(config, read_clock(None), fleet, progress), face.run.id)
    except QualityRefusedError as refusal:
        say(f"capacity: held: {refusal}")
        _say_warnings(bulletin.refused(refusal.audit, read_clock(None)))
        return HELD
    with face.stages("writing") as advance:
        written = _to_cluster(planned.plan) if to_cluster else _to_files(planned.plan, out, config.timezone)
        advance()
    _show(face, planned, config)
    face.say(f"wrote {', '.join(written)}")
    _say_failures(planned.failures)
    _say_warnings(bulletin.planned(planned, timedelta(seconds=perf_counter() - began)))
    return HELD if planned.failures else DONE


def _show(face: Face, planned: Planned, config: Config) -> None:
    """The plan on the screen; of very many workloads, a table has only those with the highest peaks."""
    from capacity.edge.sheets import plan_sheet

    plans = planned.plan.workloads
    if face.output is Output.table and len(plans) > SHOWN:
        highest = tuple(sorted(plans, key=lambda one: -one.peak.replicas)[:SHOWN])
        planned = replace(planned, plan=replace(planned.plan, workloads=highest))
        face.say(f"{len(plans):,} workloads planned; the {SHOWN} with the highest peaks:")
    face.show(plan_sheet(planned, config))


def _say_warnings(warnings: list[str]) -> None:
    for warning in warnings:
        say(f"capacity: {warning}")


def _say_failures(failures: dict[tuple[str, str], str]) -> None:
    """Each workload that could not be planned and why; where very many have one reason, it is said once."""
    by_reason: dict[str, list[str]] = {}
    for (namespace, name), reason in failures.items():
        by_reason.setdefault(reason, []).append(f"{namespace}/{name}")
    for reason, names in by_reason.items():
        for name in names[:SHOWN]:
            say(f"capacity: {name}: not planned: {reason}")
        if len(names) > SHOWN:
            say(f"capacity: and {len(names) - SHOWN:,} more not planned: {reason}")


def _to_files(plan: Plan, out: Path, timezone: str) -> list[str]:
    from capacity.edge.planfile import write_plan
    from capacity.edge.plots import plot_plan, save_figure

    if not out.name or out.is_dir():
        raise ConfigError(f"--plan: expected a file name such as plan.json, got {out}")
    picture = out.with_suffix(".png")
    try:
        write_plan(plan, out)
        save_figure(plot_plan(plan.workloads, timezone), picture)
    except OSError as error:
        raise ConfigError(f"--plan: {out} cannot be written: {error}") from error
    return [str(out), str(picture)]


def _to_cluster(plan: Plan) -> list[str]:
    from capacity.edge.cluster import ClusterWriter
    from capacity.edge.planmaps import write_plan_maps

    return [f"ConfigMap {name}" for name in write_plan_maps(ClusterWriter(), plan)]
