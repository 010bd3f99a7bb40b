"""Analogs: what followed past moments like this one, times the level of sales now.

A forecast of an ordinary day knows nothing of the minutes around a kick-off or the opening of a sale; how far sales
have come says most about what follows (analog forecasting: Lorenz 1969; Delle Monache et al. 2013). And of short steps
the next hours are told best by where sales stand now: the same time on past days tells them, where that was better on
the rolling origins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from capacity.forecast.calibration import Errors
from capacity.forecast.history import Origins
from capacity.forecast.maxima import highest_quantiles
from capacity.forecast.settings import FINE, BatchForecast, Setting
from capacity.forecast.uplift import Occurrence
from capacity.model.arrays import Array, Places
from capacity.stats import nan_mean, nearest_level, ordered_quantiles, pinball, sliding_maxima, weighted_quantiles

BEFORE, AFTER = timedelta(hours=1), timedelta(hours=4)  # around an event's start: people come early and stay on
LEAST_WEIGHT = 1.0  # past event's worth of weight without which nothing is known of a kind
HOURS = 1.5  # by which the start of a past event may differ from this one's before it counts .6
EVENT_HALF_LIFE = 14.0  # days: a crowd grows, and its habits change
HOURS_AHEAD = timedelta(hours=4)  # full weight over the first half, fading over the second
PAST_DAYS = 42  # looked back at
PAST_DAYS_HALF_LIFE = 7.0  # days
OTHER_WEEKDAY = 0.5  # weight of a day that is not the same weekday
AROUND = np.exp(-0.5 * (np.arange(-3, 4) / 3.0) ** 2)  # weights of the slots around the same minute
BETTER, MUCH_BETTER = 0.85, 0.65  # of the blend's loss: from where past days have a say, and the whole of it
OFTEN = 0.7  # of the rolling origins at which they must have been better: one storm is no reason


@dataclass(frozen=True, slots=True)
class Analogs:
    """The steps ahead (H,) as past events foretell them: the first `len(quantiles)` of a horizon, one row each."""

    kind: str
    seen: int
    quantiles: Array  # (h, Q)
    maxima: Array  # (h, Q), of the maximum over the setting's window from each step on

    @property
    def note(self) -> str:
        """What a forecast says of them."""
        return f"{self.kind}: the next {len(self.quantiles)} steps as after {self.seen} past events at this distance"

    def over(self, quantiles: Array, maxima: Array | None) -> tuple[Array, Array | None]:
        """Quantiles (H, Q) and maxima of a forecast with these steps in the place of its first ones."""
        near = len(self.quantiles)
        nearer = None if maxima is None else np.concatenate([self.maxima, maxima[near:]])
        return np.concatenate([self.quantiles, quantiles[near:]]), nearer


def find_analogs(row: Array, events: Sequence[Occurrence], setting: Setting) -> Analogs | None:
    """What is known of the event that a history (T,) ends near; None where there is none, or none like it was seen.

    The ratios ``row[t + h] / row[t - 1]`` are taken at the moments t of past events of this kind that lie as far from
    their start as T lies from this one's, weighed by hour of day and age; quantiles of them, of h steps and of the
    maxima of their windows, times the last value. Of n past events the quantile at level p is the one at p (n + 1) / n.

    >>> row = np.tile(np.where(np.arange(288) // 12 == 19, 90.0, 10.0), 4)[: 3 * 288 + 19 * 12 + 1]
    >>> matches = [Occurrence("", "match", np.arange(24) + 19 * 12 + 288 * day, None) for day in range(4)]
    >>> found = find_analogs(row, matches, Setting(timedelta(minutes=5), 24, (0.5,), window=12))
    >>> found.quantiles[[0, 23], 0], found.maxima[:1, 0]
    (array([90., 10.]), array([90.]))
    """
    now, event = len(row), _current(len(row), events, setting)
    if event is None or setting.step > FINE or not row[-1] > 0:
        return None
    past = [other for other in events if other.kind == event.kind and other.slots[0] < event.slots[0]]
    reach = min(setting.horizon, int(event.slots[0]) + AFTER // setting.step - now)
    moments, weights = _past_moments(past, event, now, setting.step)
    paths = ratios_after(row[None, :], moments, reach + max(setting.window, 1) - 1)[0]  # (n, reach + window - 1)
    highest = sliding_maxima(paths, max(setting.window, 1))[:, :reach]
    known = (weights[:, None] * ~np.isnan(highest)).sum(axis=0)  # (reach,) past events' worth
    near = int(np.argmax(known < LEAST_WEIGHT)) if (known < LEAST_WEIGHT).any() else reach
    if near == 0:
        return None
    levels = np.minimum(np.asarray(setting.quantile_levels) * ((known[:near] + 1) / known[:near])[:, None], 1.0)
    parts = np.stack([paths[:, :near], highest[:, :near]])
    quantiles, maxima = row[-1] * weighted_quantiles(parts, weights, levels)
    return Analogs(event.kind, len(past), quantiles, maxima)


def _current(now: int, events: Sequence[Occurrence], setting: Setting) -> Occurrence | None:
    """The event that began last, or begins soonest; one whose effect is given needs no analogs."""
    before = max(BEFORE // setting.step, setting.window)
    apart = [(event, now - event.slots[0]) for event in events if event.uplift is None]
    near = [event for event, since in apart if -before <= since < AFTER // setting.step]
    return max(near, key=lambda event: int(event.slots[0]), default=None)


def _past_moments(past: Sequence[Occurrence], event: Occurrence, now: int, step: timedelta) -> tuple[Places, Array]:
    """The slots that lie as far from past starts as `now` from this one (n,), and their weights."""
    day = round(timedelta(days=1) / step)
    starts = np.array([other.slots[0] for other in past], dtype=np.intp)
    earlier = event.slots[0] - starts
    apart = np.minimum(earlier % day, -earlier % day) * (step / timedelta(hours=1))
    weight = np.exp(-0.5 * (apart / HOURS) ** 2) * 0.5 ** (earlier / day / EVENT_HALF_LIFE)
    return starts + now - event.slots[0], weight


@dataclass(frozen=True, slots=True)
class PastDays:
    """How the next steps may go on: quantiles and maxima over windows (N, R, Q), from the last value on."""

    quantiles: Array
    maxima: Array


def with_past_days(
    batch: BatchForecast, values: Array, past: tuple[Origins, Errors, Array], setting: Setting
) -> BatchForecast:
    """The forecast with its next steps as past days (N, T) went on, as far as that was better at the rolling origins.

    `past` are these origins, the blend's errors from them and the offsets (N, Q) of its quantiles. Steps of more than a
    quarter of an hour, and series without a daily season, stay as they are.
    """
    origins, errors, offsets = past
    day, reach = round(timedelta(days=1) / setting.step), min(HOURS_AHEAD // setting.step, setting.horizon)
    if setting.step > FINE or values.shape[1] < 3 * day or origins.scored < 2:
        return batch
    share = _share_of_past_days(values, origins, errors, offsets, setting)  # (N,)
    if not share.any():
        return batch
    now = past_days(values, day, reach, setting)
    known = np.isfinite(now.quantiles).all(axis=(1, 2))
    weight = np.where(known, share, 0.0)[:, None, None] * np.clip(2 - 2 * np.arange(reach) / reach, 0, 1)[:, None]
    return _drawn_towards(batch, now, weight, setting)


def past_days(values: Array, day: int, reach: int, setting: Setting) -> PastDays:
    """Quantiles of the ratios to the last value on past days, times the last value (N, 1); NaN where it is not known.

    >>> day = np.tile(np.arange(1.0, 289.0), (1, 8))[:, :-144]
    >>> past_days(2 * day, 288, 3, Setting(timedelta(minutes=5), 3, (0.5,))).quantiles[0, :, 0].round()
    array([290., 292., 294.])
    """
    window, last = max(setting.window, 1), values[:, -1]
    moments, weights = _same_time(values.shape[1], day)
    ratios = ratios_after(values, moments, reach + window - 1)  # (N, n, reach + window - 1)
    highest = sliding_maxima(ratios, window)[:, :, :reach]
    levels = np.asarray(setting.quantile_levels)
    found = [
        weighted_quantiles(part, weights, levels) * last[:, None, None] for part in (ratios[:, :, :reach], highest)
    ]
    return PastDays(*found)


def _same_time(length: int, day: int) -> tuple[Places, Array]:
    """The slots at this time of the day on past days, and around it; and what each counts (n,)."""
    ago = np.arange(1, min(PAST_DAYS, (length - 4) // day) + 1)
    weight = 0.5 ** (ago / PAST_DAYS_HALF_LIFE) * np.where(ago % 7 == 0, 1.0, OTHER_WEEKDAY)
    moments = (length - ago * day)[:, None] + np.arange(-3, 4)
    return moments.ravel(), (weight[:, None] * AROUND).ravel()


def _share_of_past_days(values: Array, origins: Origins, errors: Errors, offsets: Array, setting: Setting) -> Array:
    """How much of the next steps past days may tell (N,): by the losses of both at the rolling origins."""
    day = round(timedelta(days=1) / setting.step)
    judged = min(origins.scored, max(1, HOURS_AHEAD // setting.step // 2))
    actual = origins.actuals(values)[:, :, :judged]
    levels = np.asarray(setting.quantile_levels)
    blend = errors.past[..., None] + errors.past_scale[..., None] * offsets[:, None, None, :]
    asked = replace(setting, window=1)
    days = np.stack([past_days(values[:, :end], day, judged, asked).quantiles for end in origins.ends[1:]], axis=1)
    known = ~np.isnan(actual)[..., None] & ~np.isnan(days)
    told = (np.where(known, days, np.nan), np.where(known, np.maximum(blend[:, :, :judged], 0.0), np.nan))
    mine, others = (_quantile_losses(actual, quantiles, levels) for quantiles in told)  # (N, K)
    ratio = np.nansum(mine, axis=1) / np.maximum(np.nansum(others, axis=1), 1e-300)
    often = (mine < others).sum(axis=1) >= OFTEN * np.maximum((~np.isnan(mine)).sum(axis=1), 1)
    return np.where(often, (BETTER - np.clip(ratio, MUCH_BETTER, BETTER)) / (BETTER - MUCH_BETTER), 0.0)


def _quantile_losses(actual: Array, told: Array, levels: Array) -> Array:
    """The mean quantile (pinball) loss of (N, K, R, Q) at each origin (N, K), NaN where nothing is known."""
    return nan_mean(pinball(actual[..., None], told, levels), (2, 3))


def _drawn_towards(batch: BatchForecast, now: PastDays, weight: Array, setting: Setting) -> BatchForecast:
    """The first steps of a forecast drawn towards past days by `weight` (N, R, 1)."""
    reach = weight.shape[1]
    quantiles = batch.quantiles.copy()
    quantiles[:, :reach] += weight * np.nan_to_num(now.quantiles - quantiles[:, :reach])
    quantiles = ordered_quantiles(quantiles)  # the sum of two orders may be rounded out of order
    middle = nearest_level(setting.quantile_levels)
    point = batch.point.copy()
    if setting.quantile_levels[middle] == 0.5:
        point[:, :reach] += weight[:, :, 0] * np.nan_to_num(now.quantiles[:, :, middle] - point[:, :reach])
    maxima = None
    if batch.maxima is not None:
        maxima = batch.maxima.copy()
        maxima[:, :reach] += weight * np.nan_to_num(now.maxima - maxima[:, :reach])
        maxima = np.maximum(ordered_quantiles(maxima), highest_quantiles(quantiles, setting.window))
    return replace(batch, point=point, quantiles=quantiles, maxima=maxima)


def ratios_after(values: Array, moments: Places, length: int) -> Array:
    """The `length` values (N, T) from each moment on, over the value before it (N, n, length); NaN where not known.

    >>> ratios_after(np.array([[2.0, 4, 6, 9]]), np.array([1, 3]), 2)
    array([[[2. , 3. ],
            [1.5, nan]]])
    """
    at, last = moments[:, None] + np.arange(-1, length), values.shape[1] - 1
    paths = np.where((at >= 0) & (at <= last), values[:, np.clip(at, 0, last)], np.nan)
    first = paths[:, :, :1]
    return np.asarray(paths[:, :, 1:] / np.where(first > 0, first, np.nan))
