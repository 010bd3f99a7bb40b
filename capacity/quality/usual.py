"""What is usual by the days before, and what is not: spans of the newest day, missed forecasts, and other units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import NormalDist

import numpy as np
import pandas as pd

from capacity.model import Forecast, require
from capacity.model.arrays import Array, Mask
from capacity.model.data_quality import Finding, Severity

WEEK = 7
WEEKS = 8  # weeks that say what is usual: two months follow a season, and one holiday among them changes little
LEAST_WEEKS = 3  # weeks before a day without which nothing is usual yet
LEAST_DAYS = 14  # past days whose own surprise is known, before a day is judged
LEVEL_DAYS = 10  # newest days that say how today's level differs from that of the last two months
MEDIAN_SQUARE = 0.455  # median of the square of a standard normal
LEAST_SIDE = 5  # values on each side of a change
FACTORS = np.log([100.0, 1000.0, 1024.0, 1e6, 2.0**20, 1e9, 2.0**30])  # by which units differ: cents, milli, KiB, MiB
NEARLY = 0.2  # log units: how far a change may be from such a factor
APART = 3.0  # times, by which the one side is larger than the other throughout
COUNTED = 10  # times the largest rise and the first value, beyond which what only rises is a counter
COUNTS = 0.3  # share of the steps that rise, at least
ANEW = 0.2  # of the value before, below which a counter began anew


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
    size = max(1.0, 1 / kappa)  # the transform needs more than 3/4; what varies more is surprising far from its middle
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


WIDTHS = (1, 2, 4, 8, 24)  # hours that are judged together: loss at quiet hours shows over many
LEAST_COUNT = 8.0  # what a span must miss or have beyond its due: less changes no plan
LEAST_SHARE = 0.2  # and the share of what the whole day should have
COVERAGE = 0.9986  # share of spans within the usual, however regular past days were: 3.2 standard deviations
LEAST_GAIN = (
    9.1  # log-likelihood that a move of the clock must gain: 24 moves a day reach it once a year, log(24 * 365)
)
LEAST_GAIN_PER_ROW = 0.02  # and per row: a busy day tells apart what makes no difference to a plan
OFTEN_SAME = 0.2  # share of past days that equal another from which a machine made them: one more is no copy
CLOSED = 0.1  # share of what a day should have below which it was no usual day: it says nothing of the spread of others


@dataclass(frozen=True, slots=True)
class Deviation:
    """A span of the newest day whose count is not what it should be; steps are counted from the day's start."""

    first: int
    steps: int
    actual: float
    expected: float


def find_deviation(counts: Array, skip: Mask | None = None, coverage: float = COVERAGE) -> Deviation | None:
    """The span of the newest day that is furthest from what is usual, where it is beyond what past days went.

    `counts` has one row per day (24 hours that end with the newest step), oldest first; NaN is a gap. Spans of one hour
    up to the whole day are judged, each width against the surprises of the same width on past days, and at least
    against those that a share of `coverage` stays below. None where all are usual, and where there are fewer than five
    weeks to tell.
    """
    expected = expected_days(counts, skip)
    steps = counts.shape[1]
    judged: Mask = np.asarray(np.isfinite(expected).all(axis=1))
    if not judged[-1] or (skip is not None and skip[-1]):
        return None
    past = _usual_days(counts, expected, judged, skip)
    least, matters = NormalDist().inv_cdf((1 + coverage) / 2), max(LEAST_COUNT, LEAST_SHARE * float(expected[-1].sum()))
    found: list[tuple[float, Deviation]] = []
    for width in sorted({min(steps, max(1, round(hours * steps / 24))) for hours in WIDTHS}):
        actual, due = _sums(counts, width), _sums(expected, width)
        z = surprise(actual, due, spread_beyond_chance(actual[:-1][past], due[:-1][past]))
        for sign in (-1, 1):
            change = sign * (actual[-1] - due[-1])
            score, at = _furthest(sign * z, past, np.asarray(change >= matters), least)
            found.append((score, Deviation(at, width, float(actual[-1][at]), float(due[-1][at]))))
    score, deviation = max(found, key=lambda one: one[0])
    return deviation if score > 1 else None


def _usual_days(counts: Array, expected: Array, judged: Mask, skip: Mask | None) -> Mask:
    """The past days that say how much counts vary: neither skipped nor closed where they should have been open."""
    totals, due = np.nansum(counts, axis=1), np.nansum(expected, axis=1)
    open_as_usual = (totals >= CLOSED * due) | (due < LEAST_COUNT)
    due_to_open = (due >= CLOSED * totals) | (totals < LEAST_COUNT)
    usual: Mask = judged & open_as_usual & due_to_open
    return usual[:-1] if skip is None else usual[:-1] & ~skip[:-1]


def _sums(values: Array, width: int) -> Array:
    """The sum over each span of so many steps within a day: (days, spans)."""
    windows = np.lib.stride_tricks.sliding_window_view(values, width, axis=1)
    sums: Array = windows.sum(axis=2)
    return sums


def _furthest(z: Array, past: Mask, matters: Mask, least: float) -> tuple[float, int]:
    """How far the newest day's most surprising span lies beyond its limit (above 1: beyond it), and where it begins."""
    sound = np.where(np.isfinite(z), z, -np.inf)
    limits = usual_limits(sound[:-1][past].max(axis=1), 0.0, deviations=3.5, beyond=1.15)
    if limits is None:
        return 0.0, 0
    scores = np.where(matters, sound[-1] / max(limits.high, least), 0.0)
    at = int(np.argmax(scores))
    return float(scores[at]), at


def find_repeat(counts: Array) -> int | None:
    """How many days before the newest one a day lies whose every step counts the same; None where none does.

    A day that was copied is told from chance by eight or more steps with rows and three or more different counts, and
    from data whose days are often the same by how rarely past days were.
    """
    newest = counts[-1]
    if (newest > 0).sum() < 8 or len(np.unique(newest[newest > 0])) < 3 or newest.sum() < 50:
        return None
    same = np.flatnonzero((counts[:-1] == newest).all(axis=1))
    usual = 1 - len(np.unique(counts[:-1], axis=0)) / max(1, len(counts) - 1)
    return len(counts) - 1 - int(same[-1]) if len(same) and usual < OFTEN_SAME else None


def find_shift(counts: Array, skip: Mask | None = None) -> int | None:
    """By how many steps the newest day's clock seems to be ahead (above zero) or behind; None where it is right.

    The day's counts are compared with what its steps should have, moved by up to half a day: a move must explain them
    far better than none (by a log-likelihood that chance does not reach, and that matters per row), and better than any
    move explained a past day. The level has no part in it. Where counts vary more than rows that come one by one, as
    lines of one order do, a likelihood counts so much less (Wedderburn's quasi-likelihood, Biometrika 61, 1974).
    """
    expected = expected_days(counts, skip)
    judged = np.isfinite(expected).all(axis=1) & np.isfinite(counts).all(axis=1)
    judged &= (np.nansum(expected, axis=1) > 0) & (np.nansum(counts, axis=1) >= LEAST_COUNT)
    if not judged[-1]:
        return None
    past = np.flatnonzero(judged[:-1] if skip is None else judged[:-1] & ~skip[:-1])
    gains = np.array([_best_move(counts[day], expected[day])[0] for day in past])
    limits = usual_limits(gains, 0.0, beyond=2.0)
    gain, move = _best_move(counts[-1], expected[-1])
    least = max(LEAST_GAIN * _dispersion(counts[past], expected[past]), LEAST_GAIN_PER_ROW * counts[-1].sum())
    return None if limits is None or move == 0 or gain <= max(limits.high, least) else move


def _dispersion(counts: Array, expected: Array) -> float:
    """How many times more than by chance the steps of the median day vary around their shares of it; at least 1."""
    due = expected / expected.sum(axis=1, keepdims=True) * counts.sum(axis=1, keepdims=True)
    told = due > 0.5  # steps with next to no rows say nothing
    squares = np.where(told, (counts - due) ** 2 / np.where(told, due, 1), 0).sum(axis=1)
    return max(1.0, float(np.median(squares / np.maximum(told.sum(axis=1) - 1, 1)))) if len(counts) else 1.0


def _best_move(counts: Array, expected: Array) -> tuple[float, int]:
    """The log-likelihood that the best move of the day gains over none, and that move in steps."""
    shape = expected / expected.sum()
    shape = (1 - 0.02) * shape + 0.02 / len(shape)  # nothing is impossible at any hour
    half = len(shape) // 2
    moves = range(-half, half + 1)
    likelihood = np.array([float(counts @ np.log(np.roll(shape, move))) for move in moves])
    at = int(np.argmax(likelihood))
    return float(likelihood[at] - likelihood[half]), moves[at]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One step whose value lies outside the interval that was forecast for it."""

    start: datetime
    actual: float
    low: float
    high: float


def find_anomalies(actual: pd.Series, forecast: Forecast) -> tuple[Anomaly, ...]:
    """The steps whose value lies outside the forecast's lowest and highest quantile; gaps are no anomalies.

    `actual` has the forecast's steps (or more); the forecast must have been made before them, with two levels or more.
    """
    require(len(forecast.quantiles.columns) >= 2, "anomalies: expected a forecast with at least two quantile levels")
    low, high = forecast.quantiles.iloc[:, 0], forecast.quantiles.iloc[:, -1]
    came = actual.reindex(forecast.quantiles.index)
    outside = came.index[(came < low) | (came > high)]
    return tuple(
        Anomaly(pd.Timestamp(at).to_pydatetime(), float(came[at]), float(low[at]), float(high[at])) for at in outside
    )


def anomaly_finding(name: str, found: tuple[Anomaly, ...], steps: int, severity: Severity) -> Finding | None:
    """The finding that more steps lie outside than the interval leaves to chance; None where they do not.

    `steps` were looked at; one step in ten, and at least two, may lie outside: the interval itself is an estimate.
    """
    if len(found) <= max(1, steps // 10):
        return None
    worst = max(found, key=lambda one: max(one.low - one.actual, one.actual - one.high))
    said = (
        f"{name}: {len(found)} of {steps} steps lie outside their forecast; at {worst.start:%Y-%m-%d %H:%M}Z "
        f"expected {worst.low:.4g} to {worst.high:.4g}, got {worst.actual:.4g}"
    )
    return Finding(name, severity, said)


def unit_change(values: Array) -> tuple[int, float] | None:
    """From which place on values are in another unit, and how many times larger they are; None where they are not.

    The change is once, lasts, and is by a factor between units; values of 0 and gaps tell nothing.

    >>> cores = np.tile([0.2, 0.4, 0.5, 0.3], 6)
    >>> place, times = unit_change(np.concatenate([cores, 1000 * cores]))
    >>> place, round(times)
    (24, 1000)
    >>> unit_change(np.concatenate([cores, 5 * cores]))
    """
    changed = level_change(values)
    return changed if changed is not None and np.abs(FACTORS - abs(np.log(changed[1]))).min() <= NEARLY else None


def level_change(values: Array) -> tuple[int, float] | None:
    """From which place on values are larger or smaller than all before, and how many times; None where they are not.

    >>> place, times = level_change(np.array([1.0, 2, 1, 2, 1, 2, 200, 100, 200, 100, 200, 100]))
    >>> place, round(times, 9)
    (6, 100.0)
    """
    there = np.flatnonzero(np.nan_to_num(values) > 0)
    logs = np.log(values[there])
    if len(logs) < 2 * LEAST_SIDE:
        return None
    counts = np.arange(1, len(logs))
    sums = np.cumsum(logs)[:-1]
    apart = (sums / counts - (logs.sum() - sums) / (len(logs) - counts)) ** 2 * counts * (len(logs) - counts)
    place = int(np.argmax(apart)) + 1
    before, after = logs[:place], logs[place:]
    moved = float(np.median(after) - np.median(before))
    low, high = (before, after) if moved > 0 else (after, before)
    if min(len(low), len(high)) < LEAST_SIDE:
        return None
    if np.quantile(high, 0.1) - np.quantile(low, 0.9) < np.log(APART):
        return None
    return int(there[place]), float(np.exp(moved))


def only_adds_up(values: Array, span: timedelta, resets: float) -> bool:
    """Whether values add up what happened since a start: they rise, and fall only where they begin anew.

    `resets` is the share of steps that may do so. What rises for less than a day is a morning, unless it rises from
    next to nothing.

    >>> only_adds_up(np.cumsum(np.arange(30.0) % 7), timedelta(days=2), 0.0)
    True
    """
    moves = np.diff(values)
    rises = moves[moves > 0]
    anew = (moves < 0) & (values[1:] < ANEW * values[:-1])
    if len(rises) < max(1, COUNTS * len(moves)) or anew.sum() > resets * len(moves) or ((moves < 0) & ~anew).any():
        return False
    return span >= timedelta(days=1) or bool(values[-1] > COUNTED * (values[0] + rises.max()))
