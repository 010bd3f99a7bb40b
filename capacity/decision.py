"""Plan + observation + now -> decision: a number and its reason. Pure, idempotent, and it never lowers in doubt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil

from capacity.domain import Decision, Observation, WorkloadPlan, require

CUT = "CeilingReached"
ROUNDING = 1e-9  # 10 x 1.1 is 11.000000000000002 to a computer


@dataclass(frozen=True, slots=True)
class Policy:
    """How floors move: how often we look, how long a dead plan is held, how fast floors fall, whose the ceiling is."""

    period: timedelta = timedelta(minutes=1)
    hold_for: timedelta = timedelta(hours=6)
    step_down: float = 0.10
    ceiling_buffer: float | None = None

    def __post_init__(self) -> None:
        require(self.period > timedelta(0), "period must be > 0, got {}", self.period)
        require(self.hold_for >= timedelta(0), "hold_for must be >= 0, got {}", self.hold_for)
        require(0 < self.step_down <= 1, "step_down must lie in (0, 1], got {}", self.step_down)


def decide(
    plan: WorkloadPlan | None, observation: Observation, now: datetime, policy: Policy | None = None
) -> Decision:
    """The floor and ceiling to set now, and why. Deciding again on the result changes nothing within the same step.

    The floor covers every step that overlaps `[now, now + lead time + controller period + one spare period]`, so that
    one missed run opens no hole. It rises at once and comes down by at most `step_down` a pass. Without a plan, before
    it starts, or while an expired one is held, the floor stays (`held`); after `hold_for` it moves to the safe floor.

    >>> from datetime import UTC
    >>> decide(None, Observation(4, 20, 4, 4), datetime(2026, 11, 27, tzinfo=UTC)).reason
    'HeldNoPlan'
    """
    require(now.tzinfo is not None, "now must carry a time zone, got the naive time {}", now)
    policy, now = policy or Policy(), now.astimezone(UTC)  # a local clock would add hours across a change of clocks
    if plan is None:
        return _hold(observation, "HeldNoPlan", "no plan names this workload")
    if observation.current == 0:
        return _hold(observation, "ScaledToZero", "a floor does not wake a workload at 0 replicas")
    if now >= plan.end:
        return _expired(plan, observation, now, policy)
    reach = now + plan.lead_time + 2 * policy.period
    highest = plan.highest_between(now, reach)
    if highest is None or (now < plan.start and highest.replicas < observation.floor):
        return _hold(observation, "HeldPlanNotStarted", f"the plan starts at {plan.start:%Y-%m-%dT%H:%MZ}")
    need = highest.replicas
    if observation.edited_by is not None and need < observation.floor:
        return _hold(observation, "HeldEdited", f"{observation.edited_by} set this floor; the plan needs only {need}")
    decision = _move(need, observation, policy, _detail(plan, now, reach, need))
    return _cut(decision) if highest.reason == CUT else decision


def _hold(observation: Observation, reason: str, detail: str) -> Decision:
    return Decision(
        observation.floor, observation.ceiling, reason, observation.floor, observation.ceiling, detail=detail, held=True
    )


def _expired(plan: WorkloadPlan, observation: Observation, now: datetime, policy: Policy) -> Decision:
    ended = f"plan ended {plan.end:%Y-%m-%dT%H:%MZ}"
    if now < plan.end + policy.hold_for:
        return _hold(observation, "HeldPlanExpired", f"{ended}, floor held until {plan.end + policy.hold_for:%H:%MZ}")
    moved = _move(plan.safe_floor, observation, policy, f"{ended}: safe floor {plan.safe_floor}")
    return replace(moved, reason="PlanExpired", held=True)


def _move(need: int, observation: Observation, policy: Policy, detail: str) -> Decision:
    ceiling = _ceiling(need, observation, policy)
    wanted = min(need, ceiling)
    lowest = observation.floor - max(1, int(observation.floor * policy.step_down))
    floor = min(max(wanted, lowest), ceiling)
    clamps = ((CUT,) if wanted < need else ()) + (("StepDown",) if floor > wanted else ())
    reason = _reason(floor, observation.floor, clamps)
    return Decision(floor, ceiling, reason, observation.floor, observation.ceiling, detail, clamps)


def _cut(decision: Decision) -> Decision:
    """The plan itself was cut at its ceiling: the floor is the highest allowed, and short of the need."""
    return replace(decision, reason=CUT, clamps=tuple(dict.fromkeys((CUT, *decision.clamps))))


def _ceiling(need: int, observation: Observation, policy: Policy) -> int:
    """Raised to need x (1 + buffer) where the policy allows; given back after the peak, never below what runs."""
    if policy.ceiling_buffer is None:
        return observation.ceiling
    if need > observation.ceiling:
        return ceil(need * (1 + policy.ceiling_buffer) - ROUNDING)
    baseline = observation.baseline_ceiling
    still_needed = max(need, observation.current, observation.desired, observation.floor)
    if baseline is not None and still_needed <= baseline < observation.ceiling:
        return baseline
    return observation.ceiling


def _reason(floor: int, before: int, clamps: tuple[str, ...]) -> str:
    if CUT in clamps:
        return CUT
    if floor == before:
        return "AsPlanned"
    return "DemandRising" if floor > before else "DemandFalling"


def _detail(plan: WorkloadPlan, now: datetime, reach: datetime, need: int) -> str:
    text, peak = f"{need} until {reach:%H:%MZ}", plan.peak
    if peak.at >= now:
        text += f"; peak {peak.replicas} at {peak.at:%m-%d %H:%MZ}"
        text += "" if peak.sales is None else f", {peak.sales:.4g} sales at {peak.quantile_level:g}"
    return text
