"""How much later than the orders the load comes: the shift at which usage and sales move together best."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from capacity.domain.arrays import Array
from capacity.load.grid import DAY, Grid
from capacity.stats import row_quantiles

EARLIEST, LATEST = timedelta(hours=-2), timedelta(hours=6)  # browsing leads orders; picking and mails follow them
LATEST_DAYS = 3  # for sales by days: what a lag of hours does is part of the shape within the day
COARSE = 4  # looked at first: quarters of a step of sales; then every step of usage around the best
USUAL = np.array([0.995])  # quantile above which a value is an outlier that may not decide a correlation
GAIN = 9.0  # likelihood ratio that a lag must win by: three standard deviations


def find_lags(grid: Grid, usage: Array) -> tuple[list[timedelta], Array]:
    """The lag of each row of usage (W, T), and its mean usage over the steps of sales that much later: (W, S).

    No lag is preferred: another must explain clearly more. Sub-steps are told apart where usage has finer steps.
    """
    top = row_quantiles(usage, USUAL)
    calm = np.minimum(usage, top)  # NaN stays NaN
    tried = {lag: _score(grid, calm, lag) for lag in _candidates(grid)}
    best = _best(tried)
    if grid.fine and grid.sales_step < DAY:
        around = {lag + place * grid.step for lag in set(best) for place in range(-_reach(grid), _reach(grid) + 1)}
        tried |= {lag: _score(grid, calm, lag) for lag in around - set(tried)}
        best = _best(tried)
    means = np.full((len(usage), len(grid.sales)), np.nan)
    for lag in set(best):
        rows = np.flatnonzero([one == lag for one in best])
        means[rows] = grid.means(usage[rows], lag)
    return best, means


def _candidates(grid: Grid) -> list[timedelta]:
    if grid.sales_step >= DAY:
        return [days * grid.sales_step for days in range(LATEST_DAYS + 1)] if grid.sales_step == DAY else [timedelta(0)]
    step = max(grid.step, grid.step * max(1, round(grid.sales_step / grid.step / COARSE)))
    return [place * step for place in range(-int(-EARLIEST // step), int(LATEST // step) + 1)]


def _reach(grid: Grid) -> int:
    return max(1, round(grid.sales_step / grid.step / COARSE)) - 1


def _score(grid: Grid, usage: Array, lag: timedelta) -> Array:
    """Log likelihood gained over a flat load, up to a factor: -n log(1 - r^2), (W,)."""
    means, x = grid.means(usage, lag), grid.rates()
    seen = ~np.isnan(means) & ~np.isnan(x)
    count = np.maximum(seen.sum(axis=1), 1)
    dx = np.where(seen, x - (np.where(seen, x, 0.0).sum(axis=1) / count)[:, None], 0.0)
    dy = np.where(seen, means - (np.where(seen, means, 0.0).sum(axis=1) / count)[:, None], 0.0)
    power = np.sqrt((dx**2).sum(axis=1) * (dy**2).sum(axis=1))
    together = np.clip((dx * dy).sum(axis=1) / np.where(power > 0, power, 1.0), 0.0, 1.0)
    return np.asarray(-count * np.log(np.maximum(1 - together**2, 1e-12)))


def _best(tried: dict[timedelta, Array]) -> list[timedelta]:
    lags = sorted(tried, key=abs)
    scores = np.stack([tried[lag] for lag in lags])  # (lags, W)
    best = scores.argmax(axis=0)
    clear = scores.max(axis=0) > scores[0] + GAIN
    return [lags[place] if won else lags[0] for place, won in zip(best, clear, strict=True)]
