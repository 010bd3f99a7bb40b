"""From configuration and plans to passes: one per namespace, so that one unreadable plan never stops the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from capacity.decision import Policy
from capacity.domain import CapacityError, ConfigError
from capacity.edge.cluster import ClusterReader
from capacity.edge.config import Config
from capacity.edge.controller import Outcome, Pass
from capacity.edge.planfile import read_plan
from capacity.edge.planmaps import read_plan_maps


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
