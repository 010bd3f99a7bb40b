"""Plots of plans, of one explained floor, and of planned utilization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from capacity.model import Explanation, Resource, WorkloadPlan, require
from capacity.model.pod_size import RESOURCES
from capacity.planning import floor_series
from capacity.views.plots.canvas import GIB, Canvas
from capacity.views.sheet import clock
from capacity.views.view_models import view_bars, view_workload

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Part = Literal["cpu", "memory", "replicas"]
MOST_ROWS = 4  # workloads on one picture: more cannot be read


def plot_plan(
    plans: WorkloadPlan | Sequence[WorkloadPlan],
    timezone: str = "UTC",
    *,
    theme: str = "light",
    ax: Axes | None = None,
) -> Figure:
    """Per workload: the demand of the binding resource under what the planned replicas serve, and those replicas.

    The green line is what the replicas serve at the target utilization: demand stays under it. Demand is drawn where
    the plan was just made; a plan read from a file shows its replicas alone. Of many workloads the four with the
    highest peaks are drawn; on given axes, the first of these pictures.
    """
    chosen = (
        [plans] if isinstance(plans, WorkloadPlan) else sorted(plans, key=lambda plan: -plan.peak.replicas)[:MOST_ROWS]
    )
    rows = [(plan, part) for plan in chosen for part in _parts(plan)]
    rows = rows if ax is None else rows[:1]
    canvas = Canvas.new(3.3 * len(rows), timezone, theme, ax)
    for axes, (plan, part) in zip(canvas.axes(len(rows)), rows, strict=True):
        if part == "replicas":
            _draw_replicas(canvas, axes, plan)
        else:
            _draw_demand(canvas, axes, plan, part)
    return canvas.done(" ".join(_summary(plan, canvas) for plan in chosen))


def _summary(plan: WorkloadPlan, canvas: Canvas) -> str:
    view = view_workload(plan)
    at = canvas.on_clock([view.peak_at])[0]
    return (
        f"{view.label}: {view.replicas} replicas planned at the peak, {at:%a %d %b %H:%M} ({canvas.timezone}), "
        f"{view.fewest} at the fewest."
    )


def _parts(plan: WorkloadPlan) -> tuple[Part, ...]:
    """What is drawn of a plan: of pods that are resized each resource that moves, and no count."""
    if plan.sizes is not None:
        return tuple(resource for resource in RESOURCES if any(one.resource == resource for one in plan.sizes.sizes))
    return (plan.binding, "replicas") if plan.demand else ("replicas",)


def _planned(plan: WorkloadPlan, resource: Resource) -> pd.Series:
    """What all pods request at each step: cores or GiB."""
    cores = plan.resources["cpu_request_millicores"] / 1000
    fixed = {"cpu": cores, "memory": plan.resources["memory_request_bytes"] / GIB}[resource]
    sizes = {} if plan.sizes is None else plan.sizes.requests()
    whole = floor_series(plan).astype(float)
    moved = sizes.get(f"{resource}_request")
    return whole * fixed if moved is None else whole * np.array(moved) / (GIB if resource == "memory" else 1.0)


def _draw_demand(canvas: Canvas, axes: Axes, plan: WorkloadPlan, resource: Resource) -> None:
    """The demand for one resource, where it is known, under what is planned for it."""
    memory, demand = resource == "memory", plan.demand
    scale, unit = (GIB, "memory, GiB") if memory else (1.0, "CPU, cores")
    if demand is not None:
        canvas.bands(axes, (demand.memory if memory else demand.cpu).quantiles / scale)
    target = plan.derivation.target.utilization
    whole = _planned(plan, resource)
    planned = "planned replicas" if plan.sizes is None else "planned requests"
    at, green = canvas.on_clock(whole.index), canvas.palette.green
    axes.step(at, whole.to_numpy(), where="post", color=green, lw=0.8, ls=":", label=planned)
    label = f"{100 * target:.0f} % of them"
    axes.step(at, (whole * target).to_numpy(), where="post", color=green, lw=1.8, label=label)
    canvas.title(axes, f"{plan.label}: demand")
    canvas.time_axis(axes)
    canvas.finish(axes, unit)


def _draw_replicas(canvas: Canvas, axes: Axes, plan: WorkloadPlan) -> None:
    floor, palette, peak = floor_series(plan), canvas.palette, plan.peak
    at = canvas.on_clock(floor.index)
    axes.fill_between(at, floor.to_numpy(), step="post", color=palette.green, alpha=0.25, lw=0)
    axes.step(at, floor.to_numpy(), where="post", color=palette.green, lw=1.6, label="floor (minReplicas)")
    if plan.ceiling <= 2 * floor.max():
        axes.axhline(plan.ceiling, color=palette.muted, ls="--", lw=1, label=f"ceiling {plan.ceiling}")
    spot = canvas.on_clock(pd.DatetimeIndex([peak.at]))
    axes.plot(spot, [peak.replicas], "v", ms=8, color=palette.orange, label=f"peak: {peak.replicas}")
    canvas.title(axes, f"{plan.label}: planned replicas")
    canvas.time_axis(axes)
    canvas.finish(axes, "replicas")


_BESIDE: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 9}


def plot_explanation(
    explanation: Explanation, timezone: str = "UTC", *, theme: str = "light", ax: Axes | None = None
) -> Figure:
    """A bar for each part, hanging where the last one ended: rises blue, falls orange, the floor green."""
    names = [*(bar.name for bar in explanation.bars), "floor"]
    canvas = Canvas.new(1.2 + 0.36 * len(names), timezone, theme, ax)
    (axes,), palette = canvas.axes(), canvas.palette
    _draw_bars(canvas, axes, explanation)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.axvline(0, color=palette.muted, lw=0.8)
    axes.set_xlabel("replicas")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    title = f"{explanation.label}: {explanation.floor} replicas for {clock(explanation.at, timezone)} ({timezone})"
    axes.set_title(title, loc="left", fontsize=11)
    parts = ", ".join(f"{bar.name} {bar.replicas:+.2f}" for bar in view_bars(explanation))
    return canvas.done(f"{title}: {parts}.")


def _draw_bars(canvas: Canvas, axes: Axes, explanation: Explanation) -> None:
    palette = canvas.palette
    for place, bar in enumerate(view_bars(explanation)):
        colour = palette.blue if bar.replicas >= 0 else palette.orange
        axes.barh(place, bar.replicas, left=bar.before, color=colour, height=0.68)
        axes.plot([bar.total] * 2, [place - 0.34, place + 1.34], color=palette.muted, lw=0.8)
        axes.annotate(f"{bar.replicas:+.2f}", (max(bar.before, bar.total), place), xytext=(4, 0), **_BESIDE)
    last = len(explanation.bars)
    axes.barh(last, explanation.floor, color=palette.green, height=0.68)
    axes.annotate(f"{explanation.floor}", (explanation.floor, last), xytext=(4, 0), **_BESIDE)


HIGHEST = 1.25  # of the target: beyond it a cell is as dark as it gets, at 80 % that is 100 %
DAY = pd.Timedelta("1D")


def plot_utilization(
    utilization: pd.Series, timezone: str = "UTC", *, target: float = 0.80, name: str = "", theme: str = "light"
) -> Figure:
    """Utilization (a share; UTC index, steps of a day or finer) as a calendar: a column a day, a row an hour.

    A cell is the highest of its steps: blue the nearer to the target the darker, orange above it, with a dot so that
    it does not hang on colour alone. Steps without data stay empty.
    """
    require(len(utilization) >= 1 and 0 < target <= 1, "utilization: expected data and a target in (0, 1]")
    canvas = Canvas.new(4.2, timezone, theme)
    (axes,) = canvas.axes()
    grid = _calendar(pd.Series(utilization.to_numpy(dtype=float), canvas.on_clock(utilization.index)))
    _draw(canvas, axes, grid, target)
    values = utilization.dropna()
    over = float((values > target + 1e-9).mean()) if len(values) else 0.0
    words = f"highest {100 * float(values.max()):.0f} %, {100 * over:.1f} % of steps over {100 * target:.0f} %"
    canvas.title(axes, f"{name + ': ' if name else ''}utilization by day and hour: {words}")
    return canvas.done(f"Calendar of utilization{' of ' + name if name else ''}: {words}.")


def _calendar(local: pd.Series) -> pd.DataFrame:
    """Rows hour of the day, columns day; the highest step of each hour."""
    hour, day = pd.DatetimeIndex(local.index).hour, pd.DatetimeIndex(local.index).normalize()
    grid = local.groupby([hour, day]).max().unstack()
    days = pd.date_range(day.min(), day.max(), freq=DAY)
    return grid.reindex(index=range(24), columns=days)


def _draw(canvas: Canvas, axes: Axes, grid: pd.DataFrame, target: float) -> None:
    palette, top = canvas.palette, target * HIGHEST
    split = 1 / HIGHEST
    colours = [(0.0, palette.paper), (split, palette.blue), (split, palette.orange), (1.0, palette.orange)]
    shades = LinearSegmentedColormap.from_list("utilization", colours).with_extremes(bad=palette.paper)
    days = pd.DatetimeIndex(grid.columns)
    edges = mdates.date2num(days.append(days[-1:] + DAY))
    values = np.ma.masked_invalid(grid.to_numpy())
    mesh = axes.pcolormesh(
        edges, np.arange(25), values, cmap=shades, vmin=0, vmax=top, lw=0.4, edgecolors=palette.paper
    )
    rows, columns = np.nonzero(np.nan_to_num(grid.to_numpy()) > target + 1e-9)
    axes.plot(edges[columns] + 0.5, rows + 0.5, ".", ms=3, color=palette.paper)
    axes.invert_yaxis()
    axes.set_yticks(range(0, 25, 6), [f"{hour:02d}:00" for hour in range(0, 25, 6)])
    axes.set_ylabel("hour of the day")
    canvas.time_axis(axes)
    axes.set_xlabel(f"day ({canvas.timezone})", fontsize=9)
    bar = canvas.figure.colorbar(mesh, ax=axes, pad=0.01, aspect=25, ticks=[0, target / 2, target, top])
    bar.ax.set_yticklabels([f"{100 * value:.0f} %" for value in (0, target / 2, target)] + [f"{100 * top:.0f} %+"])
    bar.outline.set_visible(False)
