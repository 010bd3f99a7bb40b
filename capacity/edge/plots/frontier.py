"""The picture of a choice: what each policy costs against how long it lets utilization pass the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from capacity.edge.plots.canvas import Canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from capacity.simulation.simulation import Simulation

LABELLED = 14  # policies named beside their point


def plot_frontier(result: Simulation, *, theme: str = "light") -> Figure:
    """Pod-hours against minutes a day over the target: every HPA of the sweep, its frontier, and the named policies."""
    canvas = Canvas.new(5.2, result.timezone, theme)
    (axes,) = canvas.axes()
    draw_costs(canvas, axes, result)
    plan, alone = result.plan.score, result.alone.score
    return canvas.done(
        f"{result.name}, cost against violations: the plan takes {plan.pod_hours:,.0f} pod-hours with "
        f"{plan.cap_breach_minutes:.0f} minutes over the target, the HPA alone {alone.pod_hours:,.0f} with "
        f"{alone.cap_breach_minutes:.0f}."
    )


def draw_costs(canvas: Canvas, axes: Axes, result: Simulation) -> None:
    """The scatter itself: on axes of its own or below the courses of a simulation."""
    look, target = canvas.look, f"{100 * result.promise.target:.0f} %"
    sweep = [trial for trial in result.trials if trial.swept]
    days = result.plan.score.days
    curve = np.array(sorted((trial.score.pod_hours, trial.score.cap_breach_minutes / days) for trial in sweep))
    axes.scatter(curve[:, 0], curve[:, 1], s=12, color=look.muted, label="HPA, every target and stabilization")
    lowest = np.minimum.accumulate(curve[:, 1])
    axes.step(curve[:, 0], lowest, where="post", color=look.muted, lw=1, label="the best of them")
    for trial in result.named[:LABELLED]:
        colour = {result.plan.name: look.green, result.alone.name: look.blue}.get(trial.name, look.ink)
        spot = trial.score.pod_hours, trial.score.cap_breach_minutes / days
        axes.plot(*spot, "o", color=colour, ms=8 if colour != look.ink else 4)
        axes.annotate(trial.name, spot, (6, 4), textcoords="offset points", fontsize=8, color=colour)
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
