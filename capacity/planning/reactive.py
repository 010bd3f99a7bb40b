"""Where looking ahead does not pay: a forecast without skill, and an autoscaler that is quick enough by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.model import Workload, WorkloadPlan
from capacity.model.arrays import Array
from capacity.planning.sizing import highest_target, safe_target

REACTION = timedelta(seconds=75)  # a metric is up to 60 s old, and an HPA looks every 15 s
ROUNDING, MINUTE = 1e-9, timedelta(minutes=1)
LEAST_PAIRS = 48  # rises seen in less than two days of hours say nothing about their tail


@dataclass(frozen=True, slots=True)
class ReactiveComparison:
    """What a well-set autoscaler alone would do: its target (percent of the request) and its mean replicas.

    `growth`: the factor by which demand rises within lead time and reaction, at the workload's quantile level; `step`:
    how often it was measured. `highest`: its utilization where the expected demand rises most from a step to the next.
    """

    target: int
    growth: float
    replicas: float
    planned: float
    step: timedelta
    highest: float

    @property
    def is_enough(self) -> bool:
        """Whether the autoscaler alone would run no more replicas than the plan, and keep up with what is coming."""
        return self.replicas <= self.planned and self.highest <= 1.0


def compare_reactive(usage: pd.Series, plan: WorkloadPlan, workload: Workload) -> ReactiveComparison | None:
    """The autoscaler alone, set so that demand may rise for lead time and reaction before new replicas serve.

    `usage` is the CPU demand of the past in cores at a regular step, which is what autoscalers watch. At the quantile
    level of rises it stays under the target: ``target utilization / growth``. None where the past is too short to know.
    Its replicas are those for the median of the plan's own demand, or for the past where the plan carries none. Within
    a step demand is taken to move evenly: coarse steps make the autoscaler look better than it is; the remark says so.
    """
    step = (usage.index[1] - usage.index[0]).to_pytimedelta()
    growth = _growth(usage.to_numpy(dtype=float), (plan.lead_time + REACTION) / step, workload.quantile_level)
    if growth is None:
        return None
    safe = safe_target(workload).utilization / growth
    tolerance = 0.10 if workload.reactive is None else workload.reactive.tolerance
    cores = _coming(plan, usage)
    full = workload.replica.cpu_request * safe
    replicas = np.ceil(cores / full - ROUNDING).clip(workload.floor)
    target = highest_target(round(safe * 100), tolerance)
    highest = safe * _steepest(np.maximum(cores, workload.floor * full))
    return ReactiveComparison(target, growth, float(replicas.mean()), plan.mean_floor, step, highest)


def _growth(values: Array, steps: float, level: float) -> float | None:
    """The factor by which demand rises within so many steps at this quantile level of rises; None: too few to know."""
    hops = max(1, int(np.ceil(steps)))
    before, after = values[:-hops], values[hops:]
    known = (before > 0) & np.isfinite(before) & np.isfinite(after)
    if known.sum() < LEAST_PAIRS:
        return None
    rises = np.maximum(after[known] / before[known] - 1, 0.0) * min(1.0, steps / hops)
    return float(np.quantile(1 + rises, level))


def _steepest(cores: Array) -> float:
    """The factor of the largest rise from a step to the next: a sale that opens rises at once."""
    return float((cores[1:] / cores[:-1]).max(initial=1.0))


def _coming(plan: WorkloadPlan, usage: pd.Series) -> Array:
    """The cores that are expected: the median of the plan's demand, or the past (steps,)."""
    if plan.demand is not None and 0.5 in plan.demand.cpu.quantiles.columns:
        return plan.demand.cpu.at(0.5).to_numpy(dtype=float)
    return usage.dropna().to_numpy(dtype=float)


def reactive_remark(case: ReactiveComparison | None, plan: WorkloadPlan) -> str | None:
    """The sentence that recommends the autoscaler alone; None where looking ahead has its use.

    That is where the forecast beats the seasonal naive on past origins, or the plan the well-set autoscaler: it runs
    fewer replicas, or is ahead of a rise that would overrun the other.
    """
    if case is None or not case.is_enough or not plan.unskilled:
        return None
    hidden = (
        "" if case.step <= plan.lead_time + REACTION else f"; steps of {case.step / MINUTE:g} min may hide faster rises"
    )
    return (
        f"an autoscaler alone is enough: the forecast does not beat the seasonal naive, and at target {case.target} % "
        f"(demand rises by {100 * (case.growth - 1):.1f} % within the lead time) the autoscaler runs "
        f"{case.replicas:.1f} replicas on average, the plan {case.planned:.1f}{hidden}"
    )
