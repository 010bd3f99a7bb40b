"""Plan + observation + now -> decision: a number and its reason. Pure, idempotent, and it never lowers in doubt."""

from __future__ import annotations

from capacity.decision.decide import decide as decide
from capacity.decision.decide import hold as hold
from capacity.decision.decide import lowest_floor as lowest_floor
from capacity.decision.reached import check_due as check_due
from capacity.decision.reached import with_slow_starts as with_slow_starts
from capacity.model.policy import CALM as CALM
from capacity.model.policy import Brake as Brake
from capacity.model.policy import ControllerRules as ControllerRules
