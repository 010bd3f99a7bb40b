"""The size that a claim asks for now. It grows ahead of the need, or stays; it never shrinks."""

from __future__ import annotations

from datetime import datetime

from capacity.model.volume import GIB, ClaimObservation, VolumeDecision, VolumePlan, VolumeReason

NEW = 0.9  # of the planned size: a claim that has less is another one under the same name


def decide_volume(plan: VolumePlan | None, observed: ClaimObservation, now: datetime) -> VolumeDecision:
    """The size to ask for, and why.

    Parameters
    ----------
    plan : VolumePlan or None
        The plan of the claim; None where there is none.
    observed : ClaimObservation
        What the cluster shows of it.
    now : datetime
        The time to decide for, with a time zone.

    Returns
    -------
    VolumeDecision
        The larger size of the plan within the lead time, or what stands, and the reason. Where a person has to act,
        the detail says with which command.

    Examples
    --------
    >>> claim = ClaimObservation("data", "Pending", 10 * GIB, 0, "fast", True)
    >>> from datetime import UTC
    >>> decide_volume(None, claim, datetime(2026, 11, 27, tzinfo=UTC)).reason
    'HeldNoPlan'
    """
    steered = _steered(observed)
    if steered is not None:
        return steered
    if plan is None:
        return _held(observed, "HeldNoPlan", "there is no plan for this claim: its size stays")
    if now >= plan.until:
        return _held(observed, "HeldPlanExpired", f"the plan ended {plan.until:%Y-%m-%dT%H:%MZ}: the size stays")
    wanted = plan.size_at(now + plan.lead_time)
    if observed.phase == "Bound" and 0 < observed.capacity < NEW * plan.size:
        detail = f"it has {_gib(observed.capacity)}, its plan was made for {_gib(plan.size)}: plan again"
        return _held(observed, "HeldNewClaim", detail)
    if wanted <= observed.asked:
        return _lasts(plan, observed, now)
    refused = _refused(observed, wanted) or _waiting(plan, observed, now)
    return refused or VolumeDecision(observed.asked, wanted, "VolumeFillsUp", _why(plan))


def _steered(observed: ClaimObservation) -> VolumeDecision | None:
    wishes = observed.wishes
    if wishes.excluded is not None:
        return VolumeDecision(observed.asked, observed.asked, "Excluded", wishes.excluded)
    if wishes.unclear is not None:
        return _held(observed, "HeldUnclearWish", wishes.unclear)
    if wishes.frozen is not None:
        return VolumeDecision(observed.asked, observed.asked, "Frozen", wishes.frozen)
    return None


def _lasts(plan: VolumePlan, observed: ClaimObservation, now: datetime) -> VolumeDecision:
    """Nothing is to be asked for now; where the plan may not have what it needs, that is said."""
    if plan.short_by and not any(step.at > now for step in plan.steps):
        what = "max" if plan.short_by == "max" else "the quota"
        days = plan.until_full.early
        left = "" if days is None else f"; it may be full in {days:.3g} days"
        detail = f"it needs more than {what} allows{left}: raise it, or remove data"
        return _held(observed, "VolumeAtLimit", detail)
    coming = next((step for step in plan.steps if step.at > now and step.size > observed.asked), None)
    detail = "" if coming is None else f"{_gib(coming.size)} from {coming.at:%Y-%m-%dT%H:%MZ} on"
    return VolumeDecision(observed.asked, observed.asked, "VolumeLasts", detail)


def _refused(observed: ClaimObservation, wanted: int) -> VolumeDecision | None:
    """What makes an expansion impossible until a person acts, and with which command."""
    name, kind = observed.name, observed.storage_class
    if observed.phase != "Bound":
        detail = (
            f"it is {observed.phase or 'not bound'}: only a bound claim can grow; see `kubectl describe pvc {name}`"
        )
        return _held(observed, "HeldNotBound", detail)
    if observed.expandable is None:
        return None  # its class may not be read here: the server knows, and its refusal says the same
    if not kind or not observed.class_found:
        detail = (
            f"its class {kind or '(none)'} does not exist: see `kubectl get storageclass` and `kubectl get pvc {name}`"
        )
        return _held(observed, "HeldClassUnknown", detail)
    if not observed.expandable:
        detail = (
            f"its class {kind} allows no expansion: `kubectl patch storageclass {kind} -p "
            f"'{{\"allowVolumeExpansion\": true}}'` where its driver can, else move to a claim of {_gib(wanted)}"
        )
        return _held(observed, "HeldClassFixed", detail)
    return None


def _waiting(plan: VolumePlan, observed: ClaimObservation, now: datetime) -> VolumeDecision | None:
    """What an expansion waits for."""
    if observed.infeasible is not None:
        detail = f"the last expansion cannot be done ({observed.infeasible}): `kubectl describe pvc {observed.name}`"
        return _held(observed, "HeldInfeasible", detail)
    if observed.resizing is not None:
        return _held(observed, "HeldResizing", f"the last expansion is not over: {observed.resizing}")
    if observed.moved_at is not None and abs(now - observed.moved_at) < plan.cooldown:
        again = observed.moved_at + plan.cooldown
        return _held(observed, "HeldCooldown", f"its class allows the next change from {again:%Y-%m-%dT%H:%MZ} on")
    return None


def _why(plan: VolumePlan) -> str:
    days = plan.until_target.early
    when = "within the plan" if days is None else f"as early as {days:.3g} days after {plan.start:%Y-%m-%dT%H:%MZ}"
    return f"{100 * plan.target:.0f} % of its {plan.binding} may be in use {when}"


def _held(observed: ClaimObservation, reason: VolumeReason, detail: str) -> VolumeDecision:
    return VolumeDecision(observed.asked, observed.asked, reason, detail, held=True)


def _gib(size: int) -> str:
    return f"{size / GIB:.4g}Gi"
