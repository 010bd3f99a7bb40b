"""Checks that the cluster answers, that its clock agrees with ours, and that every call we make is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from capacity.app.reconciliation import clock_skew
from capacity.cluster import policy_maps
from capacity.cluster.client import ClusterReader
from capacity.cluster.kinds import DEPLOYMENT, HPA, KINDS, SCALED_OBJECT, STATEFUL_SET, Kind
from capacity.cluster.plan_index import INDEX, part_name
from capacity.model import Workload
from capacity.model.check import Finding, Part, State
from capacity.model.configuration import Config
from capacity.model.fields import AutoLeadTime
from capacity.views.sheet import duration

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
POLICY_MAPS = (policy_maps.part_name(0),)
PLAN_MAPS, SWITCH, LEASE = (INDEX, part_name("a", 0), part_name("b", 0)), "capacity-switch", "capacity"
NAMED = 20  # targets of a namespace asked for by name, since a Role may name them; of more, those of the first


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


OPTIONAL = (  # after a rise: which replicas are ready, and what keeps the others from it
    Call("list", "apps", "deployments"),
    Call("list", "apps", "statefulsets"),
    Call("list", "", "pods"),
    Call("list", "", "events"),
)


def check_rights(config: Config, reader: RightsReader, part: Part) -> Iterator[Finding]:
    """Every call that is not allowed, by namespace; or how many are."""
    for namespace in dict.fromkeys(item.namespace for item in config.workloads):
        own = [workload for workload in config.workloads if workload.namespace == namespace]
        calls = _calls(config, own, part)
        refused = [(role, call) for role, call in calls if not reader.may(_place(config, namespace, call), call)]
        for role, call in refused:
            fix = f"grant Role capacity-{role} of k8s/base/workloads/roles.yaml to its account"
            optional = role == "controller" and call in OPTIONAL
            lost = ", so it does not know what keeps replicas from being ready" if optional else ""
            state: State = "warn" if optional else "fail"
            yield Finding("rights", state, f"{namespace}: the {role} may not {call}{lost}", fix)
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
    for name in (*PLAN_MAPS, *POLICY_MAPS):
        for verb in ("get", "create", "patch", "delete"):
            yield Call(verb, "", "configmaps", name)
    if learned:
        yield Call("list", "", "pods")


def _controller_calls(workloads: Iterable[Workload]) -> Iterator[Call]:
    for name in PLAN_MAPS:
        yield Call("get", "", "configmaps", name)
    yield Call("get", "", "configmaps", SWITCH)
    yield Call("list", HPA.group, HPA.plural)
    yield Call("create", "coordination.k8s.io", "leases")
    yield Call("get", "coordination.k8s.io", "leases", LEASE)
    yield Call("patch", "coordination.k8s.io", "leases", LEASE)
    yield Call("create", "events.k8s.io", "events")
    yield from OPTIONAL
    for workload in list(workloads)[:NAMED]:
        kind = KINDS[workload.target.kind]
        if workload.scaling == "vertical":
            yield from _resize_calls(kind, workload.target.name)
            continue
        if kind is not HPA:
            yield Call("list", SCALED_OBJECT.group, SCALED_OBJECT.plural)
        yield Call("get", kind.group, kind.plural, workload.target.name)
        yield Call("patch", kind.group, kind.plural, workload.target.name)
        if kind.scaled:
            yield Call("patch", kind.group, f"{kind.plural}/scale", workload.target.name)


def _resize_calls(kind: Kind, name: str) -> Iterator[Call]:
    for owner in (DEPLOYMENT, STATEFUL_SET):
        yield Call("list", owner.group, owner.plural)
    yield Call("patch", kind.group, kind.plural, name)
    yield Call("list", "", "pods")
    yield Call("patch", "", "pods/resize")
    yield Call("list", "metrics.k8s.io", "pods")
    yield Call("list", "autoscaling.k8s.io", "verticalpodautoscalers")


FIX_CLUSTER = "set KUBECONFIG, mend the network, or renew the credentials; `kubectl version` shows the same"
OLDEST = (1, 26)  # minor version that made autoscaling/v2 and events.k8s.io/v1 the only ones served
FIX_CLOCK = "start NTP on this machine: with a wrong clock no floor comes down"


def check_cluster(reader: RightsReader, now: datetime) -> Iterator[Finding]:
    """The server's version, then its clock."""
    version = reader.version()
    if _minor(version) < OLDEST:
        fix = f"upgrade it to {OLDEST[0]}.{OLDEST[1]} or newer"
        yield Finding("cluster", "warn", f"Kubernetes {version} is older than any that we know", fix)
    else:
        yield Finding("cluster", "ok", f"Kubernetes {version} answers")
    skew = clock_skew(now, reader.server_time)
    if skew is not None:
        yield Finding("clock", "fail", skew, FIX_CLOCK)
    elif reader.server_time is not None:
        off = duration(abs(now.replace(microsecond=0) - reader.server_time))
        yield Finding("clock", "ok", f"ours and the API server's are within {off}")


def _minor(version: str) -> tuple[int, int]:
    """Major and minor of v1.36.0-eks-1; an unreadable one counts as new."""
    try:
        major, minor = version.removeprefix("v").split(".")[:2]
        return int(major), int(minor.rstrip("+"))
    except ValueError:
        return OLDEST
