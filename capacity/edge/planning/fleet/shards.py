"""Shards: the parts of a plan, each an ordinary plan file, and beside it what its chunk could not plan."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from capacity.domain import Plan, PlanError
from capacity.edge.planfile import read_plan, write_plan
from capacity.edge.telemetry.metrics import Sample

Key = tuple[str, str]  # namespace and name of a workload
DONE = "capacity.shard/v2"


@dataclass(frozen=True, slots=True)
class Shard:
    """What became of one chunk: its part of the plan (None: nothing, or it lies in its file), and its failures.

    `demand` is that of the current step as metrics: a plan file holds floors, not the forecasts they come from.
    """

    number: int
    plan: Plan | None
    failures: dict[Key, str]
    demand: tuple[Sample, ...] = ()


def shard_path(folder: Path, number: int) -> Path:
    """Where the plan of a chunk lies: a plan file that `capacity apply --plan` takes as it is."""
    return folder / f"plan-{number:05}.json"


def write_shard(shard: Shard, path: Path, run: str) -> None:
    """Write a shard; the record that it is done comes last, so that half a shard is no shard."""
    done = _record(path)
    done.unlink(missing_ok=True)
    if shard.plan is None:
        path.unlink(missing_ok=True)
    else:
        write_plan(shard.plan, path)
    failures = [[*key, reason] for key, reason in shard.failures.items()]
    demand = [[sample.name, sample.value, sample.labels] for sample in shard.demand]
    record = {"schema": DONE, "run": run, "planned": shard.plan is not None, "failures": failures, "demand": demand}
    _write_whole(done, record)


def read_shard(path: Path, number: int, run: str) -> Shard | None:
    """A shard that is done and belongs to this run; None where there is none."""
    record = _read_record(_record(path))
    if record is None or record.get("schema") != DONE or record.get("run") != run:
        return None
    failures = {(namespace, name): reason for namespace, name, reason in record["failures"]}
    if not record["planned"]:
        return Shard(number, None, failures)
    try:
        return Shard(number, read_plan(path), failures, _demand(record))
    except PlanError:  # gone or cut short since: it is made again
        return None


def is_done(path: Path, run: str) -> bool:
    """Whether a shard of this run is there, without reading its plan."""
    record = _read_record(_record(path))
    return record is not None and record.get("run") == run and (path.exists() or not record["planned"])


def joined(plans: Sequence[Plan], order: Sequence[Key]) -> Plan | None:
    """One plan of all shards' plans, its workloads in the order of the configuration; None of no plan."""
    if not plans:
        return None
    place = {key: number for number, key in enumerate(order)}
    workloads = sorted(
        (one for plan in plans for one in plan.workloads), key=lambda one: place[one.namespace, one.name]
    )
    return replace(
        plans[0],
        origin=min(plan.origin for plan in plans),
        valid_until=min(plan.valid_until for plan in plans),
        workloads=tuple(workloads),
    )


def _demand(record: dict[str, Any]) -> tuple[Sample, ...]:
    return tuple(Sample(name, value, tuple(labels)) for name, value, labels in record["demand"])


def _record(path: Path) -> Path:
    return path.with_name(f"{path.stem.replace('plan', 'done')}.json")


def _read_record(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _write_whole(path: Path, document: dict[str, Any]) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(document, stream)
    Path(name).replace(path)
