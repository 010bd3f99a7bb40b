"""The policies that are compared: each gives a floor for every judged step, and what stands above it.

Floors come from demand alone, never from replicas; where an HPA stands above, it takes what demand does beyond the
floor. None looks ahead: the floor of a step depends on the steps before it (the optimum and the oracle apart, which
exist to be measured against).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from capacity.domain.arrays import Array, Counts
from capacity.simulation.case import Case
from capacity.simulation.hpa.spec import DOWNSCALE_STABILIZATION
from capacity.simulation.optimum import clairvoyant, rate_oracle
from capacity.simulation.reactive import Rule
from capacity.stats import sliding_maxima

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
OPTIMUM = "clairvoyant"
TARGETS = tuple(range(30, 91, 5))  # percent: the sweep of the HPA frontier
STABILIZATIONS = tuple(timedelta(minutes=minutes) for minutes in (0, 5, 15, 60))


@dataclass(frozen=True, slots=True)
class Policy:
    """A name, the floor at every judged sync (ticks,), and the HPA above it (`rule.follows` False: none).

    `swept`: one of the many HPAs alone that span the frontier, not a policy to be shown by itself.
    """

    name: str
    floor: Counts
    rule: Rule
    swept: bool = False


def hpa_sweep(case: Case) -> list[Policy]:
    """HPAs alone, at every target and stabilization: their undominated points are the frontier to beat."""
    lowest = np.full(case.judged_ticks, case.promise.floor)
    return [
        Policy(
            f"HPA at {target} %, {window // timedelta(minutes=1)} min", lowest, _rule(case, target, window), swept=True
        )
        for target in TARGETS
        for window in STABILIZATIONS
    ]


def static_peak(case: Case) -> Policy:
    """As many replicas as the highest demand before would have needed, at all times."""
    return _static(case, "static peak", float(case.demand[: case.begin].max()))


def static_quantile(case: Case, quantile_level: float = 0.99) -> Policy:
    """As many replicas as a quantile of the demand before would have needed, at all times."""
    demand = float(np.quantile(case.demand[: case.begin], quantile_level))
    return _static(case, f"static q{quantile_level:g}", demand)


def cron_schedule(case: Case, target: int = 70) -> Policy:
    """A person's schedule beside an HPA: the highest need of each hour of the week in the four weeks before."""
    known = case.demand[max(0, case.begin - case.steps_in(4 * WEEK)) : case.begin]
    season = case.steps_in(WEEK if len(known) >= case.steps_in(2 * WEEK) else DAY)
    hour = case.steps_in(HOUR)
    phases = (np.arange(case.begin - len(known), len(case.demand)) % season) // hour
    highest = np.zeros(phases.max() + 1)
    np.maximum.at(highest, phases[: len(known)], known)
    return Policy("HPA + cron", case.held(case.ahead(case.needed(highest[phases[len(known) :]]))), _rule(case, target))


def aws_like(case: Case, target: int = 70) -> Policy:
    """As AWS documents predictive scaling: hourly means of 14 days, forecast anew every 6 hours, never below reactive.

    An hour is forecast as the mean of the same hours of the week, or of the day while there is no week yet.
    """
    planned = _rolling(case, 6 * HOUR, lambda origin, steps: _hourly_means(case, origin, steps))
    return Policy("AWS-like", case.held(case.ahead(case.needed(planned))), _rule(case, target))


def ahpa_like(case: Case, target: int = 70, quantile_level: float = 0.9) -> Policy:
    """As AHPA is described: a day ahead from the same minutes of 7 days, at a quantile, shifted by the start time."""

    def forecast(origin: int, steps: int) -> Array:
        day, days = case.steps_in(DAY), min(7, origin // case.steps_in(DAY))
        if days == 0:
            return np.zeros(steps)
        same = case.demand[origin - days * day : origin].reshape(days, day)
        return np.asarray(np.quantile(same, quantile_level, axis=0)[np.arange(steps) % day])

    return Policy("AHPA-like", case.held(case.ahead(case.needed(_rolling(case, DAY, forecast)))), _rule(case, target))


def autopilot_like(case: Case, quantile_level: float = 0.95, delay: timedelta = 2 * DAY) -> Policy:
    """As Autopilot scales horizontally: a quantile of the last 72 hours, lowered only after `delay`; no HPA."""
    every, window = case.steps_in(5 * timedelta(minutes=1)), case.steps_in(3 * DAY)
    reach = case.steps_in(delay)
    origins = np.arange(max(1, case.begin - reach), len(case.demand), every)
    seen = [np.quantile(case.demand[max(0, at - window) : at], quantile_level) for at in origins]
    recommended = np.repeat(case.needed(np.array(seen)), every)[: len(case.demand) - origins[0]]
    held = sliding_maxima(recommended[::-1], reach + 1)[::-1]  # of the last `delay`
    return Policy(
        "Autopilot-like", case.held(held[case.begin - origins[0] :]), Rule(ceiling=case.ceiling, follows=False)
    )


def seasonal_naive(case: Case, quantile_level: float = 0.95, target: int = 70) -> Policy:
    """Last week's demand (yesterday's while there is no week yet) times a quantile of how far that was off lately."""

    def forecast(origin: int, steps: int) -> Array:
        season = case.steps_in(WEEK if origin >= case.steps_in(2 * WEEK) else DAY)
        if origin < 2 * season:
            return np.zeros(steps)
        last = case.demand[origin - season : origin]
        before = case.demand[origin - 2 * season : origin - season]
        known = before > 0
        factor = float(np.quantile(last[known] / before[known], quantile_level)) if known.any() else 1.0
        return np.asarray(last[np.arange(steps) % season] * factor)

    name = f"seasonal naive q{quantile_level:g}"
    return Policy(name, case.held(case.ahead(case.needed(_rolling(case, DAY, forecast)))), _rule(case, target))


def oracle(case: Case, quantile_level: float = 0.999) -> Policy:
    """Knows the smooth rate to come, not the noise on it: the least an honest policy pays on a noisy service."""
    rate = rate_oracle(case.judged, min(case.steps_in(timedelta(minutes=30)), len(case.judged)), quantile_level)
    closed = clairvoyant(case.needed(rate), case.cluster.start.median / case.step)
    return Policy("rate oracle", case.held(case.ahead(closed)), Rule(ceiling=case.ceiling, follows=False))


def _static(case: Case, name: str, demand: float) -> Policy:
    replicas = np.repeat(case.needed(np.array([demand])), len(case.judged))
    return Policy(name, case.held(replicas), Rule(ceiling=case.ceiling, follows=False))


def _rule(case: Case, target: int, window: timedelta = DOWNSCALE_STABILIZATION) -> Rule:
    return Rule(target, window, case.ceiling)


def _rolling(case: Case, every: timedelta, forecast: Callable[[int, int], Array]) -> Array:
    """Forecasts from successive origins, each used until the next: (judged steps,)."""
    stride = case.steps_in(every)
    origins = range(case.begin, len(case.demand), stride)
    return np.concatenate([forecast(origin, min(stride, len(case.demand) - origin)) for origin in origins])


def _hourly_means(case: Case, origin: int, steps: int) -> Array:
    hour, known = case.steps_in(HOUR), case.demand[max(0, origin - case.steps_in(14 * DAY)) : origin]
    season = case.steps_in(WEEK if len(known) >= case.steps_in(WEEK) else DAY)
    phases = np.arange(origin - len(known), origin + steps) % season // hour
    counts = np.bincount(phases[: len(known)], minlength=phases.max() + 1)
    totals = np.bincount(phases[: len(known)], known, minlength=phases.max() + 1)
    means = np.divide(totals, counts, out=np.zeros_like(totals), where=counts > 0)
    return np.asarray(means[phases[len(known) :]])
