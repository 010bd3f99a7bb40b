"""Demand within a step: a smooth path that keeps every step's total, the shape that orders have, and their spread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.model import require
from capacity.model.arrays import Array, Mask, Places

PART = timedelta(minutes=15)  # orders are spread over parts of this length; within a part load moves smoothly
VISITS = 50  # behind one order: shops sell to about two visits of a hundred, and visits are what loads a service


def smooth_path(means: Array, parts: int) -> Array:
    """The mean of each of `parts` equal parts of every step (..., steps x parts), from those of the steps (..., steps).

    The running total is a cubic Hermite curve whose slope between two steps is the mean of both, bounded by three
    times the lower so that it never falls (Fritsch and Carlson, 1980): the path is continuous, never negative, straight
    where the steps rise evenly, level at both ends, and the mean of a step's parts is the mean of the step. Every
    policy that is simulated meets this path.

    Parameters:
        means: mean of each step, >= 0, in any unit, without gaps: (..., steps).
        parts: parts of a step, at least 1.

    >>> smooth_path(np.array([1.0, 2.0, 3.0, 4.0]), 2)[2:6].tolist()
    [1.75, 2.25, 2.75, 3.25]
    """
    require(parts >= 1, "expected at least one part in a step, got {}", parts)
    if not (means >= 0).all():
        require(False, "expected means >= 0 without gaps, got {}", means[~(means >= 0)][:3])
    if parts == 1 or means.shape[-1] < 2:
        return np.repeat(means, parts, axis=-1)
    lower = np.minimum(means[..., :-1], means[..., 1:])
    knots = np.minimum((means[..., :-1] + means[..., 1:]) / 2, 3 * lower)
    ends = np.maximum(
        1.5 * means[..., [0, -1]] - 0.5 * knots[..., [0, -1]], 0.0
    )  # level where the path begins and ends
    slopes = np.concatenate([ends[..., :1], knots, ends[..., 1:]], axis=-1)
    before, after = slopes[..., :-1], slopes[..., 1:]
    path = np.empty((*means.shape, parts))
    reached = before * 0.0
    for part, at in enumerate(np.linspace(0, 1, parts + 1)[1:].tolist()):
        rest, square = 1 - at, at * at
        running = before * at * (rest * rest) + means * square * (3 - 2 * at) - after * square * rest
        np.maximum((running - reached) * parts, 0.0, out=path[..., part])
        reached = running
    return path.reshape(*means.shape[:-1], means.shape[-1] * parts)


def are_counts(totals: Array) -> bool:
    """Whether these totals (steps,) are whole numbers, as counts of orders are."""
    known = totals[np.isfinite(totals)]
    return bool(len(known)) and bool((known == np.round(known)).all())


def spread_counts(totals: Array, parts: int, random: np.random.Generator) -> Array:
    """Counts in each part of every step (steps x parts,), that add up to the step's total: (steps,) whole numbers.

    Orders come one by one (Poisson): given the total of a step, its parts are multinomial, with the shares of the
    smooth path.

    >>> spread_counts(np.array([4.0, 9.0]), 2, np.random.default_rng(1)).reshape(2, 2).sum(axis=1).tolist()
    [4.0, 9.0]
    """
    shares = smooth_path(totals, parts).reshape(len(totals), parts)
    whole = shares.sum(axis=1, keepdims=True)
    even = np.full_like(shares, 1 / parts)
    shares = np.where(whole > 0, shares / np.where(whole > 0, whole, 1.0), even)
    return random.multinomial(totals.astype(np.int64), shares).astype(np.float64).reshape(-1)


def sales_path(sales: Array, step: timedelta, tick: timedelta, random: np.random.Generator) -> Array:
    """Sales per tick, as totals of a step's length (steps x ticks of a step,), from the totals per step (steps,).

    The mean over a step's ticks is its total. Of counts the visits behind them are first spread over quarters of an
    hour; sums of money and loads, whose spread within a step is not known, move smoothly.

    Parameters:
        sales: total of each step, >= 0, without gaps: (steps,).
        step: length of a step, whole ticks.
        tick: length of a tick.
        random: where the spread of counts comes from; equal generators, equal paths.

    >>> minute = timedelta(minutes=1)
    >>> sales_path(np.array([60.0, 60.0]), 60 * minute, minute, np.random.default_rng(1)).reshape(2, 60).mean(axis=1)
    array([60., 60.])
    """
    ticks, parts = step // tick, step // PART
    require(step % tick == timedelta(0) and ticks >= 1, "a step must be whole ticks of {}, got {}", tick, step)
    if parts < 2 or ticks % parts or not are_counts(sales):
        return smooth_path(sales, ticks)
    return smooth_path(spread_counts(sales * VISITS, parts, random) * (parts / VISITS), ticks // parts)


DAY, WEEK = timedelta(days=1), timedelta(days=7)
FINE = timedelta(minutes=5)
WEEKS = 13  # that a shape is learned from, the newest
FEWEST_WEEKS = 3  # two to learn from, one to try it on
FEWEST = {FINE: 200, PART: 50}  # rows in a part of the day on average, that it may be told from its neighbours
HELD_OUT = 0.25  # of the weeks: on these the shape must tell more of where orders fall than a smooth path
CLEAR = 10.0  # by so much, as a difference of log likelihoods
WORTH = 0.1  # how far orders must move within a quarter of an hour, as a share, that floors follow steps of 5 minutes
MUCH = 0.99  # quantile of the totals of steps above which a step counts no more
MOST_UNEVEN = 10.0  # variance over squared mean of what draws orders to a part: rarer ones are as uneven as this
TRIMMED = 5  # weeks from which on the highest and the lowest of each part are left out: one odd day decides nothing
STRANGE = 25.0  # squared standard errors above which a count says nothing about the usual spread


@dataclass(frozen=True, slots=True)
class WithinStep:
    """How load moves within a step of orders.

    `part`: on which steps it is told. `shape`: for each part of the local week, Monday 00:00 first, how far orders lie
    above the smooth path through the totals (parts of a week,); None: nothing is known, the path is smooth. `spread`:
    variance of the orders of a part over their mean, given the total of the step; 0 where they are no counts.
    """

    part: timedelta = PART
    shape: Array | None = None
    spread: float = 0.0
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        require(self.part > timedelta(0) and DAY % self.part == timedelta(0), "part: expected a part of a day")
        require(self.spread >= 0, "spread must be >= 0, got {}", self.spread)
        if self.shape is not None:
            require(self.shape.shape == (WEEK // self.part,), "shape: expected {} parts of a week", WEEK // self.part)
            require(bool((self.shape >= 0).all()), "shape: expected factors >= 0")

    def path(self, means: Array, steps: pd.DatetimeIndex, step: timedelta) -> Array:
        """The mean of each part of every step (..., steps x parts), with these means, >= 0 and gapless: (..., steps).

        `steps` are the starts (UTC) of these steps; those of days are named by the date on the local clock.

        >>> hours = pd.date_range("2026-01-05", periods=2, freq="h", tz="UTC")
        >>> early = np.where(np.arange(7 * 96) % 4 == 0, 2.0, 1.0)
        >>> WithinStep(shape=early).path(np.array([10.0, 10.0]), hours, timedelta(hours=1)).tolist()
        [16.0, 8.0, 8.0, 8.0, 16.0, 8.0, 8.0, 8.0]
        """
        parts = step // self.part
        smooth = smooth_path(means, parts)
        if self.shape is None:
            return smooth
        places = part_of_week(_parts_of(steps, step, self.part), self.part, _clock(step, self.timezone))
        shaped = (smooth * self.shape[places]).reshape(*means.shape, parts)
        whole = shaped.mean(axis=-1)
        scale = np.divide(means, whole, out=np.zeros_like(whole), where=whole > 0)
        path = np.where(whole[..., None] > 0, shaped * scale[..., None], smooth.reshape(shaped.shape))
        return path.reshape(smooth.shape)


def _clock(step: timedelta, timezone: str) -> str:
    """The zone of the parts of such steps: those of days are named on the local clock already."""
    return "UTC" if step >= DAY else timezone


def _parts_of(steps: pd.DatetimeIndex, step: timedelta, part: timedelta) -> pd.DatetimeIndex:
    seconds = np.tile(np.arange(step // part) * int(part.total_seconds()), len(steps))
    return pd.DatetimeIndex(steps.repeat(step // part) + pd.to_timedelta(seconds, unit="s"))


def part_of_week(moments: pd.DatetimeIndex, part: timedelta, timezone: str) -> Places:
    """The part of the local week, Monday 00:00 first, that each moment lies in: (n,).

    >>> part_of_week(pd.DatetimeIndex(["2026-07-05T23:15Z"]), PART, "Europe/London").tolist()
    [1]
    """
    local = moments.tz_convert(timezone)
    seconds = local.day_of_week * 86400 + local.hour * 3600 + local.minute * 60
    return np.asarray(seconds // int(part.total_seconds()), dtype=np.intp)


def learn_within(sales: pd.Series, rows: pd.Series | None, timezone: str) -> WithinStep:
    """What orders tell of the time within their steps.

    The shape is the share of the rows of each part, over that of a smooth path through the totals: of the time of day,
    and where weekdays differ by more than chance, of the week. It is drawn to 1 by as much as chance explains of it,
    and kept only where it foretells the last weeks better than a smooth path does. Parts are of 5 minutes where there
    are many rows and these move within a quarter of an hour, else of 15.

    Parameters:
        sales: sales per step (UTC), gaps as NaN.
        rows: rows in each part of these steps; None where they carry no times within a step.
        timezone: the clock of the business.

    >>> hours = pd.date_range("2026-01-05", periods=24 * 28, freq="h", tz="UTC")
    >>> quarters = pd.date_range(hours[0], periods=4 * len(hours), freq="15min")
    >>> rows = pd.Series(np.where(quarters.minute == 0, 30.0, 10.0), quarters)
    >>> learn_within(pd.Series(60.0, hours), rows, "UTC").shape[:4].round(1).tolist()
    [2.0, 0.7, 0.7, 0.7]
    """
    if len(sales) < 2:
        return WithinStep(timezone=timezone)
    step = (sales.index[1] - sales.index[0]).to_pytimedelta()
    spread = 1 / VISITS if are_counts(sales.to_numpy(dtype=np.float64)) else 0.0
    smooth = WithinStep(spread=spread, timezone=timezone)
    if rows is None or len(rows) < 2 or step <= PART or step % PART:
        return smooth
    told: dict[timedelta, WithinStep] = {}
    for part in (PART, FINE):
        seen = _Seen.of(sales, rows, step, part, timezone)
        if seen is not None and (found := seen.learned()) is not None:
            told[part] = WithinStep(part, found[0], spread + found[1] if spread else 0.0, timezone)
    if FINE in told and (PART not in told or _tells_more(told[FINE], told[PART])):
        return told[FINE]
    return told.get(PART, smooth)


@dataclass(frozen=True, slots=True)
class OrderTimes:
    """What the times of orders are, from which any past moment learns what was known then.

    `rows`: rows in each part of the steps of sales; None where orders carry no times within a step.
    """

    rows: pd.Series | None = None
    timezone: str = "UTC"

    def within(self, sales: pd.Series) -> WithinStep:
        """What the times of the orders behind these sales tell, of none after them."""
        return learn_within(sales, self.rows, self.timezone)


def served_path(sales: pd.Series, tick: timedelta, within: WithinStep, random: np.random.Generator) -> Array:
    """Sales per tick, as totals of a step's length (steps x ticks of a step,), as they come within their steps.

    As `sales_path` where no shape is known. Else the visits behind counted orders are spread over its parts, some of
    which draw more of them than others as learned; other sales move smoothly through the parts.

    >>> hours = pd.Series([60.0, 60.0], pd.date_range("2026-01-05", periods=2, freq="h", tz="UTC"))
    >>> early = WithinStep(shape=np.where(np.arange(7 * 96) % 4 == 0, 2.0, 1.0))
    >>> served_path(hours + 0.5, PART, early, np.random.default_rng(1))[:4].round(1).tolist()
    [96.8, 48.4, 48.4, 48.4]
    """
    totals, index = sales.to_numpy(dtype=np.float64), pd.DatetimeIndex(sales.index)
    step = (index[1] - index[0]).to_pytimedelta() if len(index) > 1 else tick
    if within.shape is None or step <= PART or within.part % tick:
        return sales_path(totals, step, tick, random)
    parts = step // within.part
    path = within.path(totals, index, step)
    if not are_counts(totals):
        return smooth_path(path, within.part // tick)
    uneven = max(0.0, within.spread - 1 / VISITS)
    if uneven:
        many = np.maximum(path / parts, uneven / MOST_UNEVEN)
        path = path * random.gamma(many / uneven, uneven / many)
    path = path.reshape(-1, parts)
    whole = path.sum(axis=1, keepdims=True)
    shares = np.divide(path, whole, out=np.full_like(path, 1 / parts), where=whole > 0)
    visits = random.multinomial((totals * VISITS).astype(np.int64), shares).astype(np.float64).reshape(-1)
    return smooth_path(visits * (parts / VISITS), within.part // tick)


def _tells_more(fine: WithinStep, coarse: WithinStep) -> bool:
    """Whether orders move within a part of the coarse shape by more than a planner would notice."""
    if fine.shape is None or coarse.shape is None:
        return fine.shape is not None
    inside = fine.shape.reshape(len(coarse.shape), -1)
    mean = inside.mean(axis=1, keepdims=True)
    return bool(np.sqrt((((inside - mean) / np.maximum(mean, 1e-9)) ** 2).mean()) > WORTH)


@dataclass(frozen=True, slots=True)
class _Seen:
    """Rows in each part of the steps of the last weeks, and as many on a smooth path: both (steps, parts)."""

    rows: Array
    smooth: Array
    week: Places  # (steps,), from the first
    place: Places  # (steps, parts): of the week
    places: int  # in a week

    @staticmethod
    def of(sales: pd.Series, rows: pd.Series, step: timedelta, part: timedelta, timezone: str) -> _Seen | None:
        """None where rows are told on longer parts, are too few, or go back no three weeks."""
        given = (rows.index[1] - rows.index[0]).to_pytimedelta()
        if given > part or part % given or step % part:
            return None
        known = sales.loc[max(rows.index[0], sales.index[-1] + step - WEEKS * WEEK) : rows.index[-1]]
        index = pd.DatetimeIndex(known.index)
        if len(known) < FEWEST_WEEKS * WEEK / step:
            return None
        fine = rows.reindex(_parts_of(index, step, given), fill_value=0.0).to_numpy(dtype=np.float64)
        counts = fine.reshape(len(known), step // part, part // given).sum(axis=2)
        if counts.sum() < FEWEST[part] * (DAY / part) or _is_rounded(counts.sum(axis=0), part):
            return None
        filled = known.interpolate(limit_direction="both").to_numpy(dtype=np.float64)
        path = smooth_path(np.maximum(filled, 0.0), step // part).reshape(counts.shape)
        total = path.sum(axis=1, keepdims=True)
        even = np.full_like(path, part / step)
        smooth = counts.sum(axis=1, keepdims=True) * np.divide(path, total, out=even, where=total > 0)
        moments = _parts_of(index, step, part)
        place = part_of_week(moments, part, _clock(step, timezone)).reshape(counts.shape)
        week = np.asarray((index - index[0]) // pd.Timedelta(WEEK), dtype=np.intp)
        total = counts.sum(axis=1)
        usual = np.minimum(1.0, np.quantile(total, MUCH) / np.maximum(total, 1.0))[:, None]
        good = known.notna().to_numpy() & (counts.sum(axis=1) > 0)
        return _Seen((counts * usual)[good], (smooth * usual)[good], week[good], place[good], WEEK // part)

    def learned(self) -> tuple[Array, float] | None:
        """The shape, and the variance over the mean beyond chance; None where it foretells no more than the path."""
        last = self.week.max() + 1
        held = self.week >= last - max(1, round(HELD_OUT * last))
        if held.all() or not held.any():
            return None
        before, after = self._where(~held), self._where(held)
        gained, excess = after._told_by(before._shape())
        return (self._shape(), excess) if gained > CLEAR else None

    def _where(self, chosen: Mask) -> _Seen:
        return _Seen(self.rows[chosen], self.smooth[chosen], self.week[chosen], self.place[chosen], self.places)

    def _shape(self) -> Array:
        """Factors of each part of the week (places,): of the time of day, times those of the week over it."""
        rows, smooth = self._sums()
        parts = self.places // 7
        of_day = np.tile(_factors(rows.reshape(-1, parts), smooth.reshape(-1, parts)), 7)
        shape: Array = of_day * _factors(rows, smooth * of_day)
        return shape

    def _sums(self) -> tuple[Array, Array]:
        """Rows, and those of the smooth path, by week and part of the week: both (weeks, places)."""
        size = (self.week.max() + 1) * self.places
        at = (self.week[:, None] * self.places + self.place).reshape(-1)
        each = [np.bincount(at, one.reshape(-1), size).astype(np.float64) for one in (self.rows, self.smooth)]
        return each[0].reshape(-1, self.places), each[1].reshape(-1, self.places)

    def _told_by(self, shape: Array) -> tuple[float, float]:
        """How much likelier a shape makes where these rows fell, and how far they spread beyond chance."""
        shaped = self.smooth * shape[self.place]
        whole = shaped.sum(axis=1, keepdims=True)
        many = self.rows.sum(axis=1, keepdims=True)
        shaped = np.divide(shaped * many, whole, out=self.smooth.copy(), where=whole > 0)
        told = (self.rows > 0) & (self.smooth > 0) & (shaped > 0)
        gained = float((self.rows[told] * np.log(shaped[told] / self.smooth[told])).sum())
        cells = shaped > 0
        squared = (self.rows[cells] - shaped[cells]) ** 2 / shaped[cells]
        free = max(1.0, cells.sum() * (1 - 1 / self.rows.shape[1]))
        return gained, max(0.0, float(np.minimum(squared, STRANGE).sum() / free) - 1.0)


def _is_rounded(rows: Array, part: timedelta) -> bool:
    """Whether times are rounded: rows (parts of a step,) lie in one part, or in every other at most, of an hour."""
    hour = timedelta(hours=1) // part
    used = np.flatnonzero(rows.reshape(-1, hour).sum(axis=0) if len(rows) % hour == 0 else rows)
    return len(used) == 1 or (bool((np.diff(used) > 1).all()) and bool((np.diff(used) == used[1] - used[0]).all()))


def _factors(rows: Array, smooth: Array) -> Array:
    """How far rows lie above the smooth path in each part (parts,), as far as chance does not explain it.

    Both (samples, parts). Each factor is drawn to 1 by the part of its variance that is chance (James and Stein, 1961),
    which is that of counts, or more where samples differ more.
    """
    rows, smooth = _trimmed(rows, smooth)
    many, usual = rows.sum(axis=0), smooth.sum(axis=0)
    known = usual > 0
    ratio = np.divide(many, usual, out=np.ones_like(usual), where=known)
    expected = smooth * ratio
    squared = np.divide((rows - expected) ** 2, expected, out=np.zeros_like(rows), where=expected > 0)
    cells = int((expected > 0).sum())
    chance = max(1.0, float(np.minimum(squared, STRANGE).sum() / max(1, cells - len(ratio))))
    doubt = np.divide(chance, usual, out=np.full_like(usual, np.inf), where=known)
    if not known.any():
        return np.ones_like(usual)
    signal = max(0.0, float(np.average((ratio - 1)[known] ** 2 - doubt[known], weights=usual[known])))
    if not signal:
        return np.ones_like(ratio)
    factors: Array = 1 + (ratio - 1) * (signal / (signal + doubt))
    return factors


def _trimmed(rows: Array, smooth: Array) -> tuple[Array, Array]:
    """The same (samples, parts) without the highest and the lowest of each part, of `TRIMMED` samples and more."""
    if len(rows) < TRIMMED:
        return rows, smooth
    ratio = np.divide(rows, smooth, out=np.ones_like(rows), where=smooth > 0)
    kept = np.ones(rows.shape, dtype=bool)
    parts = np.arange(rows.shape[1])
    kept[ratio.argmax(axis=0), parts] = False
    kept[ratio.argmin(axis=0), parts] = False
    return rows * kept, smooth * kept
