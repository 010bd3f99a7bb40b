"""Observe, decide, act: one pass over the configured workloads, or passes in a loop."""

from capacity.edge.controller.work import Pass as Pass
from capacity.edge.controller.work import apply as apply
from capacity.edge.controller.work import preview as preview
from capacity.edge.controller.work import restore as restore
