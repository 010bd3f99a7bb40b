"""Who may do what: bearer tokens, and RBAC evaluated live from the stored roles and bindings.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.double import builtin
from tests.double.calls import Call
from tests.double.status import JSON, StatusError, Target, unauthorized
from tests.double.store import Store

ADMIN = "admin"
"""The user every double knows; a member of system:masters, for whom no rule is asked."""


@dataclass(frozen=True)
class Attributes:
    """What RBAC is asked about a request."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


class Access:
    """Tokens of users, and the question whether a user may."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._users: dict[str, str] = {}

    def token(self, user: str) -> str:
        """Return the bearer token of a user, who is known from now on."""
        token = f"token-of-{user}"
        self._users[token] = user
        return token

    def revoke(self, user: str) -> None:
        """Make a user's token worthless, as when it expires."""
        self._users.pop(f"token-of-{user}", None)

    def user(self, authorization: str) -> str:
        """Return who a request is from, or raise 401."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or token.strip() not in self._users:
            raise unauthorized()
        return self._users[token.strip()]

    def check(self, call: Call) -> None:
        """Raise 403 when the user may not make this call."""
        place = call.place
        asked = Attributes(call.verb, place.group, call.rbac_resource, _namespace(call), call.rbac_name)
        if not self.allows(call.user, asked):
            raise forbidden(call.user, asked)

    def allows(self, user: str, asked: Attributes) -> bool:
        """Tell whether a user may; anyone may ask what they may."""
        if user == ADMIN or asked.group == "authorization.k8s.io":
            return True
        with self._store.changed:
            return any(_permits(rule, asked) for rule in self._rules(user, asked.namespace))

    def _rules(self, user: str, namespace: str) -> Iterator[JSON]:
        bindings = list(self._store.items(builtin.CLUSTER_ROLE_BINDINGS))
        if namespace:
            bindings += self._store.items(builtin.ROLE_BINDINGS, namespace)
        for binding in bindings:
            if any(_is(user, subject) for subject in binding.get("subjects", [])):
                role = self._role(binding)
                yield from (role.get("rules") or []) if role else []

    def _role(self, binding: JSON) -> JSON | None:
        reference = binding["roleRef"]
        if reference["kind"] == "ClusterRole":
            return self._store.get(builtin.CLUSTER_ROLES, "", reference["name"])
        return self._store.get(builtin.ROLES, binding["metadata"].get("namespace", ""), reference["name"])


def _namespace(call: Call) -> str:
    """Return the namespace of a request; that of a Namespace object is itself."""
    return call.place.name if call.resource is builtin.NAMESPACES else call.place.namespace


def _is(user: str, subject: JSON) -> bool:
    if subject.get("kind") == "ServiceAccount":
        return bool(user == f"system:serviceaccount:{subject.get('namespace', '')}:{subject['name']}")
    if subject.get("kind") == "Group":
        return bool(subject["name"] == "system:authenticated")
    return bool(user == subject["name"])


def _permits(rule: JSON, asked: Attributes) -> bool:
    resources = rule.get("resources") or []
    subresource = asked.resource.partition("/")[2]
    named = rule.get("resourceNames") or []
    return (
        bool({"*", asked.verb} & set(rule.get("verbs") or []))
        and bool({"*", asked.group} & set(rule.get("apiGroups") or []))
        and ("*" in resources or asked.resource in resources or (bool(subresource) and f"*/{subresource}" in resources))
        and (not named or asked.name in named)
    )


def forbidden(user: str, asked: Attributes) -> StatusError:
    """403 in the words of exchanges 101 and 104."""
    plural = asked.resource.partition("/")[0]
    target = Target(asked.group, plural, asked.name)
    what = f'{target.qualified} "{asked.name}"' if asked.name else target.qualified
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    message = (
        f'{what} is forbidden: User "{user}" cannot {asked.verb} resource "{asked.resource}" '
        f'in API group "{asked.group}" {where}'
    )
    return StatusError(403, "Forbidden", message, target.details())


def review(access: Access, user: str, spec: JSON) -> bool:
    """Answer a SelfSubjectAccessReview."""
    asked = spec.get("resourceAttributes") or {}
    resource = asked.get("resource", "")
    if asked.get("subresource"):
        resource += "/" + asked["subresource"]
    attributes = Attributes(
        asked.get("verb", ""), asked.get("group", ""), resource, asked.get("namespace", ""), asked.get("name", "")
    )
    return access.allows(user, attributes)
