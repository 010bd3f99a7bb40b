"""What a sale costs each workload, and what its replicas should request: tables, sentences, JSON values and a patch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from capacity.files import write_text
from capacity.load.throughput import CONFIDENCE, peak_throughput
from capacity.model import ConfigError, DataError, Finding, LoadReport, ThroughputReport, Workload
from capacity.model.configuration import Config
from capacity.model.fields import rfc3339
from capacity.planning.sizing import Advice, RequestAdvice, same_target
from capacity.views.sheet import Sheet, clock, duration

UNITS = {"cpu": (1.0, "cores"), "memory": (2**30, "GiB"), "requests": (1.0, "/s")}
NOT_KNOWN = ""
SOON = timedelta(0)

Reports = Mapping[tuple[str, str], LoadReport | DataError]
COLUMNS = ("workload", "resource", "sales explain", "idle", "per sale/h", "95 % interval", "lag", "since", "verdict")
SERVES = "one replica serves"  # a column where history was asked for it


def load_sheet(reports: Reports, config: Config, advice: Advice) -> Sheet:
    """One row per workload and resource, the sentences and what to request below; a failure has its reason there."""
    learned = {
        f"{namespace}/{name}": report
        for (namespace, name), report in reports.items()
        if not isinstance(report, DataError)
    }
    rows = [(label, *row) for label, report in learned.items() for row in _rows(report, config.timezone)]
    footer = tuple(f"{label}: {note}" for label, report in learned.items() for note in report.notes)
    columns: tuple[str, ...] = COLUMNS
    if any(isinstance(report.throughput, ThroughputReport) for report in learned.values()):
        columns = (*COLUMNS[:-1], SERVES, COLUMNS[-1])
        rows = [row if len(row) == len(columns) else (*row[:-1], NOT_KNOWN, row[-1]) for row in rows]
    document = [_workload(key, report, advice.get(key)) for key, report in reports.items()]
    return Sheet("Load: what a sale costs", columns, rows, document, (*footer, *advice_lines(advice, config)))


def _rows(report: LoadReport, timezone: str) -> list[tuple[object, ...]]:
    rows = [_row(found, timezone) for found in report.findings]
    served = report.throughput
    return [*rows, _served(served, timezone)] if isinstance(served, ThroughputReport) else rows


def _served(found: ThroughputReport, timezone: str) -> tuple[object, ...]:
    """What one of the fewest replicas seen serves: certain, and estimated."""
    certain, one = (law.at(found.counts[0]) / found.counts[0] for law in (found.bound, found.law))
    since = NOT_KNOWN if found.drift is None else clock(found.drift, timezone)
    idle, serves = f"{found.idle:.3g} cores", f"{certain:.3g} to {one:.3g} /s"
    return "replica", NOT_KNOWN, idle, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, since, serves, "history"


def _row(found: Finding, timezone: str) -> tuple[object, ...]:
    scale, unit = UNITS[found.resource]
    response = found.response
    explained = NOT_KNOWN if found.r2 is None else f"{100 * found.r2:.0f} %"
    since = NOT_KNOWN if found.drift is None else clock(found.drift, timezone)
    if response is None:
        return found.resource, explained, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, since, found.verdict
    idle = f"{response.base / scale:.3g} {unit}"
    if found.verdict != "learned":
        return found.resource, explained, idle, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, since, found.verdict
    low, high = (end / scale for end in response.slope_interval)
    lag = duration(abs(response.lag)) if response.lag else "none"
    cost = f"{response.per_sale_per_hour / scale:.3g}"
    sign = "-" if response.lag < SOON else ""
    return found.resource, explained, idle, cost, f"{low:.3g} to {high:.3g}", f"{sign}{lag}", since, found.verdict


def _workload(
    key: tuple[str, str], report: LoadReport | DataError, advice: RequestAdvice | DataError | None
) -> dict[str, Any]:
    document: dict[str, Any] = {"namespace": key[0], "name": key[1]}
    if isinstance(report, DataError):
        return document | {"error": str(report)}
    document["resources"] = [_document(found) for found in report.findings]
    if report.throughput is not None:
        document["throughput"] = _throughput(report.throughput)
    if isinstance(advice, RequestAdvice):
        document["request_advice"] = advice_values(advice)
    return document


def _throughput(found: ThroughputReport | DataError) -> dict[str, Any]:
    """The law in requests per second and shares, its lower bound, and what history it comes from."""
    if isinstance(found, DataError):
        return {"error": str(found)}
    best, peak = peak_throughput(found.bound)
    return {
        "words": found.words,
        "notes": list(found.notes),
        "rate": found.law.rate,
        "bound_rate": found.bound.rate,
        "confidence": CONFIDENCE,
        "contention": found.law.contention,
        "coherence": found.law.coherence,
        "peak_requests_per_second": peak if isfinite(peak) else None,
        "peak_replicas": best if isfinite(best) else None,
        "idle_cores": found.idle,
        "replicas_seen": list(found.counts),
        "highest_utilization": found.highest,
        "days": found.days,
        "drift": None if found.drift is None else rfc3339(found.drift),
        "drift_ratio": found.drift_ratio,
    }


def _document(found: Finding) -> dict[str, Any]:
    response = found.response
    learned = response if found.verdict == "learned" else None
    return {
        "resource": found.resource,
        "verdict": found.verdict,
        "words": found.words,
        "notes": list(found.notes),
        "points": found.points,
        "r2": found.r2,
        "base": None if response is None else response.base,
        "per_sale_per_hour": None if learned is None else learned.per_sale_per_hour,
        "slope_interval": None if learned is None else list(learned.slope_interval),
        "lag_seconds": None if learned is None else round(learned.lag.total_seconds()),
        "saturation": None if learned is None else learned.saturation,
        "residual_season": found.residual_season,
        "drift": None if found.drift is None else rfc3339(found.drift),
        "drift_ratio": found.drift_ratio,
    }


MIB = 2**20


def advice_lines(advice: Advice, config: Config) -> list[str]:
    """A sentence for each workload: requests as they are and as they should be, slack, kills, the autoscaler."""
    known = {one.key: one for one in config.workloads}
    return [_line(known[key], found) for key, found in advice.items()]


def advice_document(advice: Advice) -> list[dict[str, Any]]:
    """The advice as JSON values, one object a workload."""
    return [
        {"namespace": namespace, "name": name, **advice_values(found)}
        for (namespace, name), found in advice.items()
        if isinstance(found, RequestAdvice)
    ]


def advice_values(found: RequestAdvice) -> dict[str, Any]:
    """One advice: CPU in millicores, memory in bytes, shares."""
    return {
        "cpu_request_millicores": round(found.cpu_request * 1000),
        "memory_request_bytes": round(found.memory_request),
        "memory_limit_bytes": round(found.memory_limit),
        "cpu_slack": round(found.cpu_slack, 4),
        "memory_slack": round(found.memory_slack, 4),
        "cpu_over_request": round(found.cpu_over_request, 4),
        "out_of_memory": round(found.out_of_memory, 4),
        "samples": found.samples,
    }


def _line(workload: Workload, advice: RequestAdvice | DataError) -> str:
    where = f"{workload.namespace}/{workload.name}"
    if isinstance(advice, DataError):
        return f"requests: {where}: no advice: {advice}"
    cpu, memory = advice.cpu_request * 1000, advice.memory_request / MIB
    text = (
        f"requests: {where}: CPU {cpu:.0f}m (now {workload.replica.cpu_request * 1000:.0f}m), memory and its limit "
        f"{memory:.0f}Mi (now {workload.replica.memory_request / MIB:.0f}Mi); {100 * advice.cpu_slack:.0f} % and "
        f"{100 * advice.memory_slack:.0f} % of them idle; {100 * advice.out_of_memory:.2f} % of samples above the limit"
    )
    if workload.reactive is None:
        return text
    kept = same_target(workload.reactive.target, workload.replica.cpu_request, advice.cpu_request)
    return f"{text}; the autoscaler's {workload.reactive.target} % would be {kept:g} % of the new request"


def write_patch(advice: Advice, config: Config, file: Path) -> None:
    """Strategic-merge patches, one document a workload, for kustomize or kubectl. Raises `ConfigError`."""
    known = {one.key: one for one in config.workloads}
    patches = [_patch(known[key], found) for key, found in advice.items() if isinstance(found, RequestAdvice)]
    if not patches:
        raise ConfigError("--requests-patch: expected usage with cpu, memory and replicas, got no advice")
    head = "# Requests advised from usage. The container is taken to have its workload's name: check before applying.\n"
    try:
        write_text(file, head + yaml.safe_dump_all(patches, sort_keys=False))
    except OSError as error:
        raise ConfigError(
            f"--requests-patch: {file} cannot be written: {error.strerror or error}; choose another place"
        ) from error


def _patch(workload: Workload, advice: RequestAdvice) -> dict[str, Any]:
    kind = "StatefulSet" if workload.target.kind == "StatefulSet" else "Deployment"
    cpu, memory = f"{round(advice.cpu_request * 1000)}m", f"{-(-round(advice.memory_request) // MIB)}Mi"
    resources = {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}
    container = {"name": workload.name, "resources": resources}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"namespace": workload.namespace, "name": workload.name},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
