"""What a request costs in CPU on N replicas, from steps of history: the Universal Scalability Law upside down.

At x requests per second of each of N replicas, one replica uses

    cpu = idle + x (cost + contention (N - 1) + coherence N (N - 1))

cores. Where that is its CPU request, N x is what the law of Gunther (2007) says N replicas reach, contention and
coherence in cores instead of shares. In this form it is linear, and idle load is a term of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.domain import DataError
from capacity.domain.arrays import Array, Places
from capacity.stats import BISQUARE, HUBER, bisquare_weights, column_sizes, huber_weights, reweighted_least_squares

IDLE, COST, CONTENTION, COHERENCE = range(4)
OUTLIER = 5.0  # scales beyond which a step is left out: of normal errors one in two million
QUIETEST = 0.05  # of the mean CPU: no step is weighed as if its errors were smaller than there
CONFIDENCE = 0.95  # one-sided


@dataclass(frozen=True, slots=True)
class Served:
    """Steps of history: N, requests per second and CPU cores of one replica, and which day each is of: (steps,)."""

    replicas: Array
    rate: Array
    cpu: Array
    day: Places

    def design(self, terms: int) -> Array:
        """The columns that the cost is linear in: (steps, terms)."""
        return np.column_stack([np.ones_like(self.rate), self.rate[:, None] * per_request(self.replicas, terms - 1)])

    def since(self, step: int) -> Served:
        """The steps from this one on."""
        return Served(self.replicas[step:], self.rate[step:], self.cpu[step:], self.day[step:])


@dataclass(frozen=True, slots=True)
class RequestCost:
    """The four parts (cores, cores per request), none negative, zero where history shows none; and their covariance.

    `covariance` (terms, terms) is that of all terms that history can tell apart, also of those taken as zero: what
    could have been overlooked is part of the doubt. `quantile`: how many standard errors the bound lies away.
    """

    parts: Array  # (4,)
    covariance: Array  # (terms, terms), terms <= 4
    quantile: float

    def at(self, served: Served) -> Array:
        """Cores of one replica at each step: (steps,)."""
        return np.asarray(served.design(4) @ self.parts)

    def rates(self, replicas: Array, cpu: float) -> tuple[Array, Array]:
        """Requests per second of one of N replicas that use `cpu` cores, and their lower bound: twice (counts,).

        The bound is Fieller's (1954): the smallest rate whose cost, at its upper confidence bound, is `cpu`; zero where
        idle load alone may take all of it.
        """
        left = cpu - self.parts[IDLE]
        cost = per_request(replicas, 3) @ self.parts[COST:]
        tables = per_request(replicas, len(self.covariance) - 1)
        scaled = self.quantile**2 * self.covariance
        own = np.einsum("ni,ij,nj->n", tables, scaled[1:, 1:], tables)
        linear, constant = left * cost + tables @ scaled[0, 1:], left**2 - scaled[0, 0]
        root = np.sqrt(np.maximum(linear**2 - (cost**2 - own) * constant, 0.0))
        known = (left > 0) & (constant > 0)
        return left / cost, np.where(known, constant / np.maximum(linear + root, 1e-300), 0.0)


def per_request(replicas: Array, terms: int) -> Array:
    """What a request on one of N replicas is charged with: (counts, terms) of 1, N - 1, N (N - 1)."""
    return np.column_stack([np.ones_like(replicas), replicas - 1, replicas * (replicas - 1)])[:, :terms]


def fit_request_cost(served: Served, terms: int) -> RequestCost:
    """The cost of a request, from as many of the four terms as history can tell apart.

    Least squares on what a robust fit (Huber's, then Tukey's) calls no outlier, steps weighed by the usual size of
    their errors, in proportion to their CPU. Standard errors are those of a sandwich over days (Liang and Zeger, 1986):
    errors of one day may hang together. Coherence, then contention, are taken as zero where they are not clear of it: a
    peak of scaling out is a strong thing to say. Raises `DataError` where requests do not explain CPU.
    """
    fit = _Fit.of(served, terms)
    covariance, quantile = fit.covariance(), student(len(np.unique(fit.day)) - 1, terms)
    parts, errors = fit.not_negative(), np.sqrt(np.diag(covariance))
    for term in range(terms - 1, COST, -1):
        if parts[term] > quantile * errors[term]:
            break
        fit = _Fit.of(served, term)
        parts, errors = fit.not_negative(), np.sqrt(np.diag(fit.covariance()))
    if parts[COST] <= quantile * errors[COST]:
        raise DataError(
            "history: expected CPU that rises with requests, got none clear of chance: something else uses it"
        )
    return RequestCost(np.pad(parts, (0, 4 - len(parts))), covariance, quantile)


def student(freedom: int, terms: int = 1) -> float:
    """The quantile of Student's t for a bound that holds at every count at once: Bonferroni's, over the terms.

    >>> round(student(27), 2), round(student(27, 4), 2)
    (1.7, 2.37)
    """
    from scipy.special import stdtrit  # heavy, and only history needs it

    return float(stdtrit(freedom, 1 - (1 - CONFIDENCE) / terms))


@dataclass(frozen=True, slots=True)
class _Fit:
    """Least squares on the steps that are no outliers, each weighed by the usual size of its errors."""

    design: Array  # (steps, terms), over the size of errors
    cpu: Array  # (steps,), over the size of errors
    day: Places

    @classmethod
    def of(cls, served: Served, terms: int) -> _Fit:
        """Outliers are found by robust fits, and then left out: what is left keeps its mean, also where it is skew."""
        design, cpu = served.design(terms), served.cpu
        parts, distance = reweighted_least_squares(design, cpu, _huber, np.ones_like(cpu))
        size = np.maximum(design @ parts, QUIETEST * cpu.mean())
        design, cpu = design / size[:, None], cpu / size
        _, distance = reweighted_least_squares(design, cpu, _bisquare, _huber(distance))
        usual = np.abs(distance) <= OUTLIER
        return cls(design[usual], cpu[usual], served.day[usual])

    def not_negative(self) -> Array:
        """The parts, none below zero: (terms,)."""
        from scipy.optimize import nnls  # heavy, and only history needs it

        scale = column_sizes(self.design)
        parts: Array = nnls(self.design / scale, self.cpu)[0] / scale
        return parts

    def covariance(self) -> Array:
        """Of the parts without their bounds at zero: (terms, terms)."""
        scale = column_sizes(self.design)
        design = self.design / scale
        rest = self.cpu - design @ np.linalg.lstsq(design, self.cpu)[0]
        _, place = np.unique(self.day, return_inverse=True)
        days = np.zeros((place.max() + 1, design.shape[1]))
        np.add.at(days, place, design * rest[:, None])
        moved = np.linalg.pinv(design.T @ design) @ days.T / scale[:, None]  # what each day alone did to the parts
        found: Array = moved @ moved.T * (len(days) / max(len(days) - 1, 1))
        return found


def _huber(distance: Array) -> Array:
    return huber_weights(np.abs(distance), HUBER)


def _bisquare(distance: Array) -> Array:
    return bisquare_weights(distance, BISQUARE)
