"""The same conditions as alerts of Alertmanager (API v2): sent each pass, they end by themselves when no pass comes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from capacity.edge.incidents.conditions import ORIGIN, Condition, Scope
from capacity.edge.planfile import rfc3339
from capacity.edge.web import Web


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """An Alertmanager; alerts not sent again within `lasting` are resolved by it."""

    web: Web
    lasting: timedelta = timedelta(minutes=5)

    def send(self, conditions: Iterable[Condition], scope: Scope, now: datetime) -> None:
        """Send what holds; end what was sent before and, in this scope, holds no more. Raises `ServiceError`."""
        holding = {condition.correlation: self._alert(condition, now) for condition in conditions}
        ended = [alert for alert in self._ours(scope) if alert["labels"]["correlation"] not in holding]
        finished = [{**alert, "endsAt": rfc3339(now)} for alert in ended]
        alerts = [*holding.values(), *finished]
        if alerts:
            self.web.call("POST", "/api/v2/alerts", body=alerts)

    def _alert(self, condition: Condition, now: datetime) -> dict[str, Any]:
        labels = {
            "alertname": f"Capacity{condition.name}",
            "origin": ORIGIN,
            "subject": condition.subject,
            "severity": condition.kind.severity,
            "correlation": condition.correlation,
        }
        annotations = {"summary": condition.title, "description": condition.text, "runbook_url": condition.runbook}
        return {"labels": labels, "annotations": annotations, "endsAt": rfc3339(now + self.lasting)}

    def _ours(self, scope: Scope) -> list[dict[str, Any]]:
        answer = self.web.call("GET", "/api/v2/alerts", query={"filter": f'origin="{ORIGIN}"', "active": "true"})
        found = answer if isinstance(answer, list) else []
        return [
            {"labels": alert["labels"], "annotations": alert.get("annotations", {})}
            for alert in found
            if scope.covers(str(alert["labels"].get("correlation")))
        ]
