"""The picture of a plan: demand under what the planned replicas serve, and those replicas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from capacity.domain import Demand, WorkloadPlan
from capacity.edge.plots.canvas import GIB, Canvas
from capacity.edge.viewmodels import view_workload
from capacity.planning import floor_series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 4  # workloads on one picture: more cannot be read


def plot_plan(plans: WorkloadPlan | Sequence[WorkloadPlan], timezone: str = "UTC", *, theme: str = "light") -> Figure:
    """Per workload: the demand of the binding resource under what the planned replicas serve, and those replicas.

    The green line is what the replicas serve at the target utilization: demand stays under it. Demand is drawn where
    the plan was just made; a plan read from a file shows its replicas alone. Of many workloads the four with the
    highest peaks are drawn.
    """
    chosen = (
        [plans] if isinstance(plans, WorkloadPlan) else sorted(plans, key=lambda plan: -plan.peak.replicas)[:MOST_ROWS]
    )
    rows = [(plan, part) for plan in chosen for part in (("demand", "replicas") if plan.demand else ("replicas",))]
    canvas = Canvas.new(3.3 * len(rows), timezone, theme)
    for axes, (plan, part) in zip(canvas.axes(len(rows)), rows, strict=True):
        if part == "demand" and plan.demand is not None:
            _draw_demand(canvas, axes, plan, plan.demand)
        else:
            _draw_replicas(canvas, axes, plan)
    return canvas.done(" ".join(_said(plan, canvas) for plan in chosen))


def _said(plan: WorkloadPlan, canvas: Canvas) -> str:
    view = view_workload(plan)
    at = canvas.on_clock([view.peak_at])[0]
    return (
        f"{view.label}: {view.replicas} replicas planned at the peak, {at:%a %d %b %H:%M} ({canvas.timezone}), "
        f"{view.fewest} at the fewest."
    )


def _draw_demand(canvas: Canvas, axes: Axes, plan: WorkloadPlan, demand: Demand) -> None:
    memory = plan.binding == "memory"
    scale, unit = (GIB, "memory, GiB") if memory else (1.0, "CPU, cores")
    canvas.bands(axes, (demand.memory if memory else demand.cpu).quantiles / scale)
    request = (
        plan.resources["memory_request_bytes"] / GIB if memory else plan.resources["cpu_request_millicores"] / 1000
    )
    target = plan.derivation.target.utilization
    whole = floor_series(plan) * request
    at, green = canvas.on_clock(whole.index), canvas.look.green
    axes.step(at, whole.to_numpy(), where="post", color=green, lw=0.8, ls=":", label="planned replicas")
    label = f"{100 * target:.0f} % of them"
    axes.step(at, (whole * target).to_numpy(), where="post", color=green, lw=1.8, label=label)
    canvas.title(axes, f"{plan.label}: demand")
    canvas.time_axis(axes)
    canvas.finish(axes, unit)


def _draw_replicas(canvas: Canvas, axes: Axes, plan: WorkloadPlan) -> None:
    floor, look, peak = floor_series(plan), canvas.look, plan.peak
    at = canvas.on_clock(floor.index)
    axes.fill_between(at, floor.to_numpy(), step="post", color=look.green, alpha=0.25, lw=0)
    axes.step(at, floor.to_numpy(), where="post", color=look.green, lw=1.6, label="floor (minReplicas)")
    if plan.ceiling <= 2 * floor.max():
        axes.axhline(plan.ceiling, color=look.muted, ls="--", lw=1, label=f"ceiling {plan.ceiling}")
    spot = canvas.on_clock(pd.DatetimeIndex([peak.at]))
    axes.plot(spot, [peak.replicas], "v", ms=8, color=look.orange, label=f"peak: {peak.replicas}")
    canvas.title(axes, f"{plan.label}: planned replicas")
    canvas.time_axis(axes)
    canvas.finish(axes, "replicas")
