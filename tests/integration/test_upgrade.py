"""What 0.1 and 0.2 wrote is read: plan files and ConfigMaps; objects whose floor they moved are given back exactly."""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

import capacity as cap
from capacity.cli import main
from capacity.model.configuration import Config
from tests.double import KubernetesDouble
from tests.double.manifests import SCALED_OBJECT_DEFINITION

DATA = Path(__file__).resolve().parents[1] / "data"
OLD, NEWER = DATA / "0.1", DATA / "0.2"
RISE, LATER = "2011-12-12T08:55:00Z", "2011-12-12T21:50:00Z"
Document = dict[str, Any]


def documents(name: str, folder: Path = OLD) -> list[Document]:
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def plain(item: Document) -> Document:
    """An object without what the API server counts and stamps by itself, and without its status."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in ("resourceVersion", "generation")}
    owners = [{key: value for key, value in entry.items() if key != "time"} for entry in metadata["managedFields"]]
    owners.sort(key=lambda entry: (entry["manager"], entry["operation"], entry.get("subresource", "")))
    return {
        **{key: item[key] for key in ("apiVersion", "kind", "spec")},
        "metadata": {**metadata, "managedFields": owners},
    }


class Upgraded:
    """A cluster in the state that 0.1 left, and the configuration it was run with."""

    def __init__(self, api: KubernetesDouble) -> None:
        self.api = api
        api.create(SCALED_OBJECT_DEFINITION)

    def load(self, *names: str, folder: Path = OLD) -> None:
        for name in names:
            for item in documents(name, folder):
                self.api.load(item)

    def now(self, item: Document) -> Document:
        return self.api.get(item["kind"], item["metadata"]["namespace"], item["metadata"]["name"])

    def differences(self, name: str) -> dict[str, tuple[Document, Document]]:
        """Objects that are not as in a file of fixtures: expected and found."""
        pairs = {item["metadata"]["name"]: (plain(item), plain(self.now(item))) for item in documents(name)}
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


@pytest.fixture
def upgraded(
    kubernetes_double: KubernetesDouble, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Upgraded:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    text = (OLD / "capacity.yaml").read_text(encoding="utf-8")
    text = text.replace("name: checkout,", "name: checkout, target: {take: true},")  # 0.1 took it unasked
    (tmp_path / "capacity.yaml").write_text(text, encoding="utf-8")
    return Upgraded(kubernetes_double)


def decisions(verb: str, *options: str) -> dict[str, Document]:
    """One pass, and what it decided for each workload."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        main([verb, *options, "--output", "json"])
    found = json.loads(stream.getvalue())["decisions"]
    return {f"{one['namespace']}/{one['name']}": one for one in found}


@pytest.mark.parametrize("name", ["sample", "shop"])
@pytest.mark.parametrize("version", ["0.1", "0.2"])
def test_a_plan_file_says_what_it_said(version: str, name: str) -> None:
    path = DATA / version / f"{name}.plan.json"
    written = json.loads(path.read_text(encoding="utf-8"))
    plan = cap.read_plan(path)
    assert plan.settings_hash == written["settings_hash"]
    assert [(one.namespace, one.name) for one in plan.workloads] == [
        (one["namespace"], one["name"]) for one in written["workloads"]
    ]
    for found, old in zip(plan.workloads, written["workloads"], strict=True):
        assert [(change.offset, change.replicas, change.reason) for change in found.floor] == [
            tuple(change) for change in old["floor"]
        ]
        assert found.step.total_seconds() == old["step"]
        assert (found.steps, found.safe_floor, found.ceiling) == (old["steps"], old["safe_floor"], old["ceiling"])
        assert (found.binding, found.peak.replicas) == (old["binding"], old["peak"]["replicas"])
        assert found.lead_time.total_seconds() == old["lead_time"]
    assert (plan.nodes is None) == ("nodes" not in written)


def test_the_plan_of_a_shop_is_a_plan_worth_reading() -> None:
    """The fixture holds what a reader could trip over; else the tests beside this one would show little."""
    written = json.loads((OLD / "shop.plan.json").read_text(encoding="utf-8"))
    reasons = Counter(change[2] for one in written["workloads"] for change in one["floor"])
    assert {"PlanStart", "DemandRising", "DemandFalling", "CeilingReached", "QuotaReached"} <= set(reasons)
    assert written["nodes"]["changes"]
    assert all(one["quiet"] for one in written["workloads"])


@pytest.mark.parametrize("source", ["file", "cluster"])
def test_preview_decides_by_a_plan_of_0_1_as_0_1_did(upgraded: Upgraded, source: str) -> None:
    upgraded.load("before.jsonl", "beside.jsonl", "configmaps.jsonl")
    options = ("--from-cluster",) if source == "cluster" else ("--plan", str(OLD / "shop.plan.json"))
    found = decisions("preview", "--now", RISE, *options)
    assert {name: (one["floor"], one["reason"]) for name, one in found.items()} == {
        "shop/web": (9, "DemandRising"),
        "shop/checkout": (7, "DemandRising"),
        "shop/search": (6, "CeilingReached"),
        "shop/jobs": (7, "DemandRising"),
        "shop/mails": (8, "DemandRising"),
        "depot/stock": (7, "DemandRising"),
        "depot/ledger": (5, "DemandRising"),
    }
    assert upgraded.differences("before.jsonl") == {}


def test_apply_leaves_what_0_1_left(upgraded: Upgraded) -> None:
    """Floors, ceilings and the note of what to give back; other annotations may become more."""
    upgraded.load("before.jsonl", "beside.jsonl", "configmaps.jsonl")
    decisions("apply", "--now", RISE, "--from-cluster")
    for old in documents("risen.jsonl"):
        new = upgraded.now(old)
        assert new["spec"] == old["spec"], old["metadata"]["name"]
        was, now = (json.loads(item["metadata"]["annotations"]["capacity/baseline"]) for item in (old, new))
        assert was.items() <= now.items()


def test_a_pass_over_floors_that_0_1_raised_has_nothing_to_do(upgraded: Upgraded) -> None:
    upgraded.load("risen.jsonl", "beside.jsonl", "configmaps.jsonl")
    found = decisions("apply", "--now", RISE, "--from-cluster")
    assert not [name for name, one in found.items() if one["changed"]]
    assert upgraded.differences("risen.jsonl") == {}


def test_what_passes_of_0_1_remembered_is_remembered(upgraded: Upgraded) -> None:
    """The next step down is due once its autoscaler asks for no more; 0.1 noted when the last one was."""
    upgraded.load("falling.jsonl", "beside.jsonl", "configmaps.jsonl")
    web = decisions("preview", "--now", LATER, "--from-cluster")["shop/web"]
    assert (web["before"], web["floor"], web["reason"]) == (7, 7, "AutoscalerNeeds")
    hpa = upgraded.api.get("HorizontalPodAutoscaler", "shop", "web")
    hpa["status"] |= {"currentReplicas": 7, "desiredReplicas": 7}
    hpa["status"]["currentMetrics"][0]["resource"]["current"]["averageValue"] = "230m"
    upgraded.api.load(hpa)
    web = decisions("preview", "--now", LATER, "--from-cluster")["shop/web"]
    assert (web["before"], web["floor"], web["reason"]) == (7, 6, "DemandFalling")


@pytest.mark.parametrize("left", ["risen.jsonl", "falling.jsonl"])
def test_restore_gives_back_exactly_what_0_1_found(upgraded: Upgraded, left: str) -> None:
    upgraded.load(left, "beside.jsonl", "configmaps.jsonl")
    assert set(upgraded.differences("before.jsonl")) == {item["metadata"]["name"] for item in documents("before.jsonl")}
    assert main(["restore"]) == 0
    assert upgraded.differences("before.jsonl") == {}


def test_restore_needs_no_configuration_that_names_the_workload(upgraded: Upgraded, tmp_path: Path) -> None:
    """What an earlier configuration moved is found by its annotations alone."""
    upgraded.load("risen.jsonl", "beside.jsonl")
    path = tmp_path / "capacity.yaml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "name: web," not in line), encoding="utf-8")
    assert main(["restore"]) == 0
    assert upgraded.differences("before.jsonl") == {}


def test_the_plan_and_the_floors_of_0_2_stay_in_force_and_are_given_back(upgraded: Upgraded) -> None:
    upgraded.load("risen.jsonl", "configmaps.jsonl", folder=NEWER)
    upgraded.load("beside.jsonl")
    found = decisions("apply", "--now", RISE, "--from-cluster")
    assert {name: (one["floor"], one["changed"]) for name, one in found.items()} == {
        "shop/web": (9, False),
        "shop/checkout": (7, False),
        "shop/search": (6, False),
        "shop/jobs": (7, False),
        "shop/mails": (8, False),
        "depot/stock": (7, False),
        "depot/ledger": (5, False),
    }
    assert main(["restore"]) == 0
    assert upgraded.differences("before.jsonl") == {}


def keys_of(schema: Document, names: Document, before: str = "") -> set[str]:
    """Every key that a JSON Schema allows, with a dot between levels."""
    if "$ref" in schema:
        return keys_of(names[schema["$ref"].rpartition("/")[2]], names, before)
    parts = [one for word in ("anyOf", "oneOf", "allOf") for one in schema.get(word, ())]
    parts += [schema["items"]] if isinstance(schema.get("items"), dict) else []
    found = {key for part in parts for key in keys_of(part, names, before)}
    for key, own in schema.get("properties", {}).items():
        found |= {before + key, *keys_of(own, names, f"{before}{key}.")}
    return found


def leaves_of(values: Document, before: str = "") -> set[str]:
    found = set()
    for key, value in values.items():
        found |= leaves_of(value, f"{before}{key}.") if isinstance(value, dict) and value else {before + key}
    return found


def test_no_key_of_a_configuration_and_no_value_of_the_chart_is_gone() -> None:
    schema = Config.model_json_schema()
    assert set((NEWER / "keys.txt").read_text().split()) <= keys_of(schema, schema["$defs"])
    values = yaml.safe_load((DATA.parents[1] / "k8s" / "chart" / "values.yaml").read_text(encoding="utf-8"))
    assert set((NEWER / "values.txt").read_text().split()) <= leaves_of(values)
