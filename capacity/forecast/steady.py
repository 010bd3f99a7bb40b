"""The matrix path: many steady histories of one step in, calibrated quantiles out. All forecasts come from here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from capacity.forecast.closing import closed_slots
from capacity.forecast.conformal import Errors, add_quantiles, comparable_errors, mixed_offsets
from capacity.forecast.ensemble import blend_members
from capacity.forecast.gate import Proposal, Served, propose, serve
from capacity.forecast.globallayer import SERIES, Traits, corrected, error_sizes, traits_of
from capacity.forecast.history import prepare, without_spikes
from capacity.forecast.members import member_forecasts
from capacity.forecast.nearby import with_nearby
from capacity.forecast.origins import Origins, place_origins
from capacity.forecast.peaks import maximum_quantiles
from capacity.forecast.ridge import LEAST_ROWS, design_for
from capacity.forecast.setting import BatchForecast, Setting
from capacity.forecast.tracking import track
from capacity.model import require
from capacity.model.arrays import Array
from capacity.series.seasons import calendar_seasons

CHUNK_CELLS = 60_000  # series x steps worked on at once: the design matrices of a chunk then stay near 40 MB
LEAST_STEPS = 4  # fewer observations than this say nothing about the next one


def forecast_steady(histories: Array, setting: Setting) -> BatchForecast:
    """Forecast N histories (N, T) of one step; NaN is a gap, the last column the last step known.

    Raises `DataError` for values below zero or infinite and for series with fewer than 4 observations. What a history
    is too short for is left out and said in `notes`.

    >>> from datetime import timedelta
    >>> week = 10 + np.arange(7.0)
    >>> forecast = forecast_steady(np.tile(week, (2, 8)), Setting(timedelta(days=1), 3))
    >>> forecast.quantiles[0, :, 0].round(6)
    array([10., 11., 12.])
    """
    raw = _checked(histories)
    values = without_spikes(raw)
    seasons = supported_seasons(setting.seasons or (), values.shape[1])
    origins = _origins(values.shape[1], seasons, setting)
    proposal, traits = _proposal(values, seasons, origins, setting)
    served = serve(proposal, origins.actuals(values))
    served = replace(served, notes=tuple(map(_with_quality, served.notes, raw, values)))
    if traits is not None:
        served = corrected(served, traits, origins.actuals(values), setting.seed)
    errors = comparable_errors(served, values, origins, seasons[0] if seasons else 1)
    if traits is not None:
        errors = error_sizes(traits, errors, setting.seed)
    return _calibrated(values, (served, errors, origins), setting, seasons)


def supported_seasons(seasons: tuple[int, ...], length: int) -> tuple[int, ...]:
    """The seasons of which at least two cycles have been seen.

    >>> supported_seasons((24, 168), 200)
    (24,)
    """
    return tuple(season for season in seasons if 2 * season <= length)


def _checked(histories: Array) -> Array:
    values = np.asarray(histories, dtype=np.float64)
    require(values.ndim == 2 and values.size > 0, "expected histories of shape (series, steps), got {}", values.shape)
    require(not np.isinf(values).any(), "expected finite values or NaN for a gap, got infinity")
    lowest = np.nanmin(values, initial=0.0)
    require(bool(lowest >= 0), "expected values >= 0, got {}", lowest)
    seen = (~np.isnan(values)).sum(axis=1)
    worst = int(seen.argmin())
    require(
        bool(seen[worst] >= LEAST_STEPS),
        "row {}: expected at least {} observed steps, got {}",
        worst,
        LEAST_STEPS,
        seen[worst],
    )
    return values


def _with_quality(notes: tuple[str, ...], raw: Array, used: Array) -> tuple[str, ...]:
    """What a reader must know about the history itself, before how it was forecast."""
    found = []
    spikes = int(np.isnan(used).sum() - np.isnan(raw).sum())
    if spikes:
        found.append(
            f"{spikes} values beyond ten times the 99th percentile (up to {np.nanmax(raw):.4g}) are masked as outliers"
        )
    if np.nanmax(used) == np.nanmin(used):
        found.append(f"every value is {np.nanmax(used):.4g}: the history shows no variation to plan for")
    return (*found, *notes)


def _origins(length: int, seasons: tuple[int, ...], setting: Setting) -> Origins:
    longest = seasons[-1] if seasons else 1
    need = max(longest + max(2, longest // 4), design_for(seasons).depth + LEAST_ROWS)
    stride = (seasons or calendar_seasons(setting.step) or (1,))[0]  # neighbours of a step apart would be one origin
    return place_origins(length, setting.horizon, setting.origins, stride, need)


def _proposal(
    values: Array, seasons: tuple[int, ...], origins: Origins, setting: Setting
) -> tuple[Proposal, Traits | None]:
    rows = max(1, CHUNK_CELLS // values.shape[1])
    layered = setting.global_layer and len(values) >= SERIES
    chunks = [values[at : at + rows] for at in range(0, len(values), rows)]
    asked = replace(setting, global_layer=layered)
    parts = [_propose_chunk(chunk, seasons, origins, asked) for chunk in chunks]
    proposal = Proposal.join([part for part, _ in parts])
    return proposal, Traits.join([part for _, part in parts if part is not None]) if layered else None


def _propose_chunk(
    values: Array, seasons: tuple[int, ...], origins: Origins, setting: Setting
) -> tuple[Proposal, Traits | None]:
    history = prepare(values, seasons)
    members = member_forecasts(history, seasons, origins, setting)
    stacked = np.stack(list(members.forecasts.values()))
    blend = blend_members(stacked, origins.actuals(values))
    traits = traits_of(history.filled, stacked, blend, seasons, origins) if setting.global_layer else None
    return propose(blend, members), traits


def _calibrated(
    values: Array, found: tuple[Served, Errors, Origins], setting: Setting, seasons: tuple[int, ...]
) -> BatchForecast:
    (served, errors, origins), levels = found, setting.quantile_levels
    start = mixed_offsets(errors.shape.reshape(len(values), -1), errors.shape.shape[1], levels)
    tracked = track(errors.shape, start, levels)
    quantiles = add_quantiles(served.point, errors, tracked.offsets)
    if seasons:
        quantiles = closed_slots(quantiles, values, seasons[-1], levels)
    maxima = maximum_quantiles(quantiles, served.point, errors, setting.window, levels) if setting.window else None
    batch = BatchForecast(
        point=served.point,
        quantiles=quantiles,
        models=served.models,
        notes=served.notes,
        maxima=maxima,
        coverage=tracked.coverage,
        skill=served.skill,
        unskilled=served.unskilled,
    )
    return with_nearby(batch, values, (origins, errors, tracked.offsets), setting)
