"""capacity: orders in, seasonality learned, replicas planned under 80 %, the autoscaler's floor moved before the peak.

The public API on one screen, in the order of the data flow. Names load on first use, so that `import capacity` is
quick and a controller never pays for the forecasting stack.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from capacity.version import VERSION
from capacity.views.registration import register_views

if TYPE_CHECKING:
    from capacity.app.configuration import read_config as read_config
    from capacity.app.control import Reconciliation as Reconciliation
    from capacity.app.control import apply as apply
    from capacity.app.control import preview as preview
    from capacity.app.control import restore as restore
    from capacity.app.fleet import Fleet as Fleet
    from capacity.app.fleet import plan_fleet as plan_fleet
    from capacity.cluster.client import ClusterReader as ClusterReader
    from capacity.cluster.client import ClusterWriter as ClusterWriter
    from capacity.decision import ControllerRules as ControllerRules
    from capacity.decision.decide import decide as decide
    from capacity.forecast import forecast_sales as forecast_sales
    from capacity.forecast.backtest import Backtest as Backtest
    from capacity.forecast.backtest import backtest_sales as backtest_sales
    from capacity.forecast.estimator import SalesForecaster as SalesForecaster
    from capacity.load import learn_load as learn_load
    from capacity.load import learn_loads as learn_loads
    from capacity.load import learn_throughput as learn_throughput
    from capacity.load import project_load as project_load
    from capacity.model import CapacityError as CapacityError
    from capacity.model import ClusterError as ClusterError
    from capacity.model import ConfigError as ConfigError
    from capacity.model import Costs as Costs
    from capacity.model import DataError as DataError
    from capacity.model import Decision as Decision
    from capacity.model import Demand as Demand
    from capacity.model import Event as Event
    from capacity.model import Explanation as Explanation
    from capacity.model import Forecast as Forecast
    from capacity.model import ForecastRequest as ForecastRequest
    from capacity.model import Limits as Limits
    from capacity.model import LoadModel as LoadModel
    from capacity.model import LoadReport as LoadReport
    from capacity.model import NodeType as NodeType
    from capacity.model import Observation as Observation
    from capacity.model import Plan as Plan
    from capacity.model import PlanError as PlanError
    from capacity.model import Pool as Pool
    from capacity.model import Quota as Quota
    from capacity.model import Replica as Replica
    from capacity.model import Scenario as Scenario
    from capacity.model import Supply as Supply
    from capacity.model import Throughput as Throughput
    from capacity.model import ThroughputReport as ThroughputReport
    from capacity.model import Workload as Workload
    from capacity.model import WorkloadPlan as WorkloadPlan
    from capacity.model.plan_file import read_plan as read_plan
    from capacity.model.plan_file import write_plan as write_plan
    from capacity.model.serving import fit_throughput as fit_throughput
    from capacity.planning import explain_floor as explain_floor
    from capacity.planning import plan_many as plan_many
    from capacity.planning import plan_nodes as plan_nodes
    from capacity.planning import plan_workload as plan_workload
    from capacity.planning.sizing import advise_requests as advise_requests
    from capacity.planning.sizing import highest_tolerated_utilization as highest_tolerated_utilization
    from capacity.planning.sizing import safe_target as safe_target
    from capacity.quality import Audit as Audit
    from capacity.quality import Rule as Rule
    from capacity.quality.usage import audit_usage as audit_usage
    from capacity.series.breakdown import decompose_sales as decompose_sales
    from capacity.series.calendar import holiday_events as holiday_events
    from capacity.series.growth import coming_growth as coming_growth
    from capacity.series.growth import coming_peak as coming_peak
    from capacity.series.growth import past_growth as past_growth
    from capacity.series.levels import Shift as Shift
    from capacity.series.levels import find_shifts as find_shifts
    from capacity.series.scenarios import forecast_if as forecast_if
    from capacity.series.seasons import Season as Season
    from capacity.series.seasons import find_seasons as find_seasons
    from capacity.simulation.replay import Replay as Replay
    from capacity.simulation.replay import simulate as simulate
    from capacity.simulation.result import Simulation as Simulation
    from capacity.sources.orders import audit_sales as audit_sales
    from capacity.sources.orders import read_sales as read_sales
    from capacity.sources.sample import sample_orders as sample_orders
    from capacity.sources.usage import read_usage as read_usage
    from capacity.views.plots import plot_backtest as plot_backtest
    from capacity.views.plots import plot_calibration as plot_calibration
    from capacity.views.plots import plot_decomposition as plot_decomposition
    from capacity.views.plots import plot_explanation as plot_explanation
    from capacity.views.plots import plot_forecast as plot_forecast
    from capacity.views.plots import plot_frontier as plot_frontier
    from capacity.views.plots import plot_load as plot_load
    from capacity.views.plots import plot_plan as plot_plan
    from capacity.views.plots import plot_seasons as plot_seasons
    from capacity.views.plots import plot_simulation as plot_simulation
    from capacity.views.plots import plot_utilization as plot_utilization
    from capacity.views.plots import save_figure as save_figure

__version__ = VERSION
register_views()  # names of functions only: no picture's library is loaded before the first picture


_HOME = {
    # read and audit
    "read_config": "app.configuration",
    "sample_orders": "sources.sample",
    "read_sales": "sources.orders",
    "audit_sales": "sources.orders",
    "read_usage": "sources.usage",
    "audit_usage": "quality.usage",
    "Audit": "quality.report",
    "Rule": "model.data_quality",
    # learn what repeats, forecast what comes
    "find_seasons": "series.seasons",
    "decompose_sales": "series.breakdown",
    "find_shifts": "series.levels",
    "Shift": "series.levels",
    "past_growth": "series.growth",
    "coming_growth": "series.growth",
    "coming_peak": "series.growth",
    "Season": "series.seasons",
    "Event": "model.events",
    "holiday_events": "series.calendar",
    "forecast_sales": "forecast.sales",
    "ForecastRequest": "model.request",
    "SalesForecaster": "forecast.estimator",
    "backtest_sales": "forecast.backtest",
    "Backtest": "forecast.backtest",
    "Forecast": "model.forecast",
    # from sales to load, from load to replicas
    "learn_load": "load.learning",
    "learn_loads": "load.learning",
    "LoadReport": "model.load",
    "LoadModel": "model.load",
    "project_load": "load.projection",
    "Demand": "model.forecast",
    "Replica": "model.workload",
    "Workload": "model.workload",
    "plan_workload": "planning.workload",
    "plan_many": "planning.workload",
    "explain_floor": "planning.explain",
    "Limits": "model.limits",
    "Costs": "model.limits",
    "Pool": "model.serving",
    "Throughput": "model.serving",
    "ThroughputReport": "model.serving",
    "NodeType": "model.limits",
    "Quota": "model.limits",
    "Supply": "model.limits",
    "Scenario": "model.events",
    "Explanation": "model.explanation",
    "fit_throughput": "model.serving",
    "learn_throughput": "load.throughput",
    "safe_target": "planning.sizing",
    "advise_requests": "planning.sizing",
    "highest_tolerated_utilization": "planning.sizing",
    "forecast_if": "series.scenarios",
    "plan_nodes": "planning.nodes",
    "WorkloadPlan": "model.plan",
    "Plan": "model.plan",
    "plan_fleet": "app.fleet",
    "Fleet": "app.fleet",
    "read_plan": "model.plan_file",
    "write_plan": "model.plan_file",
    # would it have held?
    "simulate": "simulation.replay",
    "Replay": "simulation.replay",
    "Simulation": "simulation.result",
    # decide
    "Observation": "model.observation",
    "decide": "decision.decide",
    "Decision": "model.observation",
    # see the cluster, move the floors, give them back
    "ClusterReader": "cluster.client",
    "ClusterWriter": "cluster.client",
    "Reconciliation": "app.control",
    "ControllerRules": "model.controller",
    "preview": "app.control",
    "apply": "app.control",
    "restore": "app.control",
    # look
    "plot_seasons": "views.plots.seasons",
    "plot_decomposition": "views.plots.seasons",
    "plot_forecast": "views.plots.forecast",
    "plot_backtest": "views.plots.forecast",
    "plot_calibration": "views.plots.forecast",
    "plot_load": "views.plots.load",
    "plot_plan": "views.plots.plan",
    "plot_explanation": "views.plots.plan",
    "plot_utilization": "views.plots.plan",
    "plot_simulation": "views.plots.simulation",
    "plot_frontier": "views.plots.simulation",
    "save_figure": "views.plots.canvas",
    # what can go wrong
    "CapacityError": "model.errors",
    "ConfigError": "model.errors",
    "DataError": "model.errors",
    "PlanError": "model.errors",
    "ClusterError": "model.errors",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'capacity' has no attribute {name!r}; it has {', '.join(_HOME)}")
    value = getattr(import_module(f"capacity.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
