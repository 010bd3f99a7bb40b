"""Decides for how many pods nodes must be ready now. A buffer rises at once, and is reduced when a peak is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from capacity.model import require
from capacity.model.headroom import BufferState, Headroom, HeadroomDecision, HeadroomReason
from capacity.model.policy import ControllerRules

CALM = timedelta(minutes=30)  # a buffer moves once for what is planned in this time, as floors do
SLACK = timedelta(minutes=2)  # beyond the lead time before missing nodes are reported: the autoscaler needs to update


def decide_headroom(
    plan: Headroom | None, seen: BufferState, now: datetime, rules: ControllerRules | None = None
) -> HeadroomDecision:
    """Decide how many pods a buffer asks for now, and why. Deciding again within the same step changes nothing.

    It covers every step that overlaps ``[now, now + controller period + one spare period]``, rises at once to what the
    next half hour needs, and is reduced only to that. Without a plan it is held until it expires.

    Parameters
    ----------
    plan : Headroom or None
        The plan to follow; None where there is none.
    seen : BufferState
        What the cluster shows of the buffer.
    now : datetime
        The time to decide for, with a time zone.
    rules : ControllerRules or None
        The controller's period and how long it holds without a plan. Default: `ControllerRules()`.

    Returns
    -------
    HeadroomDecision
        The pods to ask for, and the reason.

    Examples
    --------
    >>> decide_headroom(None, BufferState(3), datetime(2026, 11, 27, tzinfo=UTC)).reason
    'HeldNoPlan'
    """
    require(now.tzinfo is not None, "now must carry a time zone, got the naive time {}", now)
    rules, now = rules or ControllerRules(), now.astimezone(UTC)
    if seen.foreign is not None:
        return _stays(seen, "HeldForeignOwner", f"made by {seen.foreign}: rename it, or remove headroom here")
    steered = _steered(seen)
    if steered is not None:
        return steered
    if seen.refused is not None:
        return _stays(seen, *seen.refused)
    if plan is None or now >= plan.end + rules.hold_for:
        return _unplanned(seen, now)
    if now >= plan.end:
        return _stays(seen, "HeldPlanExpired", f"the plan ended at {plan.end:%Y-%m-%dT%H:%MZ}")
    return _planned(plan, seen, now, rules)


def _steered(seen: BufferState) -> HeadroomDecision | None:
    """What a person requested with annotations on the buffer; None if nothing."""
    wishes = seen.wishes
    if wishes.excluded is not None:
        return HeadroomDecision(seen.replicas, "Excluded", wishes.excluded)
    if wishes.unclear is not None:
        return _stays(seen, "HeldUnclearWish", wishes.unclear)
    return None if wishes.frozen is None else HeadroomDecision(seen.replicas, "Frozen", wishes.frozen)


def _unplanned(seen: BufferState, now: datetime) -> HeadroomDecision:
    """Hold the buffer until it expires; then remove it, since no plan needs its nodes."""
    if seen.replicas is not None and seen.expires is not None and now >= seen.expires:
        return HeadroomDecision(None, "PlanExpired", f"nobody renewed it by {seen.expires:%Y-%m-%dT%H:%MZ}")
    return _stays(seen, "HeldNoPlan", "no plan holds headroom for it")


def _planned(plan: Headroom, seen: BufferState, now: datetime, rules: ControllerRules) -> HeadroomDecision:
    stands, reach = seen.replicas or 0, now + 2 * rules.period
    need = plan.between(now, reach)
    if need is None or (now < plan.start and need < stands):
        return _stays(seen, "HeldPlanNotStarted", f"the plan starts at {plan.start:%Y-%m-%dT%H:%MZ}")
    longer = max(need, plan.between(now, reach + CALM) or 0)
    detail = (
        f"{need} pod{'s' * (need != 1)} at {plan.level:g} within the nodes' {plan.lead_time.total_seconds() / 60:g} min"
    )
    if need > stands:
        return HeadroomDecision(longer, "PeakAhead", detail)
    if longer < stands and seen.edited:
        return _stays(seen, "HeldEdited", f"somebody set {stands}; the plan needs {longer}")
    if longer < stands:
        return HeadroomDecision(longer, "PeakPassed", detail)
    return _provisioned(plan, seen, now, detail)


def _provisioned(plan: Headroom, seen: BufferState, now: datetime, detail: str) -> HeadroomDecision:
    """A buffer that is as planned: whether its nodes are ready, once they have had time to join."""
    patience, moved = plan.lead_time + SLACK, seen.moved_at
    late = bool(seen.replicas) and not seen.provisioned and moved is not None and now - moved >= patience
    if not late or moved is None:
        return HeadroomDecision(seen.replicas, "AsPlanned", detail)
    said = seen.message or "its status is empty"
    pods = f"{seen.replicas} pod{'s' * (seen.replicas != 1)}"
    text = f"nodes for {pods} were requested at {moved:%H:%MZ} and are not ready: {said}"
    return _stays(seen, "BufferNotProvisioned", text)


def _stays(seen: BufferState, reason: HeadroomReason, detail: str) -> HeadroomDecision:
    return HeadroomDecision(seen.replicas, reason, detail, held=True)
