"""The picture of a simulation: demand under what each policy serves, breaches shaded; cost against violations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from capacity.edge.plots.canvas import Canvas
from capacity.edge.plots.frontier import draw_costs
from capacity.simulation.scores import stretches

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from capacity.domain.arrays import Array
    from capacity.simulation.simulation import Simulation
    from capacity.simulation.trial import Trial

DRAWN = 2000  # points of a line: more than a screen has columns
LEAST_SHADE = 0.0015  # of the axis: a breach of a minute in a month must still be seen


def plot_simulation(result: Simulation, *, theme: str = "light") -> Figure:
    """Demand and what the replicas of plan and HPA serve at the target; breaches shaded; every policy's cost."""
    canvas = Canvas.new(9.6, result.timezone, theme)
    plan, alone, cost = canvas.axes(3, height_ratios=(1, 1, 1.3))
    _draw_course(canvas, plan, (result, result.plan), canvas.look.green)
    _draw_course(canvas, alone, (result, result.alone), canvas.look.blue)
    alone.sharey(plan)
    draw_costs(canvas, cost, result)
    return canvas.done(f"{result.name}: {result.verdict}")


def _draw_course(canvas: Canvas, axes: Axes, what: tuple[Simulation, Trial], colour: str) -> None:
    result, trial = what
    lane = trial.lane
    ticks = pd.date_range(result.begin, periods=len(lane.demand), freq=pd.Timedelta(result.tick))
    at = canvas.on_clock(ticks)
    days = mdates.date2num(at)
    for first, last in stretches(lane.utilization > result.promise.target + 1e-9):
        over = bool((lane.utilization[first:last] > 1.0 + 1e-9).any())
        width = max(last - first, round(LEAST_SHADE * len(at)))
        end = days[min(first + width, len(at) - 1)]
        axes.axvspan(days[first], end, color=canvas.look.orange, alpha=0.6 if over else 0.25, lw=0)
    keep = max(1, len(at) // DRAWN)
    served = np.asarray(lane.ready * result.promise.target, dtype=np.float64)
    axes.plot(at[::keep], _highest(lane.demand, keep), color=canvas.look.ink, lw=0.8, label="demand")
    lowest = -_highest(-served, keep)
    target = f"{100 * result.promise.target:.0f} %"
    axes.step(at[::keep], lowest, where="post", color=colour, lw=1.2, label=f"{trial.name}: served at {target}")
    score = trial.score
    canvas.title(
        axes,
        f"{trial.name}: {score.pod_hours:,.0f} pod-hours, {score.cap_breach_minutes:.0f} min over "
        f"{target}, {score.overload_minutes:.0f} min over 100 % (shaded)",
    )
    canvas.time_axis(axes)
    canvas.finish(axes, "replicas at 100 %")


def _highest(values: Array, keep: int) -> Array:
    """The highest of every `keep` values: a thinned line still shows its peaks."""
    return np.maximum.reduceat(values, np.arange(0, len(values), keep))
