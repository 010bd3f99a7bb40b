"""What of a workload's usage cannot be, by what is configured of its pods, by its own course, and by its sales."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

import pandas as pd

from capacity.model import LoadModel, Workload
from capacity.model.arrays import Array
from capacity.quality.clock import find_hours_apart
from capacity.quality.smoothing import smoothed
from capacity.quality.usage_pods import counted_pods, pod_doubts
from capacity.quality.usage_units import LEAST_TOLD

HOUR = pd.Timedelta(hours=1)
MANY = 2.0  # cores that pods request, from which less than one core in use is little
IDLE = 0.1  # share of the requests, below which usage that never exceeds one core may be a share of a limit
UNUSED = 0.01  # share of the requests, below which usage is none in any unit
ABOVE = 2.0  # times what counted pods request, above which usage is none: an autoscaler would add pods
FULL = 10.0  # times what all pods at the ceiling request, above which they would not run
OVER = 4.0  # times the memory that pods request, above which they would not run: bits are eight times bytes
SPARE, SPARE_COUNTED = 0.02, 0.05  # share of the requested memory (of pods that were counted), that a process needs
FAR = 10.0  # times the configured load, or a part of it, from which one of the two is in another unit
SOME, PERCENT = 5.0, 20.0  # the same where values end at 1 or at 100, as shares and percent do, and are not all small
BITS = (6.0, 10.5)  # times the configured memory that are eight times, nearly
LEAST_TOLD_LOAD = {"cpu": 0.5, "memory": 2.0**26}  # configured cores and bytes, from which they say something
LEAST_RUNS, FEW_ZEROS = 20, 0.05  # short runs of zeros, and their share of all steps, that are no rest
LOWEST = 0.1  # of the median: what nearly all values above zero exceed where zeros are no quiet steps
CLOCKS = "clock"  # what `known` has where somebody has said on which clock both are


def usage_doubts(
    usage: pd.DataFrame, workload: Workload, sales: pd.Series | None, known: Collection[str] = ()
) -> tuple[str, ...]:
    """What makes usage of a workload doubtful, in words: other units, rolling means, another clock than sales.

    Parameters:
        usage: cpu (cores), memory (bytes), requests (per second) and replicas, as far as measured, on a regular UTC
            index with gaps as NaN.
        workload: whose pods it is, as configured.
        sales: per step on a regular UTC index; None: there are none.
        known: the columns whose unit somebody has said, and `clock` where the clocks of both are.

    >>> from capacity.model import Replica
    >>> index = pd.date_range("2026-01-01", periods=48, freq="h", tz="UTC")
    >>> usage = pd.DataFrame({"cpu": 0.3 + 0.01 * (index.hour % 7), "replicas": 20.0}, index)
    >>> web = Workload("shop", "web", LoadModel("1", "0", "1Gi"), Replica("500m", "512Mi"), floor=2, ceiling=40)
    >>> print(*usage_doubts(usage, web, None))  # doctest: +NORMALIZE_WHITESPACE
    cpu: expected cores, got 0.327 on average and at most 0.36 while 20 pods request 10: are these shares of a limit
    or of a node? Multiply them by it
    """
    measured = usage.dropna(axis="columns", how="all")
    configured = _Configured.of(measured, workload, sales)
    found = [_smoothed(name, measured[name]) for name in ("cpu", "requests") if name in measured.columns]
    for name, judge in (("cpu", _cpu), ("memory", _memory)):
        if name in measured.columns and measured[name].count() >= LEAST_TOLD and measured[name].max() > 0:
            values = measured[name].dropna().to_numpy(dtype=float)
            found += [_short_zeros(name, measured[name]), None if name in known else judge(values, configured)]
    if sales is not None and CLOCKS not in known:
        found.append(_other_clock(sales, measured))
    told = tuple(problem for problem in found if problem is not None)
    return told or pod_doubts(measured, sales)  # what is in another unit also follows sales and pods otherwise


@dataclass(frozen=True, slots=True)
class _Configured:
    """What is configured of a workload's pods: how many there are at least and at most, what one requests.

    `usual`: cores and bytes by the configured costs at usual sales; empty where none are configured.
    """

    counted: bool
    fewest: float
    most: float
    cpu_request: float
    memory_request: float
    usual: dict[str, float]

    @classmethod
    def of(cls, usage: pd.DataFrame, workload: Workload, sales: pd.Series | None) -> Self:
        """Of a workload whose replicas may have been counted beside its usage."""
        fewest, most = float(workload.floor), float(workload.ceiling)
        pods = counted_pods(usage)
        if pods is not None:
            fewest, most = float(pods.median()), float(pods.max())
        usual: dict[str, float] = {}
        if isinstance(workload.load, LoadModel) and sales is not None and len(sales) > 1:
            rate = float(sales.mean()) / ((sales.index[1] - sales.index[0]) / HOUR)
            for name in ("cpu", "memory"):
                base, slope = (float(getattr(workload.load, f"{name}_{key}")) for key in ("base", "per_sale_per_hour"))
                usual[name] = base + slope * rate
        return cls(pods is not None, fewest, most, workload.replica.cpu_request, workload.replica.memory_request, usual)

    def far_from_load(self, name: str, mean: float) -> bool:
        """Whether usage is ten times what the configured costs say, or a tenth of it."""
        usual = self.usual.get(name, 0.0)
        return usual >= LEAST_TOLD_LOAD[name] and not usual / FAR < mean < usual * FAR


def _cpu(values: Array, configured: _Configured) -> str | None:
    mean, most = float(values.mean()), float(values.max())
    requested, possible = (count * configured.cpu_request for count in (configured.fewest, configured.most))
    got = f"cpu: expected cores, got {mean:.3g} on average and at most {most:.3g}"
    pods = f"{configured.fewest:.0f} pods request {requested:.4g}"
    if most <= 1 and requested >= MANY and mean < IDLE * requested:
        return f"{got} while {pods}: are these shares of a limit or of a node? Multiply them by it"
    if mean < UNUSED * requested:
        return f"{got} while {pods}: are these in another unit?"
    if configured.counted and mean > max(ABOVE * requested, MANY):
        return f"{got} while {pods}: are these percent, or sums of several samples?"
    if mean > FULL * possible:
        return f"{got} while {configured.most:.0f} pods request {possible:.4g}: are these percent or millicores?"
    usual = configured.usual.get("cpu", 0.0)
    if usual >= MANY and ((most <= 1 and mean < usual / SOME) or (PERCENT < most <= 100 and mean > usual * SOME)):
        return (
            f"{got} while `load` says about {usual:.3g}: are these shares of a limit, or percent? Else correct `load`"
        )
    if configured.far_from_load("cpu", mean):
        said = f"{got} while `load` says about {configured.usual['cpu']:.3g}"
        return f"{said}: are these in another unit, or of one pod? Else correct `load`"
    return None


def _memory(values: Array, configured: _Configured) -> str | None:
    mean, request, usual = float(values.mean()), configured.memory_request, configured.usual.get("memory", 0.0)
    got = f"memory: expected bytes, got {_mib(mean)}"
    if mean < (SPARE_COUNTED if configured.counted else SPARE) * configured.fewest * request:
        return (
            f"{got} while {configured.fewest:.0f} pods request {_mib(configured.fewest * request)}: are these in "
            "another unit, or of one pod?"
        )
    if mean > OVER * configured.most * request:
        return f"{got} while {configured.most:.0f} pods request {_mib(configured.most * request)}: are these bits?"
    said = f"{got} while `load` says about {_mib(usual)}"
    if usual >= LEAST_TOLD_LOAD["memory"] and BITS[0] <= mean / usual <= BITS[1]:
        return f"{said}, {mean / usual:.2g} times less: are these bits? Else correct `load`"
    if configured.far_from_load("memory", mean):
        return f"{said}: are these in another unit, or of one pod? Else correct `load`"
    return None


def _mib(size: float) -> str:
    return f"{size / 2**20:.4g} MiB"


def _smoothed(name: str, values: pd.Series) -> str | None:
    """Whether values of a rate are means over longer times than their steps; memory is smooth by nature."""
    why = smoothed(values)
    if why is None:
        return None
    return (
        f"{name}: expected each step measured for itself, got values of which {why}, so that peaks are cut off: export "
        "the mean of each step alone, or set usage.step to that time"
    )


def _short_zeros(name: str, values: pd.Series) -> str | None:
    """Whether values are zero again and again for less than an hour, though what runs is far above zero."""
    there = values.dropna()
    above = there[there > 0]
    steps = max(1, int(HOUR / (values.index[1] - values.index[0])))
    runs = (there > 0).cumsum()[there == 0].value_counts()
    short = runs[runs < max(2, steps)]
    seldom = len(short) < LEAST_RUNS or short.sum() < FEW_ZEROS * len(there)
    if seldom or above.quantile(0.05) < LOWEST * above.median():
        return None
    return (
        f"{name}: expected usage above zero while pods run, got zero in {int(short.sum()):,} of {len(there):,} steps "
        f"between others of about {above.median():.3g}: does scraping fail? Leave these steps out of the export"
    )


def _other_clock(sales: pd.Series, usage: pd.DataFrame) -> str | None:
    """Whether usage follows its sales hours later or earlier, as where one of both is on another clock."""
    hours = find_hours_apart(sales, usage)
    if hours is None:
        return None
    side = "later" if hours > 0 else "earlier"
    return (
        f"clock: expected usage and sales at the same time, got usage that follows sales {abs(hours)} h {side}: is one "
        "of them on another clock? Compare sales.timezone and usage.timezone; where both are right, set both"
    )
