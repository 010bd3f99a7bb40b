"""Demand -> plan: what each coming step needs, the cheapest floors that serve it within the limits, and why."""

from capacity.planning.changes import QUIET_LEVEL as QUIET_LEVEL
from capacity.planning.explain import explain_floor as explain_floor
from capacity.planning.nodes import pack as pack
from capacity.planning.nodes import plan_nodes as plan_nodes
from capacity.planning.nodes import replica_price as replica_price
from capacity.planning.optimum import cheapest_floors as cheapest_floors
from capacity.planning.reactive import ReactiveCase as ReactiveCase
from capacity.planning.reactive import mean_floor as mean_floor
from capacity.planning.reactive import reactive_case as reactive_case
from capacity.planning.reactive import reactive_remark as reactive_remark
from capacity.planning.shares import within_quota as within_quota
from capacity.planning.windows import planned_demand as planned_demand
from capacity.planning.windows import planning_window as planning_window
from capacity.planning.windows import raise_to_windows as raise_to_windows
from capacity.planning.workload import floor_series as floor_series
from capacity.planning.workload import plan_many as plan_many
from capacity.planning.workload import plan_workload as plan_workload
