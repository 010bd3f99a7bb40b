"""Small counts: sales of one or two a step have a rate and a count's own spread, not a level and an error around it.

The rate of each slot of the season is learned by empirical Bayes: its prior is the coarser rate, and as strong as the
slots differ by no more than chance. What comes is negative binomial around it, Poisson where nothing more varies. It is
used where it came nearer at the rolling origins than the usual quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from capacity.forecast.blend import recent_errors
from capacity.forecast.calibration import MANY_SLOTS, Errors
from capacity.forecast.history import Origins
from capacity.forecast.settings import BatchForecast, Setting
from capacity.model.arrays import Array, Mask, Places
from capacity.stats import nan_mean, nearest_level, ordered_quantiles, pinball, running_totals

FEW = 2.0  # a step, on average: of more, a count is nearly as good as continuous
MOST = 200  # in a step: what counted higher has no small rate behind it
CYCLES = 13  # of the longest season that are looked back at; where the level moves, the last ones say so
UNSEASONED = 500  # steps that are looked back at where there is no season
LEVEL_HALF_LIFE = 3.0  # first seasons in which the level counts half
STEADY = 1e-9  # the least variance between slots, so that a prior is never without end
HIGHEST = 5 * MOST  # up to which quantiles are sought
GAIN = 0.02  # share by which the quantile loss must fall: less is within what chance brings on so few origins
NAME = "counts around a seasonal rate"


@dataclass(frozen=True, slots=True)
class Rates:
    """The mean (N, H) of coming counts, and by which part of its square their variance exceeds a Poisson's (N, 1)."""

    mean: Array
    excess: Array


def are_counts(values: Array) -> Mask:
    """Which series (N, T) are small whole numbers that are not all alike; NaN is a gap: (N,).

    >>> are_counts(np.array([[0.0, 1.0, 3.0], [0.5, 1.0, 2.0], [90.0, 80.0, 95.0]]))
    array([ True, False, False])
    """
    highest = np.nanmax(values, axis=1)
    small = (highest <= MOST) & (highest > np.nanmin(values, axis=1)) & (nan_mean(values, 1) <= FEW)
    if small.any():
        small[small] = (np.nan_to_num(values[small]) % 1 == 0).all(axis=1)
    return np.asarray(small)


def with_counts(
    batch: BatchForecast, values: Array, past: tuple[Origins, Errors, Array], setting: Setting
) -> BatchForecast:
    """The forecast with the quantiles of counts for those series (N, T) that are small counts, where that was better.

    `past` are the rolling origins, the usual errors from them and the offsets (N, Q) of the usual quantiles.
    """
    rows = np.flatnonzero(are_counts(values))
    if not len(rows):
        return batch
    origins, errors, offsets = past
    seasons, levels = setting.seasons or (), setting.quantile_levels
    actuals = origins.actuals(values[rows])
    told = np.stack(
        [count_quantiles(rates_ahead(values[rows, :end], seasons, origins.scored), levels) for end in origins.ends[1:]],
        axis=1,
    )  # (n, K, scored, Q)
    usual = errors.past[rows, ..., None] + errors.past_scale[rows, ..., None] * offsets[rows, None, None, :]
    better = _losses(actuals, told, levels) < (1 - GAIN) * _losses(actuals, ordered_quantiles(usual), levels)
    if not better.any():
        return batch
    rows, actuals, told = rows[better], actuals[better], told[better]
    ahead = rates_ahead(values[rows], seasons, origins.horizon)
    return _replaced(_scored(batch, rows, (actuals, told, errors.past[rows]), levels), rows, ahead, setting)


def rates_ahead(values: Array, seasons: tuple[int, ...], horizon: int) -> Rates:
    """The rates of the steps after a history (N, T) of counts.

    >>> week = np.tile([0.0, 2.0, 0.0, 0.0, 4.0, 0.0, 0.0], 20)[None]
    >>> rates_ahead(week, (7,), 7).mean.round(1)
    array([[0. , 2. , 0. , 0. , 3.9, 0. , 0. ]])
    """
    cycles = tuple(season for season in seasons if 2 * season <= values.shape[1])
    values = values[:, -(CYCLES * cycles[-1] if cycles else UNSEASONED) :]
    seen, sold = ~np.isnan(values), np.nan_to_num(values)
    rate = sold.sum(axis=1, keepdims=True) / np.maximum(seen.sum(axis=1, keepdims=True), 1)
    fitted, ahead, known = rate * seen, np.repeat(rate, horizon, axis=1), seen.sum(axis=1) - 1.0
    for season in cycles:
        factor, learned = _shrunk(_by_slot(sold, season), _by_slot(fitted, season))
        known -= learned * (0.5 if season >= MANY_SLOTS else 1.0)  # of many slots, half of each is its neighbours'
        fitted *= factor[:, np.arange(-values.shape[1], 0) % season]
        ahead *= factor[:, np.arange(horizon) % season]
    count = np.maximum(seen.sum(axis=1), 1)
    excess = _variance(sold, fitted, count / np.maximum(known, 0.5 * count))
    ahead *= _level(sold, fitted, cycles[0] if cycles else 1)
    return Rates(ahead, excess[:, None])


def _by_slot(values: Array, season: int) -> Array:
    """Sums over the cycles counted back from the end, of many slots with half of each neighbour's: (N, season)."""
    padded = np.pad(values, ((0, 0), (-values.shape[1] % season, 0)))
    total = padded.reshape(len(values), -1, season).sum(axis=1)
    if season < MANY_SLOTS:
        return np.asarray(total)
    return np.asarray(total + 0.5 * (np.roll(total, 1, axis=1) + np.roll(total, -1, axis=1)))


def _variance(sold: Array, expected: Array, missing: Array | float = 1.0) -> Array:
    """By how much counts vary more than chance has it, relative to the square of what was expected (N,).

    `missing` (N,) is what squares about a fit are to be multiplied with: the fit is nearer than the truth.
    """
    beyond = ((sold - expected) ** 2).sum(axis=1) * missing - expected.sum(axis=1)
    return np.asarray(np.maximum(beyond, 0.0) / np.maximum((expected**2).sum(axis=1), 1e-300))


def _shrunk(sold: Array, expected: Array) -> tuple[Array, Array]:
    """The factor of each slot (N, S): gamma prior of mean 1 and the variance between slots (Clayton and Kaldor, 1987).

    And how many slots' worth was learned from what was sold (N,).
    """
    prior = 1.0 / np.maximum(_variance(sold, expected), STEADY)[:, None]
    return np.asarray((sold + prior) / (expected + prior)), np.asarray((expected / (expected + prior)).sum(axis=1))


def _level(sold: Array, fitted: Array, season: int) -> Array:
    """How the last seasons stand to what was expected, shrunk as much as past ones stood by chance: (N, 1)."""
    say = 0.5 ** (np.arange(sold.shape[1] - 1, -1, -1) / (LEVEL_HALF_LIFE * season))
    whole = sold.shape[1] - sold.shape[1] % season
    blocks = [part[:, -whole:].reshape(len(part), -1, season).sum(axis=2) for part in (sold, fitted)]
    prior = 1.0 / np.maximum(_variance(*blocks), STEADY)
    return np.asarray((((sold * say).sum(axis=1) + prior) / ((fitted * say).sum(axis=1) + prior))[:, None])


def count_quantiles(rates: Rates, levels: tuple[float, ...], window: int = 1) -> Array:
    """Quantiles of the highest count of ``[t, t + window)``, steps taken as independent of each other: (N, H, Q).

    >>> count_quantiles(Rates(np.array([[2.0]]), np.array([[0.0]])), (0.5, 0.95))  # Poisson
    array([[[2., 5.]]])
    """
    mean, excess = rates.mean, rates.excess
    chance = np.exp(-np.where(excess > STEADY, np.log1p(excess * mean) / np.maximum(excess, STEADY), mean))
    under, wanted = chance.copy(), np.asarray(levels)
    answer = np.zeros((*mean.shape, len(levels)))
    for count in range(HIGHEST):
        short = _of_window(under, window)[..., None] < wanted
        if not short.any():
            break
        answer += short
        chance = chance * (1 + count * excess) * mean / ((count + 1) * (1 + excess * mean))
        under = np.minimum(under + chance, 1.0)
    return answer


def _of_window(under: Array, window: int) -> Array:
    """The chance that all steps of each window, shorter ones at the end, stay under what each does by `under`."""
    if window <= 1:
        return under
    logs = np.log(np.maximum(under, 1e-300))
    total, last = running_totals(logs), under.shape[1]
    start = np.arange(last)
    return np.asarray(np.exp(total[:, np.minimum(start + window, last)] - total[:, start]))


def _losses(actuals: Array, told: Array, levels: tuple[float, ...]) -> Array:
    """Mean quantile loss over the rolling origins (N,), NaN where nothing came: then nothing is better."""
    return nan_mean(pinball(actuals[..., None], told, np.asarray(levels)), (1, 2, 3))


def _scored(
    batch: BatchForecast, rows: Places, past: tuple[Array, Array, Array], levels: tuple[float, ...]
) -> BatchForecast:
    """Coverage and skill at the rolling origins, of what is told there (n, K, scored, Q) instead of the usual."""
    actuals, told, usual = past
    coverage, skill, unskilled = batch.coverage.copy(), batch.skill.copy(), batch.unskilled.copy()
    known = ~np.isnan(actuals)[..., None]
    coverage[rows] = ((actuals[..., None] <= told) & known).sum(axis=(1, 2)) / np.maximum(known.sum(axis=(1, 2)), 1)
    middle = told[..., nearest_level(levels)]
    ratio = recent_errors(middle, actuals) / np.maximum(recent_errors(usual, actuals), 1e-12)
    skill[rows] = 1.0 - ratio * (1.0 - skill[rows])
    unskilled[rows] = skill[rows] <= 0
    return replace(batch, coverage=coverage, skill=skill, unskilled=unskilled)


def _replaced(batch: BatchForecast, rows: Places, ahead: Rates, setting: Setting) -> BatchForecast:
    """Quantiles, maxima and the centre of some series as those of counts."""
    quantiles, point = batch.quantiles.copy(), batch.point.copy()
    quantiles[rows] = count_quantiles(ahead, setting.quantile_levels)
    point[rows] = count_quantiles(ahead, (0.5,))[..., 0]
    maxima = batch.maxima
    if maxima is not None:
        maxima = maxima.copy()
        maxima[rows] = count_quantiles(ahead, setting.quantile_levels, setting.window)
    models = list(batch.models)
    for row in rows.tolist():
        models[row] = NAME
    return replace(batch, quantiles=quantiles, point=point, maxima=maxima, models=tuple(models))
