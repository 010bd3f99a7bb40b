"""The picture of a plan: demand under what the planned replicas serve, and those replicas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from capacity.domain import Demand, WorkloadPlan
from capacity.edge.plots.canvas import GIB, GREEN, GREY, ORANGE, bands, legend, on_clock, time_axis
from capacity.planning import floor_series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 4  # workloads on one picture: more cannot be read


def plot_plan(plans: WorkloadPlan | Sequence[WorkloadPlan], timezone: str = "UTC") -> Figure:
    """Per workload: the demand of the binding resource under what the planned replicas serve, and those replicas.

    Demand is drawn where the plan was just made; a plan read from a file shows its replicas alone. Of many workloads
    the four with the highest peaks are drawn.
    """
    chosen = (
        [plans] if isinstance(plans, WorkloadPlan) else sorted(plans, key=lambda plan: -plan.peak.replicas)[:MOST_ROWS]
    )
    rows = [(plan, part) for plan in chosen for part in (("demand", "replicas") if plan.demand else ("replicas",))]
    figure = Figure(figsize=(11, 3.1 * len(rows)), layout="constrained")
    for axes, (plan, part) in zip(figure.subplots(len(rows), squeeze=False)[:, 0], rows, strict=True):
        if part == "demand" and plan.demand is not None:
            _draw_demand(axes, plan, plan.demand, timezone)
        else:
            _draw_replicas(axes, plan, timezone)
        time_axis(axes, timezone)
        legend(axes)
    return figure


def _draw_demand(axes: Axes, plan: WorkloadPlan, demand: Demand, timezone: str) -> None:
    memory = plan.binding == "memory"
    scale, unit = (GIB, "memory, GiB") if memory else (1.0, "CPU, cores")
    bands(axes, (demand.memory if memory else demand.cpu).quantiles / scale, timezone)
    request = (
        plan.resources["memory_request_bytes"] / GIB if memory else plan.resources["cpu_request_millicores"] / 1000
    )
    target = float(plan.explain["target_utilization"])
    served = floor_series(plan) * request * target
    at = on_clock(served.index, timezone)
    axes.step(
        at, served.to_numpy(), where="post", color=GREEN, lw=1.6, label=f"planned replicas at {target:.0%} utilization"
    )
    axes.set_title(f"{plan.namespace}/{plan.name}: demand", loc="left", fontsize=11)
    axes.set_ylabel(unit)


def _draw_replicas(axes: Axes, plan: WorkloadPlan, timezone: str) -> None:
    floor = floor_series(plan)
    at = on_clock(floor.index, timezone)
    axes.fill_between(at, floor.to_numpy(), step="post", color=GREEN, alpha=0.25, lw=0)
    axes.step(at, floor.to_numpy(), where="post", color=GREEN, lw=1.6, label="floor (minReplicas)")
    if plan.ceiling <= 2 * floor.max():
        axes.axhline(plan.ceiling, color=GREY, ls="--", lw=1, label=f"ceiling {plan.ceiling}")
    peak = plan.peak
    axes.plot(
        on_clock(pd.DatetimeIndex([peak.at]), timezone),
        [peak.replicas],
        "o",
        color=ORANGE,
        label=f"peak: {peak.replicas}",
    )
    axes.set_ylim(bottom=0)
    axes.set_ylabel("replicas")
    axes.set_title(f"{plan.namespace}/{plan.name}: planned replicas", loc="left", fontsize=11)
