"""Reads and writes plans as JSON: strictly, whole or not at all, and where asked only the days that one pass needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import starmap
from pathlib import Path
from typing import Any

from capacity.files import write_text
from capacity.model.choice import choice_document, parse_choice, parse_policy, policy_document
from capacity.model.errors import CapacityError, PlanError
from capacity.model.explanation import (
    Derivation,
    PeakSales,
    QuotaCut,
    ReplicaNeed,
    RequestNeed,
    Shortfall,
    TargetUtilization,
    TrackRecord,
)
from capacity.model.fields import parse_time, rfc3339
from capacity.model.forecast import Trust
from capacity.model.headroom import headroom_document, parse_headroom
from capacity.model.limits import NodeChange, NodePlan
from capacity.model.plan import PLAN_SCHEMA, FloorChange, Peak, Plan, Quiet, WorkloadPlan
from capacity.model.pod_size import parse_sizes, sizes_document
from capacity.model.volume import parse_volume, volume_document

MAX_BYTES = 256 * 2**20  # a plan of 10,000 workloads takes about 100 MB
REACH = timedelta(days=2)  # either way of now: more than any lead time
CHANGES = ("floor", "quiet", "changes")  # the last: of headroom, sizes and volumes, which have steps of their own


def write_plan(plan: Plan, path: str | Path) -> None:
    """Write a plan as JSON, whole or not at all: a reader never meets half a file.

    Parameters
    ----------
    plan : Plan
        The plan. The demand behind it is not part of the file.
    path : str or Path
        The file, which is replaced where it exists; its folder must exist.

    Raises
    ------
    OSError
        The file cannot be written.

    Examples
    --------
    >>> from datetime import UTC
    >>> day = datetime(2026, 11, 27, tzinfo=UTC)
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_plan(Plan(day, day, day + timedelta(days=1), "", {}, ()), f"{folder}/plan.json")
    ...     read_plan(f"{folder}/plan.json").valid_until.isoformat()
    '2026-11-28T00:00:00+00:00'
    """
    write_text(path, plan_text(plan))


def read_plan(path: str | Path, *, near: datetime | None = None) -> Plan:
    """Read a plan file, strictly. Files that 0.1 wrote are read as well.

    Parameters
    ----------
    path : str or Path
        The file, at most 256 MiB.
    near : datetime or None
        Keep only what the plan says of days around this time, which saves memory. Default none: all of it.

    Returns
    -------
    Plan
        Without the demand behind it, which the file does not hold.

    Raises
    ------
    PlanError
        The file is missing, truncated, of another schema or impossible.

    Examples
    --------
    >>> read_plan("no-such-plan.json")
    Traceback (most recent call last):
    capacity.model.errors.PlanError: no plan no-such-plan.json: make one with `capacity plan`
    """
    file = Path(path)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise PlanError(f"{file}: expected at most {MAX_BYTES} bytes, got {file.stat().st_size}")
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise PlanError(f"no plan {file}: make one with `capacity plan`") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{file}: cannot be read: {error}") from error
    return parse_plan(text, file.name, near=near)


def plan_text(plan: Plan) -> str:
    """The plan as JSON text: a line for each key, and for each workload a line of its own."""
    document = plan_document(plan)
    workloads = ",\n".join(f"  {json.dumps(workload)}" for workload in document.pop("workloads"))
    head = "".join(f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in document.items())
    return f'{{\n{head} "workloads": [\n{workloads}\n ]\n}}\n'


def parse_plan(text: str, where: str, *, near: datetime | None = None) -> Plan:
    """The plan in a JSON text; `where` names it in errors. Raises `PlanError`. `near` as for `read_plan`."""
    try:
        hook = None if near is None else cut_changes(near)
        document = json.loads(text, parse_constant=_refuse_constant, object_hook=hook)
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{where}: expected a whole plan in JSON, got a truncated or broken one ({error})") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != PLAN_SCHEMA:
        raise PlanError(f"{where}: expected schema {PLAN_SCHEMA}, got {schema!r}; plan again with this version")
    try:
        return _plan(document)
    except KeyError as error:
        raise PlanError(f"{where}: expected the key {error}, which is missing") from error
    except (CapacityError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise PlanError(f"{where}: {error}") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"expected numbers, got {name}")


def plan_document(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values: times RFC 3339 in UTC, durations in seconds, CPU in millicores, memory in bytes."""
    return {
        "schema": PLAN_SCHEMA,
        "created": rfc3339(plan.created),
        "origin": rfc3339(plan.origin),
        "valid_until": rfc3339(plan.valid_until),
        "settings_hash": plan.settings_hash,
        **({"blocks": plan.blocks} if plan.blocks else {}),
        "source": plan.source,
        "workloads": [_workload_document(workload) for workload in plan.workloads],
        **({} if plan.nodes is None else {"nodes": _nodes_document(plan.nodes)}),
    }


def _workload_document(plan: WorkloadPlan) -> dict[str, Any]:
    return {
        "namespace": plan.namespace,
        "name": plan.name,
        "start": rfc3339(plan.start),
        "step": _seconds(plan.step),
        "steps": plan.steps,
        "floor": [[change.offset, change.replicas, change.reason] for change in plan.floor],
        "binding": plan.binding,
        "peak": _peak_document(plan.peak),
        "resources": plan.resources,
        "safe_floor": plan.safe_floor,
        "ceiling": plan.ceiling,
        "lead_time": _seconds(plan.lead_time),
        "quiet": [[level.offset, level.cpu_millicores] for level in plan.quiet],
        "explain": _derivation_document(plan.derivation),
        **({} if plan.policy is None else {"policy": policy_document(plan.policy)}),
        **({} if plan.calm else {"calm": False}),
        **({} if plan.choice is None else {"choice": choice_document(replace(plan.choice, rivals=()))}),
        **({} if plan.headroom is None else {"headroom": headroom_document(plan.headroom)}),
        **({} if plan.sizes is None else {"sizes": sizes_document(plan.sizes)}),
        **({} if not plan.volumes else {"volumes": [volume_document(one) for one in plan.volumes]}),
    }


def _derivation_document(derived: Derivation) -> dict[str, Any]:
    """One flat table, in the order in which the numbers were computed; keys of what is not known are left out."""
    need, short, sales, quota = derived.need, derived.shortfall, derived.sales, derived.quota
    return {
        **({} if sales is None else {"sales_median": sales.median, "sales_quantile": sales.quantile}),
        "cpu_millicores": derived.cpu_millicores,
        "memory_bytes": derived.memory_bytes,
        "target_utilization": derived.target.utilization,
        "target_bound": derived.target.bound,
        "target_why": derived.target.why,
        "replicas_for_cpu": need.cpu,
        "replicas_for_memory": need.memory,
        **({} if need.requests is None else _requests_document(need.requests)),
        "zones": derived.zones,
        "floor": derived.floor,
        "ceiling": derived.ceiling,
        "steps_above_ceiling": short.steps,
        "minutes_above_ceiling": short.minutes,
        "replicas_short_of_need": short.replicas,
        "cores_short_of_need": short.cores,
        "window_seconds": None if derived.window is None else _seconds(derived.window),
        "model": derived.model,
        **({} if derived.track_record is None else _record_document(derived.track_record)),
        "notes": list(derived.notes),
        **({} if quota is None else {"minutes_cut_by_quota": quota.minutes, "replicas_cut_by_quota": quota.replicas}),
    }


def _requests_document(need: RequestNeed) -> dict[str, Any]:
    known = {"requests_per_second": need.per_second, "requests_bound": need.source}
    return {"replicas_for_requests": need.replicas, **known}


def _record_document(record: TrackRecord) -> dict[str, Any]:
    shares = {f"{level:g}": share for level, share in record.trust.coverage}
    return {"group": record.subject, "coverage": shares, "skill": record.trust.skill}


def _peak_document(peak: Peak) -> dict[str, Any]:
    return {
        "at": rfc3339(peak.at),
        "sales": None if peak.sales is None else round(peak.sales, 3),
        "cpu_cores": round(peak.cpu_cores, 3),
        "cpu_millicores": round(peak.cpu_cores * 1000),
        "memory_bytes": round(peak.memory_bytes),
        "replicas": peak.replicas,
        "quantile_level": peak.quantile_level,
    }


def _nodes_document(nodes: NodePlan) -> dict[str, Any]:
    """The nodes; the mean and the money are there to be read by people, and are computed anew when read back."""
    return {
        "type": nodes.node_type,
        "price_per_hour": nodes.price_per_hour,
        "start": rfc3339(nodes.start),
        "changes": [[change.hour, change.nodes] for change in nodes.changes],
        "hours": nodes.hours,
        "peak": nodes.peak,
        "fewest": nodes.fewest,
        "today": nodes.today,
        "today_known": nodes.today_known,
        "mean": round(nodes.mean, 3),
        "cost_per_hour": round(nodes.cost_per_hour, 4),
        "cost_at_peak": round(nodes.cost_at_peak, 4),
        "cost_per_month": round(nodes.cost_per_month, 2),
        "cost_per_month_today": round(nodes.cost_per_month_today, 2),
    }


def _seconds(duration: timedelta) -> int:
    return round(duration.total_seconds())


def _plan(document: dict[str, Any]) -> Plan:
    return Plan(
        created=parse_time(document["created"]),
        origin=parse_time(document["origin"]),
        valid_until=parse_time(document["valid_until"]),
        settings_hash=_typed(str, document, "settings_hash"),
        source=_typed(dict, document, "source"),
        workloads=tuple(_workload(item, document["valid_until"]) for item in _typed(list, document, "workloads")),
        nodes=_nodes(_typed(dict, document, "nodes")) if "nodes" in document else None,
        blocks=_typed(dict, document, "blocks") if "blocks" in document else {},
    )


def _nodes(document: dict[str, Any]) -> NodePlan:
    whole = _whole(document)
    return NodePlan(
        node_type=_typed(str, document, "type"),
        price_per_hour=float(document["price_per_hour"]),
        start=parse_time(document["start"]),
        changes=tuple(NodeChange(*change) for change in _typed(list, document, "changes")),
        hours=whole("hours"),
        peak=whole("peak"),
        fewest=whole("fewest"),
        today=whole("today"),
        today_known=_typed(bool, document, "today_known"),
    )


def _workload(document: dict[str, Any], valid_until: str) -> WorkloadPlan:
    whole = _whole(document)
    start, step = parse_time(document["start"]), timedelta(seconds=whole("step"))
    return WorkloadPlan(
        namespace=_typed(str, document, "namespace"),
        name=_typed(str, document, "name"),
        start=start,
        step=step,
        steps=whole("steps") if "steps" in document else (parse_time(valid_until) - start) // step,
        floor=tuple(starmap(FloorChange, _typed(list, document, "floor"))),
        binding=_binding(document["binding"]),
        peak=_peak(document["peak"]),
        safe_floor=whole("safe_floor"),
        ceiling=whole("ceiling"),
        lead_time=timedelta(seconds=whole("lead_time")),
        derivation=_derivation(_typed(dict, document, "explain")),
        resources=_typed(dict, document, "resources"),
        quiet=tuple(starmap(Quiet, document.get("quiet", ()))),
        policy=parse_policy(_typed(dict, document, "policy")) if "policy" in document else None,
        calm=_typed(bool, document, "calm") if "calm" in document else True,
        choice=parse_choice(_typed(dict, document, "choice")) if "choice" in document else None,
        headroom=parse_headroom(_typed(dict, document, "headroom")) if "headroom" in document else None,
        sizes=parse_sizes(_typed(dict, document, "sizes")) if "sizes" in document else None,
        volumes=tuple(map(parse_volume, document.get("volumes", ()))),
    )


def _peak(document: dict[str, Any]) -> Peak:
    return Peak(
        at=parse_time(document["at"]),
        sales=None if document["sales"] is None else float(document["sales"]),
        cpu_cores=float(document["cpu_cores"]),
        memory_bytes=float(document["memory_bytes"]),
        replicas=_whole(document)("replicas"),
        quantile_level=float(document["quantile_level"]),
    )


def _derivation(document: dict[str, Any]) -> Derivation:
    whole, window = _whole(document), document["window_seconds"]
    return Derivation(
        cpu_millicores=whole("cpu_millicores"),
        memory_bytes=whole("memory_bytes"),
        target=_target(document),
        need=ReplicaNeed(whole("replicas_for_cpu"), whole("replicas_for_memory"), _request_need(document)),
        floor=whole("floor"),
        ceiling=whole("ceiling"),
        zones=whole("zones"),
        shortfall=_shortfall(document),
        window=None if window is None else timedelta(seconds=whole("window_seconds")),
        model=_typed(str, document, "model"),
        notes=tuple(map(str, _typed(list, document, "notes"))),
        sales=_peak_sales(document),
        track_record=_track_record(document),
        quota=_quota_cut(document),
    )


def _target(document: dict[str, Any]) -> TargetUtilization:
    utilization, bound = float(document["target_utilization"]), document["target_bound"]
    return TargetUtilization(utilization, bound, _typed(str, document, "target_why"))


def _request_need(document: dict[str, Any]) -> RequestNeed | None:
    if "replicas_for_requests" not in document:
        return None
    rate, source = float(document["requests_per_second"]), _typed(str, document, "requests_bound")
    return RequestNeed(_whole(document)("replicas_for_requests"), rate, source)


def _shortfall(document: dict[str, Any]) -> Shortfall:
    whole, cores = _whole(document), float(document["cores_short_of_need"])
    return Shortfall(
        whole("steps_above_ceiling"), whole("minutes_above_ceiling"), whole("replicas_short_of_need"), cores
    )


def _peak_sales(document: dict[str, Any]) -> PeakSales | None:
    if "sales_quantile" not in document:
        return None
    median = document["sales_median"]
    return PeakSales(None if median is None else float(median), float(document["sales_quantile"]))


def _track_record(document: dict[str, Any]) -> TrackRecord | None:
    if "coverage" not in document:
        return None
    coverage = tuple((float(level), float(share)) for level, share in _typed(dict, document, "coverage").items())
    return TrackRecord(_typed(str, document, "group"), Trust(coverage, float(document["skill"])))


def _quota_cut(document: dict[str, Any]) -> QuotaCut | None:
    if "minutes_cut_by_quota" not in document:
        return None
    whole = _whole(document)
    return QuotaCut(whole("minutes_cut_by_quota"), whole("replicas_cut_by_quota"))


def _binding(value: object) -> Any:
    if value not in ("cpu", "memory"):
        raise ValueError(f"expected binding cpu or memory, got {value!r}")
    return value


def _typed(kind: type[Any], document: dict[str, Any], key: str) -> Any:
    value = document[key]
    if not isinstance(value, kind):
        raise TypeError(f"{key}: expected {kind.__name__}, got {value!r}")
    return value


def _whole(document: dict[str, Any]) -> Callable[[str], int]:
    def whole(key: str) -> int:
        value = document[key]
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{key}: expected a whole number, got {value!r}")
        return value

    return whole


def cut_changes(now: datetime) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A hook for `json.loads`: of each list of changes, keep those that speak of times within `REACH` of `now`.

    What has no such list, or is not as expected, passes through for the reader to judge.

    >>> from datetime import UTC
    >>> hook = cut_changes(datetime(2026, 11, 27, tzinfo=UTC))
    >>> plan = {"start": "2026-11-20T00:00:00Z", "step": 86400, "floor": [[0, 2, "r"], [3, 4, "r"], [9, 1, "r"]]}
    >>> hook(plan)["floor"]
    [[0, 4, 'r'], [9, 1, 'r']]
    """

    def hook(document: dict[str, Any]) -> dict[str, Any]:
        if not ("start" in document and "step" in document and any(key in document for key in CHANGES)):
            return document
        try:
            start, step = datetime.fromisoformat(document["start"]), timedelta(seconds=document["step"])
            first, last = (now - REACH - start) // step, (now + REACH - start) // step
            kept = {key: _kept(document[key], first, last) for key in CHANGES if document.get(key)}
        except (TypeError, ValueError, IndexError, ArithmeticError):
            return document
        return {**document, **kept}

    return hook


def _kept(changes: list[list[Any]], first: int, last: int) -> list[list[Any]]:
    """The change in force at `first` (named by offset 0, as a plan must begin) and those after it up to `last`."""
    last = max(last, 0)
    begin = max((place for place, change in enumerate(changes) if change[0] <= first), default=0)
    kept = [change for change in changes[begin:] if change[0] <= last]
    return [[0, *kept[0][1:]], *kept[1:]] if kept else changes[:1]
