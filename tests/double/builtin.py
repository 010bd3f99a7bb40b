"""The built-in resources of the double, in the order of the real server's discovery."""

from __future__ import annotations

from typing import Any

from tests.double import defaults, policies, validation, versions, workloads
from tests.double.resources import Resource, View, check_definition
from tests.double.shapes import Shape

RBAC = "rbac.authorization.k8s.io"
POD_ZERO: dict[str, Any] = {"metadata": {}, "spec": {"containers": None}}
WORKLOAD_ZERO: dict[str, Any] = {"selector": None, "template": POD_ZERO}
HPA_ALIASES = ((("f:spec", "f:targetCPUUtilizationPercentage"), ("f:spec", "f:metrics")),)
EVENT_ALIASES = tuple(((f"f:{new}",), (f"f:{stored}",)) for new, stored in versions.EVENT_NAMES.items())


def _one(group: str, version: str, shape: Shape) -> tuple[View, ...]:
    return (View(group, version, shape),)


EVENTS = Resource(
    "",
    "events",
    "Event",
    (
        View("", "v1", policies.EVENT),
        View(
            "events.k8s.io",
            "v1",
            policies.NEW_EVENT,
            versions.event_from_new,
            versions.event_as_new,
            EVENT_ALIASES,
            validation.check_new_event,
        ),
    ),
    zero={
        "involvedObject": {},
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": None,
        "reportingComponent": "",
        "reportingInstance": "",
    },
    validate=validation.check_legacy_event,
    create_on_put=True,
    short_names=("ev",),
)
DEPLOYMENTS = Resource(
    "apps",
    "deployments",
    "Deployment",
    _one("apps", "v1", workloads.DEPLOYMENT),
    subresources=frozenset({"scale", "status"}),
    zero={"metadata": {}, "spec": {**WORKLOAD_ZERO, "strategy": {}}, "status": {}},
    default=defaults.default_deployment,
    validate=validation.check_workload,
    generation=True,
    short_names=("deploy",),
    categories=("all",),
)
STATEFUL_SETS = Resource(
    "apps",
    "statefulsets",
    "StatefulSet",
    _one("apps", "v1", workloads.STATEFUL_SET),
    subresources=frozenset({"scale", "status"}),
    zero={
        "metadata": {},
        "spec": {**WORKLOAD_ZERO, "updateStrategy": {}},
        "status": {"replicas": 0, "availableReplicas": 0},
    },
    default=defaults.default_stateful_set,
    validate=validation.check_workload,
    generation=True,
    short_names=("sts",),
    categories=("all",),
)
AUTOSCALERS = Resource(
    "autoscaling",
    "horizontalpodautoscalers",
    "HorizontalPodAutoscaler",
    (
        View("autoscaling", "v2", policies.HPA),
        View(
            "autoscaling",
            "v1",
            policies.HPA_V1,
            versions.autoscaler_from_v1,
            versions.autoscaler_as_v1,
            HPA_ALIASES,
        ),
    ),
    subresources=frozenset({"status"}),
    zero={
        "metadata": {},
        "spec": {"scaleTargetRef": {"kind": "", "name": ""}, "maxReplicas": 0},
        "status": {"desiredReplicas": 0, "currentMetrics": None},
    },
    default=defaults.default_autoscaler,
    validate=validation.check_autoscaler,
    short_names=("hpa",),
    categories=("all",),
)
NAMESPACES = Resource(
    "",
    "namespaces",
    "Namespace",
    _one("", "v1", policies.NAMESPACE),
    namespaced=False,
    subresources=frozenset({"status"}),
    zero={"metadata": {}, "spec": {}, "status": {}},
    default=defaults.default_namespace,
    needs_revision=True,
    short_names=("ns",),
)
PODS = Resource(
    "",
    "pods",
    "Pod",
    _one("", "v1", workloads.POD),
    subresources=frozenset({"status"}),
    zero={**POD_ZERO, "status": {}},
    default=defaults.default_pod,
    validate=validation.check_pod,
    short_names=("po",),
    categories=("all",),
)
CONFIG_MAPS = Resource(
    "",
    "configmaps",
    "ConfigMap",
    _one("", "v1", policies.CONFIG_MAP),
    validate=validation.check_config_map,
    short_names=("cm",),
)
LIMIT_RANGES = Resource(
    "", "limitranges", "LimitRange", _one("", "v1", policies.LIMIT_RANGE), create_on_put=True, short_names=("limits",)
)
QUOTAS = Resource(
    "",
    "resourcequotas",
    "ResourceQuota",
    _one("", "v1", policies.QUOTA),
    subresources=frozenset({"status"}),
    zero={"metadata": {}, "spec": {}, "status": {}},
    create_on_put=True,
    short_names=("quota",),
)
LEASES = Resource(
    "coordination.k8s.io",
    "leases",
    "Lease",
    _one("coordination.k8s.io", "v1", policies.LEASE),
    zero={"metadata": {}, "spec": {}},
    validate=validation.check_lease,
    needs_revision=True,
    create_on_put=True,
)
ROLES = Resource(
    RBAC, "roles", "Role", _one(RBAC, "v1", policies.ROLE), zero={"metadata": {}, "rules": None}, create_on_put=True
)
CLUSTER_ROLES = Resource(
    RBAC,
    "clusterroles",
    "ClusterRole",
    _one(RBAC, "v1", policies.CLUSTER_ROLE),
    namespaced=False,
    zero={"metadata": {}, "rules": None},
    create_on_put=True,
)
BINDING_ZERO = {"metadata": {}, "roleRef": {"apiGroup": "", "kind": "", "name": ""}}
ROLE_BINDINGS = Resource(
    RBAC,
    "rolebindings",
    "RoleBinding",
    _one(RBAC, "v1", policies.BINDING),
    zero=BINDING_ZERO,
    default=defaults.default_binding,
    validate=validation.check_binding,
    create_on_put=True,
)
CLUSTER_ROLE_BINDINGS = Resource(
    RBAC,
    "clusterrolebindings",
    "ClusterRoleBinding",
    _one(RBAC, "v1", policies.BINDING),
    namespaced=False,
    zero=BINDING_ZERO,
    default=defaults.default_binding,
    validate=validation.check_binding,
    create_on_put=True,
)
DEFINITIONS = Resource(
    "apiextensions.k8s.io",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    _one("apiextensions.k8s.io", "v1", policies.CRD),
    namespaced=False,
    subresources=frozenset({"status"}),
    zero={
        "metadata": {},
        "spec": {"group": "", "names": {"plural": "", "kind": ""}, "scope": "", "versions": None},
        "status": {},
    },
    default=defaults.default_definition,
    validate=check_definition,
    generation=True,
    needs_revision=True,
    short_names=("crd", "crds"),
    categories=("api-extensions",),
)
ACCESS_REVIEWS = Resource(
    "authorization.k8s.io",
    "selfsubjectaccessreviews",
    "SelfSubjectAccessReview",
    _one("authorization.k8s.io", "v1", policies.ACCESS_REVIEW),
    namespaced=False,
    zero={"metadata": {}, "spec": {}, "status": {"allowed": False}},
)

BUILT_IN = (
    CONFIG_MAPS,
    LIMIT_RANGES,
    NAMESPACES,
    PODS,
    QUOTAS,
    DEPLOYMENTS,
    STATEFUL_SETS,
    EVENTS,
    ACCESS_REVIEWS,
    AUTOSCALERS,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    DEFINITIONS,
    LEASES,
)
