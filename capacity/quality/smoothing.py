"""Whether measured values are means over longer times than their steps: rolling means, repeats, interpolation."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.model.arrays import Array
from capacity.model.fields import duration_text

WEEK, DAY = timedelta(days=7), timedelta(days=1)
LEAST_SHORTEST = 3  # steps of a window that is looked for, up to half a day, and a day: two flatten a peak little
LEAST_WINDOWS = 10.0  # of a window's length that must have been measured, before its correlation says something
DIP = -0.35  # correlation of bends one window apart, which is -1/2 for a rolling mean
SHARP = 0.2  # by how much it is below those one step closer and further
QUIET = 0.25  # and the furthest from zero of all others but of neighbours, which are about 0
SURE = 5.0  # standard errors by which the dip is below zero
HELD = 0.9  # share of changes that fall on the first step of a longer one
LEAST_CHANGES = 48  # different values in a row that tell how long each is held
LONG, LEAST_LONG = 12, 6  # steps of a long time, of which fewer changes tell
STRAIGHT = 0.4  # share of steps, among those that move, that lie on the line between their neighbours
USUAL = 0.95  # quantile of the bends to which larger ones are cut: an outage, which has two, decides nothing
FEW_SLOPES = 8  # of such lines, below which values are ramps
NEARLY = 1e-6  # of the spread of the changes: how far a step on a straight line may be off it


def smoothed(values: pd.Series) -> str | None:
    """How values of a regular UTC series were smoothed, in words; None where each step was measured for itself.

    A mean over a rolling window of w steps changes by what comes in minus what drops out (Slutsky, Econometrica 5,
    1937): how its changes change has a correlation of about -1/2 at a distance of w steps and nearly none closer
    together, whatever is measured. What repeats by the day or the week is taken out before. Values that are held for
    several steps, or that lie on straight lines between some of them, were measured more seldom than they are written.

    >>> random = np.random.default_rng(1)
    >>> index = pd.date_range("2026-01-05", periods=2000, freq="5min", tz="UTC")
    >>> raw = pd.Series(random.gamma(20, 0.1, 2000), index)
    >>> smoothed(raw), smoothed(raw.rolling(12).mean())
    (None, 'each is the mean of about 1h')
    >>> smoothed(raw.iloc[::6].reindex(index).ffill())
    'each is the same for 30m'
    """
    if len(values) < 2 * LEAST_CHANGES:
        return None
    step = (values.index[1] - values.index[0]).to_pytimedelta()
    if step >= DAY:
        return None
    held = _held(values.to_numpy(dtype=float))
    if held is not None:
        return f"each is the same for {duration_text(held * step)}"
    if _is_interpolated(values.to_numpy(dtype=float)):
        return "most lie on straight lines between others"
    window = _window(values, step)
    return None if window is None else f"each is the mean of about {duration_text(window * step)}"


def _held(values: Array) -> int | None:
    """For how many steps each value stays the same, where all change on the same places of a longer step."""
    there = ~np.isnan(values)
    changes = np.flatnonzero((values[1:] != values[:-1]) & there[1:] & there[:-1]) + 1
    if len(changes) < LEAST_LONG or len(changes) > 0.6 * there.sum():
        return None
    usual = int(np.median(np.diff(changes)))
    if usual < 2 or len(changes) < (LEAST_LONG if usual >= LONG else LEAST_CHANGES):
        return None
    places = np.bincount(changes % usual)
    return usual if places.max() >= HELD * len(changes) else None


def _is_interpolated(values: Array) -> bool:
    """Whether most steps that move lie on the line between their neighbours."""
    changes = np.diff(values)
    moves = np.isfinite(changes[1:]) & np.isfinite(changes[:-1]) & (changes[1:] != 0)
    if moves.sum() < LEAST_CHANGES:
        return False
    bends = np.abs(np.diff(changes))[moves]
    straight = bends <= NEARLY * float(np.median(np.abs(changes[1:][moves])))
    slopes = np.unique(np.round(changes[1:][moves][straight], 9))
    return bool(straight.mean() >= STRAIGHT and len(slopes) >= FEW_SLOPES)  # of one slope is a ramp


def _window(values: pd.Series, step: timedelta) -> int | None:
    """Of how many steps each value is the mean; None where it is of its own step alone."""
    plain = np.diff(values.to_numpy(dtype=float), 2)
    day = round(DAY / step)
    bends = _correlation(_beyond(plain, round(WEEK / step) if len(values) * step >= 2.5 * WEEK else day), day)
    window = _dip(bends[: day // 2 + 1], len(plain))
    if window is not None or len(plain) < 2 * day:
        return window
    return day if _dip(_correlation(_beyond(plain, 0), day + 1), len(plain)) == day else None  # days repeat otherwise


def _dip(correlation: Array, count: int) -> int | None:
    """At which distance alone bends are as those of a rolling mean; None where they are not."""
    most = min(len(correlation) - 1, int(count / LEAST_WINDOWS))
    if most <= LEAST_SHORTEST:
        return None
    at = int(np.argmin(correlation[LEAST_SHORTEST : most + 1])) + LEAST_SHORTEST
    others = np.abs(np.delete(correlation, [0, 1, at - 1, at, min(at + 1, len(correlation) - 1)]))
    beside = min(correlation[at - 1], correlation[min(at + 1, len(correlation) - 1)] if at < most else 0.0)
    deep = correlation[at] <= min(DIP, -SURE / np.sqrt(count), beside - SHARP)
    return at if deep and others.max(initial=0.0) <= QUIET else None


def _beyond(bends: Array, period: int) -> Array:
    """How changes change beyond those of the same time one period before (0: of no other time); 0 where not known."""
    scale = float(np.nanmax(np.abs(bends), initial=0.0))
    if period and len(bends) > 2 * period:
        bends = bends[period:] - bends[:-period]
    spread = float(np.nanquantile(np.abs(bends), USUAL)) if np.isfinite(bends).any() else 0.0
    return np.clip(np.nan_to_num(bends), -spread, spread) if spread > NEARLY * scale else np.zeros(len(bends))


def _correlation(bends: Array, lags: int) -> Array:
    """Correlation of values with those so many steps before, from 0 up to `lags`."""
    size = 1 << int(np.ceil(np.log2(2 * len(bends))))
    power = np.abs(np.fft.rfft(bends, size)) ** 2
    found: Array = np.fft.irfft(power, size)[: lags + 1]
    return found / found[0] if found[0] > 0 else np.zeros(lags + 1)
