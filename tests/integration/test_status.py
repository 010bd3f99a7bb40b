"""`capacity status` from real sources: Prometheus with recorded series, kept audits, the ServiceNow, a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from capacity.cli import main
from capacity.cluster import ClusterWriter, Lease, write_plan_maps
from capacity.model import read_plan
from capacity.quality import Audit
from capacity.sources import append_audit
from tests.double import Fault
from tests.peers import Prometheus, openmetrics
from tests.servicenow import ServiceNowDouble
from tests.shop import NOON, Shop

NOW = datetime.fromisoformat(NOON)
HOUR = timedelta(hours=1)


@pytest.fixture
def instance() -> Iterator[ServiceNowDouble]:
    with ServiceNowDouble(NOW) as double:
        yield double


def add(**blocks: Any) -> None:
    file = Path("capacity.yaml")
    file.write_text(json.dumps({**json.loads(file.read_text()), **blocks}))


def snow(instance: ServiceNowDouble) -> dict[str, Any]:
    Path("ca.pem").write_bytes(instance.ca_pem)
    Path("token").write_text(instance.token)
    return {"servicenow": {"url": instance.url, "token_file": "token", "ca_file": "ca.pem"}}


def recorded(**changes: list[float]) -> str:
    """Three days of what the rules record, by hours."""
    values = {"available": [1.0] * 73, "utilization": [0.6] * 73, "critical": [0.0] * 73, **changes}
    at = pd.date_range(end=NOW, periods=73, freq="h")
    names = {
        "available": "capacity:available:bool",
        "utilization": 'capacity:utilization:ratio{namespace="shop",workload="web"}',
        "critical": "capacity:critical:bool",
    }
    return openmetrics({names[name]: pd.Series(series, at) for name, series in values.items()})


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any], str]:
    code = main(["status", "--now", NOON, "--window", "3d", "--output", "json", *words])
    said = capsys.readouterr()
    return code, json.loads(said.out), said.err


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {promise["name"]: promise for promise in document["promises"]}


def test_every_promise_kept_from_its_own_source(
    shop: Shop,
    instance: ServiceNowDouble,
    prometheus: Callable[..., Prometheus],
    capsys: pytest.CaptureFixture[str],
) -> None:
    add(prometheus={"url": prometheus(history=recorded()).url}, incidents=snow(instance))
    incident = {"correlation_id": "capacity/PlanStale/shop", "opened_at": "2026-11-26 10:00:00", "state": "7"}
    instance.insert("incident", **incident, resolved_at="2026-11-26 10:12:00")
    for hours in (1, 2, 80):
        rows = 9000 if hours > 72 else 9999  # an audit before the window counts no more
        ended = NOW - hours * HOUR
        append_audit(Path("audits"), Audit("orders.csv", 10_000, rows, last=ended - timedelta(minutes=2)), ended)
    code, document, errors = asked(capsys)
    assert (code, errors) == (0, "")
    found = by_name(document)
    assert {name: one["source"] for name, one in found.items()} == {
        "uptime": "Prometheus",
        "time to restore": "ServiceNow",
        "data latency": "audits",
        "CPU and memory": "Prometheus",
        "data quality": "audits",
    }
    assert {name: one["value"] for name, one in found.items()} == {
        "uptime": 1.0,
        "time to restore": 720.0,
        "data latency": 120.0,
        "CPU and memory": 0.6,
        "data quality": 0.9999,
    }
    assert found["time to restore"]["budget_left"] == pytest.approx(0.6)
    assert found["CPU and memory"]["note"] == "shop/web"
    (peak,) = document["peaks"]
    assert (peak["at"], peak["replicas"]) == ("2026-11-27T02:00:00Z", 9)
    assert document["held"] == []


def test_promises_broken_and_floors_held(
    shop: Shop, prometheus: Callable[..., Prometheus], capsys: pytest.CaptureFixture[str]
) -> None:
    broken = {
        "available": [0.0, *[1.0] * 72],
        "utilization": [0.6] * 72 + [0.93],
        "critical": [0.0] * 10 + [1.0] * 2 + [0.0] * 61,
    }
    add(prometheus={"url": prometheus(history=recorded(**broken)).url})
    shop.annotate(freeze="true")
    code, document, _ = asked(capsys)
    assert code == 3
    found = by_name(document)
    assert found["uptime"]["kept"] is False
    assert found["CPU and memory"]["value"] == 0.93
    assert found["time to restore"]["value"] == pytest.approx(7200, rel=0.05), "two hours, once"
    assert found["data quality"]["value"] is None, "no series: absent is not zero"
    assert "no series capacity_audit_score_ratio" in found["data quality"]["note"]
    (held,) = document["held"]
    assert (held["name"], held["reason"]) == ("web", "Frozen")


def test_a_young_series_says_how_young_it_is(
    shop: Shop, prometheus: Callable[..., Prometheus], capsys: pytest.CaptureFixture[str]
) -> None:
    add(prometheus={"url": prometheus(history=recorded()).url})
    assert main(["status", "--now", NOON, "--window", "30d", "--output", "json"]) == 0
    found = by_name(json.loads(capsys.readouterr().out))
    assert found["uptime"]["note"] == "known for the last 3 d only"


def test_sources_that_fail_are_said_and_stop_nothing(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    Path("token").write_text("x")
    add(
        prometheus={"url": "http://127.0.0.1:9", "retries": 0},
        incidents={"servicenow": {"url": "http://127.0.0.1:9", "token_file": "token"}},
    )
    append_audit(Path("audits"), Audit("orders.csv", 100, 100, last=NOW - 2 * HOUR), NOW - 2 * HOUR)
    code, document, errors = asked(capsys)
    assert code == 1
    assert errors.count("capacity: error: ") == 2
    assert "no answer" in errors
    found = by_name(document)
    assert {name for name, one in found.items() if one["value"] is None} == {
        "uptime",
        "time to restore",
        "CPU and memory",
    }
    assert found["uptime"]["note"] == "its source failed"
    assert document["held"] == []


def test_without_any_source_everything_is_said_to_be_unknown(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(shop.folder / "none"))
    code, document, _ = asked(capsys)
    assert code == 0
    assert {promise["kept"] for promise in document["promises"]} == {None}
    assert document["held"] is None
    assert document["held_unknown"].startswith("no cluster: ")
    assert len(document["peaks"]) == 1, "the plan needs no cluster"


def test_the_table_fits_a_terminal_of_80_columns_and_csv_has_its_rows(
    shop: Shop, instance: ServiceNowDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    add(incidents=snow(instance))
    assert main(["status", "--now", NOON]) == 0
    table = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in table[:7]), table
    assert "held: nothing, of 1 workload" in table
    assert main(["status", "--now", NOON, "--output", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6


@pytest.mark.parametrize("window", ["soon", "0s"])
def test_a_window_that_is_none_is_refused(shop: Shop, window: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--window", window]) == 2
    assert "--window" in capsys.readouterr().err


def test_it_cannot_write(shop: Shop) -> None:
    before = len(shop.writes())
    main(["status", "--now", NOON])
    assert len(shop.writes()) == before


def cron_job(name: str, **status: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/part-of": "capacity"}
    metadata = {"name": name, "namespace": "shop", "labels": labels}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "status": status}


@pytest.mark.parametrize(
    ("status", "late", "note"),
    [
        ({"lastSuccessfulTime": "2026-11-27T02:29:00Z"}, False, "succeeded"),
        ({"lastSuccessfulTime": "2026-11-27T02:20:00Z"}, True, "succeeded"),
        ({"lastScheduleTime": "2026-11-27T02:29:00Z"}, True, "started, but never succeeded"),
        ({}, False, "never run"),
    ],
)
def test_missed_passes_are_seen_without_prometheus(
    shop: Shop, capsys: pytest.CaptureFixture[str], status: dict[str, str], late: bool, note: str
) -> None:
    write_plan_maps(ClusterWriter(), read_plan("plan.json"))
    listed = {"kind": "CronJobList", "metadata": {}, "items": [cron_job("capacity-controller", **status)]}
    shop.api.faults.add("GET .*/cronjobs", Fault(status=200, body=json.dumps(listed)))
    Lease(ClusterWriter(), "shop", "pod-1").acquire(NOW)
    code, document, _ = asked(capsys, "--from-cluster")
    beats = {one["what"]: one for one in document["heartbeats"]}
    assert (beats["plan"]["last"], beats["plan"]["late"]) == ("2026-11-27T00:00:00Z", False)
    assert (beats["CronJob shop/capacity-controller"]["late"], beats["CronJob shop/capacity-controller"]["note"]) == (
        late,
        note,
    )
    assert beats["Lease shop/capacity"]["note"] == "renewed, held by pod-1"
    assert code == (3 if late else 0)


def test_the_cron_jobs_are_read_where_they_run(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    add(controller={"namespace": "capacity-system"})
    write_plan_maps(ClusterWriter(), read_plan("plan.json"))
    asked(capsys, "--from-cluster")
    paths = [entry.path for entry in shop.api.journal if entry.path.endswith("/cronjobs")]
    assert paths == ["/apis/batch/v1/namespaces/capacity-system/cronjobs"]
