"""What a plan must say about itself: where it falls short, what it could not know, what stands against it."""

from __future__ import annotations

import numpy as np

from capacity.domain import Shortfall
from capacity.domain.arrays import Counts
from capacity.planning.draft import Draft
from capacity.sizing import highest_target, highest_tolerated_utilization


def shortfall_of(one: Draft, floors: Counts) -> Shortfall:
    """How far the floors fall short of the need; the cores are those of the missing replicas at the target."""
    short = np.maximum(one.need.replicas - floors, 0)
    steps = int((short > 0).sum())
    most = int(short.max())
    cores = most * one.workload.replica.cpu_request * one.workload.target_utilization
    return Shortfall(steps, round(steps * one.step.total_seconds() / 60), most, cores)


def remarks_on(one: Draft, floors: Counts, short: Shortfall) -> list[str]:
    """Sentences for the reader of the plan; none where there is nothing to say."""
    return [
        *_of_windows(one),
        *_of_skill(one),
        *_of_shortfall(one, floors, short),
        *_of_churn(one, floors),
        *_of_autoscaler(one),
    ]


def _of_windows(one: Draft) -> list[str]:
    if one.demand.cpu.window is not None:
        return []
    return ["each step is planned for by itself: the forecast knows no quantile of a lead time's maximum"]


def _of_skill(one: Draft) -> list[str]:
    trust = (one.demand.sales or one.demand.cpu).trust
    if trust is None or round(trust.skill, 2) >= 0:
        return []
    return [f"the forecast is worse than the seasonal naive on past origins: skill {trust.skill:.2f}"]


def _of_shortfall(one: Draft, floors: Counts, short: Shortfall) -> list[str]:
    if not short.steps:
        return []
    by = f"{short.replicas} replicas ({short.cores:.2f} cores)"
    bound = "ceiling" if int(floors.max()) == one.high else "budget"
    return [f"the {bound} of {int(floors.max())} replicas is below the need for {short.minutes} min, by up to {by}"]


def _of_churn(one: Draft, floors: Counts) -> list[str]:
    changes, days = one.days.changes(floors[None, :])[0], one.days
    if (changes <= days.most).all():
        return []
    worst = int((changes - days.most).argmax())
    return [f"steps and ramps ask for {changes[worst]} changes on one day, above {days.most[worst]}"]


def _of_autoscaler(one: Draft) -> list[str]:
    """An autoscaler that lets its replicas idle above what we promise makes the promise alone in vain."""
    reactive = one.workload.reactive
    if reactive is None:
        return []
    tolerated = highest_tolerated_utilization(reactive.target, reactive.tolerance)
    promised = round(one.workload.target_utilization * 100)
    if tolerated < promised:  # an HPA cuts fractions off: 80 may be 80.99
        return []
    best = highest_target(promised, reactive.tolerance)
    return [
        f"the autoscaler's target {reactive.target} % with tolerance {reactive.tolerance:g} adds nothing up to "
        f"{tolerated} %: set its target to {best} % to stay under {promised} %"
    ]
