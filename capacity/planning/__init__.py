"""Demand -> plan: what each coming step needs, the cheapest floors that serve it within the limits, and why.

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.lazy import load_lazily

if TYPE_CHECKING:
    from capacity.planning.explain import explain_floor as explain_floor
    from capacity.planning.floors import calm_floors as calm_floors
    from capacity.planning.floors import ramped as ramped
    from capacity.planning.nodes import Pods as Pods
    from capacity.planning.nodes import fewest_possible as fewest_possible
    from capacity.planning.nodes import pack as pack
    from capacity.planning.nodes import plan_nodes as plan_nodes
    from capacity.planning.nodes import replica_price as replica_price
    from capacity.planning.optimum import Days as Days
    from capacity.planning.optimum import Prices as Prices
    from capacity.planning.optimum import Runs as Runs
    from capacity.planning.optimum import cheapest_floors as cheapest_floors
    from capacity.planning.orders import OrderData as OrderData
    from capacity.planning.orders import QualityRefusedError as QualityRefusedError
    from capacity.planning.pipeline import PlanInputs as PlanInputs
    from capacity.planning.pipeline import Provenance as Provenance
    from capacity.planning.pipeline import forecast_groups as forecast_groups
    from capacity.planning.pipeline import make_plan as make_plan
    from capacity.planning.pipeline import plan_workloads as plan_workloads
    from capacity.planning.reactive import ReactiveComparison as ReactiveComparison
    from capacity.planning.reactive import compare_reactive as compare_reactive
    from capacity.planning.reactive import reactive_remark as reactive_remark
    from capacity.planning.requirements import planned_demand as planned_demand
    from capacity.planning.requirements import planning_window as planning_window
    from capacity.planning.requirements import raise_to_windows as raise_to_windows
    from capacity.planning.result import PlanResult as PlanResult
    from capacity.planning.shared import plan_demands as plan_demands
    from capacity.planning.shared import share as share
    from capacity.planning.shared import within_quota as within_quota
    from capacity.planning.sizing import RequestAdvice as RequestAdvice
    from capacity.planning.sizing import advise_requests as advise_requests
    from capacity.planning.sizing import highest_target as highest_target
    from capacity.planning.sizing import highest_tolerated_utilization as highest_tolerated_utilization
    from capacity.planning.sizing import pool_utilization as pool_utilization
    from capacity.planning.sizing import replicas_needed as replicas_needed
    from capacity.planning.sizing import safe_target as safe_target
    from capacity.planning.sizing import same_target as same_target
    from capacity.planning.sizing import wait_probability as wait_probability
    from capacity.planning.sizing import wait_quantile as wait_quantile
    from capacity.planning.workload import QUIET_LEVEL as QUIET_LEVEL
    from capacity.planning.workload import floor_series as floor_series
    from capacity.planning.workload import plan_many as plan_many
    from capacity.planning.workload import plan_workload as plan_workload

HOMES = {
    "capacity.planning.explain": ("explain_floor",),
    "capacity.planning.floors": ("calm_floors", "ramped"),
    "capacity.planning.nodes": (
        "Pods",
        "fewest_possible",
        "pack",
        "plan_nodes",
        "replica_price",
    ),
    "capacity.planning.optimum": (
        "Days",
        "Prices",
        "Runs",
        "cheapest_floors",
    ),
    "capacity.planning.pipeline": (
        "Provenance",
        "forecast_groups",
        "plan_workloads",
        "PlanInputs",
        "make_plan",
    ),
    "capacity.planning.orders": (
        "OrderData",
        "QualityRefusedError",
    ),
    "capacity.planning.result": ("PlanResult",),
    "capacity.planning.reactive": (
        "ReactiveComparison",
        "compare_reactive",
        "reactive_remark",
    ),
    "capacity.planning.requirements": (
        "planned_demand",
        "planning_window",
        "raise_to_windows",
    ),
    "capacity.planning.shared": (
        "plan_demands",
        "share",
        "within_quota",
    ),
    "capacity.planning.sizing": (
        "RequestAdvice",
        "advise_requests",
        "highest_target",
        "highest_tolerated_utilization",
        "pool_utilization",
        "replicas_needed",
        "safe_target",
        "same_target",
        "wait_probability",
        "wait_quantile",
    ),
    "capacity.planning.workload": (
        "QUIET_LEVEL",
        "floor_series",
        "plan_many",
        "plan_workload",
    ),
}
__all__, __getattr__, __dir__ = load_lazily(__name__, HOMES)
