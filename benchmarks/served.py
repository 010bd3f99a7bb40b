"""What replicas serve, learned from made-up histories: how near, how often the bound holds, which deploys are dated."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from capacity.load import learn_throughput, reached_by
from capacity.model import Replica, Throughput, ThroughputReport

HOURS = 28 * 24
REPLICA = Replica(0.5, 2**29)
DEARER = (0.7, 1.4)  # what a request costs after a deploy, over what it did before


@dataclass(frozen=True, slots=True)
class _History:
    usage: pd.DataFrame
    law: Throughput  # since the deploy
    deploy: datetime | None


def figures(histories: int, rng: np.random.Generator) -> dict[str, Any]:
    """Milliseconds each, errors of the law over the counts seen, share and place of bounds, deploys."""
    made = [_made_up(rng) for _ in range(histories)]
    began = time.process_time()
    found = [learn_throughput(one.usage, REPLICA) for one in made]
    spent = time.process_time() - began
    ratios = [_against_truth(one, report) for one, report in zip(made, found, strict=True)]
    dated = [report.drift is not None for report in found]
    deployed = np.array([one.deploy is not None for one in made])
    return {
        "throughput_histories": histories,
        "throughput_ms_each": 1000 * spent / histories,
        "throughput_error_median": float(np.median([np.abs(law - 1).max() for law, _ in ratios])),
        "throughput_error_p95": float(np.quantile([np.abs(law - 1).max() for law, _ in ratios], 0.95)),
        "throughput_bound_holds": float(np.mean([(bound <= 1).all() for _, bound in ratios])),
        "throughput_bound_median": float(np.median([bound.min() for _, bound in ratios])),
        "throughput_deploys_found": float(np.array(dated)[deployed].mean()),
        "throughput_false_deploys": float(np.array(dated)[~deployed].mean()),
    }


def _made_up(rng: np.random.Generator) -> _History:
    """Four weeks of an autoscaler that follows the requests of an hour ago, at a target of its own."""
    law = Throughput(float(np.exp(rng.uniform(2, 7))), rng.uniform(0, 0.06), rng.choice([0.0, rng.uniform(0, 0.002)]))
    idle, noise, target = rng.uniform(0, 0.1), rng.uniform(0.03, 0.15), rng.uniform(0.4, 0.9)
    steps = pd.date_range("2026-03-02", periods=HOURS, freq="h", tz="UTC")
    wave = 1 + 0.7 * np.sin((steps.hour.to_numpy() - 8) / 24 * 2 * np.pi)
    weekday = np.where(steps.day_of_week < 5, 1.0, 0.6)
    requests = reached_by(law, np.array([6]))[0] * wave * weekday * rng.lognormal(0, 0.1, HOURS)
    reached = np.maximum.accumulate(reached_by(law, np.arange(1, 60))) * target
    replicas = np.clip(np.searchsorted(reached, np.roll(requests, 1)) + 1.0, 2, 30)
    more = replicas - 1
    cost = (REPLICA.cpu_request - idle) / law.rate * (1 + law.contention * more + law.coherence * replicas * more)
    place = int(rng.integers(HOURS // 4, 3 * HOURS // 4)) if rng.random() < 0.5 else 0
    dearer = float(rng.choice(DEARER)) if place else 1.0
    cost *= np.where(np.arange(HOURS) >= place, dearer, 1.0)
    cpu = idle * replicas + cost * requests * rng.gamma(1 / noise**2, noise**2, HOURS)
    usage = pd.DataFrame({"replicas": replicas, "requests": requests, "cpu": cpu}, steps)
    since = Throughput(law.rate / dearer, law.contention, law.coherence)
    return _History(usage, since, steps[place].to_pydatetime() if place else None)


def _against_truth(made: _History, found: ThroughputReport) -> tuple[NDArray[Any], NDArray[Any]]:
    """The law and the bound over the truth, at every count seen."""
    counts = np.arange(found.counts[0], found.counts[1] + 1)
    truth = reached_by(made.law, counts)
    return reached_by(found.law, counts) / truth, reached_by(found.bound, counts) / truth
