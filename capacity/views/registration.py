"""Registers a plot and a notebook card with each noun. Nothing is loaded for it before the first one is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from capacity.shown import View, register_view


def _plot_forecast(*arguments: Any, **options: Any) -> Any:
    from capacity.views.plots.forecast import plot_forecast

    return plot_forecast(*arguments, **options)


def _plot_plan(*arguments: Any, **options: Any) -> Any:
    from capacity.views.plots.plan import plot_plan

    return plot_plan(*arguments, **options)


def _plot_plans(plan: Any, *arguments: Any, **options: Any) -> Any:
    return _plot_plan(plan.workloads, *arguments, **options)


def _plot_explanation(*arguments: Any, **options: Any) -> Any:
    from capacity.views.plots.plan import plot_explanation

    return plot_explanation(*arguments, **options)


def _plot_load(*arguments: Any, **options: Any) -> Any:
    from capacity.views.plots.load import plot_load

    return plot_load(*arguments, **options)


def _plot_backtest(*arguments: Any, **options: Any) -> Any:
    from capacity.views.plots.forecast import plot_backtest

    return plot_backtest(*arguments, **options)


def _plot_simulation(*arguments: Any, **options: Any) -> Any:
    from capacity.views.plots.simulation import plot_simulation

    return plot_simulation(*arguments, **options)


def _card(name: str) -> Callable[[Any], str]:
    """The card of a noun, found when it is asked for."""

    def card(noun: Any) -> str:
        from capacity.views.cards import CARDS

        return CARDS[name](noun)

    return card


PLOTS: dict[str, Callable[..., Any]] = {
    "Forecast": _plot_forecast,
    "WorkloadPlan": _plot_plan,
    "Plan": _plot_plans,
    "Explanation": _plot_explanation,
    "LoadReport": _plot_load,
    "Backtest": _plot_backtest,
    "Simulation": _plot_simulation,
}


def register_views() -> None:
    """Let every noun show itself; `import capacity` does so."""
    for noun, plot in PLOTS.items():
        register_view(noun, View(plot, _card(noun)))
