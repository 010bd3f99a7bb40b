"""The table of a simulation: one row per policy, and the verdict below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from capacity.model.fields import rfc3339
from capacity.simulation.case import Miss, Score
from capacity.simulation.headroom import HeadroomScore
from capacity.simulation.policies import Trial
from capacity.simulation.result import COLUMNS, Simulation
from capacity.simulation.vertical import CORE_IN_GIB, SizeScore
from capacity.views.sheet import Sheet, count, duration

DAY = 1440  # minutes
SHOWN = ("policy", ">100 %", ">cap", "slow", "lost", "pod-h", "x best", "starts/d", "moves/d")


def simulation_sheet(result: Simulation) -> Sheet:
    """The named policies, the best HPA of the sweep at the plan's overload, and the verdict; JSON has the sweep too."""
    return Sheet(
        title=f"{result.name}: Simulation of {duration(result.days)}, every policy on the same demand",
        columns=SHOWN,
        rows=[_row(trial) for trial in result.named],
        document=_document(result),
        footer=(result.verdict, *_notes(result)),
    )


def sizes_sheet(name: str, scores: Sequence[SizeScore], days: int) -> Sheet:
    """A pod that is resized: what each way to size it costs, and how often it is busier than its target."""
    rows = [
        (
            one.name,
            f"{one.cost:.2f}",
            f"{one.over_target * DAY:.0f}",
            f"{one.over_request * DAY:.0f}",
            f"{one.resizes_a_day:.1f}",
        )
        for one in scores
    ]
    return Sheet(
        title=f"{name}: Replay of one pod over {days} days, every way to size it on the same demand",
        columns=("sized by", "cost", ">target", ">request", "resizes/d"),
        rows=rows,
        document={"name": name, "days": days, "sizes": [asdict(one) for one in scores]},
        footer=(
            f"cost: mean request in cores, {CORE_IN_GIB:g} GiB of memory as one; minutes a day over the target, and "
            "over the request",
        ),
    )


def nodes_sheet(name: str, scores: Sequence[HeadroomScore]) -> Sheet:
    """Nodes under the pods of a simulation, with headroom and without: who waited for a node, and what nodes cost."""
    days = scores[0].days
    rows = [
        (
            one.name,
            f"{one.misses / days:.1f}",
            f"{one.waiting_minutes / days:.1f}",
            f"{one.node_hours:,.0f}",
            f"{one.cost:,.0f}",
        )
        for one in scores
    ]
    return Sheet(
        title=f"{name}: Nodes under these pods over {days:.0f} days, with headroom and without",
        columns=("pods", "misses/d", "min waiting/d", "node-h", "cost"),
        rows=rows,
        document={"name": name, "nodes": [asdict(one) for one in scores]},
        footer=(
            "misses: times a day at which pods began to wait for a node; cost: in hours of a full node, standby nodes "
            "at headroom.standby_price",
        ),
    )


def _row(trial: Trial) -> tuple[object, ...]:
    score = trial.score
    return (
        trial.name,
        f"{score.overload_minutes:.0f}",
        f"{score.cap_breach_minutes:.0f}",
        f"{score.slo_minutes:.0f}",
        f"{score.lost_share:.3%}",
        f"{score.pod_hours:,.0f}",
        f"{score.over_clairvoyant:.2f}",
        f"{score.starts_per_day:.0f}",
        f"{score.floor_changes_per_day:.0f}",
    )


def _notes(result: Simulation) -> tuple[str, ...]:
    return (
        ">100 %, >cap: minutes over 100 % and over the target; slow: minutes in which the p99 wait exceeds one service "
        "time; x best: pod-hours divided by the clairvoyant's",
        *_busy_note(result),
        f"{count(result.plans, 'plan')} made, none from data after its origin",
        "within a step, demand follows a smooth path with the same total; visits behind counted orders are spread at "
        "random",
    )


def _busy_note(result: Simulation) -> tuple[str, ...]:
    if not result.busy:
        return ()
    plan, alone = result.busy[result.plan.name], result.busy[result.alone.name]
    return (
        f"in the busiest 1 % and at events ({24 * plan.days:.3g} h): {plan.cap_breach_minutes:.0f} min over the target "
        f"with the plan, {alone.cap_breach_minutes:.0f} min with {result.alone.name} alone; "
        f"{plan.overload_minutes:.0f} and {alone.overload_minutes:.0f} min over 100 %",
    )


def _document(result: Simulation) -> dict[str, Any]:
    return {
        "name": result.name,
        "begin": rfc3339(result.begin),
        "days": round(result.plan.score.days, 6),
        "target_utilization": result.promise.target,
        "verdict": result.verdict,
        "saving": round(result.saving, 6),
        "misses": [_miss(miss) for miss in result.misses],
        "policies": {trial.name: _scores(trial.score) for trial in result.trials},
        "busy": {name: _scores(score) for name, score in result.busy.items()},
    }


def _scores(score: Score) -> dict[str, float]:
    return {key: round(value(score), 6) for key, value in COLUMNS.items()}


def _miss(miss: Miss) -> dict[str, Any]:
    finite = miss.utilization < float("inf")
    return {
        "start": rfc3339(miss.start),
        "minutes": miss.length.total_seconds() / 60,
        "utilization": round(miss.utilization, 4) if finite else None,
        "pods_were_starting": miss.late,
    }
