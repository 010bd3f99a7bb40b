"""The nouns of capacity: frozen values, checked when they are built, and the errors they raise.

Errors, as a tree::

    CapacityError
    ├── ConfigError    a setting or a flag cannot be used            (exit code 2)
    ├── DataError      the input cannot carry what is asked of it    (exit code 1)
    ├── PlanError      a plan is unreadable or of another schema     (exit code 1)
    └── ClusterError   the cluster refused or did not answer         (exit code 1)
        └── NoClusterError   none is configured

Times are timezone-aware; a step is named by its start and is half open, ``[t, t + step)``.
This module imports no heavy library, so that the controller can start in a fraction of a second.
"""

from capacity.domain.costs import Costs as Costs
from capacity.domain.costs import NodeType as NodeType
from capacity.domain.costs import Quota as Quota
from capacity.domain.costs import Supply as Supply
from capacity.domain.decision import CUTS as CUTS
from capacity.domain.decision import REASONS as REASONS
from capacity.domain.decision import Clamp as Clamp
from capacity.domain.decision import Cut as Cut
from capacity.domain.decision import Decision as Decision
from capacity.domain.decision import Doubt as Doubt
from capacity.domain.decision import Owned as Owned
from capacity.domain.decision import Reason as Reason
from capacity.domain.derivation import Derivation as Derivation
from capacity.domain.derivation import PeakSales as PeakSales
from capacity.domain.derivation import QuotaCut as QuotaCut
from capacity.domain.derivation import ReplicaNeed as ReplicaNeed
from capacity.domain.derivation import RequestNeed as RequestNeed
from capacity.domain.derivation import Shortfall as Shortfall
from capacity.domain.derivation import TargetBound as TargetBound
from capacity.domain.derivation import TargetUtilization as TargetUtilization
from capacity.domain.derivation import TrackRecord as TrackRecord
from capacity.domain.errors import CapacityError as CapacityError
from capacity.domain.errors import ClusterError as ClusterError
from capacity.domain.errors import ConfigError as ConfigError
from capacity.domain.errors import DataError as DataError
from capacity.domain.errors import NoClusterError as NoClusterError
from capacity.domain.errors import PlanError as PlanError
from capacity.domain.errors import require as require
from capacity.domain.event import Event as Event
from capacity.domain.explanation import Bar as Bar
from capacity.domain.explanation import Explanation as Explanation
from capacity.domain.explanation import SalesParts as SalesParts
from capacity.domain.forecast import MONTH as MONTH
from capacity.domain.forecast import Demand as Demand
from capacity.domain.forecast import Forecast as Forecast
from capacity.domain.forecast import Trust as Trust
from capacity.domain.limits import ChangeHours as ChangeHours
from capacity.domain.limits import Freeze as Freeze
from capacity.domain.limits import Limits as Limits
from capacity.domain.load import Finding as Finding
from capacity.domain.load import LoadModel as LoadModel
from capacity.domain.load import LoadReport as LoadReport
from capacity.domain.load import Pattern as Pattern
from capacity.domain.load import Response as Response
from capacity.domain.load import Shape as Shape
from capacity.domain.load import Spread as Spread
from capacity.domain.money import NodeChange as NodeChange
from capacity.domain.money import NodePlan as NodePlan
from capacity.domain.observation import Memory as Memory
from capacity.domain.observation import Observation as Observation
from capacity.domain.observation import Readings as Readings
from capacity.domain.observation import Wishes as Wishes
from capacity.domain.plan import PLAN_SCHEMA as PLAN_SCHEMA
from capacity.domain.plan import FloorChange as FloorChange
from capacity.domain.plan import Peak as Peak
from capacity.domain.plan import Plan as Plan
from capacity.domain.plan import Quiet as Quiet
from capacity.domain.plan import Resource as Resource
from capacity.domain.plan import WorkloadPlan as WorkloadPlan
from capacity.domain.request import DEFAULT_HORIZON as DEFAULT_HORIZON
from capacity.domain.request import DEFAULT_LEVELS as DEFAULT_LEVELS
from capacity.domain.request import ForecastRequest as ForecastRequest
from capacity.domain.request import require_levels as require_levels
from capacity.domain.scenario import Scenario as Scenario
from capacity.domain.serving import Pool as Pool
from capacity.domain.serving import Reactive as Reactive
from capacity.domain.serving import Throughput as Throughput
from capacity.domain.serving import ThroughputReport as ThroughputReport
from capacity.domain.serving import fit_throughput as fit_throughput
from capacity.domain.workload import Metrics as Metrics
from capacity.domain.workload import Replica as Replica
from capacity.domain.workload import Target as Target
from capacity.domain.workload import Workload as Workload
