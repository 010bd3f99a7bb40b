"""The picture of a choice: what each policy costs beside the minutes that it leaves above the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from capacity.model.choice import Choice, Evidence
from capacity.views.plots.canvas import Canvas
from capacity.views.tables.choice import advice_sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from capacity.views.plots.canvas import GivenAxes

ROOM = 1.6  # times the highest interval: its point is seen whole
BELOW_ZERO = -0.3  # minutes: so is one at zero


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
    axes.set_ylim(BELOW_ZERO, ROOM * max(found.minutes_interval[1] for _, found in shown) + 1)
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
