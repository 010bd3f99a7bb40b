"""Pictures, one noun a file: the only import of matplotlib; figures are returned, never shown."""

from capacity.edge.plots.backtest import plot_backtest as plot_backtest
from capacity.edge.plots.calibration import plot_calibration as plot_calibration
from capacity.edge.plots.decomposition import plot_decomposition as plot_decomposition
from capacity.edge.plots.explain import plot_explanation as plot_explanation
from capacity.edge.plots.forecast import plot_forecast as plot_forecast
from capacity.edge.plots.frontier import plot_frontier as plot_frontier
from capacity.edge.plots.load import can_plot_load as can_plot_load
from capacity.edge.plots.load import plot_load as plot_load
from capacity.edge.plots.plan import plot_plan as plot_plan
from capacity.edge.plots.saving import Figure as Figure
from capacity.edge.plots.saving import inline_svg as inline_svg
from capacity.edge.plots.saving import save_figure as save_figure
from capacity.edge.plots.seasons import plot_seasons as plot_seasons
from capacity.edge.plots.simulation import plot_simulation as plot_simulation
from capacity.edge.plots.utilization import plot_utilization as plot_utilization
