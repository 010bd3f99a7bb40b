"""Pods of many lanes: asked for, starting for a random time, ready, lost with a zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import log

import numpy as np

from capacity.domain import require
from capacity.domain.arrays import Array, Counts
from capacity.simulation.nodes import Nodes

SPREAD = log(2) / 1.6449  # sigma of a lognormal whose 95th percentile is twice its median
P95 = 2.0  # median x this is the 95th percentile of a start
RESTART = timedelta(seconds=10)  # the kubelet's first back-off after a failed start
LONGEST = 16  # medians: no start takes longer; a lognormal start does once in ten million


@dataclass(frozen=True, slots=True)
class Start:
    """How long a pod takes from creation to ready: lognormal, its 95th percentile twice the median.

    `failure` is the probability that a start fails; it is tried again after the kubelet's back-off.
    """

    median: timedelta = timedelta(minutes=3)
    failure: float = 0.01

    def __post_init__(self) -> None:
        require(self.median > timedelta(0), "a start's median must be > 0, got {}", self.median)
        require(0 <= self.failure < 1, "a start's failure must lie in [0, 1), got {}", self.failure)

    @property
    def p95(self) -> timedelta:
        """19 pods of 20 are ready by then: the lead time a plan should keep."""
        return self.median * P95


class Pods:
    """The pods of every lane at one moment; each array (lanes,)."""

    def __init__(self, start: Start, first: Counts, tick: timedelta, nodes: Nodes | None) -> None:
        self.ready = first.astype(np.int64)
        self.starting = np.zeros_like(self.ready)
        self.lost = np.zeros_like(self.ready)  # on dead nodes: counted by the scale, serving nobody
        self._start, self._tick, self._nodes = start, tick, nodes
        self._median = start.median / tick
        rows = int(2 * LONGEST * self._median + RESTART / tick) + 3
        rows += 0 if nodes is None else nodes.longest
        self._arriving = np.zeros((rows, len(first)), dtype=np.int64)  # a ring: how many become ready at which tick

    @property
    def total(self) -> Counts:
        """Pods that exist."""
        counts: Counts = np.asarray(self.ready + self.starting + self.lost, dtype=np.int64)
        return counts

    def arrive(self, at: int) -> None:
        """Pods that become ready at this tick."""
        row = self._arriving[at % len(self._arriving)]
        if row.any():
            self.ready += row
            self.starting -= row
            row[:] = 0

    def scale(self, at: int, wanted: Counts, random: np.random.Generator) -> Counts:
        """Start or stop pods until `wanted` exist; the number started per lane. Pods not yet ready stop first."""
        change = wanted - self.total
        grown: Counts = np.maximum(change, 0)
        if grown.any():
            self._begin(at, grown, random)
        if (change < 0).any():
            self._stop(at, np.maximum(-change, 0))
        if self._nodes is not None:
            self._nodes.release(at, self.total)
        return grown

    def lose(self, share: float) -> None:
        """A zone is gone: this share of the ready pods serves nobody and is not yet replaced."""
        gone = np.ceil(self.ready * share).astype(np.int64)
        self.ready -= gone
        self.lost += gone

    def replace_lost(self) -> None:
        """The control plane has noticed: lost pods no longer exist, the next scaling replaces them."""
        self.lost[:] = 0

    def _begin(self, at: int, grown: Counts, random: np.random.Generator) -> None:
        lanes = np.repeat(np.arange(len(grown)), grown)
        delay = self._drawn(len(lanes), random)
        failed = random.random(len(lanes)) < self._start.failure
        if failed.any():
            delay[failed] += RESTART / self._tick + self._drawn(int(failed.sum()), random)
        if self._nodes is not None:
            delay += self._nodes.waits(at, self.total, grown, random)
        ticks = np.maximum(np.ceil(delay).astype(np.int64), 1)
        np.add.at(self._arriving, ((at + ticks) % len(self._arriving), lanes), 1)
        self.starting += grown

    def _drawn(self, count: int, random: np.random.Generator) -> Array:
        drawn = self._median * np.exp(SPREAD * random.standard_normal(count))
        return np.asarray(np.minimum(drawn, LONGEST * self._median))

    def _stop(self, at: int, excess: Counts) -> None:
        dead = np.minimum(excess, self.lost)
        cancelled = np.minimum(excess - dead, self.starting)
        for lane in np.flatnonzero(cancelled):
            self._cancel(at, int(lane), int(cancelled[lane]))
        self.lost -= dead
        self.starting -= cancelled
        self.ready -= excess - dead - cancelled

    def _cancel(self, at: int, lane: int, count: int) -> None:
        """The last to become ready are stopped first."""
        rows = (at + np.arange(len(self._arriving) - 1, 0, -1)) % len(self._arriving)
        waiting = self._arriving[rows, lane]
        before = np.cumsum(waiting) - waiting
        self._arriving[rows, lane] -= np.clip(count - before, 0, waiting)
