"""When the level of a business changed for good: abrupt, lasting shifts, found, dated and measured.

Growth, a weekly cycle, an outlier day, a closure of days and noise are no shifts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from capacity.model import require
from capacity.model.arrays import Array
from capacity.series.steps import WEEK_DAYS, evened, rolling_median, without_closures, without_week
from capacity.stats import block_means, lower_quantiles, median, robust_deviation

DAY = timedelta(days=1)
WINDOW = {"day": 28, "week": 12, "longer": 6}  # steps on each side: four weeks hold every weekday four times
LASTING = 0.5  # of the window: a level is believed after fourteen days, longer than any Christmas closure
SMALLEST = 0.22  # log units, a quarter: smaller changes are within what the forecast follows by itself
CLEAR = 5.0  # times the usual size of such a change in this history; see the false alarms in the tests
ABRUPT = 0.6  # share of the change that must show between one quarter of the window before and after
FLOOR = 0.1  # of the mean, added before the logarithm: days without sales stay finite
SPARSE = 1 / 3  # share of days without a sale from which single days carry no level
MOST = 8  # shifts that are told apart; a history with more has no level
MEDIAN_ERROR = MEAN_TO_DEVIATION = 1.2533  # sqrt(pi / 2): a median's standard error over a mean's; and, for normal
# noise, the standard deviation over the mean absolute one
AROUND = 20  # windows on each side from which the usual size of a change is taken
MOST_TIED = 0.9  # autocorrelation beyond which a history of weeks cannot tell noise from a wandering level
YEAR_DAYS, SAME_SEASON = 365.25, 21  # a change that comes back within three weeks of its date is the year's own


@dataclass(frozen=True, slots=True)
class Shift:
    """From the step `at` on, the typical level per step is `after` instead of `before`."""

    at: datetime
    before: float
    after: float

    @property
    def ratio(self) -> float:
        """The new level over the old one; the old one counts as a thousandth of the new one where it was zero."""
        return self.after / max(self.before, 1e-3 * self.after, 1e-300)


def find_shifts(history: pd.Series) -> tuple[Shift, ...]:
    """The abrupt and lasting changes of level of a history (regular UTC index, gaps as NaN), oldest first.

    Steps finer than a day are looked at as days. A shift needs fourteen days on both sides (twelve-step windows of
    weeks and six-step ones of months need half), a change by a quarter, five times the usual difference between
    neighbouring windows of this history; most of it must happen at once and none of it may be undone.

    >>> index = pd.date_range("2026-01-01", periods=90, freq="D", tz="UTC")
    >>> find_shifts(pd.Series(np.where(np.arange(90) < 50, 10.0, 25.0), index))[0].at.date()
    datetime.date(2026, 2, 20)
    """
    require(len(history) >= 2, "levels: expected at least two steps, got {}", len(history))
    dates, history = history, evened(history)
    step = (history.index[1:] - history.index[:-1]).min()
    grid = history.asfreq(step) if len(history) * step != history.index[-1] - history.index[0] + step else history
    found = shift_slots(grid.to_numpy(dtype=np.float64), step.to_pytimedelta())
    steps = grid.index if dates is history else _nearest(dates, grid.index)  # months have their own first days
    return tuple(Shift(steps[slot].to_pydatetime(), before, after) for slot, before, after in found)


def _nearest(dates: pd.Series, steps: pd.Index) -> pd.Index:
    return dates.index[dates.index.get_indexer(steps, method="nearest")]


def shift_slots(values: Array, step: timedelta) -> list[tuple[int, float, float]]:
    """Shifts of a history (T,) as (slot, typical level per step before, after); nothing after the last slot is used."""
    per_day = max(1, round(DAY / step))
    daily = block_means(values, per_day)  # (days,), or (T,) for steps of a day and more
    found = _among(daily, max(1.0, step / DAY))
    if found is None:  # too sparse to see days: weeks
        weekly = block_means(daily, WEEK_DAYS)
        coarse = _among(weekly, WEEK_DAYS * max(1.0, step / DAY)) or []
        found = [(len(daily) % WEEK_DAYS + place * WEEK_DAYS, before, after) for place, before, after in coarse]
    return [(len(values) % per_day + place * per_day, before, after) for place, before, after in found]


def _among(daily: Array, days: float) -> list[tuple[int, float, float]] | None:
    """Shifts among means over `days` days each; None where more than a third of them is zero."""
    window = WINDOW["day" if days == 1 else "week" if days <= WEEK_DAYS else "longer"]
    if len(daily) < window or not np.nansum(daily) > 0:
        return []
    logs = without_closures(without_week(np.log(daily / _usual_mean(daily) + FLOOR), days), window)
    open_days = daily[~np.isnan(logs)]
    if days == 1 and (open_days == 0).mean() > SPARSE:
        return None
    places = _without_yearly(_search(logs, window), logs, window, YEAR_DAYS / days)
    edges = [0, *places, len(daily)]
    seen = np.where(np.isnan(logs), np.nan, daily)
    return [(at, *_levels(seen, edges[k : k + 3], window)) for k, at in enumerate(places)]


def _usual_mean(daily: Array) -> float:
    """The mean, in which one wild value weighs no more than the highest usual one."""
    return float(np.nanmean(np.minimum(daily, lower_quantiles(daily[None, :], 0.99)[0]))) or float(np.nanmean(daily))


def _levels(daily: Array, edges: list[int], window: int) -> tuple[float, float]:
    """Medians of the window on each side of the middle edge, up to the neighbouring shifts."""
    start, place, stop = edges
    before, after = daily[max(start, place - window) : place], daily[place : min(stop, place + window)]
    return median(before), median(after)


def _search(logs: Array, window: int) -> list[int]:
    """Take the clearest change, level it, look again: places of all shifts, ascending."""
    rest = logs.copy()
    places: list[int] = []
    for _ in range(MOST):
        for place in _largest_changes(rest, window):
            if all(abs(place - other) >= window // 4 for other in places) and _holds(rest, place, window):
                break
        else:
            return sorted(places)
        places.append(place)
        rest[place:] -= _jump(rest, place, window)
    return sorted(places)


def _changes(logs: Array, window: int) -> Array:
    """Median of the window from each step on, less the median of the window before it: (n,), NaN near the ends."""
    back = rolling_median(logs, window)
    ahead = rolling_median(logs[::-1], window)[::-1]
    change = np.full(len(logs), np.nan)
    change[1:] = ahead[1:] - back[:-1]
    return change


def _largest_changes(logs: Array, window: int) -> Iterator[int]:
    """The exact steps of the three largest changes; the largest may be a closure or a ramp that hides a shift."""
    size = np.nan_to_num(np.abs(_changes(logs, window)))
    for _ in range(3):
        top = int(size.argmax())
        if size[top] < SMALLEST:
            return
        yield _dated(logs, top, window)
        size[max(0, top - window) : top + window] = 0.0


def _dated(logs: Array, top: int, window: int) -> int:
    """The step at which the sides part best: the peak of the cumulated distance from half way between them."""
    start, stop = max(0, top - window), min(len(logs), top + window)
    part, split = logs[start:stop], top - start
    before, after = median(part[:split]), median(part[split:])
    half = abs(after - before) / 2
    distance = np.clip(np.nan_to_num(part - (before + after) / 2), -half, half) * np.sign(before - after)
    return start + int(np.cumsum(distance).argmax()) + 1


def _jump(logs: Array, place: int, window: int) -> float:
    return _between(logs[max(0, place - window) : place], logs[place : place + window])


def _between(before: Array, after: Array) -> float:
    """Difference of the medians; NaN where a side has too little."""
    if not np.isfinite(before).any() or not np.isfinite(after).any():
        return float("nan")
    return median(after) - median(before)


def _holds(logs: Array, place: int, window: int) -> bool:
    """Whether a change is clear, abrupt and lasting."""
    if min(place, len(logs) - place) < int(LASTING * window):
        return False
    jump = _jump(logs, place, window)
    if not (abs(jump) >= SMALLEST and _abrupt(logs, place, window, jump) and _lasting(logs, place, window, jump)):
        return False
    start, stop = max(0, place - AROUND * window), place + AROUND * window
    levelled = np.concatenate([logs[start:place], logs[place:stop] - jump])
    return abs(jump) >= CLEAR * _usual(levelled, _changes(levelled, window), window)


def _usual(levelled: Array, change: Array, window: int) -> float:
    """The usual size of a change in this history: measured between windows, at least what its noise makes.

    Noise that hangs together moves a mean of n steps as much as n (1 - r) / (1 + r) independent ones (Bartlett, 1946).
    """
    between = robust_deviation(change - median(change))
    off = np.nan_to_num(levelled - rolling_median(levelled, 2 * window + 1, center=True))
    power = float(off @ off)
    tied = min(max(float(off[1:] @ off[:-1]) / power, 0.0), MOST_TIED) if power > 0 else 0.0
    noise = MEAN_TO_DEVIATION * float(np.abs(off).mean()) * np.sqrt((1 + tied) / (1 - tied))
    return float(max(between, MEDIAN_ERROR * noise * np.sqrt(2 / window)))


def _abrupt(logs: Array, place: int, window: int, jump: float) -> bool:
    near = max(3, window // 4)
    at_once = _between(logs[max(0, place - near) : place], logs[place : place + near])
    return bool(at_once * np.sign(jump) >= ABRUPT * abs(jump))


def _lasting(logs: Array, place: int, window: int, jump: float) -> bool:
    """Both halves and the end of the window after, and both halves before, stand at their own level."""
    before, after = logs[max(0, place - window) : place], logs[place : place + window]
    middle = median(before) + jump / 2
    ends = (after[: len(after) // 2], after[len(after) // 2 :], after[-max(3, window // 6) :])
    parts = (*ends, before[: len(before) // 2], before[len(before) // 2 :])
    if not all(np.isfinite(part).any() for part in parts):
        return False
    beyond = (np.array([median(part) for part in parts]) - middle) * np.sign(jump)
    return bool((beyond[: len(ends)] > 0).all() and (beyond[len(ends) :] < 0).all())


def _without_yearly(places: list[int], logs: Array, window: int, year: float) -> list[int]:
    """Shifts without those that the same season of another year shows as well, at least by half."""
    if not places:
        return []
    levelled, jumps = logs.copy(), {}
    for place in places:
        jumps[place] = _jump(levelled, place, window)
        levelled[place:] -= jumps[place]
    change = np.nan_to_num(_changes(logs, window))
    return [place for place in places if not _comes_back(change, place, jumps[place], year)]


def _comes_back(change: Array, place: int, jump: float, year: float) -> bool:
    near = max(1, round(SAME_SEASON * year / YEAR_DAYS))
    cycles = [k for k in range(-int(place / year) - 1, int((len(change) - place) / year) + 2) if k]
    there = [place + round(k * year) for k in cycles]
    spans = [change[max(0, at - near) : max(0, at + near + 1)] * np.sign(jump) for at in there]
    return any(len(span) > 0 and span.max() >= abs(jump) / 2 for span in spans)
