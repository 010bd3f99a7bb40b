"""Where conditions go: to the ticket system and to Alertmanager, both or neither. An outage there only warns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from capacity.domain import CapacityError
from capacity.edge.incidents.alertmanager import Alertmanager
from capacity.edge.incidents.conditions import Condition, Scope
from capacity.edge.incidents.servicenow import ServiceNow
from capacity.edge.incidents.tickets import Action, Handling, reconcile
from capacity.edge.logs import current_run


@dataclass(frozen=True, slots=True)
class Desk:
    """Who is told, and how tickets are handled."""

    tickets: ServiceNow | None = None
    alerts: Alertmanager | None = None
    handling: Handling = field(default_factory=Handling)

    def report(self, conditions: Sequence[Condition], scope: Scope, now: datetime) -> list[str]:
        """Bring tickets and alerts in line with what holds now; returns what stood in the way, one line each."""
        warnings: list[str] = []
        if self.alerts is not None:
            try:
                self.alerts.send(conditions, scope, now)
            except CapacityError as error:
                warnings.append(f"alerts not sent: {error}")
        if self.tickets is not None:
            warnings += self._tend(self.tickets, conditions, scope, now)
        return warnings

    def _tend(self, tickets: ServiceNow, conditions: Sequence[Condition], scope: Scope, now: datetime) -> list[str]:
        """One ticket that cannot be written never stops the others."""
        try:
            ours = [ticket for ticket in tickets.tickets() if scope.covers(ticket.correlation)]
        except CapacityError as error:
            return [f"tickets not read, none written: {error}"]
        warnings = []
        for action in reconcile(conditions, ours, now, self.handling):
            try:
                tickets.act(_signed(action))
            except CapacityError as error:
                warnings.append(f"ticket {action.correlation}: {action.verb} failed: {error}")
        return warnings


def _signed(action: Action) -> Action:
    """The action with the run that took it in its work notes."""
    run = current_run().id
    notes = "\n".join(filter(None, [action.fields.get("work_notes"), f"capacity run {run}" if run else None]))
    return replace(action, fields={**action.fields, **({"work_notes": notes} if notes else {})})
