"""The shapes of what is no workload: autoscalers, config maps, leases, events, access rules, definitions."""

from __future__ import annotations

from tests.double.shapes import (
    ANY,
    BYTES,
    COUNT,
    FLAG,
    INT,
    MICRO_TIME,
    QUANTITY,
    STRING,
    STRINGS,
    TEXT,
    TIME,
    Shape,
    atomic,
    listing,
    struct,
    top,
)
from tests.double.workloads import LABEL_SELECTOR, QUANTITIES, conditions

REFERENCE = struct("CrossVersionObjectReference", apiVersion=STRING, kind=STRING, name=STRING)
TARGET = struct("MetricTarget", type=STRING, value=QUANTITY, averageValue=QUANTITY, averageUtilization=INT)
METRIC = struct("MetricIdentifier", name=STRING, selector=LABEL_SELECTOR)
METRIC_SPEC = struct(
    "MetricSpec",
    type=STRING,
    resource=struct("ResourceMetricSource", name=STRING, target=TARGET),
    containerResource=struct("ContainerResourceMetricSource", name=STRING, container=STRING, target=TARGET),
    pods=struct("PodsMetricSource", metric=METRIC, target=TARGET),
    object=struct("ObjectMetricSource", describedObject=REFERENCE, metric=METRIC, target=TARGET),
    external=struct("ExternalMetricSource", metric=METRIC, target=TARGET),
)
POLICY = struct("HPAScalingPolicy", type=STRING, value=INT, periodSeconds=INT)
SCALING_RULES = struct(
    "HPAScalingRules",
    stabilizationWindowSeconds=INT,
    selectPolicy=TEXT,
    policies=listing(POLICY),
    tolerance=QUANTITY,
)
HPA = top(
    "HorizontalPodAutoscaler",
    spec=struct(
        "HorizontalPodAutoscalerSpec",
        scaleTargetRef=REFERENCE,
        minReplicas=INT,
        maxReplicas=INT,
        metrics=listing(METRIC_SPEC),
        behavior=struct("HorizontalPodAutoscalerBehavior", scaleUp=SCALING_RULES, scaleDown=SCALING_RULES),
    ),
    status=struct(
        "HorizontalPodAutoscalerStatus",
        observedGeneration=INT,
        lastScaleTime=TIME,
        currentReplicas=COUNT,
        desiredReplicas=INT,
        currentMetrics=listing(ANY),
        conditions=conditions(),
    ),
)
HPA_V1 = top(
    "HorizontalPodAutoscaler",
    spec=struct(
        "HorizontalPodAutoscalerSpec",
        scaleTargetRef=atomic(REFERENCE),
        minReplicas=INT,
        maxReplicas=INT,
        targetCPUUtilizationPercentage=INT,
    ),
    status=struct(
        "HorizontalPodAutoscalerStatus",
        observedGeneration=INT,
        lastScaleTime=TIME,
        currentReplicas=INT,
        desiredReplicas=INT,
        currentCPUUtilizationPercentage=INT,
    ),
)
SCALE = top(
    "Scale",
    spec=struct("ScaleSpec", replicas=INT),
    status=struct("ScaleStatus", replicas=INT, selector=STRING),
)

CONFIG_MAP = top("ConfigMap", data=STRINGS, binaryData=Shape("object", values=BYTES), immutable=Shape("boolean"))
NAMESPACE = top(
    "Namespace",
    spec=struct("NamespaceSpec", finalizers=listing(STRING)),
    status=struct("NamespaceStatus", phase=STRING, conditions=conditions()),
)
LIMIT_RANGE = top(
    "LimitRange",
    spec=struct(
        "LimitRangeSpec",
        limits=listing(
            struct(
                "LimitRangeItem",
                type=STRING,
                max=QUANTITIES,
                min=QUANTITIES,
                default=QUANTITIES,
                defaultRequest=QUANTITIES,
                maxLimitRequestRatio=QUANTITIES,
            )
        ),
    ),
)
QUOTA = top(
    "ResourceQuota",
    spec=struct("ResourceQuotaSpec", hard=QUANTITIES, scopes=listing(STRING), scopeSelector=Shape("object")),
    status=struct("ResourceQuotaStatus", hard=QUANTITIES, used=QUANTITIES),
)
MATCH_RESOURCES = atomic(struct("MatchResources"))
MUTATING_POLICY = top(
    "MutatingAdmissionPolicy",
    spec=struct(
        "MutatingAdmissionPolicySpec",
        paramKind=atomic(Shape("object")),
        matchConstraints=MATCH_RESOURCES,
        variables=listing(atomic(struct("Variable", name=STRING, expression=STRING))),
        mutations=listing(ANY),
        failurePolicy=STRING,
        matchConditions=listing(struct("MatchCondition", name=STRING, expression=STRING), "name"),
        reinvocationPolicy=STRING,
    ),
)
MUTATING_BINDING = top(
    "MutatingAdmissionPolicyBinding",
    spec=struct(
        "MutatingAdmissionPolicyBindingSpec",
        policyName=STRING,
        paramRef=atomic(Shape("object")),
        matchResources=MATCH_RESOURCES,
    ),
)
LEASE = top(
    "Lease",
    spec=struct(
        "LeaseSpec",
        holderIdentity=TEXT,
        leaseDurationSeconds=INT,
        acquireTime=MICRO_TIME,
        renewTime=MICRO_TIME,
        leaseTransitions=INT,
        strategy=TEXT,
        preferredHolder=TEXT,
    ),
)

OBJECT_REFERENCE = atomic(
    struct(
        "ObjectReference",
        kind=STRING,
        namespace=STRING,
        name=STRING,
        uid=STRING,
        apiVersion=STRING,
        resourceVersion=STRING,
        fieldPath=STRING,
    )
)
SOURCE = struct("EventSource", component=STRING, host=STRING)
SERIES = struct("EventSeries", count=COUNT, lastObservedTime=MICRO_TIME)
EVENT = top(
    "Event",
    involvedObject=OBJECT_REFERENCE,
    reason=STRING,
    message=STRING,
    source=SOURCE,
    firstTimestamp=TIME,
    lastTimestamp=TIME,
    count=COUNT,
    type=STRING,
    eventTime=MICRO_TIME,
    series=SERIES,
    action=STRING,
    related=OBJECT_REFERENCE,
    reportingComponent=STRING,
    reportingInstance=STRING,
)
NEW_EVENT = top(
    "Event",
    eventTime=MICRO_TIME,
    series=SERIES,
    reportingController=STRING,
    reportingInstance=STRING,
    action=STRING,
    reason=STRING,
    regarding=OBJECT_REFERENCE,
    related=OBJECT_REFERENCE,
    note=STRING,
    type=STRING,
    deprecatedSource=SOURCE,
    deprecatedFirstTimestamp=TIME,
    deprecatedLastTimestamp=TIME,
    deprecatedCount=COUNT,
)

RULE = struct(
    "PolicyRule",
    verbs=listing(STRING),
    apiGroups=listing(STRING),
    resources=listing(STRING),
    resourceNames=listing(STRING),
    nonResourceURLs=listing(STRING),
)
ROLE = top("Role", rules=listing(RULE))
CLUSTER_ROLE = top("ClusterRole", rules=listing(RULE), aggregationRule=Shape("object"))
SUBJECT = atomic(struct("Subject", kind=STRING, apiGroup=STRING, name=STRING, namespace=STRING))
BINDING = top(
    "RoleBinding",
    subjects=listing(SUBJECT),
    roleRef=atomic(struct("RoleRef", apiGroup=STRING, kind=STRING, name=STRING)),
)
ACCESS_REVIEW = top(
    "SelfSubjectAccessReview",
    spec=struct(
        "SelfSubjectAccessReviewSpec",
        resourceAttributes=struct(
            "ResourceAttributes",
            namespace=STRING,
            verb=STRING,
            group=STRING,
            version=STRING,
            resource=STRING,
            subresource=STRING,
            name=STRING,
            fieldSelector=Shape("object"),
            labelSelector=Shape("object"),
        ),
        nonResourceAttributes=struct("NonResourceAttributes", path=STRING, verb=STRING),
    ),
    status=struct(
        "SubjectAccessReviewStatus", allowed=Shape("boolean"), denied=FLAG, reason=STRING, evaluationError=STRING
    ),
)
NAMES = struct(
    "CustomResourceDefinitionNames",
    plural=STRING,
    singular=STRING,
    shortNames=listing(STRING),
    kind=STRING,
    listKind=STRING,
    categories=listing(STRING),
)
CRD = top(
    "CustomResourceDefinition",
    spec=struct(
        "CustomResourceDefinitionSpec",
        group=STRING,
        names=NAMES,
        scope=STRING,
        versions=listing(ANY),
        conversion=Shape("object"),
        preserveUnknownFields=FLAG,
    ),
    status=struct(
        "CustomResourceDefinitionStatus",
        conditions=conditions(observedGeneration=COUNT),
        acceptedNames=NAMES,
        storedVersions=listing(STRING),
        observedGeneration=COUNT,
    ),
)
