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
LEAST_TOLD = 48  # steps that say in which unit values are
COUNTED = 10  # times the first value and the largest rise, beyond which what never falls is a counter
MANY_CORES = 50.0  # averages over a step are no whole numbers of cores
FEW_BYTES = 2.0**20  # a process takes more
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


def unlikely_units(usage: pd.DataFrame) -> tuple[str, ...]:
    """What of measured usage looks as if it were in another unit, or added up since the start, in words.

    >>> index = pd.date_range("2026-01-01", periods=48, freq="h", tz="UTC")
    >>> cpu = 250.0 + np.arange(48) % 24
    >>> for problem in unlikely_units(pd.DataFrame({"cpu": cpu, "memory": 512.0}, index)):
    ...     print(problem)
    cpu: 250 to 273 cores, all whole numbers: are these millicores? Write 250m
    memory: at most 512 bytes: are these MiB? Write 512Mi
    """
    found = []
    for name in ("cpu", "memory"):
        values = usage[name].dropna().to_numpy(dtype=float) if name in usage.columns else np.zeros(0)
        if len(values) < LEAST_TOLD or values.max() <= 0:
            continue
        low, high = f"{values.min():.0f}", f"{values.max():.0f}"
        rises = np.diff(values)
        if (rises >= 0).all() and values[-1] > COUNTED * (values[0] + rises.max()):
            found.append(f"{name}: it never falls: is this a counter? Export its rate")
        elif name == "cpu" and values.max() >= MANY_CORES and (values % 1 == 0).all():
            found.append(f"cpu: {low} to {high} cores, all whole numbers: are these millicores? Write {low}m")
        elif name == "memory" and values.max() < FEW_BYTES:
            found.append(f"memory: at most {high} bytes: are these MiB? Write {high}Mi")
    return tuple(found)


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
