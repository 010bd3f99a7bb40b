"""How good the rows are: rules, what failed them, the score, the verdict. Counting the rows is the edge's work.

What needs numpy and pandas is imported from its own module: settings are read where neither is loaded.
"""

from __future__ import annotations

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
from capacity.model.data_quality import likeness as likeness
from capacity.quality.report import Audit as Audit
from capacity.quality.report import Latency as Latency
from capacity.quality.report import StepCount as StepCount
