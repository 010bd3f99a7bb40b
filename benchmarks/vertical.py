"""Pods resized in place on public traces: their cost against a static size and the VPA's, and time above the target."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.datasets import find
from capacity.model import LoadModel, Replica, Target, Workload
from capacity.model.pod_size import SizedContainer, SizeRange, Vertical
from capacity.simulation.vertical import AUTOPILOT, GIB, PLAN, STATIC, VPA, SizeReplay, SizeScore, replay_sizes

FIVE = pd.Timedelta("5min")
PEAK_CORES, PEAK_MEMORY = 6.0, 24 * GIB  # every trace is scaled to a database of this size
CACHE = timedelta(hours=6)  # how slowly memory follows load where the trace has none: a cache fills and drains
SHARE = 0.65  # of the peak's memory that follows load so


@dataclass(frozen=True)
class Trace:
    """A file with CPU and, where `memory` names it, memory; times in seconds, or with a date."""

    path: str
    cpu: str
    memory: str | None = None


TRACES = {
    "google2019": Trace("dc_traces/google2019_5min.csv.gz", "avg_cpu", "avg_mem"),
    "cluster2": Trace("cloud_cluster/aug2024_5min.csv.gz", "cluster2"),
    "cluster9": Trace("cloud_cluster/aug2024_5min.csv.gz", "cluster9"),
    "worldcup98": Trace("worldcup98/requests_per_minute.csv.gz", "requests"),
}
BRIDGED = 12  # steps of a gap that is bridged: an hour; a trace ends before a longer one
WORLD_CUP = ("1998-05-24", "1998-06-24")  # from the quiet weeks into the tournament


def vertical_figures(data: Path, quick: bool) -> dict[str, Any]:
    """A row for each trace, and the mean saving and the mean minutes a day above the target over all of them.

    Memory of traces without one is made: 35 % of its peak, and the rest follows load with a half-life of six hours.
    """
    days = 3 if quick else 14
    found: dict[str, Any] = {}
    savings, minutes = [], []
    for name, trace in list(TRACES.items())[: 1 if quick else None]:
        path = find(data, trace.path, "vertical")
        if path is None:
            continue
        scores = {one.name: one for one in replay_sizes(*usage(trace, path), workload(), SizeReplay(days=days))}
        savings.append(1 - scores[PLAN].cost / scores[STATIC].cost)
        minutes.append(scores[PLAN].over_target * 1440)
        found[f"vertical {name}"] = row(scores)
    return {
        **found,
        "vertical_saving_vs_static": float(np.mean(savings)),
        "vertical_minutes_over_target": float(np.mean(minutes)),
    }


def row(scores: dict[str, SizeScore]) -> dict[str, Any]:
    """One trace: cost in cores, minutes a day above the target, resizes a day."""
    short = {PLAN: "plan", STATIC: "static", VPA: "vpa", AUTOPILOT: "autopilot"}
    return {
        **{f"cost_{short[name]}": one.cost for name, one in scores.items()},
        **{f"minutes_over_target_{short[name]}": one.over_target * 1440 for name, one in scores.items()},
        "resizes_a_day": scores[PLAN].resizes_a_day,
    }


def workload() -> Workload:
    """One pod, whose container may be resized."""
    sized = SizedContainer(cpu=SizeRange(0.5, 16), memory=SizeRange(GIB, 64 * GIB))
    return Workload(
        "shop",
        "db",
        LoadModel(1, 0, 0, 0),
        Replica(1, GIB),
        floor=1,
        ceiling=1,
        target=Target(kind="StatefulSet"),
        scaling="vertical",
        vertical=Vertical({"app": sized}),
    )


def usage(trace: Trace, path: Path) -> tuple[pd.Series, pd.Series]:
    """CPU in cores and memory in bytes, in steps of five minutes."""
    frame = pd.read_csv(path)
    times = frame.iloc[:, 0]
    start = pd.Timestamp("2019-05-01", tz="UTC")
    index = (
        start + pd.to_timedelta(times, unit="s")
        if pd.api.types.is_numeric_dtype(times)
        else pd.to_datetime(times, utc=True)
    )
    table = frame.set_index(pd.DatetimeIndex(index)).select_dtypes("number").resample(FIVE).mean()
    if trace.path.startswith("worldcup98"):
        table = table.loc[WORLD_CUP[0] : WORLD_CUP[1]]
    table = table.interpolate(limit=BRIDGED)
    gaps = table.index[table[trace.cpu].isna()]
    table = table.loc[: gaps[0] - FIVE] if len(gaps) else table
    cpu = table[trace.cpu] / table[trace.cpu].max() * PEAK_CORES
    if trace.memory is not None:
        return cpu, table[trace.memory] / table[trace.memory].max() * PEAK_MEMORY
    slow = cpu.ewm(halflife=CACHE / FIVE).mean()
    return cpu, PEAK_MEMORY * (1 - SHARE + SHARE * slow / slow.max())
