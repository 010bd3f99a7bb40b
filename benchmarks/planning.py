"""The planner by itself: how near to the optimum, how fast over 10,000 workloads, how many changes on real traces."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.counting import DAY, Cases, least_cost, noisy_need
from benchmarks.counting import START as START_COST
from benchmarks.datasets import SKIPPED, find
from benchmarks.traces import TRACES
from capacity.model import Demand, Forecast, LoadModel, Replica, Workload, WorkloadPlan
from capacity.planning import Prices, Runs, calm_floors, cheapest_floors, floor_series, plan_many
from capacity.stats import close_gaps

FIVE, START = timedelta(minutes=5), datetime(2026, 11, 27, tzinfo=UTC)
STEPS = 14 * 288  # fourteen days
LEAD = timedelta(minutes=15)
WINDOW = 5  # five-minute steps that a lead time of 15 minutes and two passes touch
SMALL = 400  # random cases for the brute force
ON_FIVE = ("nasa_5min", "azure_5min", "google_5min", "cluster2_5min", "cluster9_5min", "worldcup_minutes_day_ahead")


def run(data: Path, quick: bool) -> dict[str, Any]:
    """Every figure of the planner."""
    workloads = 1000 if quick else 10_000
    return {
        "brute_force": _brute_force(SMALL // 10 if quick else SMALL),
        **{f"capped_{name}": _capped(cases) for name, cases in _capped_cases(10 if quick else 1).items()},
        **{f"replanned_hourly_{replicas}_replicas": _replanned(replicas, 1 if quick else 5) for replicas in (5, 40)},
        "tenth_of_the_workloads": _fleet(workloads // 10),
        "all_workloads": _fleet(workloads),
        **{f"changes_{name}": _changes(data, name) for name in ON_FIVE},
    }


def _capped_cases(part: int) -> dict[str, Cases]:
    return {
        "days": Cases(SMALL // part, 1, (2, 40), 24),
        "days_of_few_replicas": Cases(SMALL // part, 1, (2, 6), 24),
        "days_of_many_replicas": Cases(SMALL // part, 1, (40, 300), 24),
        "days_of_six_changes": Cases(SMALL // part, 1, (2, 40), 6),
        "weeks": Cases(SMALL // 10 // part, 7, (2, 300), 24),
    }


def _cost(floors: np.ndarray, start: float, change: float) -> float:
    moves = np.diff(floors)
    return float(floors.sum() + start * (floors[0] + moves.clip(0).sum()) + change * np.count_nonzero(moves))


def _courses(need: np.ndarray) -> Iterator[np.ndarray]:
    return (np.array(course) for course in product(*(range(low, need.max() + 1) for low in need)))


def _brute_force(cases: int) -> dict[str, float]:
    """The program against every course there is; without a cost of change the closing as well."""
    rng = np.random.default_rng(1)
    worst, worst_closing = 0.0, 0.0
    for _ in range(cases):
        need = rng.integers(1, 6, rng.integers(2, 7))
        start, change = float(rng.choice([0.0, 0.7, 1.0, 2.5, 4.0])), float(rng.choice([0.0, 0.5, 1.5, 4.0]))
        runs = Runs(need[None, :], np.ones((1, len(need))), np.full((1, len(need)), change))
        found = cheapest_floors(runs, start)[0]
        best = min(_cost(course, start, change) for course in _courses(need))
        worst = max(worst, _cost(found, start, change) / best - 1)
        closed = close_gaps(need, int(start + 1e-9))
        free = min(_cost(course, start, 0.0) for course in _courses(need))
        worst_closing = max(worst_closing, _cost(closed, start, 0.0) / free - 1)
    return {"cases": float(cases), "worst_above_optimum": worst, "closing_worst_above_optimum": worst_closing}


def _capped(cases: Cases) -> dict[str, float]:
    """Days of at most so many changes against the exact optimum with that count, by a program that counts them."""
    needs, days = cases.needs(np.random.default_rng(2)), cases.calendar()
    floors = calm_floors(needs, days, Prices(START_COST, 0.0))
    pairs = zip(floors, needs, strict=True)
    above = [_cost(row, START_COST, 0.0) / least_cost(need, days) - 1 for row, need in pairs]
    return {"cases": float(cases.count), "mean_above_optimum": float(np.mean(above)), "worst_above_optimum": max(above)}


def _replanned(replicas: int, runs: int) -> dict[str, float]:
    """A day of plans made every hour for the day ahead, each followed for its hour: noisy demand, known ahead."""
    rng = np.random.default_rng(4)
    changes = []
    for _ in range(runs):
        need = noisy_need(rng, 2 * DAY, (replicas, replicas))
        index = pd.date_range(START, periods=len(need), freq="5min")
        plans = (_planned(need[at : at + DAY] * 0.4, index[at : at + DAY]) for at in range(0, DAY, 12))
        followed = np.concatenate([floor_series(plan).to_numpy()[:12] for plan in plans])
        changes.append(int(np.count_nonzero(np.diff(followed))))
    return {"days": float(runs), "changes_a_day": float(np.mean(changes)), "most_changes_on_a_day": float(max(changes))}


def _planned(cores: np.ndarray, index: pd.DatetimeIndex) -> WorkloadPlan:
    """The plan of one workload of at most 1,000 replicas at 0.4 cores each."""
    demand = Demand(_forecast(cores / 1.25, index, "cores"), _forecast(np.zeros(len(cores)), index, "bytes"))
    web = Workload("shop", "web", LoadModel(0, 1, 0, 0), Replica(0.5, 2.0**29), 1, 1000, lead_time=LEAD)
    plan = next(iter(plan_many([(demand, web)])))
    if not isinstance(plan, WorkloadPlan):
        raise plan
    return plan


def _fleet(workloads: int) -> dict[str, float]:
    """Fourteen days at five minutes, on two processes; making the demands is not planning and is not counted."""
    parts = np.array_split(np.arange(workloads), 2)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(_part, [(int(part[0]), len(part)) for part in parts if len(part)]))
    cpu = sum(one["cpu"] for one in done)
    return {
        "workloads": float(workloads),
        "cpu_s": cpu,
        "s_on_two_cores": max(one["cpu"] for one in done),
        "ms_per_workload": 1000 * cpu / workloads,
        "mib_both": sum(one["mib"] for one in done),
        "changes_a_day": float(np.mean([one["changes"] for one in done])),
        "most_changes_on_a_day": max(one["most"] for one in done),
    }


def _part(what: tuple[int, int]) -> dict[str, float]:
    """CPU seconds in the planner alone, and the changes of its plans."""
    first, count = what
    index = pd.date_range(START, periods=STEPS, freq="5min")
    planning, changes, most = 0.0, 0, 0.0
    for begin in range(first, first + count, 256):
        pairs = [_pair(place, index) for place in range(begin, min(begin + 256, first + count))]
        before = time.process_time()
        plans = [plan for plan in plan_many(pairs) if isinstance(plan, WorkloadPlan)]
        planning += time.process_time() - before
        changes += sum(len(plan.floor) - 1 for plan in plans)
        most = max(most, *(_busiest(plan) for plan in plans))
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu": planning, "mib": size, "changes": changes / count / 14, "most": most}


def _pair(place: int, index: pd.DatetimeIndex) -> tuple[Demand, Workload]:
    rng = np.random.default_rng(place)
    t = np.arange(STEPS)
    day = 1.2 + 0.8 * np.sin(t / 288 * 2 * np.pi + rng.uniform(0, 6)) + 0.2 * np.sin(t / 2016 * 2 * np.pi)
    cores = np.exp(rng.uniform(0, 4)) * day * np.exp(np.convolve(rng.normal(0, 0.06, STEPS), np.ones(3) / 3, "same"))
    cpu, memory = _forecast(cores, index, "cores"), _forecast(cores * 2**29, index, "bytes")
    load, replica = LoadModel(0, 1, 0, 0), Replica(0.5, 2.0**29)
    return Demand(cpu, memory), Workload("shop", f"w{place}", load, replica, floor=1, ceiling=1000, lead_time=LEAD)


def _forecast(values: np.ndarray, index: pd.DatetimeIndex, unit: str) -> Forecast:
    high = pd.Series(1.25 * values[::-1]).rolling(WINDOW, min_periods=1).max().to_numpy()[::-1]
    quantiles = pd.DataFrame({0.05: 0.8 * values, 0.95: 1.2 * values}, index)
    maxima = pd.DataFrame({0.05: high * 0.8, 0.95: high}, index)
    return Forecast(index[0].to_pydatetime() - FIVE, FIVE, quantiles, unit, window=WINDOW * FIVE, maxima=maxima)


def _busiest(plan: WorkloadPlan) -> float:
    days = [(plan.start + change.offset * plan.step).date() for change in plan.floor[1:]]
    return float(max((days.count(day) for day in set(days)), default=0))


def _changes(data: Path, name: str) -> dict[str, Any]:
    """A real trace at five minutes, known ahead (the hardest course for the planner), peak at 40 replicas."""
    trace = TRACES[name]
    file = find(data, trace.path, f"planning changes_{name}")
    if file is None:
        return SKIPPED
    values = pd.Series(trace.read(file)).interpolate(limit_direction="both").to_numpy()
    every = round(FIVE / trace.step)
    cut = len(values) // every * every
    values = values[:cut].reshape(-1, every).mean(axis=1)
    index = pd.date_range(START, periods=len(values), freq="5min")
    cores = values / np.quantile(values, 0.999) * 40 * 0.5 * 0.8
    plan = _planned(cores, index)
    need = np.maximum(np.ceil(cores / (0.5 * 0.8) * (1 - 1e-9)), 1)
    floors = floor_series(plan).to_numpy()
    return {
        "days": len(values) / 288,
        "changes_a_day": (len(plan.floor) - 1) / (len(values) / 288),
        "most_changes_on_a_day": _busiest(plan),
        "needs_changed_a_day": float(np.count_nonzero(np.diff(need)) / (len(values) / 288)),
        "replica_hours_over_need": float(floors.sum() / need.sum()),
    }
