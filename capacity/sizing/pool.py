"""How busy a pool of workers may be before too much of its work waits: Erlang C, widened for variability."""

from __future__ import annotations

from math import log

from capacity.domain import DataError, Pool

FINE = 1e-3  # utilization is searched to a tenth of a percent: planning to more would be pretence


def wait_probability(slots: int, utilization: float) -> float:
    """The share of arrivals that must wait in an M/M/c queue of `slots` workers (Erlang C).

    By the recursion of Erlang B: ``B(0) = 1``, ``B(k) = a B(k-1) / (k + a B(k-1))`` with a = slots x utilization, then
    ``C = B / (1 - utilization (1 - B))``. Exact; no factorial overflows.

    >>> round(wait_probability(4, 0.8), 2), round(wait_probability(1, 0.8), 2)
    (0.6, 0.8)
    """
    if utilization >= 1:
        return 1.0
    load, blocked = slots * utilization, 1.0
    for worker in range(1, slots + 1):
        blocked = load * blocked / (worker + load * blocked)
    return blocked / (1 - utilization * (1 - blocked))


def wait_quantile(slots: int, utilization: float, level: float = 0.99, variability: float = 1.0) -> float:
    """The wait, in mean service times, that a share `level` of arrivals does not exceed; infinite at utilization 1.

    In M/M/c the wait of those who wait is exponential: ``P(W > t) = C exp(-(c - a) t)``. Allen and Cunneen's
    approximation of G/G/c multiplies the mean wait by ``(Ca^2 + Cs^2) / 2``, and with it this tail.

    >>> round(wait_quantile(16, 0.8), 1), round(wait_quantile(16, 0.8, variability=3.0), 1)
    (1.1, 3.2)
    """
    if utilization >= 1:
        return float("inf")
    waiting = wait_probability(slots, utilization)
    if waiting <= 1 - level:
        return 0.0
    return variability * log(waiting / (1 - level)) / (slots * (1 - utilization))


def pool_utilization(pool: Pool, replicas: int = 1) -> float:
    """The highest utilization at which at most ``1 - wait_level`` of the work waits longer than `wait`.

    A pool with a queue before each replica has that replica's slots; with one shared queue those of `replicas`.
    Raises `DataError` where no utilization keeps the promise.

    >>> from datetime import timedelta
    >>> second = timedelta(seconds=1)
    >>> pool_utilization(Pool(16, second, second)), pool_utilization(Pool(8, second, second))
    (0.791, 0.637)
    """
    slots = pool.slots * (replicas if pool.shared else 1)
    allowed = pool.wait / pool.service_time
    low, high = 0.0, 1.0
    while high - low > FINE / 10:
        middle = (low + high) / 2
        kept = wait_quantile(slots, middle, pool.wait_level, pool.variability) <= allowed
        low, high = (middle, high) if kept else (low, middle)
    if low < FINE:
        raise DataError(
            f"expected a wait that {slots} slots can keep, got {pool.wait} at level {pool.wait_level:g} "
            f"with a service time of {pool.service_time}: allow a longer wait or more slots"
        )
    return round(low, 3)
