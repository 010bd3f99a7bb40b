"""The five promises of running this: each with its target, what was measured, and what is left of its budget."""

from capacity.edge.promises.promise import TARGETS as TARGETS
from capacity.edge.promises.promise import Promise as Promise
from capacity.edge.promises.promise import Target as Target
from capacity.edge.promises.status import Status as Status
from capacity.edge.promises.status import read_status as read_status
