"""The members of the ensemble: each a function from history to forecasts from every origin, all in closed form.

A ridge autoregression around the seasonal naive: the target is y[t] - y[t - s]; coefficients shrink to zero, so the
prior is the seasonal naive, and every rolling origin has its own fit at the price of adding the rows between two
origins to a Gram matrix. Templates carry the average season on a decaying level. A Gaussian process stands between the
two (`process`). The seasonal naives repeat what was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np

from capacity.forecast.history import History, Origins, log_scale, raw_scale
from capacity.forecast.settings import Setting
from capacity.forecast.templates import (
    STEADY,
    TRACKING,
    Search,
    day_type_forecast,
    has_day_types,
    has_process,
    parted_forecast,
    process_forecast,
    similar_forecast,
    similar_length,
    template_forecast,
)
from capacity.model.arrays import Array, Places
from capacity.series.seasons import calendar_seasons
from capacity.stats import nan_mean, nan_median, running_totals

LONG = 5_000  # steps of horizon beyond which rolling the full ridge forward would cost seconds and say little
PENALTY = 3.0  # in units of a standardised column over one observation; flat between 1 and 10 on M4 training windows
SPARSE_PENALTY = 0.05  # of the few lags, on days without a week: the error is 6 % less than with 3; flat below
SPARSE_ROWS = 5  # for each column, from which on they are fitted so freely
HALF_LIFE_SEASONS = 25  # recency: 600 hours for hourly data
HARMONICS = 6  # of the first season; 3, 6 and 11 score the same, the lags carry the rest
SHORT_LAGS = 26
MEDIAN_CYCLES = 5  # of which two may be closed or wild
LEAST_WEEKS = 3  # of history, from which members know of a week that did not stand out
LEAST_ROWS = 8  # a ridge is fitted from so many rows up; its prior, the seasonal naive, does the rest
MAX_ROWS = 20_000  # beyond this the recency weights leave nothing to learn and minutes would cost seconds
DRIFT_SMOOTH = 1 / 13  # of a year: four weeks are wide enough to leave no single day in the drift
STEEPEST_DRIFT = (
    3.0  # a year ago's level may have tripled or fallen to a third over the horizon; more was another business
)
DRIFT_TRUST = 0.7  # of last year's drift (in logs) is expected again; one cycle is little evidence


@dataclass(frozen=True, slots=True)
class Members:
    """Every member's forecast from every origin by its name, and which of them are the seasonal naives."""

    forecasts: dict[str, Array]  # (N, K + 1, H) each
    naives: tuple[str, ...]


def member_forecasts(history: History, seasons: tuple[int, ...], origins: Origins, setting: Setting) -> Members:
    """Every member's forecast from every origin, in the unit of the series, never negative."""
    forecasts, highest = {}, _highest(history.filled)
    proven = proven_seasons(seasons, setting)
    for suffix, scale in (("", raw_scale(history)), (" of logs", log_scale(history))):
        standard = scale.apply(history.filled)
        designs = _designs(seasons, proven, origins.horizon, logs=bool(suffix))
        members = _ridges(standard, history, designs, origins)
        members |= _on_scale(standard, history, seasons, origins, logs=bool(suffix))
        for name, forecast in members.items():
            forecasts[name + suffix] = np.minimum(scale.invert(forecast), highest)
    length = similar_length(seasons, setting.step, origins)
    if length:
        search = Search.of(length, weekly=has_day_types(proven))
        similar = similar_forecast(standard, _once(history.weights), search, origins)
        forecasts["similar days of logs"] = np.minimum(scale.invert(similar), highest)
    if has_process(seasons, origins):
        forecasts["process of logs"] = np.minimum(scale.invert(process_forecast(standard, seasons, origins)), highest)
    if seasons and reaches_back(origins, setting.year):
        steady = forecasts["day-type template of logs" if has_day_types(seasons) else "template of logs"]
        drifting = with_last_years_drift(steady, history.filled, setting.year, origins)
        forecasts["template with last year's drift"] = drifting
    naives = {f"seasonal naive {season}": season for season in seasons or _lags(origins, setting)}
    for name, season in naives.items():
        forecasts[name] = seasonal_naive(history.filled, season, origins)
    return Members(forecasts | _of_cycles(history.filled, seasons, origins), tuple(naives))


def proven_seasons(seasons: tuple[int, ...], setting: Setting) -> tuple[int, ...]:
    """The seasons that were asked for; a week that only may be there (`with_possible_week`) was not.

    >>> proven_seasons((24, 168), Setting(timedelta(hours=1), 24, seasons=(24,)))
    (24,)
    """
    return tuple(season for season in seasons if season in (setting.seasons or ()))


def with_possible_week(seasons: tuple[int, ...], step: timedelta, length: int) -> tuple[int, ...]:
    """Seasons of which a day is the only one, and the week too, where three have been seen.

    Three weeks prove no week that its noise hides, but members that know of one forecast better still.

    >>> hour = timedelta(hours=1)
    >>> with_possible_week((24,), hour, 504), with_possible_week((24,), hour, 503), with_possible_week((), hour, 504)
    ((24, 168), (24,), ())
    """
    day, week = (round(cycle / step) for cycle in (timedelta(days=1), timedelta(days=7)))
    possible = seasons == (day,) and week % day == 0 and length >= LEAST_WEEKS * week
    return (day, week) if possible else seasons


def _highest(values: Array) -> Array:
    """The history and half its range, in the series' own unit: half a range of logs may be a factor of thousands."""
    low, high = values.min(axis=1), values.max(axis=1)
    return np.asarray((high + 0.5 * (high - low))[:, None, None])


def _lags(origins: Origins, setting: Setting) -> tuple[int, ...]:
    """Lags whose naive a series without a cycle is held against: the last step, and the calendar's few."""
    return (1, *(lag for lag in calendar_seasons(setting.step) if lag <= int(origins.ends.min())))


def _on_scale(
    standard: Array, history: History, seasons: tuple[int, ...], origins: Origins, *, logs: bool
) -> dict[str, Array]:
    """Members on one scale; what hardly differs from a better one is left out, since it would only dilute that."""
    if not seasons:
        return {f"level {width}": level_forecast(standard, history.weights, width, origins) for width in (3, 14)}
    members, weights = {}, _once(history.weights)
    if has_day_types(seasons):
        members["day-type template"] = day_type_forecast(standard, weights, seasons, origins)
        if logs:
            members["changing day and week"] = parted_forecast(standard, history.weights, seasons, origins)
        return members
    if logs:
        members["template"] = template_forecast(standard, weights, seasons, origins, STEADY)
    members["tracking template"] = template_forecast(standard, weights, seasons, origins, TRACKING)
    if len(seasons) > 1:
        members["short template"] = template_forecast(standard, weights, seasons[:1], origins, STEADY)
    return members


def _designs(seasons: tuple[int, ...], proven: tuple[int, ...], horizon: int, *, logs: bool) -> dict[str, Design]:
    """The autoregressions on one scale. Few lags are held loosely, and a week that may not be there would mislead."""
    if has_day_types(seasons) and not logs:
        return {}
    full = {"ridge": design_for(seasons)} if horizon <= LONG and (logs or not seasons) else {}
    return full | {"sparse ridge": sparse_design_for(proven)}


def _ridges(standard: Array, history: History, designs: dict[str, Design], origins: Origins) -> dict[str, Array]:
    """The forecasts of those designs for which there are enough rows."""
    forecasts = {}
    for name, design in designs.items():
        if int(origins.ends.min()) >= design.depth + LEAST_ROWS:
            forecasts[name] = ridge_forecast(standard, _row_weights(history, design.depth), design, origins)
    return forecasts


def _once(weights: Array) -> Array:
    """One row of the weights (N, T) where those of all series are alike: what follows from them is worked out once."""
    return weights[:1] if (weights == weights[0]).all() else weights


def _row_weights(history: History, depth: int) -> Array:
    """A row counts if its target was observed, and less if the lags it leans on were not."""
    total = np.cumsum(history.observed, axis=1)
    before = np.concatenate([np.zeros((len(total), depth)), total[:, :-depth]], axis=1)
    share = (total - before) / depth
    return np.asarray(history.weights * share**2)


def seasonal_naive(values: Array, season_length: int, origins: Origins) -> Array:
    """The last season, repeated, from every origin: (N, T) -> (N, K + 1, H)."""
    return _ago(values, season_length, 0, origins)


def _of_cycles(values: Array, seasons: tuple[int, ...], origins: Origins) -> dict[str, Array]:
    """Means and the median of the last cycles of the longest season: those that do not coincide, none has two votes."""
    if not seasons:
        return {}
    longest = seasons[-1]
    known = values.shape[1] // longest
    means = () if has_day_types(seasons) else (2, 4)[: known - 1]
    members = {f"mean of {cycles} seasons": seasonal_mean(values, longest, cycles, origins) for cycles in means}
    if known > 2:
        members[f"median of {MEDIAN_CYCLES} seasons"] = seasonal_median(values, longest, MEDIAN_CYCLES, origins)
    return members


def seasonal_mean(values: Array, season_length: int, cycles: int, origins: Origins) -> Array:
    """The mean of up to `cycles` last seasons, repeated: half the noise of the naive, nothing to estimate.

    Each origin takes the seasons that it has: (N, T) -> (N, K + 1, H).

    >>> origins = Origins(np.array([6, 4]), 2, 2)
    >>> seasonal_mean(np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]), 2, 3, origins)[0]
    array([[3., 4.],
           [2., 3.]])
    """
    return _repeated(nan_mean(_last_cycles(values, season_length, cycles, origins), 0), origins.horizon)


def seasonal_median(values: Array, season_length: int, cycles: int, origins: Origins) -> Array:
    """The median of up to `cycles` last seasons, repeated: one closed day among them changes nothing.

    Each origin takes the seasons that it has: (N, T) -> (N, K + 1, H).

    >>> origins = Origins(np.array([6]), 2, 2)
    >>> seasonal_median(np.array([[9.0, 8.0, 9.0, 8.0, 0.0, 0.0]]), 2, 5, origins)[0]
    array([[9., 8.]])
    """
    return _repeated(nan_median(_last_cycles(values, season_length, cycles, origins), 0), origins.horizon)


def _last_cycles(values: Array, season_length: int, cycles: int, origins: Origins) -> Array:
    """The last seasons before each origin, latest first, as much of them as the horizon asks for.

    (cycles, N, K + 1, at most a season); NaN where an origin has no more.
    """
    room = np.maximum(origins.ends // season_length, 1)  # (K + 1,)
    ahead = np.arange(min(origins.horizon, season_length))
    parts = []
    for cycle in range(min(cycles, int(room.max()))):
        place = origins.ends[:, None] + ahead - season_length * (1 + cycle)
        known = values[:, np.maximum(place, 0)]
        parts.append(known if (room > cycle).all() else np.where((room > cycle)[:, None], known, np.nan))
    return np.stack(parts)


def _repeated(season: Array, horizon: int) -> Array:
    """A season (N, K + 1, S), again and again over the horizon: (N, K + 1, H)."""
    length = season.shape[2]
    return season if length == horizon else season[:, :, np.arange(horizon) % length]


def _ago(values: Array, season_length: int, cycles: int, origins: Origins) -> Array:
    ahead = np.arange(origins.horizon) % season_length - season_length * (1 + cycles)
    return values[:, origins.ends[:, None] + ahead]


def level_forecast(values: Array, weights: Array, half_life: float, origins: Origins) -> Array:
    """A flat line at the exponentially weighted mean: (N, T) -> (N, K + 1, H)."""
    parts = []
    for end in origins.ends:
        back = min(int(end), int(10 * half_life))
        say = weights[:, end - back : end] * 0.5 ** (np.arange(back - 1, -1, -1) / half_life)
        level = (say * values[:, end - back : end]).sum(axis=1) / np.maximum(say.sum(axis=1), 1e-12)
        parts.append(np.repeat(level[:, None], origins.horizon, axis=1))
    return np.stack(parts, axis=1)


@dataclass(frozen=True, slots=True)
class Design:
    """Which columns the autoregression sees: lags in steps, and the season whose naive is the prior.

    `penalty` is what holds it there, where there are rows enough; of few rows it is never less than `PENALTY`.
    """

    season_length: int
    lags: Places
    penalty: float = PENALTY

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
    return Design(first, np.array(sorted(lag for lag in lags if lag > 0), dtype=np.intp), SPARSE_PENALTY)


def ridge_forecast(values: Array, weights: Array, design: Design, origins: Origins) -> Array:
    """Forecast standardised values (N, T) from every origin: (N, K + 1, H).

    `weights` (N, T) is the say of each observation as a target: 0 where nothing was observed.
    """
    coefficients = _fit_ridge(values, weights, design, origins)
    return _recurse(values, coefficients, design, origins)


@lru_cache(maxsize=64)  # of one series, each origin's are asked for by two designs on two scales
def _harmonics(first: int, last: int, season_length: int) -> Array:
    """Sine and cosine columns of the season, and the intercept, of the steps from `first` to before `last`."""
    waves = np.arange(1, min(HARMONICS, (season_length - 1) // 2) + 1)
    angle = 2 * np.pi * np.arange(first, last)[:, None] * waves / season_length
    columns = np.concatenate([np.sin(angle), np.cos(angle), np.ones((last - first, 1))], axis=1)
    columns.flags.writeable = False
    return columns


def _fit_ridge(values: Array, weights: Array, design: Design, origins: Origins) -> Array:
    """Coefficients of every series and origin: (N, K + 1, columns)."""
    last = int(origins.ends[0])
    start = max(design.depth, last - MAX_ROWS)
    rows = np.arange(start, last)
    target = values[:, start:last] - values[:, start - design.season_length : last - design.season_length]
    recency = 0.5 ** ((last - rows) / (HALF_LIFE_SEASONS * max(design.season_length, 7)))
    root = np.sqrt(weights[:, start:last] * recency)  # on both sides of the product: it is symmetric, which halves
    fixed = _harmonics(start, last, design.season_length)  # its cost
    columns = _design_columns(values, root, design.lags, fixed, last)  # (N, p, rows)
    cuts = np.maximum(np.append(origins.ends, start) - start, 0)
    gram, moment = _cumulate(columns, target * root, cuts)
    decay = 0.5 ** ((last - origins.ends) / (HALF_LIFE_SEASONS * max(design.season_length, 7)))
    size = columns.shape[1]
    enough = int(origins.ends.min()) - start >= SPARSE_ROWS * size
    gram += ((design.penalty if enough else PENALTY) * decay)[None, :, None, None] * np.eye(size)
    return np.asarray(np.linalg.solve(gram, moment[..., None])[..., 0])


def _design_columns(values: Array, root: Array, lags: Places, fixed: Array, last: int) -> Array:
    """The columns of the rows before `last`, each row times its `root` (N, rows): (N, p, rows)."""
    count = root.shape[1]
    first = last - count
    columns = np.empty((len(values), len(lags) + fixed.shape[1], count))
    for place, lag in enumerate(lags):
        np.multiply(values[:, first - lag : last - lag], root, out=columns[:, place])
    np.multiply(fixed.T, root[:, None, :], out=columns[:, len(lags) :])
    return columns


def _cumulate(columns: Array, target: Array, cuts: Places) -> tuple[Array, Array]:
    """Gram matrices and moments of the weighted rows before each cut, built from the oldest cut up."""
    count, size = len(cuts) - 1, columns.shape[1]
    gram = np.zeros((len(columns), count, size, size))
    moment = np.zeros((len(columns), count, size))
    for k in range(count - 1, -1, -1):
        block = columns[:, :, cuts[k + 1] : cuts[k]]
        gram[:, k] = block @ block.transpose(0, 2, 1)
        moment[:, k] = (block @ target[:, cuts[k + 1] : cuts[k], None])[..., 0]
        if k + 1 < count:
            gram[:, k] += gram[:, k + 1]
            moment[:, k] += moment[:, k + 1]
    return gram, moment


def _recurse(values: Array, coefficients: Array, design: Design, origins: Origins) -> Array:
    """Roll the autoregression forward from every origin, each step fed to the next; time is the first axis."""
    depth, horizon, lags = design.depth, origins.horizon, design.lags
    path = np.empty((depth + horizon, len(values), len(origins.ends)))
    fixed = np.empty((horizon, len(values), len(origins.ends)))
    for k, end in enumerate(origins.ends):
        path[:depth, :, k] = values[:, end - depth : end].T
        waves = _harmonics(int(end), int(end) + horizon, design.season_length)
        fixed[:, :, k] = waves @ coefficients[:, k, len(lags) :].T
    slopes = np.ascontiguousarray(np.moveaxis(coefficients[:, :, : len(lags)], 2, 0))  # (lags, N, K + 1)
    low, high = _bounds(values)
    for h in range(horizon):
        t = depth + h
        step = path[t - design.season_length] + np.einsum("lnk,lnk->nk", slopes, path[t - lags]) + fixed[h]
        np.minimum(np.maximum(step, low, out=step), high, out=path[t])
    return np.moveaxis(path[depth:], 0, 2)


def _bounds(values: Array) -> tuple[Array, Array]:
    """No forecast leaves the history's range by more than half of it: an unstable fit stays harmless."""
    low, high = values.min(axis=1), values.max(axis=1)
    margin = 0.5 * (high - low)
    return (low - margin)[:, None], (high + margin)[:, None]


def with_last_years_drift(forecast: Array, filled: Array, year: int, origins: Origins) -> Array:
    """A forecast (N, K + 1, H) times the change of the smoothed level over the same steps a year ago.

    `year` is its length in steps. Needs `year` and half a smoothing window before the earliest origin.
    """
    half = max(1, round(DRIFT_SMOOTH * year / 2))
    total = running_totals(filled)
    ahead = np.minimum(
        np.arange(origins.horizon), year - half
    )  # what lies further ahead is not known a year ago either
    then = origins.ends[:, None] - year + ahead  # (K + 1, H)
    level = total[:, then + half] - total[:, then - half]  # (N, K + 1, H)
    start = origins.ends - year
    before = total[:, start] - total[:, start - half]  # the half window up to the origin: what today's level is like
    before = np.maximum(before * 2, 1e-3 * level.mean(axis=2) + 1e-300)
    return np.asarray(forecast * np.clip(level / before[:, :, None], 1 / STEEPEST_DRIFT, STEEPEST_DRIFT) ** DRIFT_TRUST)


def reaches_back(origins: Origins, year: int) -> bool:
    """Whether every origin has seen the year and the smoothing window that the drift needs."""
    return 0 < year <= int(origins.ends.min()) - round(DRIFT_SMOOTH * year / 2) - 1
