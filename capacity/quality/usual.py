"""What is usual: each day's hours expected from the days before it, and how far past days strayed from that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.model.arrays import Array, Mask

WEEK = 7
WEEKS = 8  # weeks that say what is usual: two months follow a season, and one holiday among them changes little
LEAST_WEEKS = 3  # weeks before a day without which nothing is usual yet
LEAST_DAYS = 14  # past days whose own surprise is known, before a day is judged
LEVEL_DAYS = 10  # newest days that say how today's level differs from that of the last two months
MEDIAN_SQUARE = 0.455  # median of the square of a standard normal


def expected_days(counts: Array, skip: Mask | None = None) -> Array:
    """What each day's steps should count by the same weekdays of the eight weeks before it: (days, steps).

    `counts` has one row per day, oldest first, NaN for a gap; a day with too few weeks before it is NaN. `skip` marks
    days (holidays, outages) that say nothing of other days. The shape of a weekday is the mean of its days without the
    lowest and the highest; the level is the median of the newest days over what their weekdays usually have.
    """
    days, steps = counts.shape
    known = np.where(skip[:, None], np.nan, counts) if skip is not None else counts
    expected = np.full((days, steps), np.nan)
    usual = np.full(days, np.nan)
    for day in range(LEAST_WEEKS * WEEK, days):
        same = known[max(day % WEEK, day - WEEKS * WEEK) : day : WEEK]
        same = same[np.isfinite(same).any(axis=1)]
        if len(same) < LEAST_WEEKS:
            continue
        shape = _trimmed_mean(same)
        usual[day] = np.nansum(shape)
        expected[day] = shape
    totals = np.nansum(known, axis=1)
    told = np.isfinite(usual) & np.isfinite(known).all(axis=1)
    ratios = np.where(told & (usual > 0), totals / np.where(usual > 0, usual, 1), np.nan)
    busy = usual >= 0.25 * np.nanmedian(usual) if np.isfinite(usual).any() else np.zeros(days, dtype=bool)
    for day in range(days):
        recent = ratios[max(0, day - LEVEL_DAYS) : day]
        recent = recent[np.isfinite(recent) & busy[max(0, day - LEVEL_DAYS) : day]]
        if len(recent) >= 3:
            expected[day] *= float(np.median(recent))
    return expected


def _trimmed_mean(values: Array) -> Array:
    """The mean of each column without its lowest and highest value where there are five or more; 0 where none is."""
    if len(values) >= 5:
        values = np.sort(values, axis=0)[1:-1]
    there = np.isfinite(values)
    mean: Array = np.where(there, values, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return mean


def spread_beyond_chance(actual: Array, expected: Array) -> float:
    """How much counts vary beyond a Poisson law: kappa of the variance m + kappa m², robustly; at least 0.001."""
    sound = np.isfinite(actual) & np.isfinite(expected) & (expected > 1)
    if sound.sum() < LEAST_DAYS:
        return 0.1
    miss = (actual[sound] - expected[sound]) ** 2 / expected[sound] ** 2
    chance = 1 / expected[sound]
    return max(1e-3, float(np.median(miss) / MEDIAN_SQUARE - np.median(chance)))


def surprise(actual: Array, expected: Array, kappa: float) -> Array:
    """Counts minus what was expected in standard deviations, on the scale on which a negative binomial is normal.

    Anscombe's transform (Biometrika 35, 1948) of a negative binomial with variance m + kappa m²; it holds down to
    counts near zero, where a lower bound of the count itself would be zero.

    >>> [round(float(z), 1) for z in surprise(np.array([100.0, 70.0]), np.array([100.0, 100.0]), 0.001)]
    [0.0, -3.1]
    """
    size = 1 / kappa
    shift = 3 / 8

    def stable(counts: Array) -> Array:
        scaled: Array = 2 * np.sqrt(size) * np.arcsinh(np.sqrt((counts + shift) / (size - 2 * shift)))
        return scaled

    return stable(actual) - stable(expected)


@dataclass(frozen=True, slots=True)
class Limits:
    """Between which values a statistic of a day is usual, and what it usually is."""

    low: float
    middle: float
    high: float

    def outside(self, value: float) -> bool:
        """Whether a value is beyond what past days allow."""
        return value < self.low or value > self.high


def usual_limits(past: Array, least: float, deviations: float = 4.5, beyond: float = 1.4) -> Limits | None:
    """The limits that past values of a statistic set; None where there are too few.

    A limit lies `deviations` robust standard deviations from the median, or `beyond` times as far as past values went
    (the most extreme twentieth of them aside, so that one past fault opens no door); and at least `least` away.
    """
    sound = past[np.isfinite(past)]
    if len(sound) < LEAST_DAYS:
        return None
    middle = float(np.median(sound))
    scale = 1.4826 * float(np.median(np.abs(sound - middle)))
    low, high = np.quantile(sound, (0.03, 0.97))
    below = max(deviations * scale, beyond * (middle - float(low)), least)
    above = max(deviations * scale, beyond * (float(high) - middle), least)
    return Limits(middle - below, middle, middle + above)
