"""How good the rows are: rules, what failed them, the score, the verdict. Counting the rows is done in `sources`.

Names load on first use: settings are read where numpy and pandas are not loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.lazy import load_lazily

if TYPE_CHECKING:
    from capacity.model.data_quality import Changes as Changes
    from capacity.model.data_quality import Contract as Contract
    from capacity.model.data_quality import Finding as Finding
    from capacity.model.data_quality import Freshness as Freshness
    from capacity.model.data_quality import GivenQuality as GivenQuality
    from capacity.model.data_quality import Quality as Quality
    from capacity.model.data_quality import Rule as Rule
    from capacity.model.data_quality import Severity as Severity
    from capacity.model.data_quality import Verdict as Verdict
    from capacity.model.data_quality import compare_columns as compare_columns
    from capacity.model.data_quality import similarity as similarity
    from capacity.quality.report import Audit as Audit
    from capacity.quality.report import Latency as Latency
    from capacity.quality.report import StepCount as StepCount
    from capacity.quality.report import step_counts as step_counts
    from capacity.quality.usage import audit_usage as audit_usage
    from capacity.quality.usage import audit_usages as audit_usages
    from capacity.quality.usual import Anomaly as Anomaly
    from capacity.quality.usual import anomaly_finding as anomaly_finding
    from capacity.quality.usual import find_anomalies as find_anomalies

HOMES = {
    "capacity.model.data_quality": (
        "Changes",
        "Contract",
        "Finding",
        "Freshness",
        "GivenQuality",
        "Quality",
        "Rule",
        "Severity",
        "Verdict",
        "compare_columns",
        "similarity",
    ),
    "capacity.quality.usual": ("Anomaly", "anomaly_finding", "find_anomalies"),
    "capacity.quality.report": ("Audit", "Latency", "StepCount", "step_counts"),
    "capacity.quality.usage": ("audit_usage", "audit_usages"),
}
__all__, __getattr__, __dir__ = load_lazily(__name__, HOMES)
