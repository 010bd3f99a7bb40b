"""The objects that k8s/ installs, as kubectl and Helm really render them, in each form there is."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

K8S = Path(__file__).resolve().parents[1] / "k8s"
BASE = K8S / "base"
SYSTEM, WORKLOADS = "capacity-system", "shop"  # the namespaces of the pods, and of what they move
OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()
Document = dict[str, Any]


@dataclass(frozen=True)
class Form:
    """A way to install: a folder for Kustomize, and the values that make Helm install the same."""

    folder: str
    values: tuple[str, ...] = ()

    @property
    def components(self) -> list[str]:
        """The components of Kustomize that make the difference to the base."""
        kustomization = yaml.safe_load((K8S / self.folder / "kustomization.yaml").read_text(encoding="utf-8"))
        return list(kustomization.get("components", []))


FORMS = {
    "as it comes": Form("base"),
    "with audits of its own": Form("overlays/audit", ("audit.enabled=true",)),
    "with the page": Form("overlays/serve", ("serve.enabled=true",)),
    "for the whole cluster": Form("overlays/cluster-wide", ("scope=cluster",)),
    "with the controller in a loop": Form("overlays/loop", ("controller.form=loop",)),
    "with the times of metrics": Form("overlays/metric-times", ("controller.metricTimes=true",)),
    "with KEDA": Form("overlays/keda", ("targets.scaledObjects=true",)),
    "with replicas of its own": Form("overlays/replicas", ("targets.replicas=true",)),
    "with replicas of its own in a loop": Form(
        "overlays/replicas-loop", ("controller.form=loop", "targets.replicas=true")
    ),
    "with pods resized in place": Form("overlays/vertical", ("targets.vertical=true",)),
    "with nodes ahead": Form("overlays/headroom", ("targets.headroom=true",)),
    "with nodes ahead and their lead time": Form("overlays/nodes", ("targets.nodes=true",)),
    "with placeholders": Form("overlays/placeholder", ("targets.placeholder=true",)),
    "with volumes": Form("overlays/volumes", ("targets.volumes=true",)),
    "with volumes and their classes": Form("overlays/storage-classes", ("targets.storageClasses=true",)),
    "with orders in a database": Form(
        "overlays/database", ("orders.claim=", "orders.passwordSecret=capacity-database")
    ),
    "with monitoring": Form(
        "overlays/monitoring",
        ("monitoring.rules=true", "monitoring.dashboards=true", "monitoring.namespace=monitoring"),
    ),
    "with the loop read by Prometheus": Form(
        "overlays/pod-monitor",
        (
            "controller.form=loop",
            "monitoring.rules=true",
            "monitoring.dashboards=true",
            "monitoring.namespace=monitoring",
            "monitoring.podMonitor=true",
        ),
    ),
    "with a priority": Form("overlays/priority", ("pods.createPriorityClass=true",)),
}


def kustomize(kubectl: str, folder: Path) -> list[Document]:
    """What `kubectl apply -k folder` would apply."""
    return documents(run([kubectl, "kustomize", str(folder)]))


def chart(helm: str, values: Sequence[str] = (), *words: str) -> list[Document]:
    """What `helm install -n capacity-system --set value ...` would create, with the base's own capacity.yaml."""
    sets = [word for value in values for word in ("--set", value)]
    template = [helm, "template", "capacity", str(K8S / "chart"), "--skip-tests", "-n", SYSTEM]
    return documents(run([*template, *CONFIG, *sets, *words]))


RELEASE = {  # labels that Helm's own convention asks for; Kustomize has no release
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
}


def without_release(node: Any) -> Any:
    """A document without the labels of its release, however deep."""
    if isinstance(node, dict):
        return {key: without_release(value) for key, value in node.items() if key not in RELEASE}
    return [without_release(item) for item in node] if isinstance(node, list) else node


CONFIG = ("--set-file", f"config={BASE / 'capacity.yaml'}")


def run(words: Sequence[str]) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def documents(text: str) -> list[Document]:
    return sorted((document for document in yaml.safe_load_all(text) if document), key=title)


def title(document: Document) -> str:
    return f"{document['kind']} {document['metadata']['name']}"


def the(rendered: Sequence[Document], kind: str, name: str) -> Document:
    """The one object of a kind and name."""
    (found,) = (document for document in rendered if title(document) == f"{kind} {name}")
    return found


def validate(manifest: Document, version: str) -> None:
    """The validator knows nothing of the Prometheus operator, whose shapes stand below; others it judges.

    It falls back to an older schema in silence: the version it took must be the one asked for.
    """
    if manifest["apiVersion"] == "monitoring.coreos.com/v1":
        {"PrometheusRule": check_rules, "PodMonitor": check_pod_monitor}[manifest["kind"]](manifest)
        return
    assert kubernetes_validate.validate(manifest, version, strict=True) == ".".join(version.split(".")[:2])


def check_rules(manifest: Document) -> None:
    """The shape that the operator's own definition of monitoring.coreos.com/v1 asks for; unknown keys are errors."""
    assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(manifest["spec"]) == {"groups"}
    names = [group["name"] for group in manifest["spec"]["groups"]]
    assert len(names) == len(set(names)), "the operator refuses two groups of one name"
    for group in manifest["spec"]["groups"]:
        assert set(group) <= {
            "name",
            "interval",
            "limit",
            "rules",
            "labels",
            "query_offset",
            "partial_response_strategy",
        }
        for rule in group["rules"]:
            assert ("record" in rule) != ("alert" in rule), rule
            texts = {"record", "expr"} if "record" in rule else {"alert", "expr", "for", "keep_firing_for"}
            assert set(rule) <= texts | {"labels", "annotations"}, rule
            assert all(isinstance(rule[key], str) and rule[key] for key in texts & set(rule)), rule
            told = {**rule.get("labels", {}), **rule.get("annotations", {})}
            assert all(isinstance(value, str) for value in told.values()), rule


def check_pod_monitor(manifest: Document) -> None:
    """As much of that definition's PodMonitor as ours uses; unknown keys are errors."""
    assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(manifest["spec"]) == {"selector", "podMetricsEndpoints"}
    assert set(manifest["spec"]["selector"]) <= {"matchLabels", "matchExpressions"}
    for endpoint in manifest["spec"]["podMetricsEndpoints"]:
        assert set(endpoint) <= {"port", "path", "interval", "scrapeTimeout", "scheme", "honorLabels", "relabelings"}, (
            endpoint
        )
        assert {name: type(value) for name, value in endpoint.items()}.items() >= {"port": str, "path": str}.items()
        assert re.fullmatch(r"\d+(ms|s|m)", endpoint["interval"])


def pod_of(document: Document) -> Document | None:
    """The pod template of a CronJob or Deployment; None of anything else."""
    spec = document.get("spec") or {}
    template = (spec.get("jobTemplate") or {}).get("spec", spec).get("template")
    return template if isinstance(template, dict) else None


def shown(text: str) -> str:
    """A manifest with every optional block on: `#- to:` and `#  ports:` are YAML, `# Prose` is not."""
    return re.sub(r"^( *)#(?=- |  )", r"\1", text, flags=re.MULTILINE)
