"""Nodes that stand ready, on public traces: how often pods waited for a node with headroom and without; the cost."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.datasets import find
from benchmarks.vertical import TRACES, usage
from capacity.model import LoadModel, Replica, Workload
from capacity.model.headroom import HeadroomRules
from capacity.simulation.headroom import HeadroomReplay, HeadroomScore, replay_headroom
from capacity.simulation.pods import NodePool

SCALE = 40.0  # each trace peaks at 6 cores there; here at 240, some 600 pods of half a core at 80 %
PART = pd.Timedelta("15min")  # steps of the forecast
STANDBY = 0.1  # of the price, of a node that is stopped: its disk
POOL = NodePool(8, median=timedelta(minutes=2), standby=STANDBY)  # 19 of 20 nodes within four minutes


def headroom_figures(data: Path, quick: bool) -> dict[str, Any]:
    """A row for each trace; and in how many minutes a day any pod waited for a node, over all of them."""
    days = 2 if quick else 7
    rows: dict[str, dict[str, float]] = {}
    for name, trace in list(TRACES.items())[: 1 if quick else None]:
        path = find(data, trace.path, "node_headroom")
        if path is not None:
            cores = usage(trace, path)[0].resample(PART).mean().interpolate() * SCALE
            replay = HeadroomReplay(POOL, days=days)
            rows[f"nodes {name}"] = row(*replay_headroom(cores, workload(), replay))
    mean = {
        key: sum(one[key] for one in rows.values()) / max(1, len(rows)) for key in ("misses_with", "misses_without")
    }
    return {
        **rows,
        "node_lead_misses_with": mean["misses_with"],
        "node_lead_misses_without": mean["misses_without"],
    }


def row(kept: HeadroomScore, bare: HeadroomScore) -> dict[str, float]:
    """Times a day at which pods began to wait for a node, minutes a day in which any did, and the cost of it."""
    return {
        "misses_with": kept.misses / kept.days,
        "misses_without": bare.misses / bare.days,
        "waiting_minutes_with": kept.waiting_minutes / kept.days,
        "waiting_minutes_without": bare.waiting_minutes / bare.days,
        "node_cost_with_over_without": kept.node_hours / bare.node_hours,
        "node_cost_standby_over_without": kept.cost / bare.cost,
    }


def workload() -> Workload:
    """A service without floors: its autoscaler alone adds pods, on nodes that stand ready at q0.95."""
    load, replica = LoadModel(1, 0, 0, 0), Replica(0.5, 2**29)
    return Workload("shop", "web", load, replica, floor=2, ceiling=5000, headroom=HeadroomRules())
