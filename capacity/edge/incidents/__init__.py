"""Conditions -> remediation -> tickets and alerts, level-triggered: what holds now is compared with what is open."""

from capacity.edge.incidents.alertmanager import Alertmanager as Alertmanager
from capacity.edge.incidents.conditions import CONDITIONS as CONDITIONS
from capacity.edge.incidents.conditions import Condition as Condition
from capacity.edge.incidents.conditions import Scope as Scope
from capacity.edge.incidents.desk import Desk as Desk
from capacity.edge.incidents.servicenow import ServiceNow as ServiceNow
from capacity.edge.incidents.tickets import Ticket as Ticket
from capacity.edge.incidents.tickets import reconcile as reconcile
