"""The controller under exactly the rights that kubectl and Helm render, in every form: it asks for all, and no more."""

from __future__ import annotations

import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from capacity.cli import main
from capacity.cluster import ClusterWriter, write_plan_maps
from capacity.model import Plan
from tests.database import Database, configured, plan_of_sizes, sizes_of
from tests.double import Entry, KubernetesDouble, refusal
from tests.double.manifests import SCALED_OBJECT_DEFINITION, autoscaler, deployment, scaled_object
from tests.peers.process import came_up, free_port, started, stop
from tests.rendering import BASE, FORMS, K8S, SYSTEM, WORKLOADS, Document, chart, kustomize, pod_of, the

NAMESPACE = WORKLOADS
NOW = "2026-11-27T12:00:00Z"
CONTROLLER = "capacity-controller"
CONFLICT = refusal(409, "Conflict", "the object has been modified; please apply your changes to the latest version")
Rule = tuple[str, str, str]  # verb, API group, resource
Rendered = Callable[[str], list[Document]]  # form -> objects
HPA, SCALED, DEPLOYMENT, STATEFUL = "HorizontalPodAutoscaler", "ScaledObject", "Deployment", "StatefulSet"
TARGETS = {  # what each form is for, beside the HPA that every form moves
    "as it comes": {"web": HPA},
    "for the whole cluster": {"web": HPA},
    "with KEDA": {"web": HPA, "api": SCALED},
    "with replicas of its own": {"web": HPA, "jobs": DEPLOYMENT, "db": STATEFUL},
}


@pytest.fixture(scope="module", params=["kubectl", "helm"])
def rendered(request: pytest.FixtureRequest) -> Rendered:
    """What one of the two programs makes of a form."""
    program = request.getfixturevalue(request.param)
    if request.param == "kubectl":
        return lambda name: kustomize(program, K8S / FORMS[name].folder)
    return lambda name: chart(program, FORMS[name].values)


@pytest.fixture
def cluster(kubernetes_double: KubernetesDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    return Cluster(kubernetes_double, tmp_path, monkeypatch)


class Cluster:
    """A cluster with KEDA, whose users come and go."""

    def __init__(self, api: KubernetesDouble, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api, self.folder, self._monkeypatch = api, folder, monkeypatch
        api.create(SCALED_OBJECT_DEFINITION)

    def install(self, objects: list[Document]) -> None:
        """Create what grants rights; the service accounts themselves are only names here."""
        for item in objects:
            if item["kind"].removeprefix("Cluster") in ("Role", "RoleBinding"):
                self.api.create(item)

    def fill(self, namespace: str, targets: dict[str, str], plan: Plan) -> None:
        """One object for each workload, and the plan as the planner writes it."""
        for name, kind in targets.items():
            made = self.api.create(placed(kind, namespace, name))
            if kind == SCALED:  # KEDA makes an HPA of it
                self.api.create(autoscaler(f"keda-hpa-{name}", namespace=namespace, ownerReferences=[owner(made)]))
        write_plan_maps(ClusterWriter(str(self.api.kubeconfig(self.folder / "admin"))), plan)

    def configure(self, targets: dict[tuple[str, str], str]) -> Path:
        """The base's configuration with these workloads, by namespace and name."""
        config = yaml.safe_load((BASE / "capacity.yaml").read_text(encoding="utf-8"))
        (first,) = config["workloads"]
        config["workloads"] = [
            {**first, "namespace": namespace, "name": name, "target": {"kind": kind, "name": name}}
            for (namespace, name), kind in targets.items()
        ]
        path = self.folder / "capacity.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def kubeconfig(self) -> Path:
        """That of the controller's service account."""
        token = self.api.token(f"system:serviceaccount:{SYSTEM}:{CONTROLLER}")
        return self.api.kubeconfig(self.folder / "kubeconfig", token)

    def run(self, *words: str, now: str = NOW) -> int:
        """A command as the controller's service account; on every target somebody else writes in between once."""
        location = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
        self._monkeypatch.setattr(location, str(self.kubeconfig()))
        self.api.faults.clear()
        for path in (
            "horizontalpodautoscalers/[a-z]+",
            "scaledobjects/[a-z]+",
            "deployments/[a-z]+",
            "statefulsets/[a-z]+",
            "pods/db-0/resize",
        ):
            self.api.faults.add(f"PATCH .*/{path}", CONFLICT)
        return main([*words, "--now", now])

    def wait_in_vain(self, one_pass: Callable[[], int]) -> None:
        """Passes that find no replicas ready of a Deployment, then of a StatefulSet."""
        for kind in (DEPLOYMENT, STATEFUL):
            self.api.create(placed(kind, NAMESPACE, "late"))
            target = {"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": "late"}}}
            self.api.patch(HPA, NAMESPACE, "web", target)
            assert one_pass() == 0


def placed(kind: str, namespace: str, name: str) -> Document:
    if kind == STATEFUL:
        item: dict[str, Any] = {**deployment(name, namespace=namespace), "kind": STATEFUL}
        item["spec"]["serviceName"] = name
        return item
    make = {HPA: autoscaler, SCALED: scaled_object, DEPLOYMENT: deployment}[kind]
    return dict(make(name, namespace=namespace))


def owner(item: Document) -> Document:
    about = {key: item[key] for key in ("apiVersion", "kind")}
    return {**about, "name": item["metadata"]["name"], "uid": item["metadata"]["uid"], "controller": True}


def granted(role: Document) -> set[Rule]:
    return {
        (verb, group, resource)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def asked(entries: list[Entry]) -> set[Rule]:
    return {entry.rule for entry in entries}


def args_of(objects: list[Document], config: Path) -> list[str]:
    """The controller's command, on another configuration."""
    (pod,) = (pod for item in objects if (pod := pod_of(item)) and item["metadata"]["name"] == CONTROLLER)
    words = list(pod["spec"]["containers"][0]["args"])
    words[words.index("-c") + 1] = str(config)
    return words


def floors(api: KubernetesDouble, namespace: str, targets: dict[str, str]) -> dict[str, int]:
    field = {HPA: "minReplicas", SCALED: "minReplicaCount"}
    return {name: api.get(kind, namespace, name)["spec"][field.get(kind, "replicas")] for name, kind in targets.items()}


@pytest.mark.parametrize("form", TARGETS)
def test_controller_asks_for_exactly_what_the_form_grants(
    cluster: Cluster, rendered: Rendered, form: str, plan_of: Callable[..., Plan]
) -> None:
    objects, targets = rendered(form), TARGETS[form]
    cluster.install(objects)
    cluster.fill(NAMESPACE, targets, plan_of(**dict.fromkeys(targets, [7] * 24)))
    config = cluster.configure({(NAMESPACE, name): kind for name, kind in targets.items()})
    before = floors(cluster.api, NAMESPACE, targets)
    cluster.api.journal.clear()
    assert cluster.run(*args_of(objects, config)) == 0
    assert floors(cluster.api, NAMESPACE, targets) == dict.fromkeys(targets, 7)
    cluster.wait_in_vain(lambda: cluster.run(*args_of(objects, config), now="2026-11-27T12:08:00Z"))
    assert cluster.run("restore", "-c", str(config)) == 0
    assert floors(cluster.api, NAMESPACE, targets) == before
    entries = list(cluster.api.journal)
    assert [entry for entry in entries if entry.code == 403] == []
    (role,) = (one for one in objects if one["kind"].endswith("Role") and one["metadata"]["name"] == CONTROLLER)
    assert asked(entries) == granted(role)


def test_controller_that_resizes_pods_asks_for_exactly_what_its_form_grants(
    cluster: Cluster, rendered: Rendered, plan_of: Callable[..., Plan], tmp_path: Path
) -> None:
    """It reads the metrics and the VPAs, notes the baseline on the owner, and patches nothing of a pod but its size."""
    objects = rendered("with pods resized in place")
    database = Database(cluster.api, tmp_path)
    database.add_deployment("cache")
    plan = plan_of(web=[7] * 24)
    sized = [plan_of_sizes(sizes_of([4000] * 24), name) for name in ("db", "cache")]
    cluster.install(objects)
    cluster.fill(NAMESPACE, {"web": HPA}, replace(plan, workloads=(*plan.workloads, *sized)))
    config = cluster.configure({(NAMESPACE, "web"): HPA})
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    document["workloads"] += [configured(), {**configured("cache"), "target": {"kind": DEPLOYMENT}}]
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    cluster.api.journal.clear()
    assert cluster.run(*args_of(objects, config)) == 0
    assert {database.size(name) for name in ("db-0", "cache-1a2b-x")} == {("4", "2Gi")}
    cluster.wait_in_vain(lambda: cluster.run(*args_of(objects, config), now="2026-11-27T12:08:00Z"))
    assert cluster.run("restore", "-c", str(config)) == 0
    assert {database.size(name) for name in ("db-0", "cache-1a2b-x")} == {("1", "2Gi")}
    entries = list(cluster.api.journal)
    assert [entry for entry in entries if entry.code == 403] == []
    (role,) = (one for one in objects if one["kind"].endswith("Role") and one["metadata"]["name"] == CONTROLLER)
    assert asked(entries) == granted(role)


@pytest.mark.parametrize(
    ("form", "code", "elsewhere"),
    [
        pytest.param("as it comes", 1, 2, id="a Role ends at its namespace, and the failure there stops nothing here"),
        pytest.param("for the whole cluster", 0, 7, id="a ClusterRole does not"),
    ],
)
def test_how_far_the_controller_reaches(
    cluster: Cluster, rendered: Rendered, plan_of: Callable[..., Plan], form: str, code: int, elsewhere: int
) -> None:
    objects, plan = rendered(form), plan_of(web=[7] * 24)
    cluster.install(objects)
    for namespace in (NAMESPACE, "store"):
        cluster.fill(namespace, {"web": HPA}, moved(plan, namespace))
    config = cluster.configure({(NAMESPACE, "web"): HPA, ("store", "web"): HPA})
    assert cluster.run(*args_of(objects, config)) == code
    assert floors(cluster.api, NAMESPACE, {"web": HPA}) == {"web": 7}
    assert floors(cluster.api, "store", {"web": HPA}) == {"web": elsewhere}


def moved(plan: Plan, namespace: str) -> Plan:
    return replace(plan, workloads=tuple(replace(workload, namespace=namespace) for workload in plan.workloads))


def test_loop_serves_its_probes_and_ends_on_sigterm(
    cluster: Cluster, rendered: Rendered, plan_of: Callable[..., Plan], tmp_path: Path
) -> None:
    objects = rendered("with the controller in a loop")
    cluster.install(objects)
    cluster.fill(NAMESPACE, {"web": HPA}, plan_of(web=[7] * 24))
    config = cluster.configure({(NAMESPACE, "web"): HPA})
    (container,) = the(objects, DEPLOYMENT, CONTROLLER)["spec"]["template"]["spec"]["containers"]
    words, port = args_of(objects, config), free_port()
    at = words.index("--health-port") + 1
    assert [words[at]] == [str(one["containerPort"]) for one in container["ports"]]
    words[at] = str(port)
    ready, alive = (container[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe"))
    process = started(
        ["env", f"KUBECONFIG={cluster.kubeconfig()}", str(Path(sys.executable).parent / "capacity"), *words],
        tmp_path / "log",
    )
    try:
        assert came_up(process, lambda port: status(port, ready) == 200, port), (tmp_path / "log").read_text()
        assert status(port, alive) == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0, (tmp_path / "log").read_text()
    finally:
        stop(process)
    assert [entry for entry in cluster.api.journal if entry.code == 403] == []
    assert cluster.api.get("Lease", NAMESPACE, "capacity")["spec"].get("holderIdentity", "") == ""


def status(port: int, path: str) -> int | None:
    """What a probe sees; None where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None
