"""From configuration and plans to a pass, from its outcomes to a sheet. An unreadable plan stops its own alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from capacity.domain import CapacityError, ConfigError, Plan
from capacity.edge.cluster.client import ClusterReader
from capacity.edge.cluster.planmaps import read_plan_maps
from capacity.edge.config import Config
from capacity.edge.controller.outcomes import Outcome, outcome_document, summary
from capacity.edge.controller.work import Pass
from capacity.edge.planfile import read_plan, rfc3339
from capacity.edge.screen import Sheet, count


def make_pass(
    config: Config, now: datetime, plan_file: Path | None, reader: ClusterReader, *, real_time: bool = False
) -> Pass:
    """The pass of this moment, with the plan from a file, or (None) from each namespace's ConfigMaps.

    A plan that cannot be read is as good as none, and says why: what it raised is held, then comes down in time.
    `real_time`: `now` is the clock's, and may be compared with the API server's.
    """
    workloads = config.workloads
    if not workloads:
        raise ConfigError("workloads: expected at least one workload, got none")
    controller = config.controller
    brake, home = controller.brake, controller.home
    work = Pass(workloads, None, controller.policy(), now, brake=brake, home=home, real_time=real_time)
    namespaces = sorted({workload.namespace for workload in workloads})
    if plan_file is not None:
        try:
            return replace(work, plan=read_plan(plan_file, near=now))
        except CapacityError as error:
            return replace(work, unreadable=dict.fromkeys(namespaces, str(error)))
    plans, unreadable = list[Plan](), dict[str, str]()
    for namespace in namespaces:
        try:
            plans.append(read_plan_maps(reader, namespace, near=now))
        except CapacityError as error:
            unreadable[namespace] = str(error)
    return replace(work, plan=_joined(plans), unreadable=unreadable)


def _joined(plans: list[Plan]) -> Plan | None:
    """One plan of all namespaces' workloads; they may be of different making."""
    if not plans:
        return None
    return replace(plans[0], workloads=tuple(workload for plan in plans for workload in plan.workloads))


def pass_sheet(title: str, outcomes: Sequence[Outcome], now: datetime) -> Sheet:
    """One row per workload: from, to, reason, why."""
    rows: list[tuple[object, ...]] = []
    for outcome in outcomes:
        decision = outcome.decision
        if decision is None:
            rows.append((outcome.where, "", "Error", outcome.error))
            continue
        move = " ; ".join(filter(None, [outcome.floor_move, outcome.ceiling_move]))
        rows.append((outcome.where, move, decision.reason, outcome.error or decision.detail))
    document = {**summary(outcomes, now), "decisions": [outcome_document(outcome) for outcome in outcomes]}
    return Sheet(title, ("autoscaler", "floor", "reason", "why"), rows, document, (pass_footer(outcomes, now),))


def pass_footer(outcomes: Sequence[Outcome], now: datetime) -> str:
    """The pass in one line of figures."""
    figures = summary(outcomes, now)
    counts = ", ".join(f"{figures[name]} {name}" for name in ("changed", "held", "failed"))
    return f"{rfc3339(now.replace(microsecond=0))}: {count(len(outcomes), 'workload')}, {counts}"
