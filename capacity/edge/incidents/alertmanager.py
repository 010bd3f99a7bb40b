"""The same conditions as alerts of Alertmanager (API v2): sent by each job, they end by themselves when none comes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from capacity.edge.incidents.conditions import LASTING, ORIGIN, Condition, Job, Scope
from capacity.edge.planfile import parse_time, rfc3339
from capacity.edge.web import Web


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """An Alertmanager; alerts that no job sends again within its `lasting` are resolved by it."""

    web: Web
    lasting: Mapping[Job, timedelta] = field(default_factory=lambda: LASTING)

    def send(self, conditions: Iterable[Condition], scope: Scope, now: datetime) -> dict[str, datetime]:
        """Send what holds; end what was sent before and, in this scope, holds no more. Raises `ServiceError`.

        Returns since when each alert of this scope has been on, by its correlation.
        """
        ours = {str(alert["labels"]["correlation"]): alert for alert in self._ours(scope)}
        begun = {correlation: parse_time(alert["startsAt"]) for correlation, alert in ours.items()}
        holding = {one.correlation: self._alert(one, begun.get(one.correlation, now), now) for one in conditions}
        finished = [{**alert, "endsAt": rfc3339(now)} for name, alert in ours.items() if name not in holding]
        alerts = [*holding.values(), *finished]
        if alerts:
            self.web.call("POST", "/api/v2/alerts", body=alerts)
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

    def _ours(self, scope: Scope) -> list[dict[str, Any]]:
        answer = self.web.call("GET", "/api/v2/alerts", query={"filter": f'origin="{ORIGIN}"', "active": "true"})
        found = answer if isinstance(answer, list) else []
        return [
            {name: alert[name] for name in ("labels", "annotations", "startsAt")}
            for alert in found
            if scope.covers(str(alert["labels"].get("correlation")))
        ]
