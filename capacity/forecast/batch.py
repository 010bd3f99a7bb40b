"""The matrix path: many histories of one step in, calibrated quantiles out. All forecasts come from here.

`forecast_steady` forecasts histories that nothing known ahead moves, `forecast_batch` those with events that the series
share and columns of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ParamSpec, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from capacity.forecast.analogs import with_past_days
from capacity.forecast.blend import Near, Proposal, Served, blend_members, propose, propose_near, serve, with_near
from capacity.forecast.calibration import (
    MANY_SLOTS,
    Errors,
    add_quantiles,
    closed_slots,
    comparable_errors,
    mixed_offsets,
    track,
)
from capacity.forecast.closures import over_few_days
from capacity.forecast.counts import with_counts
from capacity.forecast.covariates import LEAST_DAYS, Columns, learn_columns
from capacity.forecast.gaps import LEAST_STEPS as LEAST_STEPS
from capacity.forecast.global_model import MOST_UNASKED, SERIES, Traits, corrected, error_sizes, helps, traits_of
from capacity.forecast.history import Origins, place_origins, prepare, without_spikes
from capacity.forecast.maxima import carried_over, closed_windows, highest_quantiles, maximum_quantiles, share_left
from capacity.forecast.members import LEAST_ROWS, design_for, member_forecasts, with_possible_week
from capacity.forecast.settings import NEAREST, BatchForecast, Residuals, Setting
from capacity.forecast.uplift import (
    EventsAhead,
    Occurrence,
    events_ahead,
    learn_effects,
    masked,
    pooled_effects,
    widen_events,
)
from capacity.forecast.wallclock import HIGHEST
from capacity.model import DataError, require
from capacity.model.arrays import Array, Places
from capacity.series.outages import without_outages
from capacity.series.seasons import calendar_seasons
from capacity.stats import running_maxima

P = ParamSpec("P")
T = TypeVar("T")

CHUNK_CELLS = 60_000  # series x steps worked on at once: the design matrices of a chunk then stay near 40 MB

REACH = timedelta(days=28)  # four weeks: beyond, an autoregression feeds on itself and may drift away
REACH_SEASONS = 2  # and at least so many of the longest season
POOLED_DAYS = 90.0  # days' worth of the other series' slope in each series' own


def _on_one_thread(function: Callable[P, T]) -> Callable[P, T]:
    """On small matrices threads cost more than they save, and move last digits."""
    wrapped: Callable[P, T] = ThreadpoolController().wrap(limits=1)(function)
    return wrapped


@_on_one_thread
def forecast_steady(histories: Array, setting: Setting) -> BatchForecast:
    """Forecast N histories (N, T) of one step; NaN is a gap, the last column the last step known.

    Beyond four weeks (two seasons, if longer) the last season is repeated: nothing can explode that is repeated; how
    much less is known out there is for the caller to add.

    Raises `DataError` for values below zero or infinite and for series with fewer than 4 observations. What a history
    is too short for is left out and said in `notes`.

    >>> from datetime import timedelta
    >>> week = 10 + np.arange(7.0)
    >>> forecast = forecast_steady(np.tile(week, (2, 8)), Setting(timedelta(days=1), 3))
    >>> forecast.quantiles[0, :, 0].round(6)
    array([10., 11., 12.])
    >>> forecast_steady(np.tile(week, (1, 8)), Setting(timedelta(days=1), 370)).quantiles[0, -3:, 0].round(6)
    array([13., 14., 15.])
    """
    raw = _checked(histories)
    values = without_spikes(raw)
    proven = supported_seasons(setting.seasons or (), values.shape[1])
    seasons = with_possible_week(proven, setting.step, values.shape[1])
    longest = proven[-1] if proven else 1
    near_by = replace(setting, horizon=min(setting.horizon, _reach(longest, setting)))
    asked, setting = setting, _far_enough(near_by, seasons)
    origins = _origins(values.shape[1], seasons, setting)
    proposal, near, traits = _proposal(values, seasons, origins, setting)
    served = serve(proposal, origins.actuals(values))
    for part in near:
        served = with_near(served, part, origins.actuals(values))
    served = replace(served, notes=tuple(map(_with_quality, served.notes, raw, values)))
    if traits is not None:
        layered = corrected(served, traits, origins.actuals(values), setting.seed)
        if setting.global_layer is None and not helps(served, layered, origins.actuals(values)):
            traits = None
        else:
            served = layered
    errors = comparable_errors(served, values, origins, seasons[0] if seasons else 1)
    if traits is not None:
        errors = error_sizes(traits, errors, setting.seed)
    made = _calibrated(values, _near(served, errors, origins, near_by.horizon), near_by, proven)
    return _repeated(made, longest, asked)


def _reach(longest: int, setting: Setting) -> int:
    """The farthest step that is forecast by itself: four weeks, or two seasons."""
    return max(REACH_SEASONS * longest, round(REACH / setting.step), 1)


def _far_enough(setting: Setting, seasons: tuple[int, ...]) -> Setting:
    """The setting with a horizon of at least a season of few slots: past windows then see all of them.

    A day ahead, past windows of one day would all fall on the weekday before the one that is forecast.
    """
    season = _stride(seasons, setting)
    return replace(setting, horizon=max(setting.horizon, season if season < MANY_SLOTS else 1))


def _near(served: Served, errors: Errors, origins: Origins, horizon: int) -> tuple[Served, Errors, Origins]:
    """The first steps of what is served; what was scored at the rolling origins stays."""
    point, scale = served.point[:, :horizon], errors.scale[:, :horizon]
    return replace(served, point=point), replace(errors, scale=scale), replace(origins, horizon=horizon)


def supported_seasons(seasons: tuple[int, ...], length: int) -> tuple[int, ...]:
    """The seasons of which at least two cycles have been seen.

    >>> supported_seasons((24, 168), 200)
    (24,)
    """
    return tuple(season for season in seasons if 2 * season <= length)


def _checked(histories: Array) -> Array:
    try:
        values = np.asarray(histories, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("expected histories of one length, as numbers: fill shorter ones with NaN in front") from error
    require(values.ndim == 2 and values.size > 0, "expected histories of shape (series, steps), got {}", values.shape)
    require(not np.isinf(values).any(), "expected finite values or NaN for a gap, got infinity")
    lowest = np.nanmin(values, initial=0.0)
    require(bool(lowest >= 0), "expected values >= 0, got {}", lowest)
    highest = np.nanmax(values, initial=0.0)
    require(bool(highest <= HIGHEST), "expected values up to {:g}, got {}", HIGHEST, highest)
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
    return place_origins(length, setting.horizon, setting.origins, _stride(seasons, setting), need)


def _stride(seasons: tuple[int, ...], setting: Setting) -> int:
    """Steps between rolling origins: a season, since neighbours of a step apart would be one origin."""
    return (seasons or calendar_seasons(setting.step) or (1,))[0]


def _proposal(
    values: Array, seasons: tuple[int, ...], origins: Origins, setting: Setting
) -> tuple[Proposal, tuple[Near, ...], Traits | None]:
    rows = max(1, CHUNK_CELLS // values.shape[1])
    most = MOST_UNASKED if setting.global_layer is None else len(values)
    layered = setting.global_layer is not False and SERIES <= len(values) <= most
    proposals, nears, traits = [], [], []
    for at in range(0, len(values), rows):
        history = prepare(values[at : at + rows], seasons)
        actuals = origins.actuals(values[at : at + rows])
        members = member_forecasts(history, seasons, origins, setting)
        stacked = np.stack(list(members.forecasts.values()))
        blend = blend_members(stacked, actuals)
        proposals.append(propose(blend, members))
        nears.append(propose_near(history.filled, stacked, seasons, origins, (actuals, setting)))
        if layered:
            traits.append(traits_of(history.filled, stacked, blend, seasons, origins))
    near = tuple(map(Near.join, zip(*nears, strict=True)))
    return Proposal.join(proposals), near, Traits.join(traits) if layered else None


def _calibrated(
    values: Array, found: tuple[Served, Errors, Origins], setting: Setting, seasons: tuple[int, ...]
) -> BatchForecast:
    (served, errors, origins), levels = found, setting.quantile_levels
    start = mixed_offsets(errors.shape.reshape(len(values), -1), errors.shape.shape[1], levels)
    tracked = track(errors.shape, start, levels)
    quantiles, maxima = add_quantiles(served.point, errors, tracked.offsets), None
    if seasons:
        quantiles = closed_slots(quantiles, values, seasons[-1], levels)
    longest = seasons[-1] if seasons else 1
    quantiles = over_few_days(quantiles, served.point, values, longest, setting=setting)
    if setting.window:
        maxima = maximum_quantiles(quantiles, served.point, errors, setting.window, levels)
    if maxima is not None and seasons:
        maxima = closed_windows(maxima, quantiles, values, setting, longest)
    batch = BatchForecast(
        point=served.point,
        quantiles=quantiles,
        models=served.models,
        notes=served.notes,
        maxima=maxima,
        coverage=tracked.coverage,
        skill=served.skill,
        unskilled=served.unskilled,
        residuals=Residuals(errors.shape[:, :, :NEAREST].astype(np.float32), origins.ends[0] - origins.ends[1:]),
    )
    past = (origins, errors, tracked.offsets)
    return with_counts(with_past_days(batch, values, past, setting), values, past, setting)


def _repeated(near: BatchForecast, longest: int, asked: Setting) -> BatchForecast:
    """Its last season of `longest` steps, once more as often as the horizon that was asked needs it."""
    reach = near.point.shape[1]
    if asked.horizon <= reach:
        return near
    beyond = reach - longest + np.arange(asked.horizon - reach) % longest
    slots = np.concatenate([np.arange(reach), beyond])
    quantiles = near.quantiles[:, slots]
    maxima = None if near.maxima is None else _repeated_maxima(near.quantiles, near.maxima, slots, asked.window)
    return replace(near, point=near.point[:, slots], quantiles=quantiles, maxima=maxima)


def _repeated_maxima(near: Array, maxima: Array, slots: Places, window: int) -> Array:
    """Maxima over the whole horizon, above the highest quantile of each window (N, H, Q) by as much as nearby."""
    whole = max(1, near.shape[1] - window + 1)
    highest, share = highest_quantiles(near[:, slots], window), share_left(len(slots), window)[:, None]
    alike = np.where(slots < whole, slots, slots % whole)
    lifted = carried_over(maxima[:, alike], highest_quantiles(near, window)[:, alike], highest, 1)
    return running_maxima(highest + share * (lifted - highest), 2)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of T past and H coming steps: `occurrences` on their slots, `columns` (N, T + H, C) per series.

    A column must be finite on the horizon; NaN in the past is a gap.
    """

    occurrences: tuple[Occurrence, ...] = ()
    columns: Array | None = None


def forecast_batch(histories: Array, setting: Setting, known: Known | None = None) -> BatchForecast:
    """Forecast N histories (N, T) of one step; NaN is a gap, the last column the last step known.

    With `known`, the steps of past events are gaps for the normal shape and teach each kind's uplift, which coming ones
    get; series that have seen few of a kind lean on the others. A column's effect is used where it is clear.

    Raises `DataError` for values below zero or infinite and for series with fewer than 4 observations. What a history
    is too short for is left out and said in `notes`.

    >>> week = np.tile(10 + np.arange(7.0), (2, 8))
    >>> week[:, [10, 24, 38]] *= 3
    >>> sales = [Occurrence("sale", "sale", np.array([slot]), None) for slot in (10, 24, 38, 57)]
    >>> forecast = forecast_batch(week, Setting(timedelta(days=1), 3), Known(tuple(sales)))
    >>> forecast.quantiles[0, :, 0].round()
    array([10., 32., 12.])
    """
    if known is None:
        return _steady_without_outages(_checked(histories), setting)
    past, ahead = _columns_effect(histories, known, setting)
    before = [event for event in known.occurrences if event.slots[0] < histories.shape[1]]
    quiet = masked(histories, before) / past
    _require_rest(quiet, histories)
    steady = _steady_without_outages(quiet, setting)
    day, week = (max(1, round(cycle / setting.step)) for cycle in (timedelta(days=1), timedelta(days=7)))
    effects = pooled_effects([learn_effects(row, before, day, week) for row in without_spikes(histories) / past])
    slots = np.arange(histories.shape[1], histories.shape[1] + setting.horizon)
    coming = [event for event in known.occurrences if event.slots[-1] >= histories.shape[1]]
    return _put_back(steady, setting, ahead, [events_ahead(slots, coming, mine) for mine in effects])


def _steady_without_outages(histories: Array, setting: Setting) -> BatchForecast:
    """`forecast_steady` of histories whose outages are gaps, and are told."""
    quiet = without_outages(histories, setting.step)
    batch = forecast_steady(quiet, setting)
    down = np.isnan(quiet).sum(axis=1) - np.isnan(histories).sum(axis=1)
    notes = (
        (f"{count} steps look like an outage and are gaps", *notes) if count else notes
        for count, notes in zip(down.tolist(), batch.notes, strict=True)
    )
    return replace(batch, notes=tuple(notes))


def _require_rest(quiet: Array, histories: Array) -> None:
    left, seen = np.isfinite(quiet).sum(axis=1), np.isfinite(histories).sum(axis=1)
    worst = int((left / np.maximum(seen, 1)).argmin())
    require(
        bool(2 * left[worst] >= seen[worst]),
        "row {}: expected events on less than half of the steps, got {} of {}",
        worst,
        seen[worst] - left[worst],
        seen[worst],
    )


def _put_back(steady: BatchForecast, setting: Setting, columns: Array, events: Sequence[EventsAhead]) -> BatchForecast:
    """Forecasts of the steady rest (N, H) with the factors of columns (N, H) and of every series' events."""
    factor = columns * np.stack([ahead.factor for ahead in events])
    point, scaled = steady.point * factor, steady.quantiles * factor[:, :, None]
    wide = [widen_events(point[n], scaled[n], setting.quantile_levels, ahead) for n, ahead in enumerate(events)]
    quantiles = np.stack(wide)
    if steady.maxima is None:
        return replace(steady, point=point, quantiles=quantiles)
    maxima = carried_over(steady.maxima, steady.quantiles, quantiles, setting.window)
    return replace(steady, point=point, quantiles=quantiles, maxima=maxima)


def _columns_effect(histories: Array, known: Known, setting: Setting) -> tuple[Array, Array]:
    """Factors of the columns on histories (N, T) and horizon (N, H); slopes of few days lean on the other series'."""
    shape = (len(histories), histories.shape[1] + setting.horizon)
    if known.columns is None:
        return np.ones_like(histories), np.ones((len(histories), setting.horizon))
    values = np.asarray(known.columns, dtype=np.float64)
    require(values.ndim == 3 and values.shape[:2] == shape, "expected columns of shape {}, got {}", shape, values.shape)
    require(bool(np.isfinite(values[:, shape[1] - setting.horizon :]).all()), "expected finite columns on the horizon")
    week = max(1, round(timedelta(days=7) / setting.step))
    given = [_of_row(rows, histories.shape[1]) for rows in values]
    quiet = masked(histories, known.occurrences)
    slopes = np.stack([learn_columns(row, columns, week).slopes for row, columns in zip(quiet, given, strict=True)])
    days = np.isfinite(quiet).sum(axis=1, keepdims=True) * (setting.step / timedelta(days=1))
    trust = np.where(days >= LEAST_DAYS, days / (days + POOLED_DAYS), 0.0)
    shrunk = trust * slopes + (1 - trust) * np.median(slopes, axis=0)
    factors = [_factors(columns, slope) for columns, slope in zip(given, shrunk, strict=True)]
    return np.stack([past for past, _ in factors]), np.stack([ahead for _, ahead in factors])


def _of_row(values: Array, length: int) -> Columns:
    lowest = np.nanmin(values, axis=0)
    logarithmic = lowest > 0
    levels = np.where(logarithmic, np.log(np.where(logarithmic & ~np.isnan(values), values, 1.0)), values)
    levels = np.where(np.isnan(values), np.nan, levels)
    past = levels[:length]
    require(bool(np.isfinite(past).any(axis=0).all()), "expected columns that are known on the history, got only gaps")
    ahead = np.clip(levels[length:], np.nanmin(past, axis=0), np.nanmax(past, axis=0))
    return Columns(tuple(str(place) for place in range(values.shape[1])), past, ahead, logarithmic)


def _factors(columns: Columns, slopes: Array) -> tuple[Array, Array]:
    usual = np.nanmean(columns.past, axis=0)
    return np.exp(np.nan_to_num(columns.past - usual) @ slopes), np.exp((columns.ahead - usual) @ slopes)
