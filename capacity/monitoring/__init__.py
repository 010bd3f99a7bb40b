"""Conditions -> remediation -> tickets and alerts, level-triggered: what holds now is compared with what is open.

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.lazy import load_lazily

if TYPE_CHECKING:
    from capacity.monitoring.conditions import CONDITIONS as CONDITIONS
    from capacity.monitoring.conditions import Condition as Condition
    from capacity.monitoring.conditions import Scope as Scope
    from capacity.monitoring.conditions import pass_conditions as pass_conditions
    from capacity.monitoring.dispatch import Alertmanager as Alertmanager
    from capacity.monitoring.dispatch import IncidentDispatcher as IncidentDispatcher
    from capacity.monitoring.dispatch import ServiceNow as ServiceNow
    from capacity.monitoring.export import Exposition as Exposition
    from capacity.monitoring.export import Health as Health
    from capacity.monitoring.export import write_textfile as write_textfile
    from capacity.monitoring.metrics import METRICS as METRICS
    from capacity.monitoring.metrics import Sample as Sample
    from capacity.monitoring.samples import ahead_samples as ahead_samples
    from capacity.monitoring.samples import audit_samples as audit_samples
    from capacity.monitoring.samples import pass_samples as pass_samples
    from capacity.monitoring.samples import plan_samples as plan_samples
    from capacity.monitoring.tickets import Ticket as Ticket
    from capacity.monitoring.tickets import reconcile as reconcile
    from capacity.monitoring.tickets import restore_objective as restore_objective

HOMES = {
    "capacity.monitoring.conditions": ("CONDITIONS", "Condition", "Scope", "pass_conditions"),
    "capacity.monitoring.dispatch": ("Alertmanager", "IncidentDispatcher", "ServiceNow"),
    "capacity.monitoring.export": ("Exposition", "Health", "write_textfile"),
    "capacity.monitoring.metrics": ("METRICS", "Sample"),
    "capacity.monitoring.samples": ("ahead_samples", "audit_samples", "pass_samples", "plan_samples"),
    "capacity.monitoring.tickets": ("Ticket", "reconcile", "restore_objective"),
}
__all__, __getattr__, __dir__ = load_lazily(__name__, HOMES)
