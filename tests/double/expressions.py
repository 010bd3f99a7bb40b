"""The expressions of a MutatingAdmissionPolicy: CEL, as far as a CEL library without Kubernetes' types can read it.

https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from celpy.adapter import CELJSONEncoder

from tests.double.custom import evaluate, unreadable_term
from tests.double.status import JSON, Cause, missing_value, wrong_value

TYPED = re.compile(r"\bObject(?:\.\w+)*\s*\{")
FIELD = re.compile(r"(?<=[{,])\s*(\w+)\s*:")


def as_map(expression: str) -> str:
    """Return an apply configuration with its typed objects as maps, which any CEL library reads.

    >>> as_map("Object{spec: Object.spec{minReplicas: 2}}")
    "{'spec': {'minReplicas': 2}}"
    """
    return FIELD.sub(r"'\1':", TYPED.sub("{", expression))


def configuration(expression: str, given: Mapping[str, Any]) -> JSON:
    """Return the configuration that an expression of type ApplyConfiguration gives, or raise `ValueError`."""
    value = json.loads(json.dumps(evaluate(as_map(expression), given), cls=CELJSONEncoder))
    if not isinstance(value, dict):
        raise ValueError(f"expected an Object, got {value!r}")
    return value


def check_policy(item: JSON, old: JSON | None) -> list[Cause]:
    """Refuse a policy without mutations, or with expressions or patches that the double cannot read."""
    spec, problems = item["spec"], []
    if not spec.get("mutations"):
        problems.append(missing_value("spec.mutations", "mutations must contain at least one item"))
    for index, condition in enumerate(spec.get("matchConditions", [])):
        problems += _check(condition["expression"], f"spec.matchConditions[{index}].expression")
    for index, variable in enumerate(spec.get("variables", [])):
        problems += _check(variable["expression"], f"spec.variables[{index}].expression")
    for index, mutation in enumerate(spec.get("mutations", [])):
        where = f"spec.mutations[{index}]"
        if mutation.get("patchType") != "ApplyConfiguration":
            rule = "the double reads ApplyConfiguration only"
            problems.append(wrong_value(f"{where}.patchType", mutation.get("patchType"), rule))
        else:
            expression = as_map(mutation["applyConfiguration"]["expression"])
            problems += _check(expression, f"{where}.applyConfiguration.expression")
    return problems


def _check(expression: str, where: str) -> list[Cause]:
    term = unreadable_term(expression)
    return [wrong_value(where, term, "compilation failed: Syntax error")] if term else []
