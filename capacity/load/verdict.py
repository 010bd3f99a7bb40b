"""Turns estimates into a verdict: use the learned response, forecast usage directly, or keep the configured costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from capacity.load.estimation import Learned
from capacity.load.regression import LEVELS, spreads
from capacity.model import Finding, LoadModel, Response, Spread
from capacity.model.arrays import Array

LEAST_R2 = 0.2  # of the load's variance; below it usage says more about itself than sales do
UNIT_MISTAKEN = 100.0  # times the configured load: a factor of 1000 (millicores, MB) seen through other errors
LEAST_USAGE = timedelta(days=2)  # of usage from which it is forecast directly: one day repeated once
NONE = timedelta(0)
# Units that people read, and how many of ours they are.
SHOWN_UNITS = {"cpu": (1.0, "cores"), "memory": (2.0**20, "MiB"), "requests": (1.0, "requests/s")}
NAMES = {"cpu": "CPU", "memory": "memory", "requests": "requests"}


@dataclass(frozen=True, slots=True)
class LearnedCase:
    """One resource of one workload: its usage (T,), what is configured (base, slope), and why not to learn if not."""

    resource: str
    values: Array
    step: timedelta
    configured: tuple[float, float] | None
    reason: str | None = None

    @property
    def points(self) -> int:
        """Steps of usage that were seen."""
        return int((~np.isnan(self.values)).sum())


def judge(case: LearnedCase, learned: Learned | None, least: int | None) -> Finding:
    """The verdict on one resource, with its sentence; `least` steps of sales must have usage, None: no sales at all."""
    name = NAMES[case.resource]
    if case.reason is not None:
        return _keep_configured(case, case.reason)
    if least is None:
        return _forecast_directly(case, f"there are no sales to explain {name}", None)
    if learned is None and least == 0:
        return _forecast_directly(case, f"usage of {name} and sales do not overlap", None)
    if learned is None or learned.points < least:
        points = 0 if learned is None else learned.points
        return _forecast_directly(
            case, f"only {points} steps of sales have usage of {name}, {least} are needed", learned
        )
    if not learned.sales_vary:
        return _forecast_directly(case, f"sales never change, so that they explain nothing of {name}", learned)
    if learned.r2 < LEAST_R2:
        return _forecast_directly(case, f"sales explain {100 * learned.r2:.0f} % of this workload's {name}", learned)
    if learned.slope < 0:
        return _forecast_directly(case, f"{name} falls as sales rise: they do not drive it", learned)
    return _unit_mismatch(case, learned) or _learned_finding(case, learned)


def _learned_finding(case: LearnedCase, learned: Learned) -> Finding:
    response, (size, unit) = learned.response, SHOWN_UNITS[case.resource]
    costs = (response.base, response.per_sale_per_hour, *response.slope_interval)
    idle, slope, low, high = (cost / size for cost in costs)
    words = (
        f"sales explain {100 * learned.r2:.0f} % of this workload's {NAMES[case.resource]}: {idle:.4g} {unit} idle + "
        f"{slope:.4g} ({low:.4g} to {high:.4g}) per sale per hour"
    )
    return _finding(case, "learned", words, learned, response)


def _unit_mismatch(case: LearnedCase, learned: Learned) -> Finding | None:
    if case.configured is None:
        return None
    base, slope = case.configured
    usual, prior = float(np.nanmedian(case.values)), base + slope * learned.response.center
    if not prior or 1 / UNIT_MISTAKEN < usual / prior < UNIT_MISTAKEN:
        return None
    size, unit = SHOWN_UNITS[case.resource]
    words = (
        f"usual {NAMES[case.resource]} is {usual / size:.4g} {unit}, {usual / prior:.3g} times the configured "
        f"{prior / size:.4g}: is one of the two in another unit? The configured costs are kept"
    )
    return _finding(case, "configured", words, learned, None)


def _forecast_directly(case: LearnedCase, reason: str, learned: Learned | None) -> Finding:
    if case.points * case.step < LEAST_USAGE:
        return _keep_configured(case, f"{reason}, and its usage covers less than {LEAST_USAGE.days} days")
    words = f"{reason}: forecast usage directly"
    return _finding(case, "direct", words, learned, level_response(case.values))


def _keep_configured(case: LearnedCase, reason: str) -> Finding:
    kept = "the configured costs are kept" if case.configured else "and no costs are configured"
    return Finding(case.resource, "configured", f"usage of {NAMES[case.resource]}: {reason}; {kept}", case.points)


def _finding(
    case: LearnedCase, verdict: str, words: str, learned: Learned | None, response: Response | None
) -> Finding:
    estimate = learned if learned is not None and learned.points else None
    return Finding(
        resource=case.resource,
        verdict=verdict,  # type: ignore[arg-type]
        words=words,
        points=estimate.points if estimate else case.points,
        r2=estimate.r2 if estimate else None,
        response=response,
        residual_season=estimate.residual_season if estimate else None,
        drift=estimate.drift if estimate else None,
        drift_ratio=estimate.drift_ratio if estimate and estimate.drift else None,
        notes=_notes(estimate) if estimate and verdict == "learned" else (),
    )


def _notes(learned: Learned) -> tuple[str, ...]:
    response, notes = learned.response, []
    if learned.drift is not None:
        notes.append(
            f"the response to sales changed at {learned.drift:%Y-%m-%d %H:%MZ} (a deploy?): at high sales the load is "
            f"now {learned.drift_ratio:.2f} times what it was; only data since then is used"
        )
    if response.lag:
        side = "after" if response.lag > NONE else "before"
        notes.append(f"load comes {_duration_text(abs(response.lag))} {side} its orders{_clock_doubt(response.lag)}")
    if response.saturation is not None:
        notes.append(
            f"load flattens as sales rise (half its slope is lost at {response.saturation:.4g} sales/h): caches, or a "
            "limit that was hit? Beyond the highest sales seen, the plan assumes that it keeps rising"
        )
    if response.extra is not None:
        notes.append(
            f"the hour of the week explains {100 * learned.residual_season:.0f} % of what sales leave; it "
            "is planned for"
        )
    return tuple(notes)


def _clock_doubt(lag: timedelta) -> str:
    """That a lag of whole hours may be that of a clock, as where local times are written as UTC; else empty.

    >>> _clock_doubt(timedelta(minutes=25)), _clock_doubt(timedelta(hours=2))[:31]
    ('', '; if the work is not done then,')
    """
    if lag == NONE or lag % timedelta(hours=1):
        return ""
    return "; if the work is not done then, one of them is on another clock: compare sales.timezone and usage.timezone"


def _duration_text(span: timedelta) -> str:
    """A lag as people say it.

    >>> _duration_text(timedelta(minutes=25)), _duration_text(timedelta(hours=2))
    ('25 minutes', '2 hours')
    """
    hours = span / timedelta(hours=1)
    return f"{hours:.3g} hours" if hours >= 2 else f"{60 * hours:.3g} minutes"


def level_response(values: Array) -> Response:
    """A load that follows no sales: the median of its usage and the spread around it."""
    seen = values[~np.isnan(values)]
    middle = float(np.median(seen))
    excess, typical, _ = spreads(seen[None, :] - middle, np.full((1, len(seen)), middle))
    spread = Spread(LEVELS, excess[0], float(typical[0]), 0.0)
    return Response(middle, 0.0, 0.0, 0.0, 0.0, 0.0, spread)


def model_of(findings: tuple[Finding, ...], prior: LoadModel | None) -> LoadModel:
    """The load model of what was found; what was not found is as configured."""
    responses = {found.resource: found.response for found in findings if found.response is not None}
    numbers: dict[str, float] = {}
    for resource in ("cpu", "memory"):
        response = responses.get(resource)
        for name, value in (("base", "base"), ("per_sale_per_hour", "per_sale_per_hour")):
            configured = getattr(prior, f"{resource}_{name}") if prior else 0.0
            numbers[f"{resource}_{name}"] = configured if response is None else getattr(response, value)
    return LoadModel(
        **numbers,
        cpu=responses.get("cpu"),
        memory=responses.get("memory"),
        requests=responses.get("requests"),
    )
