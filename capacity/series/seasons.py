"""Which cycles of a history are real, and how strong. "None" is an answer.

Candidates come from the calendar of the step and from the data (a periodogram whose peaks the autocorrelation must
confirm); each is then measured by an MSTL decomposition against the noise level of that statistic.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pandas as pd

from capacity.model import require
from capacity.model.arrays import Array
from capacity.series.frames import as_sales
from capacity.series.steps import PER_SECOND, evened, rolling_median
from capacity.shown import with_card

HOUR, MICROSECOND = timedelta(hours=1), timedelta(microseconds=1)
DAY, WEEK, YEAR = timedelta(days=1), timedelta(days=7), timedelta(days=365, hours=6)
CYCLES = {DAY: "daily", WEEK: "weekly", YEAR: "yearly"}
NEEDED = 3  # cycles below which a strength cannot be told from chance or from one level shift
YEARS_NEEDED = 4  # of three years a growing business shows a shape that its breaks alone can draw
EVIDENCE = 0.3  # strength from which a cycle is real: white noise scores 0.15-0.22 on this statistic
SIGNIFICANT = 2.6  # standard errors of an autocorrelation of white noise, 1 / sqrt(n): one false alarm in a hundred
LONGEST = timedelta(days=210)  # of finer than daily data: thirty weeks tell the weekly cycle of today
NEGLIGIBLE = 0.01  # of the variance: below it a cycle is what the decomposition left of a shorter one
PEAKS = 3  # of the periodogram that are looked at
CLEAR = 0.4  # autocorrelation that a cycle unknown to the calendar must show
STANDS_OUT = 0.22  # contrast of the shortest season; refused ones reach 0.21
GOES_ON = (
    0.1  # autocorrelation from which a longer season is forecast with: where a decomposition disagrees, neither wins
)


@with_card
@dataclass(frozen=True, slots=True)
class Season:
    """A cycle of `season_length` steps; `strength` in [0, 1], 0.15-0.22 is noise."""

    season_length: int
    name: str
    strength: float


def find_seasons(
    history: pd.Series | pd.DataFrame, *, time: str | None = None, value: str | None = None
) -> tuple[Season, ...]:
    """Find the cycles that a history shows, shortest first.

    The strength of a cycle is ``max(0, 1 - Var(resid) / Var(seasonal + resid))`` of a robust MSTL decomposition (Wang,
    Smith and Hyndman, 2006) of the square roots around their running median, so that level breaks and growth leave no
    trace. A cycle counts from 0.3 up, if the values one cycle apart also correlate. A cycle that was seen less than
    three times (a year: four) is not judged.

    Parameters
    ----------
    history : Series or DataFrame
        Sales per step, with an index or a column of times in any zone, gaps as NaN.
    time : str or None
        Of a frame, the column with the times. Default: its index, else its only column of times.
    value : str or None
        Of a frame, the column with the sales. Default: its only column of numbers.

    Returns
    -------
    tuple of Season
        Name, length in steps and strength in [0, 1] of each cycle; empty where there is none.

    Examples
    --------
    >>> index = pd.date_range("2026-01-01", periods=24 * 28, freq="h", tz="UTC")
    >>> [season.name for season in find_seasons(pd.Series(10.0 + (index.hour - 12) ** 2, index))]
    ['daily']
    """
    history = as_sales(history, time=time, value=value)
    require(len(history) >= 2, "seasonality: expected at least two steps, got {}: bring a longer history", len(history))
    history, found = evened(history), {}
    series, step = _hourly_or_coarser(history)
    if series.nunique() < 2:
        return ()
    factor = round(step / _step(history))
    recent = series if step >= DAY else series.iloc[-round(LONGEST / step) :]
    for length, strength in _measured(recent, _candidates(recent, step)).items():
        found[length * factor] = Season(length * factor, _name(length * step), strength)
    yearly = _yearly(history)
    return tuple(found[length] for length in sorted(found)) + ((yearly,) if yearly else ())


def real_seasons(sales: pd.Series, step: timedelta) -> tuple[int, ...]:
    """The calendar's seasons (steps) without those that the history is long enough to rule out: no cycle is invented.

    Autocorrelations tell, at a twentieth of the cost of `find_seasons`, which is asked where they do not confirm the
    shortest season. Of three weeks a weak cycle may be taken by one and refused by the other; forecasts are level
    there. A week comes with its days, since its shape is one of days even where these are not alike.

    >>> index = pd.date_range("2026-01-01", periods=24 * 28, freq="h", tz="UTC")
    >>> real_seasons(pd.Series(10.0 + (index.hour - 12) ** 2, index), timedelta(hours=1))
    (24,)
    """
    calendar = calendar_seasons(step)
    if not any(NEEDED * season <= len(sales) for season in calendar):
        return calendar
    regular = _on_full_grid(sales, step)
    found = _plain_seasons(regular, step)
    if found is None:
        found = {season.season_length for season in find_seasons(regular)}
    kept = [season for season in calendar if season in found or NEEDED * season > len(sales)]
    return tuple(season for season in calendar if kept and season <= kept[-1])


def _on_full_grid(history: pd.Series, step: timedelta) -> pd.Series:
    """A history with a value, or a gap, at every step from its first to its last."""
    index = pd.DatetimeIndex(history.index)
    starts, apart = index.asi8, step // MICROSECOND * PER_SECOND[index.unit]  # numbers cost less than times
    if len(history) == int(starts[-1] - starts[0]) * 10**6 // apart + 1:  # unique steps on one grid: none is missing
        return history
    return history.reindex(pd.date_range(index[0], index[-1], freq=step))


def _plain_seasons(regular: pd.Series, step: timedelta) -> set[int] | None:
    """Season lengths (steps) that autocorrelations tell; None where they do not confirm the shortest.

    Measured as `find_seasons` does, each longer season in what the shorter ones leave.
    """
    if step >= 4 * DAY:
        return None
    series, wide = (regular, step) if step >= HOUR else _hourly_or_coarser(regular)
    recent = series.to_numpy(dtype=np.float64)[0 if wide >= DAY else -round(LONGEST / wide) :]
    lengths = [length for length in calendar_seasons(wide) if NEEDED * length <= len(recent)]
    if not lengths:
        return None
    rest = _levelled(recent, lengths[-1])
    least, sure = NEGLIGIBLE * float(rest @ rest), _contrast(rest, lengths[0]) >= STANDS_OUT
    repeats = {lengths[0]: _autocorrelation(rest, lengths[0])}
    for shorter, length in pairwise(lengths):
        rest = rest - _profile(rest, shorter)
        repeats[length] = _autocorrelation(rest, length) if float(rest @ rest) > least else 0.0
    if not sure and min(repeats.values()) < EVIDENCE:
        return None
    enough = max(GOES_ON, SIGNIFICANT / np.sqrt(len(rest)))
    return {length * round(wide / step) for length in lengths if length == lengths[0] or repeats[length] > enough}


def _contrast(flat: Array, length: int) -> float:
    """How much more values correlate one season apart than half a season off, which a slow drift does not do.

    At most as much as they correlate one and two seasons apart.
    """
    once, twice = _autocorrelation(flat, length), _autocorrelation(flat, 2 * length)
    beside = (_autocorrelation(flat, length // 2) + _autocorrelation(flat, length + length // 2)) / 2
    return min(once, twice, once - beside)


def _profile(flat: Array, length: int) -> Array:
    """The mean over all seasons of every place in the season, as long as the series."""
    slots = np.arange(len(flat)) % length
    return np.asarray((np.bincount(slots, flat, length) / np.bincount(slots, minlength=length))[slots])


def too_short_for(history: pd.Series) -> tuple[str, ...]:
    """Names of the cycles that this history is too short to judge, for instance ("yearly",)."""
    even = evened(history)
    step = _step(even)
    return too_short(len(even) * step, step)


def too_short(span: timedelta, step: timedelta) -> tuple[str, ...]:
    """Names of the cycles that so long a history of this step is too short to judge.

    >>> too_short(timedelta(days=60), timedelta(hours=1))
    ('yearly',)
    """
    needed = {DAY: NEEDED, WEEK: NEEDED, YEAR: YEARS_NEEDED}
    return tuple(name for cycle, name in CYCLES.items() if 2 * step <= cycle and span < needed[cycle] * cycle)


def unproven(span: timedelta, step: timedelta) -> tuple[str, ...]:
    """What so long a history of this step cannot tell about cycles, in sentences without a full stop.

    Forecasts use the course of a year from one year on, where held-out weeks came nearer with it; only from four years
    on is such a cycle told apart from growth.

    >>> unproven(timedelta(days=60), timedelta(hours=1))
    ('60 days are less than a year, so no yearly cycle can be seen or forecast yet',)
    >>> unproven(timedelta(days=738), timedelta(days=1))[0]
    '2.0 years cannot prove a yearly cycle (four can); forecasts follow past years only where tests favour it'
    """
    days, said = f"{span / DAY:.0f} days", []
    for name in too_short(span, step):
        if name != CYCLES[YEAR]:
            cycle = DAY if name == CYCLES[DAY] else WEEK
            said.append(f"{days} cannot prove a {name} cycle ({NEEDED * cycle / DAY:.0f} can)")
        elif span < YEAR:
            said.append(f"{days} are less than a year, so no yearly cycle can be seen or forecast yet")
        else:
            known = f"{10 * span // YEAR / 10:.1f} years cannot prove a yearly cycle (four can)"
            said.append(f"{known}; forecasts follow past years only where tests favour it")
    return tuple(said)


def unproven_of(history: pd.Series) -> tuple[str, ...]:
    """The same for a history."""
    even = evened(history)
    step = _step(even)
    return unproven(len(even) * step, step)


def calendar_seasons(step: timedelta) -> tuple[int, ...]:
    """Season lengths that the calendar suggests for a step.

    >>> calendar_seasons(timedelta(hours=1)), calendar_seasons(timedelta(days=1))
    ((24, 168), (7,))
    """
    if step >= timedelta(days=4):
        return (round(YEAR / step),) if YEAR / step >= 2 else ()
    return tuple(round(cycle / step) for cycle in (DAY, WEEK) if cycle / step >= 2)


def decomposition(shortest: int) -> dict[str, object]:
    """STL's settings: robust, smoothing every few steps instead of each (37 times cheaper; strengths within 0.02)."""
    return {"robust": True, "outer_iter": 3, "trend_jump": max(1, shortest), "low_pass_jump": max(1, shortest // 2)}


def _step(history: pd.Series) -> timedelta:
    index = pd.DatetimeIndex(history.index)
    step: timedelta = pd.Timedelta(int(np.diff(index.asi8).min()), unit=index.unit).to_pytimedelta()
    return step


def _name(length: timedelta) -> str:
    known = [name for cycle, name in CYCLES.items() if abs(length / cycle - 1) < 0.02]
    return known[0] if known else f"every {length}"


def _hourly_or_coarser(history: pd.Series) -> tuple[pd.Series, timedelta]:
    """Hourly means of finer data (the cycles are the same, the decomposition sixty times cheaper), on a full grid."""
    step = _step(history)
    wide = timedelta(hours=1) if step < timedelta(hours=1) and len(history) * step >= NEEDED * DAY else step
    whole = len(history) == (history.index[-1] - history.index[0]) // step + 1
    return history if wide == step and whole else history.resample(wide, origin="start").mean(), wide


def _candidates(series: pd.Series, step: timedelta) -> list[int]:
    """Season lengths worth measuring: the calendar's, and the data's own where no harmonic of those."""
    calendar = [length for length in calendar_seasons(step) if NEEDED * length <= len(series)] if step < 4 * DAY else []
    flat = _levelled(series.to_numpy(dtype=np.float64), max([2, *calendar]))
    own = [
        length
        for length in _periodogram_peaks(flat)
        if _autocorrelation(flat, length) >= max(CLEAR, 2 * SIGNIFICANT / np.sqrt(len(flat)))
        and all(known % length and length % known and abs(length / known - 1) > 0.1 for known in calendar)
    ]
    return sorted({*calendar, *own[:1]})


def _levelled(values: Array, season_length: int) -> Array:
    """Square roots around their running median, winsorised: level, growth and single extremes taken out; gaps are 0."""
    roots = np.sqrt(np.maximum(values, 0.0))
    width = min(2 * season_length + 1, len(roots))
    off = roots - rolling_median(roots, width, center=True, least=1)
    known = np.abs(off[~np.isnan(off)])
    spread = 2 * float(np.quantile(known, 0.95)) if len(known) else 0.0  # leaves every real shape whole
    return np.asarray(np.nan_to_num(np.clip(off, -spread, spread)), dtype=np.float64)


def _autocorrelation(flat: Array, lag: int) -> float:
    power = float(flat @ flat) / len(flat)
    return float(flat[lag:] @ flat[:-lag]) / (len(flat) - lag) / power if power > 0 and lag < len(flat) else 0.0


def _periodogram_peaks(flat: Array) -> list[int]:
    """The periods with the most power, each moved to the best autocorrelation nearby."""
    power = np.abs(np.fft.rfft(flat * np.hanning(len(flat)))) ** 2
    frequencies = np.arange(len(power))
    usable = (frequencies >= NEEDED) & (frequencies <= len(flat) // 3)
    order = np.argsort(-power * usable)[:PEAKS]
    rough = [len(flat) / frequency for frequency in order if usable[frequency]]
    near = [range(max(3, int(0.9 * period)), int(1.1 * period) + 2) for period in rough]
    return [max(span, key=lambda lag: _repeats(flat, lag)) for span in near]


def _repeats(flat: Array, lag: int) -> float:
    """Autocorrelation over one, two and three cycles: the wrong length drifts out of step."""
    return sum(_autocorrelation(flat, cycles * lag) for cycles in range(1, NEEDED + 1))


def _measured(series: pd.Series, lengths: list[int]) -> dict[int, float]:
    """Strengths of the candidates that pass both tests."""
    if not lengths:
        return {}
    flat = _levelled(series.to_numpy(dtype=np.float64), lengths[-1])
    seasonal, resid = _decomposed(flat, lengths)
    strengths = {}
    for place, length in enumerate(lengths):
        alone = flat - seasonal[:, :place].sum(axis=1)  # a week must show beyond what its days explain
        total = float(np.var(seasonal[:, place] + resid))
        strength = max(0.0, 1.0 - float(np.var(resid)) / total) if total > 0 else 0.0
        counts = float(np.var(alone)) > NEGLIGIBLE * float(np.var(flat))
        if strength >= EVIDENCE and counts and _autocorrelation(alone, length) > SIGNIFICANT / np.sqrt(len(flat)):
            strengths[length] = strength
    return strengths


def _decomposed(flat: Array, lengths: list[int]) -> tuple[Array, Array]:
    """Seasonal parts (steps, lengths) and the remainder (steps,)."""
    from statsmodels.tsa.seasonal import MSTL  # 2.5 s of CPU: only where a decomposition is due

    parts = MSTL(flat, periods=lengths, stl_kwargs=decomposition(lengths[0])).fit()
    return np.asarray(parts.seasonal).reshape(len(flat), -1), np.asarray(parts.resid)


def _yearly(history: pd.Series) -> Season | None:
    """The yearly cycle, measured on weeks: four years of them at least."""
    step = _step(history)
    if 2 * step > YEAR or len(history) * step < YEARS_NEEDED * YEAR:
        return None
    wide = max(step, WEEK)
    series = history.resample(wide, origin="start").mean() if step < WEEK else history
    length = round(YEAR / wide)
    strength = _measured(series, [length]).get(length)
    return Season(round(YEAR / step), CYCLES[YEAR], strength) if strength else None
