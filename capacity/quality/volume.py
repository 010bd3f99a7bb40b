"""Whether the newest day's counts are those that its hours, and the day as a whole, should have."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from capacity.model.arrays import Array, Mask
from capacity.quality.usual import expected_days, spread_beyond_chance, surprise, usual_limits

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
