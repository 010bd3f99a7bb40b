"""The verb that plans: from the orders to plan.json and plan.png, or to the cluster's ConfigMaps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.domain import ConfigError
from capacity.edge.face import DONE, HELD, Face, FileArgument, SampleOption, read_clock, verb
from capacity.edge.screen import say

if TYPE_CHECKING:
    from datetime import datetime

    from capacity.domain import Plan
    from capacity.edge.config import Config

OutOption = Annotated[Path, typer.Option("--plan", help="Where the plan goes; its picture lies beside it.")]
ToCluster = Annotated[bool, typer.Option("--to-cluster", help="Write the plan to ConfigMaps instead of files.")]


@verb
def plan(
    face: Face,
    file: FileArgument = None,
    *,
    sample: SampleOption = False,
    out: Annotated[Path, typer.Option("--plan", help="Where the plan goes; its picture lies beside it.")] = Path(
        "plan.json"
    ),
    to_cluster: Annotated[
        bool, typer.Option("--to-cluster", help="Write the plan to ConfigMaps instead of files.")
    ] = False,
) -> int:
    """Plan replicas so that CPU and memory stay under the target utilization; write plan.json and plan.png.

    Example: capacity plan --sample
    """
    from capacity.edge.planner import QualityRefusedError, forecast_orders, make_plan, read_orders
    from capacity.edge.sheets import plan_sheet

    config = face.config(file=file, sample=sample)
    if not config.workloads:
        raise ConfigError("workloads: expected at least one workload to plan for, got none")
    with face.stages("reading orders", "forecasting", "planning", "writing") as advance:
        orders = read_orders(config)
        advance()
        forecasts = forecast_orders(config, orders)
        advance()
        now = read_clock(None)
        config, remarks = _lead_times(config, now, to_cluster=to_cluster)
        try:
            planned = make_plan(config, orders, forecasts, now)
        except QualityRefusedError as refusal:
            say(f"capacity: held: {refusal}")
            return HELD
        advance()
        written = _to_cluster(planned.plan) if to_cluster else _to_files(planned.plan, out, config.timezone)
        advance()
    face.show(plan_sheet(planned, config))
    face.say(f"wrote {', '.join(written)}")
    for remark in remarks:
        face.say(remark)
    for (namespace, name), reason in planned.failures.items():
        say(f"capacity: {namespace}/{name}: not planned: {reason}")
    return HELD if planned.failures else DONE


def _lead_times(config: Config, now: datetime, *, to_cluster: bool) -> tuple[Config, list[str]]:
    """Lead times learned from the cluster that the plan goes to; a plan for files asks no cluster."""
    if all(item.lead_time != "auto" for item in config.workloads):
        return config, []
    if not to_cluster:
        return config, ["lead time of `auto`: 5 min assumed; --to-cluster and `capacity init` learn it from the pods"]
    from capacity.edge.cluster import ClusterReader
    from capacity.edge.starts import learn_lead_times

    return learn_lead_times(config, ClusterReader(), now)


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
