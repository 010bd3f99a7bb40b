"""Compares usage with the pods that were counted beside it, and with sales: of one pod, of pods that are missing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

VARIES = 0.2  # of the mean number of pods, from which their number says whose usage was measured
LEAST_STEPS = 48
FOLLOWS, BETTER = 0.85, 1.0  # correlation with sales of CPU times pods, and how far (Fisher) above that of CPU alone
AGAINST = -0.9  # correlation with sales, below which CPU is what is left
SAME = 1e-3  # of the mean: how far usage of a pod varies where it is a limit or a request
LEAST_DAYS = 4  # on each side of a change
CHANGED = 1.5  # times, by which usage of a pod is less than before where pods are missing
STEADY = 1.25  # times, by which pods for as many sales may differ where no deploy has made them cheaper


def pod_doubts(usage: pd.DataFrame, sales: pd.Series | None) -> tuple[str, ...]:
    """What the number of pods and sales say against measured usage, in words.

    `usage` has cpu (cores), memory (bytes) and replicas as far as measured, `sales` one value per step; both on UTC.

    >>> index = pd.date_range("2026-01-01", periods=96, freq="h", tz="UTC")
    >>> pods = pd.Series(3.0 + index.hour % 5, index)
    >>> print(*pod_doubts(pd.DataFrame({"memory": pods * 2.0**29, "replicas": pods}), None))
    memory is 512 MiB times the replicas in all steps, as limits and requests are: export what is used
    """
    there = usage.dropna(subset=["replicas"]) if "replicas" in usage.columns else usage.iloc[:0]
    found = [] if there.empty else list(_of_all_pods(there))
    known = min(0 if sales is None else len(sales), usage["cpu"].count() if "cpu" in usage.columns else 0)
    if sales is not None and known >= LEAST_STEPS:
        found += list(_with_sales(usage, sales))
    return tuple(found)


def counted_pods(usage: pd.DataFrame) -> pd.Series | None:
    """The replicas where they were counted and are counts of pods."""
    if "replicas" not in usage.columns or not usage["replicas"].max() >= 1:
        return None
    return usage["replicas"].dropna()


def _of_all_pods(usage: pd.DataFrame) -> Iterator[str]:
    pods = usage["replicas"]
    if len(pods) >= LEAST_STEPS and pods.max() < 1:
        yield f"replicas: expected counts of pods, got at most {pods.max():.3g}: export how many are ready"
        return
    if len(pods) < LEAST_STEPS or pods.std() < VARIES * pods.mean():
        return
    for name, (size, unit) in {"cpu": (1.0, "cores"), "memory": (2.0**20, "MiB")}.items():
        each = (usage[name] / pods.where(pods > 0)).dropna() if name in usage.columns else pd.Series(dtype=float)
        if len(each) >= LEAST_STEPS and each.std() < SAME * each.mean():
            yield (
                f"{name} is {each.median() / size:.4g} {unit} times the replicas in all steps, as limits and requests "
                "are: export what is used"
            )


def _with_sales(usage: pd.DataFrame, sales: pd.Series) -> Iterator[str]:
    step = max(sales.index[1] - sales.index[0], usage.index[1] - usage.index[0])
    cpu, sold = usage["cpu"].resample(step).mean(), sales.resample(step).sum(min_count=1)
    alone = _correlation(cpu, sold)
    if alone < AGAINST:
        yield f"cpu falls as sales rise (correlation {alone:.2f}): is it what is left idle?"
        return
    counted = counted_pods(usage)
    if counted is None or counted.std() < VARIES * counted.mean():
        return
    pods = counted.resample(step).mean()
    together = _correlation(cpu * pods, sold)
    if together >= FOLLOWS and np.arctanh(together) - np.arctanh(alone) >= BETTER:
        yield (
            "cpu: expected cores of all pods, got values that follow sales far better when multiplied by the "
            f"{pods.min():.0f} to {pods.max():.0f} replicas (correlation {together:.2f}, alone {alone:.2f}): are these "
            "of one pod, or percent?"
        )
    else:
        yield from _missing_pods(cpu, pods, sold)


def _correlation(one: pd.Series, other: pd.Series) -> float:
    found = one.corr(other) if len(one) > 2 and one.std() > 0 and other.std() > 0 else 0.0
    return float(np.clip(np.nan_to_num(found), -0.999, 0.999))


def _missing_pods(cpu: pd.Series, pods: pd.Series, sold: pd.Series) -> Iterator[str]:
    """Whether CPU of a pod falls from a day on though as many pods run for as many sales: not all are measured."""
    days = pd.concat({"cpu": cpu, "pods": pods, "sold": sold}, axis=1, sort=True).dropna().resample("1D").sum()
    days = days[(days["pods"] > 0) & (days["sold"] > 0) & (days["cpu"] > 0)]
    each, served = (np.log((days[name] / days["pods"]).to_numpy(dtype=float)) for name in ("cpu", "sold"))
    for day in range(LEAST_DAYS, len(each) - LEAST_DAYS + 1):
        fell = float(np.median(each[:day]) - np.median(each[day:]))
        apart = each[:day].min() > each[day:].max()
        moved = abs(float(np.median(served[:day]) - np.median(served[day:])))
        if apart and fell >= np.log(CHANGED) and moved <= np.log(STEADY):
            yield (
                f"cpu of a pod is {np.exp(fell):.2g} times less from {days.index[day]:%Y-%m-%d} on though as many "
                "replicas run for as many sales: are all of them measured?"
            )
            return
