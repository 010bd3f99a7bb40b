"""docs/ followed word by word: files saved, commands and Python run, output compared, servers real or doubles.

After a change of what is printed, `make outputs` writes it into the pages.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from capacity.model import Workload
from capacity.model.configuration import Config
from capacity.model.fields import keys_of
from capacity.sources import sample_orders
from tests.database import POD_METRICS, start_pod
from tests.double import KubernetesDouble
from tests.double.manifests import SCALED_OBJECT_DEFINITION, autoscaler
from tests.pages import Reader, blocks_of, rewritten, same
from tests.peers import Postgres, Prometheus, openmetrics
from tests.peers.process import binary

DOCS = Path(__file__).resolve().parents[2] / "docs"
OLD = DOCS.parent / "tests" / "data" / "0.1"
StandIns = dict[str, str]  # an example's address -> the server that answers for it here
WEEKS = 10  # of the sample's end: enough to plan from, and quick
FOLLOWED = sorted(
    path.relative_to(DOCS).as_posix()
    for path in DOCS.rglob("*.md")
    if path.parent.name not in ("runbooks", "decisions", "reference")
)
WORLDS = {  # what a page's reader has beside the files and commands that the page itself names
    "tutorial.md": ["cluster"],
    "howto/argocd.md": ["cluster", "orders"],
    "howto/clusters.md": ["orders"],
    "howto/cost.md": ["orders"],
    "howto/forecast.md": ["orders"],
    "howto/helm-and-kubectl.md": ["helm_releases", "orders"],
    "howto/keda.md": ["keda", "orders"],
    "howto/objective.md": ["orders"],
    "howto/postgresql.md": ["database", "orders"],
    "howto/prometheus.md": ["measured"],
    "howto/promotions.md": ["orders"],
    "howto/upgrade.md": ["version_0_1"],
    "howto/vertical.md": ["pods", "orders"],
    "understand/floors.md": ["cluster"],
}


@pytest.fixture
def orders(tmp_path: Path) -> StandIns:
    """orders.csv: the last weeks of the sample, in the two columns that the pages speak of."""
    last = pd.read_csv(sample_orders(), usecols=["timestamp", "orders"]).tail(WEEKS * 168)
    last.set_axis(["hour", "orders"], axis="columns").to_csv(tmp_path / "orders.csv", index=False)
    return {}


@pytest.fixture
def cluster(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    """A cluster that kubectl and capacity speak to."""
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    return {}


@pytest.fixture
def helm_releases(cluster: StandIns, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    """The same, where Helm keeps its releases in ConfigMaps: the double has no Secrets."""
    monkeypatch.setenv("HELM_DRIVER", "configmap")
    return cluster


@pytest.fixture
def keda(cluster: StandIns, kubernetes_double: KubernetesDouble, reader: Reader) -> StandIns:
    """The same, with KEDA's definition, and its operator: an HPA for each ScaledObject that has none yet."""
    api = kubernetes_double
    api.create(SCALED_OBJECT_DEFINITION)

    def operate() -> None:
        made = {item["metadata"]["name"] for item in api.list("HorizontalPodAutoscaler", "shop")}
        for item in api.list("ScaledObject", "shop"):
            name = item["metadata"]["name"]
            if f"keda-hpa-{name}" not in made:
                owner = {"apiVersion": item["apiVersion"], "kind": "ScaledObject", "name": name, "controller": True}
                owners = [{**owner, "uid": item["metadata"]["uid"]}]
                api.create(autoscaler(f"keda-hpa-{name}", namespace="shop", ownerReferences=owners), manager="keda")

    reader.others = operate
    return cluster


@pytest.fixture
def pods(cluster: StandIns, kubernetes_double: KubernetesDouble, reader: Reader) -> StandIns:
    """The same, with what makes a StatefulSet's pods and lets them run, and what measures them."""
    api = kubernetes_double
    api.create(POD_METRICS)

    def operate() -> None:
        there = {item["metadata"]["name"] for item in api.list("Pod", "shop")}
        for item in api.list("StatefulSet", "shop"):
            if f"{item['metadata']['name']}-0" not in there:
                start_pod(api, item, 0)

    reader.others = operate
    return cluster


@pytest.fixture
def version_0_1(cluster: StandIns, kubernetes_double: KubernetesDouble, tmp_path: Path) -> StandIns:
    """Files that 0.1 wrote, and a cluster whose floors it has raised."""
    shutil.copy(OLD / "capacity.yaml", tmp_path / "capacity.yaml")
    shutil.copy(OLD / "shop.plan.json", tmp_path / "plan.json")
    shutil.copy(sample_orders(), tmp_path / "orders.csv.gz")
    event = "Sale,2011-12-12T08:00,2011-12-12T20:00,promotion,1.5"
    (tmp_path / "events.csv").write_text(f"name,start,end,kind,uplift\n{event}\n", encoding="utf-8")
    kubernetes_double.create(SCALED_OBJECT_DEFINITION)
    for name in ("risen.jsonl", "beside.jsonl"):
        for line in (OLD / name).read_text(encoding="utf-8").splitlines():
            kubernetes_double.load(json.loads(line))
    return cluster


@pytest.fixture
def database(postgres: Postgres) -> StandIns:
    """An empty database in a real PostgreSQL, which trusts everybody on loopback."""
    place = postgres.url.partition("@")[2]
    return {
        "owner@db.example.com/shop": f"capacity@{place}",
        "capacity_reader@db.example.com/shop": f"capacity_reader@{place}",
    }


@pytest.fixture
def measured(prometheus: Callable[..., Prometheus], tmp_path: Path) -> StandIns:
    """orders.csv of sixteen days until now, and what one pod used meanwhile, in a real Prometheus."""
    now = pd.Timestamp(datetime.now(UTC)).floor("h")
    hours = pd.date_range(now - pd.Timedelta(days=16), now, freq="h", inclusive="left")
    orders = pd.Series(60 + 40 * np.sin(2 * np.pi * hours.hour.to_numpy() / 24), hours).round()
    orders.rename("orders").rename_axis("hour").to_csv(tmp_path / "orders.csv")
    minutes = pd.date_range(hours[0], now, freq="1min")
    cores = 0.4 + 0.02 * orders.reindex(minutes, method="ffill")
    labels = 'namespace="shop",container="app",pod="web-5d4f8c7b9-bcdfg"'
    series = {
        f"container_cpu_usage_seconds_total{{{labels}}}": (cores * 60).cumsum(),
        f"container_memory_working_set_bytes{{{labels}}}": 0 * cores + 2.0**31,
    }
    return {"https://prometheus.example.com": prometheus(history=openmetrics(series)).url}


@pytest.fixture
def reader(tmp_path: Path, request: pytest.FixtureRequest) -> Reader:
    def program(name: str) -> str:
        return str(request.getfixturevalue(name)) if name in ("kubectl", "helm") else binary(name)

    return Reader(tmp_path, program)


def fragments() -> list[tuple[str, dict[str, Any]]]:
    """Each YAML block without a title that has keys of capacity.yaml or of a workload in it, by page.

    Blocks of calls.md are rules of Roles, some of which bear the name of a key.
    """
    found = []
    for name in FOLLOWED:
        if name == "calls.md":
            continue
        for block in blocks_of((DOCS / name).read_text(encoding="utf-8")):
            if block.language == "yaml" and block.title is None and not block.shows:
                found.append((name, yaml.safe_load(block.text)))
    known = set(Config.model_fields) | keys_of(Workload)
    return [(name, keys) for name, keys in found if known & set(keys)]


@pytest.mark.parametrize(("name", "keys"), fragments())
def test_a_part_of_a_configuration_can_be_read(name: str, keys: dict[str, Any]) -> None:
    own = {key: value for key, value in keys.items() if key in keys_of(Workload)}
    load = {"cpu": {"base": 1}, "memory": {"base": "1Gi"}}
    replica = {"cpu_request": 1, "memory_request": "1Gi"}
    web = {"namespace": "shop", "name": "web", "ceiling": 9, "load": load, "replica": replica, **own}
    rest = {key: value for key, value in keys.items() if key not in own}
    Config.model_validate({"sales": {"source": "orders.csv", "time": "at"}, "workloads": [web], **rest})


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_page_does_what_it_says(name: str, reader: Reader, request: pytest.FixtureRequest) -> None:
    page = DOCS / name
    text = page.read_text(encoding="utf-8")
    for world in WORLDS.get(name, ()):
        reader.stand_ins = {**reader.stand_ins, **request.getfixturevalue(world)}
    printed = list(reader.follow(text))
    if request.config.getoption("--write-docs"):
        page.write_text(rewritten(text, printed), encoding="utf-8")
        printed = [(block, truth) for block, truth in printed if block.abridged]  # only a person can mend those
    for block, truth in printed:
        assert same(block.text, truth), f"{name} shows\n{block.text}\nbut this was printed:\n{truth}"
