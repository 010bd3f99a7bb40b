"""MutatingAdmissionPolicies at work: which match a write, and what they change of it.

https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.double import builtin
from tests.double.calls import Call
from tests.double.custom import evaluate
from tests.double.expressions import configuration
from tests.double.ownership import merge_config
from tests.double.selectors import chosen
from tests.double.status import JSON, forbidden_by
from tests.double.store import Store


def mutate(store: Store, call: Call, item: JSON, live: JSON | None) -> None:
    """Apply every bound policy that matches; the writer keeps owning what was written, as on the real server."""
    for policy in _bound(store):
        spec = policy["spec"]
        if not _matches(store, call, spec["matchConstraints"], item, live):
            continue
        given = _given(store, call, item, live)
        try:
            _mutate(call, spec, item, given)
        except ValueError as error:
            if spec["failurePolicy"] == "Fail":
                problem = f"policy '{policy['metadata']['name']}' denied request: {error}"
                raise forbidden_by(call.resource.target(item["metadata"].get("name", "")), problem) from error


def _bound(store: Store) -> Iterator[JSON]:
    for binding in store.items(builtin.MUTATING_BINDINGS):
        policy = store.get(builtin.MUTATING_POLICIES, "", binding["spec"]["policyName"])
        if policy:
            yield policy


def _mutate(call: Call, spec: JSON, item: JSON, given: JSON) -> None:
    if not _holds(spec.get("matchConditions", []), given):
        return
    given["variables"] = variables = {}
    for variable in spec.get("variables", []):
        variables[variable["name"]] = evaluate(variable["expression"], given)
    for mutation in spec["mutations"]:
        change = configuration(mutation["applyConfiguration"]["expression"], given)
        item |= merge_config(item, change, call.resource.stored.shape)
        given["object"] = item


def _holds(conditions: list[JSON], given: JSON) -> bool:
    """Tell whether all conditions are true; one that is false decides, even beside one that fails."""
    failure: ValueError | None = None
    for condition in conditions:
        try:
            if not evaluate(condition["expression"], given):
                return False
        except ValueError as error:
            failure = failure or error
    if failure:
        raise failure
    return True


def _given(store: Store, call: Call, item: JSON, live: JSON | None) -> dict[str, Any]:
    place = call.place
    request = {
        "operation": "UPDATE" if live else "CREATE",
        "name": item["metadata"].get("name", ""),
        "namespace": place.namespace,
        "userInfo": {"username": call.user},
        "dryRun": call.dry_run,
        "subResource": place.subresource,
    }
    namespace = store.get(builtin.NAMESPACES, "", place.namespace) if place.namespace else None
    return {"object": item, "oldObject": live, "request": request, "namespaceObject": namespace, "params": None}


def _matches(store: Store, call: Call, match: JSON, item: JSON, live: JSON | None) -> bool:
    operation = "UPDATE" if live else "CREATE"
    if not any(_rule_matches(rule, call, operation) for rule in match.get("resourceRules", [])):
        return False
    if any(_rule_matches(rule, call, operation) for rule in match.get("excludeResourceRules", [])):
        return False
    namespace = store.get(builtin.NAMESPACES, "", call.place.namespace) if call.place.namespace else None
    labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
    objects = [one["metadata"].get("labels") or {} for one in (item, live) if one]
    return chosen(match["namespaceSelector"], labels) and any(chosen(match["objectSelector"], one) for one in objects)


def _rule_matches(rule: JSON, call: Call, operation: str) -> bool:
    """Tell whether a rule means this write; any version of the resource counts (matchPolicy Equivalent)."""
    groups = {view.group for view in call.resource.views}
    versions = {view.version for view in call.resource.views}
    resources = {call.rbac_resource, "*" if not call.place.subresource else "*/*", "*/*"}
    names = set(rule.get("resourceNames") or [])
    return (
        bool({"*", operation} & set(rule["operations"]))
        and bool(({"*"} | groups) & set(rule["apiGroups"]))
        and bool(({"*"} | versions) & set(rule["apiVersions"]))
        and bool(resources & set(rule["resources"]))
        and (not names or call.place.name in names)
    )
