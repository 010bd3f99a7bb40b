"""How good the rows are: rules, what failed them, the score, the verdict. Counting the rows is the edge's work.

Names load on first use: the settings need a few of these nouns, and a controller must not load pandas for them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from capacity.audit.anomalies import Anomaly as Anomaly
    from capacity.audit.anomalies import anomaly_finding as anomaly_finding
    from capacity.audit.anomalies import find_anomalies as find_anomalies
    from capacity.audit.completeness import StepCount as StepCount
    from capacity.audit.completeness import step_counts as step_counts
    from capacity.audit.contract import Changes as Changes
    from capacity.audit.contract import Contract as Contract
    from capacity.audit.contract import compare_columns as compare_columns
    from capacity.audit.contract import likeness as likeness
    from capacity.audit.report import Audit as Audit
    from capacity.audit.report import Freshness as Freshness
    from capacity.audit.report import Latency as Latency
    from capacity.audit.rules import Finding as Finding
    from capacity.audit.rules import Quality as Quality
    from capacity.audit.rules import Rule as Rule
    from capacity.audit.rules import Severity as Severity
    from capacity.audit.rules import Verdict as Verdict
    from capacity.audit.usage import audit_usage as audit_usage

_HOME = {
    "Anomaly": "anomalies",
    "anomaly_finding": "anomalies",
    "find_anomalies": "anomalies",
    "StepCount": "completeness",
    "step_counts": "completeness",
    "Changes": "contract",
    "Contract": "contract",
    "compare_columns": "contract",
    "likeness": "contract",
    "Audit": "report",
    "Freshness": "report",
    "Latency": "report",
    "Finding": "rules",
    "Quality": "rules",
    "Rule": "rules",
    "Severity": "rules",
    "Verdict": "rules",
    "audit_usage": "usage",
}


def __getattr__(name: str) -> Any:
    """Load a name from its module on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'capacity.audit' has no attribute {name!r}; it has {', '.join(_HOME)}")
    value = getattr(import_module(f"capacity.audit.{_HOME[name]}"), name)
    globals()[name] = value
    return value
