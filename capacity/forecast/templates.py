"""Members: the usual season at today's level.

The usual day of a week is told by the days of its kind. Three weeks have three Mondays but fifteen working days: how
far two weekdays differ beyond what chance explains tells how much each lends the other, so that a Tuesday learns from
every working day, and a Sunday from no other day where none is like it. Which days are working days is nowhere assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.forecast.history import Origins
from capacity.model.arrays import Array

CYCLES = 12  # of the longest season that are looked back at
ANY_SLOT = 1e-3  # observations' worth of the mean of all slots in each one
ANY_DAY = 0.1  # observations' worth of the mean of all days in each slot of a day of the week


@dataclass(frozen=True, slots=True)
class Template:
    """How a template remembers: the half-life of a cycle in cycles, of the level and of its decay in seasons.

    At most `cycles` of them are looked back at.
    """

    half_life: float
    level_half_life: float
    decay_half_life: float
    cycles: int = CYCLES


STEADY = Template(4.0, 0.25, 2.0)
TRACKING = Template(2.0, 0.1, 20.0)  # follows the level, keeps it
DAY_TYPES = Template(8.0, 0.25, 20.0)
QUICK = Template(1.0, 0.25, 20.0, cycles=4)  # forgets all but the last weeks


def has_day_types(seasons: tuple[int, ...]) -> bool:
    """Whether the longest season is made of whole first ones, as a week is of days.

    >>> has_day_types((24, 168)), has_day_types((24,)), has_day_types((7, 365))
    (True, False, False)
    """
    return len(seasons) > 1 and seasons[-1] % seasons[0] == 0


def template_forecast(
    values: Array, weights: Array, seasons: tuple[int, ...], origins: Origins, template: Template
) -> Array:
    """The average of the longest season plus what the level has lately been off, from every origin: (N, K + 1, H).

    `weights` (N, T) are 0 where nothing was observed.
    """
    cut, _, say = _cycles(values, weights, seasons[-1], origins, template)
    total, mass = (say * cut).sum(axis=2), say.sum(axis=2)  # (N, K + 1, season)
    usual = total.sum(axis=2, keepdims=True) / np.maximum(mass.sum(axis=2, keepdims=True), 1e-12)
    profile = (total + ANY_SLOT * usual) / (mass + ANY_SLOT)
    return _at_level(profile, (values, weights), seasons[0], origins, template)


def day_type_forecast(
    values: Array, weights: Array, seasons: tuple[int, ...], origins: Origins, template: Template = DAY_TYPES
) -> Array:
    """The usual course of each day, from itself and its like, plus what the level has lately been off: (N, K + 1, H).

    `weights` (N, T) are 0 where nothing was observed.

    >>> week = np.repeat([5.0, 5.0, 5.0, 5.0, 5.0, 1.0, 1.0], 4)
    >>> values = np.tile(week, 3)[None, :]
    >>> day_type_forecast(values, np.ones_like(values), (4, 28), Origins(np.array([84, 76]), 4, 4))[0].round()
    array([[5., 5., 5., 5.],
           [1., 1., 1., 1.]])
    """
    first, longest = seasons[0], seasons[-1]
    cycles = _cycles(values, weights, longest, origins, template)
    days = (*cycles[0].shape[:3], longest // first, first)
    cut, seen, say = (part.reshape(days) for part in cycles)
    total, mass = (say * cut).sum(axis=2), say.sum(axis=2)  # (N, K + 1, days, first)
    mean = total / np.maximum(mass, 1e-12)
    off = cut - mean[:, :, None]
    alike = _alike(mean, (seen * off * off).sum(axis=2), seen.sum(axis=2))
    lent, lent_mass = alike @ total, alike @ mass
    any_day = total.sum(axis=2, keepdims=True) / np.maximum(mass.sum(axis=2, keepdims=True), 1e-12)
    profile = (total + lent + ANY_DAY * any_day) / (mass + lent_mass + ANY_DAY)
    return _at_level(profile.reshape(*days[:2], longest), (values, weights), first, origins, template)


def _cycles(
    values: Array, weights: Array, season: int, origins: Origins, template: Template
) -> tuple[Array, Array, Array]:
    """The last cycles before each origin, their weights as seen, and as they fade: (N, K + 1, cycles, season) each."""
    count = min(template.cycles, -(-int(origins.ends[0]) // season))
    place = origins.ends[:, None] - count * season + np.arange(count * season)
    shape = (len(values), len(origins.ends), count, season)
    # taken, not indexed: of one memory layout, so that a series' sums are the same alone and among others
    seen = (np.take(weights, np.maximum(place, 0), axis=1) * (place >= 0)).reshape(shape)
    cut = np.take(values, np.maximum(place, 0), axis=1).reshape(shape)
    return cut, seen, seen * (0.5 ** (np.arange(count - 1, -1, -1) / template.half_life))[:, None]


def _at_level(profile: Array, history: tuple[Array, Array], first: int, origins: Origins, template: Template) -> Array:
    """A profile (N, K + 1, season), slot 0 after the origin, plus what values lately were off it: (N, K + 1, H)."""
    values, weights = history
    season = profile.shape[2]
    back = min(int(origins.ends.min()), max(1, int(6 * template.level_half_life * first)))
    recent = origins.ends[:, None] - back + np.arange(back)  # (K + 1, back)
    fading = 0.5 ** (np.arange(back - 1, -1, -1) / max(template.level_half_life * first, 0.5))
    say = np.take(weights, recent, axis=1) * fading
    off = say * (np.take(values, recent, axis=1) - np.take(profile, np.arange(-back, 0) % season, axis=2))
    level = off.sum(axis=2) / np.maximum(say.sum(axis=2), 1e-12)  # (N, K + 1)
    ahead = np.arange(origins.horizon)
    return np.asarray(
        profile[:, :, ahead % season] + level[:, :, None] * 0.5 ** (ahead / (template.decay_half_life * first))
    )


def _alike(mean: Array, squares: Array, count: Array) -> Array:
    """How much each weekday learns from each other one, between 0 and 1: (N, K + 1, days, days).

    From the means (N, K + 1, days, first) of their slots, the squares around them summed, and how often each was seen.
    Days that differ by no more than their noise would make them are one kind.
    """
    freedom = np.maximum(count - 1.0, 0.0).sum(axis=3).sum(axis=2)
    noise = squares.sum(axis=3).sum(axis=2) / np.maximum(freedom, 1e-12)  # (N, K + 1), of a single value
    often = np.maximum(count.mean(axis=3), 1e-12)  # (N, K + 1, days)
    chance = noise[:, :, None, None] * (1.0 / often[:, :, :, None] + 1.0 / often[:, :, None, :]) + 1e-12
    level = mean - mean.mean(axis=2, keepdims=True)  # less what all days have in common, to lose no digits
    both = level @ level.transpose(0, 1, 3, 2) / mean.shape[3]
    size = np.diagonal(both, axis1=2, axis2=3)
    distance = np.maximum(size[:, :, :, None] + size[:, :, None, :] - 2.0 * both, 0.0)
    alike = np.exp(-np.maximum(distance / chance - 1.0, 0.0) / 2.0)
    days = np.arange(mean.shape[2])
    alike[:, :, days, days] = 0.0  # what a day knows of itself counts whole already
    return np.asarray(alike)
