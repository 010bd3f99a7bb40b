"""What `capacity volumes` prints: how full each claim is, how long it lasts, and its next size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from capacity.model.fields import rfc3339
from capacity.model.volume import DaysLeft, VolumePlan, volume_document
from capacity.views.sheet import GIB, Sheet, clock, count

Key = tuple[str, str]  # namespace and name of a workload
TANK = 10  # characters of a gauge


def volumes_sheet(
    plans: Mapping[Key, tuple[VolumePlan, ...]], failures: Mapping[Key, tuple[str, ...]], now: datetime, timezone: str
) -> Sheet:
    """One row per claim, the one that fills up first on top; below it what stands in the way of others."""
    claims = [(key, plan) for key, found in plans.items() for plan in found]
    rows = [_row(key, plan, timezone) for key, plan in sorted(claims, key=_urgency)]
    columns = (
        "claim",
        "in use",
        "",
        f"days to {_targets(claims)}",
        "days to full",
        "size",
        "next",
        f"from ({timezone})",
    )
    notes = [f"{key[0]}/{plan.claim}: {note}" for key, plan in claims for note in _said(plan)]
    refused = [f"{'/'.join(key)}: {reason}" for key, reasons in failures.items() for reason in reasons]
    document = {
        "now": rfc3339(now),
        "volumes": [{"namespace": key[0], "workload": key[1], **volume_document(plan)} for key, plan in claims],
        "failures": {"/".join(key): list(reasons) for key, reasons in failures.items()},
    }
    title = f"{count(len(claims), 'volume')}: days are early ... middle ... late (5 %, half and 95 % of the futures)"
    return Sheet(title, columns, rows, document, (*notes, *refused))


def _urgency(one: tuple[Key, VolumePlan]) -> tuple[float, float, str]:
    left = one[1].until_full
    return (
        float("inf") if left.middle is None else left.middle,
        float("inf") if left.early is None else left.early,
        one[1].claim,
    )


def _targets(claims: Iterable[tuple[Key, VolumePlan]]) -> str:
    targets = sorted({plan.target for _, plan in claims})
    return f"{targets[0]:.0%}" if len(targets) == 1 else "target"


def _row(key: Key, plan: VolumePlan, timezone: str) -> tuple[object, ...]:
    share, horizon = plan.used / plan.capacity, (plan.until - plan.start).days
    coming = plan.next_step
    return (
        f"{key[0]}/{plan.claim}",
        gauge(share),
        f"{share:.0%}",
        days_text(plan.until_target, horizon),
        days_text(plan.until_full, horizon),
        _gib(plan.size),
        "-" if coming is None else _gib(coming.size),
        "-" if coming is None else clock(coming.at, timezone),
    )


def gauge(share: float) -> str:
    """A share as a fuel gauge.

    >>> gauge(0.68)
    '[#######   ]'
    """
    full = min(TANK, max(0, round(share * TANK)))
    return f"[{'#' * full}{' ' * (TANK - full)}]"


def days_text(left: DaysLeft, horizon: int) -> str:
    """Early, middle and late; what lies beyond the horizon as more than it.

    >>> days_text(DaysLeft(3.2, 5.0, None), 45)
    '3.2 ... 5 ... > 45'
    """
    if left.early is None:
        return f"> {horizon}"
    return " ... ".join(f"> {horizon}" if one is None else f"{one:.3g}" for one in (left.early, left.middle, left.late))


def _said(plan: VolumePlan) -> list[str]:
    """What a reader must know of one claim: what it waits for, and what was found."""
    what: list[Any] = []
    if plan.short_by:
        allowed = "its max" if plan.short_by == "max" else "the quota"
        what.append(f"needs more than {allowed} allows: raise it, or remove data")
    if plan.binding == "inodes":
        what.append("inodes run out before bytes")
    return [*what, *plan.notes]


def _gib(size: int) -> str:
    return f"{size / GIB:.4g} GiB"
