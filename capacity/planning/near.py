"""The next days of a plan under a replayed policy: planned for themselves, as the replay planned them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from capacity.model import DataError, Demand, FloorChange, Forecast, Workload, WorkloadPlan
from capacity.planning.workload import plan_many


def with_near_floors(
    plans: Sequence[WorkloadPlan],
    demands: Mapping[tuple[str, str], Demand | DataError],
    workloads: Sequence[Workload],
    horizon: timedelta,
) -> list[WorkloadPlan]:
    """The plans with the floors of their first `horizon` planned alone, where these follow a policy.

    Floors of one day depend on those of all others, by the changes that they may have together: planned for themselves
    they are those that were replayed.
    """
    known = {one.key: one for one in workloads if one.policy is not None and one.policy.floors == "forecast"}
    asked = {one.key: demands[one.key] for one in plans if one.key in known}
    near = [(_until(one, horizon), known[key]) for key, one in asked.items() if isinstance(one, Demand)]
    made = {one.key: one for one in plan_many(near) if isinstance(one, WorkloadPlan)}
    return [_spliced(made[one.key], one) if one.key in made else one for one in plans]


def _until(demand: Demand, horizon: timedelta) -> Demand:
    return Demand(
        cpu=_cut(demand.cpu, horizon),
        memory=_cut(demand.memory, horizon),
        sales=None if demand.sales is None else _cut(demand.sales, horizon),
        requests=None if demand.requests is None else _cut(demand.requests, horizon),
    )


def _cut(forecast: Forecast, horizon: timedelta) -> Forecast:
    steps = max(1, horizon // forecast.step)
    maxima = None if forecast.maxima is None else forecast.maxima.iloc[:steps]
    return replace(forecast, quantiles=forecast.quantiles.iloc[:steps], maxima=maxima)


def _spliced(near: WorkloadPlan, far: WorkloadPlan) -> WorkloadPlan:
    """The floors of the one, then those of the other."""
    if near.steps >= far.steps or near.start != far.start or near.step != far.step:
        return far
    later = [change for change in far.floor if change.offset > near.steps]
    stands = [change for change in far.floor if change.offset <= near.steps][-1]
    if stands.replicas != near.floor[-1].replicas:
        rises = stands.replicas > near.floor[-1].replicas
        later.insert(0, FloorChange(near.steps, stands.replicas, "DemandRising" if rises else "DemandFalling"))
    elif later and later[0].replicas == stands.replicas:
        later = later[1:]
    return replace(far, floor=(*near.floor, *later))
