"""Pods of many lanes and the nodes under them: asked for, starting for a random time, ready, lost with a zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import log

import numpy as np

from capacity.model import require
from capacity.model.arrays import Array, Counts, Mask, Places

SPREAD = log(2) / 1.6449  # as for pods: the 95th percentile is twice the median
LONGEST = 4  # medians: a provider that takes longer than this to deliver is an outage, not a delay


@dataclass(frozen=True, slots=True)
class NodePool:
    """`pods_per_node` pods fit a node; a new one joins after a lognormal delay, an empty one leaves after `idle`.

    `standby`: the price of a node that is kept ready and runs nothing, as a share of the full price: below 1 for a
    provisioning strategy with stopped nodes.
    """

    pods_per_node: int
    median: timedelta = timedelta(minutes=3)
    idle: timedelta = timedelta(minutes=10)  # the cluster autoscaler's --scale-down-unneeded-time
    standby: float = 1.0

    def __post_init__(self) -> None:
        require(self.pods_per_node >= 1, "pods_per_node must be >= 1, got {}", self.pods_per_node)
        require(self.median > timedelta(0), "a node's median delay must be > 0, got {}", self.median)
        require(0 <= self.standby <= 1, "standby must lie in [0, 1], got {}", self.standby)


class Nodes:
    """Room for pods in every lane, (lanes,); each lane has nodes of its own.

    `slots`: room on nodes that have joined or were ordered. `misses`: how often pods began to wait for a node.
    """

    def __init__(self, pool: NodePool, first: Counts, tick: timedelta, random: np.random.Generator) -> None:
        self._random = random
        self.slots = self._whole(pool, first)
        self.misses = np.zeros(len(first), dtype=np.int64)
        self._pool, self._median = pool, pool.median / tick
        self._idle_ticks = round(pool.idle / tick)
        self._up = self.slots.copy()  # slots on nodes that have joined
        self._coming = np.zeros((self.longest + 1, len(first)), dtype=np.int64)  # a ring: slots that join at which tick
        self._waited_until = np.zeros(len(first))
        self._idle = np.zeros(len(first), dtype=np.int64)
        self._ahead: Counts = np.zeros(len(first), dtype=np.int64)

    @property
    def longest(self) -> int:
        """Ticks after which every node ordered has joined."""
        return int(np.ceil(LONGEST * self._median)) + 1

    def join(self, at: int) -> None:
        """Nodes that join at this tick."""
        row = self._coming[at % len(self._coming)]
        if row.any():
            self._up += row
            row[:] = 0

    def keep_ready(self, at: int, pods: Counts, ahead: Counts) -> None:
        """Order nodes, beside those for the pods that are to run, for so many more (lanes,)."""
        self._ahead = ahead
        self._order(at, pods + ahead)

    def waiting(self, at: int) -> Mask:
        """Whether any pod waits for a node now (lanes,)."""
        return np.asarray(self._waited_until > at)

    def waits(self, at: int, existing: Counts, grown: Counts) -> Array:
        """How long each new pod waits for room (ticks), in the order of lanes; nodes that lack are ordered."""
        self._order(at, existing + grown)
        lanes = np.repeat(np.arange(len(grown)), grown)
        place = np.arange(len(lanes)) - np.repeat(np.cumsum(grown) - grown, grown) + existing[lanes]
        late = np.flatnonzero(place >= self._up[lanes])
        found = np.zeros(len(lanes))
        if len(late):
            found[late] = self._until(at, lanes[late], place[late])
            self._count(at, lanes[late], found[late])
        return found

    def _order(self, at: int, needed: Counts) -> None:
        short = np.flatnonzero(needed > self.slots)
        if not len(short):
            return
        drawn = self._median * np.exp(SPREAD * self._random.standard_normal(len(short)))
        ticks = np.ceil(np.minimum(drawn, LONGEST * self._median)).astype(np.int64)
        whole = self._whole(self._pool, needed[short])
        self._coming[(at + np.maximum(ticks, 1)) % len(self._coming), short] += whole - self.slots[short]
        self.slots[short] = whole

    def _until(self, at: int, lanes: Places, place: Counts) -> Array:
        """Ticks until the nodes that were ordered make room for these pods."""
        rows = (at + np.arange(1, len(self._coming))) % len(self._coming)
        reach = self._up[lanes] + np.cumsum(self._coming[np.ix_(rows, lanes)], axis=0)
        return np.asarray((reach > place).argmax(axis=0) + 1.0)

    def _count(self, at: int, lanes: Places, ticks: Array) -> None:
        """A miss where pods wait and none did before."""
        some = np.unique(lanes)
        self.misses[some[self._waited_until[some] <= at]] += 1
        np.maximum.at(self._waited_until, lanes, at + ticks)

    def release(self, existing: Counts) -> None:
        """Nodes that have stood empty for long leave."""
        needed = self._whole(self._pool, existing + self._ahead)
        spare = needed < self.slots
        self._idle = np.where(spare, self._idle + 1, 0)
        leaving = (self._idle > self._idle_ticks) & (self._up == self.slots)
        if leaving.any():
            self.slots = np.where(leaving, needed, self.slots)
            self._up = np.minimum(self._up, self.slots)

    def beyond(self, pods: Counts) -> Array:
        """Room that no pod uses, at its price (lanes,): in slots of a node at full price."""
        filled = self._whole(self._pool, pods)
        empty = np.maximum(self.slots - filled, 0)
        ready = np.minimum(empty, self._whole(self._pool, self._ahead))
        return np.asarray(filled - pods + empty - (1 - self._pool.standby) * ready)

    @staticmethod
    def _whole(pool: NodePool, pods: Counts) -> Counts:
        return np.asarray(-(-pods // pool.pods_per_node) * pool.pods_per_node)


START_SPREAD = log(2) / 1.6449  # sigma of a lognormal whose 95th percentile is twice its median
P95 = 2.0  # median x this is the 95th percentile of a start
RESTART = timedelta(seconds=10)  # the kubelet's first back-off after a failed start
LONGEST_START = 16  # medians: no start takes longer; a lognormal start does once in ten million


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


class Starts:
    """How pods start in lanes side by side: neighbouring lanes in groups, each its own way, on its own random numbers.

    What stands beside a group changes nothing in it.
    """

    def __init__(self, groups: Sequence[tuple[int, Start, np.random.Generator]], tick: timedelta) -> None:
        """`groups`: how many lanes, how their pods start, and from where that is drawn."""
        lanes = [lanes for lanes, _, _ in groups]
        self.lanes, self._ends, self._restart = sum(lanes), np.cumsum(lanes), RESTART / tick
        self._randoms = [random for _, _, random in groups]
        self._median = np.repeat([start.median / tick for _, start, _ in groups], lanes)
        self._failure = np.repeat([start.failure for _, start, _ in groups], lanes)

    @property
    def random(self) -> np.random.Generator:
        """Of the first group; of the only one, where lanes stand on nodes."""
        return self._randoms[0]

    @property
    def longest(self) -> int:
        """Ticks after which every pod started has become ready, failed starts included."""
        return int(2 * LONGEST_START * self._median.max() + self._restart) + 1

    def delays(self, lanes: Places) -> Array:
        """How long each new pod takes (ticks); `lanes` ascending, one for each."""
        normal, uniform = np.empty(len(lanes)), np.empty(len(lanes))
        cuts = [0, *np.searchsorted(lanes, self._ends).tolist()]
        for random, begin, end in zip(self._randoms, cuts[:-1], cuts[1:], strict=True):
            if end > begin:
                random.standard_normal(out=normal[begin:end])
                random.random(out=uniform[begin:end])
        delay = self._taking(lanes, normal)
        failed = np.flatnonzero(uniform < self._failure[lanes])
        if len(failed):
            delay[failed] += self._restart + self._taking(lanes[failed], self._again(lanes[failed]))
        return delay

    def _again(self, lanes: Places) -> Array:
        """Another draw for these lanes, each from its own group's."""
        counts = np.diff([0, *np.searchsorted(lanes, self._ends).tolist()]).tolist()
        drawn = [random.standard_normal(count) for random, count in zip(self._randoms, counts, strict=True) if count]
        return np.concatenate(drawn)

    def _taking(self, lanes: Places, normal: Array) -> Array:
        median = self._median[lanes]
        return np.asarray(np.minimum(median * np.exp(START_SPREAD * normal), LONGEST_START * median))


class Pods:
    """The pods of every lane at one moment; each array (lanes,)."""

    def __init__(self, starts: Starts, first: Counts, nodes: Nodes | None) -> None:
        self.ready = first.astype(np.int64)
        self.starting = np.zeros_like(self.ready)
        self.lost = np.zeros_like(self.ready)  # on dead nodes: counted by the scale, serving nobody
        self._starts, self._nodes = starts, nodes
        rows = starts.longest + 2 + (0 if nodes is None else nodes.longest)
        self._arriving = np.zeros((rows, len(first)), dtype=np.int32)  # a ring: how many become ready at which tick

    @property
    def total(self) -> Counts:
        """Pods that exist."""
        counts: Counts = np.asarray(self.ready + self.starting + self.lost, dtype=np.int64)
        return counts

    def arrive(self, at: int) -> None:
        """Pods that become ready at this tick, on nodes that have joined."""
        if self._nodes is not None:
            self._nodes.join(at)
        row = self._arriving[at % len(self._arriving)]
        if row.any():
            self.ready += row
            self.starting -= row
            row[:] = 0

    def scale(self, at: int, wanted: Counts, ahead: Counts | None = None) -> Counts:
        """Start or stop pods until `wanted` exist; the number started per lane. Pods not yet ready stop first.

        `ahead`: nodes are kept ready for so many pods more (lanes,). Default none.
        """
        if self._nodes is not None and ahead is not None:
            self._nodes.keep_ready(at, wanted, ahead)
        change = wanted - self.total
        grown: Counts = np.maximum(change, 0)
        if grown.any():
            self._begin(at, grown)
        if (change < 0).any():
            self._stop(at, np.maximum(-change, 0))
        if self._nodes is not None:
            self._nodes.release(self.total)
        return grown

    def lose(self, share: float) -> None:
        """A zone is gone: this share of the ready pods serves nobody and is not yet replaced."""
        gone = np.ceil(self.ready * share).astype(np.int64)
        self.ready -= gone
        self.lost += gone

    def replace_lost(self) -> None:
        """The control plane has noticed: lost pods no longer exist, the next scaling replaces them."""
        self.lost[:] = 0

    def _begin(self, at: int, grown: Counts) -> None:
        some = np.flatnonzero(grown)
        lanes = np.repeat(some, grown[some])
        delay = self._starts.delays(lanes)
        if self._nodes is not None:
            delay += self._nodes.waits(at, self.total, grown)
        ticks = np.maximum(np.ceil(delay).astype(np.int64), 1)
        np.add.at(self._arriving, ((at + ticks) % len(self._arriving), lanes), 1)
        self.starting += grown

    def _stop(self, at: int, excess: Counts) -> None:
        dead = np.minimum(excess, self.lost)
        cancelled = np.minimum(excess - dead, self.starting)
        lanes = np.flatnonzero(cancelled)
        if len(lanes):
            self._cancel(at, lanes, cancelled[lanes])
        self.lost -= dead
        self.starting -= cancelled
        self.ready -= excess - dead - cancelled

    def _cancel(self, at: int, lanes: Places, count: Counts) -> None:
        """The last to become ready are stopped first."""
        rows = (at + np.arange(len(self._arriving) - 1, 0, -1)) % len(self._arriving)
        place = np.ix_(rows, lanes)
        waiting = self._arriving[place]
        before = np.cumsum(waiting, axis=0) - waiting
        self._arriving[place] = waiting - np.clip(count - before, 0, waiting)
