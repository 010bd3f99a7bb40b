"""The main member: a ridge autoregression around the seasonal naive, for all series and origins in closed form.

The target is y[t] - y[t - s]; coefficients shrink to zero, so the prior is the seasonal naive. Every rolling origin
has its own fit at the price of adding the rows between two origins to a Gram matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.forecast.origins import Origins
from capacity.model.arrays import Array, Places

PENALTY = 3.0  # in units of a standardised column over one observation; flat between 1 and 10 on M4 training windows
HALF_LIFE_SEASONS = 25  # recency: 600 hours for hourly data
HARMONICS = 6  # of the first season; 3, 6 and 11 score the same, the lags carry the rest
SHORT_LAGS = 26
LEAST_ROWS = 8  # a ridge is fitted from so many rows up; its prior, the seasonal naive, does the rest
MAX_ROWS = 20_000  # beyond this the recency weights leave nothing to learn and minutes would cost seconds


@dataclass(frozen=True, slots=True)
class Design:
    """Which columns the autoregression sees: lags in steps, and the season whose naive is the prior."""

    season_length: int
    lags: Places

    @property
    def depth(self) -> int:
        """The oldest value a row needs."""
        return int(self.lags.max())


def design_for(seasons: tuple[int, ...]) -> Design:
    """Lags around the present, around each multiple of the first season, and around the second season.

    >>> design_for((24, 168)).lags[-8:]
    array([143, 144, 145, 166, 167, 168, 169, 170])
    """
    first = seasons[0] if seasons else 1
    lags = set(range(1, min(SHORT_LAGS, max(first, 3) + 2) + 1))
    multiples = range(1, seasons[1] // first) if len(seasons) > 1 else range(1, 4)
    for multiple in multiples[:6]:
        lags |= {multiple * first - 1, multiple * first, multiple * first + 1}
    for season in seasons[1:2]:
        lags |= set(range(season - 2, season + 3))
    return Design(first, np.array(sorted(lag for lag in lags if lag > 0), dtype=np.intp))


def sparse_design_for(seasons: tuple[int, ...]) -> Design:
    """The few lags that matter most: a second opinion with a third of the coefficients.

    >>> sparse_design_for((24, 168)).lags
    array([  1,   2,   3,  23,  24,  25,  47,  48,  49, 167, 168, 169])
    """
    first = seasons[0] if seasons else 1
    centres = (first, 2 * first, *seasons[1:2]) if seasons else (1,)
    lags = {1, 2, 3} | {centre + side for centre in centres for side in (-1, 0, 1)}
    return Design(first, np.array(sorted(lag for lag in lags if lag > 0), dtype=np.intp))


def ridge_forecast(values: Array, weights: Array, design: Design, origins: Origins) -> Array:
    """Forecast standardised values (N, T) from every origin: (N, K + 1, H).

    `weights` (N, T) is the say of each observation as a target: 0 where nothing was observed.
    """
    coefficients = _fit(values, weights, design, origins)
    return _recurse(values, coefficients, design, origins)


def _harmonics(positions: Places, season_length: int) -> Array:
    """Sine and cosine columns of the season, and the intercept: (len(positions), columns)."""
    waves = np.arange(1, min(HARMONICS, (season_length - 1) // 2) + 1)
    angle = 2 * np.pi * positions[:, None] * waves / season_length
    return np.concatenate([np.sin(angle), np.cos(angle), np.ones((len(positions), 1))], axis=1)


def _fit(values: Array, weights: Array, design: Design, origins: Origins) -> Array:
    """Coefficients of every series and origin: (N, K + 1, columns)."""
    last = int(origins.ends[0])
    start = max(design.depth, last - MAX_ROWS)
    rows = np.arange(start, last)
    target = values[:, start:last] - values[:, start - design.season_length : last - design.season_length]
    columns = _columns(values, rows, design)  # (N, rows, p)
    recency = 0.5 ** ((last - rows) / (HALF_LIFE_SEASONS * max(design.season_length, 7)))
    weighted = columns * (weights[:, start:last] * recency)[:, :, None]
    cuts = np.maximum(np.append(origins.ends, start) - start, 0)
    gram, moment = _cumulate(columns, weighted, target, cuts)
    decay = 0.5 ** ((last - origins.ends) / (HALF_LIFE_SEASONS * max(design.season_length, 7)))
    size = columns.shape[2]
    gram += (PENALTY * decay)[None, :, None, None] * np.eye(size)
    return np.asarray(np.linalg.solve(gram, moment[..., None])[..., 0])


def _columns(values: Array, rows: Places, design: Design) -> Array:
    count, lags = len(rows), design.lags
    fixed = _harmonics(rows, design.season_length)
    columns = np.empty((len(values), count, len(lags) + fixed.shape[1]))
    for place, lag in enumerate(lags):
        columns[:, :, place] = values[:, rows[0] - lag : rows[0] - lag + count]
    columns[:, :, len(lags) :] = fixed
    return columns


def _cumulate(columns: Array, weighted: Array, target: Array, cuts: Places) -> tuple[Array, Array]:
    """Gram matrices and moments of the rows before each cut, built from the oldest cut up."""
    count, size = len(cuts) - 1, columns.shape[2]
    gram = np.zeros((len(columns), count, size, size))
    moment = np.zeros((len(columns), count, size))
    for k in range(count - 1, -1, -1):
        block = slice(cuts[k + 1], cuts[k])
        turned = weighted[:, block].transpose(0, 2, 1)
        gram[:, k] = turned @ columns[:, block]
        moment[:, k] = (turned @ target[:, block, None])[..., 0]
        if k + 1 < count:
            gram[:, k] += gram[:, k + 1]
            moment[:, k] += moment[:, k + 1]
    return gram, moment


def _recurse(values: Array, coefficients: Array, design: Design, origins: Origins) -> Array:
    """Roll the autoregression forward from every origin, each step fed to the next; time is the first axis."""
    depth, horizon, lags = design.depth, origins.horizon, design.lags
    path = np.empty((depth + horizon, len(values), len(origins.ends)))
    for k, end in enumerate(origins.ends):
        path[:depth, :, k] = values[:, end - depth : end].T
    slopes = np.ascontiguousarray(np.moveaxis(coefficients[:, :, : len(lags)], 2, 0))  # (lags, N, K + 1)
    fixed = _fixed_part(coefficients[:, :, len(lags) :], design, origins)  # (H, N, K + 1)
    low, high = _bounds(values)
    for h in range(horizon):
        t = depth + h
        step = path[t - design.season_length] + np.einsum("lnk,lnk->nk", slopes, path[t - lags]) + fixed[h]
        path[t] = np.clip(step, low, high)
    return np.moveaxis(path[depth:], 0, 2)


def _fixed_part(coefficients: Array, design: Design, origins: Origins) -> Array:
    parts = []
    for k, end in enumerate(origins.ends):
        waves = _harmonics(np.arange(end, end + origins.horizon), design.season_length)
        parts.append(waves @ coefficients[:, k].T)  # (H, N)
    return np.stack(parts, axis=2)


def _bounds(values: Array) -> tuple[Array, Array]:
    """No forecast leaves the history's range by more than half of it: an unstable fit stays harmless."""
    low, high = values.min(axis=1), values.max(axis=1)
    margin = 0.5 * (high - low)
    return (low - margin)[:, None], (high + margin)[:, None]
