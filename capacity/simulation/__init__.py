"""Would the plan have worked? The HPA's own rules, a cluster that starts pods, policies, the optimum, and scores.

Pure: no file, no clock, no network; randomness is a numpy Generator. Names load on first use, and
`capacity.simulation.hpa` loads nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.lazy import load_lazily

if TYPE_CHECKING:
    from capacity.simulation.case import Case as Case
    from capacity.simulation.case import Elasticity as Elasticity
    from capacity.simulation.case import Lane as Lane
    from capacity.simulation.case import Miss as Miss
    from capacity.simulation.case import Promise as Promise
    from capacity.simulation.case import Score as Score
    from capacity.simulation.case import clairvoyant as clairvoyant
    from capacity.simulation.case import cost as cost
    from capacity.simulation.case import find_misses as find_misses
    from capacity.simulation.case import score as score
    from capacity.simulation.lanes import Reactive as Reactive
    from capacity.simulation.lanes import Rule as Rule
    from capacity.simulation.lanes import Seen as Seen
    from capacity.simulation.pods import NodePool as NodePool
    from capacity.simulation.pods import Start as Start
    from capacity.simulation.policies import Frontier as Frontier
    from capacity.simulation.policies import Policy as Policy
    from capacity.simulation.policies import Trial as Trial
    from capacity.simulation.policies import ahpa_like as ahpa_like
    from capacity.simulation.policies import autopilot_like as autopilot_like
    from capacity.simulation.policies import aws_like as aws_like
    from capacity.simulation.policies import cron_schedule as cron_schedule
    from capacity.simulation.policies import frontier as frontier
    from capacity.simulation.policies import hpa_sweep as hpa_sweep
    from capacity.simulation.policies import judge as judge
    from capacity.simulation.policies import optimum_trial as optimum_trial
    from capacity.simulation.policies import saving as saving
    from capacity.simulation.policies import seasonal_naive as seasonal_naive
    from capacity.simulation.policies import static_peak as static_peak
    from capacity.simulation.policies import swept as swept
    from capacity.simulation.policies import try_policies as try_policies
    from capacity.simulation.replay import Replay as Replay
    from capacity.simulation.replay import Schedule as Schedule
    from capacity.simulation.replay import past_forecasts as past_forecasts
    from capacity.simulation.replay import past_plans as past_plans
    from capacity.simulation.replay import past_request as past_request
    from capacity.simulation.replay import planned_levels as planned_levels
    from capacity.simulation.replay import simulate as simulate
    from capacity.simulation.result import Comparison as Comparison
    from capacity.simulation.result import Savings as Savings
    from capacity.simulation.result import Simulation as Simulation
    from capacity.simulation.result import say_verdict as say_verdict
    from capacity.simulation.stepping import Cluster as Cluster
    from capacity.simulation.stepping import Objective as Objective
    from capacity.simulation.stepping import Service as Service
    from capacity.simulation.stepping import ZoneLoss as ZoneLoss
    from capacity.simulation.stepping import erlang_c as erlang_c
    from capacity.simulation.stepping import p99_wait as p99_wait
    from capacity.simulation.stepping import run_cluster as run_cluster

HOMES = {
    "capacity.simulation.case": (
        "Case",
        "Elasticity",
        "Lane",
        "Miss",
        "Promise",
        "Score",
        "clairvoyant",
        "cost",
        "find_misses",
        "score",
    ),
    "capacity.simulation.lanes": ("Reactive", "Rule", "Seen"),
    "capacity.simulation.pods": ("NodePool", "Start"),
    "capacity.simulation.policies": (
        "Frontier",
        "Policy",
        "Trial",
        "ahpa_like",
        "autopilot_like",
        "aws_like",
        "cron_schedule",
        "frontier",
        "hpa_sweep",
        "judge",
        "optimum_trial",
        "saving",
        "seasonal_naive",
        "static_peak",
        "swept",
        "try_policies",
    ),
    "capacity.simulation.replay": (
        "Replay",
        "Schedule",
        "past_forecasts",
        "past_plans",
        "past_request",
        "planned_levels",
        "simulate",
    ),
    "capacity.simulation.result": ("Comparison", "Savings", "Simulation", "say_verdict"),
    "capacity.simulation.stepping": (
        "Cluster",
        "Objective",
        "Service",
        "ZoneLoss",
        "erlang_c",
        "p99_wait",
        "run_cluster",
    ),
}
__all__, __getattr__, __dir__ = load_lazily(__name__, HOMES)
