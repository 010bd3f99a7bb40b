"""How nouns are shown: pictures, tables, pages, cards of notebooks.

Pictures of each noun are here by name; they load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.lazy import load_lazily

if TYPE_CHECKING:
    from capacity.views.plots.canvas import save_figure as save_figure
    from capacity.views.plots.forecast import plot_backtest as plot_backtest
    from capacity.views.plots.forecast import plot_calibration as plot_calibration
    from capacity.views.plots.forecast import plot_decomposition as plot_decomposition
    from capacity.views.plots.forecast import plot_forecast as plot_forecast
    from capacity.views.plots.forecast import plot_seasons as plot_seasons
    from capacity.views.plots.load import plot_load as plot_load
    from capacity.views.plots.plan import plot_explanation as plot_explanation
    from capacity.views.plots.plan import plot_plan as plot_plan
    from capacity.views.plots.plan import plot_utilization as plot_utilization
    from capacity.views.plots.simulation import plot_frontier as plot_frontier
    from capacity.views.plots.simulation import plot_simulation as plot_simulation
    from capacity.views.sheet import Output as Output
    from capacity.views.sheet import Sheet as Sheet
    from capacity.views.sheet import show as show
    from capacity.views.view_models import view_bars as view_bars
    from capacity.views.view_models import view_workload as view_workload
    from capacity.views.view_models import view_workloads as view_workloads

HOMES = {
    "capacity.views.plots.canvas": ("save_figure",),
    "capacity.views.plots.forecast": (
        "plot_backtest",
        "plot_calibration",
        "plot_forecast",
        "plot_decomposition",
        "plot_seasons",
    ),
    "capacity.views.plots.load": ("plot_load",),
    "capacity.views.plots.plan": ("plot_explanation", "plot_plan", "plot_utilization"),
    "capacity.views.plots.simulation": ("plot_frontier", "plot_simulation"),
    "capacity.views.sheet": ("Output", "Sheet", "show"),
    "capacity.views.view_models": ("view_bars", "view_workload", "view_workloads"),
}
__all__, __getattr__, __dir__ = load_lazily(__name__, HOMES)
