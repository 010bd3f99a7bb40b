"""policies.json: the policy chosen for each workload, and what every candidate did on each replayed day."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from capacity.files import write_text
from capacity.model.errors import CapacityError, PlanError
from capacity.model.fields import parse_time, rfc3339
from capacity.model.policy_file import choice_document, parse_choice, parse_policy, policy_document
from capacity.model.replayed import NODE_SCORES, SCORES, Advised, DailyScores, Tried

POLICIES_SCHEMA = "capacity.policies/v2"
Policies = dict[tuple[str, str], Advised]  # by namespace and name of the workload


def write_policies(policies: Iterable[Advised], path: str | Path) -> None:
    """Write chosen policies as JSON, whole or not at all: a reader never meets half a file."""
    write_text(path, policies_text(policies))


def policies_text(policies: Iterable[Advised]) -> str:
    """Chosen policies as JSON text, for each workload a line of its own."""
    workloads = ",\n".join(f"  {json.dumps(_document(one))}" for one in policies)
    return f'{{\n "schema": {json.dumps(POLICIES_SCHEMA)},\n "workloads": [\n{workloads}\n ]\n}}\n'


def read_policies(path: str | Path) -> Policies:
    """The chosen policies of a file by namespace and name. Raises `PlanError` where it cannot be read."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise PlanError(f"no policies {file}: choose them with `capacity advise`") from error
    except (OSError, ValueError) as error:
        raise PlanError(f"{file}: expected policies as JSON, got what cannot be read ({error})") from error
    return parse_policies(text, str(file))


def parse_policies(text: str, where: str) -> Policies:
    """The chosen policies in a JSON text; `where` names it in errors. Raises `PlanError`."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{where}: expected policies as JSON, got what cannot be read ({error})") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != POLICIES_SCHEMA:
        raise PlanError(f"{where}: expected schema {POLICIES_SCHEMA}, got {schema!r}; run `capacity advise` again")
    try:
        found = [_parsed(one) for one in document["workloads"]]
    except KeyError as error:
        raise PlanError(f"{where}: expected the key {error}, which is missing") from error
    except (CapacityError, TypeError, ValueError, AttributeError) as error:
        raise PlanError(f"{where}: {error}") from error
    return {one.key: one for one in found}


def _document(one: Advised) -> dict[str, Any]:
    return {**choice_document(one.choice), "replayed": None if one.tried is None else _days_document(one.tried)}


def _days_document(tried: Tried) -> dict[str, Any]:
    """A row for each day, in it a number for each candidate."""
    known = [name for name in SCORES if name not in NODE_SCORES or getattr(tried.scores, name).any()]
    rows = {name: _short(getattr(tried.scores, name).tolist()) for name in known}
    return {
        "begin": rfc3339(tried.begin),
        "under": tried.under,
        "skill": tried.skill,
        "remarks": list(tried.remarks),
        "policies": [policy_document(one) for one in tried.policies],
        **rows,
    }


def _short(rows: list[list[float]]) -> list[list[float]]:
    """Whole numbers without their `.0`: most minutes are."""
    return [[int(value) if value == int(value) else value for value in row] for row in rows]


def _parsed(document: dict[str, Any]) -> Advised:
    days = document["replayed"]
    return Advised(parse_choice(document), None if days is None else _days(days))


def _days(document: dict[str, Any]) -> Tried:
    begin: datetime = parse_time(document["begin"])
    return Tried(
        policies=tuple(parse_policy(one) for one in document["policies"]),
        scores=DailyScores(
            *(
                np.array(document.get(name, ()) if name in NODE_SCORES else document[name], dtype=np.float64)
                for name in SCORES
            )
        ),
        begin=begin,
        skill=None if document["skill"] is None else float(document["skill"]),
        remarks=tuple(map(str, document["remarks"])),
        under=str(document["under"]),
    )
