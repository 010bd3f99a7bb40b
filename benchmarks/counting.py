"""Days of at most so many changes: needs to plan, and the least that any floors over them can cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.planning import Days
from capacity.stats import close_gaps

DAY = 288  # five-minute steps
START = 3.0  # what a start costs, in steps of a running replica


@dataclass(frozen=True, slots=True)
class Cases:
    """So many random needs over so many days: their mean replicas between two bounds, and the changes of a day."""

    count: int
    days: int
    replicas: tuple[float, float]
    most: int

    def needs(self, rng: np.random.Generator) -> np.ndarray:
        """Waves of days with noise on them, closed as the planner closes them (count, steps)."""
        rows = [noisy_need(rng, self.days * DAY, self.replicas) for _ in range(self.count)]
        return np.stack([close_gaps(row, int(START)) for row in rows])

    def calendar(self) -> Days:
        """Whole days with as many changes each."""
        return Days(np.repeat(np.arange(self.days), DAY), np.full(self.days, self.most))


def noisy_need(rng: np.random.Generator, steps: int, replicas: tuple[float, float]) -> np.ndarray:
    """A wave of each day and its noise, around a mean between these, in replicas (steps,)."""
    day = 1.2 + 0.8 * np.sin(np.arange(steps) / DAY * 2 * np.pi + rng.uniform(0, 6))
    noise = np.exp(np.convolve(rng.normal(0, 0.06, steps), np.ones(3) / 3, "same"))
    return np.maximum(np.ceil(rng.uniform(*replicas) * day * noise), 1).astype(np.int64)


def least_cost(need: np.ndarray, days: Days) -> float:
    """The least cost in replica-steps: the state is the level and the changes made on its day (levels, changes)."""
    levels = np.unique(need).astype(float)
    value = np.full((len(levels), int(days.most.max()) + 1), np.inf)
    value[:, 0] = START * levels
    for step, low in enumerate(need):
        if step:
            moved = _moved(value, levels)
            if days.each[step] != days.each[step - 1]:  # a new day has made no change, or the one that it begins with
                value, moved = _forgotten(value), _forgotten(moved)
            value[:, 1:] = np.minimum(value[:, 1:], moved[:, :-1])
        value += levels[:, None]
        value[levels < low] = np.inf
        value[:, days.most[days.each[step]] + 1 :] = np.inf
    return float(value.min())


def _moved(value: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The least cost of reaching each level from any: climbing costs starts, falling nothing."""
    ramp = START * levels[:, None]
    risen = np.minimum.accumulate(value - ramp, axis=0) + ramp
    return np.minimum(risen, np.minimum.accumulate(value[::-1], axis=0)[::-1])


def _forgotten(value: np.ndarray) -> np.ndarray:
    """The same with no changes counted."""
    fresh = np.full_like(value, np.inf)
    fresh[:, 0] = value.min(axis=1)
    return fresh
