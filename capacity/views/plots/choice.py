"""The picture of a choice: what each policy costs beside the minutes that it leaves above the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from capacity.views.plots.canvas import NAME_HEIGHTS, Canvas, keep_apart
from capacity.views.tables.choice import advice_sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

    from capacity.model.choice import Choice, Evidence
    from capacity.views.plots.canvas import GivenAxes


def plot_choice(choice: Choice, *, theme: str = "light", ax: GivenAxes = None) -> Figure:
    """Cost a day against minutes a day above the target, with 95 % intervals: today, recommended, the rivals."""
    canvas = Canvas.new(5.2, theme=theme, ax=ax)
    (axes,) = canvas.axes()
    shown = _shown(choice)
    costs = [found.cost for _, found in shown]
    middle = (min(costs) + max(costs)) / 2
    names = [_draw(canvas, axes, (role, found), left=found.cost > middle) for role, found in shown]
    objective = choice.objective
    if objective.overload_cost is None:
        allowed = objective.allowed_minutes
        axes.axhline(allowed, color=canvas.palette.orange, lw=1, label=f"allowed: {allowed:g} min a day")
    axes.set_yscale("symlog", linthresh=1.0)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(f"cost a day ({choice.unit})", fontsize=9)
    canvas.title(
        axes, f"{choice.namespace}/{choice.name}: cost against minutes above the target, down and left is better"
    )
    canvas.finish(axes, "minutes a day above the target")
    axes.margins(x=0.12)
    keep_apart(canvas.figure, names)
    return canvas.done(f"{choice.namespace}/{choice.name}: {advice_sentence(choice)}")


def _shown(choice: Choice) -> list[tuple[str, Evidence]]:
    meanwhile = [] if choice.meanwhile is None else [("until then", choice.meanwhile)]
    rivals = [("rival", one) for one in choice.rivals]
    return [("today", choice.today), ("recommended", choice.recommended), *meanwhile, *rivals]


def _draw(canvas: Canvas, axes: Axes, what: tuple[str, Evidence], *, left: bool) -> Annotation:
    """A point with its intervals and its name, which stands to the left of points in the right half."""
    (role, found), palette = what, canvas.palette
    colour = {"recommended": palette.green, "today": palette.blue}.get(role, palette.ink)
    low, high = found.minutes_interval
    least, most = found.cost_interval
    axes.plot([found.cost] * 2, [low, high], color=colour, lw=1)
    axes.plot([least, most], [found.minutes_above] * 2, color=colour, lw=1)
    axes.plot(found.cost, found.minutes_above, "o", color=colour, ms=8 if role in ("today", "recommended") else 4)
    name = str(found.policy) if role == "rival" else f"{role}: {found.policy}"
    spot, side = (found.cost, found.minutes_above), "right" if left else "left"
    away = (-6 if left else 6, NAME_HEIGHTS[0])
    return axes.annotate(name, spot, away, textcoords="offset points", fontsize=8, color=colour, ha=side)
