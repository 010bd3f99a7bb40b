"""Built-in rules for metrics: what measured usage must be to be learned from. A gap is no fault, a frozen value is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.model import DataError
from capacity.model.arrays import Array, Mask, Places
from capacity.model.data_quality import Quality
from capacity.quality.report import Audit

FINITE = "usage_finite"  # an infinity is a broken exporter
NOT_NEGATIVE = "usage_not_negative"  # CPU, memory and requests are amounts: below zero is a counter reset mistreated
NOT_FROZEN = "usage_not_frozen"  # the same value to the last digit again and again is a scrape that no longer runs
BUILT_IN = (FINITE, NOT_NEGATIVE, NOT_FROZEN)
FROZEN = timedelta(hours=6)  # how long a value above zero may stay the same: real usage moves in its last digits
LEAST_TOLD = 48  # steps that say how large values usually are
MANY_GAPS = 0.2  # share of steps without a value from which somebody should know
REST = 0.1  # share of the other days that also have zero at a time of day, from which a workload rests then
LEAST_OTHERS = 3  # other days that tell of a time of day
LEAST_ZEROS = timedelta(hours=1)  # how long a value must be zero
FEW_PEAKS = 0.01  # share of steps above all others that no measurement explains
PEAK_TIMES = 100.0  # and times as large as 90 % of the others
PEAKS = {"cpu": 500.0, "memory": 2.0**40, "requests": 1e6}  # from which such values are not believed
MANY_VALUES = 0.5  # share of different values, from which a column has all of its digits
DAY, WEEK = timedelta(days=1), timedelta(days=7)
LEAST_REPEATS = 6  # and at least so many steps: of daily values, a quarter day says nothing


def audit_usage(usage: pd.Series | pd.DataFrame, source: str = "usage", quality: Quality | None = None) -> Audit:
    """The quality of measured usage: one value per step (UTC) in each column; every value that is there is a row.

    Rules: finite, not negative, not frozen (unchanged and above zero for six hours and six steps). Gaps are counted
    in `gaps`, never as failures: nothing measured is not a wrong measurement.

    Raises `DataError` where there is no value at all or the index is no UTC time.

    >>> index = pd.date_range("2026-01-01", periods=24, freq="h", tz="UTC")
    >>> audit = audit_usage(pd.Series([0.1 * hour for hour in range(23)] + [-1.0], index))
    >>> audit.passed, audit.failures["usage_not_negative"]
    (23, 1)
    """
    values, index = _values(usage, source)
    there = ~np.isnan(values)
    failed = {
        FINITE: np.isinf(values),
        NOT_NEGATIVE: values < 0,
        NOT_FROZEN: _frozen(values, index),
    }
    bad = np.logical_or.reduce(list(failed.values())) & there
    seen = index[(there & ~bad).any(axis=1)]
    return Audit(
        source=source,
        rows=int(there.sum()),
        passed=int((there & ~bad).sum()),
        failures={name: int((mask & there).sum()) for name, mask in failed.items()},
        first=seen[0].to_pydatetime() if len(seen) else None,
        last=seen[-1].to_pydatetime() if len(seen) else None,
        gaps=int((~there).sum()),
        quality=quality or Quality(),
    )


def unbelievable(usage: pd.DataFrame) -> pd.DataFrame:
    """Which values of measured usage are no measurements: far above all others, or the same to the last digit.

    A few values that are a hundred times the others and more than a workload takes; CPU that stays the same for six
    hours though its values have all digits elsewhere, as where an exporter repeats its last value. True for such
    values: (steps, columns).

    >>> index = pd.date_range("2026-01-05", periods=200, freq="h", tz="UTC")
    >>> cpu = pd.Series(2 + np.sin(np.arange(200.0)), index)
    >>> cpu.iloc[7] = 1e6
    >>> unbelievable(pd.DataFrame({"cpu": cpu}))["cpu"].to_numpy().nonzero()[0].tolist()
    [7]
    """
    found = pd.DataFrame(False, usage.index, usage.columns)
    for name, least in PEAKS.items():
        if name in usage.columns:
            found[name] = _immense(usage[name].to_numpy(dtype=float), least)
    if "cpu" in usage.columns:
        found["cpu"] |= _repeated_by_exporter(usage["cpu"].to_numpy(dtype=float), pd.DatetimeIndex(usage.index))
    return found


def _immense(values: Array, least: float) -> Mask:
    """Which values are a hundred times most others and above `least`; none where there are many and different ones."""
    there = values[~np.isnan(values)]
    if len(there) < LEAST_TOLD or there.max() <= least:
        return np.zeros(len(values), dtype=bool)
    high: Mask = values > max(least, PEAK_TIMES * float(np.quantile(there, 0.9)))
    few = high.sum() <= max(1, FEW_PEAKS * len(there)) or len(np.unique(values[high])) == 1
    return high if few else np.zeros(len(values), dtype=bool)


def _repeated_by_exporter(values: Array, index: pd.DatetimeIndex) -> Mask:
    """Which values stay the same for hours though they have all digits elsewhere."""
    nothing = np.zeros(len(values), dtype=bool)
    if len(values) < LEAST_TOLD:
        return nothing
    frozen = _frozen(values[:, None], index)[:, 0]
    different = len(np.unique(values[~np.isnan(values)]))
    seldom = 0 < frozen.sum() < len(values) / 2 and different > MANY_VALUES * (len(values) - frozen.sum())
    return frozen if seldom else nothing


def zero_by_fault(usage: pd.DataFrame) -> pd.DataFrame:
    """Which values of measured usage are zero though a running workload's cannot be: as where scraping failed.

    CPU and memory are zero by fault for an hour or longer where they are above zero at that time of day on nearly all
    other days, and at that time of the week in all other weeks: what rests at night or on Sundays is no fault. Requests
    are so where all that is measured is zero: a workload that runs may get none. True for them: (steps, columns).

    >>> index = pd.date_range("2026-01-05", periods=24 * 7, freq="h", tz="UTC")
    >>> cpu = pd.Series(2.0, index).where((index.day != 8) & (index.hour > 5), 0.0)
    >>> found = zero_by_fault(pd.DataFrame({"cpu": cpu}))["cpu"]
    >>> int(found.sum()), found.idxmax().isoformat()
    (18, '2026-01-08T06:00:00+00:00')
    """
    names = [name for name in ("cpu", "memory", "requests") if name in usage.columns]
    found = pd.DataFrame(False, usage.index, usage.columns)
    zero = usage[names] == 0
    if not zero.to_numpy().any() or len(usage) < 2:
        return found
    step = usage.index[1] - usage.index[0]
    for name in names:
        found[name] = _unusual_zeros(usage[name].to_numpy(dtype=float), step)
    if "requests" in names and len(names) > 1:
        others = [name for name in names if name != "requests"]
        found["requests"] &= (found[others] | usage[others].isna()).all(axis=1) & found[others].any(axis=1)
    return found


def _unusual_zeros(values: Array, step: timedelta) -> Mask:
    """Which zeros are no rest, of one column on a regular grid."""
    zero: Mask = values == 0
    unusual = np.zeros(len(values), dtype=bool)
    day, week = round(DAY / step), round(WEEK / step)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], zero.astype(np.int8), [0]))))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if (end - begin) * step < LEAST_ZEROS:
            continue
        for place in range(begin, end):
            days, weeks = (_others(zero, values, place, (begin, end), period) for period in (day, week))
            unusual[place] = len(days) >= LEAST_OTHERS and days.mean() <= REST and not weeks.any()
    return unusual


def _others(zero: Mask, values: Array, place: int, run: tuple[int, int], period: int) -> Mask:
    """Whether values are zero at the same place of other periods, outside of a run; those that are there."""
    same = np.arange(place % period, len(zero), period)
    same = same[((same < run[0]) | (same >= run[1])) & ~np.isnan(values[same])]
    return zero[same]


def audit_usages(tables: Iterable[pd.DataFrame], source: str = "usage", quality: Quality | None = None) -> Audit:
    """The quality of many workloads' usage as one source; counts of replicas, which rightly stand still, are no usage.

    Without a single value there is no row, and no score.

    >>> index = pd.date_range("2026-01-01", periods=3, freq="h", tz="UTC")
    >>> audit_usages([pd.DataFrame({"cpu": [0.1, 0.2, None], "replicas": 2.0}, index)]).passed
    2
    """
    measured = [table.drop(columns="replicas", errors="ignore") for table in tables]
    parts = [audit_usage(table, source) for table in measured if table.notna().to_numpy().any()]
    return Audit(
        source=source,
        rows=sum(part.rows for part in parts),
        passed=sum(part.passed for part in parts),
        failures={name: sum(part.failures[name] for part in parts) for name in BUILT_IN},
        first=min((part.first for part in parts if part.first is not None), default=None),
        last=max((part.last for part in parts if part.last is not None), default=None),
        gaps=sum(part.gaps for part in parts),
        quality=quality or Quality(),
    )


def _values(usage: pd.Series | pd.DataFrame, source: str) -> tuple[Array, pd.DatetimeIndex]:
    index = usage.index
    if not isinstance(index, pd.DatetimeIndex) or str(index.tz) != "UTC":
        raise DataError(f"{source}: expected one value per step on a UTC index, got {type(index).__name__}")
    values = usage.to_numpy(dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if not len(values) or np.isnan(values).all():
        raise DataError(f"{source}: expected measured values, got none")
    return values, index


def _frozen(values: Array, index: pd.DatetimeIndex) -> Mask:
    """Where a value above zero repeats the one before it for so long that nobody can be measuring: (steps, columns)."""
    if len(index) < 2:
        return np.zeros(values.shape, dtype=bool)
    step = pd.Timedelta(np.diff(index.asi8).min(), unit=index.unit)
    least = max(LEAST_REPEATS, round(FROZEN / step))
    same = np.zeros(values.shape, dtype=bool)
    same[1:] = (values[1:] == values[:-1]) & (values[1:] > 0)
    place = np.arange(len(values))[:, None]
    began = np.maximum.accumulate(np.where(same, 0, place), axis=0)  # where the run of equal values began
    length = place - began  # repeats so far
    ends = np.ones(values.shape, dtype=bool)
    ends[:-1] = ~same[1:]
    whole = np.where(ends, length, 0)[::-1]
    total = _carried_back(whole, same[::-1])[::-1]
    return same & (total >= least)


def _carried_back(lengths: Places, same: Mask) -> Places:
    """Each run's whole length at every place of it: the arrays run backwards in time, a run begins at its end."""
    place = np.arange(len(lengths))[:, None]
    end = np.maximum.accumulate(np.where(lengths > 0, place, 0), axis=0)
    return np.where(same, np.take_along_axis(lengths, end, axis=0), 0)
