"""Orders and usage, wherever they lie: rows in files, in a database, in Prometheus; judged, counted and audited.

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.lazy import load_lazily

if TYPE_CHECKING:
    from capacity.sources.audit_history import append_audit as append_audit
    from capacity.sources.audit_history import audit_orders as audit_orders
    from capacity.sources.audit_history import read_audits as read_audits
    from capacity.sources.orders import audit_sales as audit_sales
    from capacity.sources.orders import read_events as read_events
    from capacity.sources.orders import read_sales as read_sales
    from capacity.sources.sample import sample_config as sample_config
    from capacity.sources.sample import sample_orders as sample_orders
    from capacity.sources.table import OrderTable as OrderTable
    from capacity.sources.usage import read_usage as read_usage
    from capacity.sources.usage import usage_of as usage_of

HOMES = {
    "capacity.sources.audit_history": ("append_audit", "audit_orders", "read_audits"),
    "capacity.sources.orders": ("audit_sales", "read_events", "read_sales"),
    "capacity.sources.sample": ("sample_config", "sample_orders"),
    "capacity.sources.table": ("OrderTable",),
    "capacity.sources.usage": ("read_usage", "usage_of"),
}
__all__, __getattr__, __dir__ = load_lazily(__name__, HOMES)
