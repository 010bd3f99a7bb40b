"""Demand -> plan: what each coming step needs, the cheapest floors that serve it within the limits, and why."""

from __future__ import annotations

from capacity.planning.explain import explain_floor as explain_floor
from capacity.planning.nodes import pack as pack
from capacity.planning.nodes import plan_nodes as plan_nodes
from capacity.planning.nodes import replica_price as replica_price
from capacity.planning.optimum import cheapest_floors as cheapest_floors
from capacity.planning.reactive import ReactiveComparison as ReactiveComparison
from capacity.planning.reactive import compare_reactive as compare_reactive
from capacity.planning.reactive import mean_floor as mean_floor
from capacity.planning.reactive import reactive_remark as reactive_remark
from capacity.planning.requirements import planned_demand as planned_demand
from capacity.planning.requirements import planning_window as planning_window
from capacity.planning.requirements import raise_to_windows as raise_to_windows
from capacity.planning.shared import within_quota as within_quota
from capacity.planning.workload import QUIET_LEVEL as QUIET_LEVEL
from capacity.planning.workload import floor_series as floor_series
from capacity.planning.workload import plan_many as plan_many
from capacity.planning.workload import plan_workload as plan_workload
