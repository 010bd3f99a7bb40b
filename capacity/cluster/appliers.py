"""Who set a floor, by field manager and operation, and which line to remove so that its next run leaves it alone.

The cure is always the same: the floor leaves the chart, the manifest or Git, and `floor` in `capacity.yaml` takes its
place. Then no apply conflicts, and none resets it.
"""

from __future__ import annotations

from dataclasses import dataclass

from capacity.cluster.kinds import HPA, Kind
from capacity.cluster.ownership import Owner


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
