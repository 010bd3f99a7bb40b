"""What sales cost, as a sheet: one row per workload and resource, the verdict in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from capacity.domain import DataError, Finding, LoadReport
from capacity.edge.planfile import rfc3339
from capacity.edge.screen import Sheet, clock, duration

UNITS = {"cpu": (1.0, "cores"), "memory": (2**30, "GiB"), "requests": (1.0, "/s")}
NOT_KNOWN = ""
SOON = timedelta(0)


def load_sheet(reports: Mapping[tuple[str, str], LoadReport | DataError], timezone: str) -> Sheet:
    """One row per workload and resource, and the sentences below; a workload that failed has its reason there."""
    rows: list[tuple[object, ...]] = []
    footer: list[str] = []
    document: list[dict[str, Any]] = []
    for (namespace, name), report in reports.items():
        label = f"{namespace}/{name}"
        if isinstance(report, DataError):
            document.append({"namespace": namespace, "name": name, "error": str(report)})
            continue
        rows += [(label, *_row(found, timezone)) for found in report.findings]
        footer += [f"{label}: {note}" for note in report.notes]
        resources = [_document(found) for found in report.findings]
        document.append({"namespace": namespace, "name": name, "resources": resources})
    columns = (
        "workload",
        "resource",
        "sales explain",
        "idle",
        "per sale/h",
        "95 % interval",
        "lag",
        "since",
        "verdict",
    )
    return Sheet("Load: what a sale costs", columns, rows, document, tuple(footer))


def _row(found: Finding, timezone: str) -> tuple[object, ...]:
    scale, unit = UNITS[found.resource]
    response = found.response
    explained = NOT_KNOWN if found.r2 is None else f"{found.r2:.0%}"
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
