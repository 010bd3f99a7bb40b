"""`capacity serve`: the JSON API as a table of requests, who may ask, and what works without orders."""

from __future__ import annotations

import gc
import re
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
import yaml
from fastapi.testclient import TestClient

from capacity.app import what_if
from capacity.app.configuration import read_config
from capacity.app.kept import Kept
from capacity.app.serve import LiveData, Moment, Served, served_cluster, served_file, served_orders
from capacity.app.what_if import Controls, PlannedOrders, parse_scenario
from capacity.cli import main
from capacity.cli.serve import Place
from capacity.cluster.client import ClusterWriter
from capacity.cluster.config_maps import write_plan_maps
from capacity.model import ConfigError, DataError
from capacity.model.choice import Choice, Evidence, Reason
from capacity.model.plan_file import write_plan
from capacity.model.policy import Objective, Policy
from capacity.web import responses
from capacity.web.application import AT_ONCE, create_app
from capacity.web.state import WebSettings
from tests.double import KubernetesDouble
from tests.rendering import K8S
from tests.waiting import until

CONFIG = """
timezone: Europe/London
sales: {source: orders.csv, time: at, value: {sum: n}}
forecast: {horizon: 3d, quantile_levels: [0.5, 0.9, 0.95]}
supply: {currency: EUR}
workloads:
  - {namespace: shop, name: web, floor: 2, ceiling: 40, zones: 3, costs: {price_per_hour: 0.02}, lead_time: 5m,
     replica: {cpu_request: 500m, memory_request: 512Mi},
     load: {cpu: {base: 500m, per_sale_per_hour: 50m}, memory: {base: 1Gi}}}
  - {namespace: shop, name: "api", floor: 1, ceiling: 40, lead_time: 5m,
     replica: {cpu_request: 500m, memory_request: 512Mi},
     load: {cpu: {base: 100m, per_sale_per_hour: 10m}, memory: {base: 1Gi}}}
"""
NOW = datetime(2026, 2, 16, tzinfo=UTC)
WEB = "/v1/workloads/shop/web"
HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Six weeks of hourly orders of working days, and two days that came after the plan."""
    folder = tmp_path_factory.mktemp("serve")
    index = pd.date_range("2026-01-05", periods=24 * 44, freq="h", tz="UTC")
    daytime = np.sin((index.hour.to_numpy() - 7) * np.pi / 12).clip(0) * (index.day_of_week.to_numpy() < 5)
    sales = np.random.default_rng(5).poisson(3 + 60 * daytime)
    pd.DataFrame({"at": index, "n": sales}).to_csv(folder / "orders.csv", index=False)
    (folder / "capacity.yaml").write_text(CONFIG, encoding="utf-8")
    return served_orders(read_config(folder / "capacity.yaml"), Moment(NOW, seen=NOW + timedelta(days=2)))


def client_of(served: Served, settings: WebSettings | None = None) -> TestClient:
    app = create_app(LiveData(lambda: served), lambda: NOW, settings)
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[TestClient]:
    with client_of(served) as found:
        yield found


@pytest.fixture(scope="module")
def alone(served: Served, tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """The same plan from its file, without the orders."""
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    write_plan(served.plan, path)
    return client_of(served_file(path))


ANSWERS: list[tuple[str, int, str]] = [
    ("/v1/workloads", 200, ""),
    (f"{WEB}/plan", 200, ""),
    (f"{WEB}/forecast", 200, ""),
    (f"{WEB}/explain", 200, ""),
    (f"{WEB}/past", 200, ""),
    (f"{WEB}/compare?growth=0.2&quantile=0.99&lead_time=90m&lost_zone=true", 200, ""),
    (f"{WEB}/compare?promotion=2026-02-17/2026-02-18:%2B50%25", 200, ""),
    ("/v1/workloads/shop/gone/plan", 404, "no workload shop/gone"),
    (f"{WEB}/explain?at=2026-02-17T12:00:00", 422, "2026-11-27T18:00:00Z"),
    (f"{WEB}/explain?at=2027-01-01T00:00:00Z", 422, "which the plan covers"),
    (f"{WEB}/compare?quantile=0.96", 422, "expected one of 0.5"),
    (f"{WEB}/compare?quantile=2", 422, "less than 1"),
    (f"{WEB}/compare?growth=-1", 422, "greater than -1"),
    (f"{WEB}/compare?lead_time=soon", 422, "lead_time"),
    (f"{WEB}/compare?lead_time=7h", 422, "expected 0s to 6h"),
    (f"{WEB}/compare?promotion=tomorrow", 422, "START/END"),
    (f"{WEB}/compare?promotion=2029-01-01/2029-01-02:%2B50%25", 422, "which the forecast covers"),
    (f"{WEB}/compare?minutes=0.999", 422, "capacity advise"),
    (f"{WEB}/compare?minutes=0.999&overload_cost=3", 422, "one of minutes and overload_cost"),
    ("/v1/workloads/shop/api/compare?lost_zone=true", 422, "zones of more than 1"),
    ("/v1/nothing", 404, "/v1/nothing"),
]


@pytest.mark.parametrize(("path", "status", "words"), ANSWERS, ids=[path for path, _, _ in ANSWERS])
def test_each_request_has_its_answer(client: TestClient, path: str, status: int, words: str) -> None:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    if status == 200:
        assert answer.headers["content-type"] == "application/json"
        return
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert words in problem["detail"]


def test_an_answer_is_sent_once(client: TestClient) -> None:
    first = client.get(f"{WEB}/plan")
    again = client.get(f"{WEB}/plan", headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(f"{WEB}/plan?growth=0.5", headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200


def test_the_plan_and_the_bars_are_those_of_the_plan(client: TestClient, served: Served) -> None:
    plan = served.workload(("shop", "web"))
    document = client.get(f"{WEB}/plan").json()
    assert document["floor"] == plan.to_frame()["floor"].tolist()
    assert len(client.get(f"{WEB}/forecast").json()["cpu"]["quantiles"]["0.95"]) == plan.steps
    for at in (plan.start, plan.peak.at, plan.end - plan.step):
        found = client.get(f"{WEB}/explain", params={"at": at.isoformat()}).json()
        assert found["bars"][-1]["total"] == found["floor"] == plan.floor_between(at, at)


def test_more_of_everything_costs_more_and_says_so(client: TestClient) -> None:
    def compared(question: str) -> tuple[dict[str, Any], dict[str, Any]]:
        found = client.get(f"{WEB}/compare?{question}").json()
        return found["before"], found["after"]

    before, after = compared("growth=0.5")
    assert after["cost_per_month"] > before["cost_per_month"]
    assert after["unit"] == "EUR"
    before, after = compared("quantile=0.7")
    assert after["cost_per_month"] < before["cost_per_month"]
    assert after["expected_minutes_over_target_per_day"] > before["expected_minutes_over_target_per_day"]
    bars = client.get(f"{WEB}/explain?growth=0.5").json()["bars"]
    assert next(bar["why"] for bar in bars if bar["name"] == "what if").endswith("growth=+50%")


def test_a_controls_forecast_is_made_once(served: Served) -> None:
    known = served.known()
    workload = replace(known.workload(("shop", "web")), lead_time=timedelta(minutes=90))
    assert known.inputs(workload).forecasts is known.inputs(workload).forecasts


def test_readers_of_one_scenario_share_its_plan(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[object]()
    make_plan = what_if.make_plan
    monkeypatch.setattr(what_if, "make_plan", lambda inputs: (made.append(inputs.scenario), make_plan(inputs))[1])
    with client_of(served) as client, ThreadPoolExecutor(8) as readers:
        kinds = ["compare", "explain", "plan", "compare"] * 2
        codes = readers.map(lambda kind: client.get(f"{WEB}/{kind}?growth=0.123").status_code, kinds)
        assert set(codes) == {200}
    assert len([scenario for scenario in made if scenario is not None]) == 1


def test_a_forecast_is_that_of_the_plan(served: Served) -> None:
    known, controls = served.known(), Controls(growth=0.3, lost_zone=True)
    demand, planned = known.demand(("shop", "web"), controls), known.plan(("shop", "web"), controls).demand
    assert planned is not None
    for mine, its in ((demand.cpu, planned.cpu), (demand.memory, planned.memory), (demand.sales, planned.sales)):
        assert mine is not None
        assert its is not None
        pd.testing.assert_frame_equal(mine.quantiles, its.quantiles)


def test_new_questions_hold_no_more_objects(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "KEPT_MANY", 8)
    known = served.known()
    few = PlannedOrders(known.asked, known.orders, known.now, _inputs=known._inputs, _plans=Kept(2))

    def ask(numbers: range) -> int:
        for number in numbers:
            for kind in ("plan", "forecast", "explain", "compare"):
                assert client.get(f"{WEB}/{kind}?growth={number / 1000}").status_code == 200
        gc.collect()
        return sum(type(one) is not weakref.ref for one in gc.get_objects())  # pandas clears its own at 500 a block

    with client_of(replace(served, orders=few)) as client:
        ask(range(1, 4))
        before = ask(range(4, 7))
        held = ask(range(7, 12)) - before
    assert held < 50, "objects held by twenty answers more; a plan that is kept has hundreds"


def test_many_readers_share_a_few_threads(served: Served) -> None:
    def threads() -> int:
        return sum("AnyIO worker thread" in one.name for one in threading.enumerate())

    with client_of(served) as client, ThreadPoolExecutor(20) as readers:
        others = threads()
        statuses = set(
            readers.map(lambda number: client.get(f"{WEB}/plan?growth={number / 100}").status_code, range(20))
        )
        assert (statuses, threads() - others <= AT_ONCE) == ({200}, True)


def test_a_scenario_is_saved_as_the_command_takes_it(client: TestClient) -> None:
    answer = client.get(f"{WEB}/scenario.yaml?growth=0.2&lost_zone=true&quantile=0.9&lead_time=10m")
    assert answer.headers["content-disposition"] == 'attachment; filename="shop-web-scenario.yaml"'
    saved = yaml.safe_load(answer.text)
    scenario = parse_scenario(saved["scenario"], "UTC")
    assert (scenario.growth, scenario.lost_zone) == (0.2, True)
    assert saved["workload_changes"] == {
        "namespace": "shop", "name": "web", "quantile_level": 0.9, "lead_time": "10m",
    }  # fmt: skip
    assert saved["after"]["peak_replicas"] > 0


def test_a_scenario_is_kept_only_where_that_was_allowed(served: Served, client: TestClient, tmp_path: Path) -> None:
    place = f"{WEB}/scenarios/black-friday?growth=0.2"
    assert client.put(place).status_code == 403
    allowed = client_of(served, WebSettings(scenarios=tmp_path))
    assert allowed.put(place, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert allowed.put(f"{WEB}/scenarios/..%2Fevil?growth=0.2").status_code in (404, 422)
    assert allowed.put(place).json() == {"saved": "shop-web-black-friday.yaml"}
    (file,) = tmp_path.iterdir()
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["scenario"] == "growth=+20%"


def test_newer_data_take_the_place_of_older_and_a_failure_does_not(served: Served) -> None:
    failures = [DataError("no rows")]
    reads = count()

    def read() -> Served:
        if next(reads) and failures:
            raise failures.pop()
        return served

    live = LiveData(read, timedelta(0))
    assert live.current().version == 1
    until(lambda: live.failure == "no rows")
    until(lambda: live.current().version > 1)
    until(lambda: live.failure == "")


def test_what_came_stands_beside_the_plan(client: TestClient) -> None:
    past = client.get(f"{WEB}/past").json()
    assert past["came"]["start"] == "2026-02-16T00:00:00Z"
    assert len(past["came"]["values"]) >= 47
    assert past["sales"]["start"] >= "2026-01-19"


@pytest.mark.parametrize("path", ["forecast", "explain", "compare?growth=0.2", "scenario.yaml?growth=0.2"])
def test_a_plan_file_alone_says_what_it_lacks(alone: TestClient, path: str) -> None:
    answer = alone.get(f"{WEB}/{path}")
    assert answer.status_code == 409
    assert "no orders" in answer.json()["detail"]


def test_a_plan_file_alone_shows_what_it_has(alone: TestClient, client: TestClient) -> None:
    assert alone.get(f"{WEB}/plan").json()["floor"] == client.get(f"{WEB}/plan").json()["floor"]
    page = alone.get("/workloads/shop/web", headers=HTML).text
    assert "<fieldset disabled>" in page
    assert "holds floors and evidence but no orders" in page
    assert not alone.get("/v1/workloads").json()["can_forecast"]


@pytest.mark.parametrize("reason", get_args(Reason))
def test_the_page_shows_the_evidence_of_every_choice(served: Served, reason: Reason) -> None:
    today, best = (
        Evidence(Policy(at), 28, cost, 3.0, 0.0, (70, 90), (1, 5), (0, 1)) for at, cost in ((60, 80.0), (70, 71.5))
    )
    choice = Choice("shop", "web", NOW, Objective(), today, best, reason)
    workloads = tuple(replace(one, choice=choice) if one.name == "web" else one for one in served.plan.workloads)
    page = client_of(replace(served, plan=replace(served.plan, workloads=workloads))).get("/workloads/shop/web")
    assert page.status_code == 200
    assert "policies replayed on the last 28 days" in page.text
    assert "<td>HPA at 70 %</td>" in page.text


def test_a_stranger_is_refused_and_a_token_lets_in(served: Served) -> None:
    token = "correct horse battery"
    client = client_of(served, WebSettings(token=token))
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/static/page.css").status_code == 200
    refused = client.get("/v1/workloads")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="capacity"')
    assert client.get("/v1/workloads", headers={"authorization": f"Bearer {token}"}).status_code == 200
    assert client.get("/", headers=HTML).headers["location"] == "/login"
    assert client.post("/login", data={"token": "wrong horse battery"}).status_code == 403
    entered = client.post("/login", data={"token": token})
    assert entered.status_code == 303
    assert {"HttpOnly", "SameSite=strict"} <= set(entered.headers["set-cookie"].split("; "))
    assert token not in entered.headers["set-cookie"]
    assert client.get("/", headers=HTML).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"host": "localhost.evil.example"}, 421),
    ],
)
def test_without_a_token_only_this_machines_names_answer(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    assert client.get("/v1/workloads", headers=headers).status_code == status


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_written(client: TestClient, method: str) -> None:
    assert client.request(method, f"{WEB}/plan").status_code == 405
    assert client.request(method, f"{WEB}/plan", headers={"origin": "http://evil.example"}).status_code == 403


@pytest.mark.parametrize("path", ["/", "/capacity/", "/capacity/workloads/shop/web", "/workloads/shop/web"])
def test_behind_a_proxy_every_address_has_its_base_path(served: Served, path: str) -> None:
    """Whether the proxy removes the path or not."""
    page = client_of(served, WebSettings(base_path="/capacity")).get(path, headers=HTML)
    assert page.status_code == 200
    addresses = re.findall(r'(?:href|src|action)="(/[^"]*)"', page.text)
    assert len(addresses) > 3
    assert [one for one in addresses if not one.startswith("/capacity/")] == []


def test_every_document_of_the_api_is_described(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    page = client.get("/docs", headers=HTML).text
    assert {
        f"{WEB.replace('shop', '{namespace}').replace('web', '{name}')}/{name}"
        for name in ("forecast", "plan", "explain")
    } <= set(document["paths"])
    assert [path for path in document["paths"] if path not in page] == []
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("Document"):
            assert schema["description"], name


@pytest.mark.parametrize("path", ["/", "/workloads/shop/web", "/docs", "/nothing"])
def test_pages_ask_nothing_of_another_host(client: TestClient, path: str) -> None:
    page = client.get(path, headers=HTML).text
    assert re.findall(r"(?:https?:)?//[a-z]", page.replace("http://localhost", "")) == []
    assert "<script>" not in page
    assert " style=" not in page


def test_what_cannot_be_served_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for url, said in (
        ("http://0.0.0.0:8000", "expected --token-file"),
        ("http://[::]:8000", "expected --token-file"),
        ("https://localhost", "a proxy that speaks TLS"),
        ("localhost:8000", "http://127.0.0.1:8000/capacity"),
        ("http://localhost:none", "http://127.0.0.1:8000"),
        ("http://localhost/a//b", "such as /capacity"),
    ):
        assert main(["serve", "--sample", "--listen", url]) == 2, url
        assert said in capsys.readouterr().err, url
    assert Place.of("http://[::1]:0/capacity/") == Place("::1", 0, "/capacity")
    assert Place.of("http://localhost") == Place("localhost", 8000, "")
    assert main(["serve", "--sample", "--plan", str(tmp_path / "none.json")]) == 1
    with pytest.raises(ConfigError, match="16 printable"):
        WebSettings(token="short")
    with pytest.raises(ConfigError, match="such as /capacity"):
        WebSettings(base_path="capacity")


def test_the_overlays_role_suffices_and_only_reads(
    kubernetes_double: KubernetesDouble, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, folder = kubernetes_double, K8S / "components" / "serve"
    _, role, binding = yaml.safe_load_all((folder / "rights.yaml").read_text(encoding="utf-8"))
    api.create({**role, "metadata": {**role["metadata"], "namespace": "shop"}})
    subjects = [{**subject, "namespace": "shop"} for subject in binding["subjects"]]
    api.create({**binding, "metadata": {**binding["metadata"], "namespace": "shop"}, "subjects": subjects})
    write_plan_maps(ClusterWriter(str(api.kubeconfig(tmp_path / "admin"))), served.plan)
    kubeconfig = api.kubeconfig(tmp_path / "kubeconfig", api.token("system:serviceaccount:shop:capacity-serve"))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    api.journal.clear()
    found = served_cluster(served.known().asked)
    assert [one.floor for one in found.plan.workloads] == [one.floor for one in served.plan.workloads]
    assert {(entry.method, entry.code) for entry in api.journal} == {("GET", 200)}
    answer = client_of(found).get(f"{WEB}/explain")
    assert "the plans of the cluster" in answer.json()["detail"]
