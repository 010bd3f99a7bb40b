"""What an autoscaler's numbers mean to a decision: the replicas they ask for, and whether they would move if alive."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, sqrt

TOLERANCE = 0.1  # of kube-controller-manager: within it an HPA stays where it is
ROUNDING = 1e-9  # 0.6 / 0.2 is 2.9999999999999996 to a computer
BUSY = 0.010  # cores a replica: of less, nothing is ever called frozen
LEAST_NOISE = 0.02  # of a pod's usage from one minute to the next: less was not seen on any workload that serves
SHARP = 2.0  # units of a reading that noise moves: then five equal looks happen less than once in 1,000
MILLICORE, MEMORY_PAGE = 0.001, 4096.0  # the units in which CPU and memory are reported


def replicas_asked(ratios: Iterable[float], replicas: int, desired: int, floor: int) -> int:
    """The most that any metric asks for, from its ratio of current value to target, as the HPA computes it.

    Above its minimum, what the HPA wants itself counts as well; at its minimum it only obeys.

    >>> replicas_asked([1.05], 10, 10, 4), replicas_asked([1.25, 0.5], 10, 10, 10)
    (10, 13)
    """
    asked = [replicas if abs(ratio - 1) <= TOLERANCE else ceil(ratio * replicas - ROUNDING) for ratio in ratios]
    return max(*asked, desired if desired > floor else 0)


def moves(cores: float | None, memory: float | None, replicas: int) -> bool:
    """Whether these means of all replicas (cores, bytes) would differ from one minute to the next while measured.

    An HPA reports whole millicores: of 36 pods at 25 millicores two looks are often equal, and prove nothing. It is so
    where noise of `LEAST_NOISE` in each pod would move a mean by `SHARP` units.
    """
    if cores is None or cores < BUSY:
        return False
    noise = [LEAST_NOISE * cores / MILLICORE]
    if memory is not None:
        noise.append(LEAST_NOISE * memory / MEMORY_PAGE)
    return max(noise) >= SHARP * sqrt(replicas)
