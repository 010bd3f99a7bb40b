"""Requests of pods that are resized in place: what keeps CPU and memory under the target, within bounds and supply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil, floor

import numpy as np

from capacity.model import NodeType, Quota, Workload, require
from capacity.model.arrays import Array, Counts, Places
from capacity.model.pod_size import (
    RESOURCES,
    UNIT,
    PlannedSize,
    PodSizes,
    SizeBinding,
    SizeChange,
    SizedResource,
    SizeKey,
    Vertical,
)
from capacity.planning.optimum import run_starts
from capacity.planning.requirements import Need, Requirement, block_starts
from capacity.stats import sliding_maxima

ROUNDING = 1e-9
KEPT = 1.001  # times the need: less is no peak that is kept, only the last digit of a logarithm


def decayed_peak(values: Array, keep: int, half_life: float) -> Array:
    """The highest value of the last `keep` steps, or of an older one halved every `half_life` steps after that.

    As the VPA estimates memory, except that a peak counts in full until it is `keep` steps old.

    >>> decayed_peak(np.array([8.0, 1, 1, 1, 1]), keep=2, half_life=1.0).tolist()
    [8.0, 8.0, 4.0, 2.0, 1.0]
    """
    kept = sliding_maxima(values[::-1], min(max(keep, 1), len(values)))[::-1]
    decay = np.arange(len(values)) / half_life
    with np.errstate(divide="ignore"):  # the logarithm of 0 is never the highest
        decayed = np.exp2(np.maximum.accumulate(np.log2(kept) + decay) - decay)
    return np.maximum(kept, decayed)


def pod_share(workload: Workload) -> float:
    """The share of the workload's demand that its busiest pod carries."""
    vertical = workload.vertical
    return 1 / workload.floor if vertical is None or vertical.share is None else vertical.share


def pod_load(workload: Workload) -> float:
    """What the busiest pod must request of the workload's demand: its share over the target utilization.

    Where demand is spread over several zones, also its share after the loss of one, at a utilization of 100 %.
    """
    share, pods, vertical = pod_share(workload), workload.floor, workload.vertical
    left = pods - -(-pods // workload.zones)
    spread = vertical is not None and vertical.share is None and workload.zones > 1 and left > 0
    return max(share / workload.target_utilization, 1 / left if spread else 0.0)


def plan_sizes(one: Requirement) -> PodSizes:
    """The requests of the containers of a workload that scales vertically, for the demand that is planned for.

    A request is the container's part of the busiest pod's demand over the target utilization, rounded up to its step
    and kept within its range. Memory follows its decayed peak. Where no change may happen, the highest request stands.
    """
    vertical = vertical_of(one.workload)
    blocks = block_starts(one.steps, one.workload.limits, vertical.lead_time)
    days = run_starts(np.asarray(one.steps.normalize().asi8))
    sizes = [_size(one, key, blocks, days) for key in vertical.moved()]
    return PodSizes(one.steps[0].to_pydatetime(), one.step, len(one.steps), tuple(sizes), vertical.lead_time)


def vertical_of(workload: Workload) -> Vertical:
    """How the workload is resized. Raises `DataError` where it is not."""
    require(workload.vertical is not None, "{}: expected scaling: vertical", f"{workload.namespace}/{workload.name}")
    assert workload.vertical is not None  # noqa: S101 - required above
    return workload.vertical


def _size(one: Requirement, key: SizeKey, blocks: Places, days: Places) -> PlannedSize:
    vertical, (container, resource) = vertical_of(one.workload), key
    part = vertical.parts()[container] * pod_load(one.workload)
    need = (one.load.cpu if resource == "cpu" else one.load.memory) * part / UNIT[resource]
    held = need
    if resource == "memory" and vertical.memory_keep:
        held = decayed_peak(need, ceil(vertical.memory_keep / one.step), vertical.memory_half_life / one.step)
    held = np.repeat(np.maximum.reduceat(held, blocks), np.diff([*blocks, len(held)]))
    low, high, by = vertical.units(key)
    asked = np.ceil(held / by - ROUNDING).astype(np.int64) * by
    amounts = asked.clip(low, high)
    safe = int(np.ceil(np.median(np.maximum.reduceat(amounts, days))))
    return PlannedSize(container, resource, _changes(amounts, asked, held > need * KEPT), safe)


def _changes(amounts: Counts, asked: Counts, kept: np.ndarray) -> tuple[SizeChange, ...]:
    """Runs of equal requests; what binds a run is what binds its highest need."""
    starts = run_starts(amounts)
    ends = [*starts[1:].tolist(), len(amounts)]
    return tuple(
        SizeChange(at, int(amounts[at]), _binding(int(amounts[at]), asked[at:end], kept[at:end]))
        for at, end in zip(starts.tolist(), ends, strict=True)
    )


def _binding(amount: int, asked: Counts, kept: np.ndarray) -> SizeBinding:
    if asked.max() > amount:
        return "max"
    if asked.max() < amount:
        return "min"
    return "memory kept" if kept.all() else "demand"


def as_fixed(one: Requirement) -> Requirement:
    """The requirement of a workload whose pods are resized: their number never moves."""
    count = np.full(len(one.steps), one.workload.floor, dtype=np.int64)
    return replace(one, need=Need(count, count), bounded=count, low=one.workload.floor, high=one.workload.floor)


def size_remarks(sizes: PodSizes) -> list[str]:
    """Sentences for the reader where a bound keeps a request below its need."""
    return [
        f"{one.container}: {one.resource} is kept below its need by {_BOUNDS[one.peak.binding]}"
        for one in sizes.sizes
        if one.peak.binding in _BOUNDS
    ]


_BOUNDS = {"max": "its max", "node": "the largest node", "quota": "the quota"}
Sized = tuple[PodSizes, Workload]


def peak_requests(sizes: PodSizes, workload: Workload) -> dict[SizedResource, float]:
    """Cores and bytes that one pod requests at its planned peaks; of what does not move, what the template requests."""
    given: dict[SizedResource, float] = {"cpu": workload.replica.cpu_request, "memory": workload.replica.memory_request}
    planned = {name: sum(one.peak.amount for one in sizes.sizes if one.resource == name) for name in given}
    return {name: planned[name] * UNIT[name] or given[name] for name in given}


def fit_node(sized: Sized, nodes: Sequence[NodeType]) -> PodSizes:
    """The sizes that fit on the largest node alone: what lies above each minimum is cut by the same share."""
    sizes, workload = sized
    for resource in RESOURCES:
        most = max(getattr(node, resource) for node in nodes)
        (sizes,) = _Room(((sizes, replace(workload, floor=1)),), resource, "node").cut(most)
    return sizes


def fit_quota(sized: Sequence[Sized], quota: Quota) -> list[PodSizes]:
    """The sizes of workloads that share a quota, cut where together they ask for more than there is.

    What lies above each container's minimum is cut by the same share; a minimum is never cut.
    """
    found = [sizes for sizes, _ in sized]
    for resource in RESOURCES:
        given = getattr(quota, resource)
        if given is not None:
            room = _Room(tuple(zip(found, (workload for _, workload in sized), strict=True)), resource, "quota")
            found = room.cut(given)
    return found


@dataclass(frozen=True, slots=True)
class _Room:
    """Sizes of one resource that share a given amount of it."""

    sized: tuple[Sized, ...]
    resource: SizedResource
    binding: SizeBinding

    def cut(self, given: float) -> list[PodSizes]:
        """The sizes within this amount, in cores or bytes."""
        moments = sorted(
            {sizes.start + change.offset * sizes.step for sizes, _ in self.sized for change in self._changes(sizes)}
        )
        asked, low = (np.array([self._total(moment, low=low) for moment in moments]) for low in (False, True))
        spare, rise = np.maximum(given / UNIT[self.resource] - low, 0.0), asked - low
        share = np.where(rise > spare, spare / np.where(rise > 0, rise, 1.0), 1.0)
        if (share >= 1).all():
            return [sizes for sizes, _ in self.sized]
        shares = dict(zip(moments, share.tolist(), strict=True))
        return [
            replace(one[0], sizes=tuple(self._less(one, size, shares) for size in one[0].sizes)) for one in self.sized
        ]

    def _changes(self, sizes: PodSizes) -> list[SizeChange]:
        return [change for one in sizes.sizes if one.resource == self.resource for change in one.changes]

    def _total(self, moment: datetime, *, low: bool) -> float:
        """What all pods request at a moment, at their sizes or at their minimum."""
        total = 0
        for sizes, workload in self.sized:
            for key, change in sizes.between(moment, moment).items():
                if key[1] == self.resource:
                    least = min(vertical_of(workload).units(key)[0], change.amount)
                    total += workload.floor * (least if low else change.amount)
        return total

    def _less(self, sized: Sized, one: PlannedSize, shares: Mapping[datetime, float]) -> PlannedSize:
        if one.resource != self.resource:
            return one
        sizes, (low, _, by) = sized[0], vertical_of(sized[1]).units(one.key)
        changes: dict[int, SizeChange] = {}
        for moment, share in shares.items():
            offset = (moment - sizes.start) // sizes.step
            if 0 <= offset < sizes.steps:
                change = one.highest(offset, offset)
                cut = min(change.amount, max(low, floor((low + (change.amount - low) * share) / by + ROUNDING) * by))
                binding = change.binding if cut == change.amount else self.binding
                least = changes.get(offset)
                if least is None or cut < least.amount:
                    changes[offset] = SizeChange(offset, cut, binding)
        kept = _merged(list(changes.values()))
        return replace(one, changes=kept, safe=min(one.safe, max(change.amount for change in kept)))


def _merged(changes: Sequence[SizeChange]) -> tuple[SizeChange, ...]:
    """The changes without those that change nothing."""
    pairs = zip(changes, (None, *changes), strict=False)
    return tuple(
        change
        for change, before in pairs
        if before is None or (change.amount, change.binding) != (before.amount, before.binding)
    )
