"""How full a store will be: paths of its bytes over the coming steps, from its writes and its cleanups.

Writes are a level with a trend and changepoints, or follow sales (bytes per order); what they were off by comes from
past weeks, drawn in whole blocks so that days and nights keep their shape. Cleanups come as they came
(`capacity.forecast.cleanups`). From the paths follow the quantiles of the maximum, and the days until full.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from capacity.forecast.cleanups import Cleanups, find_cleanups, learn_remains, next_waits
from capacity.model.arrays import Array
from capacity.model.errors import require
from capacity.series.levels import shift_slots
from capacity.stats import robust_deviation

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
PATHS = 400  # the 5 % quantile of days until full then rests on twenty of them
LEAST = 6  # steps of a history: from fewer no growth can be told from noise
WEEKS = 4  # from which blocks of a week are drawn; days before, single steps on less than four days
HALF_LIFE = 2.0  # blocks after which a past level of writes counts half
MOST_BLOCKS = 26  # half a year of weeks: what is older knew another store
TREND_BLOCKS = 8  # from which growth of the writes can be told
TREND_TRUST = 13.0  # blocks' worth of "no growth"
DAMPING = 13.0  # blocks after which growth of the writes has half its slope
LEAST_WANDER = 0.02  # log units by which a level moves from block to block though none has been seen to
RUNS = (3, 6, 12, 24, 48, 72, 96, 168)  # hours over which a run of writes beyond all before is looked for
BEYOND = 1.25  # times the largest run of that length before
STILL_ON = 0.5  # of a run's rate: where the last hours write less, it is over
RUN_ON = 0.5  # share of the futures in which such a run goes on
EXPLAINED = 0.7  # of the error of a plain level: sales drive the writes where they leave less


@dataclass(frozen=True, slots=True)
class Driver:
    """What drives the writes: sales per step of the history (T,), and ahead (H,): median and log deviation."""

    past: Array
    ahead: Array
    spread: Array


@dataclass(frozen=True, slots=True)
class FillPaths:
    """Bytes (or inodes) in use over the coming steps, `paths` of shape (P, H); and what they were made from.

    `per_sale` is the bytes per sale where sales explain the writes; `notes` says what was found.
    """

    paths: Array
    step: timedelta
    now: float
    notes: tuple[str, ...] = ()
    per_sale: float | None = None

    def highest(self, level: float) -> Array:
        """The quantile of the maximum from now to the end of each step: (H,)."""
        return np.asarray(np.quantile(np.maximum.accumulate(self.paths, axis=1), level, axis=0))

    def quantiles(self, level: float) -> Array:
        """The quantile of each step: (H,)."""
        return np.asarray(np.quantile(self.paths, level, axis=0))

    def days_until(self, bound: float, level: float) -> float | None:
        """Days until the bytes reach a bound, at a quantile level of the futures; None: not within the horizon.

        >>> grows = fill_paths(np.arange(200.0), timedelta(hours=1), 100, random=np.random.default_rng(0))
        >>> round(24 * grows.days_until(249.5, 0.5))
        51
        """
        reached = self.paths >= bound
        steps = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)
        found = float(np.quantile(steps, level, method="higher"))
        return found * (self.step / DAY) if np.isfinite(found) else None

    def chance(self, bound: float, within: timedelta) -> float:
        """The share of the futures in which a bound is reached within a time."""
        steps = max(1, round(within / self.step))
        return float((self.paths[:, :steps] >= bound).any(axis=1).mean())


def fill_paths(
    used: Array, step: timedelta, horizon: int, *, random: np.random.Generator, driver: Driver | None = None
) -> FillPaths:
    """Paths of a store's bytes over `horizon` steps, from its history (T,), NaN for gaps.

    Raises `DataError` for fewer than six observed steps.

    >>> week = np.tile(np.arange(168.0), 6)  # a cleanup every week, nothing left
    >>> paths = fill_paths(week, timedelta(hours=1), 240, random=np.random.default_rng(0))
    >>> bool(paths.highest(0.5).max() < 200)
    True
    """
    history = _without_gaps(used)
    per_day = max(1, round(DAY / step))
    found = find_cleanups(history, per_day)
    writes = _writes(history, found)
    model = _learned(writes, per_day, driver)
    grown = history[-1] + np.cumsum(model.draw(horizon, random), axis=1)
    grown = _run_on(grown, history[-1], writes, step, random)
    notes = (*model.notes, *_notes(found, step))
    return FillPaths(np.maximum(_cleaned(grown, found, random), 0.0), step, float(history[-1]), notes, model.per_sale)


def _without_gaps(used: Array) -> Array:
    """The history from its first value on, straight over its gaps: what was written in one was written evenly."""
    seen = np.flatnonzero(np.isfinite(used))
    require(len(seen) >= LEAST, "volume: expected at least {} measurements, got {}", LEAST, len(seen))
    slots = np.arange(seen[0], seen[-1] + 1)
    return np.interp(slots, seen, used[seen])


def _writes(history: Array, found: Cleanups) -> Array:
    """What each step added: (T - 1,), NaN within a cleanup."""
    writes = np.diff(history)
    for start, end in zip(found.starts, found.ends, strict=True):
        writes[start:end] = np.nan
    return writes


@dataclass(frozen=True, slots=True)
class Writes:
    """The writes to come: what is expected of each block, and what past blocks were off by, over their expectation.

    `level` is bytes per step, `growth` the log slope per block, `wander` the log deviation between blocks; `errors`
    (n, block) are relative, or in bytes where `level` is not positive. With a driver, `expected` (H,) takes the place
    of the level, and `spread` (H,) that of the wandering.
    """

    level: float
    growth: float
    wander: float
    errors: Array
    notes: tuple[str, ...] = ()
    per_sale: float | None = None
    expected: Array | None = None
    spread: Array | None = None

    def draw(self, horizon: int, random: np.random.Generator) -> Array:
        """What each step adds: (P, H)."""
        block = self.errors.shape[1]
        count = -(-horizon // block)
        drawn = self.errors[random.integers(len(self.errors), size=(PATHS, count))]  # (P, blocks, block)
        if self.level <= 0:
            return np.asarray(drawn.reshape(PATHS, -1)[:, :horizon])
        if self.expected is not None and self.spread is not None:
            off = np.exp(self.spread * random.standard_normal((PATHS, 1)))
            ahead = np.pad(self.expected * off, ((0, 0), (0, count * block - horizon)), mode="edge")
            shape = ahead.reshape(PATHS, count, block)
            return np.asarray((shape + drawn * shape.mean(axis=2, keepdims=True)).reshape(PATHS, -1)[:, :horizon])
        number = np.arange(1, count + 1)
        damping = 0.5 ** (1 / DAMPING)
        trend = self.growth * (1 - damping**number) / -np.log(damping)
        wander = self.wander * np.cumsum(random.standard_normal((PATHS, count)), axis=1)
        level = self.level * np.exp(np.clip(trend + wander, -3.0, 3.0))[:, :, None]
        return np.asarray((level * (1.0 + drawn)).reshape(PATHS, -1)[:, :horizon])


def _learned(writes: Array, per_day: int, driver: Driver | None) -> Writes:
    """The level of the writes and what it was off by; or sales and bytes per sale, where these explain more."""
    block = _block(len(writes), per_day)
    blocks = _blocks(writes, block)
    plain = _levelled(blocks, _since_shift(writes, per_day, block))
    if driver is None or plain.level <= 0:
        return plain
    return _driven(writes, driver, block, plain)


def _block(length: int, per_day: int) -> int:
    if length >= WEEKS * 7 * per_day:
        return 7 * per_day
    return per_day if length >= 4 * per_day else 1


def _blocks(writes: Array, block: int) -> Array:
    """The last whole blocks (n, block), counted back from the end; gaps at their block's mean."""
    count = min(len(writes) // block, MOST_BLOCKS * max(1, 168 // block))
    rows = writes[len(writes) - count * block :].reshape(count, block)
    seen = np.isfinite(rows)
    means = np.where(seen, rows, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    return np.where(seen, rows, means[:, None])


def _since_shift(writes: Array, per_day: int, block: int) -> int:
    """How many of the last blocks lie after the last lasting change of the writes' level."""
    whole = np.maximum(np.nan_to_num(writes), 0.0)
    shifts = shift_slots(whole, DAY / per_day) if len(writes) >= 28 * per_day else []
    after = len(writes) - shifts[-1][0] if shifts else len(writes)
    return max(1, int(after // block))


def _levelled(blocks: Array, since: int) -> Writes:
    means = blocks.mean(axis=1)
    levels = _levels(means, len(means) - since)
    if (levels <= 0).any():
        return Writes(0.0, 0.0, 0.0, blocks[-8:], ("no steady growth: the last changes are drawn from",))
    errors = blocks[1:] / levels[:-1, None] - 1.0 if len(blocks) > 1 else np.zeros((1, blocks.shape[1]))
    growth = _growth(means[-since:])
    wander = _wander(np.log(np.maximum(means, 1e-3 * levels)))
    notes = (f"writes changed their level {since} blocks ago",) if since < len(means) else ()
    return Writes(float(levels[-1]), growth, wander, errors, notes)


def _levels(means: Array, shift: int) -> Array:
    """After each block, the level of the writes: newer blocks weigh more, those before a change nothing."""
    keep = 0.5 ** (1 / HALF_LIFE)
    levels, total, weight = np.empty(len(means)), 0.0, 0.0
    for place, mean in enumerate(means.tolist()):
        if place == shift:
            total = weight = 0.0
        total, weight = keep * total + mean, keep * weight + 1.0
        levels[place] = total / weight
    return levels


def _growth(means: Array) -> float:
    """Log slope per block by the median of slopes, and less the fewer blocks there are."""
    count = len(means)
    if count < TREND_BLOCKS or (means <= 0).any():
        return 0.0
    logs = np.log(means)
    first, second = np.triu_indices(count, 1)
    return float(np.median((logs[second] - logs[first]) / (second - first))) * count / (count + TREND_TRUST)


def _wander(logs: Array) -> float:
    """How much the level itself moves from block to block: noise that comes and goes is taken out.

    Of a level that wanders under noise, changes have the variance w + 2 n, and minus n with the next (Muth, 1960).
    """
    change = np.diff(logs)
    if len(change) < 3:
        return 5 * LEAST_WANDER
    change = np.clip(
        change - np.median(change), -3 * robust_deviation(change) - 1e-9, 3 * robust_deviation(change) + 1e-9
    )
    size = float(change @ change) / len(change) + 2.0 * float(change[1:] @ change[:-1]) / (len(change) - 1)
    return max(LEAST_WANDER, float(np.sqrt(max(size, 0.0))))


def _driven(writes: Array, driver: Driver, block: int, plain: Writes) -> Writes:
    """Writes as a share that is always there and bytes per sale, if that leaves clearly less than a level does."""
    past = driver.past[-len(writes) :]
    known = _blocks(np.where(np.isfinite(past), writes, np.nan), block), _blocks(past, block)
    if len(known[0]) < 3 or len(past) < len(writes):
        return plain
    share, rate = _per_sale(known[0].mean(axis=1), known[1].mean(axis=1))
    expected = share + rate * known[1]
    if rate <= 0 or (expected.mean(axis=1) <= 0).any():
        return plain
    errors = (known[0] - expected) / expected.mean(axis=1, keepdims=True)
    left, before = (float(np.abs(one.mean(axis=1)).mean()) for one in (errors, plain.errors))
    if left > EXPLAINED * before:
        return plain
    notes = (*plain.notes, f"sales explain the writes: {rate:,.0f} per sale")
    ahead, spread = share + rate * driver.ahead, driver.spread * rate * driver.ahead
    spread = spread / np.maximum(ahead, 1e-9)
    return replace(plain, errors=errors, notes=notes, per_sale=rate, expected=ahead, spread=spread)


def _per_sale(writes: Array, sales: Array) -> tuple[float, float]:
    """Bytes per step that are always written, and bytes per sale; neither below zero."""
    from scipy.optimize import nnls

    scale = max(float(sales.mean()), 1e-9)
    found, _ = nnls(np.stack([np.ones(len(sales)), sales / scale], axis=1), np.maximum(writes, 0.0))
    return float(found[0]), float(found[1]) / scale


def _run_on(grown: Array, now: float, writes: Array, step: timedelta, random: np.random.Generator) -> Array:
    """A run of writes beyond all before goes on in half of the futures: nothing in the past says when it ends."""
    rate = _runaway(np.nan_to_num(writes), step)
    if rate is None:
        return grown
    on = random.random(len(grown)) < RUN_ON
    line = now + rate * np.arange(1, grown.shape[1] + 1)
    return np.where(on[:, None], np.maximum(grown, line), grown)


def _runaway(writes: Array, step: timedelta) -> float | None:
    """The rate of the last writes, per step, where they are beyond any run as long of the time before."""
    longest = max(1, round(RUNS[-1] * HOUR / step))
    if len(writes) < 2 * longest:
        return None
    totals = np.concatenate([[0.0], np.cumsum(writes)])
    now, rates = max(1, round(RUNS[0] * HOUR / step)), []
    for hours in RUNS:
        run = round(hours * HOUR / step)
        if run < 1:
            continue
        before = totals[run : len(totals) - longest] - totals[: len(totals) - longest - run]
        recent = float(totals[-1] - totals[-1 - run])
        still = (totals[-1] - totals[-1 - now]) / now >= STILL_ON * recent / run
        if still and recent > BEYOND * max(float(before.max()), 0.0):
            rates.append(recent / run)
    return max(rates, default=None)


def _cleaned(grown: Array, found: Cleanups, random: np.random.Generator) -> Array:
    """The paths with the cleanups to come taken out."""
    if found.certainty == 0.0:
        return grown
    remains, trigger = learn_remains(found), found.trigger
    goes_on = random.random(len(grown)) < found.certainty
    paths, horizon = grown.shape
    fallen = np.zeros((paths, horizon + 1))
    off, last = np.zeros(paths), np.full(paths, -1.0)
    number = 0
    while True:
        number += 1
        if trigger is None:
            at = last + next_waits(found, paths, random, first=number == 1)
        else:
            at = _reached(grown - off[:, None], trigger, last)
        due = goes_on & (at < horizon) & (number <= horizon)
        if not due.any():
            return np.asarray(grown - np.cumsum(fallen, axis=1)[:, :horizon])
        rows, slots = np.flatnonzero(due), at[due].astype(np.intp)
        peaks = grown[rows, slots] - off[rows]
        freed = peaks - remains.after(np.maximum(peaks, 0.0), number, random)
        fallen[rows, slots + 1] += freed
        off[rows] += freed
        last = np.where(due, at, float(horizon))


def _reached(paths: Array, trigger: float, last: Array) -> Array:
    """The first slot after the last cleanup at which each path stands at the level that sets one off."""
    slots = np.arange(paths.shape[1])
    there = (paths >= trigger) & (slots > last[:, None])
    return np.where(there.any(axis=1), there.argmax(axis=1), float(paths.shape[1]))


def _notes(found: Cleanups, step: timedelta) -> tuple[str, ...]:
    count = len(found.starts)
    if not count:
        return ()
    if count < 2:
        return ("one cleanup was seen: no other is expected",)
    every = float(np.median(found.intervals)) * (step / DAY)
    size = float(np.median(found.peaks - found.troughs)) / 2**30
    what = f"a cleanup every {every:.3g} days frees {size:,.3g} GiB"
    if found.certainty == 0.0:
        return (f"{what}, but none came for {found.since * (step / DAY):.3g} days: none is expected any more",)
    if found.certainty < 1.0:
        return (f"{what}; whether the next one comes is not certain",)
    return (what,)
