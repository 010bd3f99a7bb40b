"""The options of a request, checked before its body is read: a wrong one is refused whatever the object is.

`ValidateCreateOptions`, `ValidateUpdateOptions`, `ValidatePatchOptions`, `ValidateDeleteOptions` of
`k8s.io/apimachinery/pkg/apis/meta/v1/validation`, and `ValidateListOptions` of `meta/internalversion/validation`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.double.calls import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE, Call
from tests.double.status import (
    JSON,
    Cause,
    Target,
    bad_request,
    forbidden_value,
    invalid,
    missing_value,
    too_long,
    unknown_patch,
    unsupported_patch,
    unsupported_value,
    wrong_value,
)

LONGEST_MANAGER = 128
"""Bytes of a field manager's name (FieldManagerMaxLength)."""
LEVELS = ("", "Ignore", "Strict", "Warn")
"""How unknown fields may be treated (`fieldValidation`)."""
PROPAGATION = ("Foreground", "Background", "Orphan")
MATCHES = ("Exact", "NotOlderThan")
OPTIONS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}


def check_media(call: Call) -> None:
    """Refuse (415) a body that is no patch, or a patch that the resource cannot take."""
    if call.verb != "patch":
        return
    if call.content_type not in (JSON_PATCH, MERGE_PATCH, APPLY_PATCH, STRATEGIC_MERGE):
        raise unknown_patch()
    if call.content_type == STRATEGIC_MERGE and call.resource.custom:
        raise unsupported_patch()


def check_write_options(call: Call) -> None:
    """Refuse (422) the options of a create, update or patch that no server takes."""
    causes = list(_of_manager(call))
    if call.verb == "patch" and call.content_type != APPLY_PATCH and "force" in call.query:
        causes.insert(0, forbidden_value("force", "may not be specified for non-apply patch"))
    causes += _of_dry_run([call.query["dryRun"]] if "dryRun" in call.query else [])
    level = call.query.get("fieldValidation", "")
    if level not in LEVELS:
        causes.append(unsupported_value("fieldValidation", level, LEVELS))
    _refuse(OPTIONS[call.verb], causes)


def _of_manager(call: Call) -> Iterator[Cause]:
    manager = call.query.get("fieldManager", "")
    if call.verb == "patch" and call.content_type == APPLY_PATCH and not manager:
        yield missing_value("fieldManager", "is required for apply patch")
    if len(manager.encode()) > LONGEST_MANAGER:
        yield too_long("fieldManager", LONGEST_MANAGER)
    place = next((place for place, letter in enumerate(manager) if not letter.isprintable()), None)
    if place is not None:
        yield wrong_value(
            "fieldManager", manager, f"invalid character U+{ord(manager[place]):04X} (at position {place})"
        )


def _of_dry_run(asked: list[str]) -> list[Cause]:
    return [unsupported_value("dryRun", asked, ("All",))] if set(asked) - {"All"} else []


def delete_options(call: Call) -> JSON:
    """Return the options of a deletion: those of the body, and only where there is none those of the query.

    So `?dryRun=All` beside a body is not heard: the object is gone.
    """
    if call.body:
        options: JSON = call.read_options()
        dry_run = list(options.get("dryRun") or [])
    else:
        dry_run = [call.query["dryRun"]] if "dryRun" in call.query else []
        options = {name: call.query[name] for name in ("propagationPolicy",) if name in call.query}
    causes, policy = _of_dry_run(dry_run), options.get("propagationPolicy")
    if policy is not None and policy not in PROPAGATION:
        causes.insert(0, unsupported_value("propagationPolicy", policy, (*PROPAGATION, "nil")))
    _refuse("DeleteOptions", causes)
    return {**options, "dryRun": dry_run}


def check_list_options(call: Call) -> None:
    """Refuse (422) what fits to no list or watch."""
    query, causes = call.query, []
    match, revision = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    initial = call.verb == "watch" and query.get("sendInitialEvents", "").lower() in ("1", "true")
    where = "resourceVersionMatch"
    if call.verb == "watch":
        causes = list(_of_watch(match, initial=initial))
    elif match:
        if not revision:
            causes.append(
                forbidden_value(where, "resourceVersionMatch is forbidden unless resourceVersion is provided")
            )
        if query.get("continue"):
            causes.append(forbidden_value(where, "resourceVersionMatch is forbidden when continue is provided"))
        if match not in MATCHES:
            causes.append(unsupported_value(where, match, (*MATCHES, "")))
        elif match == "Exact" and revision == "0":
            causes.append(forbidden_value(where, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    _refuse("ListOptions", causes)


def check_revision(call: Call) -> None:
    """Refuse (400) a resourceVersion that is no number."""
    revision = call.query.get("resourceVersion", "")
    if revision and not revision.isdigit():
        problem = unreadable_revision(revision)
        raise bad_request(problem if call.verb == "watch" else f"invalid resource version: {problem}")


def _of_watch(match: str, *, initial: bool) -> Iterator[Cause]:
    where = "resourceVersionMatch"
    if initial:
        if match != "NotOlderThan":
            yield forbidden_value(where, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
            yield unsupported_value(where, match, ("NotOlderThan",))
    elif match:
        yield forbidden_value(where, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")


def unreadable_revision(text: str) -> str:
    """Return what the server says of a resourceVersion that is no number."""
    return f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'


def _refuse(kind: str, causes: list[Cause]) -> None:
    if causes:
        raise invalid(Target("meta.k8s.io", kind), causes)
