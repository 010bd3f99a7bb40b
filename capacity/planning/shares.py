"""What several workloads share: a namespace's quota, a cluster's capacity. Above their floors all give alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf

import numpy as np

from capacity.domain import Derivation, FloorChange, Quota, QuotaCut, Workload, WorkloadPlan
from capacity.domain.arrays import Counts
from capacity.planning.counts import allowed_within
from capacity.planning.optimum import run_starts

CUT = "QuotaReached"
MINUTE = timedelta(minutes=1)


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
        _Cut.of(plan, workload, moments, row).made(name) if (row < before).any() else plan
        for plan, workload, before, row in zip(plans, workloads, floors, cut, strict=True)
    ]


def _floors_at(plan: WorkloadPlan, moments: Sequence[datetime]) -> Counts:
    """The floor from each moment on; 0 where the plan says nothing."""
    found = [plan.floor_between(at, at) if plan.start <= at < plan.end else None for at in moments]
    return np.array([0 if one is None else one for one in found], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Cut:
    """The floors of a plan by the step (steps,), before and after a quota."""

    plan: WorkloadPlan
    before: Counts
    after: Counts

    @staticmethod
    def of(plan: WorkloadPlan, workload: Workload, moments: Sequence[datetime], most: Counts) -> _Cut:
        """At most at `most` from each moment on; a step that several cuts touch takes the lowest."""
        ends = [*(change.offset for change in plan.floor[1:]), plan.steps]
        lengths = [end - change.offset for change, end in zip(plan.floor, ends, strict=True)]
        before = np.repeat([change.replicas for change in plan.floor], lengths)
        after = before.copy()
        for begin, until, given in zip(moments, moments[1:], most.tolist(), strict=False):
            if plan.start <= begin < plan.end:
                first = (begin - plan.start) // plan.step
                last = -(-(min(until, plan.end) - plan.start) // plan.step)
                allowed = allowed_within(workload.floor, max(given, workload.floor), workload.limits)[1]
                np.minimum(after[first:last], allowed, out=after[first:last])
        return _Cut(plan, before, after)

    @property
    def changes(self) -> tuple[FloorChange, ...]:
        """What is left of the plan's changes, each with its reason."""
        known = {change.offset: change.reason for change in self.plan.floor}
        starts = run_starts(self.after).tolist()
        return tuple(FloorChange(at, int(self.after[at]), self._reason(at, known.get(at))) for at in starts)

    def _reason(self, at: int, known: str | None) -> str:
        if self.after[at] < self.before[at]:
            return CUT
        if known is not None or at == 0:
            return known or "PlanStart"
        return "DemandRising" if self.after[at] > self.after[at - 1] else "DemandFalling"

    def made(self, name: str) -> WorkloadPlan:
        """The plan that is left, which says what cut it."""
        plan, peak = self.plan, (self.plan.peak.at - self.plan.start) // self.plan.step
        return replace(
            plan,
            floor=self.changes,
            peak=replace(plan.peak, replicas=int(self.after[peak])),
            safe_floor=min(plan.safe_floor, int(self.after.max())),
            derivation=self._derivation(name),
        )

    def _derivation(self, name: str) -> Derivation:
        short, known = self.before - self.after, self.plan.derivation
        minutes, most = round(int((short > 0).sum()) * (self.plan.step / MINUTE)), int(short.max())
        note = f"{name} is too small for {minutes} min, by up to {most} replicas"
        before = known.quota or QuotaCut(0, 0)
        quota = QuotaCut(max(minutes, before.minutes), most + before.replicas)
        return replace(known, quota=quota, notes=(*known.notes, note))
