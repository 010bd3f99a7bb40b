"""The mean time to restore, from the times at which critical incidents were opened and resolved."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from capacity.model.service_level import TARGETS, ServiceLevelObjective
from capacity.monitoring.conditions import Correlation
from capacity.monitoring.tickets import Ticket

SOURCE = "ServiceNow"
Span = tuple[datetime, datetime]


def restore_objective(tickets: Iterable[Ticket], now: datetime, window: timedelta) -> ServiceLevelObjective:
    """The mean time to restore of the critical incidents that ended in the window, or have not ended yet.

    One that has not ended counts with the time that it has lasted: less than it will be, never nothing.
    """
    lasting, ended = list[Ticket](), list[Ticket]()
    for one in tickets:
        if _is_critical(one) and (one.resolved is None or one.resolved >= now - window):
            (lasting if one.resolved is None else ended).append(one)
    spans = _merged([*ended, *lasting], now)
    target = TARGETS["time to restore"]
    if not spans:
        return ServiceLevelObjective(target, None, SOURCE, "no critical incident", untried=True)
    mean = sum((end - begin for begin, end in spans), timedelta(0)) / len(spans)
    open_ones = len({one.correlation for one in lasting})
    note = f"critical incidents: {len(spans)}" + (f", still open: {open_ones}" if open_ones else "")
    return ServiceLevelObjective(target, mean.total_seconds(), SOURCE, note)


def _is_critical(ticket: Ticket) -> bool:
    correlation = Correlation.parse(ticket.correlation)
    kind = None if correlation is None else correlation.kind
    return kind is not None and kind.severity == "critical"


def _merged(tickets: Iterable[Ticket], now: datetime) -> list[Span]:
    """One span per incident: tickets of one condition that overlap (duplicates) are one."""
    spans: list[Span] = []
    by_correlation: dict[str, list[Span]] = {}
    for ticket in tickets:
        by_correlation.setdefault(ticket.correlation, []).append((ticket.opened, ticket.resolved or now))
    for own in by_correlation.values():
        merged: list[Span] = []
        for begin, end in sorted(own):
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((begin, end))
        spans += merged
    return spans
