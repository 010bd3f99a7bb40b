"""capacity: orders in, seasonality learned, replicas planned under 80 %, the autoscaler's floor moved before the peak.

The public API on one screen, in the order of the data flow. Names load on first use, so that `import capacity` is
quick and a controller never pays for the forecasting stack.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from capacity.edge.shown import register_views
from capacity.version import VERSION

__version__ = VERSION
register_views()  # names of functions only: no picture's library is loaded before the first picture

if TYPE_CHECKING:
    from capacity.audit import Audit as Audit
    from capacity.audit import Rule as Rule
    from capacity.audit.usage import audit_usage as audit_usage
    from capacity.backtest import Backtest as Backtest
    from capacity.backtest import backtest_sales as backtest_sales
    from capacity.decision import Policy as Policy
    from capacity.decision.decide import decide as decide
    from capacity.decomposition import decompose_sales as decompose_sales
    from capacity.domain import CapacityError as CapacityError
    from capacity.domain import ClusterError as ClusterError
    from capacity.domain import ConfigError as ConfigError
    from capacity.domain import Costs as Costs
    from capacity.domain import DataError as DataError
    from capacity.domain import Decision as Decision
    from capacity.domain import Demand as Demand
    from capacity.domain import Event as Event
    from capacity.domain import Explanation as Explanation
    from capacity.domain import Forecast as Forecast
    from capacity.domain import ForecastRequest as ForecastRequest
    from capacity.domain import Limits as Limits
    from capacity.domain import LoadModel as LoadModel
    from capacity.domain import LoadReport as LoadReport
    from capacity.domain import NodeType as NodeType
    from capacity.domain import Observation as Observation
    from capacity.domain import Plan as Plan
    from capacity.domain import PlanError as PlanError
    from capacity.domain import Pool as Pool
    from capacity.domain import Quota as Quota
    from capacity.domain import Replica as Replica
    from capacity.domain import Scenario as Scenario
    from capacity.domain import Supply as Supply
    from capacity.domain import Throughput as Throughput
    from capacity.domain import ThroughputReport as ThroughputReport
    from capacity.domain import Workload as Workload
    from capacity.domain import WorkloadPlan as WorkloadPlan
    from capacity.edge.cluster.client import ClusterReader as ClusterReader
    from capacity.edge.cluster.client import ClusterWriter as ClusterWriter
    from capacity.edge.config import read_config as read_config
    from capacity.edge.controller.work import Pass as Pass
    from capacity.edge.controller.work import apply as apply
    from capacity.edge.controller.work import preview as preview
    from capacity.edge.controller.work import restore as restore
    from capacity.edge.planfile import read_plan as read_plan
    from capacity.edge.planfile import write_plan as write_plan
    from capacity.edge.planning.fleet import Fleet as Fleet
    from capacity.edge.planning.fleet import plan_fleet as plan_fleet
    from capacity.edge.plots import plot_backtest as plot_backtest
    from capacity.edge.plots import plot_calibration as plot_calibration
    from capacity.edge.plots import plot_decomposition as plot_decomposition
    from capacity.edge.plots import plot_explanation as plot_explanation
    from capacity.edge.plots import plot_forecast as plot_forecast
    from capacity.edge.plots import plot_frontier as plot_frontier
    from capacity.edge.plots import plot_load as plot_load
    from capacity.edge.plots import plot_plan as plot_plan
    from capacity.edge.plots import plot_seasons as plot_seasons
    from capacity.edge.plots import plot_simulation as plot_simulation
    from capacity.edge.plots import plot_utilization as plot_utilization
    from capacity.edge.plots import save_figure as save_figure
    from capacity.edge.sample import sample_orders as sample_orders
    from capacity.edge.sources import audit_sales as audit_sales
    from capacity.edge.sources import read_sales as read_sales
    from capacity.edge.usage import read_usage as read_usage
    from capacity.estimator import SalesForecaster as SalesForecaster
    from capacity.events import holiday_events as holiday_events
    from capacity.forecast import forecast_sales as forecast_sales
    from capacity.levels import Shift as Shift
    from capacity.levels import find_shifts as find_shifts
    from capacity.load import learn_load as learn_load
    from capacity.load import learn_loads as learn_loads
    from capacity.load import learn_throughput as learn_throughput
    from capacity.load import project_load as project_load
    from capacity.outlook import coming_growth as coming_growth
    from capacity.outlook import coming_peak as coming_peak
    from capacity.outlook import past_growth as past_growth
    from capacity.planning import explain_floor as explain_floor
    from capacity.planning import plan_many as plan_many
    from capacity.planning import plan_nodes as plan_nodes
    from capacity.planning import plan_workload as plan_workload
    from capacity.scenario import forecast_if as forecast_if
    from capacity.seasonality import Season as Season
    from capacity.seasonality import find_seasons as find_seasons
    from capacity.simulation.replay import Replay as Replay
    from capacity.simulation.replay import simulate as simulate
    from capacity.simulation.simulation import Simulation as Simulation
    from capacity.sizing import advise_requests as advise_requests
    from capacity.sizing import fit_throughput as fit_throughput
    from capacity.sizing import highest_tolerated_utilization as highest_tolerated_utilization
    from capacity.sizing import safe_target as safe_target

_HOME = {
    # read and audit
    "read_config": "edge.config",
    "sample_orders": "edge.sample",
    "read_sales": "edge.sources",
    "audit_sales": "edge.sources",
    "read_usage": "edge.usage",
    "audit_usage": "audit.usage",
    "Audit": "audit",
    "Rule": "audit",
    # learn what repeats, forecast what comes
    "find_seasons": "seasonality",
    "decompose_sales": "decomposition",
    "find_shifts": "levels",
    "Shift": "levels",
    "past_growth": "outlook",
    "coming_growth": "outlook",
    "coming_peak": "outlook",
    "Season": "seasonality",
    "Event": "domain",
    "holiday_events": "events",
    "forecast_sales": "forecast",
    "ForecastRequest": "domain",
    "SalesForecaster": "estimator",
    "backtest_sales": "backtest",
    "Backtest": "backtest",
    "Forecast": "domain",
    # from sales to load, from load to replicas
    "learn_load": "load",
    "learn_loads": "load",
    "LoadReport": "domain",
    "LoadModel": "domain",
    "project_load": "load",
    "Demand": "domain",
    "Replica": "domain",
    "Workload": "domain",
    "plan_workload": "planning",
    "plan_many": "planning",
    "explain_floor": "planning",
    "Limits": "domain",
    "Costs": "domain",
    "Pool": "domain",
    "Throughput": "domain",
    "ThroughputReport": "domain",
    "NodeType": "domain",
    "Quota": "domain",
    "Supply": "domain",
    "Scenario": "domain",
    "Explanation": "domain",
    "fit_throughput": "sizing",
    "learn_throughput": "load",
    "safe_target": "sizing",
    "advise_requests": "sizing",
    "highest_tolerated_utilization": "sizing",
    "forecast_if": "scenario",
    "plan_nodes": "planning",
    "WorkloadPlan": "domain",
    "Plan": "domain",
    "plan_fleet": "edge.planning.fleet",
    "Fleet": "edge.planning.fleet",
    "read_plan": "edge.planfile",
    "write_plan": "edge.planfile",
    # would it have held?
    "simulate": "simulation.replay",
    "Replay": "simulation.replay",
    "Simulation": "simulation.simulation",
    # decide
    "Observation": "domain",
    "decide": "decision",
    "Decision": "domain",
    # see the cluster, move the floors, give them back
    "ClusterReader": "edge.cluster.client",
    "ClusterWriter": "edge.cluster.client",
    "Pass": "edge.controller.work",
    "Policy": "decision",
    "preview": "edge.controller.work",
    "apply": "edge.controller.work",
    "restore": "edge.controller.work",
    # look
    "plot_seasons": "edge.plots",
    "plot_decomposition": "edge.plots",
    "plot_forecast": "edge.plots",
    "plot_backtest": "edge.plots",
    "plot_calibration": "edge.plots",
    "plot_load": "edge.plots",
    "plot_plan": "edge.plots",
    "plot_explanation": "edge.plots",
    "plot_utilization": "edge.plots",
    "plot_simulation": "edge.plots",
    "plot_frontier": "edge.plots",
    "save_figure": "edge.plots",
    # what can go wrong
    "CapacityError": "domain",
    "ConfigError": "domain",
    "DataError": "domain",
    "PlanError": "domain",
    "ClusterError": "domain",
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
