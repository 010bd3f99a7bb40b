"""Sends conditions to Alertmanager (API v2). An alert ends by itself when no job sends it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, TypeAdapter

from capacity.http import HttpClient
from capacity.model.fields import rfc3339
from capacity.model.settings.monitoring import LASTING, Job
from capacity.monitoring.conditions import ORIGIN, Condition, Scope


class _Alert(BaseModel):
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: AwareDatetime  # noqa: N815 - as the API spells it

    def ended(self, now: datetime) -> dict[str, Any]:
        """The same alert, over since `now`."""
        return {**self.model_dump(exclude={"startsAt"}), "startsAt": rfc3339(self.startsAt), "endsAt": rfc3339(now)}


ALERTS: TypeAdapter[list[_Alert] | None] = TypeAdapter(list[_Alert] | None)


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """An Alertmanager; alerts that no job sends again within its `lasting` are resolved by it."""

    client: HttpClient
    lasting: Mapping[Job, timedelta] = field(default_factory=lambda: LASTING)

    def send(self, conditions: Iterable[Condition], scope: Scope, now: datetime) -> dict[str, datetime]:
        """Send what holds; end what was sent before and, in this scope, holds no more. Raises `HttpError`.

        Returns since when each alert of this scope has been on, by its correlation.
        """
        ours = {alert.labels["correlation"]: alert for alert in self._ours(scope)}
        begun = {correlation: alert.startsAt for correlation, alert in ours.items()}
        holding = {one.correlation: self._alert(one, begun.get(one.correlation, now), now) for one in conditions}
        finished = [alert.ended(now) for name, alert in ours.items() if name not in holding]
        alerts = [*holding.values(), *finished]
        if alerts:
            self.client.call("POST", "/api/v2/alerts", body=alerts)
        return begun

    def _alert(self, condition: Condition, begun: datetime, now: datetime) -> dict[str, Any]:
        labels = {
            "alertname": f"Capacity{condition.name}",
            "origin": ORIGIN,
            "subject": condition.subject,
            "severity": condition.kind.severity,
            "correlation": condition.correlation,
        }
        annotations = {
            "summary": condition.title,
            "description": condition.detail,
            "remediation": condition.kind.remediation,
            "runbook_url": condition.runbook,
        }
        ends = now + self.lasting[condition.kind.seen_by]
        return {"labels": labels, "annotations": annotations, "startsAt": rfc3339(begun), "endsAt": rfc3339(ends)}

    def _ours(self, scope: Scope) -> list[_Alert]:
        found = self.client.read(
            ALERTS, "GET", "/api/v2/alerts", query={"filter": f'origin="{ORIGIN}"', "active": "true"}
        )
        return [alert for alert in found or [] if scope.covers(alert.labels.get("correlation", ""))]
