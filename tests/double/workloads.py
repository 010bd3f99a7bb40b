"""The shapes of Deployments, StatefulSets and pods: what `capacity` reads is typed, the rest known by name.

Fields, list keys and atomic parts follow the OpenAPI document of Kubernetes 1.36 (`x-kubernetes-list-map-keys`).
"""

from __future__ import annotations

from tests.double.shapes import (
    ANY,
    BOOL,
    COUNT,
    FLAG,
    INT,
    INT_OR_STRING,
    METADATA,
    QUANTITY,
    SET,
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

QUANTITIES = Shape("object", values=QUANTITY)
LABEL_SELECTOR = atomic(struct("LabelSelector", matchLabels=STRINGS, matchExpressions=listing(ANY)))
OPEN = Shape("object")
"""A struct of which only the existence matters here."""

ENV = struct("EnvVar", name=STRING, value=STRING, valueFrom=OPEN)
PORT = struct("ContainerPort", name=STRING, containerPort=COUNT, hostPort=COUNT, protocol=STRING, hostIP=STRING)
RESOURCES = struct(
    "ResourceRequirements", requests=QUANTITIES, limits=QUANTITIES, claims=listing(struct("ResourceClaim"), "name")
)
CONTAINER = struct(
    "Container",
    name=STRING,
    image=STRING,
    command=listing(STRING),
    args=listing(STRING),
    workingDir=STRING,
    ports=listing(PORT, "containerPort", "protocol"),
    envFrom=listing(ANY),
    env=listing(ENV, "name"),
    resources=RESOURCES,
    resizePolicy=listing(ANY),
    restartPolicy=STRING,
    restartPolicyRules=listing(ANY),
    volumeMounts=listing(OPEN, "mountPath"),
    volumeDevices=listing(OPEN, "devicePath"),
    livenessProbe=OPEN,
    readinessProbe=OPEN,
    startupProbe=OPEN,
    lifecycle=OPEN,
    terminationMessagePath=STRING,
    terminationMessagePolicy=STRING,
    imagePullPolicy=STRING,
    securityContext=OPEN,
    stdin=FLAG,
    stdinOnce=FLAG,
    tty=FLAG,
)
POD_SPEC = struct(
    "PodSpec",
    volumes=listing(OPEN, "name"),
    initContainers=listing(CONTAINER, "name"),
    containers=listing(CONTAINER, "name"),
    ephemeralContainers=listing(OPEN, "name"),
    restartPolicy=STRING,
    terminationGracePeriodSeconds=INT,
    activeDeadlineSeconds=INT,
    dnsPolicy=STRING,
    nodeSelector=atomic(STRINGS),
    serviceAccountName=STRING,
    serviceAccount=STRING,
    automountServiceAccountToken=BOOL,
    nodeName=STRING,
    hostNetwork=FLAG,
    hostPID=FLAG,
    hostIPC=FLAG,
    hostUsers=BOOL,
    hostnameOverride=STRING,
    shareProcessNamespace=BOOL,
    securityContext=OPEN,
    imagePullSecrets=listing(atomic(struct("LocalObjectReference", name=STRING)), "name"),
    hostname=STRING,
    subdomain=STRING,
    affinity=OPEN,
    schedulerName=STRING,
    tolerations=listing(ANY),
    hostAliases=listing(OPEN, "ip"),
    priorityClassName=STRING,
    priority=INT,
    dnsConfig=OPEN,
    readinessGates=listing(ANY),
    runtimeClassName=STRING,
    enableServiceLinks=BOOL,
    preemptionPolicy=STRING,
    overhead=QUANTITIES,
    topologySpreadConstraints=listing(OPEN, "topologyKey", "whenUnsatisfiable"),
    setHostnameAsFQDN=BOOL,
    os=OPEN,
    schedulingGates=listing(OPEN, "name"),
    resourceClaims=listing(OPEN, "name"),
    resources=RESOURCES,
    schedulingGroup=OPEN,
)


def conditions(**more: Shape) -> Shape:
    """Return the shape of a status's conditions, one per type; kinds add fields of their own."""
    fields = {"type": STRING, "status": STRING, "reason": STRING, "message": STRING, "lastTransitionTime": TIME}
    return listing(struct("Condition", **fields, **more), "type")


POD_TEMPLATE = struct("PodTemplateSpec", metadata=METADATA, spec=POD_SPEC)
DEPLOYMENT_STRATEGY = struct(
    "DeploymentStrategy",
    type=STRING,
    rollingUpdate=struct("RollingUpdateDeployment", maxUnavailable=INT_OR_STRING, maxSurge=INT_OR_STRING),
)
STATEFUL_SET_STRATEGY = struct(
    "StatefulSetUpdateStrategy",
    type=STRING,
    rollingUpdate=struct("RollingUpdateStatefulSetStrategy", maxUnavailable=INT_OR_STRING, partition=INT),
)

POD_TEMPLATE_OBJECT = top("PodTemplate", template=POD_TEMPLATE)
CLAIM = top(
    "PersistentVolumeClaim",
    spec=struct(
        "PersistentVolumeClaimSpec",
        accessModes=listing(STRING),
        selector=LABEL_SELECTOR,
        resources=struct("VolumeResourceRequirements", limits=QUANTITIES, requests=QUANTITIES),
        volumeName=STRING,
        storageClassName=TEXT,
        volumeMode=STRING,
        dataSource=atomic(OPEN),
        dataSourceRef=OPEN,
        volumeAttributesClassName=STRING,
    ),
    status=struct(
        "PersistentVolumeClaimStatus",
        phase=STRING,
        accessModes=listing(STRING),
        capacity=QUANTITIES,
        conditions=conditions(lastProbeTime=TIME),
        allocatedResources=QUANTITIES,
        allocatedResourceStatuses=STRINGS,
        currentVolumeAttributesClassName=STRING,
        modifyVolumeStatus=OPEN,
    ),
)
STORAGE_CLASS = top(
    "StorageClass",
    provisioner=STRING,
    parameters=STRINGS,
    reclaimPolicy=STRING,
    mountOptions=listing(STRING),
    allowVolumeExpansion=BOOL,
    volumeBindingMode=STRING,
    allowedTopologies=listing(ANY),
)
NODE = top(
    "Node",
    spec=struct(
        "NodeSpec",
        podCIDR=STRING,
        podCIDRs=SET,
        providerID=STRING,
        unschedulable=FLAG,
        taints=listing(OPEN),
        configSource=OPEN,
        externalID=STRING,
    ),
    status=struct(
        "NodeStatus",
        capacity=QUANTITIES,
        allocatable=QUANTITIES,
        phase=STRING,
        conditions=conditions(lastHeartbeatTime=TIME),
        addresses=listing(OPEN, "type"),
        daemonEndpoints=OPEN,
        nodeInfo=OPEN,
        images=listing(ANY),
        volumesInUse=listing(STRING),
        volumesAttached=listing(ANY),
        config=OPEN,
        runtimeHandlers=listing(ANY),
        features=OPEN,
        declaredFeatures=listing(STRING),
    ),
)
PRIORITY_CLASS = top("PriorityClass", value=INT, globalDefault=FLAG, description=STRING, preemptionPolicy=STRING)

DEPLOYMENT = top(
    "Deployment",
    spec=struct(
        "DeploymentSpec",
        replicas=INT,
        selector=LABEL_SELECTOR,
        template=POD_TEMPLATE,
        strategy=DEPLOYMENT_STRATEGY,
        minReadySeconds=COUNT,
        revisionHistoryLimit=INT,
        paused=FLAG,
        progressDeadlineSeconds=INT,
    ),
    status=struct(
        "DeploymentStatus",
        observedGeneration=COUNT,
        replicas=COUNT,
        updatedReplicas=COUNT,
        readyReplicas=COUNT,
        availableReplicas=COUNT,
        unavailableReplicas=COUNT,
        terminatingReplicas=INT,
        collisionCount=INT,
        conditions=conditions(lastUpdateTime=TIME),
    ),
)
STATEFUL_SET = top(
    "StatefulSet",
    spec=struct(
        "StatefulSetSpec",
        replicas=INT,
        selector=LABEL_SELECTOR,
        template=POD_TEMPLATE,
        volumeClaimTemplates=listing(CLAIM),
        serviceName=STRING,
        podManagementPolicy=STRING,
        updateStrategy=STATEFUL_SET_STRATEGY,
        revisionHistoryLimit=INT,
        minReadySeconds=COUNT,
        persistentVolumeClaimRetentionPolicy=OPEN,
        ordinals=OPEN,
    ),
    status=struct(
        "StatefulSetStatus",
        observedGeneration=COUNT,
        replicas=INT,
        updatedReplicas=COUNT,
        readyReplicas=COUNT,
        availableReplicas=INT,
        currentReplicas=COUNT,
        currentRevision=STRING,
        updateRevision=STRING,
        collisionCount=INT,
        conditions=conditions(),
    ),
)
POD = top(
    "Pod",
    spec=POD_SPEC,
    status=struct(
        "PodStatus",
        phase=STRING,
        conditions=conditions(lastProbeTime=TIME, observedGeneration=COUNT),
        message=STRING,
        reason=STRING,
        hostIP=STRING,
        hostIPs=listing(ANY),
        podIP=STRING,
        podIPs=listing(OPEN, "ip"),
        startTime=TIME,
        containerStatuses=listing(ANY),
        initContainerStatuses=listing(ANY),
        ephemeralContainerStatuses=listing(ANY),
        qosClass=STRING,
        nominatedNodeName=STRING,
        observedGeneration=COUNT,
        resize=STRING,
        resourceClaimStatuses=listing(OPEN, "name"),
        extendedResourceClaimStatus=OPEN,
        nodeAllocatableResourceClaimStatuses=listing(ANY),
        allocatedResources=QUANTITIES,
        resources=RESOURCES,
    ),
)
