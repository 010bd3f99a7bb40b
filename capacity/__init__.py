"""capacity: learns the seasonality of a business from its orders and raises autoscaler floors before the peak.

The names that a notebook or a service needs, in the order of the data flow. The rest is in `capacity.series`,
`capacity.quality`, `capacity.forecast`, `capacity.load`, `capacity.planning`, `capacity.simulation`, `capacity.views`
(pictures) and `capacity.model` (nouns). Names load on first use, so that importing the package is quick and the
controller never loads the forecasting stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.lazy import load_lazily
from capacity.version import VERSION
from capacity.views.registration import register_views

if TYPE_CHECKING:
    from capacity.app.advise import advise as advise
    from capacity.app.configuration import read_config as read_config
    from capacity.app.control import apply as apply
    from capacity.app.control import preview as preview
    from capacity.app.control import restore as restore
    from capacity.app.fleet import Fleet as Fleet
    from capacity.app.plan import plan_fleet as plan_fleet
    from capacity.app.reconciliation import Reconciliation as Reconciliation
    from capacity.app.unconfigured import plan as plan
    from capacity.cluster.client import ClusterReader as ClusterReader
    from capacity.cluster.client import ClusterWriter as ClusterWriter
    from capacity.decision.decide import decide as decide
    from capacity.forecast.backtest import backtest_sales as backtest_sales
    from capacity.forecast.sales import forecast_sales as forecast_sales
    from capacity.forecast.totals import forecast_total as forecast_total
    from capacity.load.learning import learn_load as learn_load
    from capacity.load.learning import learn_loads as learn_loads
    from capacity.load.projection import project_load as project_load
    from capacity.model.choice import Choice as Choice
    from capacity.model.choice import Evidence as Evidence
    from capacity.model.errors import CapacityError as CapacityError
    from capacity.model.errors import ClusterError as ClusterError
    from capacity.model.errors import ConfigError as ConfigError
    from capacity.model.errors import DataError as DataError
    from capacity.model.errors import PlanError as PlanError
    from capacity.model.events import Event as Event
    from capacity.model.events import Scenario as Scenario
    from capacity.model.forecast import Demand as Demand
    from capacity.model.forecast import Forecast as Forecast
    from capacity.model.forecast import ForecastRequest as ForecastRequest
    from capacity.model.limits import Costs as Costs
    from capacity.model.limits import Limits as Limits
    from capacity.model.load import LoadModel as LoadModel
    from capacity.model.observation import Decision as Decision
    from capacity.model.observation import Observation as Observation
    from capacity.model.plan import Plan as Plan
    from capacity.model.plan import WorkloadPlan as WorkloadPlan
    from capacity.model.plan_file import read_plan as read_plan
    from capacity.model.plan_file import write_plan as write_plan
    from capacity.model.policy import ControllerRules as ControllerRules
    from capacity.model.policy import Objective as Objective
    from capacity.model.policy import Policy as Policy
    from capacity.model.workload import Replica as Replica
    from capacity.model.workload import Workload as Workload
    from capacity.planning.explain import explain_floor as explain_floor
    from capacity.planning.workload import plan_workload as plan_workload
    from capacity.series.calendar import holiday_events as holiday_events
    from capacity.series.seasons import find_seasons as find_seasons
    from capacity.simulation.replay import simulate as simulate
    from capacity.simulation.result import Simulation as Simulation
    from capacity.sources.orders import audit_sales as audit_sales
    from capacity.sources.orders import read_sales as read_sales
    from capacity.sources.sample import sample_config as sample_config
    from capacity.sources.sample import sample_orders as sample_orders
    from capacity.sources.usage import read_usage as read_usage

__version__ = VERSION
register_views()  # names of functions only: no picture's library is loaded before the first picture

HOMES = {
    # read orders and usage, and audit them
    "capacity.app.configuration": ("read_config",),
    "capacity.sources.sample": ("sample_orders", "sample_config"),
    "capacity.sources.orders": ("read_sales", "audit_sales"),
    "capacity.sources.usage": ("read_usage",),
    # learn what repeats, forecast what comes
    "capacity.series.seasons": ("find_seasons",),
    "capacity.series.calendar": ("holiday_events",),
    "capacity.model.events": ("Event", "Scenario"),
    "capacity.forecast.sales": ("forecast_sales",),
    "capacity.forecast.totals": ("forecast_total",),
    "capacity.model.forecast": ("Forecast", "Demand", "ForecastRequest"),
    "capacity.forecast.backtest": ("backtest_sales",),
    # from sales to load
    "capacity.load.learning": ("learn_load", "learn_loads"),
    "capacity.model.load": ("LoadModel",),
    "capacity.load.projection": ("project_load",),
    # all of it for one service, in one call
    "capacity.app.unconfigured": ("plan",),
    # from load to replicas
    "capacity.model.workload": ("Workload", "Replica"),
    "capacity.model.limits": ("Limits", "Costs"),
    "capacity.planning.workload": ("plan_workload",),
    "capacity.model.plan": ("WorkloadPlan", "Plan"),
    "capacity.planning.explain": ("explain_floor",),
    "capacity.app.plan": ("plan_fleet",),
    "capacity.app.fleet": ("Fleet",),
    "capacity.model.plan_file": ("read_plan", "write_plan"),
    # would it have held?
    "capacity.app.advise": ("advise",),
    "capacity.model.policy": (
        "Policy",
        "Objective",
        "ControllerRules",
    ),
    "capacity.model.choice": ("Evidence", "Choice"),
    "capacity.simulation.replay": ("simulate",),
    "capacity.simulation.result": ("Simulation",),
    # decide
    "capacity.model.observation": ("Observation", "Decision"),
    "capacity.decision.decide": ("decide",),
    # see the cluster, move the floors, give them back
    "capacity.cluster.client": ("ClusterReader", "ClusterWriter"),
    "capacity.app.reconciliation": ("Reconciliation",),
    "capacity.app.control": ("preview", "apply", "restore"),
    # what can go wrong
    "capacity.model.errors": ("CapacityError", "ConfigError", "DataError", "PlanError", "ClusterError"),
}
__all__, __getattr__, __dir__ = load_lazily(__name__, HOMES)
