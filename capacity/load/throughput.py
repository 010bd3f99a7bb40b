"""What replicas serve: learned from history as the CPU cost of a request, and by the Universal Scalability Law."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from math import inf, sqrt

import numpy as np
import pandas as pd

from capacity.load.alignment import spacing
from capacity.load.regression import newest_regimes
from capacity.model import DataError, Replica, Throughput, ThroughputReport, require
from capacity.model import fit_throughput as fit_throughput
from capacity.model.arrays import Array, Counts, Mask, Places
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


COLUMNS = ("replicas", "requests", "cpu")
LEAST_DAYS = 3  # days are what the doubt is counted in: two say next to nothing of how days differ
LEAST_STEPS = 24
REGIME = timedelta(days=2)  # a deploy is dated when it is two days old, as that of a load
SEEN = 6  # steps that a count of replicas must have stood for: half an hour of five minutes
VARIES = 0.05  # relative spread of requests per replica below which idle load and requests cannot be told apart
EXPLAINED = 0.5  # of the variance of CPU; below it most of what replicas use is not for requests
FAR = 6.0  # median errors off, some four standard deviations: an outlier
NEAR = 0.8  # of the CPU request: no step as busy says little of saturation


def learn_throughput(usage: pd.DataFrame, replica: Replica) -> ThroughputReport:
    """What one replica serves per second at 100 % of its CPU request, as a law in N with a lower confidence bound.

    `usage`: columns replicas (ready ones), requests (per second) and cpu (cores) of the whole workload, on regular UTC
    steps, gaps as NaN. The cost of a request is fitted robustly with idle load beside it (`fit_request_cost`); only the
    regime since the newest deploy counts (`newest_regimes`). Beyond the counts and the utilization seen the law is
    carried on, which its notes say. Contention that waits instead of computing (locks, a database) uses no CPU and is
    not seen: a load test sees it. To plan with it: ``replace(workload, throughput=report.bound)``.

    Raises `DataError` where history is too short, lacks a column, or does not tell.

    >>> steps = pd.date_range("2026-11-02", periods=24 * 7, freq="h", tz="UTC")
    >>> requests = pd.Series(300 + 200 * np.sin(np.arange(len(steps)) / 24 * 2 * np.pi), steps)
    >>> replicas = np.ceil(requests / 60)
    >>> report = learn_throughput(
    ...     pd.DataFrame({"replicas": replicas, "requests": requests, "cpu": 0.05 * replicas + 0.005 * requests}),
    ...     Replica(0.5, 2**29))
    >>> round(report.law.rate, 3), report.counts, report.notes[0]
    (90.0, (2, 9), 'no contention is seen from 2 to 9 replicas: growth is taken as linear, also beyond')
    """
    steps = _known(usage)
    served = _served(steps)
    _require_enough(served)
    start, ratio = _newest(served, _least(steps))
    drift = steps.index[start].to_pydatetime() if start else None
    steps, served = steps.iloc[start:], served.since(start)
    counts = _counts(served)
    _require_enough(served)
    cost = fit_request_cost(served, 2 + min(2, len(counts) - 1))
    _require_explained(cost, served)
    law, bound = _laws(cost, replica, counts)
    found = ThroughputReport(
        law=law,
        bound=bound,
        cpu_request=replica.cpu_request,
        idle=float(cost.parts[IDLE]),
        counts=(int(counts[0]), int(counts[-1])),
        highest=_highest(cost, served, replica),
        days=len(np.unique(served.day)),
        words="",
        drift=drift,
        drift_ratio=ratio if start else None,
        steps=steps,
    )
    return replace(found, words=_words(found), notes=tuple(_notes(found, len(counts))))


def _known(usage: pd.DataFrame) -> pd.DataFrame:
    """The steps of which everything is known and that had a replica."""
    missing = [column for column in COLUMNS if column not in usage.columns]
    require(not missing, "history: expected usage with replicas, requests and cpu, got no {}", ", ".join(missing))
    table = usage.loc[:, list(COLUMNS)].astype(float).dropna()
    require(bool((table >= 0).all(axis=None)), "history: expected usage >= 0, got {:g}", table.min(axis=None))
    table = table.loc[table["replicas"] >= 1]
    require(
        len(table) >= LEAST_STEPS,
        "history: expected at least {} steps with replicas, requests and cpu, got {}",
        LEAST_STEPS,
        len(table),
    )
    require(bool((table["cpu"] > 0).any()), "history: expected CPU in use, got zero throughout: absent is not zero")
    return table


def _served(steps: pd.DataFrame) -> Served:
    replicas, requests, cpu = (steps[column].to_numpy(dtype=np.float64) for column in COLUMNS)
    days = np.asarray(pd.DatetimeIndex(steps.index).as_unit("s").asi8 // 86400).astype(np.intp)
    return Served(replicas, requests / replicas, cpu / replicas, days)


def _least(steps: pd.DataFrame) -> int:
    return max(LEAST_STEPS, int(REGIME / spacing(pd.DatetimeIndex(steps.index))))


def _newest(served: Served, least: int) -> tuple[int, float]:
    """The first step of the newest regime, and what a request costs in it over what it did before.

    The whole history's law stands for the x of the line that a deploy breaks: replicas that come and go do not.
    """
    terms = 2 + min(2, len(_seen(served)) - 1)
    try:
        expected = fit_request_cost(served, max(terms, 2)).at(served)
    except DataError:
        expected = served.rate
    regimes = newest_regimes(expected, served.cpu[None, :], least)
    return int(regimes.start[0]), float(regimes.ratio[0])


def _seen(served: Served) -> Array:
    """The counts of replicas that stood for long enough to tell something, ascending."""
    values, times = np.unique(np.round(served.replicas), return_counts=True)
    return np.asarray(values[times >= SEEN])


def _counts(served: Served) -> Array:
    counts = _seen(served)
    require(len(counts) > 0, "history: expected a count of replicas that stood for {} steps, got none", SEEN)
    require(counts[-1] <= MOST_REPLICAS, "history: expected at most {} replicas, got {:g}", MOST_REPLICAS, counts[-1])
    return counts


def _require_enough(served: Served) -> None:
    days = len(np.unique(served.day))
    require(days >= LEAST_DAYS, "history: expected {} days since the last deploy, got {}", LEAST_DAYS, days)
    spread = float(served.rate.std() / max(served.rate.mean(), 1e-300))
    require(
        spread > VARIES,
        "history: expected requests per replica that vary, got {:.0f} % around {:.3g}/s: idle load and requests cannot "
        "be told apart",
        100 * spread,
        served.rate.mean(),
    )


def _require_explained(cost: RequestCost, served: Served) -> None:
    cpu, expected = served.replicas * served.cpu, served.replicas * cost.at(served)
    usual = _usual(cost, served)
    left = ((cpu - expected)[usual] ** 2).sum() / max(((cpu - cpu[usual].mean())[usual] ** 2).sum(), 1e-300)
    words = "history: expected requests to explain {:.0f} % of how CPU varies, got {:.0f} %: something else uses it"
    require(1 - left >= EXPLAINED, words, 100 * EXPLAINED, 100 * max(0.0, 1 - left))


def _usual(cost: RequestCost, served: Served) -> Mask:
    """Which steps are no outliers."""
    error = np.abs(served.cpu - cost.at(served))
    return np.asarray(error <= FAR * max(float(np.median(error)), 1e-9 * float(served.cpu.max())))


def _laws(cost: RequestCost, replica: Replica, counts: Array) -> tuple[Throughput, Throughput]:
    """The law, and the same with the rate that is certain at every count from the fewest to the most seen."""
    every = np.arange(counts[0], counts[-1] + 1)
    rates, lower = cost.rates(every, replica.cpu_request)
    require(
        bool((lower > 0).all()),
        "history: expected idle load clearly below the CPU request of {:g} cores, got {:.3g}: raise it",
        replica.cpu_request,
        cost.parts[IDLE],
    )
    per_request = float(cost.parts[COST])
    law = Throughput(
        (replica.cpu_request - float(cost.parts[IDLE])) / per_request,
        float(cost.parts[CONTENTION]) / per_request,
        float(cost.parts[COHERENCE]) / per_request,
        source="history",
    )
    certain = min(1.0, float((lower / rates).min()))
    return law, replace(law, rate=law.rate * certain, source=f"history (its {100 * CONFIDENCE:.0f} % lower bound)")


def _highest(cost: RequestCost, served: Served, replica: Replica) -> float:
    """The highest utilization of a step that is no outlier."""
    return float(served.cpu[_usual(cost, served)].max() / replica.cpu_request)


def _words(found: ThroughputReport) -> str:
    fewest, most = found.counts
    one, certain = (law.at(fewest) / fewest for law in (found.law, found.bound))
    return (
        f"one of {_replicas(fewest)} serves {one:.4g} requests/s at 100 % of its CPU request, at least {certain:.4g} "
        f"with {100 * CONFIDENCE:.0f} % confidence ({found.days} days, {_span(fewest, most)}, utilization up to "
        f"{100 * found.highest:.0f} %)"
    )


def _replicas(count: int) -> str:
    return "1 replica" if count == 1 else f"{count} replicas"


def _span(fewest: int, most: int) -> str:
    return _replicas(most) if fewest == most else f"{fewest} to {most} replicas"


def _notes(found: ThroughputReport, counts: int) -> list[str]:
    notes = []
    if found.drift is not None:
        notes.append(
            f"another cost of a request since {found.drift:%Y-%m-%d %H:%MZ} (a deploy?): {found.drift_ratio:.2f} times "
            "the one before; only what came since counts"
        )
    notes.append(_growth(found, counts))
    if found.highest < NEAR:
        notes.append(
            f"no step was busier than {100 * found.highest:.0f} % of the CPU request: a limit above that which is not "
            "CPU (locks, a database) is not known"
        )
    return notes


def _growth(found: ThroughputReport, counts: int) -> str:
    """How replicas hinder each other, and where that ends."""
    law, (fewest, most) = found.law, found.counts
    if counts == 1:
        return f"only {_replicas(most)} were ever seen: growth with more is taken as linear"
    if law.contention == law.coherence == 0:
        return f"no contention is seen from {_span(fewest, most)}: growth is taken as linear, also beyond"
    best, peak = peak_throughput(found.bound)
    gain = law.at(most) / law.rate
    end = "" if best == inf else f", at {best} replicas"
    reached = f"carried on beyond, scaling out reaches {peak:.4g} requests/s{end}"
    return f"{_replicas(most)} serve what {gain:.3g} would alone; {reached}"


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
    enough = _enough_replicas(law, min(float(np.max(wanted, initial=0.0)), peak))
    reached = np.concatenate([[0.0], reached_by(law, np.arange(1, enough + 1))])
    found: Counts = np.searchsorted(reached, wanted * (1 - 1e-9)).astype(np.int64)
    return np.minimum(found, enough)


def _enough_replicas(law: Throughput, wanted: float) -> int:
    """A count that reaches the wanted rate, or the best there is: doubled until it does."""
    best, _ = peak_throughput(law)
    count = 1
    while count < best and reached_by(law, np.array([count]))[0] < wanted:
        count *= 2
    return int(min(count, best))


MOST_REPLICAS = 1_000_000  # beyond any cluster: a demand that asks for more is a unit mistaken
