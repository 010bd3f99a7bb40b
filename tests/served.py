"""A workload whose replicas serve by a known law: what its history would hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from capacity.load import reached_by
from capacity.model import Replica, Throughput

REPLICA = Replica(0.5, 2**29)
IDLE = 0.05
LAW, LINEAR = Throughput(100.0, 0.03, 0.001), Throughput(100.0)


@dataclass(frozen=True)
class World:
    """A workload that follows its law exactly but for noise: gamma on CPU, log-normal by days and on requests."""

    law: Throughput = LAW
    days: int = 28
    per_day: int = 24
    noise: float = 0.1
    by_day: float = 0.0
    target: float = 0.6
    counts: tuple[int, int] = (2, 20)

    def usage(self, seed: int = 0) -> pd.DataFrame:
        """An autoscaler follows the requests of an hour ago; CPU is what the law says they cost."""
        rng, size = np.random.default_rng(seed), self.days * self.per_day
        steps = pd.date_range("2026-10-01", periods=size, freq=pd.Timedelta("1D") / self.per_day, tz="UTC")
        wave = 1 + 0.8 * np.sin(2 * np.pi * np.arange(size) / self.per_day)
        requests = 700 * wave * rng.lognormal(0, 0.1, size)
        reached = np.maximum.accumulate(reached_by(self.law, np.arange(1, 400))) * self.target
        replicas = np.clip(np.searchsorted(reached, np.roll(requests, 1)) + 1.0, *self.counts)
        odd = rng.gamma(1 / self.noise**2, self.noise**2, size) if self.noise else np.ones(size)
        odd *= np.exp(rng.normal(0, self.by_day, self.days).repeat(self.per_day))
        cpu = replicas * IDLE + requests * self.cost(replicas) * odd
        return pd.DataFrame({"replicas": replicas, "requests": requests, "cpu": cpu}, steps)

    def cost(self, replicas: np.ndarray) -> np.ndarray:
        """Cores that a request takes on one of N replicas."""
        more = replicas - 1
        hindered = 1 + self.law.contention * more + self.law.coherence * replicas * more
        return np.asarray((REPLICA.cpu_request - IDLE) / self.law.rate * hindered)
