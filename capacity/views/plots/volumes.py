"""Plots of volumes: what is in use, what may be, and the sizes that are asked for ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from capacity.model import require
from capacity.model.volume import VolumePlan
from capacity.views.plots.canvas import GIB, Canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from capacity.views.plots.canvas import GivenAxes

Key = tuple[str, str]  # namespace and name of a workload
MOST_ROWS = 4  # volumes on one picture: more cannot be read


def plot_volumes(
    plans: Mapping[Key, Sequence[VolumePlan]], timezone: str = "UTC", *, theme: str = "light", ax: GivenAxes = None
) -> Figure:
    """Per claim: usage seen, its coming quantiles, the maximum planned for, and the size that is asked for over time.

    Of many claims the four that fill up first are drawn. Plans read from a file hold no usage and are refused.
    """
    known = [(key[0], plan) for key, found in plans.items() for plan in found if plan.curve is not None]
    require(bool(known), "a picture of volumes needs plans that were just made, got none")
    chosen = sorted(known, key=lambda one: _first(one[1]))[:MOST_ROWS]
    canvas = Canvas.new(3.3 * len(chosen), timezone, theme, ax)
    for axes, (namespace, plan) in zip(canvas.axes(len(chosen)), chosen, strict=True):
        _draw(canvas, axes, f"{namespace}/{plan.claim}", plan)
    return canvas.done(" ".join(_words(namespace, plan) for namespace, plan in chosen))


def _first(plan: VolumePlan) -> float:
    return float("inf") if plan.until_target.middle is None else plan.until_target.middle


def _draw(canvas: Canvas, axes: Axes, name: str, plan: VolumePlan) -> None:
    curve, palette = plan.curve, canvas.palette
    seen = curve.seen.iloc[-3 * len(curve.highest) :] / GIB
    axes.plot(canvas.on_clock(seen.index), seen.to_numpy(), color=palette.ink, lw=1.2, label="in use")
    ahead: pd.DataFrame = curve.ahead / GIB
    low, high = ahead.columns[0], ahead.columns[-1]
    at = canvas.on_clock(ahead.index)
    label = f"{low:.0%} to {high:.0%} of the futures"
    axes.fill_between(at, ahead[low], ahead[high], color=palette.blue, alpha=0.25, lw=0, label=label)
    axes.plot(at, ahead[0.5], color=palette.blue, lw=1.4, label="median")
    highest = curve.highest / GIB
    axes.plot(at, highest.to_numpy(), color=palette.blue, lw=1, ls="--", label=f"maximum at {plan.probability:.0%}")
    sizes = _sizes(plan, seen.index[0])
    on = canvas.on_clock(sizes.index)
    axes.step(on, sizes.to_numpy(), where="post", color=palette.green, lw=1.8, label="size asked for")
    target = sizes.to_numpy() * plan.target
    axes.step(on, target, where="post", color=palette.orange, lw=1.2, label=f"{plan.target:.0%} of it")
    canvas.title(axes, f"{name}: storage")
    canvas.time_axis(axes)
    canvas.finish(axes, "GiB")


def _sizes(plan: VolumePlan, first: pd.Timestamp) -> pd.Series:
    """The size over time, in GiB, from the first usage that is drawn."""
    moments = [first, *(pd.Timestamp(step.at) for step in plan.steps), pd.Timestamp(plan.until)]
    sizes = [plan.size, *(step.size for step in plan.steps)]
    return pd.Series(np.array([*sizes, sizes[-1]]) / GIB, pd.DatetimeIndex(moments))


def _words(namespace: str, plan: VolumePlan) -> str:
    coming = plan.next_step
    grows = (
        "it keeps its size" if coming is None else f"{coming.size / GIB:.4g} GiB from {coming.at:%d %b %H:%M} UTC on"
    )
    return f"{namespace}/{plan.claim}: {plan.used / plan.capacity:.0%} in use, {grows}."
