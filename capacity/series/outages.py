"""Outages: spans in which sales lie far below all that the rest of a history allows, with a beginning and an end.

A fault is not a season. What is found here is treated as a gap: it neither lowers the next week nor its quantiles. A
closing day that repeats, a fall that lasts, and a business that often sells nothing are no outages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from capacity.model.arrays import Array, Mask
from capacity.stats import nan_median, running_totals

DAY, WEEK = timedelta(days=1), timedelta(days=7)
WEEKS_AROUND = 4  # on each side: the median of the same step there is what a step would have sold
LEAST_WEEKS = 3  # of history: from less, the step has no two others to be compared with
LOW = 0.2  # of what a step would have sold: from here down it may belong to an outage
PARTLY = 0.5  # of it: the steps at the edges of an outage, which lasted for a part of them
NEUTRAL = 0.05  # of the mean: a step that sells so little says nothing, and does not end an outage either
LOWEST_LEFT = 0.3  # share of what was expected that any other span of this length must have reached
FAR_BELOW = 0.5  # of the lowest share that any other span reached
ALIKE = 0.5  # of an outage's loss: another low span that lost as much may be its repetition
OFTEN = 6  # weeks: more than one such span in so many (and more than two) is how the business goes
CLEAR = 4.0  # standard deviations of counts as noisy as these that a loss must make
CHI_SQUARE_MEDIAN = 0.4549  # of one degree of freedom: turns a median of squared errors into their mean
RECOVERED = 0.5  # of what was expected, before the beginning and after the end
LONGEST = timedelta(days=14)  # from here on a fall is a level, as `levels` has it


@dataclass(frozen=True, slots=True)
class Span:
    """Steps ``[start, stop)`` of a history, and the sales that they would have made."""

    start: int
    stop: int
    expected: float

    @property
    def length(self) -> int:
        """Steps."""
        return self.stop - self.start


def find_outages(row: Array, step: timedelta) -> list[tuple[int, int]]:
    """The outages of one history, oldest first.

    Parameters
    ----------
    row : (T,), sales per step on consecutive steps of the wall clock; NaN for a gap. Holidays and other known events
        should be gaps, so that they are not taken for outages.
    step : the length of a step; above a day nothing is found.

    Returns
    -------
    Pairs (start, stop) of places in `row`, half open. Empty where the history is shorter than three weeks.

    Examples
    --------
    >>> row = np.tile(10.0 + np.arange(7), 6)
    >>> row[29] = 0.0
    >>> find_outages(row, timedelta(days=1))
    [(29, 30)]
    """
    if step > DAY or len(row) * step < LEAST_WEEKS * WEEK or not np.nanmax(row, initial=0.0) > 0:
        return []
    week = round(WEEK / step)
    expected = _expected(row, week)
    neutral = ~(expected > NEUTRAL * np.nanmean(row)) | np.isnan(row)
    spans = _low_spans(row, expected, neutral)
    if not spans:
        return []
    least = CLEAR**2 * _dispersion(row, expected, neutral)
    large = [span for span in spans if span.expected >= least]
    found = [span for span in large if span.length * step < LONGEST and _is_outage(span, large, row, expected, week)]
    return [_with_edges(span, row, expected) for span in found]


def without_outages(values: Array, step: timedelta) -> Array:
    """Histories (N, T) whose outages are gaps.

    >>> rows = np.tile(10.0 + np.arange(7), (2, 6))
    >>> rows[1, 29] = 0.0
    >>> np.isnan(without_outages(rows, timedelta(days=1))).sum(axis=1)
    array([0, 1])
    """
    answer = values
    for n in range(len(values)):
        for start, stop in find_outages(values[n], step):
            answer = values.copy() if answer is values else answer
            answer[n, start:stop] = np.nan
    return answer


def _expected(row: Array, week: int) -> Array:
    """The median of the same step in the weeks around (T,), NaN with less than two of them."""
    around = np.full((2 * WEEKS_AROUND, len(row)), np.nan)
    for place, weeks in enumerate((*range(-WEEKS_AROUND, 0), *range(1, WEEKS_AROUND + 1))):
        lag = weeks * week
        if abs(lag) < len(row):
            here = slice(max(0, -lag), len(row) - max(0, lag))
            around[place, here] = row[max(0, lag) : len(row) + min(0, lag)]
    return nan_median(around, 0, 2)


def _low_spans(row: Array, expected: Array, neutral: Mask) -> list[Span]:
    """Runs of low steps, over neutral ones in between, each from its first low step to its last."""
    with np.errstate(invalid="ignore"):
        low = ~neutral & (row <= LOW * expected)
    places = np.flatnonzero(low)
    if not len(places):
        return []
    ordinary = np.cumsum(~low & ~neutral)
    ends = np.flatnonzero(np.diff(ordinary[places]) > 0)
    starts, stops = np.append(places[0], places[ends + 1]), np.append(places[ends], places[-1]) + 1
    total = _totals(np.where(neutral, 0.0, expected))
    return [Span(int(a), int(b), float(total[b] - total[a])) for a, b in zip(starts, stops, strict=True)]


def _dispersion(row: Array, expected: Array, neutral: Mask) -> float:
    """Variance over mean of the steps around what was expected of them, robust: 1 for counts by chance (Poisson)."""
    here = ~neutral
    return float(np.median((row[here] - expected[here]) ** 2 / expected[here]) / CHI_SQUARE_MEDIAN)


def _totals(values: Array) -> Array:
    return np.asarray(running_totals(np.nan_to_num(values)[None, :])[0])


def _is_outage(span: Span, spans: Sequence[Span], row: Array, expected: Array, week: int) -> bool:
    alike = [other for other in spans if other is not span and other.expected >= ALIKE * span.expected]
    weeks = len(row) / week
    if len(alike) + 1 > max(2, weeks / OFTEN) or any(_same_slots(span, other, week) for other in alike):
        return False
    known = ~np.isnan(row) & ~np.isnan(expected)
    sold, usual = _totals(np.where(known, row, 0.0)), _totals(np.where(known, expected, 0.0))
    if not _has_edges(span, sold, usual, min(span.length, max(1, week // 7))):
        return False
    lowest = _lowest_share(span, [span, *alike], sold, usual)
    share = (sold[span.stop] - sold[span.start]) / span.expected
    return lowest >= LOWEST_LEFT and share <= FAR_BELOW * lowest


def _same_slots(span: Span, other: Span, week: int) -> bool:
    """Whether another week was low at the same time: half of the shorter one's steps, whole weeks apart."""
    shift = round((other.start - span.start) / week) * week
    overlap = min(span.stop + shift, other.stop) - max(span.start + shift, other.start)
    return 2 * overlap >= min(span.length, other.length)


def _has_edges(span: Span, sold: Array, usual: Array, width: int) -> bool:
    """Whether sales stood at half of what was expected and more on both sides, over `width` steps that sell."""
    before, after = usual[span.start], usual[span.stop]
    near = 0.5 * max(span.expected * width / span.length, usual[-1] * width / max(len(usual) - 1, 1))
    first = int(np.searchsorted(usual, before - near, side="right")) - 1
    last = int(np.searchsorted(usual, after + near, side="left"))
    if first < 0 or last >= len(usual):
        return False
    early, late = sold[span.start] - sold[first], sold[last] - sold[span.stop]
    return bool(early >= RECOVERED * (before - usual[first]) and late >= RECOVERED * (usual[last] - after))


def _lowest_share(span: Span, left_out: Sequence[Span], sold: Array, usual: Array) -> float:
    """The least share of what was expected that another span of this length sold; 0 where there is none."""
    length = span.length
    sums, wanted = sold[length:] - sold[:-length], usual[length:] - usual[:-length]
    comparable = wanted >= ALIKE * span.expected
    for other in left_out:
        comparable[max(0, other.start - length + 1) : other.stop] = False
    return float((sums[comparable] / wanted[comparable]).min()) if comparable.any() else 0.0


def _with_edges(span: Span, row: Array, expected: Array) -> tuple[int, int]:
    """The span with the steps at its edges that it took a part of."""
    start, stop = span.start, span.stop
    if start > 0 and row[start - 1] < PARTLY * expected[start - 1]:
        start -= 1
    if stop < len(row) and row[stop] < PARTLY * expected[stop]:
        stop += 1
    return start, stop
