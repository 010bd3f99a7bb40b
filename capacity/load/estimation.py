"""Estimates how usage responds to sales, for many workloads of one step at once, on arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from capacity.load.alignment import WEEK, Grid, find_lags, week_slots
from capacity.load.profile import Shapes, even_weights, idle_limit, learn_shapes, residual_season, weekly_medians
from capacity.load.regression import (
    LEVELS,
    Lines,
    Regimes,
    effective,
    find_saturation,
    fit_lines,
    growth_power,
    newest_regimes,
    since,
    spreads,
)
from capacity.model import Pattern, Response, Shape, Spread
from capacity.model.arrays import Array, Mask, Places
from capacity.stats import variances

CHUNK_CELLS = 2_000_000  # rows x steps worked on at once: a chunk's arrays then stay near 200 MB
SEASONAL = 0.3  # share of what sales leave that the hour of the week must explain to be planned as load of its own
BACKFITS = 3  # alternations between the line and the load of the week that sales do not explain
GROWING = 0.25  # power of the load from which steps are weighed: below it weighing gains nothing
QUIETEST = 0.05  # of the mean load: no step is weighed as if its errors were smaller than there
REGIME = timedelta(days=2)  # a regime is at least two days long, and
LEAST = 7  # steps of sales: a line through fewer says nothing


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned of one row: the response, and how well it holds."""

    response: Response
    slope: float  # as found, also below zero
    sales_vary: bool
    points: int
    r2: float
    residual_season: float
    drift: datetime | None
    drift_ratio: float


@dataclass(frozen=True, slots=True)
class _Rows:
    """W rows on their way: everything but `lags` is an array with W rows."""

    grid: Grid
    usage: Array  # (W, T), newest regime only
    means: Array  # (W, S), newest regime only
    lags: list[timedelta]
    regimes: Regimes
    lines: Lines
    saturation: Array  # (W,)
    highest: Array  # (W,)
    felt: Array  # (W, S), sales per hour as the load feels them
    extra: Array  # (W, slots), zero where sales leave no season; (W, 0) where usage is finer than sales


def learn_rows(grid: Grid, usage: Array) -> Iterator[Learned]:
    """What each row of usage (W, T; NaN is a gap) says about its answer to the grid's sales, in the rows' order."""
    rows = max(1, CHUNK_CELLS // usage.shape[1])
    for at in range(0, len(usage), rows):
        yield from _learn_chunk(grid, usage[at : at + rows])


def least_points(grid: Grid) -> int:
    """The fewest steps of sales with usage that a regime needs."""
    return max(LEAST, int(REGIME / grid.sales_step))


def _learn_chunk(grid: Grid, usage: Array) -> Iterator[Learned]:
    lags, means = find_lags(grid, usage)
    rates = grid.rates()
    regimes = newest_regimes(rates, means, least_points(grid))
    means = since(means, regimes.start)
    rows = _with_line(grid, _since_regime(grid, usage, lags, regimes), means, lags, regimes)
    rows = rows if grid.fine else _weighed(_with_extra(rows))
    parts = _fine(rows) if grid.fine else _same(rows)
    return _answers(rows, *parts)


def _since_regime(grid: Grid, usage: Array, lags: list[timedelta], regimes: Regimes) -> Array:
    """Usage (W, T) with gaps before each row's newest regime."""
    answer = usage.copy()
    for row in np.flatnonzero(regimes.start > 0):
        answer[row, grid.parents(lags[row]) < regimes.start[row]] = np.nan
    return answer


def _with_line(grid: Grid, usage: Array, means: Array, lags: list[timedelta], regimes: Regimes) -> _Rows:
    rates = grid.rates()
    saturation, lines = find_saturation(rates, means, fit_lines(rates, means))
    seen = np.where(np.isnan(means), np.nan, rates)
    highest = np.nan_to_num(np.fmax.reduce(seen, axis=1))
    felt = effective(rates[None, :], saturation[:, None], highest[:, None])
    if grid.fine:
        lines = _with_idle_limit(lines, felt, means, idle_limit(usage, grid.step))
    return _Rows(grid, usage, means, lags, regimes, lines, saturation, highest, felt, np.zeros((len(means), 0)))


def _with_idle_limit(lines: Lines, felt: Array, means: Array, quietest: Array) -> Lines:
    """Idle load no higher than the quietest hours; the slope then goes through it and the middle of what was seen."""
    above = lines.base > quietest
    limit = np.where(above, quietest, 0.0)
    weights = np.where(np.isnan(means) | np.isnan(felt), 0.0, lines.weights)
    x = np.where(weights > 0, felt, 0.0)
    power = np.maximum((weights * x**2).sum(axis=1), 1e-300)
    through = (weights * x * np.nan_to_num(means - limit[:, None])).sum(axis=1) / power
    return replace(lines, base=np.where(above, limit, lines.base), slope=np.where(above, through, lines.slope))


def _with_extra(rows: _Rows) -> _Rows:
    """Load of the week that sales do not explain, where it is there: line and week are fitted in turn (backfitting)."""
    grid, means = rows.grid, rows.means
    season = residual_season(means - rows.lines.at(rows.felt), grid)
    slot = week_slots(grid.sales_steps, grid.sales_step, grid.timezone)
    where = np.flatnonzero(season > SEASONAL)
    extra = np.zeros((len(means), int(slot.max()) + 1))
    if not len(where):
        return replace(rows, extra=extra)
    part, felt, lines = means[where], rows.felt[where], _rows_of(rows.lines, where)
    for _ in range(BACKFITS):
        usual, _ = weekly_medians(part - lines.at(felt), grid, "sales")
        lines = fit_lines(felt, part - usual[:, slot])
    extra[where] = usual[:, : extra.shape[1]]
    return replace(rows, extra=extra, lines=_put(rows.lines, where, lines))


def _weighed(rows: _Rows) -> _Rows:
    """Lines fitted again with each step weighed by how large its errors usually are, where they grow with the load."""
    slot = week_slots(rows.grid.sales_steps, rows.grid.sales_step, rows.grid.timezone)
    extra = rows.extra[:, slot]
    fitted = np.nan_to_num(np.maximum(rows.lines.at(rows.felt) + extra, 0.0))
    power = growth_power(rows.means - rows.lines.at(rows.felt) - extra, fitted)
    where = np.flatnonzero(power > GROWING)
    if not len(where):
        return rows
    level = np.maximum(fitted[where], QUIETEST * fitted[where].mean(axis=1, keepdims=True))
    size = (level / np.maximum(level.mean(axis=1, keepdims=True), 1e-300)) ** power[where, None]
    found = fit_lines(rows.felt[where], rows.means[where] - extra[where], size=size)
    return replace(rows, lines=_put(rows.lines, where, found))


def _rows_of(lines: Lines, where: Places) -> Lines:
    return Lines(*(getattr(lines, name)[where] for name in Lines.__slots__))


def _put(lines: Lines, where: Places, found: Lines) -> Lines:
    answer = {name: getattr(lines, name).copy() for name in Lines.__slots__}
    for name, values in answer.items():
        values[where] = getattr(found, name)
    return Lines(**answer)


def _same(rows: _Rows) -> tuple[Array, Array, Shapes | None]:
    """Errors and fitted load where usage and sales have the same step: twice (W, S)."""
    slot = week_slots(rows.grid.sales_steps, rows.grid.sales_step, rows.grid.timezone)
    fitted = np.maximum(rows.lines.at(rows.felt) + rows.extra[:, slot], 0.0)
    return rows.means - fitted, fitted, None


def _fine(rows: _Rows) -> tuple[Array, Array, Shapes | None]:
    """Errors and fitted load where usage has finer steps than sales, without a week's own part: twice (W, T)."""
    grid, lines = rows.grid, rows.lines
    slot = week_slots(grid.steps, grid.step, grid.timezone)
    parents = np.stack([grid.parents(lag) for lag in rows.lags])  # (W, T)
    beyond = np.maximum(lines.slope, 0.0)[:, None] * np.take_along_axis(rows.felt, np.maximum(parents, 0), axis=1)
    volume = np.where((parents >= 0) & ~np.isnan(rows.usage), beyond, np.nan)
    shapes = learn_shapes(rows.usage, lines.base, np.nan_to_num(volume), grid)
    share = np.empty_like(rows.usage)
    for lag in set(rows.lags):
        same = np.flatnonzero([one == lag for one in rows.lags])
        share[same] = even_weights(shapes.weights[same][:, slot], grid.parents(lag), len(grid.sales))
    fitted = lines.base[:, None] + volume * share
    own_part = np.minimum(shapes.shrunk[:, slot], 0.9)  # a week's value is in its own median
    return (rows.usage - fitted) / (1 - own_part), fitted, shapes


@dataclass(frozen=True, slots=True)
class _Figures:
    """How well each row's line holds: arrays (W,)."""

    points: Places
    vary: Mask
    r2: Array
    season: Array

    @classmethod
    def of(cls, rows: _Rows) -> _Figures:
        rest = rows.means - rows.lines.at(rows.felt)
        seen = ~np.isnan(rows.means) & ~np.isnan(rows.felt)
        lowest, highest = (np.where(seen, rows.felt, end) for end in (np.inf, -np.inf))
        vary = lowest.min(axis=1) < highest.max(axis=1)
        return cls(seen.sum(axis=1), vary, _explained(rows, rest), residual_season(rest, rows.grid))


def _answers(rows: _Rows, rest: Array, fitted: Array, shapes: Shapes | None) -> Iterator[Learned]:
    excess, typical, power = spreads(rest, np.nan_to_num(fitted))
    figures = _Figures.of(rows)
    own = None if shapes is None else _own_errors(rows, shapes, rest)
    for row in range(len(rest)):
        response = _response(rows, row, Spread(LEVELS, excess[row], float(typical[row]), float(power[row])))
        if shapes is not None and own is not None:
            response = replace(response, shape=_shape(rows.grid, shapes, row, own))
        yield _learned(rows, row, response, figures)


def _learned(rows: _Rows, row: int, response: Response, figures: _Figures) -> Learned:
    start = int(rows.regimes.start[row])
    return Learned(
        response=response,
        slope=float(rows.lines.slope[row]),
        sales_vary=bool(figures.vary[row]),
        points=int(figures.points[row]),
        r2=float(figures.r2[row]),
        residual_season=float(figures.season[row]),
        drift=rows.grid.sales_steps[start].to_pydatetime() if start else None,
        drift_ratio=float(rows.regimes.ratio[row]),
    )


def _explained(rows: _Rows, rest: Array) -> Array:
    """Share of the load's variance that the line over sales explains, outliers weighed down as in the line: (W,)."""
    weights = np.where(np.isnan(rest), 0.0, rows.lines.weights)
    mass = np.maximum(weights.sum(axis=1), 1e-300)
    mean = (weights * np.nan_to_num(rows.means)).sum(axis=1) / mass
    total = (weights * np.nan_to_num(rows.means - mean[:, None]) ** 2).sum(axis=1)
    left = (weights * np.nan_to_num(rest) ** 2).sum(axis=1)
    known = total > 1e-18 * mass * mean**2
    return np.asarray(np.where(known, np.clip(1 - left / np.where(known, total, 1.0), 0.0, 1.0), 0.0))


def _response(rows: _Rows, row: int, spread: Spread) -> Response:
    lines, grid = rows.lines, rows.grid
    extra = rows.extra[row]
    pattern = Pattern(grid.sales_step, grid.timezone, extra) if extra.any() else None
    return Response(
        base=float(lines.base[row]),
        per_sale_per_hour=max(0.0, float(lines.slope[row])),
        slope_error=float(lines.slope_error[row]),
        level_error=float(lines.level_error[row]),
        center=float(lines.center[row]),
        highest=float(rows.highest[row]),
        spread=spread,
        lag=rows.lags[row],
        saturation=float(rows.saturation[row]) if np.isfinite(rows.saturation[row]) else None,
        extra=pattern,
    )


def _own_errors(rows: _Rows, shapes: Shapes, rest: Array) -> tuple[Array, Array, Array]:
    """Variance of whole steps around `own`, relative, and around what sales say (W,), and of noise (W, slots)."""
    grid = rows.grid
    slot = week_slots(grid.steps, grid.step, grid.timezone)
    own = np.where(np.isnan(rows.usage), np.nan, shapes.own[:, slot])
    usual = grid.means(own)
    weeks_seen = max(2.0, len(grid.steps) * grid.step / WEEK)
    level = variances(rows.means / np.maximum(usual, 1e-300)) * (weeks_seen + 1) / (weeks_seen - 1)
    size = np.nan_to_num(shapes.own) / np.maximum(shapes.own.mean(axis=1, keepdims=True), 1e-300)
    whole_rest = rows.means - rows.lines.at(rows.felt)
    return level, variances(whole_rest), variances(rest)[:, None] * size


def _shape(grid: Grid, shapes: Shapes, row: int, own: tuple[Array, Array, Array]) -> Shape:
    level, total, noise = own
    return Shape(
        step=grid.step,
        timezone=grid.timezone,
        weights=shapes.weights[row],
        own=shapes.own[row],
        noise=noise[row],
        level_variance=float(level[row]),
        total_variance=float(total[row]),
    )
