"""How good the rows are: rules, what failed them, the score, the verdict. Counting the rows is the edge's work.

What needs numpy and pandas is imported from its own module: settings are read where neither is loaded.
"""

from capacity.audit.completeness import StepCount as StepCount
from capacity.audit.contract import Changes as Changes
from capacity.audit.contract import Contract as Contract
from capacity.audit.contract import compare_columns as compare_columns
from capacity.audit.contract import likeness as likeness
from capacity.audit.report import Audit as Audit
from capacity.audit.report import Freshness as Freshness
from capacity.audit.report import Latency as Latency
from capacity.audit.rules import Finding as Finding
from capacity.audit.rules import GivenQuality as GivenQuality
from capacity.audit.rules import Quality as Quality
from capacity.audit.rules import Rule as Rule
from capacity.audit.rules import Severity as Severity
from capacity.audit.rules import Verdict as Verdict
