"""View models: what is shown of a noun, computed once. Tables, pages, plots and cards choose from it and format it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from capacity.model import Explanation, WorkloadPlan

GIB = 2**30


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """A planned workload at a glance: its peak, and the floors around it (`mean` over the steps of the plan).

    `sales_per_hour` is None where the load follows none, `gib` where it has no memory; `cores` and `gib` are the demand
    planned for at the peak; `target` is the utilization planned for, in percent.
    """

    label: str
    binding: str
    peak_at: datetime
    quantile_level: float
    sales_per_hour: float | None
    cores: float
    gib: float | None
    replicas: int
    fewest: int
    mean: float
    ceiling: int
    target: float


@dataclass(frozen=True, slots=True)
class BarView:
    """A bar of an explanation: the replicas that it adds, where it begins and where it ends (`total`)."""

    name: str
    replicas: float
    before: float
    total: float
    why: str


def view_workload(plan: WorkloadPlan) -> WorkloadView:
    """The workload's peak and floors."""
    peak, target = plan.peak, plan.derivation.target.utilization
    return WorkloadView(
        label=plan.label,
        binding="cpu and memory" if plan.derivation.need.tied else plan.binding,
        peak_at=peak.at,
        quantile_level=peak.quantile_level,
        sales_per_hour=plan.peak_rate,
        cores=peak.cpu_cores,
        gib=peak.memory_bytes / GIB or None,
        replicas=peak.replicas,
        fewest=min(change.replicas for change in plan.floor),
        mean=plan.mean_floor,
        ceiling=plan.ceiling,
        target=100 * target,
    )


def view_workloads(plans: Iterable[WorkloadPlan]) -> list[WorkloadView]:
    """Each of them, the highest peak first."""
    return sorted(map(view_workload, plans), key=lambda view: -view.replicas)


def view_bars(explanation: Explanation) -> tuple[BarView, ...]:
    """The bars in order; the last total is the floor. Added up in thousandths, so that no digit drifts."""
    totals = list(accumulate((bar.milli for bar in explanation.bars), initial=0))
    return tuple(
        BarView(bar.name, bar.milli / 1000, before / 1000, total / 1000, bar.why)
        for bar, before, total in zip(explanation.bars, totals[:-1], totals[1:], strict=True)
    )
