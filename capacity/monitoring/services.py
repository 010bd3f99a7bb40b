"""Builds the clients of Alertmanager, ServiceNow and the Pushgateway from the settings that name them."""

from __future__ import annotations

from capacity.http import HttpClient, Server
from capacity.model.incident import Handling
from capacity.model.settings.monitoring import IncidentSettings, ServiceNowSettings, ServiceSettings, TelemetrySettings
from capacity.monitoring.alerts import Alertmanager
from capacity.monitoring.dispatch import IncidentDispatcher
from capacity.monitoring.export import Gateway
from capacity.monitoring.servicenow import ServiceNow

PUSHGATEWAY, ALERTMANAGER, SERVICENOW = "telemetry.pushgateway", "incidents.alertmanager", "incidents.servicenow"


def connect(settings: ServiceSettings, key: str) -> HttpClient:
    """How to speak to a service; `key` is where it stands in the configuration. Nothing is sent yet."""
    return HttpClient(
        Server(
            settings.url,
            token_file=settings.token_file,
            user=settings.user,
            password_file=settings.password_file,
            ca_file=settings.ca_file,
            key=key,
        )
    )


def connect_gateway(settings: TelemetrySettings) -> Gateway | None:
    """The Pushgateway, if there is one."""
    return (
        None
        if settings.pushgateway is None
        else Gateway(connect(settings.pushgateway, PUSHGATEWAY), settings.installation)
    )


def connect_tickets(settings: ServiceNowSettings) -> ServiceNow:
    """The ServiceNow instance."""
    return ServiceNow(connect(settings, SERVICENOW), settings.table)


def connect_incidents(settings: IncidentSettings) -> IncidentDispatcher:
    """Who is told what is wrong, and what happens to tickets."""
    tickets, alerts = settings.servicenow, settings.alertmanager
    lasting = settings.alerts_last
    return IncidentDispatcher(
        tickets=None if tickets is None else connect_tickets(tickets),
        alerts=None
        if alerts is None
        else Alertmanager(connect(alerts, ALERTMANAGER), {"pass": lasting.passes, "plan": lasting.plannings}),
        handling=Handling(settings.routes, settings.escalate_after, settings.reopen_within),
        runbooks=settings.runbooks,
    )
