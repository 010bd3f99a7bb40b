"""Outages: spans in which sales lie far below all that the rest of a history allows, with a beginning and an end.

A fault is not a season. What is found here is treated as a gap: it neither lowers the next week nor its quantiles. A
fall that has not ended when the history does is an outage for its first two days, if it came suddenly: in a blizzard
sales fall over hours, and stay low tomorrow. A closing day that repeats, a fall that lasts longer, and a business that
often sells nothing are no outages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from capacity.model.arrays import Array, Mask
from capacity.stats import median, nan_mean, nan_median, robust_deviation, running_totals

DAY, WEEK = timedelta(days=1), timedelta(days=7)
WEEKS_AROUND = 4  # on each side: the median of the same step there is what a step would have sold
LEAST_WEEKS = 3  # of history: from less, a step has no two others to be compared with, and the days around it are taken
DAYS_AROUND = 6  # on each side, of such a history
LEAST_DAYS = 5  # of history: with less, an opening looks like the end of an outage
REPEATS = 2  # weeks: with less, a closing day that repeats has been seen once, and only a fall without an end is told
LOW = 0.2  # of what a step would have sold: from here down it may belong to an outage
LOW_ON_AVERAGE = 0.25  # of what all steps of an outage would have sold
PARTLY = 0.5  # of it: the steps at the edges of an outage, which lasted for a part of them
AROUND = timedelta(minutes=30)  # in which a step stands alone: a few sales in five minutes may be chance
NEUTRAL = 0.05  # of the mean: a step that sells so little says nothing, and does not end an outage either
LOWEST_LEFT = 0.3  # share of what was expected that any other span of this length must have reached
FAR_BELOW = 0.5  # of the lowest share that any other span reached
ALIKE = 0.5  # of an outage's loss: another low span that lost as much may be its repetition
OFTEN = 6  # weeks: more than one such span in so many (and more than two) is how the business goes
CLEAR = 4.0  # standard deviations of counts as noisy as these that a loss must make
CLEAR_LOG = 5.0  # or, of what it left, robust deviations of the logarithms of single steps: for noise that multiplies
LEAST_LEFT = 0.05  # of what was expected: what is lower is as far below, so that zeros have a logarithm
CHI_SQUARE_MEDIAN = 0.4549  # of one degree of freedom: turns a median of squared errors into their mean
RECOVERED = 0.5  # of what was expected, before the beginning and after the end
RECOVERED_OF_DAYS = 0.35  # where other weekdays are what was expected: weekends sell less
SEEN = 0.25  # of what is looked at there: less cannot tell that an outage has ended
ONGOING = timedelta(hours=54)  # two days and a night: from here on a fall without an end may be a level that stays
CLOSED = 0.02  # of what was sold before, on average: a closed business sells no more
SUDDEN = timedelta(hours=2)  # from half of what was expected to a fifth: a failure takes no longer
LONGEST = timedelta(days=14)  # from here on a fall is a level, as `levels` has it


@dataclass(frozen=True, slots=True)
class Span:
    """Low steps ``[start, stop)`` of a history, and the sales that they would have made.

    With the steps at its edges that an outage took a part of they are ``[first, last)``; from `falling` on they made
    less than half of it.
    """

    start: int
    stop: int
    expected: float
    first: int
    last: int
    falling: int

    @property
    def length(self) -> int:
        """Steps."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class _Known:
    """Running totals (T + 1,) of a history and of what was expected of it, over the steps that have both."""

    sold: Array
    usual: Array
    step: timedelta

    @property
    def recovered(self) -> float:
        """The share of what was expected from which sales are usual again."""
        return RECOVERED_OF_DAYS if _is_short(len(self.usual) - 1, self.step) else RECOVERED

    @staticmethod
    def of(row: Array, expected: Array, step: timedelta) -> _Known:
        known = ~np.isnan(row) & ~np.isnan(expected)
        return _Known(_totals(np.where(known, row, 0.0)), _totals(np.where(known, expected, 0.0)), step)

    @property
    def week(self) -> int:
        """Steps of a week."""
        return round(WEEK / self.step)

    def age(self, span: Span) -> timedelta:
        """The time from a span's first low step to the end of the history."""
        return (len(self.usual) - 1 - span.start) * self.step

    def came_suddenly(self, span: Span) -> bool:
        """Whether sales fell no longer than a failure takes."""
        return span.start - span.falling <= max(1, SUDDEN // self.step)

    def share_of(self, span: Span) -> float:
        """The share of the steps that were low."""
        return self.share(span.start, span.stop)

    def share(self, start: int, stop: int) -> float:
        """What the steps ``[start, stop)`` sold, of what was expected of them; 1 where that was nothing."""
        usual = self.usual[stop] - self.usual[start]
        return float((self.sold[stop] - self.sold[start]) / usual) if usual > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Falls:
    """The outages of a history as pairs (start, stop), half open, oldest first; and a fall that lasts, or None.

    `since` is where sales fell as far as in an outage, more than two days before the history ends, and have stayed.
    """

    outages: tuple[tuple[int, int], ...] = ()
    since: int | None = None


def find_outages(row: Array, step: timedelta) -> list[tuple[int, int]]:
    """The outages of one history, oldest first.

    Parameters
    ----------
    row : (T,), sales per step on consecutive steps of the wall clock; NaN for a gap. Holidays and other known events
        should be gaps, so that they are not taken for outages.
    step : the length of a step; above a day nothing is found.

    Returns
    -------
    Pairs (start, stop) of places in `row`, half open. Empty where the history is shorter than five days; below two
    weeks only an outage that has not ended is found.

    Examples
    --------
    >>> row = np.tile(10.0 + np.arange(7), 6)
    >>> row[29] = 0.0
    >>> find_outages(row, timedelta(days=1))
    [(29, 30)]
    """
    return list(find_falls(row, step).outages)


def find_falls(row: Array, step: timedelta) -> Falls:
    """The outages of one history (T,), as `find_outages` has them, and the fall that has lasted too long for one.

    >>> row = np.tile(10.0 + np.arange(7), 6)
    >>> row[-4:] = 0.0
    >>> find_falls(row, timedelta(days=1))
    Falls(outages=(), since=38)
    """
    if step > DAY or len(row) * step < LEAST_DAYS * DAY or not np.nanmax(row, initial=0.0) > 0:
        return Falls()
    expected = _expected(row, step)
    neutral = ~(expected > NEUTRAL * np.nanmean(row)) | np.isnan(row)
    spans = _low_spans(row, expected, neutral, step)
    if not spans:
        return Falls()
    known, least = _Known.of(row, expected, step), CLEAR**2 * _dispersion(row, expected, neutral)
    most = np.exp(-CLEAR_LOG * _noise(row, expected, neutral))
    large = [span for span in spans if span.expected >= least or max(known.share_of(span), LEAST_LEFT) <= most]
    found: list[Span] = []
    for span in sorted(large, key=lambda span: span.expected):  # a large one is not held against a small one
        if (span.last - span.first) * step < LONGEST and _is_outage(span, large, found, known):
            found.append(span)
    lasting = [span for span in found if not _has_ended(span, known) and known.age(span) > ONGOING]
    once = len(row) * step < REPEATS * WEEK
    told = [span for span in found if span not in lasting and _is_told(span, known, once=once)]
    outages = sorted((span.first, span.last) for span in told)
    if not lasting and large and large[-1] is spans[-1] and large[-1] not in found and _lasts(spans[-1], known):
        lasting = spans[-1:]
    return Falls(tuple(outages), min((span.first for span in lasting), default=None))


def is_closed(row: Array, since: int, step: timedelta) -> bool:
    """Whether a history (T,) that has been low from the slot `since` on sells next to nothing at its end.

    A level that fell to a twentieth has its own days and weeks; it is no business that may open again tomorrow.

    >>> sold = np.repeat([10.0, 0.5, 0.1], [240, 72, 72])
    >>> is_closed(sold, 240, timedelta(hours=1)), is_closed(sold[:312], 240, timedelta(hours=1))
    (True, False)
    """
    recent = row[max(since, len(row) - max(1, round(ONGOING / step))) :]
    return bool(np.nansum(recent) <= CLOSED * nan_mean(row[:since], 0) * len(recent))


def _is_told(span: Span, known: _Known, *, once: bool) -> bool:
    """Whether an outage is one already, or still; `once`: the history is too short for a closing day to repeat."""
    return not once if _has_ended(span, known) else known.came_suddenly(span)


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


def _expected(row: Array, step: timedelta) -> Array:
    """The median of the same step in the weeks around (T,), of a short history in the days; NaN with less than two."""
    cycle, most = (DAY, DAYS_AROUND) if _is_short(len(row), step) else (WEEK, WEEKS_AROUND)
    around = np.full((2 * most, len(row)), np.nan)
    for place, cycles in enumerate((*range(-most, 0), *range(1, most + 1))):
        lag = cycles * round(cycle / step)
        if abs(lag) < len(row):
            here = slice(max(0, -lag), len(row) - max(0, lag))
            around[place, here] = row[max(0, lag) : len(row) + min(0, lag)]
    return nan_median(around, 0, 2)


def _is_short(steps: int, step: timedelta) -> bool:
    """Whether a history is too short for the same step of other weeks."""
    return steps * step < LEAST_WEEKS * WEEK


def _low_spans(row: Array, expected: Array, neutral: Mask, step: timedelta) -> list[Span]:
    """Runs of low steps, over neutral ones and low parts in between, each from its first low step to its last."""
    with np.errstate(invalid="ignore"):
        low, partly = ~neutral & (row <= LOW * expected), row < PARTLY * expected
    places = np.flatnonzero(low)
    if not len(places):
        return []
    around = max(1, round(AROUND / step))
    usual = ~partly & (_smooth(row, around) >= PARTLY * _smooth(expected, around))
    ordinary = np.cumsum(usual & ~neutral)
    ends = np.flatnonzero(np.diff(ordinary[places]) > 0)
    starts, stops = np.append(places[0], places[ends + 1]), np.append(places[ends], places[-1]) + 1
    total, edge = _totals(np.where(neutral, 0.0, expected)), partly & ~neutral
    spans = zip(starts.tolist(), stops.tolist(), strict=True)
    return [
        Span(a, b, float(total[b] - total[a]), a - min(before, max(1, b - a)), b + after, a - before)
        for a, b in spans
        for before in [_run(partly[:a][::-1], edge[:a][::-1], a)]
        for after in [_run(partly[b:], edge[b:], b - a)]
    ]


def _smooth(values: Array, width: int) -> Array:
    """Sums of `width` steps around each, gaps as zeros: (T,)."""
    return values if width == 1 else np.convolve(np.nan_to_num(values), np.ones(width), mode="same")


def _run(partly: Mask, edge: Mask, most: int) -> int:
    """How many steps from an edge on were low in part: the first, and those that sell after it."""
    if not len(partly) or not partly[0]:
        return 0
    rest = edge[1:most]
    return 1 + (int(rest.argmin()) if not rest.all() else len(rest))


def _dispersion(row: Array, expected: Array, neutral: Mask) -> float:
    """Variance over mean of the steps around what was expected of them, robust: 1 for counts by chance (Poisson)."""
    here = ~neutral
    return median((row[here] - expected[here]) ** 2 / expected[here]) / CHI_SQUARE_MEDIAN


def _noise(row: Array, expected: Array, neutral: Mask) -> float:
    """The robust deviation of the logarithms of steps from what was expected of them."""
    here = ~neutral
    return robust_deviation(np.log(np.maximum(row[here], LEAST_LEFT * expected[here]) / expected[here]))


def _totals(values: Array) -> Array:
    return np.asarray(running_totals(values[None, :])[0])


def _is_outage(span: Span, spans: Sequence[Span], found: Sequence[Span], known: _Known) -> bool:
    """Whether a low span is an outage; `found` are those of which this is already known."""
    alike = [other for other in spans if other is not span and other.expected >= ALIKE * span.expected]
    weeks = (len(known.sold) - 1) / known.week
    if len(alike) + 1 > max(2, weeks / OFTEN) or any(_same_slots(span, other, known.week) for other in alike):
        return False
    if not _has_edges(span, known):
        return False
    lowest = _lowest_share(span, [span, *alike, *found], known)
    return lowest >= LOWEST_LEFT and known.share_of(span) <= min(LOW_ON_AVERAGE, FAR_BELOW * lowest)


def _lasts(span: Span, known: _Known) -> bool:
    """Whether the last low span goes on, as none as long before: a closure that sales fell towards for some days."""
    if known.age(span) <= ONGOING or (span.last - span.first) * known.step >= LONGEST or _has_ended(span, known):
        return False
    return known.share_of(span) <= LOW_ON_AVERAGE and _lowest_share(span, [span], known) >= LOWEST_LEFT


def _same_slots(span: Span, other: Span, week: int) -> bool:
    """Whether another week was low at the same time: half of the shorter one's steps, whole weeks apart."""
    shift = round((other.start - span.start) / week) * week
    overlap = min(span.stop + shift, other.stop) - max(span.start + shift, other.start)
    return 2 * overlap >= min(span.length, other.length)


def _has_edges(span: Span, known: _Known) -> bool:
    """Whether sales stood at half of what was expected and more before and, where that is known, after it.

    Both over the span's length, a day at most.
    """
    before = int(np.searchsorted(known.usual, known.usual[span.first] - _near(span, known), side="right")) - 1
    if before < 0 or known.share(before, span.first) < known.recovered:
        return False
    return _after(span, known) > len(known.usual) - 1 or _has_ended(span, known)


def _has_ended(span: Span, known: _Known) -> bool:
    """Whether sales stood at half of what was expected afterwards, over a quarter of what is looked at or more."""
    stop = min(_after(span, known), len(known.usual) - 1)
    seen = known.usual[stop] - known.usual[span.last]
    return bool(seen >= SEEN * _near(span, known) and known.share(span.last, stop) >= known.recovered)


def _after(span: Span, known: _Known) -> int:
    """Where as much is known after a span as is looked at; one step beyond the history where that is not known."""
    return int(np.searchsorted(known.usual, known.usual[span.last] + _near(span, known), side="left"))


def _near(span: Span, known: _Known) -> float:
    """What is looked at on each side of a span, in sales expected there: half a day's, or of its length if shorter."""
    width = min(span.length, max(1, round(DAY / known.step)))
    usual = known.usual[-1] * width / (len(known.usual) - 1)
    return 0.5 * max(span.expected * width / span.length, float(usual))


def _lowest_share(span: Span, left_out: Sequence[Span], known: _Known) -> float:
    """The least share of what was expected that another span of this length sold; 0 where there is none."""
    length = span.length
    sums, wanted = known.sold[length:] - known.sold[:-length], known.usual[length:] - known.usual[:-length]
    comparable = wanted >= ALIKE * span.expected
    for other in left_out:
        comparable[max(0, other.start - length + 1) : other.stop] = False
    return float((sums[comparable] / wanted[comparable]).min()) if comparable.any() else 0.0
