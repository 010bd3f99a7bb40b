"""The nouns of capacity: frozen values, checked when they are built, and the errors they raise.

Errors, as a tree::

    CapacityError
    ├── ConfigError    a setting or a flag cannot be used            (exit code 2)
    ├── DataError      the input cannot carry what is asked of it    (exit code 1)
    ├── PlanError      a plan is unreadable or of another schema     (exit code 1)
    └── ClusterError   the cluster refused or did not answer         (exit code 1)
        └── NoClusterError   none is configured

Times are timezone-aware; a step is named by its start and is half open, ``[t, t + step)``.
Names load on first use, and none of them with a heavy library, so that the controller starts in a fraction of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.lazy import load_lazily

if TYPE_CHECKING:
    from capacity.model.errors import CapacityError as CapacityError
    from capacity.model.errors import ClusterError as ClusterError
    from capacity.model.errors import ConfigError as ConfigError
    from capacity.model.errors import DataError as DataError
    from capacity.model.errors import NoClusterError as NoClusterError
    from capacity.model.errors import PlanError as PlanError
    from capacity.model.errors import require as require
    from capacity.model.events import Event as Event
    from capacity.model.events import Scenario as Scenario
    from capacity.model.explanation import Bar as Bar
    from capacity.model.explanation import Derivation as Derivation
    from capacity.model.explanation import Explanation as Explanation
    from capacity.model.explanation import PeakSales as PeakSales
    from capacity.model.explanation import QuotaCut as QuotaCut
    from capacity.model.explanation import ReplicaNeed as ReplicaNeed
    from capacity.model.explanation import RequestNeed as RequestNeed
    from capacity.model.explanation import SalesParts as SalesParts
    from capacity.model.explanation import Shortfall as Shortfall
    from capacity.model.explanation import TargetBound as TargetBound
    from capacity.model.explanation import TargetUtilization as TargetUtilization
    from capacity.model.explanation import TrackRecord as TrackRecord
    from capacity.model.fields import parse_time as parse_time
    from capacity.model.fields import rfc3339 as rfc3339
    from capacity.model.forecast import DEFAULT_HORIZON as DEFAULT_HORIZON
    from capacity.model.forecast import DEFAULT_LEVELS as DEFAULT_LEVELS
    from capacity.model.forecast import MONTH as MONTH
    from capacity.model.forecast import Demand as Demand
    from capacity.model.forecast import Forecast as Forecast
    from capacity.model.forecast import ForecastRequest as ForecastRequest
    from capacity.model.forecast import Trust as Trust
    from capacity.model.forecast import levels_of as levels_of
    from capacity.model.forecast import require_levels as require_levels
    from capacity.model.limits import ChangeHours as ChangeHours
    from capacity.model.limits import Costs as Costs
    from capacity.model.limits import Freeze as Freeze
    from capacity.model.limits import Limits as Limits
    from capacity.model.limits import NodeChange as NodeChange
    from capacity.model.limits import NodePlan as NodePlan
    from capacity.model.limits import NodeType as NodeType
    from capacity.model.limits import Quota as Quota
    from capacity.model.limits import Supply as Supply
    from capacity.model.load import Finding as Finding
    from capacity.model.load import LoadModel as LoadModel
    from capacity.model.load import LoadReport as LoadReport
    from capacity.model.load import Pattern as Pattern
    from capacity.model.load import Response as Response
    from capacity.model.load import Shape as Shape
    from capacity.model.load import Spread as Spread
    from capacity.model.observation import CUTS as CUTS
    from capacity.model.observation import REASONS as REASONS
    from capacity.model.observation import Cause as Cause
    from capacity.model.observation import Clamp as Clamp
    from capacity.model.observation import Cut as Cut
    from capacity.model.observation import Decision as Decision
    from capacity.model.observation import Doubt as Doubt
    from capacity.model.observation import Memory as Memory
    from capacity.model.observation import Observation as Observation
    from capacity.model.observation import Owned as Owned
    from capacity.model.observation import Readiness as Readiness
    from capacity.model.observation import Readings as Readings
    from capacity.model.observation import Reason as Reason
    from capacity.model.observation import Wishes as Wishes
    from capacity.model.plan import PLAN_SCHEMA as PLAN_SCHEMA
    from capacity.model.plan import FloorChange as FloorChange
    from capacity.model.plan import Peak as Peak
    from capacity.model.plan import Plan as Plan
    from capacity.model.plan import Quiet as Quiet
    from capacity.model.plan import Resource as Resource
    from capacity.model.plan import WorkloadPlan as WorkloadPlan
    from capacity.model.plan_file import parse_plan as parse_plan
    from capacity.model.plan_file import plan_document as plan_document
    from capacity.model.plan_file import plan_text as plan_text
    from capacity.model.plan_file import read_plan as read_plan
    from capacity.model.plan_file import write_plan as write_plan
    from capacity.model.serving import Pool as Pool
    from capacity.model.serving import Reactive as Reactive
    from capacity.model.serving import Throughput as Throughput
    from capacity.model.serving import ThroughputReport as ThroughputReport
    from capacity.model.serving import fit_throughput as fit_throughput
    from capacity.model.workload import Metrics as Metrics
    from capacity.model.workload import Replica as Replica
    from capacity.model.workload import Target as Target
    from capacity.model.workload import Workload as Workload

HOMES = {
    "capacity.model.explanation": (
        "Bar",
        "Derivation",
        "Explanation",
        "PeakSales",
        "QuotaCut",
        "ReplicaNeed",
        "RequestNeed",
        "SalesParts",
        "Shortfall",
        "TargetBound",
        "TargetUtilization",
        "TrackRecord",
    ),
    "capacity.model.errors": (
        "CapacityError",
        "ClusterError",
        "ConfigError",
        "DataError",
        "NoClusterError",
        "PlanError",
        "require",
    ),
    "capacity.model.events": (
        "Event",
        "Scenario",
    ),
    "capacity.model.fields": ("parse_time", "rfc3339"),
    "capacity.model.forecast": (
        "DEFAULT_HORIZON",
        "DEFAULT_LEVELS",
        "MONTH",
        "Demand",
        "Forecast",
        "ForecastRequest",
        "Trust",
        "levels_of",
        "require_levels",
    ),
    "capacity.model.limits": (
        "ChangeHours",
        "Costs",
        "Freeze",
        "Limits",
        "NodeType",
        "Quota",
        "Supply",
        "NodeChange",
        "NodePlan",
    ),
    "capacity.model.load": (
        "Finding",
        "LoadModel",
        "LoadReport",
        "Pattern",
        "Response",
        "Shape",
        "Spread",
    ),
    "capacity.model.observation": (
        "CUTS",
        "REASONS",
        "Cause",
        "Clamp",
        "Cut",
        "Decision",
        "Doubt",
        "Memory",
        "Observation",
        "Owned",
        "Readiness",
        "Readings",
        "Reason",
        "Wishes",
    ),
    "capacity.model.plan": (
        "PLAN_SCHEMA",
        "FloorChange",
        "Peak",
        "Plan",
        "Quiet",
        "Resource",
        "WorkloadPlan",
    ),
    "capacity.model.plan_file": (
        "parse_plan",
        "plan_document",
        "plan_text",
        "read_plan",
        "write_plan",
    ),
    "capacity.model.serving": (
        "Pool",
        "Reactive",
        "Throughput",
        "ThroughputReport",
        "fit_throughput",
    ),
    "capacity.model.workload": (
        "Metrics",
        "Replica",
        "Target",
        "Workload",
    ),
}
__all__, __getattr__, __dir__ = load_lazily(__name__, HOMES)
