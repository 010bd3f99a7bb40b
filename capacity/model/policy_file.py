"""policies.json: the policy chosen for each workload, with its evidence, as `advise` writes and `plan` reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from capacity.files import write_text
from capacity.model.errors import CapacityError, PlanError
from capacity.model.policy import Choice, Evidence, Objective, Policy

POLICIES_SCHEMA = "capacity.policies/v1"
DIGITS = 4  # of costs and minutes: more would pretend that another replay agrees in them
Choices = dict[tuple[str, str], Choice]


def write_choices(choices: Iterable[Choice], path: str | Path) -> None:
    """Write the choices as JSON, whole or not at all: a reader never meets half a file."""
    document = {"schema": POLICIES_SCHEMA, "workloads": [choice_document(one) for one in choices]}
    write_text(path, json.dumps(document, indent=1) + "\n")


def read_choices(path: str | Path) -> Choices:
    """The choices of a policies file by namespace and name. Raises `PlanError` where it cannot be read."""
    file = Path(path)
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PlanError(f"no policies {file}: choose them with `capacity advise`") from error
    except (OSError, ValueError) as error:
        raise PlanError(f"{file}: expected policies as JSON, got what cannot be read ({error})") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != POLICIES_SCHEMA:
        raise PlanError(f"{file}: expected schema {POLICIES_SCHEMA}, got {schema!r}; run `capacity advise` again")
    try:
        found = [parse_choice(one) for one in document["workloads"]]
    except KeyError as error:
        raise PlanError(f"{file}: expected the key {error}, which is missing") from error
    except (CapacityError, TypeError, ValueError, AttributeError) as error:
        raise PlanError(f"{file}: {error}") from error
    return {one.key: one for one in found}


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
    }


def evidence_document(evidence: Evidence) -> dict[str, Any]:
    """What a policy did, as JSON values: means per day, and intervals."""
    policy = evidence.policy
    return {
        "policy": {
            "target": policy.target,
            "floors": policy.floors,
            "quantile_level": policy.quantile_level,
            "calm": policy.calm,
            "stabilization": round(policy.stabilization.total_seconds()),
            "standing": policy.standing,
        },
        "days": evidence.days,
        "cost": round(evidence.cost, DIGITS),
        "minutes_above": round(evidence.minutes_above, DIGITS),
        "overload_minutes": round(evidence.overload_minutes, DIGITS),
        "cost_interval": [round(value, DIGITS) for value in evidence.cost_interval],
        "minutes_interval": [round(value, DIGITS) for value in evidence.minutes_interval],
        "overload_interval": [round(value, DIGITS) for value in evidence.overload_interval],
    }


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
    )


def _evidence(document: dict[str, Any]) -> Evidence:
    policy = dict(document["policy"])
    policy["stabilization"] = timedelta(seconds=policy["stabilization"])
    return Evidence(
        policy=Policy(**policy),
        days=document["days"],
        cost=float(document["cost"]),
        minutes_above=float(document["minutes_above"]),
        overload_minutes=float(document["overload_minutes"]),
        cost_interval=_interval(document["cost_interval"]),
        minutes_interval=_interval(document["minutes_interval"]),
        overload_interval=_interval(document["overload_interval"]),
    )


def _interval(values: list[float]) -> tuple[float, float]:
    low, high = values
    return float(low), float(high)
