"""How good the rows are: rules, what failed them, the score, the verdict. Counting the rows is the edge's work.

What needs numpy and pandas is imported from its own module: settings are read where neither is loaded.
"""

from __future__ import annotations

from capacity.quality.report import Audit as Audit
from capacity.quality.report import Freshness as Freshness
from capacity.quality.report import Latency as Latency
from capacity.quality.report import StepCount as StepCount
from capacity.quality.rules import Changes as Changes
from capacity.quality.rules import Contract as Contract
from capacity.quality.rules import Finding as Finding
from capacity.quality.rules import GivenQuality as GivenQuality
from capacity.quality.rules import Quality as Quality
from capacity.quality.rules import Rule as Rule
from capacity.quality.rules import Severity as Severity
from capacity.quality.rules import Verdict as Verdict
from capacity.quality.rules import compare_columns as compare_columns
from capacity.quality.rules import likeness as likeness
