"""Every alert fires when it should and stays silent when it should not, by promtool's own test of rules."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from capacity.model.settings.monitoring import RUNBOOKS, runbook_url
from capacity.monitoring import METRICS
from capacity.monitoring.conditions import WISHED
from tests.peers import binary
from tests.rendering import check_rules

MONITORING = Path(__file__).resolve().parents[2] / "k8s" / "monitoring"
ROOT = Path(__file__).resolve().parents[2]
WEB = 'namespace="shop",workload="web"'
CLAIM = f'{WEB},claim="data-0"'
OBJECT = f'{WEB},actuator="volumes",object="PersistentVolumeClaim/data-0"'


@dataclass(frozen=True)
class Case:
    """An alert, series that make it fire at `at`, series that do not, and the labels it carries.

    `every`: how often rules are evaluated; each evaluation of them all takes promtool some milliseconds.
    """

    alert: str
    fires: dict[str, str]
    silent: dict[str, str]
    at: str = "2h"
    labels: tuple[tuple[str, str], ...] = ()
    every: str = "5m"


SHOP_WEB = (("namespace", "shop"), ("workload", "web"))
ORDERS = (("source", "orders.csv"),)
ALIVE = {'capacity_pass_timestamp_seconds{installation="live"}': "0+60x600"}  # a pass ends every minute
PASSING = {**ALIVE, 'capacity_pass_timestamp_seconds{installation="shop"}': "0+60x600"}
LATE = {**ALIVE, 'capacity_pass_timestamp_seconds{installation="shop"}': "0+60x60 3600x540"}  # none after an hour
GONE = {**ALIVE, 'capacity_pass_timestamp_seconds{installation="shop"}': "0+60x60 _x540"}  # nor any metrics
SHOP = (("installation", "shop"),)
HALF = {"labels": "{}", "value": 0.5}  # of the time: firing begins 15 minutes after the breach

CASES = [
    Case(
        "CapacityDataVolumeAnomaly",
        {'capacity_audit_rows{source="orders.csv",result="passed"}': "1000x1000 300x40"},
        {'capacity_audit_rows{source="orders.csv",result="passed"}': "1000x1000 800x40"},
        at="1030m",
        labels=ORDERS,
        every="5m",
    ),
    Case(
        "CapacityDataVolumeAnomaly",
        {'capacity_data_completeness_ratio{source="orders.csv"}': "0.4x120"},
        {'capacity_data_completeness_ratio{source="orders.csv"}': "0.6x120"},
        labels=ORDERS,
    ),
    Case(
        "CapacityVolumeFillsUp",
        {f'capacity_volume_until_full_seconds{{{CLAIM},quantile="0.5"}}': "518400x120"},
        {
            f'capacity_volume_until_full_seconds{{{CLAIM},quantile="0.5"}}': "518400x120",
            f"capacity_volume_next_bytes{{{CLAIM}}}": "1e10x120",
        },
        labels=(*SHOP_WEB, ("claim", "data-0"), ("quantile", "0.5")),
    ),
    Case(
        "CapacityVolumeFull",
        {f"capacity_volume_used_ratio{{{CLAIM}}}": "0.985x120"},
        {f"capacity_volume_used_ratio{{{CLAIM}}}": "0.97x120"},
        labels=(*SHOP_WEB, ("claim", "data-0")),
    ),
    Case(
        "CapacityVolumeHeld",
        {f'capacity_actuator_held{{{OBJECT},reason="HeldClassFixed"}}': "1x120"},
        {f'capacity_actuator_held{{{OBJECT},reason="HeldCooldown"}}': "1x120"},
        labels=(
            *SHOP_WEB,
            ("actuator", "volumes"),
            ("object", "PersistentVolumeClaim/data-0"),
            ("reason", "HeldClassFixed"),
        ),
    ),
    Case(
        "CapacityDataQualityLow",
        {'capacity_audit_score_ratio{source="orders.csv"}': "0.994x120"},
        {'capacity_audit_score_ratio{source="orders.csv"}': "0.995x120"},
        labels=ORDERS,
    ),
    Case(
        "CapacityDataLatencyHigh",
        {'capacity_data_latency_seconds{source="orders.csv"}': "301x120"},
        {'capacity_data_latency_seconds{source="orders.csv"}': "300x120"},
        labels=ORDERS,
    ),
    Case(
        "CapacityPlanStale",
        {'capacity_plan_age_seconds{namespace="shop"}': "10860x120"},
        {'capacity_plan_age_seconds{namespace="shop"}': "10740x120"},
        labels=(("namespace", "shop"),),
    ),
    Case(
        "CapacityPlanFailed",
        {'capacity_plan_workloads{outcome="failed"}': "1x200"},
        {'capacity_plan_workloads{outcome="failed"}': "1x60 0x140"},
        at="150m",
        labels=(("outcome", "failed"),),
    ),
    Case(
        "CapacityProcessingSlow",
        {"capacity_plan_duration_seconds": "10x1000 60x40"},
        {"capacity_plan_duration_seconds": "10x1000 20x40"},
        at="1020m",
        every="5m",
    ),
    Case(
        "CapacityProcessingSlow",
        {"capacity_pass_duration_seconds": "31x120"},
        {"capacity_pass_duration_seconds": "29x120"},
    ),
    Case(
        "CapacityForecastCoverageOff",
        {'capacity_forecast_coverage_ratio{group="all",quantile="0.95"}': "0.89x200"},
        {'capacity_forecast_coverage_ratio{group="all",quantile="0.95"}': "0.91x200"},
        at="150m",
        labels=(("group", "all"), ("quantile", "0.95")),
    ),
    Case("CapacityPassMissed", LATE, PASSING, at="70m", labels=SHOP, every="1m"),
    Case("CapacityPassMissed", GONE, ALIVE, at="80m", labels=SHOP, every="1m"),
    Case("CapacityPassMissed", {"capacity_plan_age_seconds": "0x120"}, PASSING),
    Case(
        "CapacityErrorRateHigh",
        {
            'capacity_pass_total{installation="shop",outcome="failed",reason="Error"}': "0+1x120",
            'capacity_pass_total{installation="shop",outcome="done",reason="AsPlanned"}': "0+9x120",
            'capacity_pass_total{installation="live",outcome="done",reason="AsPlanned"}': "0+900x120",
        },
        {'capacity_pass_total{outcome="done",reason="AsPlanned"}': "0+9x120"},
        labels=SHOP,
    ),
    Case(
        "CapacityFloorRefused",
        {f'capacity_held{{{WEB},reason="HeldForeignOwner"}}': "1x120"},
        {f'capacity_held{{{WEB},reason="HeldPlanExpired"}}': "1x120"},
        labels=(*SHOP_WEB, ("reason", "HeldForeignOwner")),
    ),
    Case(
        "CapacityFloorNotReached",
        {f'capacity_floor_missing_replicas{{{WEB},cause="quota"}}': "3x120"},
        {f'capacity_floor_missing_replicas{{{WEB},cause="quota"}}': "3x10 _x110"},
        labels=(("cause", "quota"), *SHOP_WEB),
    ),
    Case(
        "CapacityFloorLoweredByOthers",
        {f'capacity_floor_lowered{{{WEB},manager="helm"}}': "_x118 1 _"},
        {f'capacity_floor_lowered{{{WEB},manager="helm"}}': "1x10 _x110"},
        labels=(*SHOP_WEB, ("manager", "helm")),
    ),
    Case(
        "CapacityFloorHeld",
        {f'capacity_held{{{WEB},reason="HeldPlanExpired"}}': "1x120"},
        {f'capacity_held{{{WEB},reason="HeldPlanExpired"}}': "1x20 0x100"},
        labels=(*SHOP_WEB, ("reason", "HeldPlanExpired")),
    ),
    Case(
        "CapacityFloorHeld",
        {f'capacity_held{{{WEB},reason="HeldNoMetrics"}}': "1x120"},
        {f'capacity_held{{{WEB},reason="Frozen"}}': "1x120"},
        labels=(*SHOP_WEB, ("reason", "HeldNoMetrics")),
    ),
    Case(
        "CapacityUtilizationHigh",
        {f'capacity_utilization_ratio{{{WEB},resource="cpu"}}': "0.81x120"},
        {f'capacity_utilization_ratio{{{WEB},resource="cpu"}}': "0.80x120"},
        labels=SHOP_WEB,
    ),
    Case(
        "CapacityUtilizationForecastHigh",
        {f"capacity_forecast_utilization_ratio{{{WEB}}}": "0.85x120"},
        {f"capacity_forecast_utilization_ratio{{{WEB}}}": "0.80x120"},
        labels=SHOP_WEB,
    ),
    Case(
        "CapacityCeilingReached",
        {f"capacity_ceiling_reached{{{WEB}}}": "1x120", f"capacity_ceiling_replicas{{{WEB}}}": "20x120"},
        {f"capacity_ceiling_reached{{{WEB}}}": "0x120", f"capacity_ceiling_replicas{{{WEB}}}": "20x120"},
        labels=SHOP_WEB,
    ),
    Case("CapacityErrorBudgetBurnFast", LATE, PASSING, at="80m", labels=SHOP),
    Case("CapacityErrorBudgetBurnSlow", LATE, PASSING, at="120m", labels=SHOP),
]


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((MONITORING / "rules.yaml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def tried(tmp_path: Path, case: Case, series: dict[str, str], expected: list[dict[str, Any]]) -> str:
    """What promtool says of one alert over these series; empty where the expectation holds."""
    check = {"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    test = {"interval": "1m", "input_series": inputs, "alert_rule_test": [check]}
    document = {"rule_files": [str(MONITORING / "rules.yaml")], "evaluation_interval": case.every, "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))
    words = [binary("promtool"), "test", "rules", str(tmp_path / "test.yaml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_fires(case: Case, tmp_path: Path) -> None:
    rule = alerts()[case.alert]
    expected = {"exp_labels": {**dict(case.labels), "severity": rule["labels"]["severity"]}}
    said = tried(tmp_path, case, case.fires, [expected])
    assert "exp:[" in said or said == ""
    got = said.partition("got:[")[2]
    assert f'alertname="{case.alert}"' in got, said
    assert all(f'{name}="{value}"' in got for name, value in expected["exp_labels"].items()), said


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_it_stays_silent(case: Case, tmp_path: Path) -> None:
    assert tried(tmp_path, case, case.silent, []) == ""


def test_critical_minutes_of_a_planner_count_from_its_first_metrics(tmp_path: Path) -> None:
    """A planner's metrics may bear no installation where the controller's do: its time without alerts counts too."""
    series = {
        **PASSING,
        "capacity_build_info": "1x240",
        f"capacity_volume_used_ratio{{{CLAIM}}}": "0.5x120 0.99x120",
    }
    share = 'avg_over_time(capacity:critical:bool{installation=""}[230m])'
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": f"round({share}, 0.1)", "eval_time": "4h", "exp_samples": [HALF]}],
    }
    document = {"rule_files": [str(MONITORING / "rules.yaml")], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))
    words = [binary("promtool"), "test", "rules", str(tmp_path / "test.yaml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_and_says_how_bad_it_is_and_what_to_do() -> None:
    assert {case.alert for case in CASES} == set(alerts())
    for rule in alerts().values():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")
        link = rule["annotations"]["runbook_url"]
        assert link == runbook_url(RUNBOOKS, Path(link).stem)
        assert (ROOT / link).is_file(), link


def test_no_alert_hides_an_installation_behind_others() -> None:
    for rule in rules():
        assert not re.findall(r"\b(?:max|min|sum|count|avg)\b(?! by \(cluster, installation)", rule["expr"]), rule


def test_rules_speak_only_of_metrics_that_exist() -> None:
    for rule in rules():
        named = set(re.findall(r"\bcapacity_[a-z_]+", rule["expr"]))
        assert named <= set(METRICS), named - set(METRICS)


def test_what_somebody_wished_is_no_alert() -> None:
    (held,) = (rule for rule in rules() if rule.get("alert") == "CapacityFloorHeld")
    (left_out,) = re.findall(r'reason!~"([^"]+)"', held["expr"])
    assert set(left_out.split("|")) == {*WISHED, "HeldForeignOwner"}


def test_promtool_accepts_the_rules() -> None:
    words = [binary("promtool"), "check", "rules", "--lint-fatal", str(MONITORING / "rules.yaml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_prometheus_rule_has_the_same_groups_in_the_shape_that_the_operator_takes() -> None:
    plain = yaml.safe_load((MONITORING / "rules.yaml").read_text())
    resource = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())
    check_rules(resource)
    assert resource["spec"] == plain
