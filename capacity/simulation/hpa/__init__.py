"""The HorizontalPodAutoscaler of Kubernetes 1.36 as a pure function: (spec, state, metrics, now) -> answer.

Follows `pkg/controller/podautoscaler` line by line in meaning: integer truncation, tolerance, pods without metrics,
stabilization, rate policies, bounds. Quantities are integers in milli-units, as the controller keeps them. Loads no
library beyond the standard one, so that a controller may ask it.
"""

from __future__ import annotations

from capacity.simulation.hpa.replicas import Pod as Pod
from capacity.simulation.hpa.replicas import Proposal as Proposal
from capacity.simulation.hpa.replicas import Readiness as Readiness
from capacity.simulation.hpa.replicas import Tolerance as Tolerance
from capacity.simulation.hpa.replicas import average_replicas as average_replicas
from capacity.simulation.hpa.replicas import shared_replicas as shared_replicas
from capacity.simulation.hpa.replicas import utilization_replicas as utilization_replicas
from capacity.simulation.hpa.replicas import value_replicas as value_replicas
from capacity.simulation.hpa.spec import Behavior as Behavior
from capacity.simulation.hpa.spec import Hpa as Hpa
from capacity.simulation.hpa.spec import Metric as Metric
from capacity.simulation.hpa.spec import RatePolicy as RatePolicy
from capacity.simulation.hpa.spec import ScalingRules as ScalingRules
from capacity.simulation.hpa.sync import Answer as Answer
from capacity.simulation.hpa.sync import Memory as Memory
from capacity.simulation.hpa.sync import Normalized as Normalized
from capacity.simulation.hpa.sync import Proposed as Proposed
from capacity.simulation.hpa.sync import Reading as Reading
from capacity.simulation.hpa.sync import Scale as Scale
from capacity.simulation.hpa.sync import Timed as Timed
from capacity.simulation.hpa.sync import normalize as normalize
from capacity.simulation.hpa.sync import sync as sync
