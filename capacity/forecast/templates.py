"""Members: the usual season at today's level, what followed days like the last one, and a Gaussian process.

The usual day of a week is told by the days of its kind. Three weeks have three Mondays but fifteen working days: how
far two weekdays differ beyond what chance explains tells how much each lends the other, so that a Tuesday learns from
every working day, and a Sunday from no other day where none is like it. Which days are working days is nowhere assumed.

Of similar days (analog forecasting: Lorenz, 1969) each past one counts by how near its course came to that of the last,
and what came after it is brought to where sales stand now. Nothing is assumed of how one day leads to the next, so it
errs apart from members that average or regress.

The process is of three kinds, each a covariance in time: how alike two steps are by their distance, their place in the
day and in the week (Rasmussen and Williams, 2006, section 5.4.3; Roberts et al., 2013). The three are fixed, so that
nothing is estimated but their weights by their likelihood: few weeks of history give as steady a forecast as many.
Since a covariance depends on the distance alone, its matrix is the same for all series, and Levinson's recursion solves
it for all origins at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache, partial

import numpy as np

from capacity.forecast.history import Origins
from capacity.model.arrays import Array, Places
from capacity.series.seasons import calendar_seasons
from capacity.stats import running_totals

CYCLES = 12  # of the longest season that are looked back at
ANY_SLOT = 1e-3  # observations' worth of the mean of all slots in each one
ANY_DAY = 0.1  # observations' worth of the mean of all days in each slot of a day of the week
MOST_DAYS = 28  # looked back at: four weeks
MOST_SHIFTS = 168  # where no week is known: every twenty-fourth of a day of the last week is a beginning
PARTS = 24  # of a day
NEAREST = 5  # place of the past day whose distance is the unit of all others: 3 to 8 are level
SHARPNESS = 2.0  # of the weights in that unit
LEVEL = 0.7  # of the distance between the last hours of both days, that is taken for a lasting one
LEAST_SEEN, TINY = 1e-3, 1e-9
MOST_ROWS = 64  # forecasts in one array: of more, what is computed of it leaves the processor's cache
LEAST_DAYS = 4  # before the earliest origin: with fewer there is no choice
LOOK_BACK = 14  # first seasons, and two of the longest, before the earliest origin: twice as many score the same
MOST_STEPS = 1008  # from there to now: the time of the recursion grows with the square of them
PATIENCE = 10.0  # log-likelihood that makes a kind e times as likely: errors of neighbouring hours are no ten errors
SMOOTH_DAY, SMOOTH_WEEK = 0.4, 0.08  # of the place in the season over which it is alike: an hour and a half, two hours


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
PARTED = Template(3.0, 0.1, 0.5)  # of a season in parts; what two hours were off is no level of tomorrow's
DAY_MEMORY = 4.0  # days until a day counts half in the usual day
NO_WEEK = 0.3  # observations' worth of "like any day" in each slot of the week


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

    `weights` (N, T), or (1, T) of all series, are 0 where nothing was observed.
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

    `weights` (N, T), or (1, T) of all series, are 0 where nothing was observed.

    >>> week = np.repeat([5.0, 5.0, 5.0, 5.0, 5.0, 1.0, 1.0], 4)
    >>> values = np.tile(week, 3)[None, :]
    >>> day_type_forecast(values, np.ones_like(values), (4, 28), Origins(np.array([84, 76]), 4, 4))[0].round()
    array([[5., 5., 5., 5.],
           [1., 1., 1., 1.]])
    """
    first, longest = seasons[0], seasons[-1]
    days = (longest // first, first)
    cycles = _cycles(values, weights, longest, origins, template)
    cut, seen, say = (part.reshape(*part.shape[:3], *days) for part in cycles)
    total, mass = (say * cut).sum(axis=2), say.sum(axis=2)  # (N, K + 1, days, first)
    mean = total / np.maximum(mass, 1e-12)
    off = cut - mean[:, :, None]
    alike = _alike(mean, (seen * off * off).sum(axis=2), seen.sum(axis=2))
    lent, lent_mass = alike @ total, alike @ mass
    any_day = total.sum(axis=2, keepdims=True) / np.maximum(mass.sum(axis=2, keepdims=True), 1e-12)
    profile = (total + lent + ANY_DAY * any_day) / (mass + lent_mass + ANY_DAY)
    return _at_level(profile.reshape(*profile.shape[:2], longest), (values, weights), first, origins, template)


def parted_forecast(values: Array, weights: Array, seasons: tuple[int, ...], origins: Origins) -> Array:
    """A usual day that changes from day to day, what each day of the week adds to it, and the level: (N, K + 1, H).

    As a decomposition by smoothing has it (STL: Cleveland et al., 1990), in one pass and without looking ahead.
    `weights` (N, T) are 0 where nothing was observed.

    >>> week = np.repeat([5.0, 5.0, 5.0, 5.0, 5.0, 1.0, 1.0], 4)
    >>> values = np.tile(week, 8)[None, :]
    >>> parted_forecast(values, np.ones_like(values), (4, 28), Origins(np.array([224, 216]), 4, 4))[0].round()
    array([[5., 5., 5., 5.],
           [1., 1., 1., 1.]])
    """
    first, longest = seasons[0], seasons[-1]
    cycles = _cycles(values, weights, longest, origins, PARTED)
    days = (*cycles[0].shape[:3], longest // first, first)
    cut, seen, say = (part.reshape(days) for part in cycles)
    level = _daily_level(cut, seen)  # (N, K + 1, cycles, days, 1)
    off = cut - level
    week = (say * (off - _mean_day(off, seen))).sum(axis=2) / (say.sum(axis=2) + NO_WEEK)  # (N, K + 1, days, first)
    week -= week.mean(axis=2, keepdims=True)
    age = np.arange(days[2] * days[3] - 1, -1, -1).reshape(days[2], days[3], 1)
    day = _mean_day(off - week[:, :, None], seen * 0.5 ** (age / DAY_MEMORY))
    profile = day[:, :, 0] + week + level[:, :, -1, -1:]
    return _at_level(profile.reshape(*days[:2], longest), (values, weights), first, origins, PARTED)


def _mean_day(values: Array, weights: Array) -> Array:
    """The mean over cycles and days (N, K + 1, cycles, days, first), these two axes kept as ones."""
    mass = np.maximum(weights.sum(axis=(2, 3), keepdims=True), 1e-12)
    return np.asarray((weights * values).sum(axis=(2, 3), keepdims=True) / mass)


def _daily_level(cut: Array, seen: Array) -> Array:
    """The mean of a week on each side of each day of (N, K + 1, cycles, days, first), as far as an origin knows it."""
    days = cut.shape[2] * cut.shape[3]
    place, parts = np.arange(days), []
    for total in ((seen * cut).sum(axis=4), seen.sum(axis=4)):
        before = np.zeros((*cut.shape[:2], days + 1))
        np.cumsum(total.reshape(*cut.shape[:2], days), axis=2, out=before[:, :, 1:])
        windows = [(place - cut.shape[3] + one, place + cut.shape[3] + one) for one in (0, 1)]  # whole weeks
        sums = [
            np.take(before, np.minimum(stop, days), axis=2) - np.take(before, np.maximum(start, 0), axis=2)
            for start, stop in windows
        ]
        parts.append(sums[0] + sums[1])
    return np.asarray(parts[0] / np.maximum(parts[1], 1e-12)).reshape(*cut.shape[:4], 1)


def _cycles(
    values: Array, weights: Array, season: int, origins: Origins, template: Template
) -> tuple[Array, Array, Array]:
    """The last cycles before each origin, their weights as seen, and as they fade: (N, K + 1, cycles, season) each."""
    count = min(template.cycles, -(-int(origins.ends[0]) // season))
    place = origins.ends[:, None] - count * season + np.arange(count * season)
    shape = (-1, len(origins.ends), count, season)
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

    def count(self, ends: Places) -> Places:
        """How many past days each of these origins has."""
        return np.minimum(self.most, -(-(ends - 2 * self.length + 1) // self.stride))


def similar_forecast(values: Array, weights: Array, search: Search, origins: Origins) -> Array:
    """Forecast standardised values (N, T) without gaps from every origin, one day after the other: (N, K + 1, H).

    `weights` (N, T), or (1, T) of all series, are 0 where nothing was observed.

    >>> sawtooth = np.tile(np.arange(16.0), 20)[None, :]
    >>> search = Search.of(24, weekly=False)
    >>> ahead = similar_forecast(sawtooth, np.ones_like(sawtooth), search, Origins(np.array([320]), 24, 24))
    >>> ahead[0, 0, 12:].round(3)
    array([12., 13., 14., 15.,  0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.])
    """
    answer = np.empty((len(values), len(origins.ends), origins.horizon))
    for some in _together(search, origins.ends, len(values)):
        answer[:, some] = _ahead(values, weights, search, origins.ends[some], origins.horizon)
    return answer


def _together(search: Search, ends: Places, series: int) -> Iterator[Places]:
    """The places of origins that are forecast in one array: they have as many past days, and are not too many rows."""
    counts, most = search.count(ends), max(1, MOST_ROWS // series)
    for count in np.unique(counts):
        alike = np.flatnonzero(counts == count)
        yield from (alike[at : at + most] for at in range(0, len(alike), most))


def _ahead(values: Array, weights: Array, search: Search, ends: Places, horizon: int) -> Array:
    """The forecast from origins that have as many past days: (N, k, H)."""
    length = search.length
    now = np.take(values, ends[:, None] + np.arange(-length, 0), axis=1).reshape(-1, length)  # (N x k, length)
    days, tails, after, seen = _past_days(values, weights, search, ends)
    answer = []
    for _ in range(-(-horizon // length)):
        tail = LEVEL * _tail(now)  # (N x k,)
        level = now - tail[:, None]
        apart = days - level[:, None]
        distance = np.square(apart, out=apart).mean(axis=2) / np.maximum(seen, LEAST_SEEN) ** 2
        nearest = min(NEAREST, distance.shape[1] - 1)
        usual = np.partition(distance, nearest, axis=1)[:, [nearest]] + TINY
        say = np.exp(-SHARPNESS * distance / usual) * seen**2 + TINY
        say /= say.sum(axis=1, keepdims=True)
        now = (say[:, None, :] @ after)[:, 0] + (tail - (say * tails).sum(axis=1))[:, None]
        answer.append(now)
    return np.concatenate(answer, axis=1)[:, :horizon].reshape(len(values), len(ends), horizon)


def _past_days(values: Array, weights: Array, search: Search, ends: Places) -> tuple[Array, Array, Array, Array]:
    """Past days less their level (N x k, n, length), that level (N x k, n), the days after, and how much was seen."""
    length, count = search.length, int(search.count(ends[:1])[0])
    moments = ends[:, None] - length - search.stride * np.arange(count)  # (k, n), where a day ends
    before, rows = moments[:, :, None] + np.arange(-length, 0), len(values) * len(ends)
    days, after = (np.take(values, at, axis=1).reshape(rows, count, length) for at in (before, before + length))
    tails = LEVEL * _tail(days)
    total = running_totals(weights)
    seen = (total[:, moments + length] - total[:, moments - length]) / (2 * length)
    seen = np.broadcast_to(seen, (len(values), *moments.shape)).reshape(rows, count)
    return days - tails[:, :, None], tails, after, seen


def _tail(days: Array) -> Array:
    """The mean of the last quarter of each day (..., length)."""
    return np.asarray(days[..., -max(1, days.shape[-1] // 4) :].mean(axis=-1))


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
