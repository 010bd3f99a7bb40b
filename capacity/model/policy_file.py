"""A chosen policy with its evidence as JSON values: part of plan.json and of policies.json."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from capacity.model.choice import Choice, Evidence, PaysFrom
from capacity.model.policy import Objective, Policy

DIGITS = 4  # of costs and minutes: more would pretend that another replay agrees in them


def choice_document(choice: Choice) -> dict[str, Any]:
    """A choice as JSON values: times RFC 3339, durations in seconds."""
    objective = choice.objective
    return {
        "namespace": choice.namespace,
        "name": choice.name,
        "chosen_at": choice.chosen_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "objective": {
            "target": objective.target,
            "minutes": objective.minutes,
            "overload_cost": objective.overload_cost,
        },
        "reason": choice.reason,
        "unit": choice.unit,
        "recommended": evidence_document(choice.recommended),
        "today": evidence_document(choice.today),
        "meanwhile": None if choice.meanwhile is None else evidence_document(choice.meanwhile),
        "rivals": [evidence_document(one) for one in choice.rivals],
        "remarks": list(choice.remarks),
        **({} if choice.pays_from is None else {"pays_from": _pays_from_document(choice.pays_from)}),
    }


def _pays_from_document(found: PaysFrom) -> dict[str, Any]:
    return {
        "now": found.now.total_seconds(),
        "slow": found.slow.total_seconds(),
        "found": found.found,
        "rise": round(found.rise, DIGITS),
        "slow_rise": round(found.slow_rise, DIGITS),
    }


def _pays_from(document: dict[str, Any]) -> PaysFrom:
    now, slow = (timedelta(seconds=document[name]) for name in ("now", "slow"))
    return PaysFrom(now, slow, bool(document["found"]), float(document["rise"]), float(document["slow_rise"]))


def evidence_document(evidence: Evidence) -> dict[str, Any]:
    """What a policy did, as JSON values: means per day, and intervals."""
    return {
        "policy": policy_document(evidence.policy),
        "days": evidence.days,
        "cost": round(evidence.cost, DIGITS),
        "minutes_above": round(evidence.minutes_above, DIGITS),
        "overload_minutes": round(evidence.overload_minutes, DIGITS),
        "cost_interval": [round(value, DIGITS) for value in evidence.cost_interval],
        "minutes_interval": [round(value, DIGITS) for value in evidence.minutes_interval],
        "overload_interval": [round(value, DIGITS) for value in evidence.overload_interval],
        **({} if evidence.node_waits is None else {"node_waits": round(evidence.node_waits, DIGITS)}),
    }


def policy_document(policy: Policy) -> dict[str, Any]:
    """A policy as JSON values."""
    return {
        "target": policy.target,
        "floors": policy.floors,
        "quantile_level": policy.quantile_level,
        "calm": policy.calm,
        "stabilization": round(policy.stabilization.total_seconds()),
        "standing": policy.standing,
        **({} if policy.headroom is None else {"headroom": policy.headroom}),
    }


def parse_policy(document: dict[str, Any]) -> Policy:
    """The inverse of `policy_document`."""
    return Policy(**{**document, "stabilization": timedelta(seconds=document["stabilization"])})


def parse_choice(document: dict[str, Any]) -> Choice:
    """The inverse of `choice_document`. Raises `KeyError`, `TypeError` or `ValueError` for what is not one."""
    moment = datetime.fromisoformat(document["chosen_at"])
    return Choice(
        namespace=str(document["namespace"]),
        name=str(document["name"]),
        chosen_at=moment,
        objective=Objective(**document["objective"]),
        recommended=_evidence(document["recommended"]),
        today=_evidence(document["today"]),
        reason=document["reason"],
        meanwhile=None if document["meanwhile"] is None else _evidence(document["meanwhile"]),
        rivals=tuple(_evidence(one) for one in document["rivals"]),
        unit=str(document["unit"]),
        remarks=tuple(map(str, document["remarks"])),
        pays_from=_pays_from(document["pays_from"]) if document.get("pays_from") else None,
    )


def _evidence(document: dict[str, Any]) -> Evidence:
    return Evidence(
        policy=parse_policy(document["policy"]),
        days=document["days"],
        cost=float(document["cost"]),
        minutes_above=float(document["minutes_above"]),
        overload_minutes=float(document["overload_minutes"]),
        cost_interval=_interval(document["cost_interval"]),
        minutes_interval=_interval(document["minutes_interval"]),
        overload_interval=_interval(document["overload_interval"]),
        node_waits=None if document.get("node_waits") is None else float(document["node_waits"]),
    )


def _interval(values: list[float]) -> tuple[float, float]:
    low, high = values
    return float(low), float(high)
