"""What `capacity outlook` and `capacity volumes` print: months by group and in total, limits, and claims that fill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from capacity.model.fields import rfc3339
from capacity.model.outlook import Interval, LimitReached, LookBack, MonthNeed, Outlook, OutlookPart, outlook_document
from capacity.model.volume import DaysLeft, VolumePlan, volume_document
from capacity.views.sheet import GIB, Sheet, clock, count

COLUMNS = ("month", "replicas", "cores", "GiB memory", "nodes", "GiB storage", "cost", "sales")
Key = tuple[str, str]  # namespace and name of a workload
TANK = 10  # characters of a gauge


def outlook_sheets(outlooks: Sequence[Outlook], currency: str = "") -> list[Sheet]:
    """Per scenario: one table for each group, one for the total, with limits and track record below it."""
    return [sheet for outlook in outlooks for sheet in _sheets(outlook, currency)]


def _sheets(outlook: Outlook, currency: str) -> Iterator[Sheet]:
    parts = outlook.parts if len(outlook.parts) > 1 else ()
    document: dict[str, Any] = outlook_document(outlook)
    for part in parts:
        yield Sheet(
            f"{part.name}, {outlook.scenario}", columns(currency), part_rows(part), document["groups"][part.name]
        )
    footer = (*limit_lines(outlook.limits), *record_lines(outlook.track_record), *outlook.notes)
    title = f"The next twelve months, {outlook.scenario}: expected (0.05 to 0.95)"
    yield Sheet(title, columns(currency), part_rows(outlook.total), document, footer)


def columns(currency: str) -> tuple[str, ...]:
    """The columns, with the currency that costs are in."""
    return tuple(f"cost ({currency})" if name == "cost" and currency else name for name in COLUMNS)


def part_rows(part: OutlookPart) -> list[tuple[object, ...]]:
    """One row per month."""
    return [_row(need) for need in part.months]


def _row(need: MonthNeed) -> tuple[object, ...]:
    return (
        f"{need.month:%Y-%m}",
        _text(need.replicas, 0),
        _text(need.cores, 1),
        _text(_scaled(need.memory), 1),
        _text(need.nodes, 0),
        _text(_scaled(need.storage), 0),
        _text(need.cost, 0),
        _text(need.sales, 0),
    )


def _scaled(interval: Interval | None) -> Interval | None:
    return (
        None
        if interval is None
        else Interval(*(value / GIB for value in (interval.low, interval.middle, interval.high)))
    )


def _text(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return "-"
    return f"{interval.middle:,.{digits}f} ({interval.low:,.{digits}f} to {interval.high:,.{digits}f})"


def limit_lines(limits: Sequence[LimitReached]) -> list[str]:
    """Each limit in a sentence: the first reached on top; one that is not reached is said too."""
    ordered = sorted(limits, key=lambda one: (one.early or date.max, one.middle or date.max, one.limit))
    return [_limit(one) for one in ordered]


def _limit(one: LimitReached) -> str:
    size = f"{one.value / GIB:,.4g} GiB" if one.unit == "bytes" else f"{one.value:,.4g} {one.unit}"
    if one.early is None:
        return f"{one.limit} ({size}): not reached within twelve months"
    if one.middle is None:
        return f"{one.limit} ({size}): might be reached in {one.early:%Y-%m}, but probably not within twelve months"
    return f"{one.limit} ({size}): expected to be reached in {one.middle:%Y-%m}, possibly as early as {one.early:%Y-%m}"


def record_lines(record: Sequence[LookBack]) -> list[str]:
    """How far off earlier outlooks would have been."""
    if not record:
        return ["track record: not known: it takes two years of sales to forecast a past year"]
    return [
        f"{one.name}, {one.days} days ahead: the busiest day was off by {100 * one.error:.0f} % on average (mean error "
        f"{100 * one.bias:+.0f} %), and at or under the 0.95 quantile in {round(one.covered * one.windows)} of "
        f"{count(one.windows, 'test')}"
        for one in record
    ]


def volumes_sheet(
    plans: Mapping[Key, tuple[VolumePlan, ...]], failures: Mapping[Key, tuple[str, ...]], now: datetime, timezone: str
) -> Sheet:
    """One row per claim, the one that fills up first on top; below it what stands in the way of others."""
    claims = [(key, plan) for key, found in plans.items() for plan in found]
    rows = [_volume_row(key, plan, timezone) for key, plan in sorted(claims, key=_urgency)]
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
    return f"{100 * targets[0]:.0f} %" if len(targets) == 1 else "target"


def _volume_row(key: Key, plan: VolumePlan, timezone: str) -> tuple[object, ...]:
    share, horizon = plan.used / plan.capacity, (plan.until - plan.start).days
    coming = plan.next_step
    return (
        f"{key[0]}/{plan.claim}",
        gauge(share),
        f"{100 * share:.0f} %",
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
