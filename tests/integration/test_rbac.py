"""The Roles of k8s/ allow exactly what the code asks of an API server: each CronJob's command under its own token."""

from __future__ import annotations

import base64
import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from capacity.cli import main
from tests.double import Entry, KubernetesDouble, Wire, refusal
from tests.double.manifests import deployment
from tests.rendering import SYSTEM, WORKLOADS

BASE = Path(__file__).resolve().parents[2] / "k8s" / "base"
NAMESPACE = WORKLOADS
NOW, DUE = "2026-11-27T12:00:00Z", "2026-11-27T12:08:00Z"
ORDERS = """
    SELECT hour + INTERVAL 1 SECOND * number AS ordered_at, hash(hour, number) AS order_id, 1.0 AS amount
    FROM range(TIMESTAMP '2026-10-30', TIMESTAMP '2026-11-27', INTERVAL 1 HOUR) AS hours(hour),
         range(20 + CAST(10 * sin(pi() * extract(hour FROM hour) / 12) AS INTEGER)) AS orders(number)
"""
CONFLICT = refusal(409, "Conflict", "the object has been modified; please apply your changes to the latest version")
FLOOR_PATCH = "PATCH .*/horizontalpodautoscalers/web"
Document = dict[str, Any]
Rule = tuple[str, str, str]  # verb, API group, resource


def read(name: str) -> list[Document]:
    return list(yaml.safe_load_all((BASE / name).read_text(encoding="utf-8")))


ROLES = {role["metadata"]["name"]: role for role in read("workloads/roles.yaml")}
COMMANDS = {
    job["metadata"]["name"]: job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    for job in (*read("planner.yaml"), *read("controller.yaml"))
}
PLANNER, CONTROLLER = "capacity-planner", "capacity-controller"


def granted(role: Document) -> list[Rule]:
    return [
        (verb, group, resource)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def without(role: Document, revoked: Rule) -> Document:
    """The Role with one verb on one resource less."""
    verb, group, resource = revoked
    poorer = copy.deepcopy(role)
    for rule in poorer["rules"]:
        if (rule["apiGroups"], rule["resources"]) == ([group], [resource]) and verb in rule["verbs"]:
            rule["verbs"].remove(verb)
    poorer["rules"] = [rule for rule in poorer["rules"] if rule["verbs"]]
    assert set(granted(role)) - set(granted(poorer)) == {revoked}
    return poorer


def asked(entries: list[Entry]) -> set[Rule]:
    """What a real API server asks of RBAC: an apply that makes an absent object needs `create` beside `patch`."""
    rules = {entry.rule for entry in entries}
    made = {("create", *entry.rule[1:]) for entry in entries if entry.method == "PATCH" and entry.code == 201}
    return rules | made


class Installation:
    """The namespace with its autoscaler and the base's Roles and bindings; commands run as a service account."""

    def __init__(self, api: KubernetesDouble, folder: Path, aim: Callable[[Path], None]) -> None:
        self.api, self.folder, self._aim = api, folder, aim
        self.config = folder / "capacity.yaml"
        self._configure()
        self.api.create(autoscaler(NAMESPACE))
        for kind in ("Deployment", "StatefulSet"):
            self.api.create({**deployment("web", namespace=NAMESPACE), "kind": kind})

    def _configure(self) -> None:
        """The base's own configuration, with orders of four weeks in the place of the volume."""
        orders = self.folder / "orders.parquet"
        duckdb.sql(ORDERS).write_parquet(str(orders))
        config = yaml.safe_load((BASE / "capacity.yaml").read_text(encoding="utf-8"))
        config["sales"]["source"] = str(orders)
        config["choice"] = {"period": None}
        self.config.write_text(yaml.safe_dump(config), encoding="utf-8")

    def install(self, **changed: Document) -> None:
        """Create Roles and bindings as kustomize renders them: with the namespaces. `changed` Roles replace theirs."""
        for item in [*({**ROLES, **changed}).values(), *read("workloads/role-bindings.yaml")]:
            placed = copy.deepcopy(item)
            placed["metadata"]["namespace"] = NAMESPACE
            for subject in placed.get("subjects", []):
                subject["namespace"] = SYSTEM
            self.api.create(placed)

    def token(self, account: str) -> str:
        return self.api.token(f"system:serviceaccount:{SYSTEM}:{account}")

    def run(self, account: str, *args: str) -> int:
        """Run a command with an account's token; without arguments, the command of its CronJob."""
        words = list(args or COMMANDS[account])
        if "-c" in words:
            words[words.index("-c") + 1] = str(self.config)
        self._aim(self.api.kubeconfig(self.folder / "kubeconfig", self.token(account)))
        return main(words)

    def plan(self) -> int:
        return self.run(PLANNER)

    def move_and_restore(self) -> list[int]:
        """Both verbs, and at each somebody else writes in between, so that the autoscaler is read again.

        Between them a pass for each kind of workload whose replicas have not become ready in time.
        """
        self.api.faults.add(FLOOR_PATCH, CONFLICT)
        moved = [self.run(CONTROLLER, *COMMANDS[CONTROLLER], "--now", NOW)]
        for kind in ("Deployment", "StatefulSet"):
            target = {"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": "web"}}}
            self.api.patch("HorizontalPodAutoscaler", NAMESPACE, "web", target)
            moved.append(self.run(CONTROLLER, *COMMANDS[CONTROLLER], "--now", DUE))
        return [max(moved), self.restore()]

    def restore(self) -> int:
        self.api.faults.clear()
        self.api.faults.add(FLOOR_PATCH, CONFLICT)
        return self.run(CONTROLLER, "restore", "-c", "capacity.yaml", "--now", NOW)

    @property
    def refused(self) -> list[Entry]:
        return [entry for entry in self.api.journal if entry.code == 403]

    @property
    def floor(self) -> int:
        return int(self.api.get("HorizontalPodAutoscaler", NAMESPACE, "web")["spec"]["minReplicas"])


def autoscaler(namespace: str) -> Document:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "minReplicas": 1,
            "maxReplicas": 60,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        },
    }


def aim(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Point the official client at a kubeconfig; it reads KUBECONFIG only once, when it is imported."""
    location = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    return lambda path: monkeypatch.setattr(location, str(path))


@pytest.fixture
def installation(kubernetes_double: KubernetesDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    return Installation(kubernetes_double, tmp_path, aim(monkeypatch))


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """A plan as the planner makes it, in the ConfigMap that version 0.1 wrote."""
    with pytest.MonkeyPatch.context() as monkeypatch, KubernetesDouble() as api:
        installation = Installation(api, tmp_path_factory.mktemp("plan"), aim(monkeypatch))
        installation.install()
        assert installation.plan() == 0
        part = api.get("ConfigMap", NAMESPACE, "capacity-plan-a-0")
    text = gzip.decompress(base64.b64decode(part["binaryData"]["plan.json.gz"])).decode()
    metadata = {"name": "capacity-plan-0", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"plan.json": text}}


def test_planner_may_do_exactly_what_it_does(installation: Installation, plan: Document) -> None:
    """It removes what version 0.1 wrote, once a plan that it wrote itself is in force."""
    installation.api.create(plan)
    installation.install()
    assert installation.plan() == 0
    assert asked(list(installation.api.journal)) == set(granted(ROLES[PLANNER]))
    assert installation.refused == []
    left = [item["metadata"]["name"] for item in installation.api.list("ConfigMap", NAMESPACE)]
    assert [name for name in left if "plan" in name] == ["capacity-plan", "capacity-plan-a-0"]


def test_planner_chooses_policies_once_its_plan_is_in_force_and_follows_them(installation: Installation) -> None:
    config = yaml.safe_load(installation.config.read_text(encoding="utf-8"))
    installation.config.write_text(yaml.safe_dump({**config, "choice": {"days": 7}}), encoding="utf-8")
    installation.install()
    assert installation.plan() == 0
    written = [entry.path.rpartition("/")[2] for entry in installation.api.journal.writes if entry.code < 300]
    assert written[-2:] == ["capacity-plan", "capacity-policies-0"]
    assert installation.plan() == 0
    assert installation.refused == []
    plan = json.loads(plan_text_of(installation.api))["workloads"][0]
    assert plan["choice"]["reason"]
    assert plan["policy"] == (plan["choice"]["meanwhile"] or plan["choice"]["recommended"])["policy"]


def plan_text_of(api: KubernetesDouble) -> str:
    """The plan in force: the second one, in the other slot."""
    part = api.get("ConfigMap", NAMESPACE, "capacity-plan-b-0")
    return gzip.decompress(base64.b64decode(part["binaryData"]["plan.json.gz"])).decode()


def test_planner_writes_over_its_last_plan_with_the_same_role(installation: Installation) -> None:
    installation.install()
    assert [installation.plan(), installation.plan()] == [0, 0]
    codes = [entry.code for entry in installation.api.journal.writes if entry.query.get("dryRun") != "All"]
    asked_first, first, second = [404], [201, 201, 200], [200, 201, 200]  # of the second: claim, part, index
    assert codes == [*first, *asked_first, *second, *asked_first]


def test_controller_may_do_exactly_what_it_does(installation: Installation, plan: Document) -> None:
    installation.api.create(plan)
    installation.install()
    assert installation.move_and_restore() == [0, 0]
    assert asked(list(installation.api.journal)) == set(granted(ROLES[CONTROLLER]))
    assert installation.refused == []
    events = [entry for entry in installation.api.journal.writes if entry.path.endswith("/events")]
    assert [entry.json["reason"] for entry in events] == ["DemandRising", "FloorNotReached"]
    assert installation.floor == 1


def test_restore_asks_for_no_config_map_and_writes_no_event(installation: Installation, plan: Document) -> None:
    installation.api.create(plan)
    installation.install()
    assert installation.run(CONTROLLER, *COMMANDS[CONTROLLER], "--now", NOW) == 0
    assert installation.floor > 1
    installation.api.journal.clear()
    assert installation.restore() == 0
    assert asked(list(installation.api.journal)) == {
        rule
        for rule in granted(ROLES[CONTROLLER])
        if rule[2] in ("horizontalpodautoscalers", "leases") and rule[0] != "create"
    }


@pytest.mark.parametrize("revoked", granted(ROLES[CONTROLLER]), ids=lambda rule: f"without {rule[0]} of {rule[2]}")
def test_controller_is_refused_without_one_of_its_verbs(
    installation: Installation, plan: Document, revoked: Rule
) -> None:
    installation.api.create(plan)
    installation.install(**{CONTROLLER: without(ROLES[CONTROLLER], revoked)})
    installation.move_and_restore()
    assert {entry.rule for entry in installation.refused} == {revoked}


@pytest.mark.parametrize(
    "revoked",
    [
        pytest.param(("patch", "", "configmaps"), id="without patch of configmaps"),
        pytest.param(("create", "", "configmaps"), id="without create of configmaps"),
    ],
)
def test_planner_is_refused_without_one_of_its_verbs(
    installation: Installation, revoked: Rule, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.install(**{PLANNER: without(ROLES[PLANNER], revoked)})
    assert installation.plan() == 1
    codes = [(entry.method, entry.code) for entry in installation.api.journal]
    assert codes == [("GET", 200), ("GET", 404), ("GET", 404), ("PATCH", 403)]
    assert "see the Role in k8s/base" in capsys.readouterr().err


def test_planner_that_may_not_see_pods_assumes_lead_times_and_says_so(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.install(**{PLANNER: without(ROLES[PLANNER], ("list", "", "pods"))})
    assert installation.plan() == 0
    assert "lead time 300 s assumed: its pods cannot be read: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("account", "method", "path"),
    [
        pytest.param(PLANNER, "GET", "/api/v1/{0}/configmaps/capacity-config", id="planner reads no other map"),
        pytest.param(PLANNER, "PATCH", "/api/v1/{0}/configmaps/capacity-config", id="planner writes no other map"),
        pytest.param(PLANNER, "GET", "/apis/autoscaling/v2/{0}/horizontalpodautoscalers", id="planner sees no HPA"),
        pytest.param(CONTROLLER, "PATCH", "/api/v1/{0}/configmaps/capacity-plan-0", id="controller writes no plan"),
        pytest.param(CONTROLLER, "GET", "/api/v1/{0}/configmaps/capacity-config", id="controller reads no other map"),
        pytest.param(CONTROLLER, "GET", "/api/v1/{0}/configmaps", id="controller lists no maps"),
        pytest.param(CONTROLLER, "PATCH", "/apis/apps/v1/{0}/deployments/web", id="controller moves no Deployment"),
        pytest.param(
            CONTROLLER, "DELETE", "/apis/autoscaling/v2/{0}/horizontalpodautoscalers/web", id="controller deletes none"
        ),
        pytest.param(
            CONTROLLER,
            "GET",
            "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
            id="controller sees no other namespace",
        ),
    ],
)
def test_what_nobody_asked_for_is_forbidden(installation: Installation, account: str, method: str, path: str) -> None:
    installation.install()
    with Wire(installation.api, installation.token(account)) as wire:
        answer = wire.send(method, path.format(f"namespaces/{NAMESPACE}"), {} if method == "PATCH" else None)
    assert answer.status == 403
