"""The throughput of N replicas by the Universal Scalability Law, and the replicas that a rate needs."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np

from capacity.model import DataError, Throughput
from capacity.model import fit_throughput as fit_throughput
from capacity.model.arrays import Array, Counts

REACHABLE = 0.8  # of the peak: beyond, the curve is flat and each further replica serves next to nothing
NEGLIGIBLE = 1e-18  # coherence whose peak lies beyond a billion replicas: it never comes


def peak_throughput(law: Throughput) -> tuple[float, float]:
    """How many replicas reach the most, and how much; (inf, the limit) where more never hurts.

    ``N* = sqrt((1 - alpha) / beta)``, to the whole replica that reaches more.

    >>> peak_throughput(Throughput(190.0, 0.0, 0.01))
    (10, 1000.0)
    >>> peak_throughput(Throughput(100.0, 0.05, 0.0))
    (inf, 2000.0)
    """
    if law.coherence < NEGLIGIBLE:
        return inf, inf if law.contention == 0 else law.rate / law.contention
    best = max(1, int(sqrt(max(0.0, 1 - law.contention) / law.coherence)))
    reached = reached_by(law, np.array([best, best + 1]))
    return (best, float(reached[0])) if reached[0] >= reached[1] else (best + 1, float(reached[1]))


def reached_by(law: Throughput, replicas: Counts) -> Array:
    """X(N): requests per second that these counts of replicas reach at 100 % utilization."""
    counts = replicas.astype(np.float64)
    reached: Array = law.rate * counts
    reached /= 1 + law.contention * (counts - 1) + law.coherence * counts * (counts - 1)
    return reached


def replicas_for_requests(requests: Array, law: Throughput, target_utilization: float) -> Counts:
    """Fewest replicas that reach each rate (any shape, per second) at the target utilization.

    Raises `DataError` where a rate needs more than 0.8 of the peak that scaling out can reach, or more than the target
    of it: more replicas cannot serve it.

    >>> replicas_for_requests(np.array([0.0, 80.0, 300.0]), Throughput(100.0, 0.0, 0.001), 0.8).tolist()
    [0, 1, 4]
    """
    best, peak = peak_throughput(law)
    most = float(np.max(requests, initial=0.0))
    share = min(REACHABLE, target_utilization)
    if most > share * peak:
        raise DataError(
            f"expected at most {share * peak:.4g} requests/s ({share:g} of the {peak:.4g} that scaling out reaches by "
            f"{law.source}{'' if best == inf else f', at {best} replicas'}), got {most:.4g}: scale-out cannot serve "
            "this; shard it or shed load"
        )
    wanted = requests / target_utilization
    enough = _enough(law, min(float(np.max(wanted, initial=0.0)), peak))
    reached = np.concatenate([[0.0], reached_by(law, np.arange(1, enough + 1))])
    found: Counts = np.searchsorted(reached, wanted * (1 - 1e-9)).astype(np.int64)
    return np.minimum(found, enough)


def _enough(law: Throughput, wanted: float) -> int:
    """A count that reaches the wanted rate, or the best there is: doubled until it does."""
    best, _ = peak_throughput(law)
    count = 1
    while count < best and reached_by(law, np.array([count]))[0] < wanted:
        count *= 2
    return int(min(count, best))


MOST_REPLICAS = 1_000_000  # beyond any cluster: a demand that asks for more is a unit mistaken
