"""What upper quantiles must contain where nobody can know: a business that opens again, days of a kind not yet seen.

After a closure of days it is believed, and the middle of the forecast stays there; but each step ahead may find the
business open at its usual level. And a week or two of days hold few errors to learn from, most of them of other
weekdays than the one that comes: how high the open days were says more about how high the next one may be.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.forecast.settings import Setting
from capacity.model import Forecast
from capacity.model.arrays import Array, Mask
from capacity.series.outages import LOW
from capacity.series.seasons import DAY
from capacity.stats import nan_median, normal_quantiles, ordered_quantiles, running_maxima, student_quantiles

FEW, ENOUGH = 14, 28  # days of history up to which its open days count whole, and from which they do not count
LEAST_OPEN = 3  # days that have a spread
LEAST_DEGREES = 3.0  # of freedom: for fewer, the quantiles of Student's t are not known here
BEYOND = 1.0  # times the range of the open days, above the highest of them: no quantile lies further off
MIDDLE = 0.5
WHOLLY = 0.99  # level whose distance from the centre is doubled as far ahead as the history reaches back
REOPENED = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)  # levels at which a reopened business is forecast, to be mixed
ANY_MOMENT = 0.25  # the least chance that the business is open again: it opens in a morning, whatever the hour is now


def over_few_days(quantiles: Array, point: Array, values: Array, season_length: int, *, setting: Setting) -> Array:
    """Quantiles of days, above the middle moved to what the open days of a short history foretell.

    Parameters
    ----------
    quantiles : (N, H, Q), in the unit of the series.
    point : (N, H), the centre of the forecast.
    values : (N, T), the history; NaN for a gap. A day below a fifth of the usual counts as closed.
    season_length : steps of the longest season of which two cycles are known; 1 for none. A slot that was closed in
        each of them stays as it is.
    setting : of the forecast; steps other than days are left as they are.

    Returns
    -------
    (N, H, Q). Open days foretell the prediction interval of a normal sample (Student's t), at the level that leaves
    ``1 - p`` of all days above. What lies above the centre grows with the days ahead over the days known, high
    levels most: n days tell little of the n after them. Both count whole up to 14 days and nothing from 28 on.

    Examples
    --------
    >>> week = np.array([[10.0, 12.0, 11.0, 9.0, 10.0, 0.0, 2.0]])
    >>> steady = np.full((1, 1, 2), 2.0)
    >>> over_few_days(steady, steady[..., 0], week, 1, setting=Setting(DAY, 1, (0.5, 0.95))).round(1)
    array([[[ 2. , 12.7]]])
    """
    known = (~np.isnan(values)).sum(axis=1)
    say = np.clip((ENOUGH - known) / (ENOUGH - FEW), 0.0, 1.0)  # (N,)
    if setting.step != DAY or not say.any():
        return quantiles
    is_open = _open(values)
    samples = zip(values, is_open, known, strict=True)
    told = np.stack([_foretold(*sample, setting.quantile_levels) for sample in samples])[:, None]  # (N, 1, Q, 2)
    moved = say[:, None, None] * (np.clip(quantiles, told[..., 0], told[..., 1]) - quantiles)
    may_open = _may_open(is_open, season_length)[:, np.arange(quantiles.shape[1]) % season_length]
    answer = quantiles + np.where(may_open[:, :, None], moved, 0.0)
    further = say[:, None] * np.arange(quantiles.shape[1]) / np.maximum(known, 1)[:, None]  # (N, H)
    heavier = np.maximum(normal_quantiles(setting.quantile_levels), 0.0) / normal_quantiles((WHOLLY,))  # (Q,)
    above = heavier * np.maximum(answer - point[:, :, None], 0.0)
    return ordered_quantiles(answer + further[:, :, None] * above)


def _open(values: Array) -> Mask:
    """The days (N, T) that sold a fifth of the usual open day and more."""
    sold = np.where(values > 0, values, np.nan)
    return np.asarray(np.nan_to_num(values) > LOW * nan_median(sold, 1)[:, None])


def _may_open(is_open: Mask, season_length: int) -> Mask:
    """Which slots of the season after the history (N, S) were ever open."""
    if season_length == 1:
        return np.ones((len(is_open), 1), dtype=bool)
    cycles = is_open.shape[1] // season_length
    return np.asarray(is_open[:, -cycles * season_length :].reshape(len(is_open), cycles, season_length).any(axis=1))


def _foretold(values: Array, is_open: Mask, known: int, levels: tuple[float, ...]) -> Array:
    """Between what the quantiles (Q, 2) of the next day lie as one of a sample's open days (T,); of too few, anywhere.

    Above the middle at least the sample's own, and no higher than its range above the highest.
    """
    sample, above = values[is_open], np.asarray(levels) > MIDDLE
    told = np.tile([0.0, np.inf], (len(levels), 1))
    if len(sample) < LEAST_OPEN or not above.any():
        return told
    among_open = np.maximum(1.0 - (1.0 - np.asarray(levels)[above]) * known / len(sample), MIDDLE)
    width = student_quantiles(among_open, max(len(sample) - 1.0, LEAST_DEGREES)) * np.sqrt(1.0 + 1.0 / len(sample))
    highest = sample.max() + BEYOND * (sample.max() - sample.min())
    told[above, 0] = np.minimum(sample.mean() + sample.std(ddof=1) * width, highest)
    told[above, 1] = highest
    return told


def with_reopening(believed: Forecast, reopened: Forecast, closed_for: timedelta) -> Forecast:
    """A forecast that believes a closure, above the middle raised to what it is if the business may be open again.

    Parameters
    ----------
    believed : the forecast of a history that ends closed.
    reopened : of the same steps, at the levels `REOPENED` and those of `believed`, with the closure as a gap.
    closed_for : the time from the closure's first step to the end of the history.

    Returns
    -------
    The forecast whose steps are open with a chance of ``ahead / (ahead + closed_for)``, a quarter at least: what has
    lasted for long goes on for long (Gott, 1993). Quantiles up to the middle are those of `believed`.
    """
    ahead = (believed.quantiles.index - believed.quantiles.index[0]) / believed.step + 1.0
    chance = np.asarray(np.maximum(ANY_MOMENT, ahead / (ahead + closed_for / believed.step)))
    quantiles = _raised(believed.quantiles, reopened.quantiles, chance)
    if believed.maxima is None or reopened.maxima is None:
        return replace(believed, quantiles=quantiles)
    return replace(believed, quantiles=quantiles, maxima=_raised(believed.maxima, reopened.maxima, chance))


def _raised(believed: pd.DataFrame, reopened: pd.DataFrame, chance: Array) -> pd.DataFrame:
    """Quantiles (H, Q), above the middle at least those of a mixture that sells as reopened or not at all."""
    levels, known = (np.array([float(level) for level in table.columns]) for table in (believed, reopened))
    among_open = 1.0 - (1.0 - levels) / chance[:, None]  # (H, Q); below 0 the business is closed at this level
    rows = zip(among_open, reopened.to_numpy(dtype=np.float64), strict=True)
    told = np.array([np.interp(asked, known, row, left=0.0) for asked, row in rows])
    own = believed.to_numpy(dtype=np.float64)
    raised = running_maxima(np.where(levels > MIDDLE, np.maximum(own, told), own), 1)
    return pd.DataFrame(raised, believed.index, believed.columns)
