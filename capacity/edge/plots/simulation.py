"""The picture of a simulation: demand under what each policy serves, breaches shaded; cost against violations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from capacity.edge.plots.canvas import BLACK, BLUE, GREEN, GREY, ORANGE, finish, on_clock, time_axis
from capacity.simulation.policies import SWEPT
from capacity.simulation.scores import stretches

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from capacity.simulation.arrays import Array
    from capacity.simulation.simulation import Simulation
    from capacity.simulation.trial import Trial

DRAWN = 2000  # points of a line: more than a screen has columns
LEAST_SHADE = 0.0015  # of the axis: a breach of a minute in a month must still be seen
LABELLED = 14  # policies named beside their point


def plot_simulation(result: Simulation) -> Figure:
    """Demand and what the replicas of plan and HPA serve at the target; breaches shaded; every policy's cost."""
    figure = Figure(figsize=(11, 9), layout="constrained")
    plan, alone, cost = figure.subplots(3, height_ratios=(1, 1, 1.3))
    _draw_course(plan, result, result.plan, GREEN)
    _draw_course(alone, result, result.alone, BLUE)
    alone.sharey(plan)
    _draw_costs(cost, result)
    return figure


def _draw_course(axes: Axes, result: Simulation, trial: Trial, colour: str) -> None:
    lane = trial.lane
    ticks = pd.date_range(result.begin, periods=len(lane.demand), freq=pd.Timedelta(result.tick))
    at = on_clock(ticks, result.timezone)
    days = mdates.date2num(at)
    for first, last in stretches(lane.utilization > result.promise.target + 1e-9):
        over = bool((lane.utilization[first:last] > 1.0 + 1e-9).any())
        width = max(last - first, round(LEAST_SHADE * len(at)))
        end = days[min(first + width, len(at) - 1)]
        axes.axvspan(days[first], end, color=ORANGE, alpha=0.55 if over else 0.2, lw=0)
    keep = max(1, len(at) // DRAWN)
    served = np.asarray(lane.ready * result.promise.target, dtype=np.float64)
    axes.plot(at[::keep], _highest(lane.demand, keep), color=BLACK, lw=0.8, label="demand")
    lowest = -_highest(-served, keep)
    axes.step(at[::keep], lowest, where="post", color=colour, lw=1.1, label=f"{trial.name}: served at target")
    score = trial.score
    axes.set_title(
        f"{trial.name}: {score.pod_hours:,.0f} pod-hours, {score.cap_breach_minutes:.0f} min over "
        f"{result.promise.target:.0%}, {score.overload_minutes:.0f} min over 100% (shaded)",
        loc="left",
        fontsize=10,
    )
    time_axis(axes, result.timezone)
    finish(axes, "replicas at 100 %")


def _highest(values: Array, keep: int) -> Array:
    """The highest of every `keep` values: a thinned line still shows its peaks."""
    return np.maximum.reduceat(values, np.arange(0, len(values), keep))


def _draw_costs(axes: Axes, result: Simulation) -> None:
    sweep = [trial for trial in result.trials if trial.name.startswith(SWEPT)]
    days = result.plan.score.days
    points = [(trial.score.pod_hours, trial.score.cap_breach_minutes / days) for trial in sweep]
    curve = np.array(sorted(points))
    axes.scatter(curve[:, 0], curve[:, 1], s=12, color=GREY, label="HPA, every target and stabilization")
    lowest = np.minimum.accumulate(curve[:, 1])
    axes.step(curve[:, 0], lowest, where="post", color=GREY, lw=0.8)
    for trial in result.named[:LABELLED]:
        colour = {result.plan.name: GREEN, result.alone.name: BLUE}.get(trial.name, BLACK)
        spot = trial.score.pod_hours, trial.score.cap_breach_minutes / days
        axes.plot(*spot, "o", color=colour, ms=7 if colour != BLACK else 4)
        axes.annotate(trial.name, spot, (6, 4), textcoords="offset points", fontsize=8, color=colour)
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter("{x:,.0f}")
    axes.tick_params(axis="x", which="both", labelsize=8)
    axes.set_xlabel("pod-hours", fontsize=9)
    target = f"{result.promise.target:.0%}"
    axes.set_title(f"Cost against minutes over {target}: down and left is better", loc="left", fontsize=10)
    finish(axes, f"minutes a day over {target}")
    axes.margins(x=0.08)
