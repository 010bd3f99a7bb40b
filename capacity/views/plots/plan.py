"""Plots of plans: floors, one explained floor, planned utilization as a calendar of days and hours, volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from capacity.model import Explanation, Resource, WorkloadPlan, require
from capacity.model.plan import Bound
from capacity.model.pod_size import RESOURCES
from capacity.model.volume import VolumePlan
from capacity.planning import floor_series
from capacity.stats import nearest_level
from capacity.views.plots.canvas import GIB, Canvas
from capacity.views.sheet import clock
from capacity.views.view_models import view_bars, view_workload

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from capacity.views.plots.canvas import GivenAxes


MOST_ROWS = 4  # workloads or volumes on one picture: more cannot be read
BEFORE = 4  # the past takes a quarter of what the plan covers, in front of it
LEAST_BEFORE = timedelta(days=1)
NEAR_CEILING = 2  # times the highest floor: a ceiling further up would flatten what matters
STRIP = 0.05  # of the height, below zero: what determines the need
NAMES: dict[Bound, str] = {
    "cpu": "CPU",
    "memory": "memory",
    "requests": "requests per second",
    "floor": "the lowest floor allowed",
    "ceiling": "the ceiling or budget",
}
HIGHEST = 1.25  # of the target: beyond it a cell is as dark as it gets, at 80 % that is 100 %
DAY = pd.Timedelta("1D")


def plot_plan(
    plans: WorkloadPlan | Sequence[WorkloadPlan],
    timezone: str = "UTC",
    *,
    now: datetime | None = None,
    theme: str = "light",
    ax: GivenAxes = None,
) -> Figure:
    """Per workload: the planned floor, the replicas that demand needs, before `now` the past, and what determines both.

    All is counted in replicas at the target utilization; the axis at the right has the same in cores. Demand is drawn
    where the plan was just made; a plan read from a file shows its floor alone. Of pods that are resized, each resource
    that moves. Of many workloads the four with the highest peaks are drawn.

    `now` is where the past ends (default: the start of the plan). `ax`: axes to draw on, one for each panel.
    """
    chosen = (
        [plans] if isinstance(plans, WorkloadPlan) else sorted(plans, key=lambda plan: -plan.peak.replicas)[:MOST_ROWS]
    )
    rows = [(plan, part) for plan in chosen for part in _parts(plan)]
    canvas = Canvas.new(4.3 * len(rows), timezone, theme, ax)
    for axes, (plan, part) in zip(canvas.axes(len(rows)), rows, strict=True):
        if part is None:
            _draw_replicas(canvas, axes, plan)
        else:
            _draw_sizes(canvas, axes, plan, part)
        if _first(plan) < (begin := plan.start if now is None else now) < plan.end:
            canvas.now(axes, begin)
        axes.set_xlim(*canvas.on_clock([_first(plan), plan.end]))
    return canvas.done(" ".join(_summary(plan, canvas) for plan in chosen))


def _first(plan: WorkloadPlan) -> datetime:
    """From when on the past is drawn; the start of the plan where none is known."""
    past = None if plan.demand is None else plan.demand.past
    if past is None or past.empty:
        return plan.start
    begin = plan.start - max(LEAST_BEFORE, (plan.end - plan.start) / BEFORE)
    known: datetime = past.index[0].to_pydatetime()
    return max(begin, known)


def _summary(plan: WorkloadPlan, canvas: Canvas) -> str:
    view, rise = view_workload(plan), plan.rise_to(plan.peak.at)
    at = canvas.on_clock([view.peak_at])[0]
    ahead = "" if rise is None else f", rising from {canvas.on_clock([rise])[0]:%a %d %b %H:%M} on"
    shares = [f"{NAMES[one]} in {100 * share:.0f} %" for one, share in _shares(plan).items()]
    need = f" The need is determined by {', by '.join(shares)} of the time." if shares else ""
    return (
        f"{view.label}: {view.replicas} replicas planned at the peak, {at:%a %d %b %H:%M} ({canvas.timezone}){ahead}; "
        f"{view.fewest} at the fewest.{need}"
    )


def _shares(plan: WorkloadPlan) -> dict[Bound, float]:
    return {one: plan.bounds.count(one) / len(plan.bounds) for one in NAMES if one in plan.bounds}


def _parts(plan: WorkloadPlan) -> tuple[Resource | None, ...]:
    if plan.sizes is None:
        return (None,)
    return tuple(resource for resource in RESOURCES if any(one.resource == resource for one in plan.sizes.sizes))


def _per_replica(plan: WorkloadPlan, resource: Resource) -> float:
    """What one replica serves at the target: cores or bytes."""
    requests = {"cpu": ("cpu_request_millicores", 1000), "memory": ("memory_request_bytes", 1)}[resource]
    return plan.resources[requests[0]] / requests[1] * plan.derivation.target.utilization


def _draw_replicas(canvas: Canvas, axes: Axes, plan: WorkloadPlan) -> None:
    floor, palette = floor_series(plan), canvas.palette
    _draw_need(canvas, axes, plan)
    at = canvas.on_clock(floor.index)
    axes.step(at, floor.to_numpy(), where="post", color=palette.green, lw=1.8, label="planned floor")
    _draw_limits(canvas, axes, plan, int(floor.max()))
    _draw_peak(canvas, axes, plan)
    target = 100 * plan.derivation.target.utilization
    canvas.title(axes, f"{plan.label}: planned floor (minReplicas) and need at {target:.0f} % utilization")
    canvas.time_axis(axes)
    canvas.finish(axes, "replicas")
    _draw_bounds(canvas, axes, plan)
    _cores_axis(canvas, axes, plan)


def _draw_need(canvas: Canvas, axes: Axes, plan: WorkloadPlan) -> None:
    """Past and coming demand for the resource of the peak, and what the other one needs where it needs more."""
    if plan.demand is None:
        return
    resource, palette = plan.binding, canvas.palette
    one, name = _per_replica(plan, resource), NAMES[resource]
    past = plan.demand.past
    if past is not None and resource in past:
        shown = past[resource].loc[_first(plan) :] / one
        axes.plot(canvas.on_clock(shown.index), shown, color=palette.ink, lw=1, label=f"past need ({name})")
    forecast = plan.demand.memory if resource == "memory" else plan.demand.cpu
    _draw_fan(canvas, axes, forecast.quantiles / one, plan.peak.quantile_level, name)
    other: Resource = "cpu" if resource == "memory" else "memory"
    if other in plan.bounds:
        load = plan.demand.cpu if other == "cpu" else plan.demand.memory
        need = load.at(plan.peak.quantile_level) / _per_replica(plan, other)
        label = f"need ({NAMES[other]}) at {plan.peak.quantile_level:g}"
        axes.plot(canvas.on_clock(need.index), need.to_numpy(), color=palette.orange, lw=1.2, label=label)


def _draw_fan(canvas: Canvas, axes: Axes, need: pd.DataFrame, planned: float, name: str) -> None:
    """The median, the band up to the quantile planned for, and the band up to the highest."""
    levels = [float(level) for level in need.columns]
    middle, colour, at = nearest_level(levels), canvas.palette.blue, canvas.on_clock(need.index)
    low = need.iloc[:, middle].to_numpy()
    axes.plot(at, low, color=colour, lw=1.4, label=f"expected need ({name})")
    above = sorted({level for level in (planned, levels[-1]) if level > levels[middle] and level in levels})
    for level, alpha in zip(above, (0.45, 0.2) if planned in above else (0.2,), strict=False):
        high = need[level].to_numpy()
        label = f"up to quantile {level:g}{' (planned)' if level == planned else ''}"
        axes.fill_between(at, low, high, color=colour, alpha=alpha, lw=0, label=label)
        low = high


def _draw_limits(canvas: Canvas, axes: Axes, plan: WorkloadPlan, highest: int) -> None:
    muted, lowest = canvas.palette.muted, plan.derivation.floor
    axes.axhline(lowest, color=muted, ls=":", lw=1, label=f"lowest floor: {lowest}")
    if plan.ceiling <= NEAR_CEILING * highest:
        axes.axhline(plan.ceiling, color=muted, ls="--", lw=1, label=f"ceiling: {plan.ceiling}")
    else:
        axes.plot([], [], color=muted, ls="--", lw=1, label=f"ceiling: {plan.ceiling} (further up)")


def _draw_peak(canvas: Canvas, axes: Axes, plan: WorkloadPlan) -> None:
    """The peak, and from when on the floor rises towards it."""
    (spot,), ink = canvas.on_clock([plan.peak.at]), canvas.palette.ink
    rise = plan.rise_to(plan.peak.at)
    if rise is not None:
        (begin,) = canvas.on_clock([rise])
        axes.axvline(mdates.date2num(begin), color=ink, lw=1, ls=":", label=f"start of the rise: {begin:%a %H:%M}")
    label = f"peak: {plan.peak.replicas}, {spot:%a %d %b %H:%M}"
    axes.plot(canvas.on_clock([plan.peak.at]), [plan.peak.replicas], "v", ms=8, color=ink, label=label)


def _draw_bounds(canvas: Canvas, axes: Axes, plan: WorkloadPlan) -> None:
    """A strip below zero: what determines the need at each time, in the colour of its line."""
    if not plan.bounds:
        return
    palette, top = canvas.palette, axes.get_ylim()[1] * 1.04
    colours = {plan.binding: palette.blue, "floor": palette.muted, "requests": palette.green, "ceiling": palette.ink}
    edges = mdates.date2num(canvas.on_clock(pd.date_range(plan.start, periods=plan.steps + 1, freq=plan.step)))
    for one in _shares(plan):
        held = np.array([bound == one for bound in plan.bounds])
        runs = [(edges[first], edges[last] - edges[first]) for first, last in _runs(held)]
        axes.broken_barh(runs, (-1.5 * STRIP * top, STRIP * top), color=colours.get(one, palette.orange), lw=0)
    axes.set_ylim(-2 * STRIP * top, top)
    axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= top])
    shares = ", ".join(f"{NAMES[one]} {100 * share:.0f} %" for one, share in _shares(plan).items())
    axes.set_xlabel(f"{axes.get_xlabel()}. Strip: what determines the need ({shares} of the time)", fontsize=9)


def _runs(held: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last (exclusive) place of each stretch that holds."""
    turns = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]]).astype(np.int8)))
    return list(zip(turns[::2].tolist(), turns[1::2].tolist(), strict=True))


def _cores_axis(canvas: Canvas, axes: Axes, plan: WorkloadPlan) -> None:
    """The same height in the unit of the resource, at the target."""
    if plan.demand is None:
        return
    memory = plan.binding == "memory"
    one = _per_replica(plan, plan.binding) / (GIB if memory else 1.0)
    scale: Any = (lambda count: count * one, lambda load: load / one)
    right = axes.secondary_yaxis("right", functions=scale)
    target = 100 * plan.derivation.target.utilization
    right.set_ylabel(f"{'memory, GiB' if memory else 'CPU, cores'} at {target:.0f} %")
    right.spines["right"].set_visible(False)
    right.yaxis.set_major_locator(MaxNLocator(6))
    right.tick_params(color=canvas.palette.muted, labelcolor=canvas.palette.ink)


def _draw_sizes(canvas: Canvas, axes: Axes, plan: WorkloadPlan, resource: Resource) -> None:
    """The demand for one resource, where it is known, under what the resized pods request."""
    memory, demand = resource == "memory", plan.demand
    scale, unit = (GIB, "memory, GiB") if memory else (1.0, "CPU, cores")
    if demand is not None:
        if demand.past is not None and resource in demand.past:
            shown = demand.past[resource].loc[_first(plan) :] / scale
            axes.plot(canvas.on_clock(shown.index), shown, color=canvas.palette.ink, lw=1, label="past load")
        canvas.bands(axes, (demand.memory if memory else demand.cpu).quantiles / scale)
    target, whole = plan.derivation.target.utilization, _requested(plan, resource)
    at, green = canvas.on_clock(whole.index), canvas.palette.green
    axes.step(at, whole.to_numpy(), where="post", color=green, lw=0.8, ls=":", label="planned requests of all pods")
    label = f"{100 * target:.0f} % of them"
    axes.step(at, (whole * target).to_numpy(), where="post", color=green, lw=1.8, label=label)
    canvas.title(axes, f"{plan.label}: planned requests and demand")
    canvas.time_axis(axes)
    canvas.finish(axes, unit)


def _requested(plan: WorkloadPlan, resource: Resource) -> pd.Series:
    """What all pods request at each step: cores or GiB."""
    scale, sizes = GIB if resource == "memory" else 1.0, {} if plan.sizes is None else plan.sizes.requests()
    fixed = _per_replica(plan, resource) / plan.derivation.target.utilization
    requested: pd.Series = floor_series(plan).astype(float) * np.array(sizes.get(f"{resource}_request", fixed)) / scale
    return requested


_BESIDE: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 9}


def plot_explanation(
    explanation: Explanation, timezone: str = "UTC", *, theme: str = "light", ax: GivenAxes = None
) -> Figure:
    """A bar for each part, hanging where the last one ended: rises blue, falls orange, the floor green."""
    names = [*(bar.name for bar in explanation.bars), "floor"]
    canvas = Canvas.new(1.2 + 0.36 * len(names), timezone, theme, ax)
    (axes,), palette = canvas.axes(), canvas.palette
    _draw_bars(canvas, axes, explanation)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.12)
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


def plot_utilization(
    utilization: pd.Series,
    timezone: str = "UTC",
    *,
    target: float = 0.80,
    name: str = "",
    theme: str = "light",
    ax: GivenAxes = None,
) -> Figure:
    """Utilization (a share; UTC index, steps of a day or finer) as a calendar: a column a day, a row an hour.

    A cell is the highest of its steps: blue the nearer to the target the darker, orange above it, with a dot so that
    it does not hang on colour alone. Steps without data stay empty.
    """
    require(len(utilization) >= 1 and 0 < target <= 1, "utilization: expected data and a target in (0, 1]")
    canvas = Canvas.new(4.2, timezone, theme, ax)
    (axes,) = canvas.axes()
    grid = _calendar(pd.Series(utilization.to_numpy(dtype=float), canvas.on_clock(utilization.index)))
    _draw(canvas, axes, grid, target)
    values = utilization.dropna()
    over = float((values > target + 1e-9).mean()) if len(values) else 0.0
    highest = f"highest {100 * float(values.max()):.0f}\u00a0%"
    words = highest if not over else f"{highest}, {100 * over:.1f}\u00a0% of steps over {100 * target:.0f}\u00a0%"
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


Key = tuple[str, str]  # namespace and name of a workload


def plot_volumes(
    plans: Mapping[Key, Sequence[VolumePlan]], timezone: str = "UTC", *, theme: str = "light", ax: GivenAxes = None
) -> Figure:
    """Per claim: usage seen, its coming quantiles, the maximum planned for, and the size that is asked for over time.

    Of many claims the four that fill up first are drawn. Plans read from a file hold no usage and are refused.
    """
    known = [(key[0], plan) for key, found in plans.items() for plan in found if plan.curve is not None]
    require(bool(known), "a picture of volumes needs plans that were just made, got none")
    chosen = sorted(known, key=lambda one: _fills_first(one[1]))[:MOST_ROWS]
    canvas = Canvas.new(3.3 * len(chosen), timezone, theme, ax)
    for axes, (namespace, plan) in zip(canvas.axes(len(chosen)), chosen, strict=True):
        _draw_volume(canvas, axes, f"{namespace}/{plan.claim}", plan)
    return canvas.done(" ".join(_volume_words(namespace, plan) for namespace, plan in chosen))


def _fills_first(plan: VolumePlan) -> float:
    return float("inf") if plan.until_target.middle is None else plan.until_target.middle


def _draw_volume(canvas: Canvas, axes: Axes, name: str, plan: VolumePlan) -> None:
    curve, palette = plan.curve, canvas.palette
    seen = curve.seen.iloc[-3 * len(curve.highest) :] / GIB
    axes.plot(canvas.on_clock(seen.index), seen.to_numpy(), color=palette.ink, lw=1.2, label="in use")
    ahead: pd.DataFrame = curve.ahead / GIB
    low, high = ahead.columns[0], ahead.columns[-1]
    at = canvas.on_clock(ahead.index)
    label = f"{100 * low:.0f} % to {100 * high:.0f} % of the futures"
    axes.fill_between(at, ahead[low], ahead[high], color=palette.blue, alpha=0.25, lw=0, label=label)
    axes.plot(at, ahead[0.5], color=palette.blue, lw=1.4, label="median")
    highest = curve.highest / GIB
    axes.plot(
        at, highest.to_numpy(), color=palette.blue, lw=1, ls="--", label=f"maximum at {100 * plan.probability:.0f} %"
    )
    sizes = _volume_sizes(plan, seen.index[0])
    on = canvas.on_clock(sizes.index)
    axes.step(on, sizes.to_numpy(), where="post", color=palette.green, lw=1.8, label="size asked for")
    target = sizes.to_numpy() * plan.target
    axes.step(on, target, where="post", color=palette.orange, lw=1.2, label=f"{100 * plan.target:.0f} % of it")
    canvas.title(axes, f"{name}: storage")
    canvas.time_axis(axes)
    canvas.finish(axes, "GiB")


def _volume_sizes(plan: VolumePlan, first: pd.Timestamp) -> pd.Series:
    """The size over time, in GiB, from the first usage that is drawn."""
    moments = [first, *(pd.Timestamp(step.at) for step in plan.steps), pd.Timestamp(plan.until)]
    sizes = [plan.size, *(step.size for step in plan.steps)]
    return pd.Series(np.array([*sizes, sizes[-1]]) / GIB, pd.DatetimeIndex(moments))


def _volume_words(namespace: str, plan: VolumePlan) -> str:
    coming = plan.next_step
    grows = (
        "it keeps its size" if coming is None else f"{coming.size / GIB:.4g} GiB from {coming.at:%d %b %H:%M} UTC on"
    )
    return f"{namespace}/{plan.claim}: {100 * plan.used / plan.capacity:.0f} % in use, {grows}."
