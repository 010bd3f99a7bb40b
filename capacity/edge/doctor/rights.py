"""Whether each call that planner and controller make is allowed: asked of the API server, which creates nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from capacity.domain import Workload
from capacity.domain.fields import AutoLeadTime
from capacity.edge.cluster.client import ClusterReader
from capacity.edge.cluster.kinds import HPA, KINDS, SCALED_OBJECT
from capacity.edge.config import Config
from capacity.edge.doctor.finding import Finding

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
PLAN_MAP, SWITCH, LEASE = "capacity-plan-0", "capacity-switch", "capacity"
NAMED = 20  # targets of a namespace asked for by name, since a Role may name them; of more, those of the first


class Part(StrEnum):
    """Whose rights are looked at: each runs under an account of its own."""

    both = "both"
    planner = "planner"
    controller = "controller"


@dataclass(frozen=True, slots=True)
class Call:
    """One call as RBAC knows it; `name` empty: any object."""

    verb: str
    group: str
    resource: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f' {self.name}' if self.name else ''}"

    def review(self, namespace: str) -> dict[str, object]:
        """The question to the API server whether we may."""
        resource, _, subresource = self.resource.partition("/")
        asked = {"namespace": namespace, "verb": self.verb, "group": self.group, "resource": resource}
        asked |= {key: value for key, value in (("subresource", subresource), ("name", self.name)) if value}
        version = "authorization.k8s.io/v1"
        return {"apiVersion": version, "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": asked}}


class RightsReader(ClusterReader):
    """Reads, and asks what we may: a review is a question in a POST, nothing is stored by it."""

    def may(self, namespace: str, call: Call) -> bool:
        """Whether we may make this call. Raises `ClusterError`."""
        answer = self._request("POST", REVIEWS, body=call.review(namespace), kind="application/json")
        return bool((answer.get("status") or {}).get("allowed"))

    def version(self) -> str:
        """The API server's version, such as v1.36.0."""
        return str(self._request("GET", "/version").get("gitVersion", "unknown"))


def check_rights(config: Config, reader: RightsReader, part: Part) -> Iterator[Finding]:
    """Every call that is not allowed, by namespace; or how many are."""
    for namespace in dict.fromkeys(item.namespace for item in config.workloads):
        own = [workload for workload in config.workloads if workload.namespace == namespace]
        calls = _calls(config, own, part)
        refused = [(role, call) for role, call in calls if not reader.may(_place(config, namespace, call), call)]
        for role, call in refused:
            fix = f"grant Role capacity-{role} of k8s/base/roles.yaml to its account"
            yield Finding("rights", "fail", f"{namespace}: the {role} may not {call}", fix)
        if not refused:
            yield Finding("rights", "ok", f"{namespace}: all {len(calls)} calls allowed")


def _place(config: Config, namespace: str, call: Call) -> str:
    """The off switch may live in a namespace of its own."""
    return config.controller.home or namespace if call.name == SWITCH else namespace


def _calls(config: Config, workloads: Sequence[Workload], part: Part) -> list[tuple[str, Call]]:
    """Whose call, and the call, as docs/calls.md lists them."""
    found: list[tuple[str, Call]] = []
    if part is not Part.controller:
        learned = any(isinstance(item.lead_time, AutoLeadTime) for item in config.workloads)
        found += [("planner", call) for call in _planner_calls(learned=learned)]
    if part is not Part.planner:
        found += [("controller", call) for call in dict.fromkeys(_controller_calls(workloads))]
    return found


def _planner_calls(*, learned: bool) -> Iterator[Call]:
    yield Call("create", "", "configmaps", PLAN_MAP)
    yield Call("patch", "", "configmaps", PLAN_MAP)
    if learned:
        yield Call("list", "", "pods")


def _controller_calls(workloads: Iterable[Workload]) -> Iterator[Call]:
    yield Call("get", "", "configmaps", PLAN_MAP)
    yield Call("get", "", "configmaps", SWITCH)
    yield Call("list", HPA.group, HPA.plural)
    yield Call("create", "coordination.k8s.io", "leases")
    yield Call("get", "coordination.k8s.io", "leases", LEASE)
    yield Call("patch", "coordination.k8s.io", "leases", LEASE)
    yield Call("create", "events.k8s.io", "events")
    for workload in list(workloads)[:NAMED]:
        kind = KINDS[workload.target.kind]
        if kind is not HPA:
            yield Call("list", SCALED_OBJECT.group, SCALED_OBJECT.plural)
        yield Call("get", kind.group, kind.plural, workload.target.name)
        yield Call("patch", kind.group, kind.plural, workload.target.name)
        if kind.scaled:
            yield Call("patch", kind.group, f"{kind.plural}/scale", workload.target.name)
