"""Node headroom over the wire: buffers of one workload and of a group, placeholders, and what stands in their way."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from capacity.cli import main
from capacity.model import Plan, write_plan
from capacity.model.headroom import ACTIVE, Headroom, HeadroomChange
from tests.database import HOUR, START
from tests.double import KubernetesDouble
from tests.double.actors import provision_buffer
from tests.double.buffers import capacity_buffer, capacity_buffer_definition
from tests.double.faults import refusal
from tests.plans import workload_plan
from tests.rendering import K8S, kustomize
from tests.shop import Shop, hpa

DAY = "2026-11-27T"
STANDS, HELD, FAILED = 0, 3, 1
Document = dict[str, Any]


def ahead(*changes: tuple[int, int], group: str | None = None) -> Headroom:
    steps = tuple(HeadroomChange(*change) for change in changes)
    members = ("web", "api") if group else ()
    return Headroom(START, HOUR, 24, steps, 0.95, timedelta(minutes=4), 500, 2**29, group, members)


class Store:
    """The shop with headroom asked for, a plan that holds it, and a double that serves CapacityBuffer."""

    def __init__(self, api: KubernetesDouble, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.api, self.shop, self.folder, self.capsys = api, Shop(api, folder), folder, capsys
        for name in ("web", "api"):
            api.create(hpa(name, floor=4))
            self.shop.measure(name)

    def asks(self, headroom: Document, *names: str, plan: Headroom | None = None) -> None:
        names = names or ("web",)
        self.shop.configure(*names, headroom=headroom)
        plans = [workload_plan(name, start=START, steps=24) for name in names]
        plans[0] = replace(plans[0], headroom=plan or ahead((0, 2), (2, 6), (4, 1), group=headroom.get("group")))
        write_plan(Plan(START, START, START + timedelta(days=1), "test", {}, tuple(plans)), self.folder / "plan.json")

    def at(self, time: str, verb: str = "apply") -> tuple[int, Document]:
        """The exit code of a pass, and what it said of the buffer."""
        self.capsys.readouterr()
        code = main([verb, "--now", f"{DAY}{time}:00Z", "--json-lines"])
        lines = [json.loads(line) for line in self.capsys.readouterr().out.splitlines()]
        said = [one for line in lines for one in line.get("actuations", ()) if one["actuator"] == "headroom"]
        return code, said[0] if said else {}

    def buffer(self, name: str = "capacity-web", kind: str = "CapacityBuffer") -> Document:
        return self.api.get(kind, "shop", name)

    def names(self, kind: str) -> list[str]:
        return [one["metadata"]["name"] for one in self.api.list(kind, "shop")]


@pytest.fixture
def store(
    kubernetes_double: KubernetesDouble,
    kubeconfig: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Store:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    return Store(kubernetes_double, tmp_path, capsys)


@pytest.mark.parametrize("versions", [(), ("v1alpha1",)], ids=["both versions are served", "only the first is"])
def test_buffer_rises_before_the_peak_falls_after_it_and_is_given_back(store: Store, versions: tuple[str, ...]) -> None:
    store.api.create(capacity_buffer_definition(*versions))
    store.asks({})
    assert store.at("00:10", "preview")[1]["after"] == {"replicas": 2}
    assert store.names("CapacityBuffer") == [], "a preview writes nothing"
    assert store.at("00:10")[1]["reason"] == "PeakAhead"
    spec = store.buffer()["spec"]
    reference = {"apiGroup": "apps", "kind": "Deployment", "name": "web"}
    assert spec == {"scalableRef": reference, "replicas": 2, "provisioningStrategy": ACTIVE}
    provision_buffer(store.api, "shop", "capacity-web")
    before = store.shop.writes()
    assert store.at("00:40") == (STANDS, store.at("00:41")[1])
    assert store.shop.writes() == before, "nothing is written where nothing changes"
    assert store.at("01:58")[1]["after"] == {"replicas": 6}
    provision_buffer(store.api, "shop", "capacity-web")
    assert store.at("03:50")[1]["reason"] == "AsPlanned"
    assert store.at("04:10")[1]["reason"] == "PeakPassed"
    assert store.buffer()["spec"]["replicas"] == 1
    assert {event["reason"] for event in store.shop.events()} >= {"PeakAhead", "PeakPassed"}
    assert store.at("04:20", "restore")[0] == STANDS
    assert store.names("CapacityBuffer") == []


def test_group_has_one_buffer_of_its_own_pods(store: Store) -> None:
    store.api.create(capacity_buffer_definition())
    store.asks(
        {"group": "edge", "node_selector": {"pool": "web"}, "strategy": "buffer.gke.io/standby-capacity"}, "web", "api"
    )
    store.at("00:10")
    buffer, template = store.buffer("capacity-group-edge"), store.buffer("capacity-group-edge", "PodTemplate")
    assert store.names("CapacityBuffer") == ["capacity-group-edge"]
    assert buffer["spec"]["podTemplateRef"] == {"name": "capacity-group-edge"}
    assert buffer["spec"]["provisioningStrategy"] == "buffer.gke.io/standby-capacity"
    pod = template["template"]["spec"]
    assert pod["containers"][0]["resources"]["requests"] == {"cpu": "500m", "memory": str(2**29)}
    assert pod["nodeSelector"] == {"pool": "web"}
    provision_buffer(store.api, "shop", "capacity-group-edge")
    before = store.shop.writes()
    store.at("00:20")
    assert store.shop.writes() == before
    store.at("00:30", "restore")
    assert (store.names("CapacityBuffer"), store.names("PodTemplate")) == ([], [])
    store.at("00:40")
    store.api.delete("CapacityBuffer", "shop", "capacity-group-edge")
    store.at("00:50", "restore")
    assert store.names("PodTemplate") == [], "a template whose buffer somebody removed is given back, too"


def test_missing_nodes_are_said_when_they_had_time_to_come_and_once_by_an_event(store: Store) -> None:
    store.api.create(capacity_buffer_definition())
    store.asks({})
    store.at("00:10")
    provision_buffer(store.api, "shop", "capacity-web", ready=False)
    assert store.at("00:13") == (STANDS, {**store.at("00:13")[1], "reason": "AsPlanned"})
    code, said = store.at("00:17")
    assert (code, said["reason"], said["held"]) == (HELD, "BufferNotProvisioned", True)
    assert "no node group has room" in said["detail"]
    store.at("00:18")
    reasons = [event["reason"] for event in store.shop.events()]
    assert reasons.count("BufferNotProvisioned") == 1
    provision_buffer(store.api, "shop", "capacity-web")
    assert store.at("00:19")[1]["reason"] == "AsPlanned"


@pytest.mark.parametrize(
    ("case", "reason", "words"),
    [
        pytest.param("no definition", "NoDefinition", "headroom.buffer: placeholder", id="no definition"),
        pytest.param("foreign", "HeldForeignOwner", "kubectl", id="a buffer of somebody else"),
        pytest.param("excluded", "Excluded", "capacity/exclude", id="a buffer to leave alone"),
        pytest.param("edited", "HeldEdited", "somebody set 9", id="a buffer that somebody raised"),
        pytest.param("no plan", "HeldNoPlan", "no plan holds headroom", id="no plan"),
    ],
)
def test_what_stands_in_the_way_is_said_and_nothing_is_written(
    store: Store, case: str, reason: str, words: str
) -> None:
    store.asks({})
    if case != "no definition":
        store.api.create(capacity_buffer_definition())
    if case == "foreign":
        store.api.create(capacity_buffer("capacity-web", namespace="shop"), manager="kubectl")
    if case in ("excluded", "edited", "no plan"):
        store.at("00:10")
        provision_buffer(store.api, "shop", "capacity-web")
    if case == "excluded":
        note = {"metadata": {"annotations": {"capacity/exclude": "true"}}}
        store.api.patch("CapacityBuffer", "shop", "capacity-web", note, manager="kubectl")
    if case == "edited":
        store.api.patch("CapacityBuffer", "shop", "capacity-web", {"spec": {"replicas": 9}}, manager="kubectl")
    if case == "no plan":
        plan = workload_plan("web", start=START, steps=24)
        write_plan(Plan(START, START, START + timedelta(days=1), "test", {}, (plan,)), store.folder / "plan.json")
    before = [one for one in store.shop.writes() if one != "POST"]
    _, said = store.at("00:20")
    assert said["reason"] == reason
    assert words in said["detail"]
    assert [one for one in store.shop.writes() if one != "POST"] == before


def test_placeholders_need_a_negative_priority_class_and_count_when_they_run(store: Store) -> None:
    store.asks({"buffer": "placeholder"})
    assert store.at("00:10")[1]["reason"] == "NoPriorityClass"
    assert store.names("Deployment") == []
    priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 10}
    store.api.create({**priority, "metadata": {"name": "capacity-placeholder"}})
    assert "expected a negative value, got 10" in store.at("00:10")[1]["detail"]
    store.api.delete("PriorityClass", None, "capacity-placeholder")
    store.api.create({**priority, "value": -10, "metadata": {"name": "capacity-placeholder"}})
    assert store.at("00:10")[1]["reason"] == "PeakAhead"
    made = store.buffer(kind="Deployment")
    pod = made["spec"]["template"]["spec"]
    assert (made["spec"]["replicas"], pod["priorityClassName"], pod["terminationGracePeriodSeconds"]) == (
        2,
        "capacity-placeholder",
        0,
    )
    assert store.at("00:20")[1]["reason"] == "BufferNotProvisioned"
    status = {"status": {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2}}
    store.api.patch("Deployment", "shop", "capacity-web", status, subresource="status")
    store.at("00:21")
    before = store.shop.writes()
    assert store.at("00:22")[1]["reason"] == "AsPlanned"
    assert store.shop.writes() == before
    store.at("00:30", "restore")
    assert store.names("Deployment") == []


def test_one_refused_write_stops_neither_the_floor_nor_the_other_buffer(store: Store) -> None:
    store.api.create(capacity_buffer_definition())
    store.shop.configure("web", "api", headroom={})
    plans = [replace(workload_plan(name, start=START, steps=24), headroom=ahead((0, 2))) for name in ("web", "api")]
    write_plan(Plan(START, START, START + timedelta(days=1), "test", {}, tuple(plans)), store.folder / "plan.json")
    store.api.faults.add("PATCH .*/capacitybuffers/capacity-web", refusal(403, "Forbidden", "cannot patch"), times=9)
    code, said = store.at("00:10")
    assert code == FAILED
    assert "cannot patch" in said["error"]
    assert store.names("CapacityBuffer") == ["capacity-api"]


def test_buffer_that_nobody_renewed_is_given_back(store: Store) -> None:
    store.api.create(capacity_buffer_definition())
    store.asks({})
    store.at("00:10")
    plan = workload_plan("web", start=START + timedelta(days=3), steps=24)
    write_plan(Plan(plan.start, START, plan.end, "test", {}, (plan,)), store.folder / "plan.json")
    code = main(["apply", "--now", "2026-11-28T05:00:00Z"])
    assert code in (STANDS, HELD)
    assert store.names("CapacityBuffer") == ["capacity-web"], "it is held as long as it was meant to stand"
    main(["apply", "--now", "2026-11-28T07:00:00Z"])
    assert store.names("CapacityBuffer") == []


def test_question_whether_a_buffer_could_be_removed_removes_nothing(store: Store) -> None:
    store.api.create(capacity_buffer_definition())
    store.asks({})
    store.at("00:10")
    assert main(["preview", "--server-dry-run", "--now", "2026-11-28T07:00:00Z"]) in (STANDS, HELD)
    assert [entry.code for entry in store.api.journal.writes if entry.method == "DELETE"] == [200], "it is asked for"
    assert store.names("CapacityBuffer") == ["capacity-web"], "only an apply removes"


@pytest.mark.parametrize(
    ("overlay", "rules", "ours"),
    [
        pytest.param("overlays/headroom", {"group": "edge"}, ("capacitybuffers", "podtemplates"), id="buffers"),
        pytest.param(
            "overlays/placeholder", {"buffer": "placeholder"}, ("deployments", "priorityclasses"), id="placeholders"
        ),
    ],
)
def test_component_grants_exactly_what_is_asked(
    store: Store,
    kubectl: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    overlay: str,
    rules: Document,
    ours: tuple[str, ...],
) -> None:
    store.api.create(capacity_buffer_definition())
    objects = kustomize(kubectl, K8S / overlay)
    for item in objects:
        if item["kind"] in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "PriorityClass"):
            store.api.create(item)
    token = store.api.token("system:serviceaccount:capacity-system:capacity-controller")
    location = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(location, str(store.api.kubeconfig(tmp_path / "controller", token)))
    store.asks(rules)
    store.api.journal.clear()
    assert store.at("00:10")[1]["reason"] == "PeakAhead"
    assert store.at("00:30", "restore")[0] == STANDS
    entries = [entry for entry in store.api.journal if entry.place is not None]
    assert [entry.path for entry in entries if entry.code == 403] == []
    made = {("create", *entry.rule[1:]) for entry in entries if entry.method == "PATCH" and entry.code == 201}
    granted = {
        (verb, group, resource)
        for item in objects
        if item["kind"].endswith("Role") and item["metadata"]["name"] != "capacity-planner"
        for rule in item["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    asked = {rule for rule in {entry.rule for entry in entries} | made if rule[2] in ours}
    assert asked == {rule for rule in granted if rule[2] in ours}
