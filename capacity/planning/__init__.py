"""Demand -> plan: what each coming step needs, the cheapest floors that serve it within the limits, and why."""

from capacity.planning.optimum import cheapest_floors as cheapest_floors
from capacity.planning.optimum import close_gaps as close_gaps
from capacity.planning.windows import planned_demand as planned_demand
from capacity.planning.windows import planning_window as planning_window
from capacity.planning.windows import raise_to_windows as raise_to_windows
from capacity.planning.workload import floor_series as floor_series
from capacity.planning.workload import plan_many as plan_many
from capacity.planning.workload import plan_workload as plan_workload
