"""The doctor on a healthy setup and on a table of broken ones, over sockets: each finding says what to fix."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
import yaml

from capacity.cli import main
from tests.double import KubernetesDouble
from tests.double.faults import Fault, refusal
from tests.double.manifests import priority_class
from tests.peers import HttpPeer, Prometheus, openmetrics
from tests.rendering import BASE
from tests.servicenow import ServiceNowDouble
from tests.shop import Shop

OK, FAILED, WARNED = 0, 1, 3
ROLES = {
    role["metadata"]["name"]: role
    for role in yaml.safe_load_all((BASE / "workloads" / "roles.yaml").read_text(encoding="utf-8"))
}


class Clinic:
    """A shop in order: recent orders, a measured HPA, a configuration in JSON; and what the doctor says of it."""

    def __init__(self, shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
        self.shop, self.api, self._capsys = shop, shop.api, capsys
        shop.measure()
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        hours = [now - timedelta(hours=back) for back in range(24 * 21, 0, -1)]
        self.orders = "at,n\n" + "".join(f"{at:%Y-%m-%d %H:%M:%S},{10 + at.hour}\n" for at in hours)
        (shop.folder / "orders.csv").write_text(self.orders)
        self.set(sales={"source": "orders.csv", "time": "at", "value": {"sum": "n"}})
        self.workload(load={"cpu": {"base": "1", "per_sale_per_hour": "1m"}, "memory": {"base": "1Gi"}})

    @property
    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.shop.folder / "capacity.yaml").read_text())
        return found

    def set(self, **blocks: Any) -> None:
        (self.shop.folder / "capacity.yaml").write_text(json.dumps({**self.config, **blocks}))

    def workload(self, **keys: Any) -> None:
        (workload,) = self.config["workloads"]
        self.set(workloads=[{**workload, **keys}])

    def patch_spec(self, **spec: Any) -> None:
        self.api.patch("HorizontalPodAutoscaler", "shop", "web", {"spec": spec})

    def utilization(self, percent: int, **behavior: Any) -> None:
        target = {"type": "Utilization", "averageUtilization": percent}
        self.patch_spec(metrics=[{"type": "Resource", "resource": {"name": "cpu", "target": target}}], **behavior)

    def examine(self, *options: str) -> tuple[int, dict[str, Any]]:
        self._capsys.readouterr()
        code = main(["doctor", "--output", "json", *options])
        document: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return code, document

    def bad(self, *options: str) -> tuple[int, list[tuple[str, str, str, str]]]:
        """The exit code, and state, check, detail and fix of all that is not ok."""
        code, document = self.examine(*options)
        found = [(one["state"], one["check"], one["detail"], one["fix"]) for one in document["findings"]]
        return code, [one for one in found if one[0] != "ok"]


@pytest.fixture
def clinic(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Clinic:
    return Clinic(shop, capsys)


def test_a_setup_in_order_is_found_in_order(clinic: Clinic) -> None:
    code, document = clinic.examine()
    assert (code, document["verdict"]) == (OK, "ok"), document
    checks = [one["check"] for one in document["findings"]]
    assert checks == ["versions", "config", "orders", "orders", "cluster", "clock", "rights", "targets", "targets"]
    assert "edit-last-applied" in document["findings"][-2]["detail"], "who set the floor, and what to change there"


def test_it_writes_nothing_here_and_nothing_there(clinic: Clinic) -> None:
    before = {path: path.read_bytes() for path in clinic.shop.folder.rglob("*") if path.is_file()}
    clinic.examine()
    assert {path: path.read_bytes() for path in clinic.shop.folder.rglob("*") if path.is_file()} == before
    writes = {entry.path for entry in clinic.api.journal if entry.method != "GET"}
    assert writes == {"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"}, "a question, asked by POST"


def _no_key(clinic: Clinic) -> None:
    clinic.set(tikezone="UTC")


def _no_token(clinic: Clinic) -> None:
    gateway = {"url": "http://127.0.0.1:1", "token_file": "absent.token"}
    clinic.set(telemetry={"pushgateway": gateway})


def _empty_token(clinic: Clinic) -> None:
    (clinic.shop.folder / "empty.token").write_text(" \n")
    clinic.set(incidents={"alertmanager": {"url": "http://127.0.0.1:1", "token_file": "empty.token"}})


def _no_webhook(clinic: Clinic) -> None:
    clinic.set(incidents={"messages": {"slack": {"url_file": "absent.url"}}})


def _bad_rows(clinic: Clinic) -> None:
    (clinic.shop.folder / "orders.csv").write_text(clinic.orders + "soon,1\n" * 40)


def _some_bad_rows(clinic: Clinic) -> None:
    (clinic.shop.folder / "orders.csv").write_text(clinic.orders + "soon,1\n")


def _old_rows(clinic: Clinic) -> None:
    kept = clinic.orders.splitlines()[:100]
    (clinic.shop.folder / "orders.csv").write_text("\n".join(kept))


def _no_good_row(clinic: Clinic) -> None:
    (clinic.shop.folder / "orders.csv").write_text("at,n\nsoon,1\n")


def _no_orders(clinic: Clinic) -> None:
    (clinic.shop.folder / "orders.csv").unlink()


def _no_slope(clinic: Clinic) -> None:
    clinic.workload(load={"cpu": {"base": "1"}, "memory": {"base": "1Gi"}})


def _no_workloads(clinic: Clinic) -> None:
    clinic.set(workloads=[])


def _no_country(clinic: Clinic) -> None:
    clinic.set(calendar={"holidays": ["XX"]})


def _no_events(clinic: Clinic) -> None:
    clinic.set(calendar={"events": "promotions.csv"})


def _short_columns(clinic: Clinic) -> None:
    (clinic.shop.folder / "price.csv").write_text("time,price\n2026-01-01,5\n")
    clinic.set(calendar={"columns": "price.csv"})


def _no_usage(clinic: Clinic) -> None:
    clinic.set(usage={"source": "usage.csv", "time": "at", "cpu": "cpu"})


def _other_usage(clinic: Clinic) -> None:
    (clinic.shop.folder / "usage.csv").write_text("at,who,cpu\n2026-01-01,api,1\n2026-01-02,api,1\n")
    clinic.set(usage={"source": "usage.csv", "time": "at", "workload": "who", "cpu": "cpu"})


def _no_folder(clinic: Clinic) -> None:
    clinic.set(telemetry={"textfile": "nowhere"})


def _no_hpa(clinic: Clinic) -> None:
    clinic.api.delete("HorizontalPodAutoscaler", "shop", "web")


def _unmeasured(clinic: Clinic) -> None:
    conditions = [{"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric"}]
    status = {"status": {"conditions": conditions, "currentMetrics": [], "currentReplicas": 2}}
    clinic.api.patch("HorizontalPodAutoscaler", "shop", "web", status, subresource="status")


def _argo(clinic: Clinic) -> None:
    spec = {"spec": {"minReplicas": 3}}
    clinic.api.patch("HorizontalPodAutoscaler", "shop", "web", spec, manager="argocd-controller")


def _keda_made(clinic: Clinic) -> None:
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "jobs", "controller": True, "uid": "1"}
    clinic.api.patch("HorizontalPodAutoscaler", "shop", "web", {"metadata": {"ownerReferences": [owner]}})


def _low_ceiling(clinic: Clinic) -> None:
    clinic.patch_spec(maxReplicas=12)


def _broken_notes(clinic: Clinic) -> None:
    clinic.shop.annotate(baseline="{")


def _refusing(clinic: Clinic) -> None:
    clinic.api.faults.add("GET /version", refusal(401, "Unauthorized", "Unauthorized"))


def _no_scaled_object(clinic: Clinic) -> None:
    clinic.workload(target={"kind": "ScaledObject", "name": "jobs"})


BROKEN: list[tuple[str, Callable[[Clinic], None], int, str, str, str]] = [
    ("an unknown key", _no_key, FAILED, "config", "tikezone: unknown key", "capacity schema"),
    ("no workloads", _no_workloads, WARNED, "config", "no workloads", "capacity init"),
    (
        "a load that no sale adds to",
        _no_slope,
        WARNED,
        "load",
        "shop/web: their plans are straight",
        "per_sale_per_hour",
    ),
    ("a secret that is not there", _no_token, FAILED, "secrets", "pushgateway.token_file", "mount the secret"),
    ("a webhook that is not there", _no_webhook, FAILED, "secrets", "messages.slack.url_file", "mount the secret"),
    ("a secret that is empty", _empty_token, FAILED, "secrets", "empty.token: empty", "mount the secret"),
    ("orders below the quality that a plan needs", _bad_rows, FAILED, "orders", "at least 0.9950", "capacity audit"),
    ("orders of doubtful quality", _some_bad_rows, WARNED, "orders", "at least 0.9990", "capacity audit"),
    ("orders that ended long ago", _old_rows, WARNED, "orders", "d old", "provide newer orders"),
    ("orders without a good row", _no_good_row, FAILED, "orders", "no row is good", "capacity audit"),
    ("no orders", _no_orders, FAILED, "orders", "orders.csv", "correct sales.source"),
    ("holidays of no country", _no_country, FAILED, "calendar", "XX", "take its key out"),
    ("events that are not there", _no_events, FAILED, "calendar", "promotions.csv", "correct the file"),
    ("columns that end before the horizon", _short_columns, WARNED, "calendar", "until 2026-01-01", "days to come"),
    ("usage that is not there", _no_usage, FAILED, "usage", "usage.csv", "correct usage.source"),
    ("usage of others", _other_usage, WARNED, "usage", "shop/web: no row is its own", "usage.workload"),
    ("a textfile folder that is not there", _no_folder, FAILED, "services", "nowhere is no folder", "make it"),
    ("no such autoscaler", _no_hpa, FAILED, "targets", "no HorizontalPodAutoscaler 'web'", "correct target"),
    ("KEDA is not there", _no_scaled_object, FAILED, "targets", "KEDA is not installed", "correct target"),
    (
        "an autoscaler that measures nothing",
        _unmeasured,
        WARNED,
        "targets",
        "FailedGetResourceMetric",
        "metrics-server",
    ),
    ("a floor that Argo CD writes", _argo, FAILED, "targets", "argocd-controller sets", "target.ignored_by"),
    ("an HPA that KEDA made", _keda_made, FAILED, "targets", "ScaledObject/jobs", "one tool own"),
    ("a ceiling below the planned", _low_ceiling, WARNED, "targets", "ceiling 12 is below the planned 20", "raise it"),
    ("notes of ours that somebody broke", _broken_notes, FAILED, "targets", "baseline", "correct"),
    ("a target that tolerates 88 %", lambda c: c.utilization(80), WARNED, "targets", "reach 88 %", "to 72"),
    (
        "a period at which frozen metrics go unnoticed",
        lambda c: c.set(controller={"period": "5m"}),
        WARNED,
        "config",
        "controller.period 5m: frozen metrics may go unnoticed for 30m",
        "metric_times and install its overlay (then 10m at most)",
    ),
    ("an API server that refuses us", _refusing, FAILED, "cluster", "401", "credentials"),
]


@pytest.mark.parametrize(
    ("spoil", "exits", "check", "detail", "fix"), [pytest.param(*case, id=name) for name, *case in BROKEN]
)
def test_what_is_broken_is_found_with_what_to_do(
    clinic: Clinic, spoil: Callable[[Clinic], None], exits: int, check: str, detail: str, fix: str
) -> None:
    spoil(clinic)
    code, bad = clinic.bad()
    assert code == exits
    found = [one for one in bad if one[1] == check]
    assert any(detail in one[2] and fix in one[3] for one in found), bad
    assert all(one[3] and "\n" not in one[2] + one[3] for one in bad)


def test_a_failing_check_stops_no_other(clinic: Clinic) -> None:
    for spoil in (_no_events, _no_usage, _no_folder, _no_hpa, _no_orders):
        spoil(clinic)
    _, document = clinic.examine()
    failed = [one["check"] for one in document["findings"] if one["state"] == "fail"]
    assert failed == ["orders", "calendar", "usage", "services", "targets"]
    assert {"cluster", "clock", "rights"} <= {one["check"] for one in document["findings"] if one["state"] == "ok"}


def test_without_a_configuration_the_machine_and_the_cluster_are_still_examined(clinic: Clinic) -> None:
    code, document = clinic.examine("-c", "absent.yaml")
    states = {one["check"]: one["state"] for one in document["findings"]}
    assert (code, states) == (FAILED, {"versions": "ok", "config": "fail", "cluster": "ok", "clock": "ok"})


@pytest.mark.parametrize(
    ("target", "wanted", "tolerance", "warned"),
    [
        pytest.param(72, 0.80, None, None, id="72 tolerates 79: within 80"),
        pytest.param(73, 0.80, None, None, id="73 tolerates 80 itself"),
        pytest.param(74, 0.80, None, "74 % lets utilization reach 81 %", id="74 tolerates 81"),
        pytest.param(80, 0.80, 0, None, id="80 without tolerance"),
        pytest.param(80, 0.90, None, None, id="80 where 90 are planned"),
        pytest.param(60, 0.60, None, "60 % lets utilization reach 66 %", id="60 where 60 are planned"),
    ],
)
def test_a_target_is_judged_with_its_tolerance(
    clinic: Clinic, target: int, wanted: float, tolerance: float | None, warned: str | None
) -> None:
    clinic.workload(target_utilization=wanted)
    behavior = {} if tolerance is None else {"behavior": {"scaleUp": {"tolerance": str(tolerance)}}}
    clinic.utilization(target, **behavior)
    code, bad = clinic.bad()
    assert code == (WARNED if warned else OK), bad
    assert [one[1] for one in bad] == (["targets"] if warned else [])
    assert not warned or warned in bad[0][2]


def test_a_clock_that_is_wrong_is_found(clinic: Clinic) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=5)
    code, bad = clinic.bad("--now", ahead.isoformat())
    assert code == FAILED
    assert [(one[0], one[1]) for one in bad] == [("fail", "clock")]
    assert "NTP" in bad[0][3]


def granted(clinic: Clinic, monkeypatch: pytest.MonkeyPatch, *rules: dict[str, Any]) -> None:
    """From now on the doctor is somebody who has these rules alone."""
    token = clinic.api.grant("nurse", list(rules), "shop")
    path = clinic.api.kubeconfig(clinic.shop.folder / "nurse.kubeconfig", token)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))


def test_the_roles_that_we_ship_are_enough_for_each_part(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    granted(clinic, monkeypatch, *ROLES["capacity-controller"]["rules"])
    assert clinic.bad("--part", "controller") == (OK, [])
    code, bad = clinic.bad()
    assert code == FAILED
    assert {one[2] for one in bad} == {
        *(
            f"shop: the planner may not {verb} configmaps {name}"
            for name in ("capacity-plan", "capacity-plan-a-0", "capacity-plan-b-0")
            for verb in ("create", "patch", "delete")
        ),
        *(
            f"shop: the planner may not {verb} configmaps capacity-policies-0"
            for verb in ("get", "create", "patch", "delete")
        ),
    }


def test_a_planner_needs_no_right_of_the_controller(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    granted(clinic, monkeypatch, *ROLES["capacity-planner"]["rules"])
    assert clinic.bad("--part", "planner") == (OK, []), "as `helm test` asks it in a pod of the planner"


CONTROLLER_RULES = [
    (place, verb) for place, rule in enumerate(ROLES["capacity-controller"]["rules"]) for verb in rule["verbs"]
]


@pytest.mark.parametrize(("place", "verb"), CONTROLLER_RULES, ids=str)
def test_each_verb_that_is_missing_is_named(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, place: int, verb: str
) -> None:
    rules = [dict(rule) for rule in ROLES["capacity-controller"]["rules"]]
    (resource,) = rules[place]["resources"]
    rules[place]["verbs"] = [one for one in rules[place]["verbs"] if one != verb]
    granted(clinic, monkeypatch, *(rule for rule in rules if rule["verbs"]))
    code, bad = clinic.bad("--part", "controller")
    assert code == (WARNED if verb == "list" and resource != "horizontalpodautoscalers" else FAILED)
    missing = [one for one in bad if one[1] == "rights"]
    assert missing
    assert all(f"may not {verb} {resource}" in one[2] for one in missing)
    assert all("capacity-controller" in one[3] for one in missing)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_workload_without_an_autoscaler_needs_rights_on_itself(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    clinic.workload(target={"kind": kind, "name": "web"})
    granted(clinic, monkeypatch, *ROLES["capacity-controller"]["rules"])
    _, bad = clinic.bad("--part", "controller")
    plural = f"{kind.lower()}s"
    missing = {one[2].partition(" may not ")[2] for one in bad if one[1] == "rights"}
    assert missing == {
        "list scaledobjects",
        f"get {plural} web",
        f"patch {plural} web",
        f"patch {plural}/scale web",
    }


def test_no_cluster_is_a_warning_and_one_that_does_not_answer_a_failure(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, kubernetes_double: KubernetesDouble
) -> None:
    location = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(location, str(clinic.shop.folder / "absent"))
    code, bad = clinic.bad()
    assert (code, [(one[0], one[1]) for one in bad]) == (WARNED, [("warn", "cluster")])
    assert "KUBECONFIG" in bad[0][3]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        document = json.loads((clinic.shop.folder / "kubeconfig").read_text())
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{taken.getsockname()[1]}"
        (clinic.shop.folder / "dead").write_text(json.dumps(document))
        monkeypatch.setattr(location, str(clinic.shop.folder / "dead"))
        code, bad = clinic.bad()
    assert (code, [(one[0], one[1]) for one in bad]) == (FAILED, [("fail", "cluster")])


# -- services over TLS, a real Prometheus -------------------------------------------------------------------------


@pytest.fixture
def instance() -> Iterator[ServiceNowDouble]:
    with ServiceNowDouble() as double:
        yield double


def test_services_that_answer_and_those_that_do_not(
    clinic: Clinic, instance: ServiceNowDouble, pushgateway: HttpPeer, alertmanager: Callable[..., HttpPeer]
) -> None:
    folder = clinic.shop.folder
    (folder / "ca.pem").write_bytes(instance.ca_pem)
    (folder / "token").write_text(instance.token)
    snow = {"url": instance.url, "token_file": "token", "ca_file": "ca.pem"}
    incidents = {"servicenow": snow, "alertmanager": {"url": alertmanager().url}}
    clinic.set(incidents=incidents, telemetry={"pushgateway": {"url": pushgateway.url}, "textfile": "."})
    code, document = clinic.examine()
    said = [one["detail"] for one in document["findings"] if one["check"] == "services"]
    assert (code, len(said)) == (OK, 4), document
    (folder / "token").write_text("another")
    clinic.set(telemetry={"pushgateway": {"url": "http://127.0.0.1:1"}})
    code, bad = clinic.bad()
    assert code == FAILED
    assert [(one[0], one[1]) for one in bad] == [("fail", "services")] * 2
    assert "127.0.0.1:1" in bad[0][2]
    assert "401" in bad[1][2]


def test_a_certificate_of_an_authority_we_do_not_know(clinic: Clinic, instance: ServiceNowDouble) -> None:
    (clinic.shop.folder / "token").write_text(instance.token)
    clinic.set(incidents={"servicenow": {"url": instance.url, "token_file": "token"}})
    code, bad = clinic.bad()
    assert (code, [one[1] for one in bad]) == (FAILED, ["services"])
    assert "certificate" in bad[0][2].lower()


def test_prometheus_with_series_without_and_gone(clinic: Clinic, prometheus: Callable[..., Prometheus]) -> None:
    minutes = pd.date_range(pd.Timestamp.now("UTC").floor("min") - pd.Timedelta("3h"), periods=180, freq="1min")
    labels = 'namespace="shop",container="app",pod="web-5d4f8c7b9-bcdfg"'
    series = {f"container_cpu_usage_seconds_total{{{labels}}}": pd.Series(range(180), minutes) * 60.0}
    server = prometheus(history=openmetrics(series))
    clinic.set(prometheus={"url": server.url, "cache": "kept"})
    code, bad = clinic.bad()
    assert (code, [one[:3] for one in bad]) == (WARNED, [("warn", "prometheus", "shop/web: no memory series")])
    assert not (clinic.shop.folder / "kept").exists()
    clinic.set(prometheus={"url": server.url, "matchers": {"cluster": "eu-1"}})
    code, bad = clinic.bad()
    assert (code, [one[:3] for one in bad]) == (FAILED, [("fail", "prometheus", "shop/web: no series")])
    assert "prometheus.matchers" in bad[0][3]
    clinic.set(prometheus={"url": "http://127.0.0.1:1"})
    code, bad = clinic.bad()
    assert (code, [one[:2] for one in bad]) == (FAILED, [("fail", "prometheus")])
    assert "no answer" in bad[0][2]


def limits(clinic: Clinic, kind: str, **spec: Any) -> None:
    metadata = {"name": "small", "namespace": "shop"}
    clinic.api.create({"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec})


@pytest.mark.parametrize(
    ("hard", "state", "words"),
    [
        pytest.param({"pods": "1000"}, None, "", id="room enough"),
        pytest.param({"pods": "20"}, "warn", "the workloads may fill it at a peak", id="the ceilings fill it"),
        pytest.param({"requests.cpu": "1"}, "warn", "allows requests.cpu 1", id="what they request fills it"),
        pytest.param({"pods": "0"}, "fail", "quota small is full: pods", id="full"),
        pytest.param({"services": "0"}, None, "", id="of nothing that we need"),
    ],
)
def test_a_quota_that_a_peak_fills_is_found(
    clinic: Clinic, hard: dict[str, str], state: str | None, words: str
) -> None:
    limits(clinic, "ResourceQuota", hard=hard)
    _, bad = clinic.bad()
    assert [one[0] for one in bad if one[1] == "room"] == ([state] if state else [])
    assert all(words in one[2] and "namespace of its own" in one[3] for one in bad if one[1] == "room")


@pytest.mark.parametrize(
    ("item", "words"),
    [
        pytest.param({"max": {"memory": "128Mi"}}, "at most memory 128Mi", id="less than its limit"),
        pytest.param({"min": {"cpu": "500m"}}, "at least cpu 500m", id="more than its request"),
        pytest.param({"max": {"cpu": "4"}, "min": {"cpu": "10m"}}, "", id="wide enough"),
        pytest.param({"maxLimitRequestRatio": {"cpu": "9"}}, "limits of cpu of at most 9 times", id="a narrow ratio"),
        pytest.param({"maxLimitRequestRatio": {"cpu": "10", "memory": "3"}}, "", id="ratios that it meets"),
    ],
)
def test_a_limit_range_that_refuses_our_pod_is_found(clinic: Clinic, item: dict[str, Any], words: str) -> None:
    limits(clinic, "LimitRange", limits=[{"type": "Container", **item}])
    _, bad = clinic.bad()
    found = [one[2] for one in bad if one[1] == "room"]
    assert len(found) == bool(words)
    assert all(words in one for one in found)


def limited(clinic: Clinic, namespace: str) -> None:
    """A namespace whose quota has no room for one pod more."""
    metadata = {"name": "small", "namespace": namespace}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"pods": "0"}}}
    clinic.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    clinic.api.create(quota)


def test_of_a_namespace_of_its_own_the_room_there_counts_and_no_other(clinic: Clinic) -> None:
    clinic.set(controller={"namespace": "capacity-system"})
    limits(clinic, "ResourceQuota", hard={"pods": "0"})
    assert clinic.bad()[0] == OK
    limited(clinic, "capacity-system")
    code, bad = clinic.bad()
    assert (code, [one[:2] for one in bad]) == (FAILED, [("fail", "room")])
    assert "capacity-system: quota small is full: pods" in bad[0][2]
    assert "raise it there" in bad[0][3]


@pytest.mark.parametrize(
    ("kind", "ours", "theirs", "expected"),
    [
        pytest.param("CronJob", "", "", "ok CronJob capacity-controller has no priority class", id="no class"),
        pytest.param("Deployment", "", "", "ok Deployment capacity-controller has no", id="no class, a loop"),
        pytest.param("CronJob", "", "low", "ok CronJob capacity-controller has no", id="workloads below all others"),
        pytest.param("CronJob", "", "high", "warn pods of shop/web have high: on full nodes they", id="evicted"),
        pytest.param("CronJob", "low", "high", "warn has priority class low, the pods of shop/web", id="a low class"),
        pytest.param("CronJob", "none", "", "fail which does not exist", id="an unknown class"),
        pytest.param("CronJob", "high", "high", "", id="a class"),
    ],
)
def test_the_priority_of_the_controllers_pods_is_looked_at(
    clinic: Clinic, kind: str, ours: str, theirs: str, expected: str
) -> None:
    clinic.api.create(priority_class("high", value=1000))
    clinic.api.create(priority_class("low", value=-10))
    _listed(clinic, kind, "part-of", "capacity-controller", ours)
    _listed(clinic, "StatefulSet", "", "web", theirs)
    findings = [one for one in clinic.examine()[1]["findings"] if one["check"] == "room"]
    state, _, words = expected.partition(" ")
    assert [one["state"] for one in findings] == ([state] if state else [])
    assert all(words in one["detail"] for one in findings)


def _listed(clinic: Clinic, kind: str, asked: str, name: str, priority: str) -> None:
    """The server lists one object of this kind, whose pods have this priority class."""
    pod = {"template": {"spec": {"priorityClassName": priority} if priority else {}}}
    spec = {"jobTemplate": {"spec": pod}} if kind == "CronJob" else pod
    listed = {"kind": f"{kind}List", "metadata": {}, "items": [{"metadata": {"name": name}, "spec": spec}]}
    clinic.api.faults.add(f"GET .*/{kind.lower()}s.*{asked}", Fault(status=200, body=json.dumps(listed)))
