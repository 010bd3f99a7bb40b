"""From configuration and plans to passes, from their outcomes to a sheet. An unreadable plan stops its own alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from capacity.decision import Policy
from capacity.domain import CapacityError, ConfigError
from capacity.edge.cluster import ClusterReader
from capacity.edge.config import Config
from capacity.edge.controller import Outcome, Pass, summary
from capacity.edge.planfile import read_plan, rfc3339
from capacity.edge.planmaps import read_plan_maps
from capacity.edge.screen import Sheet


@dataclass(frozen=True, slots=True)
class Passes:
    """Passes ready to run, and the workloads whose plan could not be read."""

    ready: tuple[Pass, ...]
    failed: tuple[Outcome, ...] = ()


def passes(config: Config, now: datetime, plan_file: Path | None, reader: ClusterReader) -> Passes:
    """The passes of this moment, with the plan from a file, or (None) from each namespace's ConfigMaps.

    Raises `PlanError` where the one file cannot be read; a namespace without a readable plan fails alone.
    """
    workloads = config.nouns()
    if not workloads:
        raise ConfigError("workloads: expected at least one workload, got none")
    controller = config.controller
    policy = Policy(controller.period, controller.hold_for, controller.step_down)
    if plan_file is not None:
        return Passes((Pass(workloads, read_plan(plan_file), policy, now),))
    ready, failed = [], []
    for namespace in sorted({workload.namespace for workload in workloads}):
        members = tuple(workload for workload in workloads if workload.namespace == namespace)
        try:
            ready.append(Pass(members, read_plan_maps(reader, namespace), policy, now))
        except CapacityError as error:
            failed += [Outcome(workload, error=f"plan: {error}") for workload in members]
    return Passes(tuple(ready), tuple(failed))


def pass_sheet(title: str, outcomes: Sequence[Outcome], now: datetime) -> Sheet:
    """One row per workload: from, to, reason, why."""
    rows: list[tuple[object, ...]] = []
    for outcome in outcomes:
        where, decision = f"{outcome.workload.namespace}/{outcome.workload.target}", outcome.decision
        if decision is None:
            rows.append((where, "", "Error", outcome.error))
            continue
        move = f"{decision.before} -> {decision.floor}" if decision.floor != decision.before else f"{decision.floor}"
        if decision.before_ceiling not in (None, decision.ceiling):
            move += f" (ceiling {decision.before_ceiling} -> {decision.ceiling})"
        rows.append((where, move, decision.reason, decision.detail))
    document = {**summary(outcomes, now), "decisions": [_outcome_document(outcome) for outcome in outcomes]}
    counts = ", ".join(f"{document[name]} {name}" for name in ("changed", "held", "failed"))
    footer = (f"{rfc3339(now.replace(microsecond=0))}: {len(outcomes)} workloads, {counts}",)
    return Sheet(title, ("autoscaler", "floor", "reason", "why"), rows, document, footer)


def _outcome_document(outcome: Outcome) -> dict[str, Any]:
    decision, workload = outcome.decision, outcome.workload
    document: dict[str, Any] = {"namespace": workload.namespace, "name": workload.name, "target": workload.target}
    if decision is None:
        return {**document, "error": outcome.error}
    return {
        **document,
        "before": decision.before,
        "floor": decision.floor,
        "before_ceiling": decision.before_ceiling,
        "ceiling": decision.ceiling,
        "reason": decision.reason,
        "detail": decision.detail,
        "clamps": list(decision.clamps),
        "held": decision.held,
        "changed": outcome.done,
        "line": str(outcome),
    }
