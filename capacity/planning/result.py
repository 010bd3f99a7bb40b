"""What planning gives: the plan, the audit of its data, what could not be planned, and what is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from capacity.model import DataError, Forecast, Plan, WorkloadPlan
from capacity.model.configuration import Config
from capacity.model.forecast import CurrentDemand, DemandAhead, Levels
from capacity.planning.orders import Key
from capacity.planning.sizing import RequestAdvice
from capacity.quality import Audit
from capacity.shown import shows_itself


@shows_itself
@dataclass(frozen=True, slots=True)
class PlanResult:
    """A plan, the audit of its data, and what could not be planned.

    `demand` is that of the current step, and `ahead` that of the coming hours, for metrics: of workloads that were
    planned in several chunks the forecasts themselves are not kept, and only then there is `ahead`.
    `advice` is what usage says that replicas should request, where it counts replicas.
    """

    plan: Plan
    audit: Audit
    failures: dict[Key, str] = field(default_factory=dict)
    demand: tuple[CurrentDemand, ...] = ()
    ahead: tuple[DemandAhead, ...] = ()
    advice: dict[Key, RequestAdvice | DataError] = field(default_factory=dict)


def signed(planned: PlanResult, run: str) -> PlanResult:
    """The same with the run that made it named in the plan's source, as its Events and tickets name theirs."""
    plan = planned.plan
    return replace(planned, plan=replace(plan, source={**plan.source, "run": run}))


def made_for(planned: PlanResult, config: Config) -> PlanResult:
    """The same as the plan of these settings: those that were read, without what was learned and chosen since.

    Whoever carries it out reads the same file, and knows neither lead times from pods nor policies from replays.
    """
    whole, blocks = config.fingerprints()
    return replace(planned, plan=replace(planned.plan, settings_hash=whole, blocks=blocks))


def current_demand(plans: Sequence[WorkloadPlan], now: datetime) -> tuple[CurrentDemand, ...]:
    """Demand of the step of `now`, of the plans that still hold what they were made of."""
    return tuple(
        CurrentDemand(*plan.key, _levels(plan.demand.cpu, now), _levels(plan.demand.memory, now))
        for plan in plans
        if plan.demand is not None
    )


def _levels(demand: Forecast, now: datetime) -> Levels:
    """The step of now; before the plan starts its first step, after its end none."""
    place = max(0, (now - demand.origin - demand.step) // demand.step)
    if place >= len(demand.quantiles):
        return ()
    values = demand.quantiles.to_numpy()[place].tolist()
    return tuple(zip(map(float, demand.quantiles.columns), values, strict=True))
