"""Plots of policies: demand and replicas under each, cost against violations, and the choice among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from capacity.model.choice import Choice, Evidence
from capacity.simulation.case import stretches
from capacity.views.plots.canvas import NAME_HEIGHTS, Canvas, keep_apart
from capacity.views.tables.simulation import advice_sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

    from capacity.model.arrays import Array
    from capacity.simulation.policies import Trial
    from capacity.simulation.result import Simulation
    from capacity.views.plots.canvas import GivenAxes

LABELLED = 14  # policies named beside their point
BELOW_ZERO = -0.25  # minutes: points at zero are seen whole
ROOM = 1.6  # times the highest interval: its point is seen whole
CHOICE_BELOW_ZERO = -0.3  # minutes: so is one at zero


def plot_frontier(result: Simulation, *, theme: str = "light", ax: GivenAxes = None) -> Figure:
    """Pod-hours against minutes a day over the target: every HPA of the sweep, its frontier, and the named policies."""
    canvas = Canvas.new(5.2, result.timezone, theme, ax)
    (axes,) = canvas.axes()
    draw_costs(canvas, axes, result)
    plan, alone = result.plan.score, result.alone.score
    return canvas.done(
        f"{result.name}, cost against violations: the plan takes {plan.pod_hours:,.0f} pod-hours with "
        f"{plan.cap_breach_minutes:.0f} minutes over the target, the HPA alone {alone.pod_hours:,.0f} with "
        f"{alone.cap_breach_minutes:.0f}."
    )


def draw_costs(canvas: Canvas, axes: Axes, result: Simulation) -> None:
    """Draw the scatter, on its own axes or below the lines of a simulation."""
    palette, target = canvas.palette, f"{100 * result.promise.target:.0f} %"
    sweep = [trial for trial in result.trials if trial.swept]
    days = result.plan.score.days
    curve = np.array(sorted((trial.score.pod_hours, trial.score.cap_breach_minutes / days) for trial in sweep))
    axes.scatter(
        curve[:, 0], curve[:, 1], s=12, color=palette.muted, label="HPA: every target and stabilization window"
    )
    lowest = np.minimum.accumulate(curve[:, 1])
    axes.step(curve[:, 0], lowest, where="post", color=palette.muted, lw=1, label="best HPA at each cost")
    names: list[Annotation] = []
    for trial in result.named[:LABELLED]:
        colour = {result.plan.name: palette.green, result.alone.name: palette.blue}.get(trial.name, palette.ink)
        spot = trial.score.pod_hours, trial.score.cap_breach_minutes / days
        axes.plot(*spot, "o", color=colour, ms=8 if colour != palette.ink else 4)
        away = (6, NAME_HEIGHTS[0])
        names.append(axes.annotate(trial.name, spot, away, textcoords="offset points", fontsize=8, color=colour))
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set_xscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter("{x:,.0f}")
    axes.tick_params(axis="x", which="both", labelsize=8)
    axes.set_xlabel("pod-hours (log scale)", fontsize=9)
    canvas.title(axes, f"Cost against minutes over {target}: down and left is better")
    canvas.finish(axes, f"minutes a day over {target}")
    axes.margins(x=0.08)
    axes.set_ylim(bottom=BELOW_ZERO)
    keep_apart(canvas.figure, names)


DRAWN = 2000  # points of a line: more than a screen has columns
LEAST_SHADE = 0.0015  # of the axis: a breach of a minute in a month must still be seen


def plot_simulation(result: Simulation, *, theme: str = "light", ax: GivenAxes = None) -> Figure:
    """Demand and what the replicas of plan and HPA serve at the target; breaches shaded; every policy's cost.

    `ax`: three axes to draw on.
    """
    canvas = Canvas.new(9.6, result.timezone, theme, ax)
    plan, alone, cost = canvas.axes(3, height_ratios=(1, 1, 1.3))
    _draw_replicas(canvas, plan, (result, result.plan), canvas.palette.green)
    _draw_replicas(canvas, alone, (result, result.alone), canvas.palette.blue)
    for axes in (plan, alone):
        axes.set_ylim(0, max(plan.get_ylim()[1], alone.get_ylim()[1]))
    draw_costs(canvas, cost, result)
    return canvas.done(f"{result.name}: {result.verdict}")


def _draw_replicas(canvas: Canvas, axes: Axes, what: tuple[Simulation, Trial], colour: str) -> None:
    result, trial = what
    lane = trial.lane
    ticks = pd.date_range(result.begin, periods=len(lane.demand), freq=pd.Timedelta(result.tick))
    at = canvas.on_clock(ticks)
    days = mdates.date2num(at)
    for first, last in stretches(lane.utilization > result.promise.target + 1e-9):
        over = bool((lane.utilization[first:last] > 1.0 + 1e-9).any())
        width = max(last - first, round(LEAST_SHADE * len(at)))
        end = days[min(first + width, len(at) - 1)]
        axes.axvspan(days[first], end, color=canvas.palette.orange, alpha=0.6 if over else 0.25, lw=0)
    keep = max(1, len(at) // DRAWN)
    served = np.asarray(lane.ready * result.promise.target, dtype=np.float64)
    axes.plot(at[::keep], _highest(lane.demand, keep), color=canvas.palette.ink, lw=0.8, label="demand")
    lowest = -_highest(-served, keep)
    target = f"{100 * result.promise.target:.0f} %"
    axes.step(at[::keep], lowest, where="post", color=colour, lw=1.2, label=f"capacity of {trial.name} at {target}")
    score = trial.score
    canvas.title(
        axes,
        f"{trial.name}: {score.pod_hours:,.0f} pod-hours, {score.cap_breach_minutes:,.0f} min over "
        f"{target}, {score.overload_minutes:,.0f} min over 100 % (shaded)",
    )
    canvas.time_axis(axes)
    canvas.finish(axes, "demand (replicas at 100 %)")


def _highest(values: Array, keep: int) -> Array:
    """The highest of every `keep` values: a thinned line still shows its peaks."""
    return np.maximum.reduceat(values, np.arange(0, len(values), keep))


def plot_choice(choice: Choice, *, theme: str = "light", ax: GivenAxes = None) -> Figure:
    """Cost a day against minutes a day above the target, with 95 % intervals: today, recommended, the rivals.

    Points are numbered, and the legend names the policy of each: names beside points that lie close would overlap.
    """
    canvas = Canvas.new(5.4, theme=theme, ax=ax)
    (axes,) = canvas.axes()
    shown = _shown(choice)
    for number, (role, found) in enumerate(shown, 1):
        _draw(canvas, axes, (number, role, found))
    objective = choice.objective
    if objective.overload_cost is None:
        allowed = objective.allowed_minutes
        axes.axhline(allowed, color=canvas.palette.orange, lw=1, label=f"allowed: {allowed:g} min a day")
    axes.set_yscale("symlog", linthresh=1.0)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.set_xlabel(f"cost a day ({choice.unit})", fontsize=9)
    canvas.title(axes, f"{choice.namespace}/{choice.name}: cost against minutes above the target (95 % intervals)")
    canvas.finish(axes, "minutes a day above the target")
    axes.margins(x=0.06)
    axes.set_ylim(CHOICE_BELOW_ZERO, ROOM * max(found.minutes_interval[1] for _, found in shown) + 1)
    return canvas.done(f"{choice.namespace}/{choice.name}: {advice_sentence(choice)}")


def _shown(choice: Choice) -> list[tuple[str, Evidence]]:
    meanwhile = [] if choice.meanwhile is None else [("until then", choice.meanwhile)]
    rivals = [("rival", one) for one in choice.rivals]
    return [("today", choice.today), ("recommended", choice.recommended), *meanwhile, *rivals]


def _draw(canvas: Canvas, axes: Axes, what: tuple[int, str, Evidence]) -> None:
    """A point with its intervals and its number."""
    (number, role, found), palette = what, canvas.palette
    colour = {"recommended": palette.green, "today": palette.blue}.get(role, palette.ink)
    least, most = found.cost_interval
    axes.plot([found.cost] * 2, found.minutes_interval, color=colour, lw=1)
    axes.plot([least, most], [found.minutes_above] * 2, color=colour, lw=1)
    name = str(found.policy) if role == "rival" else f"{role}, {found.policy}"
    spot, label = (found.cost, found.minutes_above), f"{number}: {name}"
    axes.plot(*spot, "o", color=colour, ms=14, label=label)
    beside: Any = {"ha": "center", "va": "center_baseline"}
    axes.annotate(f"{number}", spot, fontsize=9, color=palette.paper, weight="bold", **beside)
