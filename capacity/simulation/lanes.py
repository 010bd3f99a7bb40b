"""The HPA for many lanes at once: one CPU metric, no `behavior`. Each lane gives the same result as `hpa.sync`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from capacity.model import require
from capacity.model.arrays import Array, Counts, Mask, Places
from capacity.simulation.hpa.replicas import DEFAULT
from capacity.simulation.hpa.spec import DOWNSCALE_STABILIZATION
from capacity.simulation.hpa.sync import FACTOR, LEAST


@dataclass(frozen=True, slots=True)
class HpaStatus:
    """What the HPA of one lane reports: replicas that exist and that it wants, and what it measured last.

    `utilization` in whole percent of the request, truncated; `share` the same as a share, not truncated.
    """

    current: int
    desired: int
    utilization: int
    share: float


Steer = Callable[[int, HpaStatus], int]  # tick and status -> the floor that stands


@dataclass(frozen=True, slots=True)
class Rule:
    """The HPA of one lane: target in whole percent, scale-down stabilization, ceiling.

    `follows` False: there is no HPA, and the floor is the number of replicas. `steer` decides the floor at each tick,
    from the HPA's status; None: the floor is given.
    """

    target: int = 80
    stabilization: timedelta = DOWNSCALE_STABILIZATION
    ceiling: int = 1_000_000
    follows: bool = True
    tolerance: float = DEFAULT
    steer: Steer | None = None

    def __post_init__(self) -> None:
        require(self.target >= 1, "target must be a whole percent >= 1, got {}", self.target)
        require(self.ceiling >= 1, "ceiling must be >= 1, got {}", self.ceiling)
        require(self.stabilization >= timedelta(0), "stabilization must be >= 0, got {}", self.stabilization)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the metrics say at one sync, each (lanes,): pods with a whole sample, pods without, their utilization.

    `utilization` is in whole percent of the request, truncated, over the counted pods.
    """

    counted: Counts
    unready: Counts
    utilization: Counts


class Reactive:
    """The HPAs of all lanes, with the recommendations they remember."""

    def __init__(self, rules: list[Rule], sync: timedelta, first: Counts) -> None:
        self.ceiling = np.array([rule.ceiling for rule in rules])
        self._target = np.array([float(rule.target) for rule in rules])
        tolerance = np.array([rule.tolerance for rule in rules])
        self._lowest, self._highest = 1.0 - tolerance, 1.0 + tolerance
        self._follows = np.array([rule.follows for rule in rules])
        self._all_follow = bool(self._follows.all())
        self._windows = _Windows(np.array([int(rule.stabilization / sync) for rule in rules]), first)

    def wanted(self, replicas: Counts, floor: Counts, seen: Seen) -> Counts:
        """Replicas to set, (lanes,): bounds at once, otherwise the metric, stabilized and limited."""
        floor = np.minimum(floor, self.ceiling)
        proposed, valid = self._proposed(replicas, seen)
        by_metric = valid & (replicas >= floor) & (replicas <= self.ceiling)
        stable = self._windows.highest(proposed, by_metric)
        highest = np.minimum(self.ceiling, np.maximum(FACTOR * replicas, LEAST))
        moved = np.where(by_metric, np.maximum(np.minimum(stable, highest), floor), replicas.clip(floor, self.ceiling))
        if not replicas.all():
            moved = np.where((replicas == 0) & (floor > 0), 0, moved)
        return moved if self._all_follow else np.where(self._follows, moved, floor)

    def _proposed(self, replicas: Counts, seen: Seen) -> tuple[Counts, Mask]:
        ratio = seen.utilization / self._target
        guessed = np.flatnonzero((seen.unready > 0) & (ratio > 1.0))
        proposed = np.ceil(ratio * seen.counted).astype(np.int64)
        held = (ratio >= self._lowest) & (ratio <= self._highest)
        if len(guessed):
            proposed[guessed], held[guessed] = self._with_unready(guessed, replicas[guessed], seen)
        return np.where(held, replicas, proposed), seen.counted > 0

    def _with_unready(self, lanes: Places, replicas: Counts, seen: Seen) -> tuple[Counts, Mask]:
        """The replicas that these lanes ask for when scaling up; pods that do not count yet are assumed idle."""
        counted, utilization = seen.counted[lanes], seen.utilization[lanes]
        everyone = counted + seen.unready[lanes]
        second = np.floor_divide(counted * utilization, np.maximum(everyone, 1)) / self._target[lanes]
        proposed = np.ceil(second * everyone).astype(np.int64)
        held = (second >= self._lowest[lanes]) & (second <= self._highest[lanes])
        return proposed, held | (second < 1.0) | (proposed < replicas)


class _Windows:
    """The recommendations that lanes remember, each over its own stabilization window; 0 where there was none.

    Lanes with the same window are adjacent. Van Herk's algorithm: a window ends in this block and began in the previous
    one, whose suffix maxima are kept.
    """

    def __init__(self, syncs: Counts, first: Counts) -> None:
        order = np.argsort(syncs, kind="stable")
        self._order = None if (syncs == syncs[:1]).all() else (order, np.argsort(order, kind="stable"))
        lengths, counts = np.unique(syncs, return_counts=True)
        ends = np.cumsum(counts).tolist()
        self._blocks = [
            _Block(slice(end - count, end), int(length) + 1)
            for length, count, end in zip(lengths, counts.tolist(), ends, strict=True)
        ]
        self._first: Counts | None = first[order]  # the first recommendation is what runs
        self._prefix, self._suffix = np.zeros(len(first), dtype=np.int64), np.zeros(len(first), dtype=np.int64)

    def highest(self, proposed: Counts, valid: Mask) -> Counts:
        value = np.where(valid, proposed, 0)
        value = value if self._order is None else value[self._order[0]]
        if self._first is not None:
            value, self._first = np.maximum(value, self._first), None
        np.maximum(self._prefix, value, out=self._prefix)
        for block in self._blocks:
            self._suffix[block.lanes] = block.take(value)
        found: Counts = np.maximum(self._suffix, self._prefix)
        for block in self._blocks:
            if block.is_full:
                block.close()
                self._prefix[block.lanes] = 0
        return found if self._order is None else found[self._order[1]]


class _Block:
    """The recommendations since the block began, of lanes of one window, and the suffix maxima of the block before."""

    def __init__(self, lanes: slice, rows: int) -> None:
        self.lanes, self._at = lanes, 0
        count = lanes.stop - lanes.start
        self._values, self._suffix = (np.zeros((rows + more, count), dtype=np.int64) for more in (0, 1))

    @property
    def is_full(self) -> bool:
        return self._at == len(self._values)

    def take(self, value: Counts) -> Counts:
        """Note a recommendation; returns the highest of the previous block that is still within the window."""
        self._values[self._at] = value[self.lanes]
        self._at += 1
        return np.asarray(self._suffix[self._at])

    def close(self) -> None:
        self._suffix[:-1] = np.maximum.accumulate(self._values[::-1], axis=0)[::-1]
        self._at = 0


def observed(demand: Array, capacity: Array, counted: Counts, unready: Counts) -> Seen:
    """Demand over what the pods that served it request, in whole percent, truncated as the HPA does."""
    share = np.divide(demand, capacity, out=np.zeros_like(demand), where=capacity > 0)
    return Seen(counted, unready, np.floor(100 * share + 1e-9).astype(np.int64))
