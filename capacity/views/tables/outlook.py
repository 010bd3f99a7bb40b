"""What `capacity outlook` prints: the coming months by group and in total, limits reached, and the track record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from capacity.model.outlook import Interval, LimitReached, LookBack, MonthNeed, Outlook, OutlookPart, outlook_document
from capacity.views.sheet import GIB, Sheet, count

COLUMNS = ("month", "replicas", "cores", "GiB memory", "nodes", "GiB storage", "cost", "sales")


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
        f"{one.name}, {one.days} days ahead: the busiest day was off by {one.error:.0%} on average (mean error "
        f"{one.bias:+.0%}), and at or under the 0.95 quantile in {round(one.covered * one.windows)} of "
        f"{count(one.windows, 'test')}"
        for one in record
    ]
