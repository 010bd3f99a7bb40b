"""Plots, one noun a file. Only this package imports matplotlib; figures are returned, never shown.

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.lazy import load_lazily

if TYPE_CHECKING:
    from capacity.views.plots.canvas import Figure as Figure
    from capacity.views.plots.canvas import inline_svg as inline_svg
    from capacity.views.plots.canvas import save_figure as save_figure
    from capacity.views.plots.forecast import plot_backtest as plot_backtest
    from capacity.views.plots.forecast import plot_calibration as plot_calibration
    from capacity.views.plots.forecast import plot_decomposition as plot_decomposition
    from capacity.views.plots.forecast import plot_forecast as plot_forecast
    from capacity.views.plots.forecast import plot_seasons as plot_seasons
    from capacity.views.plots.load import can_plot_load as can_plot_load
    from capacity.views.plots.load import plot_load as plot_load
    from capacity.views.plots.plan import plot_explanation as plot_explanation
    from capacity.views.plots.plan import plot_plan as plot_plan
    from capacity.views.plots.plan import plot_utilization as plot_utilization
    from capacity.views.plots.plan import plot_volumes as plot_volumes
    from capacity.views.plots.simulation import plot_choice as plot_choice
    from capacity.views.plots.simulation import plot_frontier as plot_frontier
    from capacity.views.plots.simulation import plot_simulation as plot_simulation

HOMES = {
    "capacity.views.plots.canvas": ("Figure", "inline_svg", "save_figure"),
    "capacity.views.plots.simulation": ("plot_choice", "plot_frontier", "plot_simulation"),
    "capacity.views.plots.forecast": (
        "plot_backtest",
        "plot_calibration",
        "plot_forecast",
        "plot_decomposition",
        "plot_seasons",
    ),
    "capacity.views.plots.load": ("can_plot_load", "plot_load"),
    "capacity.views.plots.plan": ("plot_explanation", "plot_plan", "plot_utilization", "plot_volumes"),
}

__all__, __getattr__, __dir__ = load_lazily(__name__, HOMES)
