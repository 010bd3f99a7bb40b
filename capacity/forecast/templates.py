"""Members that carry a shape: the average season with a decaying level, and the seasonal naives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.forecast.origins import Origins
from capacity.model.arrays import Array


@dataclass(frozen=True, slots=True)
class Template:
    """How a template remembers: the half-life of a cycle in cycles, of the level and of its decay in seasons."""

    half_life: float = 4.0
    shrink: float = 1.0
    level_half_life: float = 0.25
    decay_half_life: float = 2.0
    cycles: int = 12


def seasonal_naive(values: Array, season_length: int, origins: Origins) -> Array:
    """The last season, repeated, from every origin: (N, T) -> (N, K + 1, H)."""
    return _ago(values, season_length, 0, origins)


def seasonal_mean(values: Array, season_length: int, cycles: int, origins: Origins) -> Array:
    """The mean of the last `cycles` seasons, repeated: half the noise of the naive, nothing to estimate."""
    room = max(1, int(origins.ends.min()) // season_length)
    shifted = [_ago(values, season_length, cycle, origins) for cycle in range(min(cycles, room))]
    return np.asarray(sum(shifted) / len(shifted))


def _ago(values: Array, season_length: int, cycles: int, origins: Origins) -> Array:
    ahead = np.arange(origins.horizon) % season_length - season_length * (1 + cycles)
    return values[:, origins.ends[:, None] + ahead]


def template_forecast(
    values: Array, weights: Array, seasons: tuple[int, ...], origins: Origins, template: Template
) -> Array:
    """The average season (its last cycles weigh more) plus what the level has lately been off: (N, K + 1, H)."""
    parts = [
        _from_origin(values[:, :end], weights[:, :end], seasons, origins.horizon, template) for end in origins.ends
    ]
    return np.stack(parts, axis=1)


def _from_origin(values: Array, weights: Array, seasons: tuple[int, ...], horizon: int, template: Template) -> Array:
    profile = _profile(values, weights, seasons, template)  # (N, season), slot 0 is the first step after the origin
    level = _level(values, weights, profile, seasons[0], template)
    ahead = np.arange(horizon)
    decay = 0.5 ** (ahead / (template.decay_half_life * seasons[0]))
    return profile[:, ahead % profile.shape[1]] + level[:, None] * decay


def _profile(values: Array, weights: Array, seasons: tuple[int, ...], template: Template) -> Array:
    first, longest = seasons[0], seasons[-1]
    cycles = min(template.cycles, values.shape[1] // longest)
    shape = (len(values), cycles, longest)
    cut = values[:, values.shape[1] - cycles * longest :].reshape(shape)
    say = weights[:, weights.shape[1] - cycles * longest :].reshape(shape)
    say = say * (0.5 ** (np.arange(cycles - 1, -1, -1) / template.half_life))[:, None]
    total, mass = (say * cut).sum(axis=1), say.sum(axis=1)
    if len(seasons) == 1 or longest % first:
        overall = total.sum(axis=1, keepdims=True) / np.maximum(mass.sum(axis=1, keepdims=True), 1e-12)
        return np.asarray((total + 1e-3 * overall) / (mass + 1e-3))
    short = (len(values), longest // first, first)
    day_total, day_mass = total.reshape(short).sum(axis=1), mass.reshape(short).sum(axis=1)
    day = np.tile(day_total / np.maximum(day_mass, 1e-12), longest // first)
    return np.asarray((total + template.shrink * day) / (mass + template.shrink))


def _level(values: Array, weights: Array, profile: Array, first: int, template: Template) -> Array:
    back = min(values.shape[1], max(1, int(6 * template.level_half_life * first)))
    slots = np.arange(-back, 0) % profile.shape[1]
    error = values[:, -back:] - profile[:, slots]
    say = weights[:, -back:] * 0.5 ** (np.arange(back - 1, -1, -1) / max(template.level_half_life * first, 0.5))
    return np.asarray((say * error).sum(axis=1) / np.maximum(say.sum(axis=1), 1e-12))


def level_forecast(values: Array, weights: Array, half_life: float, origins: Origins) -> Array:
    """A flat line at the exponentially weighted mean: (N, T) -> (N, K + 1, H)."""
    parts = []
    for end in origins.ends:
        back = min(int(end), int(10 * half_life))
        say = weights[:, end - back : end] * 0.5 ** (np.arange(back - 1, -1, -1) / half_life)
        level = (say * values[:, end - back : end]).sum(axis=1) / np.maximum(say.sum(axis=1), 1e-12)
        parts.append(np.repeat(level[:, None], origins.horizon, axis=1))
    return np.stack(parts, axis=1)
