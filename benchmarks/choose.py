"""How long the choice of policies takes: many workloads, candidates and days, replayed tick by tick on two cores."""

from __future__ import annotations

import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from capacity.app.advise import NEXT_DAY, SIZE
from capacity.model.policies import DailyScores
from capacity.model.policy import Objective
from capacity.simulation.choice import Scores, choose_daily
from capacity.simulation.days import DAY_TICKS, PER_MINUTE, WARM_TICKS, Candidate, Days, Task, replay_together
from capacity.simulation.lanes import Rule
from capacity.simulation.pods import Start
from capacity.simulation.stepping import Cluster, Service

CORES = 2
CANDIDATES = 60
SCHEDULES = 12  # of floors: the rest of the candidates differ in the target alone
MIB = 1024  # kilobytes, as getrusage counts them


@dataclass(frozen=True, slots=True)
class Size:
    """How much is replayed."""

    workloads: int
    days: int
    candidates: int = CANDIDATES


def run(data: Path, quick: bool = False) -> dict[str, Any]:
    """Seconds for all days and for one day more, and the memory of the largest process; it needs no data.

    Seconds of the clock are those of a machine with nothing else to do; those of CPU, over all cores, are not.
    """
    del data
    size = Size(4, 28) if quick else Size(100, 28)
    (whole, cpu), (day, cpu_of_day) = _timed(size), _timed(Size(size.workloads, 1))
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "workloads": size.workloads,
        "candidates": size.candidates,
        "days": size.days,
        "seconds": whole,
        "cpu_seconds": cpu,
        "seconds_for_the_next_day": day,
        "cpu_seconds_for_the_next_day": cpu_of_day,
        "nanoseconds_per_lane_and_tick": 1e9 * cpu / (size.workloads * size.candidates * size.days * DAY_TICKS),
        "peak_rss_mib": children / MIB,
    }


def _timed(size: Size) -> tuple[float, float]:
    """Seconds of the clock, and of CPU in all processes."""
    began, used = time.perf_counter(), _children()
    with ProcessPoolExecutor(CORES) as pool:
        list(pool.map(choose, chunks_of(size), [size] * size.workloads))
    return time.perf_counter() - began, _children() - used


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def chunks_of(size: Size) -> list[range]:
    """Workloads as `capacity advise` deals them."""
    each = NEXT_DAY if size.days == 1 else SIZE
    return [range(at, min(at + each, size.workloads)) for at in range(0, size.workloads, each)]


def choose(seeds: range, size: Size) -> list[int]:
    """Replay and choose for made-up workloads: days of waves with noise, floors around their demand."""
    return [_chosen(scores) for scores in replay_together([_task(seed, size) for seed in seeds])]


def _task(seed: int, size: Size) -> Task:
    random = np.random.default_rng(seed)
    ticks = WARM_TICKS + size.days * DAY_TICKS
    wave = random.uniform(4, 40) * (1 + 0.7 * np.sin(np.arange(ticks) / DAY_TICKS * 2 * np.pi))
    demand = wave * np.exp(np.convolve(random.normal(0, 0.3, ticks), np.ones(40) / 40, "same"))
    return Task(_days(demand), _candidates(size), Cluster(Service(1.0), Start(timedelta(minutes=2.5))), seed)


def _days(demand: np.ndarray) -> Days:
    each = demand[::PER_MINUTE]
    floors = [np.ones(len(each), dtype=np.int64)]
    floors += [np.ceil(each * (1 + 0.05 * level)).astype(np.int64) for level in range(SCHEDULES - 1)]
    return Days.of(demand, floors, 0.8)


def _candidates(size: Size) -> list[Candidate]:
    plain = size.candidates // 3
    targets = np.linspace(30, 90, plain).astype(int).tolist()
    floored = [Candidate(Rule(target), 1 + at % (SCHEDULES - 1)) for at, target in enumerate(targets * 2)]
    return [*(Candidate(Rule(target), 0) for target in targets), *floored][: size.candidates]


def _chosen(scores: DailyScores) -> int:
    floors = np.arange(scores.pod_hours.shape[1]) >= CANDIDATES // 3
    return choose_daily(Scores(scores.pod_hours, scores.above, floors, Objective().allowed_minutes)).next
