"""The floors of many workloads at once: the cheapest course over what each needs, and its ramps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from capacity.domain.arrays import Counts
from capacity.planning.churn import calm_floors
from capacity.planning.courses import Prices
from capacity.planning.draft import ROUNDING, Draft
from capacity.planning.moves import ramped
from capacity.planning.overload import overload_floors
from capacity.stats import close_gaps

HOUR = timedelta(hours=1)


def choose_floors(drafts: Sequence[Draft]) -> list[Counts]:
    """The floors of each draft (steps,): the cheapest course over its need, within its limits.

    Drafts of equal steps and prices are planned together; the result is that of each alone.
    """
    chosen: dict[int, Counts] = {}
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, one in enumerate(drafts):
        if one.workload.costs.overload is not None:
            chosen[place] = overload_floors(one)
        else:
            groups.setdefault(_alike(one), []).append(place)
    for places in groups.values():
        found = _calm([drafts[place] for place in places])
        chosen.update(zip(places, found, strict=True))
    return [_finished(one, chosen[place]) for place, one in enumerate(drafts)]


def _alike(one: Draft) -> tuple[object, ...]:
    steps = one.steps
    return steps[0], len(steps), one.step, one.start_cost, one.change_cost, one.workload.limits.changes_a_day


def _calm(drafts: Sequence[Draft]) -> list[Counts]:
    first = drafts[0]
    need = np.stack([one.bounded for one in drafts])  # (n, steps)
    closed = close_gaps(need, int(first.start_cost + ROUNDING))
    prices = Prices(first.start_cost, first.change_cost)
    return list(calm_floors(closed, first.days, prices))


def _finished(one: Draft, floors: Counts) -> Counts:
    limits = one.workload.limits
    if not limits.moves_are_free:
        starts = one.blocks()
        hours = np.diff(starts) * (one.step / HOUR)
        lengths = np.diff([*starts, len(floors)])
        floors = np.repeat(ramped(floors[starts], hours, limits), lengths)
    return floors
