"""One model over all series that corrects the blend: what many series have in common and one alone cannot show.

Gradient-boosted trees learn the blend's errors on the rolling origins, in units of each series' seasonal-naive error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.forecast.ensemble import Blend
from capacity.forecast.gate import Proposal
from capacity.forecast.origins import Origins
from capacity.forecast.setting import Array

SERIES = 50  # below so many series there is too little in common to learn
SHARE = 0.75  # of the learned correction that is applied; half and all score worse on M4 training windows
EARLIER, EARLIER_STRIDE = 3, 2  # so many earlier windows are looked back at, every second one: neighbours overlap
MOST_ROWS = 150_000  # trained on; neighbouring windows share half of their steps, twice as many rows score the same
TREES: dict[str, Any] = {  # fifteen leaves beat thirty-one at equal cost (M4 training windows)
    "max_iter": 250,
    "learning_rate": 0.06,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 200,
    "max_features": 0.3,
}


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


def corrected(proposal: Proposal, traits: Traits, actuals: Array, seed: int) -> Proposal:
    """The proposal moved by what the trees expect it to be off; each past window by trees that have not seen it."""
    scored = actuals.shape[2]
    off = (actuals - proposal.past) / traits.unit[:, None, None]  # (N, K, scored)
    past = traits.values[:, 1:, :scored]
    shift = SHARE * traits.unit[:, None]
    point = proposal.point + shift * _fit(past, off, seed).predict(_rows(traits.values[:, 0])).reshape(
        proposal.point.shape
    )
    answer = proposal.past.copy()
    for learn, judge in _halves(actuals.shape[1]):
        trees = _fit(past[:, learn], off[:, learn], seed)
        answer[:, judge] += shift[:, :, None] * trees.predict(_rows(past[:, judge])).reshape(answer[:, judge].shape)
    mixtures = tuple(f"{name}, corrected over {len(off)} series" for name in proposal.mixtures)
    return replace(proposal, point=np.maximum(point, 0.0), past=np.maximum(answer, 0.0), mixtures=mixtures)


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
    seen = np.stack(answers)
    count = (~np.isnan(seen)).sum(axis=0)
    return [*answers, np.where(count > 0, np.nansum(seen, axis=0) / np.maximum(count, 1), np.nan)]


def _level_changes(filled: Array, seasons: tuple[int, ...], origins: Origins) -> list[Array]:
    """How the level moved lately: over the last steps, the last short season and the last long one; (N, K + 1) each."""
    total = np.concatenate([np.zeros((len(filled), 1)), np.cumsum(filled, axis=1)], axis=1)

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


def _fit(traits: NDArray[np.float32], off: Array, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor  # only the global layer pays for it

    rows, target = _rows(traits), off.reshape(-1)
    usable = np.flatnonzero(~np.isnan(target))
    if len(usable) > MOST_ROWS:
        usable = np.sort(np.random.default_rng(seed).choice(usable, MOST_ROWS, replace=False))
    trees = HistGradientBoostingRegressor(loss="absolute_error", early_stopping=False, random_state=seed, **TREES)
    return trees.fit(rows[usable], target[usable])
