"""Buffers of node headroom: CapacityBuffers (autoscaling.x-k8s.io), or Deployments of pause pods instead.

We own the objects that we make: they carry our annotations, and are removed when they are given back. An object of the
same name that somebody else made is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from capacity.cluster.annotations import EXPIRES, read_expiry, read_wishes
from capacity.cluster.client import ABSENT, ClusterReader, ClusterWriter
from capacity.cluster.kinds import Document
from capacity.cluster.ownership import owners
from capacity.model import ClusterError, Workload
from capacity.model.fields import rfc3339, time_or_none
from capacity.model.headroom import BufferState, Headroom, HeadroomDecision, HeadroomRules, buffer_name

GROUP = "autoscaling.x-k8s.io"
VERSIONS = ("v1beta1", "v1alpha1")  # those that we support, the newest first
BUFFERS = "/apis/{api}/namespaces/{namespace}/capacitybuffers"
TEMPLATES = "/api/v1/namespaces/{namespace}/podtemplates"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{namespace}/deployments"
PRIORITIES = "/apis/scheduling.k8s.io/v1/priorityclasses"
STATE = "capacity/headroom"  # annotation: for whom, how many pods at our last write, when and why, as JSON
LABELS = {"app.kubernetes.io/managed-by": "capacity", "app.kubernetes.io/component": "headroom"}
OURS = "app.kubernetes.io/managed-by=capacity,app.kubernetes.io/component=headroom"
GRACE = 0  # seconds: a pause pod has nothing to finish, and the pod that takes its place waits
INSTALL = (
    "install the CapacityBuffer definition and switch it on in the node autoscaler (Cluster Autoscaler 1.35, Karpenter "
    "1.15, GKE 1.35), or set headroom.buffer: placeholder"
)
PRIORITY = "install the overlay k8s/overlays/placeholder, which has it and lets the controller read it"
Key = tuple[str, str]  # namespace and name of an object


@dataclass(frozen=True, slots=True)
class BufferPlace:
    """The owner and the name of a buffer: one workload, or a group of workloads."""

    workload: Workload  # the first of a group
    rules: HeadroomRules
    made_by: tuple[str, str]  # kind and name of what makes the pods of the workload

    @property
    def name(self) -> str:
        """The name of the object."""
        return buffer_name(self.workload.name, self.rules.group)

    @property
    def key(self) -> Key:
        """Namespace and name of the object."""
        return self.workload.namespace, self.name


@dataclass(frozen=True, slots=True)
class SeenBuffers:
    """What was read of the buffers of all namespaces.

    `api`: the version that is served, None where the definition is missing. `documents` by namespace and name,
    `templates` the pod templates of groups. `errors` by namespace: why nothing could be read there. `priorities`: by
    name, why a PriorityClass cannot be used; empty text where it can.
    """

    api: str | None = None
    documents: Mapping[Key, Document] = field(default_factory=dict)
    templates: Mapping[Key, Document] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    priorities: Mapping[str, str] = field(default_factory=dict)


def served_version(reader: ClusterReader) -> str | None:
    """The API version of CapacityBuffer that the cluster serves and we support; None if there is none."""
    try:
        group = reader.document(f"/apis/{GROUP}")
    except ClusterError as error:
        if error.status == ABSENT:
            return None
        raise
    served = {str(one.get("version")) for one in group.get("versions") or []}
    return next((f"{GROUP}/{version}" for version in VERSIONS if version in served), None)


def read_buffers(reader: ClusterReader, places: Sequence[BufferPlace]) -> SeenBuffers:
    """The buffers of every namespace with places: one LIST for each namespace, one GET for each placeholder."""
    buffers = [one for one in places if one.rules.buffer == "CapacityBuffer"]
    api = served_version(reader) if buffers else None
    documents: dict[Key, Document] = {}
    templates: dict[Key, Document] = {}
    errors: dict[str, str] = {}
    for namespace in dict.fromkeys(one.workload.namespace for one in buffers):
        if api is not None:
            _tried(errors, namespace, _listed, reader, BUFFERS.format(api=api, namespace=namespace), documents)
    for namespace in dict.fromkeys(one.workload.namespace for one in buffers if one.rules.group):
        _tried(errors, namespace, _listed, reader, TEMPLATES.format(namespace=namespace), templates)
    placeholders = [one for one in places if one.rules.buffer == "placeholder"]
    for one in placeholders:
        _tried(errors, one.workload.namespace, _got, reader, one, documents)
    priorities = {name: _priority(reader, name) for name in {one.rules.priority_class for one in placeholders}}
    return SeenBuffers(api, documents, templates, errors, priorities)


def _tried(errors: dict[str, str], namespace: str, read: Callable[..., None], *arguments: Any) -> None:
    """The buffers of a namespace, or the error, which affects no other namespace."""
    try:
        read(*arguments)
    except ClusterError as error:
        if error.status is None:
            raise
        errors.setdefault(namespace, str(error))


def _listed(reader: ClusterReader, path: str, found: dict[Key, Document]) -> None:
    """Add every object at a path to `found`."""
    kind = {"podtemplates": ("PodTemplate", "v1")}.get(path.rpartition("/")[2])
    for document in reader.objects(path):
        metadata = document.get("metadata") or {}
        key = str(metadata.get("namespace")), str(metadata.get("name"))
        found[key] = document if kind is None else _typed(document, *kind)


def _got(reader: ClusterReader, place: BufferPlace, found: dict[Key, Document]) -> None:
    namespace, name = place.key
    try:
        found[place.key] = reader.document(f"{DEPLOYMENTS.format(namespace=namespace)}/{name}")
    except ClusterError as error:
        if error.status != ABSENT:
            raise


def _priority(reader: ClusterReader, name: str) -> str:
    """Why placeholders may not have this PriorityClass; empty if they may."""
    try:
        value = reader.document(f"{PRIORITIES}/{name}").get("value")
    except ClusterError as error:
        if error.status == ABSENT:
            return f"no PriorityClass {name}: {PRIORITY}"
        return f"PriorityClass {name} cannot be read ({error.status}): {PRIORITY}"
    if isinstance(value, int) and value < 0:
        return ""
    return f"PriorityClass {name}: expected a negative value, got {value}: its pods would push others out"


def buffer_state(seen: SeenBuffers, place: BufferPlace, now: datetime) -> BufferState:
    """The present state of one buffer. Raises `ClusterError` if its namespace could not be read."""
    if place.workload.namespace in seen.errors:
        raise ClusterError(seen.errors[place.workload.namespace])
    document = seen.documents.get(place.key)
    if place.rules.buffer == "CapacityBuffer" and seen.api is None:
        return BufferState(refused=("NoDefinition", f"this cluster serves no CapacityBuffer: {INSTALL}"))
    refusal = seen.priorities.get(place.rules.priority_class, "")
    refused = ("NoPriorityClass", refusal) if refusal and place.rules.buffer == "placeholder" else None
    if document is None:
        return BufferState(refused=refused)  # type: ignore[arg-type]  # the reason is one of HEADROOM_REASONS
    state = _state_of(document, now)
    return state if refused is None else replace(state, refused=refused)  # type: ignore[arg-type]


def _state_of(document: Document, now: datetime) -> BufferState:
    metadata, spec = document["metadata"], document.get("spec") or {}
    annotations = metadata.get("annotations") or {}
    replicas, note = int(spec.get("replicas") or 0), _note(annotations)
    if note is None:
        return BufferState(replicas, foreign=_maker(document))
    provisioned, message = _provisioned(document, replicas)
    noted = note.get("replicas")
    return BufferState(
        replicas=replicas,
        edited=isinstance(noted, int) and noted != replicas,
        wishes=read_wishes(annotations, now),
        provisioned=provisioned,
        message=message,
        moved_at=time_or_none(note.get("moved")),
        expires=read_expiry(annotations),
    )


def _note(annotations: Mapping[str, Any]) -> dict[str, Any] | None:
    """Our annotations on an object of ours; None on those of others. What cannot be read counts as empty."""
    if STATE not in annotations:
        return None
    try:
        note = json.loads(str(annotations[STATE])[:4096])
    except ValueError:
        return {}
    return note if isinstance(note, dict) else {}


def _maker(document: Document) -> str:
    found = owners(document, ("f:spec",))
    return found[0].manager if found else "somebody else"


def _provisioned(document: Document, replicas: int) -> tuple[bool, str]:
    """Whether nodes are ready for this number of pods, and the object's message if they are not."""
    status = document.get("status") or {}
    if document.get("kind") == "Deployment":
        ready = int(status.get("readyReplicas") or 0)
        return ready >= replicas, f"{ready} of {replicas} placeholders run"
    conditions = {str(one.get("type")): one for one in status.get("conditions") or []}
    for kind in ("ReadyForProvisioning", "Provisioning", *({"Ready"} & conditions.keys())):  # Ready: of GKE alone
        condition = conditions.get(kind)
        if condition is None:
            return False, f"it has no condition {kind}: is the node autoscaler's support for buffers enabled?"
        if condition.get("status") != "True":
            return False, f"{kind} is {condition.get('status')}: {_words(condition) or 'no reason given'}"
    counted, limited = f"its status counts {status.get('replicas')} pods", conditions.get("LimitedByQuotas") or {}
    if limited.get("status") == "True":
        counted = f"{counted}, as a ResourceQuota limits it: {_words(limited)}"
    return int(status.get("replicas") or 0) >= replicas, counted


def _words(condition: Document) -> str:
    return f"{condition.get('reason', '')} {condition.get('message', '')}".strip()


@dataclass(frozen=True, slots=True)
class BufferWrite:
    """One buffer as desired, with everything that its write needs.

    `expires`: until when it stands if nobody renews it.
    """

    place: BufferPlace
    seen: SeenBuffers
    decision: HeadroomDecision
    now: datetime
    plan: Headroom | None = None
    expires: datetime | None = None

    @property
    def document(self) -> Document | None:
        """The present object; None if there is none."""
        return self.seen.documents.get(self.place.key)

    @property
    def due(self) -> bool:
        """Whether a write is due: a new count, size of pods, reason or expiry."""
        document, decision = self.document, self.decision
        if document is None:
            return bool(decision.replicas)
        if decision.replicas is None:
            return True
        spec, wanted = document.get("spec") or {}, self._spec()
        return (
            int(spec.get("replicas") or 0) != decision.replicas
            or (not decision.held and any(spec.get(key) != value for key, value in wanted.items() if key != "template"))
            or self._shape_changed()
            or self._noted().get("reason") != self._told()
            or self._expiry_due()
        )

    @property
    def tells(self) -> bool:
        """Whether missing nodes must be reported for the first time, although the buffer does not change."""
        return self._told() not in ("", self._noted().get("reason"))

    def make(self, writer: ClusterWriter) -> None:
        """Write it: first the pod template of a group, then the object; or remove them."""
        namespace, name = self.place.key
        if self.decision.replicas is None:
            remove_buffer(writer, self.document or {}, self.seen.templates.get(self.place.key))
            return
        template = self._template()
        if template is not None and self._shape_changed():
            writer.apply_object(f"{TEMPLATES.format(namespace=namespace)}/{name}", template)
        writer.apply_object(f"{self._path()}/{name}", self.body())

    def body(self) -> Document:
        """The object for server-side apply, with the resourceVersion it was decided on, and its uid."""
        namespace, name = self.place.key
        known = (self.document or {}).get("metadata") or {}
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": {
                "name": name,
                "namespace": namespace,
                **{key: known[key] for key in ("uid", "resourceVersion") if key in known},
                "labels": LABELS,
                "annotations": self._annotations(),
            },
            "spec": {**self._spec(), "replicas": self.decision.replicas},
        }

    @property
    def kind(self) -> str:
        """The kind of the object."""
        return "CapacityBuffer" if self.place.rules.buffer == "CapacityBuffer" else "Deployment"

    @property
    def api_version(self) -> str:
        """The API version of the object: the served one, or the newest if none is served."""
        if self.kind == "Deployment":
            return "apps/v1"
        return self.seen.api or f"{GROUP}/{VERSIONS[0]}"

    def _path(self) -> str:
        namespace = self.place.workload.namespace
        return _collection(self.kind, self.api_version, namespace)

    def _spec(self) -> Document:
        """The fields that define the size of the pods; the count comes from the decision."""
        rules, name = self.place.rules, self.place.name
        if self.kind == "Deployment":
            labels = {**LABELS, "capacity/headroom-of": name[:63].rstrip("-.")}
            return {"selector": {"matchLabels": labels}, "template": self._pods(labels)}
        if rules.group is not None:
            return {"podTemplateRef": {"name": name}, "provisioningStrategy": rules.strategy}
        kind, made_by = self.place.made_by
        group = {"Deployment": "apps", "StatefulSet": "apps", "Rollout": "argoproj.io"}.get(kind, "apps")
        reference = {"apiGroup": group, "kind": kind, "name": made_by}
        return {"scalableRef": reference, "provisioningStrategy": rules.strategy}

    def _template(self) -> Document | None:
        """The pod template of a group's CapacityBuffer; None if the pods are those of a workload."""
        if self.kind != "CapacityBuffer" or self.place.rules.group is None:
            return None
        namespace, name = self.place.key
        metadata = {"name": name, "namespace": namespace, "labels": LABELS, "annotations": {STATE: self._note_text()}}
        return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": metadata, "template": self._pods(LABELS)}

    def _shape_changed(self) -> bool:
        """Whether the pod template of a group or placeholder differs from the desired one; without a plan it stays."""
        if self.plan is None or self.decision.held:
            return False
        if self.kind == "Deployment":
            spec = (self.document or {}).get("spec") or {}
            return _shape(spec.get("template")) != _shape(self._spec()["template"])
        wanted, stands = self._template(), self.seen.templates.get(self.place.key)
        return wanted is not None and _shape((stands or {}).get("template")) != _shape(wanted["template"])

    def _pods(self, labels: Mapping[str, str]) -> Document:
        """A pause pod of the headroom's size, which ends at once when it is evicted."""
        rules, requests = self.place.rules, self._requests()
        pod: Document = {
            "terminationGracePeriodSeconds": GRACE,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "pause",
                    "image": rules.image,
                    "resources": {"requests": requests},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        }
        if rules.node_selector:
            pod["nodeSelector"] = dict(rules.node_selector)
        if self.kind == "Deployment":
            pod["priorityClassName"] = rules.priority_class
        return {"metadata": {"labels": dict(labels)}, "spec": pod}

    def _requests(self) -> Document:
        replica, plan = self.place.workload.replica, self.plan
        cpu = round(replica.cpu_request * 1000) if plan is None else plan.cpu_millicores
        memory = round(replica.memory_request) if plan is None else plan.memory_bytes
        return {"cpu": f"{cpu}m", "memory": str(memory)}

    def _annotations(self) -> Document:
        until = self.expires or read_expiry(((self.document or {}).get("metadata") or {}).get("annotations") or {})
        found = {STATE: self._note_text()}
        return {**found, EXPIRES: rfc3339(until.replace(microsecond=0))} if until else found

    def _note_text(self) -> str:
        """Its owner, the pods we requested, since when, and what was reported.

        Where this write leaves the count alone, what we asked last stays noted: a count that a person set stays theirs.
        """
        former, asked = self._noted(), self.decision.replicas
        stands = None if self.document is None else int((self.document.get("spec") or {}).get("replicas") or 0)
        at: object = rfc3339(self.now.replace(microsecond=0))
        if stands == asked and "replicas" in former:
            asked, at = former["replicas"], former.get("moved")
        note = {"of": self.place.workload.name, "replicas": asked, "moved": at, "reason": self._told()}
        return json.dumps(note, separators=(",", ":"))

    def _noted(self) -> dict[str, Any]:
        """What our last write noted."""
        return _note(((self.document or {}).get("metadata") or {}).get("annotations") or {}) or {}

    def _told(self) -> str:
        """What is noted, and reported once by an Event: missing nodes, or nothing."""
        return self.decision.reason if self.decision.reason == "BufferNotProvisioned" else ""

    def _expiry_due(self) -> bool:
        noted = read_expiry(((self.document or {}).get("metadata") or {}).get("annotations") or {})
        if self.expires is None or self.decision.held or self.expires <= self.now:
            return False
        return noted is None or (noted < self.expires and noted - self.now < (self.expires - self.now) / 2)


def _shape(template: Document | None) -> tuple[Any, ...]:
    """The fields of a pod template that we set and compare; the server adds defaults to the rest."""
    spec = (template or {}).get("spec") or {}
    container = (spec.get("containers") or [{}])[0]
    requests = (container.get("resources") or {}).get("requests") or {}
    return container.get("image"), requests, spec.get("nodeSelector") or {}, spec.get("priorityClassName")


def _collection(kind: str, api_version: str, namespace: str) -> str:
    if kind == "Deployment":
        return DEPLOYMENTS.format(namespace=namespace)
    return BUFFERS.format(api=api_version, namespace=namespace)


def remove_buffer(writer: ClusterWriter, document: Document, template: Document | None) -> None:
    """Remove a buffer of ours, guarded by its uid, and its pod template. It is no error if they are gone already."""
    for one in filter(None, (document, template)):
        metadata = one["metadata"]
        path = (
            TEMPLATES.format(namespace=metadata["namespace"])
            if one.get("kind") == "PodTemplate"
            else _collection(str(one["kind"]), str(one["apiVersion"]), metadata["namespace"])
        )
        try:
            writer.delete_object(f"{path}/{metadata['name']}", str(metadata.get("uid", "")))
        except ClusterError as error:
            if error.status != ABSENT:
                raise


def read_ours(reader: ClusterReader, namespace: str, kinds: Sequence[str]) -> list[tuple[Document, Document | None]]:
    """Every buffer of ours in a namespace, whatever the configuration names now, each with its pod template.

    A pod template whose buffer is gone already stands for itself.
    """
    found: list[tuple[Document, Document | None]] = []
    api = served_version(reader) if "CapacityBuffer" in kinds else None
    if api is not None:
        path = BUFFERS.format(api=api, namespace=namespace)
        buffers = [_typed(one, "CapacityBuffer", api) for one in reader.objects(path, OURS)]
        templates: dict[Key, Document] = {}
        _listed(reader, TEMPLATES.format(namespace=namespace), templates)
        found += [(one, templates.pop((namespace, str(one["metadata"]["name"])), None)) for one in buffers]
        found += [(one, None) for one in templates.values()]
    if "placeholder" in kinds:
        path = DEPLOYMENTS.format(namespace=namespace)
        found += [(_typed(one, "Deployment", "apps/v1"), None) for one in reader.objects(path, OURS)]
    return [pair for pair in found if is_ours(pair[0])]


def is_ours(document: Document) -> bool:
    """Whether we made it: it has our annotation."""
    return STATE in (document["metadata"].get("annotations") or {})


def _typed(document: Document, kind: str, api_version: str) -> Document:
    """An item of a list with its kind and version, which the server leaves out for built-in kinds."""
    return {**document, "kind": kind, "apiVersion": api_version}


def buffer_of(document: Document) -> tuple[str, int, datetime | None]:
    """The owner of a buffer of ours, how many pods it asks for, and when it expires."""
    annotations = document["metadata"].get("annotations") or {}
    note = _note(annotations) or {}
    replicas = int((document.get("spec") or {}).get("replicas") or 0)
    return str(note.get("of") or document["metadata"]["name"]), replicas, read_expiry(annotations)
