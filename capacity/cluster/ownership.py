"""Who owns a field of an object (managedFields): whether we may take it, how it goes back, and who set a floor.

Whoever set a floor, the cure is the same: the floor leaves the chart, the manifest or Git, and `floor` in
`capacity.yaml` takes its place. Then no apply conflicts, and none resets it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from capacity.cluster.kinds import HPA, Kind

Document = dict[str, Any]
Path = tuple[str, ...]

RECONCILERS = (
    "argocd",
    "argo-cd",
    "flux",
    "kustomize-controller",
    "helm-controller",
    "keda-operator",
    "fleet",
    "rancher",
)
RECONCILER_ENDINGS = ("-controller", "-operator", "-reconciler")  # names by which controllers of others sign


@dataclass(frozen=True, slots=True)
class Owner:
    """A field manager and how it wrote: `Apply` (server-side) or `Update`."""

    manager: str
    operation: str

    @property
    def reconciles(self) -> bool:
        """Whether it writes again by itself: taking its field would start a fight. kubectl, Helm, Terraform do not."""
        name = self.manager.lower()
        return name.startswith(RECONCILERS) or name.endswith(RECONCILER_ENDINGS)


def owners(document: Document, path: Path) -> list[Owner]:
    """Everyone who owns the field, in the server's order."""
    return [_owner(entry) for entry in _entries(document) if holds_path(entry.get("fieldsV1"), path)]


def owns(document: Document, manager: str, path: Path) -> bool:
    """Whether this manager is among the field's owners."""
    return any(owner.manager == manager for owner in owners(document, path))


def handed_over(
    document: Document, manager: str, heirs: Iterable[tuple[Path, Owner | None]], time: str
) -> list[Document]:
    """managedFields without any entry of `manager`, each path given to its heir; None: to nobody, the value stays.

    kubectl rewrites managedFields the same way when it moves from client-side to server-side apply.
    """
    entries = [copy.deepcopy(entry) for entry in _entries(document) if entry.get("manager") != manager]
    for path, heir in heirs:
        if heir is not None and not any(holds_path(entry.get("fieldsV1"), path) for entry in entries):
            _give(_entry_of(entries, heir, str(document.get("apiVersion")), time), path)
    return entries or [{}]  # an empty list means "leave as they are", one empty entry clears them


def _entries(document: Document) -> list[Document]:
    entries = (document.get("metadata") or {}).get("managedFields")
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _owner(entry: Document) -> Owner:
    return Owner(str(entry.get("manager", "unknown")), str(entry.get("operation", "Update")))


def holds_path(fields: Any, path: Path) -> bool:
    """Whether a tree of managed fields (`fieldsV1`) has this path."""
    for key in path:
        if not isinstance(fields, dict) or key not in fields:
            return False
        fields = fields[key]
    return True


def _entry_of(entries: list[Document], heir: Owner, api_version: str, time: str) -> Document:
    for entry in entries:
        if _owner(entry) == heir and not entry.get("subresource"):
            return entry
    fresh = {
        "manager": heir.manager,
        "operation": heir.operation,
        "apiVersion": api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": {},
    }
    entries.append(fresh)
    return fresh


def _give(entry: Document, path: Path) -> None:
    fields = entry.setdefault("fieldsV1", {})
    for key in path:
        fields = fields.setdefault(key, {})


@dataclass(frozen=True, slots=True)
class Advice:
    """What a tool does to the floor at its next run, and what to change so that it does not."""

    tool: str
    effect: str
    cure: str

    def __str__(self) -> str:
        return f"{self.tool} set this floor: {self.effect}; {self.cure}"


def advice(owner: Owner, kind: Kind, name: str) -> Advice:
    """What to do about a manager that owns the floor.

    >>> print(advice(Owner("helm", "Apply"), HPA, "web").cure)
    remove minReplicas from the chart's HorizontalPodAutoscaler, or set the value that leaves it out
    """
    manager, applies = owner.manager.lower(), owner.operation == "Apply"
    if manager.startswith(("argocd", "argo-cd")):
        return Advice("Argo CD", "it syncs the field back", _argo_cd(kind, name, owner.manager))
    if manager == "kustomize-controller":
        cure = f"remove {kind.floor} from the manifest in Git, then set target.ignored_by: [{owner.manager}]"
        return Advice("Flux (kustomize-controller)", "it applies Git's value at each reconciliation", cure)
    if manager == "helm-controller":
        cure = f"remove {kind.floor} from the values of the HelmRelease, or add /spec/{kind.floor} to "
        cure += f"spec.driftDetection.ignore; then set target.ignored_by: [{owner.manager}]"
        return Advice("Flux (helm-controller)", "its next upgrade puts the chart's floor back", cure)
    if manager.startswith("helm"):
        effect = CONFLICTS if applies else "its next upgrade puts the chart's floor back"
        cure = f"remove {kind.floor} from the chart's {kind.name}, or set the value that leaves it out"
        return Advice("Helm 4" if applies else "Helm", effect, cure)
    if manager.startswith("terraform"):
        return Advice("Terraform", CONFLICTS if applies else "its next apply puts its floor back", _terraform(kind))
    if manager == "kubectl-client-side-apply":
        cure = f"remove {kind.floor} with `kubectl apply edit-last-applied`, then from the manifest"
        return Advice("kubectl apply", "its next run puts the manifest's floor back", cure)
    if manager in ("kubectl-edit", "kubectl-patch", "kubectl-create", "kubectl-replace", "kubectl"):
        return _kubectl(owner, kind)
    effect = CONFLICTS if applies else "it may write the field again"
    return Advice(f"{owner.manager} ({owner.operation})", effect, f"remove {kind.floor} from what it writes")


NOTHING = "nothing needs to be changed"
CONFLICTS = "its next apply fails with a conflict, or with force puts its floor back"


def _kubectl(owner: Owner, kind: Kind) -> Advice:
    if owner.operation == "Apply":
        cure = f"remove {kind.floor} from the manifest that `kubectl apply --server-side` gets"
        return Advice("kubectl apply --server-side", CONFLICTS, cure)
    return Advice(owner.manager, "it writes again only when a person runs it", NOTHING)


def _argo_cd(kind: Kind, name: str, manager: str) -> str:
    return (
        f"add ignoreDifferences: [{{group: {kind.group}, kind: {kind.name}, name: {name}, "
        f"jsonPointers: [{', '.join(kind.pointers)}]}}] and syncOptions: [RespectIgnoreDifferences=true], "
        f"then set target.ignored_by: [{manager}]"
    )


def _terraform(kind: Kind) -> str:
    if kind is not HPA:
        return f'add computed_fields = ["spec.{kind.floor}"] to the kubernetes_manifest'
    return (
        "add lifecycle { ignore_changes = [spec[0].min_replicas] } to the kubernetes_horizontal_pod_autoscaler_v2, or "
        'computed_fields = ["spec.minReplicas"] to the kubernetes_manifest'
    )
