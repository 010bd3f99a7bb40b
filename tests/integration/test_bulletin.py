"""What a planning and a pass tell: a real Pushgateway, the ServiceNow double, JSON lines; all bear one run id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from capacity.cli import main
from capacity.model import write_plan
from capacity.sources import sample_config, sample_orders
from tests.conftest import PlanOf
from tests.double import KubernetesDouble
from tests.peers import HttpPeer
from tests.servicenow import ServiceNowDouble
from tests.servicenow.server import Fault

NOON = "2026-11-27T02:30:00Z"


@pytest.fixture
def instance() -> Iterator[ServiceNowDouble]:
    with ServiceNowDouble(datetime(2026, 11, 27, 2, 30, tzinfo=UTC)) as double:
        yield double


@pytest.fixture
def on_duty(
    kubernetes_double: KubernetesDouble,
    kubeconfig: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plan_of: PlanOf,
    instance: ServiceNowDouble,
) -> dict[str, Any]:
    """A cluster with an HPA and a plan, and a configuration that tells a ticket system; the caller may add to it."""
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    kubernetes_double.create(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"minReplicas": 2, "maxReplicas": 20, "scaleTargetRef": reference},
        }
    )
    write_plan(plan_of(web=[4, 4, 9, 9, 3]), tmp_path / "plan.json")
    (tmp_path / "ca.pem").write_bytes(instance.ca_pem)
    (tmp_path / "token").write_text(instance.token)
    document: dict[str, Any] = yaml.safe_load(sample_config().read_text())
    document["sales"]["source"] = str(sample_orders())
    snow = {"url": instance.url, "token_file": str(tmp_path / "token"), "ca_file": str(tmp_path / "ca.pem")}
    document["incidents"] = {"servicenow": snow}
    return document


def configure(document: dict[str, Any]) -> None:
    Path("capacity.yaml").write_text(yaml.safe_dump(document))


def test_a_pass_tells_its_metrics_and_its_run(
    on_duty: dict[str, Any], pushgateway: HttpPeer, kubernetes_double: KubernetesDouble
) -> None:
    on_duty["telemetry"] = {"pushgateway": {"url": pushgateway.url}, "textfile": "."}
    configure(on_duty)
    assert main(["apply", "--now", NOON]) == 0
    text = pushgateway.text("/metrics")
    web = 'instance="",job="capacity-controller",namespace="shop",workload="web"'
    assert f"capacity_floor_replicas{{{web}}} 9" in text
    assert f"capacity_plan_replicas{{{web}}} 9" in text
    assert (
        'capacity_pass_total{instance="",job="capacity-controller",outcome="changed",reason="DemandRising"} 1' in text
    )
    assert (
        'capacity_floor_replicas{namespace="shop",workload="web"} 9.0' in Path("capacity-controller.prom").read_text()
    )
    (event,) = kubernetes_double.list("Event", "shop")
    assert event["reportingInstance"].startswith("capacity-")


def test_a_pass_opens_and_resolves_tickets(on_duty: dict[str, Any], instance: ServiceNowDouble) -> None:
    configure(on_duty)
    Path("plan.json").rename("kept.json")
    assert main(["apply", "--now", NOON]) == 1
    (ticket,) = [row for row in instance.rows("incident") if "PassFailed" in row["correlation_id"]]
    assert ticket["state"] == "1"
    assert "plan.json" in ticket["description"]
    Path("kept.json").rename("plan.json")
    assert main(["apply", "--now", NOON]) == 0
    assert {row["state"] for row in instance.rows("incident")} == {"6"}
    assert "capacity run " in instance.rows("incident")[0]["work_notes"]


def test_an_audit_tells_by_itself_and_a_refused_planning_forgets_no_plan(
    on_duty: dict[str, Any], pushgateway: HttpPeer, instance: ServiceNowDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    on_duty["telemetry"] = {"pushgateway": {"url": pushgateway.url}}
    configure(on_duty)
    assert main(["plan", "--quiet"]) == 0
    on_duty["sales"]["freshness"] = {"within": "5m", "otherwise": "refuse"}
    configure(on_duty)
    assert main(["audit", "--sample"]) == 0
    assert instance.rows("incident") == [], "a look at other rows is no news"
    assert main(["audit", "--log-format", "json"]) == 3
    records = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (stale,) = [record for record in records if record.get("condition") == "DataStale"]
    assert stale["remediation"] == "the last good plan stays in force"
    tickets = {row["correlation_id"] for row in instance.rows("incident")}
    assert tickets == {"capacity/DataStale/orders.csv.gz", "capacity/DataQualityRefused/orders.csv.gz"}
    assert main(["plan", "--quiet"]) == 3
    text = pushgateway.text("/metrics")
    audited = 'instance="",job="capacity-audit"'
    assert f'capacity_data_latency_seconds{{{audited},source="orders.csv.gz"}}' in text
    assert f'capacity_audit_score_ratio{{{audited},source="orders.csv.gz"}} 1' in text
    planned = 'instance="",job="capacity-planner"'
    assert f'capacity_forecast_coverage_ratio{{group="all",{planned},quantile="0.95"}}' in text
    assert f'capacity_forecast_skill_ratio{{group="all",{planned}}}' in text
    assert f"capacity_plan_created_timestamp_seconds{{{planned}}}" in text


def test_a_planning_that_makes_no_plan_at_all_opens_a_ticket(
    on_duty: dict[str, Any], instance: ServiceNowDouble
) -> None:
    here = on_duty["sales"]["source"]
    on_duty["sales"]["source"] = "gone.csv"
    configure(on_duty)
    assert main(["plan", "--quiet"]) == 1
    (ticket,) = instance.rows("incident")
    assert (ticket["correlation_id"], ticket["state"]) == ("capacity/PlanFailed/shop", "1")
    assert "gone.csv" in ticket["description"]
    assert main(["plan", "--quiet", here]) == 0
    assert main(["plan", "--quiet", "--scenario", "growth=+20%"]) == 1
    assert [row["state"] for row in instance.rows("incident")] == ["1"], "a look is no news"
    on_duty["sales"]["source"] = here
    configure(on_duty)
    assert main(["plan", "--quiet"]) == 0
    (ticket,) = instance.rows("incident")
    assert ticket["state"] == "6"


def test_an_outage_of_the_ticket_system_fails_no_pass(
    on_duty: dict[str, Any],
    instance: ServiceNowDouble,
    capsys: pytest.CaptureFixture[str],
    kubernetes_double: KubernetesDouble,
) -> None:
    configure(on_duty)
    instance.order(*[Fault(503)] * 10)
    assert main(["apply", "--now", NOON]) == 0
    assert "tickets not read, none written" in capsys.readouterr().err
    assert kubernetes_double.get("HorizontalPodAutoscaler", "shop", "web")["spec"]["minReplicas"] == 9


def test_a_change_that_is_on_holds_every_floor(
    on_duty: dict[str, Any], instance: ServiceNowDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    on_duty["incidents"]["servicenow"]["change_windows"] = "cmdb_ci=shop"
    configure(on_duty)
    window = {"start_date": "2026-11-27 02:00:00", "end_date": "2026-11-27 03:00:00", "cmdb_ci": "shop"}
    instance.insert("change_request", number="CHG0001", short_description="Core switch", **window)
    assert main(["apply", "--now", NOON, "--output", "json"]) == 3
    (decision,) = json.loads(capsys.readouterr().out)["decisions"]
    assert (decision["reason"], decision["detail"]) == (
        "HeldChangeWindow",
        "a change is in progress: CHG0001: Core switch",
    )
    assert instance.rows("incident") == []
    assert main(["apply", "--now", "2026-11-27T03:30:00Z"]) == 0


def test_remarks_as_json_lines_bear_the_run_of_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--sample", "--log-format", "json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {record["verb"] for record in records} == {"plan"}
    (run,) = {record["run"] for record in records}
    assert json.loads(Path("plan.json").read_text())["source"]["run"] == run
    assert any(record["message"].startswith("wrote plan.json") for record in records)


def test_an_error_as_a_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--log-format", "json"]) == 2
    (record,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert record["level"] == "error"
    assert "no configuration" in record["message"]


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"telemetry": {"pushgateway": {"url": "ftp://x"}}}, "pushgateway.url"),
        ({"incidents": {"servicenow": {"url": "https://x", "user": "me"}}}, "user and password_file together"),
        (
            {
                "incidents": {
                    "alertmanager": {"url": "https://x", "user": "me", "password_file": "p", "token_file": "t"}
                }
            },
            "token_file or user, got both",
        ),
        ({"incidents": {"routes": [{"conditions": ["Plan*"]}]}}, "group"),
        ({"incidents": {"escalate_after": "soon"}}, "duration"),
    ],
    ids=["no web address", "user alone", "two ways to prove", "a route without a group", "no duration"],
)
def test_wrong_settings_are_one_line(block: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = yaml.safe_load(sample_config().read_text())
    configure({**document, **block})
    assert main(["plan"]) == 2
    assert words in capsys.readouterr().err
