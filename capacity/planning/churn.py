"""At most so many changes a day: a change gets a price, on each day about the least that leaves no more than that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from capacity.domain.arrays import Array, Counts, Mask, Places
from capacity.planning.courses import Prices, cheapest_courses
from capacity.planning.days import Days
from capacity.planning.splits import spend_changes

Program = Callable[[Places, Array], Counts]  # (rows, prices of a change (rows, days)) -> floors (rows, steps)
NEAR = 0.8  # of the changes that a day may have: near enough, what is left of them is spent on single splits
LOOKS = 5  # rounds in which a day looks for a better price; after them any price that leaves few enough is taken
MOST_ROUNDS = 60  # after so many steps up no change is worth its price
LEAST_PRICE = 0.5  # of a replica-step: where to begin at least
WANDERING = 1.5  # a need that wanders is w ** 0.5 wide over w steps: a change each w steps saves w ** 1.5


def calm_floors(need: Counts, days: Days, prices: Prices) -> Counts:
    """The cheapest floors over closed needs (n, steps) with on no day more changes than it may have.

    A Lagrangian relaxation of the counts, then what a day has left of its changes where it saves most: within 1 % of
    the exact program that counts (`python -m benchmarks planning`), and exact where no day has too many.
    """

    def program(rows: Places, price: Array) -> Counts:
        return cheapest_courses(need[rows], days, price, prices.start)

    every = np.arange(len(need))
    free = program(every, np.full((len(need), len(days.most)), prices.change)) if prices.change else need
    busy = np.flatnonzero((days.changes(free) > days.most).any(axis=1))
    floors = within_counts(program, free, days, prices.change)
    floors[busy] = spend_changes(need[busy], floors[busy], days, prices)
    return floors


def within_counts(program: Program, free: Counts, days: Days, change: float) -> Counts:
    """The program's floors (n, steps) at the prices that leave no day more changes than it may have.

    `free` are its floors where every change has its own price, `change`; rows without a busy day keep them.
    """
    floors = free.copy()
    search = _Search.of(free, days, change)
    for turn in range(1, MOST_ROUNDS):
        rows = np.flatnonzero(~search.settled.all(axis=1))
        if not len(rows):
            break
        floors[rows] = program(rows, search.price[rows])
        search.learn(rows, days.changes(floors[rows]), last=turn >= LOOKS)
    return floors


def _fair_prices(floors: Counts, days: Days) -> Array:
    """Where to begin: the mean move of each day, for the time that one of its changes may stand (n, days)."""
    moves = np.abs(np.diff(floors, axis=1, prepend=floors[:, :1]))
    mean = days.sums(moves) / np.maximum(days.sums(moves > 0), 1)
    fair: Array = np.maximum(mean * days.lengths / days.most, LEAST_PRICE)
    return fair


@dataclass(slots=True)
class _Search:
    """The prices tried now, and those between which the right ones lie: all (n, days), as is what is settled."""

    most: Counts  # (days,)
    price: Array
    low: Array  # too many changes, or what a change costs by itself
    high: Array  # few enough; infinite where no such price is known yet
    settled: Mask

    @staticmethod
    def of(free: Counts, days: Days, change: float) -> _Search:
        settled = days.changes(free) <= days.most
        price = np.where(settled, change, np.maximum(_fair_prices(free, days), change))
        low, high = np.full_like(price, change), np.full_like(price, np.inf)
        return _Search(days.most, price, low, high, settled)

    def learn(self, rows: Places, counts: Counts, *, last: bool) -> None:
        """What the changes (rows, days) at these prices say of them, and the prices to try next."""
        price, over = self.price[rows], counts > self.most
        known = np.where(price < self.high[rows], self.high[rows], np.inf)  # its neighbours moved: look again
        low = np.where(over, price, self.low[rows])
        high = np.where(over, known, np.minimum(price, self.high[rows]))
        self.low[rows], self.high[rows] = low, high
        self.settled[rows] = ~over & ((counts >= NEAR * self.most) | (price <= self.low[rows]) | last)
        near = high if last else np.sqrt(low * high)
        inside = np.isfinite(high) & ((low > 0) | last)
        tried = np.where(inside, near, np.maximum(self._stepped(price, counts), low))
        self.price[rows] = np.where(self.settled[rows], price, tried)

    def _stepped(self, price: Array, counts: Counts) -> Array:
        """From one end alone: as far as the count is off, at most a factor of four."""
        off = np.maximum(counts, 1) / (self.most * (1 + NEAR) / 2)
        stepped: Array = price * np.clip(off**WANDERING, 0.25, 4.0)
        return stepped
