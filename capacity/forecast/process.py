"""A member: a Gaussian process of a level, a day and a week, of three kinds that are weighed by their likelihood.

Each kind is a covariance in time: how alike two steps are by their distance, their place in the day and in the week
(Rasmussen and Williams, 2006, section 5.4.3; Roberts et al., 2013). The three are fixed, so that nothing is estimated
but their weights: few weeks of history give as steady a forecast as many. Since a covariance depends on the distance
alone, its matrix is the same for all series, and Levinson's recursion solves it for all origins at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from capacity.forecast.history import Origins
from capacity.model.arrays import Array

LOOK_BACK = 14  # first seasons, and two of the longest, before the earliest origin: twice as many score the same
MOST_STEPS = 1008  # from there to now: the time of the recursion grows with the square of them
PATIENCE = 10.0  # log-likelihood that makes a kind e times as likely: errors of neighbouring hours are no ten errors
SMOOTH_DAY, SMOOTH_WEEK = 0.4, 0.08  # of the place in the season over which it is alike: an hour and a half, two hours


@dataclass(frozen=True, slots=True)
class Kind:
    """Variances of the parts of a series, and the time until each forgets, in first (level, day) and last seasons."""

    near: float  # a level that moves within hours
    near_memory: float
    level: float
    level_memory: float
    day: float
    day_memory: float
    week: float
    week_memory: float
    noise: float


KINDS = (  # of sixty drawn at random the three that together made the training windows likeliest
    Kind(0.03, 1.0, 0.02, 4.0, 0.8, 29.0, 0.2, 18.0, 0.03),  # a day that changes slowly
    Kind(0.1, 1.0, 0.8, 4.0, 0.3, 83.0, 0.6, 18.0, 0.004),  # a level that moves, a week, hardly any noise
    Kind(0.1, 0.33, 0.2, 4.0, 0.8, 83.0, 0.6, 18.0, 0.5),  # a week under noise
)


def process_forecast(values: Array, seasons: tuple[int, ...], origins: Origins) -> Array:
    """Forecast standardised values (N, T) without gaps from every origin: (N, K + 1, H).

    Beyond one of the longest season the last one is repeated.

    >>> week = np.sin(2 * np.pi * np.arange(400) / 24)[None, :]
    >>> ahead = process_forecast(week, (24,), Origins(np.array([400, 376]), 24, 24))
    >>> bool(np.abs(ahead[0, 1] - week[0, 376:]).max() < 0.1)
    True
    """
    start = _start(seasons, origins)
    known = tuple((origins.ends - start).tolist())  # steps before each origin
    reach = min(origins.horizon, seasons[-1])
    recent = values[:, start:]
    forecasts, likelihoods = [], []
    for solution in _solutions(seasons, known, reach):
        forecasts.append(_from_origins(recent, known, solution.weights))
        likelihoods.append(_log_likelihoods(recent, known, solution))
    told = np.stack(likelihoods)  # (kinds, N, K + 1)
    say = np.exp((told - told.max(axis=0)) / PATIENCE)
    mixed = np.einsum("jnk,jnkh->nkh", say / say.sum(axis=0), np.stack(forecasts))
    ahead = np.arange(origins.horizon)
    return np.asarray(mixed[:, :, np.where(ahead < reach, ahead, reach - seasons[-1] + ahead % seasons[-1])])


def has_process(seasons: tuple[int, ...], origins: Origins) -> bool:
    """Whether there is a season, and the steps since a while before the earliest origin are not too many."""
    return bool(seasons) and int(origins.ends[0]) - _start(seasons, origins) <= MOST_STEPS


def _start(seasons: tuple[int, ...], origins: Origins) -> int:
    return max(0, int(origins.ends.min()) - max(LOOK_BACK * seasons[0], 2 * seasons[-1]))


def _from_origins(recent: Array, known: tuple[int, ...], weights: dict[int, Array]) -> Array:
    parts = [recent[:, :count][:, ::-1] @ weights[count] for count in known]  # (N, H) each
    return np.stack(parts, axis=1)


def _log_likelihoods(recent: Array, known: tuple[int, ...], solution: _Solution) -> Array:
    """The log-likelihood of what each origin knows, its variance taken as the likeliest: (N, K + 1)."""
    count = np.array(known)
    squares = np.cumsum((recent @ solution.whitening.T) ** 2, axis=1)[:, count - 1]  # (N, K + 1)
    return np.asarray(-0.5 * count * np.log(squares / count + 1e-12) - solution.log_scales[count - 1])


@dataclass(frozen=True, slots=True)
class _Solution:
    """What a kind says of n steps, for every series: `whitening` makes values independent and of variance 1."""

    weights: dict[int, Array]  # by the steps known: their weights in each step ahead, latest first (count, H)
    whitening: Array  # (n, n), lower triangular
    log_scales: Array  # (n,), sum of the logarithms of the first deviations


@lru_cache(maxsize=2)  # chunks and neighbours of one length; some tens of MB each
def _solutions(seasons: tuple[int, ...], known: tuple[int, ...], reach: int) -> tuple[_Solution, ...]:
    distance = np.arange(max(known) + reach, dtype=np.float64)
    covariances = list(map(partial(_covariance, distance, seasons=seasons), KINDS))
    return tuple(_solve(one, known, reach) for one in covariances)


def _covariance(distance: Array, kind: Kind, seasons: tuple[int, ...]) -> Array:
    """How alike two steps are by the distance between them."""
    first, last = seasons[0], seasons[-1]
    alike = kind.near * np.exp(-distance / (kind.near_memory * first))
    alike += kind.level * np.exp(-distance / (kind.level_memory * first))
    alike += kind.day * _periodic(distance, first, SMOOTH_DAY) * np.exp(-distance / (kind.day_memory * first))
    if len(seasons) > 1:
        alike += kind.week * _periodic(distance, last, SMOOTH_WEEK) * np.exp(-distance / (kind.week_memory * last))
    return np.asarray(alike + kind.noise * (distance == 0))


def _periodic(distance: Array, season: int, smooth: float) -> Array:
    return np.asarray(np.exp(-2.0 * (np.sin(np.pi * distance / season) / smooth) ** 2))


def _solve(covariance: Array, known: tuple[int, ...], reach: int) -> _Solution:
    """Levinson's recursion (Golub and Van Loan, algorithm 4.7.2) with one right-hand side for each step ahead.

    The steps are counted back from the origin, so that the system of fewer steps is the beginning of that of more: on
    the way to the most steps, the weights of all origins come by. `past` predicts a step from those before it.
    """
    steps = max(known)
    alike = covariance / covariance[0]
    ahead = alike[np.arange(1, reach + 1) + np.arange(steps)[:, None]]  # (steps, H)
    weights, solved = np.zeros((steps, reach)), {}
    past, whitening, variance = np.zeros(0), np.zeros((steps, steps)), np.ones(steps)
    for count in range(steps):
        back = past[::-1]  # (count,), oldest first
        if count:
            variance[count] = variance[count - 1] * (1.0 - past[-1] ** 2)
        near = alike[count:0:-1]
        step = (ahead[count] - near @ weights[:count]) / variance[count]  # (H,)
        weights[:count] += back[:, None] * step
        weights[count] = step
        whitening[count, :count], whitening[count, count] = back, 1.0
        if count + 1 in known:
            solved[count + 1] = weights[: count + 1].copy()
        if count + 1 < steps:
            turn = -(alike[count + 1] + near @ past) / variance[count]
            past = np.append(past + turn * back, turn)
    deviations = np.sqrt(variance * covariance[0])
    return _Solution(solved, whitening / deviations[:, None], np.cumsum(np.log(deviations)))
