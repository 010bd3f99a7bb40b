"""What several workloads share: a namespace's quota, a cluster's capacity. Above their floors all give alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from math import inf

import numpy as np
import numpy.typing as npt

from capacity.domain import FloorChange, Quota, Workload, WorkloadPlan
from capacity.planning.counts import allowed_within
from capacity.planning.optimum import run_starts

Counts = npt.NDArray[np.int64]
CUT = "QuotaReached"


def within_quota(
    plans: Sequence[WorkloadPlan], workloads: Sequence[Workload], quota: Quota, name: str
) -> list[WorkloadPlan]:
    """The plans of workloads that share a quota, cut where together they ask for more than there is.

    What lies above each workload's own floor is cut by the same share; a floor is never cut. A plan that was cut says
    so, with `QuotaReached` as the reason of its changes.
    """
    moments = sorted({plan.start + change.offset * plan.step for plan in plans for change in plan.floor})
    moments = sorted({*moments, *(plan.start for plan in plans), *(plan.end for plan in plans)})
    floors = np.stack([_floors_at(plan, moments) for plan in plans])  # (plans, moments)
    sizes = np.array([[one.replica.cpu_request, one.replica.memory_request, 1.0] for one in workloads])  # (plans, 3)
    given = np.array([inf if value is None else float(value) for value in (quota.cpu, quota.memory, quota.pods)])
    lowest = np.minimum(floors, np.array([[one.floor] for one in workloads]))
    spare = given[:, None] - sizes.T @ lowest  # (3, moments): what is left above the floors
    wanted = sizes.T @ (floors - lowest)
    share = np.where(wanted > spare, np.maximum(spare, 0.0) / np.where(wanted > 0, wanted, 1.0), 1.0).min(axis=0)
    cut = lowest + np.floor((floors - lowest) * share + 1e-9).astype(np.int64)
    return [
        _cut(plan, workload, moments, row, name) if (row < before).any() else plan
        for plan, workload, before, row in zip(plans, workloads, floors, cut, strict=True)
    ]


def _floors_at(plan: WorkloadPlan, moments: Sequence[datetime]) -> Counts:
    """The floor from each moment on; 0 where the plan says nothing."""
    found = [plan.floor_between(at, at) if plan.start <= at < plan.end else None for at in moments]
    return np.array([0 if one is None else one for one in found], dtype=np.int64)


def _cut(plan: WorkloadPlan, workload: Workload, moments: Sequence[datetime], cut: Counts, name: str) -> WorkloadPlan:
    """The plan at most at the cut from each moment on; a step that several cuts touch takes the lowest."""
    ends = [*(change.offset for change in plan.floor[1:]), plan.steps]
    lengths = [end - change.offset for change, end in zip(plan.floor, ends, strict=True)]
    before = np.repeat([change.replicas for change in plan.floor], lengths)
    after = before.copy()
    for begin, until, most in zip(moments, moments[1:], cut.tolist(), strict=False):
        if plan.start <= begin < plan.end:
            first = (begin - plan.start) // plan.step
            last = -(-(min(until, plan.end) - plan.start) // plan.step)
            part = after[first:last]
            np.minimum(part, allowed_within(workload.floor, max(most, workload.floor), workload.limits)[1], out=part)
    short = after < before
    starts = run_starts(after)
    reasons = {change.offset: change.reason for change in plan.floor}
    changes = tuple(
        FloorChange(int(at), int(after[at]), CUT if short[at] else reasons.get(int(at), _moved(after, int(at))))
        for at in starts
    )
    minutes = round(short.sum() * plan.step.total_seconds() / 60)
    note = f"{name} is too small for {minutes} min, by up to {int((before - after).max())} replicas"
    peak = (plan.peak.at - plan.start) // plan.step
    return replace(
        plan,
        floor=changes,
        peak=replace(plan.peak, replicas=int(after[peak])),
        safe_floor=min(plan.safe_floor, int(after.max())),
        explain={
            **plan.explain,
            "minutes_cut_by_quota": max(minutes, plan.explain.get("minutes_cut_by_quota", 0)),
            "notes": [*plan.explain.get("notes", []), note],
        },
    )


def _moved(floors: Counts, at: int) -> str:
    if at == 0:
        return "PlanStart"
    return "DemandRising" if floors[at] > floors[at - 1] else "DemandFalling"
