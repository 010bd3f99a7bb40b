"""Cleanups of a store: when they came, what they left, and when the next ones are due. Its bytes are a sawtooth.

A cleanup is a fall that is large beside what else happens: retention, a vacuum, a rotation of logs. Small falls belong
to the writes, whose net growth they are part of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from capacity.model.arrays import Array, Places
from capacity.stats import robust_deviation

LEAST_OF_LARGEST = 0.2  # of the largest fall: what is smaller is no cleanup of the same kind
LEAST_OF_DAY = 0.5  # of a usual day's writes: a smaller fall does not show in the days until full
NOISE = 5.0  # robust deviations of the steps between which a fall is within what always happens
APART = 2  # steps within which two falls are one cleanup
LAST = 12  # cleanups that say what one leaves: older ones knew another store
SURE = 3  # cleanups from which they are taken to go on; two may be chance
OVERDUE = 1.5  # times the longest interval after which cleanups are taken to have stopped
BY_LEVEL = 0.1  # of a cleanup: peaks that differ by less, at uneven times, are what sets the cleanup off
TRIGGERED = 4  # cleanups from which a level that sets them off can be told from a clock
Rule = Literal["amount", "share", "level"]


@dataclass(frozen=True, slots=True)
class Cleanups:
    """The cleanups of a history: the slot before each, the slot of its lowest value, and the bytes at both."""

    starts: Places  # (n,)
    ends: Places  # (n,)
    peaks: Array  # (n,)
    troughs: Array  # (n,)
    length: int

    @property
    def intervals(self) -> Array:
        """Steps from one cleanup to the next: (n - 1,)."""
        return np.diff(self.starts).astype(np.float64)

    @property
    def since(self) -> int:
        """Steps since the last one ended."""
        return int(self.length - 1 - self.starts[-1])

    @property
    def trigger(self) -> float | None:
        """The bytes that set a cleanup off, where a level does and not a clock; None otherwise."""
        if len(self.starts) < TRIGGERED:
            return None
        size = float(np.median(self.peaks - self.troughs))
        even = robust_deviation(self.peaks - np.median(self.peaks)) / size
        uneven = robust_deviation(self.intervals - np.median(self.intervals)) / float(np.median(self.intervals))
        return float(np.median(self.peaks[-LAST:])) if even < BY_LEVEL and uneven > 2 * even + 0.05 else None

    @property
    def certainty(self) -> float:
        """The share of futures in which cleanups go on: none after a single one, half after two or where one is late.

        >>> found = find_cleanups(np.tile(np.arange(10.0), 4), 5)
        >>> found.certainty
        1.0
        """
        if len(self.starts) < 2 or self.since > OVERDUE * self.intervals.max() > 0:
            return 0.0
        late = self.since > 1.1 * self.intervals.max()
        return 0.5 if late or len(self.starts) < SURE else 1.0


def find_cleanups(used: Array, per_day: int) -> Cleanups:
    """The cleanups of a history (T,) without gaps, `per_day` steps a day.

    >>> find_cleanups(np.array([1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0]), 1).starts.tolist()
    [2, 5]
    """
    starts, ends = _falls(used)
    sizes = used[starts] - used[ends]
    change = np.diff(used)
    day = float(np.maximum(change, 0.0).mean()) * per_day
    noise = NOISE * robust_deviation(change - np.median(change))
    least = max(LEAST_OF_LARGEST * float(sizes.max(initial=0.0)), LEAST_OF_DAY * day, noise)
    large = (sizes >= least) & (sizes > 0)
    starts, ends = starts[large], ends[large]
    return Cleanups(starts, ends, used[starts], used[ends], len(used))


def _falls(used: Array) -> tuple[Places, Places]:
    """First and last slot of every run of falling values; runs close to each other are one."""
    falling = np.flatnonzero(np.diff(used) < 0)
    if not len(falling):
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    first = np.concatenate([[True], np.diff(falling) > APART])
    last = np.concatenate([first[1:], [True]])
    return falling[first], falling[last] + 1


@dataclass(frozen=True, slots=True)
class Remains:
    """What a cleanup leaves: all but an `amount`, a `share` of the peak, or a `level` that moves from one to the next.

    `errors` are how far past cleanups were from it, in bytes (of a share: of the peak).
    """

    rule: Rule
    value: float
    drift: float
    drift_error: float
    errors: Array

    def after(self, peaks: Array, number: int, random: np.random.Generator) -> Array:
        """The bytes that the cleanup `number` (from 1 on) leaves of these peaks, one for each path: (P,)."""
        error = random.choice(self.errors, len(peaks))
        if self.rule == "amount":
            left = peaks - self.value + error
        elif self.rule == "share":
            left = peaks * (self.value + error)
        else:
            drift = self.drift + self.drift_error * random.standard_normal(len(peaks))
            left = self.value + drift * number + error
        return np.asarray(np.clip(left, 0.0, peaks))


def learn_remains(found: Cleanups) -> Remains:
    """The rule that would have foretold the past cleanups best, each from those before it."""
    peaks, troughs = found.peaks[-LAST:], found.troughs[-LAST:]
    amount, share = peaks - troughs, troughs / np.maximum(peaks, 1e-9)
    line = _line(troughs)
    misses: dict[Rule, Array] = {
        "share": np.array([peaks[k] * share[:k].mean() - troughs[k] for k in range(1, len(peaks))]),
        "level": np.array([line[0] + line[1] * (k - len(peaks) + 1) - troughs[k] for k in range(1, len(peaks))]),
        "amount": np.array([peaks[k] - amount[:k].mean() - troughs[k] for k in range(1, len(peaks))]),
    }
    sizes = {rule: float(np.median(np.abs(miss))) if len(miss) else 0.0 for rule, miss in misses.items()}
    best = min(sizes, key=lambda rule: sizes[rule])
    if best == "amount":
        return Remains("amount", float(amount.mean()), 0.0, 0.0, amount.mean() - amount)
    if best == "share":
        return Remains("share", float(share.mean()), 0.0, 0.0, share - share.mean())
    errors = troughs - (line[0] + line[1] * np.arange(-len(troughs) + 1, 1))
    spread = robust_deviation(errors) / np.sqrt(max(1.0, len(troughs) * (len(troughs) ** 2 - 1) / 12))
    return Remains("level", line[0], line[1], float(spread), errors)


def _line(values: Array) -> tuple[float, float]:
    """Last value and slope of the line through a series by the median of slopes (Theil, 1950; Sen, 1968)."""
    count = len(values)
    if count < 2:
        return float(values[-1]), 0.0
    first, second = np.triu_indices(count, 1)
    slope = float(np.median((values[second] - values[first]) / (second - first)))
    return float(np.median(values + slope * np.arange(count - 1, -1, -1))), slope


def next_waits(found: Cleanups, paths: int, random: np.random.Generator, *, first: bool) -> Array:
    """Steps until the next cleanup, one for each path: as past intervals were, and now and then twice as long.

    A cleanup that never failed may fail: with n seen, by a chance of 1 / 2(n + 1) (Krichevsky and Trofimov, 1981).
    """
    gaps = found.intervals
    if first:
        left = gaps[gaps >= found.since] if (gaps >= found.since).any() else np.array([found.since + 1.0])
        waits = random.choice(left, paths) - found.since
    else:
        waits = random.choice(gaps, paths)
    missed = random.random(paths) < 0.5 / (len(gaps) + 2)
    return np.asarray(np.maximum(1.0, waits + missed * float(np.median(gaps))))
