"""From settings to the services beside the cluster: who is told of metrics, tickets and alerts, and how to reach it."""

from __future__ import annotations

from capacity.edge.incidents import Alertmanager, Desk, ServiceNow
from capacity.edge.incidents.tickets import Handling
from capacity.edge.settings import IncidentSettings, TelemetrySettings
from capacity.edge.settings.monitoring import ServiceNowSettings, ServiceSettings
from capacity.edge.telemetry import Gateway
from capacity.edge.web import Web


def web_of(service: ServiceSettings) -> Web:
    """How to speak to a service."""
    return Web(service.url, service.token_file, service.user, service.password_file, service.ca_file)


def gateway_of(telemetry: TelemetrySettings) -> Gateway | None:
    """The Pushgateway, if there is one."""
    return None if telemetry.pushgateway is None else Gateway(web_of(telemetry.pushgateway))


def servicenow_of(settings: ServiceNowSettings) -> ServiceNow:
    """The instance as the ticket system that it is."""
    return ServiceNow(web_of(settings), settings.table)


def desk_of(incidents: IncidentSettings) -> Desk:
    """Who is told what is wrong."""
    lasting = incidents.alerts_last
    return Desk(
        tickets=None if incidents.servicenow is None else servicenow_of(incidents.servicenow),
        alerts=None
        if incidents.alertmanager is None
        else Alertmanager(web_of(incidents.alertmanager), {"pass": lasting.passes, "plan": lasting.plannings}),
        handling=Handling(incidents.routes, incidents.escalate_after, incidents.reopen_within),
        runbooks=incidents.runbooks.rstrip("/"),
    )
