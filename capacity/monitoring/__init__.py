"""Conditions -> remediation -> tickets and alerts, level-triggered: what holds now is compared with what is open."""

from __future__ import annotations

from capacity.monitoring.alerts import Alertmanager as Alertmanager
from capacity.monitoring.conditions import CONDITIONS as CONDITIONS
from capacity.monitoring.conditions import Condition as Condition
from capacity.monitoring.conditions import Scope as Scope
from capacity.monitoring.dispatch import IncidentDispatcher as IncidentDispatcher
from capacity.monitoring.servicenow import ServiceNow as ServiceNow
from capacity.monitoring.tickets import Ticket as Ticket
from capacity.monitoring.tickets import reconcile as reconcile
