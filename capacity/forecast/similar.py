"""A member: what followed the past days most like the last one, at today's level.

Analog forecasting (Lorenz, 1969) of a whole day: each past day counts by how near its course came to that of the last
day, and what came after it is brought to where sales stand now. Nothing is assumed of how one day leads to the next,
so it errs apart from members that average or regress.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from capacity.forecast.history import Origins
from capacity.model.arrays import Array
from capacity.series.seasons import calendar_seasons
from capacity.stats import running_totals

MOST_DAYS = 28  # looked back at: four weeks
MOST_SHIFTS = 168  # where no week is known: every twenty-fourth of a day of the last week is a beginning
PARTS = 24  # of a day
NEAREST = 5  # place of the past day whose distance is the unit of all others: 3 to 8 are level
SHARPNESS = 2.0  # of the weights in that unit
LEVEL = 0.7  # of the distance between the last hours of both days, that is taken for a lasting one
LEAST_SEEN, TINY = 1e-3, 1e-9
LEAST_DAYS = 4  # before the earliest origin: with fewer there is no choice


def similar_length(seasons: tuple[int, ...], step: timedelta, origins: Origins) -> int:
    """The steps of a day, or of the shortest season known; 0 where the earliest origin has seen less than four."""
    length = next(iter(seasons or calendar_seasons(step)), 0)
    return length if LEAST_DAYS * length <= int(origins.ends.min()) else 0


@dataclass(frozen=True, slots=True)
class Search:
    """Which past days are compared with the last one: of `length` steps, `stride` apart, the latest `most` of them."""

    length: int
    stride: int
    most: int

    @staticmethod
    def of(length: int, *, weekly: bool) -> Search:
        """Where days are not known to make a week, a past day may begin at any hour: other cycles are found."""
        return Search(length, length, MOST_DAYS) if weekly else Search(length, max(1, length // PARTS), MOST_SHIFTS)


def similar_forecast(values: Array, weights: Array, search: Search, origins: Origins) -> Array:
    """Forecast standardised values (N, T) without gaps from every origin, one day after the other: (N, K + 1, H).

    `weights` (N, T) are 0 where nothing was observed.

    >>> sawtooth = np.tile(np.arange(16.0), 20)[None, :]
    >>> search = Search.of(24, weekly=False)
    >>> ahead = similar_forecast(sawtooth, np.ones_like(sawtooth), search, Origins(np.array([320]), 24, 24))
    >>> ahead[0, 0, 12:].round(3)
    array([12., 13., 14., 15.,  0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.])
    """
    parts = [_ahead(values[:, :end], weights[:, :end], search, origins.horizon) for end in origins.ends.tolist()]
    return np.stack(parts, axis=1)


def _ahead(values: Array, weights: Array, search: Search, horizon: int) -> Array:
    """The forecast (N, H) of histories (N, t)."""
    days, tails, after, seen = _past_days(values, weights, search)
    now, answer = values[:, -search.length :], []
    for _ in range(-(-horizon // search.length)):
        tail = LEVEL * _tail(now)  # (N,)
        level = now - tail[:, None]
        distance = ((days - level[:, None]) ** 2).mean(axis=2) / np.maximum(seen, LEAST_SEEN) ** 2
        nearest = min(NEAREST, distance.shape[1] - 1)
        usual = np.partition(distance, nearest, axis=1)[:, [nearest]] + TINY
        say = np.exp(-SHARPNESS * distance / usual) * seen**2 + TINY
        say /= say.sum(axis=1, keepdims=True)
        now = (say[:, None, :] @ after)[:, 0] + (tail - (say * tails).sum(axis=1))[:, None]
        answer.append(now)
    return np.concatenate(answer, axis=1)[:, :horizon]


def _past_days(values: Array, weights: Array, search: Search) -> tuple[Array, Array, Array, Array]:
    """Past days less their level (N, n, length), that level (N, n), the days after them, and how much was observed."""
    length, last = search.length, values.shape[1]
    moments = np.arange(last - length, length - 1, -search.stride)[: search.most]  # (n,), where a day ends
    before = moments[:, None] + np.arange(-length, 0)
    days, after = np.take(values, before, axis=1), np.take(values, before + length, axis=1)
    tails = LEVEL * _tail(days)
    total = running_totals(weights)
    seen = (total[:, moments + length] - total[:, moments - length]) / (2 * length)
    return days - tails[:, :, None], tails, after, seen


def _tail(days: Array) -> Array:
    """The mean of the last quarter of each day (..., length)."""
    return np.asarray(days[..., -max(1, days.shape[-1] // 4) :].mean(axis=-1))
