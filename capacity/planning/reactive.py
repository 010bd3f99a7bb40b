"""Where looking ahead does not pay: a forecast without skill, and an autoscaler that is quick enough by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.domain import Workload, WorkloadPlan
from capacity.planning.need import within_pool
from capacity.sizing import highest_target

REACTION = timedelta(seconds=75)  # a metric is up to 60 s old, and an HPA looks every 15 s
LEAST_PAIRS = 48  # rises seen in less than two days of hours say nothing about their tail
NO_SKILL = "seasonal naive"  # how a forecast names itself that showed no skill over it and serves it


@dataclass(frozen=True, slots=True)
class ReactiveCase:
    """What a well-set autoscaler alone would do: its target (percent of the request) and its mean replicas.

    `growth`: the factor by which demand rises within lead time and reaction, at the workload's quantile level.
    """

    target: int
    growth: float
    replicas: float
    planned: float

    @property
    def is_cheaper(self) -> bool:
        """Whether the autoscaler alone would run no more replicas than the plan."""
        return self.replicas <= self.planned


def reactive_case(usage: pd.Series, plan: WorkloadPlan, workload: Workload) -> ReactiveCase | None:
    """The autoscaler alone, set so that demand may rise for lead time and reaction before new replicas serve.

    `usage` is the CPU demand of the past in cores at a regular step, which is what autoscalers watch. At the quantile
    level of rises it stays under the target: ``target utilization / growth``. None where the past is too short to know.
    Within a step demand is taken to move evenly: coarse steps make the autoscaler look better than it is.
    """
    values = usage.to_numpy(dtype=float)
    step = usage.index[1] - usage.index[0]
    hops = max(1, int(np.ceil((plan.lead_time + REACTION) / step)))
    before, after = values[:-hops], values[hops:]
    known = (before > 0) & np.isfinite(before) & np.isfinite(after)
    if known.sum() < LEAST_PAIRS:
        return None
    part = min(1.0, (plan.lead_time + REACTION) / (hops * step))
    rises = 1 + np.maximum(after[known] / before[known] - 1, 0.0) * part
    growth = float(np.quantile(rises, workload.quantile_level))
    safe = within_pool(workload).target_utilization / growth
    tolerance = 0.10 if workload.reactive is None else workload.reactive.tolerance
    target = highest_target(round(safe * 100), tolerance)
    replicas = np.maximum(values[np.isfinite(values)] / (workload.replica.cpu_request * safe), workload.floor)
    return ReactiveCase(target, growth, float(replicas.mean()), mean_floor(plan))


def reactive_remark(case: ReactiveCase | None, plan: WorkloadPlan) -> str | None:
    """The sentence that recommends the autoscaler alone; None where looking ahead has its use."""
    if case is None or not str(plan.explain.get("model", "")).startswith(NO_SKILL) or not case.is_cheaper:
        return None
    return (
        f"stay reactive: the forecast shows no skill, and an autoscaler at target {case.target} % (demand rises by "
        f"{case.growth - 1:.0%} within the lead time) runs {case.replicas:.1f} replicas on average, the plan "
        f"{case.planned:.1f}"
    )


def mean_floor(plan: WorkloadPlan) -> float:
    """The planned floor on average over the plan."""
    ends = [*(change.offset for change in plan.floor[1:]), plan.steps]
    return sum((end - one.offset) * one.replicas for one, end in zip(plan.floor, ends, strict=True)) / plan.steps
