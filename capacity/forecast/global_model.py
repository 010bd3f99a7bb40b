"""One model over all series that corrects the blend: what many series have in common and one alone cannot show.

Gradient-boosted trees learn the blend's errors on the rolling origins, in units of each series' seasonal-naive error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from capacity.forecast.blend import Blend, Served, recent_errors
from capacity.forecast.calibration import Errors
from capacity.forecast.history import Origins
from capacity.model.arrays import Array
from capacity.stats import nan_mean, running_totals

SERIES = 10  # below so many series there is too little in common to learn
MOST_UNASKED = 200  # series up to which it is tried unasked: it costs some ten times the rest of the forecast
GAIN = 0.02  # share by which the error at the origins must fall, over all series, for it to be used unasked
LEAF_ROWS, LEAST_LEAF = 500, 20  # rows for each sample that a leaf must hold, and the fewest: few series, coarse trees
SHARE = 0.75  # of the learned correction that is applied; half and all score worse on M4 training windows
EARLIER, EARLIER_STRIDE = 3, 2  # so many earlier windows are looked back at, every second one: neighbours overlap
TREES: dict[str, Any] = {  # fifteen leaves beat thirty-one at equal cost (M4 training windows)
    "loss": "absolute_error",
    "rows": 150_000,  # neighbouring windows share half of their steps: twice as many rows score the same
    "max_iter": 250,
    "learning_rate": 0.06,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 200,
    "max_features": 0.3,
}
SIZES = TREES | {"loss": "squared_error", "rows": 100_000, "max_iter": 100, "learning_rate": 0.08}
WILDEST, LEAST_SIZE = 6.0, 0.1  # times the usual size: beyond it an error teaches no more; below it none is expected


@dataclass(frozen=True, slots=True)
class Traits:
    """What the trees see of each forecast step: (N, K + 1, H, traits) in single precision, and the unit of a series."""

    values: NDArray[np.float32]
    unit: Array  # (N,)

    @staticmethod
    def join(parts: list[Traits]) -> Traits:
        """Chunks of series, one below the other."""
        return Traits(np.concatenate([part.values for part in parts]), np.concatenate([part.unit for part in parts]))


def traits_of(filled: Array, members: Array, blend: Blend, seasons: tuple[int, ...], origins: Origins) -> Traits:
    """Traits of a chunk of series from its filled history (N, T) and its members' forecasts (M, N, K + 1, H)."""
    path = np.concatenate([blend.point[:, None], _to_horizon(blend.past, origins)], axis=1)  # (N, K + 1, H)
    unit = _seasonal_change(filled, (seasons or (1,))[0])
    off = origins.actuals(filled) - blend.past
    columns = [
        *((member - path) for member in members),
        members.std(axis=0),
        *(_ago(filled, origins, season, cycle) - path for season in seasons for cycle in range(3)),
        *_earlier_errors(off, (seasons or (1,))[0], origins),
        *(np.broadcast_to(change[:, :, None], path.shape) for change in _level_changes(filled, seasons, origins)),
    ]
    scaled = [column / unit[:, None, None] for column in columns]
    mean = filled.mean(axis=1)[:, None, None] + 1e-300
    spread = filled.std(axis=1)[:, None, None] + 1e-300
    recent = np.stack(
        [filled[:, max(0, end - (seasons or (7,))[-1]) : end].mean(axis=1) for end in origins.ends], axis=1
    )
    scaled += [path / mean, (path - recent[:, :, None]) / spread]
    flat = (spread / unit[:, None, None], np.arange(path.shape[2]))
    scaled += [np.broadcast_to(part, path.shape) for part in flat]
    return Traits(np.stack(scaled, axis=-1).astype(np.float32), unit)


def helps(served: Served, layered: Served, actuals: Array) -> bool:
    """Whether corrected forecasts came nearer at the rolling origins, over all series, each in its own unit."""
    plain, told = recent_errors(served.past, actuals), recent_errors(layered.past, actuals)
    usual = plain > 0
    return bool(usual.any() and np.mean(told[usual] / plain[usual]) < 1 - GAIN)


def corrected(served: Served, traits: Traits, actuals: Array, seed: int) -> Served:
    """What is served moved by what the trees expect it to be off; each past window by trees that have not seen it.

    The gate has decided before: trees that saw half of the origins are worse judges of skill than the blend itself.
    """
    scored = actuals.shape[2]
    off = (actuals - served.past) / traits.unit[:, None, None]  # (N, K, scored)
    past = traits.values[:, 1:, :scored]
    shift = SHARE * traits.unit * (1.0 - served.naive_share)  # (N,)
    expected = _predicted(_fit(past, off, seed), traits.values[:, 0])
    point = served.point + shift[:, None] * expected
    answer = served.past + shift[:, None, None] * out_of_sample(past, off, seed)
    models = tuple(f"{name}, corrected over {len(off)} series" for name in served.models)
    return replace(served, point=np.maximum(point, 0.0), past=np.maximum(answer, 0.0), models=models)


def out_of_sample(traits: NDArray[np.float32], target: Array, seed: int, trees: dict[str, Any] = TREES) -> Array:
    """What trees that learned from the other half of the windows predict for each past window: (N, K, scored)."""
    answer = np.empty(traits.shape[:-1])
    for learn, judge in _halves(target.shape[1]):
        answer[:, judge] = _predicted(_fit(traits[:, learn], target[:, learn], seed, trees), traits[:, judge])
    return answer


def error_sizes(traits: Traits, errors: Errors, seed: int) -> Errors:
    """Errors in units that the trees expect at each step: what they say of size beside series, slot and distance.

    Learned is |error| over its usual size (its mean, hence squared loss), wild ones cut.
    """
    scored = errors.shape.shape[2]
    past = _with_scale(traits.values[:, 1:, :scored], errors.past_scale / traits.unit[:, None, None])
    ahead = _with_scale(traits.values[:, 0], errors.scale / traits.unit[:, None])
    size = np.minimum(np.abs(errors.shape), WILDEST)
    seen = np.maximum(out_of_sample(past, size, seed, SIZES), LEAST_SIZE)
    coming = np.maximum(_predicted(_fit(past, size, seed, SIZES), ahead), LEAST_SIZE)
    past_scale, scale = errors.past_scale * seen, errors.scale * coming
    return replace(errors, shape=errors.shape / seen, past_scale=past_scale, scale=scale)


def _with_scale(traits: NDArray[np.float32], scale: Array) -> NDArray[np.float32]:
    return np.concatenate([traits, np.log(scale + 1e-9).astype(np.float32)[..., None]], axis=-1)


def _seasonal_change(filled: Array, season_length: int) -> Array:
    """The mean absolute change over a season (N,): the unit in which series are comparable (MASE's)."""
    change = np.abs(filled[:, season_length:] - filled[:, :-season_length]).mean(axis=1)
    return np.asarray(np.maximum(change, 1e-9 * (filled.mean(axis=1) + 1e-290)))


def _to_horizon(past: Array, origins: Origins) -> Array:
    """Past windows that were scored over less than the horizon, held at their last value."""
    return np.pad(past, ((0, 0), (0, 0), (0, origins.horizon - origins.scored)), mode="edge")


def _ago(filled: Array, origins: Origins, season_length: int, cycles: int) -> Array:
    ahead = np.arange(origins.horizon)
    back = ahead - season_length * (ahead // season_length + 1 + cycles)
    return filled[:, np.maximum(origins.ends[:, None] + back, 0)]


def _earlier_errors(off: Array, season_length: int, origins: Origins) -> list[Array]:
    """How far off the last windows that were over before an origin have been on the same slots: (N, K + 1, H) each."""
    ahead = np.arange(origins.horizon)
    answers = [np.full((len(off), len(origins.ends), origins.horizon), np.nan) for _ in range(EARLIER)]
    for k, end in enumerate(origins.ends):
        over = np.flatnonzero(origins.ends[1:] + origins.scored <= end)
        for answer, j in zip(answers, over[::EARLIER_STRIDE], strict=False):
            cycle = np.minimum(ahead // season_length, max(origins.scored // season_length - 1, 0))
            slot = (end - origins.ends[1 + j] + ahead) % season_length + cycle * season_length
            answer[:, k] = off[:, j, np.minimum(slot, origins.scored - 1)]
    return [*answers, nan_mean(np.stack(answers), 0)]


def _level_changes(filled: Array, seasons: tuple[int, ...], origins: Origins) -> list[Array]:
    """How the level moved lately: over the last steps, the last short season and the last long one; (N, K + 1) each."""
    total = running_totals(filled)

    def mean(late: int, early: int) -> Array:
        start, end = np.maximum(origins.ends - early, 0), np.maximum(origins.ends - late, 1)
        return np.asarray((total[:, end] - total[:, start]) / np.maximum(end - start, 1))

    first, longest = (seasons or (7,))[0], (seasons or (7,))[-1]
    return [
        mean(0, first) - mean(first, 2 * first),
        mean(0, first) - mean(longest, longest + first),
        mean(0, first) - mean(0, longest),
        mean(0, longest) - mean(longest, 2 * longest),
        mean(0, 3) - mean(first, first + 3),
        mean(0, 3) - mean(longest, longest + 3),
    ]


def _halves(origins: int) -> Iterator[tuple[slice, slice]]:
    middle = max(1, origins // 2)
    yield slice(middle, None), slice(0, middle)
    yield slice(0, middle), slice(middle, None)


def _rows(traits: NDArray[np.float32]) -> NDArray[np.float32]:
    return traits.reshape(-1, traits.shape[-1])


def _predicted(trees: Any, traits: NDArray[np.float32]) -> Array:
    with threadpool_limits(1, "openmp"):
        found = trees.predict(_rows(traits))
    return np.asarray(found, dtype=np.float64).reshape(traits.shape[:-1])


def _fit(traits: NDArray[np.float32], target: Array, seed: int, trees: dict[str, Any] = TREES) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor  # only the global layer pays for it

    rows, wanted = _rows(traits), target.reshape(-1)
    usable = np.flatnonzero(~np.isnan(wanted))
    if len(usable) > trees["rows"]:
        usable = np.sort(np.random.default_rng(seed).choice(usable, trees["rows"], replace=False))
    options = {name: value for name, value in trees.items() if name != "rows"}
    options["min_samples_leaf"] = int(np.clip(len(usable) // LEAF_ROWS, LEAST_LEAF, trees["min_samples_leaf"]))
    model = HistGradientBoostingRegressor(early_stopping=False, random_state=seed, **options)
    seen = rows[usable]
    seen[:, np.isnan(seen).all(axis=0)] = 0.0  # the first windows have no earlier ones: nothing to split by
    with threadpool_limits(1, "openmp"):  # on busy cores its threads wait in a loop, at seven times the CPU
        return model.fit(seen, wanted[usable])
