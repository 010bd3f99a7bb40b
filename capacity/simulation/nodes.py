"""Nodes under the pods: a pod without room waits until a node has joined; empty nodes leave after a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import log

import numpy as np

from capacity.domain import require
from capacity.domain.arrays import Array, Counts

SPREAD = log(2) / 1.6449  # as for pods: the 95th percentile is twice the median
LONGEST = 4  # medians: a provider that takes longer than this to deliver is an outage, not a delay


@dataclass(frozen=True, slots=True)
class NodePool:
    """`pods_per_node` pods fit a node; a new one joins after a lognormal delay, an empty one leaves after `idle`."""

    pods_per_node: int
    median: timedelta = timedelta(minutes=3)
    idle: timedelta = timedelta(minutes=10)  # the cluster autoscaler's --scale-down-unneeded-time

    def __post_init__(self) -> None:
        require(self.pods_per_node >= 1, "pods_per_node must be >= 1, got {}", self.pods_per_node)
        require(self.median > timedelta(0), "a node's median delay must be > 0, got {}", self.median)


class Nodes:
    """Room for pods in every lane, (lanes,); each lane has nodes of its own."""

    def __init__(self, pool: NodePool, first: Counts, tick: timedelta) -> None:
        self.slots = self._whole(pool, first)
        self._pool, self._median = pool, pool.median / tick
        self._idle_ticks = round(pool.idle / tick)
        self._up = self.slots.copy()  # slots on nodes that have joined
        self._joined_at = np.zeros(len(first))  # when the last node ordered will have joined
        self._idle = np.zeros(len(first), dtype=np.int64)

    @property
    def longest(self) -> int:
        """Ticks after which every node ordered has joined."""
        return int(np.ceil(LONGEST * self._median)) + 1

    def waits(self, at: int, existing: Counts, grown: Counts, random: np.random.Generator) -> Array:
        """How long each new pod waits for room (ticks), in the order of lanes; nodes that lack are ordered."""
        joined = self._joined_at <= at
        self._up[joined] = self.slots[joined]
        lacking = np.maximum(existing + grown - self.slots, 0)
        short = lacking > 0
        if short.any():
            drawn = self._median * np.exp(SPREAD * random.standard_normal(int(short.sum())))
            arrives = at + np.minimum(drawn, LONGEST * self._median)
            self._joined_at[short] = np.maximum(self._joined_at[short], arrives)
            self.slots[short] = self._whole(self._pool, (existing + grown)[short])
        return self._each(at, existing, grown)

    def _each(self, at: int, existing: Counts, grown: Counts) -> Array:
        lanes = np.repeat(np.arange(len(grown)), grown)
        place = np.arange(len(lanes)) - np.repeat(np.cumsum(grown) - grown, grown) + existing[lanes]
        waiting = place >= self._up[lanes]
        return np.asarray(np.where(waiting, np.maximum(self._joined_at[lanes] - at, 0), 0.0))

    def release(self, at: int, existing: Counts) -> None:
        """Nodes that have stood empty for long leave."""
        needed = self._whole(self._pool, existing)
        spare = needed < self.slots
        self._idle = np.where(spare, self._idle + 1, 0)
        leaving = (self._idle > self._idle_ticks) & (self._joined_at <= at)
        if leaving.any():
            self.slots = np.where(leaving, needed, self.slots)
            self._up = np.minimum(self._up, self.slots)

    @staticmethod
    def _whole(pool: NodePool, pods: Counts) -> Counts:
        return np.asarray(-(-pods // pool.pods_per_node) * pool.pods_per_node)
