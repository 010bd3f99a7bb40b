"""Analogs: what followed when past events of a kind stood where this one stands, times the level of sales now.

A forecast of an ordinary day knows nothing of the minutes around a kick-off or the opening of a sale; how far sales
have come says most about what follows (analog forecasting: Lorenz 1969; Delle Monache et al. 2013).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from capacity.forecast.paths import ratios_after
from capacity.forecast.setting import FINE, Setting
from capacity.forecast.uplift import Occurrence
from capacity.model.arrays import Array, Places
from capacity.stats import sliding_maxima, weighted_quantiles

BEFORE, AFTER = timedelta(hours=1), timedelta(hours=4)  # around an event's start: people come early and stay on
LEAST = 1.0  # past event's worth of weight without which nothing is known of a kind
HOURS = 1.5  # by which the start of a past event may differ from this one's before it counts .6
HALF_LIFE = 14.0  # days: a crowd grows, and its habits change


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
    moments, weights = _moments(past, event, now, setting.step)
    paths = ratios_after(row[None, :], moments, reach + max(setting.window, 1) - 1)[0]  # (n, reach + window - 1)
    highest = sliding_maxima(paths, max(setting.window, 1))[:, :reach]
    known = (weights[:, None] * ~np.isnan(highest)).sum(axis=0)  # (reach,) past events' worth
    near = int(np.argmax(known < LEAST)) if (known < LEAST).any() else reach
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


def _moments(past: Sequence[Occurrence], event: Occurrence, now: int, step: timedelta) -> tuple[Places, Array]:
    """The slots that lie as far from past starts as `now` from this one (n,), and their weights."""
    day = round(timedelta(days=1) / step)
    starts = np.array([other.slots[0] for other in past], dtype=np.intp)
    earlier = event.slots[0] - starts
    apart = np.minimum(earlier % day, -earlier % day) * (step / timedelta(hours=1))
    weight = np.exp(-0.5 * (apart / HOURS) ** 2) * 0.5 ** (earlier / day / HALF_LIFE)
    return starts + now - event.slots[0], weight
