"""Nodes that stand ready, on public traces: how often pods waited for a node with headroom and without; the cost.

Measured by `capacity.simulate`, as `capacity simulate` shows it for a workload with headroom: pods of an autoscaler and
of the plan on nodes that join late, with the settings that the command has.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import capacity as cap
from benchmarks.datasets import find
from benchmarks.vertical import TRACES, usage
from capacity.model.headroom import HeadroomRules
from capacity.simulation import Replay
from capacity.simulation.headroom import HeadroomScore, pool_for

SCALE = 40.0  # each trace peaks at 6 cores there; here at 240, some 600 pods of half a core at 80 %
PART = pd.Timedelta("15min")  # steps of the forecast
PER_HOUR = pd.Timedelta("1h") / PART
STANDBY = 0.1  # of the price, of a node that is stopped: its disk


def headroom_figures(data: Path, quick: bool) -> dict[str, Any]:
    """A row for each trace; and how often a day pods of its autoscaler alone began to wait for a node, over all."""
    days = 2 if quick else 7
    rows: dict[str, dict[str, float]] = {}
    for name, trace in list(TRACES.items())[: 1 if quick else None]:
        path = find(data, trace.path, "node_headroom")
        if path is not None:
            cores = usage(trace, path)[0].resample(PART).mean().interpolate() * SCALE
            replay = Replay(days=days, nodes=pool_for(workload()))
            rows[f"nodes {name}"] = row(cap.simulate(cores / PER_HOUR, workload(), replay=replay).nodes)
    mean = {
        key: sum(one[key] for one in rows.values()) / max(1, len(rows)) for key in ("misses_with", "misses_without")
    }
    return {
        **rows,
        "node_lead_misses_with": mean["misses_with"],
        "node_lead_misses_without": mean["misses_without"],
    }


def row(scores: Sequence[HeadroomScore]) -> dict[str, float]:
    """Times a day at which pods began to wait for a node, minutes a day in which any did, and the cost of it.

    First under the autoscaler alone; with floors, under the plan.
    """
    bare, kept, floors, both = scores
    return {
        "misses_with": kept.misses / kept.days,
        "misses_without": bare.misses / bare.days,
        "waiting_minutes_with": kept.waiting_minutes / kept.days,
        "waiting_minutes_without": bare.waiting_minutes / bare.days,
        "node_cost_with_over_without": kept.node_hours / bare.node_hours,
        "node_cost_standby_over_without": kept.cost / bare.cost,
        "floors_misses_with": both.misses / both.days,
        "floors_misses_without": floors.misses / floors.days,
        "floors_node_cost_with_over_without": both.node_hours / floors.node_hours,
    }


def workload() -> cap.Workload:
    """A service whose load is its sales an hour, in cores, with headroom at its defaults and stopped nodes."""
    load, replica = cap.LoadModel(0, 1, 0, 0), cap.Replica(0.5, 2**29)
    rules = HeadroomRules(standby_price=STANDBY)
    return cap.Workload("shop", "web", load, replica, floor=2, ceiling=5000, headroom=rules)
