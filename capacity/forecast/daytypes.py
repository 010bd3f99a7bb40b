"""A member: the day as it usually is on days of its kind, at today's level.

Three weeks have three Mondays but fifteen working days. How far two weekdays differ beyond what chance explains tells
how much each lends the other: a Tuesday learns from every working day, a Sunday from no other day where Sundays are
like none. Which day is a working day is nowhere assumed.
"""

from __future__ import annotations

import numpy as np

from capacity.forecast.history import Origins
from capacity.model.arrays import Array

CYCLES = 12  # of the longest season that are looked back at
HALF_LIFE = 8.0  # cycles until one counts half
ANY_DAY = 0.1  # observations' worth of the mean of all days in each slot
LEVEL_HALF_LIFE = 0.25  # of a day, until a step counts half in today's level
LEVEL_DECAY = 20.0  # days until half of what today's level is off is forgotten


def has_day_types(seasons: tuple[int, ...]) -> bool:
    """Whether the longest season is made of whole first ones, as a week is of days.

    >>> has_day_types((24, 168)), has_day_types((24,)), has_day_types((7, 365))
    (True, False, False)
    """
    return len(seasons) > 1 and seasons[-1] % seasons[0] == 0


def day_type_forecast(values: Array, weights: Array, seasons: tuple[int, ...], origins: Origins) -> Array:
    """Forecast values (N, T) of weights (N, T), 0 where nothing was observed, from every origin: (N, K + 1, H).

    >>> week = np.repeat([5.0, 5.0, 5.0, 5.0, 5.0, 1.0, 1.0], 4)
    >>> values = np.tile(week, 3)[None, :]
    >>> day_type_forecast(values, np.ones_like(values), (4, 28), Origins(np.array([84, 76]), 4, 4))[0].round()
    array([[5., 5., 5., 5.],
           [1., 1., 1., 1.]])
    """
    first, longest = seasons[0], seasons[-1]
    profile = _profiles(values, weights, seasons, origins)  # (N, K + 1, longest), slot 0 follows the origin
    back = min(int(origins.ends.min()), max(1, int(6 * LEVEL_HALF_LIFE * first)))
    recent = origins.ends[:, None] - back + np.arange(back)  # (K + 1, back)
    say = np.take(weights, recent, axis=1) * 0.5 ** (np.arange(back - 1, -1, -1) / (LEVEL_HALF_LIFE * first))
    off = say * (np.take(values, recent, axis=1) - np.take(profile, np.arange(-back, 0) % longest, axis=2))
    level = off.sum(axis=2) / np.maximum(say.sum(axis=2), 1e-12)  # (N, K + 1)
    ahead = np.arange(origins.horizon)
    return np.asarray(profile[:, :, ahead % longest] + level[:, :, None] * 0.5 ** (ahead / (LEVEL_DECAY * first)))


def _profiles(values: Array, weights: Array, seasons: tuple[int, ...], origins: Origins) -> Array:
    """The usual course of each day of the longest season, from itself and its like: (N, K + 1, longest)."""
    first, longest = seasons[0], seasons[-1]
    cycles = min(CYCLES, -(-int(origins.ends[0]) // longest))
    place = origins.ends[:, None] - cycles * longest + np.arange(cycles * longest)
    shape = (len(values), len(origins.ends), cycles, longest // first, first)
    # taken, not indexed: of one memory layout, so that a series' sums are the same alone and among others
    seen = (np.take(weights, np.maximum(place, 0), axis=1) * (place >= 0)).reshape(shape)
    cut = np.take(values, np.maximum(place, 0), axis=1).reshape(shape)
    say = seen * (0.5 ** (np.arange(cycles - 1, -1, -1) / HALF_LIFE))[:, None, None]
    total, mass = (say * cut).sum(axis=2), say.sum(axis=2)  # (N, K + 1, days, first)
    mean = total / np.maximum(mass, 1e-12)
    alike = _alike(mean, (seen * (cut - mean[:, :, None]) ** 2).sum(axis=2), seen.sum(axis=2))[..., None]
    lent, lent_mass = (alike * total[:, :, None]).sum(axis=3), (alike * mass[:, :, None]).sum(axis=3)
    any_day = total.sum(axis=2, keepdims=True) / np.maximum(mass.sum(axis=2, keepdims=True), 1e-12)
    profile = (total + lent + ANY_DAY * any_day) / (mass + lent_mass + ANY_DAY)
    return np.asarray(profile.reshape(*shape[:2], longest))


def _alike(mean: Array, squares: Array, count: Array) -> Array:
    """How much each weekday learns from each other one, between 0 and 1: (N, K + 1, days, days).

    From the means (N, K + 1, days, first) of their slots, the squares around them summed, and how often each was seen.
    Days that differ by no more than their noise would make them are one kind.
    """
    freedom = np.maximum(count - 1.0, 0.0).sum(axis=3).sum(axis=2)
    noise = squares.sum(axis=3).sum(axis=2) / np.maximum(freedom, 1e-12)  # (N, K + 1), of a single value
    often = np.maximum(count.mean(axis=3), 1e-12)  # (N, K + 1, days)
    chance = noise[:, :, None, None] * (1.0 / often[:, :, :, None] + 1.0 / often[:, :, None, :]) + 1e-12
    distance = ((mean[:, :, :, None] - mean[:, :, None, :]) ** 2).mean(axis=4)
    alike = np.exp(-np.maximum(distance / chance - 1.0, 0.0) / 2.0)
    days = np.arange(mean.shape[2])
    alike[:, :, days, days] = 0.0  # what a day knows of itself counts whole already
    return np.asarray(alike)
