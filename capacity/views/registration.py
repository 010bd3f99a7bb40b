"""Registers a plot and a notebook card with each noun. Nothing is loaded for it before the first one is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from capacity.shown import View, register_view


def _drawn(figure: Any, ax: Any) -> Any:
    """What pandas users expect back: the axes that they gave, else the figure that was made."""
    return figure if ax is None else ax


def _plot_forecast(*arguments: Any, ax: Any = None, **options: Any) -> Any:
    from capacity.views.plots.forecast import plot_forecast

    return _drawn(plot_forecast(*arguments, ax=ax, **options), ax)


def _plot_plan(*arguments: Any, ax: Any = None, **options: Any) -> Any:
    from capacity.views.plots.plan import plot_plan

    return _drawn(plot_plan(*arguments, ax=ax, **options), ax)


def _plot_plans(plan: Any, *arguments: Any, **options: Any) -> Any:
    return _plot_plan(plan.workloads, *arguments, now=plan.created, **options)


def _plot_explanation(*arguments: Any, ax: Any = None, **options: Any) -> Any:
    from capacity.views.plots.plan import plot_explanation

    return _drawn(plot_explanation(*arguments, ax=ax, **options), ax)


def _plot_load(*arguments: Any, ax: Any = None, **options: Any) -> Any:
    from capacity.views.plots.load import plot_load

    return _drawn(plot_load(*arguments, ax=ax, **options), ax)


def _plot_backtest(*arguments: Any, ax: Any = None, **options: Any) -> Any:
    from capacity.views.plots.forecast import plot_backtest

    return _drawn(plot_backtest(*arguments, ax=ax, **options), ax)


def _plot_simulation(*arguments: Any, ax: Any = None, **options: Any) -> Any:
    from capacity.views.plots.simulation import plot_simulation

    return _drawn(plot_simulation(*arguments, ax=ax, **options), ax)


def _plot_choice(*arguments: Any, ax: Any = None, **options: Any) -> Any:
    from capacity.views.plots.simulation import plot_choice

    return _drawn(plot_choice(*arguments, ax=ax, **options), ax)


def _html(noun: Any) -> str:
    from capacity.views.cards import html_of

    return html_of(noun)


def _text(noun: Any) -> str:
    from capacity.views.cards import plain_text

    return plain_text(noun)


def _line(noun: Any) -> str:
    from capacity.views.cards import one_line

    return one_line(noun)


PLOTS: dict[str, Callable[..., Any]] = {
    "Forecast": _plot_forecast,
    "WorkloadPlan": _plot_plan,
    "Plan": _plot_plans,
    "Explanation": _plot_explanation,
    "LoadReport": _plot_load,
    "Backtest": _plot_backtest,
    "Simulation": _plot_simulation,
    "Choice": _plot_choice,
}


UNDRAWN = (  # nouns with a card and no picture
    "Demand",
    "PlanResult",
    "Audit",
    "Reconciliation",
    "Workload",
    "Replica",
    "LoadModel",
    "Limits",
    "Costs",
    "Event",
    "Scenario",
    "ForecastRequest",
    "Season",
    "Policy",
    "Objective",
    "Evidence",
    "Observation",
    "Decision",
    "ControllerRules",
)


def register_views() -> None:
    """Let every noun show itself; `import capacity` does so."""
    for noun in (*PLOTS, *UNDRAWN):
        register_view(noun, View(_html, _text, _line, PLOTS.get(noun)))
