"""The built-in resources of the double, in the order of the real server's discovery."""

from __future__ import annotations

from typing import Any

from tests.double import claims, defaults, expressions, pods, policies, validation, versions, workloads
from tests.double.autoscalers import check_autoscaler
from tests.double.resources import Resource, View, check_definition
from tests.double.shapes import Shape

RBAC = "rbac.authorization.k8s.io"
POD_ZERO: dict[str, Any] = {"metadata": {}, "spec": {"containers": None}}
WORKLOAD_ZERO: dict[str, Any] = {"selector": None, "template": POD_ZERO}
HPA_ALIASES = ((("f:spec", "f:targetCPUUtilizationPercentage"), ("f:spec", "f:metrics")),)
EVENT_ALIASES = tuple(((f"f:{new}",), (f"f:{stored}",)) for new, stored in versions.EVENT_NAMES.items())


def _one(group: str, version: str, shape: Shape) -> tuple[View, ...]:
    return (View(group, version, shape),)


EVENT_FIELDS = (
    *(f"involvedObject.{name}" for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion")),
    "involvedObject.fieldPath",
    *("reason", "reportingComponent", "reportingController", "source", "type"),
    *(f"regarding.{name}" for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion")),
)
POD_FIELDS = (
    *(f"spec.{name}" for name in ("nodeName", "restartPolicy", "schedulerName", "serviceAccountName", "hostNetwork")),
    *(f"status.{name}" for name in ("phase", "podIP", "podIPs", "nominatedNodeName")),
)
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
    fields=EVENT_FIELDS,
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
    counts_annotations=True,
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
    validate=validation.check_stateful_set,
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
    validate=check_autoscaler,
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
    fields=("status.phase",),
    short_names=("ns",),
)
PODS = Resource(
    "",
    "pods",
    "Pod",
    _one("", "v1", workloads.POD),
    subresources=frozenset({"resize", "status"}),
    zero={**POD_ZERO, "status": {}},
    default=defaults.default_whole_pod,
    begin=pods.begin_pod,
    validate=validation.check_pod,
    generation=True,
    returns_deleted=True,
    fields=POD_FIELDS,
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
    "",
    "limitranges",
    "LimitRange",
    _one("", "v1", policies.LIMIT_RANGE),
    zero={"metadata": {}, "spec": {}},
    default=defaults.default_limit_range,
    create_on_put=True,
    short_names=("limits",),
)
POD_TEMPLATES = Resource(
    "",
    "podtemplates",
    "PodTemplate",
    _one("", "v1", workloads.POD_TEMPLATE_OBJECT),
    zero={"metadata": {}, "template": POD_ZERO},
    default=defaults.default_pod_template,
    validate=validation.check_pod_template,
    generation=True,
    create_on_put=True,
    returns_deleted=True,
)
CLAIMS = Resource(
    "",
    "persistentvolumeclaims",
    "PersistentVolumeClaim",
    _one("", "v1", workloads.CLAIM),
    subresources=frozenset({"status"}),
    zero={"metadata": {}, "spec": {"resources": {}}, "status": {}},
    default=defaults.default_claim,
    validate=claims.check_claim,
    returns_deleted=True,
    short_names=("pvc",),
)
NODES = Resource(
    "",
    "nodes",
    "Node",
    _one("", "v1", workloads.NODE),
    namespaced=False,
    subresources=frozenset({"status"}),
    zero={"metadata": {}, "spec": {}, "status": {}},
    fields=("spec.unschedulable",),
    short_names=("no",),
)
STORAGE_CLASSES = Resource(
    "storage.k8s.io",
    "storageclasses",
    "StorageClass",
    _one("storage.k8s.io", "v1", workloads.STORAGE_CLASS),
    namespaced=False,
    zero={"metadata": {}, "provisioner": ""},
    default=defaults.default_storage_class,
    validate=claims.check_storage_class,
    returns_deleted=True,
    short_names=("sc",),
)
PRIORITY_CLASSES = Resource(
    "scheduling.k8s.io",
    "priorityclasses",
    "PriorityClass",
    _one("scheduling.k8s.io", "v1", workloads.PRIORITY_CLASS),
    namespaced=False,
    zero={"metadata": {}, "value": 0},
    default=defaults.default_priority_class,
    validate=validation.check_priority_class,
    short_names=("pc",),
)
ADMISSION = "admissionregistration.k8s.io"
MUTATING_POLICIES = Resource(
    ADMISSION,
    "mutatingadmissionpolicies",
    "MutatingAdmissionPolicy",
    _one(ADMISSION, "v1", policies.MUTATING_POLICY),
    namespaced=False,
    zero={"metadata": {}, "spec": {}},
    default=defaults.default_mutating_policy,
    validate=expressions.check_policy,
    generation=True,
)
MUTATING_BINDINGS = Resource(
    ADMISSION,
    "mutatingadmissionpolicybindings",
    "MutatingAdmissionPolicyBinding",
    _one(ADMISSION, "v1", policies.MUTATING_BINDING),
    namespaced=False,
    zero={"metadata": {}, "spec": {}},
    default=defaults.default_mutating_binding,
    generation=True,
)
QUOTAS = Resource(
    "",
    "resourcequotas",
    "ResourceQuota",
    _one("", "v1", policies.QUOTA),
    subresources=frozenset({"status"}),
    zero={"metadata": {}, "spec": {}, "status": {}},
    create_on_put=True,
    returns_deleted=True,
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
    RBAC,
    "roles",
    "Role",
    _one(RBAC, "v1", policies.ROLE),
    zero={"metadata": {}, "rules": None},
    validate=validation.check_role,
    create_on_put=True,
)
CLUSTER_ROLES = Resource(
    RBAC,
    "clusterroles",
    "ClusterRole",
    _one(RBAC, "v1", policies.CLUSTER_ROLE),
    namespaced=False,
    zero={"metadata": {}, "rules": None},
    validate=validation.check_role,
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
    NODES,
    CLAIMS,
    PODS,
    POD_TEMPLATES,
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
    STORAGE_CLASSES,
    MUTATING_POLICIES,
    MUTATING_BINDINGS,
    DEFINITIONS,
    PRIORITY_CLASSES,
    LEASES,
)
