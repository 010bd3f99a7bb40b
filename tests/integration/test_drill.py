"""A failed pipeline day, end to end on a simulated clock.

Orders stop; the audit says so, a ticket opens, alerts fire; the last good plan stays in force, and when it has ended
its floor is held; orders return, the person on call plans as the runbook says, everything is resolved. The times are
asserted against the promises. Pushgateway, Alertmanager and the engine of the alert rules are the real ones.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from capacity.cli import main
from capacity.model import read_plan
from tests.double import KubernetesDouble
from tests.peers import HttpPeer, binary
from tests.servicenow import ServiceNowDouble
from tests.shop import Shop, hpa

RULES = Path(__file__).resolve().parents[2] / "k8s" / "monitoring" / "rules.yaml"
MINUTE = timedelta(minutes=1)
# Minutes of the drill, followed one by one from 50 on. Plans reach three hours: the one made at minute 7 from the
# orders before minute 0 ends at 180.
FOLLOWED, STOPS, RETURNS, PLANNED_BY_HAND, ENDS = 50, 60, 195, 200, 210
PLANNINGS, AUDIT_EVERY = (7, 67, 127, 187), 5
QUIET = (100, 164)  # between these, data are gone and the plan is followed, minute after minute: left out
DETECTED_WITHIN, RESTORED_WITHIN = 10, 30  # minutes: two audits; the promise for critical incidents


@dataclass
class Drill:
    """The shop, its clock, and what each minute left behind."""

    shop: Shop
    instance: ServiceNowDouble
    gateway: HttpPeer
    alertmanager: HttpPeer
    began: datetime
    minute: int = PLANNINGS[0] - 1
    floors: dict[int, int] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    series: dict[str, dict[int, float]] = field(default_factory=dict)
    alerts: dict[int, set[str]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.began + self.minute * MINUTE

    def tick(self) -> None:
        """One minute: orders arrive, the jobs that are due run, Prometheus scrapes."""
        self.minute += 1
        self.instance.now = self.now
        if not STOPS < self.minute < RETURNS:
            write_orders(self.shop.folder, self.began, self.now)
        if self.minute % AUDIT_EVERY == 0:
            main(["audit", "--quiet"])
        if self.minute in (*PLANNINGS, PLANNED_BY_HAND):
            main(["plan", "--quiet"])
        self.shop.measure(millicores=250)
        decision = self.shop.decide(now=self.now.isoformat())
        self.floors[self.minute], self.reasons[self.minute] = self.shop.floor(), decision["reason"]
        self.scrape()

    def scrape(self) -> None:
        """What Prometheus would read of the Pushgateway now; times count from the drill's start, as promtool's do."""
        for line in self.gateway.text("/metrics").splitlines():
            if line.startswith("capacity_"):
                name, _, value = line.rpartition(" ")
                at = float(value) - (self.began.timestamp() if "timestamp_seconds" in name else 0)
                self.series.setdefault(name, {})[self.minute] = at
        found = self.alertmanager.json("/api/v2/alerts", active="true")
        self.alerts[self.minute] = {alert["labels"]["alertname"] for alert in found}

    def tickets(self, condition: str) -> list[dict[str, str]]:
        return [row for row in self.instance.rows("incident") if f"/{condition}/" in row["correlation_id"]]

    def minute_of(self, stamp: str) -> int:
        return round((datetime.fromisoformat(f"{stamp}Z") - self.began) / MINUTE)


def write_orders(folder: Path, began: datetime, until: datetime) -> None:
    """An order every four minutes for two weeks: more by the hour all through the drill, less in the night after."""
    first = began - timedelta(days=14)
    lines = ["at,n"]
    for step in range(int((until - first) / (4 * MINUTE)) + 1):
        at = first + 4 * step * MINUTE
        phase = ((at - began) / timedelta(hours=1) + 12) % 24  # 12 at minute 0, 16 four hours later
        lines.append(f"{at:%Y-%m-%d %H:%M:%S},{(20 + 4 * min(phase, 2 * (24 - phase))) / 15:.3f}")
    (folder / "orders.csv").write_text("\n".join(lines) + "\n")


def configure(folder: Path, instance: ServiceNowDouble, gateway: HttpPeer, alertmanager: HttpPeer) -> None:
    (folder / "ca.pem").write_bytes(instance.ca_pem)
    (folder / "token").write_text(instance.token)
    web: dict[str, Any] = {"namespace": "shop", "name": "web", "ceiling": 40}
    web["load"] = {"cpu": {"base": "500m", "per_sale_per_hour": "100m"}, "memory": {"base": "1Gi"}}
    web["replica"] = {"cpu_request": "500m", "memory_request": "512Mi"}
    sales = {"source": "orders.csv", "time": "at", "value": {"sum": "n"}, "read": {"decimal": "."}}
    sales["freshness"] = {"within": "5m", "otherwise": "refuse"}
    document = {
        "sales": sales,
        "forecast": {"horizon": "3h", "quantile_levels": [0.5, 0.95]},
        "workloads": [web],
        "telemetry": {"pushgateway": {"url": gateway.url}},
        "incidents": {
            "servicenow": {"url": instance.url, "token_file": "token", "ca_file": "ca.pem"},
            "alertmanager": {"url": alertmanager.url},
            # Its clock is the real one, some hours after the drill's: what it is told must last until then.
            "alerts_last": {"passes": "2d", "plannings": "2d"},
        },
    }
    (folder / "capacity.yaml").write_text(json.dumps(document))


@pytest.fixture
def instance() -> Iterator[ServiceNowDouble]:
    with ServiceNowDouble() as double:
        yield double


@pytest.fixture
def drill(
    kubernetes_double: KubernetesDouble,
    kubeconfig: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pushgateway: HttpPeer,
    alertmanager: Callable[[], HttpPeer],
    instance: ServiceNowDouble,
    turn: int,
) -> Drill:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    began = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=6 + turn)
    drill = Drill(Shop(kubernetes_double, tmp_path), instance, pushgateway, alertmanager(), began)
    for module in ("options", "plan", "data"):
        monkeypatch.setattr(import_module(f"capacity.cli.{module}"), "read_clock", lambda _: drill.now)
    configure(tmp_path, instance, pushgateway, drill.alertmanager)
    kubernetes_double.create(hpa(ceiling=40))
    return drill


@pytest.mark.slow
def test_a_failed_pipeline_day(drill: Drill, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drill.tick()
    drill.minute = FOLLOWED - 1
    good = read_plan(Path("plan.json")).workloads[0]
    assert good.end == drill.began + 180 * MINUTE
    while drill.minute < PLANNED_BY_HAND - 1:
        drill.minute = QUIET[1] if drill.minute == QUIET[0] else drill.minute
        drill.tick()
    kept = read_plan(Path("plan.json")).workloads[0]
    assert kept.start + kept.step * kept.steps == good.end, "no plan was made of data that had stopped"
    during_the_outage(drill, good.end)
    while drill.minute < ENDS:
        drill.tick()
    after_the_outage(drill)
    alerts_of_prometheus(drill, tmp_path)
    capsys.readouterr()
    status_says(drill, capsys)


def during_the_outage(drill: Drill, ended: datetime) -> None:
    """Found in time, and no floor lowered."""
    (stale,) = drill.tickets("DataStale")
    assert STOPS < drill.minute_of(stale["opened_at"]) <= STOPS + DETECTED_WITHIN
    assert "Done by itself: the last good plan stays in force" in stale["description"]
    assert stale["escalation"] == "1", "half an hour later it was escalated"
    assert "CapacityDataStale" in drill.alerts[STOPS + DETECTED_WITHIN]
    gone = [floor for minute, floor in drill.floors.items() if STOPS <= minute < PLANNED_BY_HAND]
    assert gone == sorted(gone), "a floor was lowered while data was gone"
    assert gone[-1] > gone[0], "it followed the plan up: the test could have seen it fall"
    over = round((ended - drill.began) / MINUTE)
    assert {drill.reasons[minute] for minute in range(over, PLANNED_BY_HAND)} == {"HeldPlanExpired"}
    (expired,) = drill.tickets("PlanStale")
    assert drill.minute_of(expired["opened_at"]) == over, "at the first pass without a plan"
    assert expired["state"] == "1"
    assert "HeldPlanExpired" in expired["description"]


def after_the_outage(drill: Drill) -> None:
    """Everything is resolved, in time, and floors follow the new plan."""
    for condition in ("DataStale", "DataQualityRefused", "PlanStale"):
        (ticket,) = drill.tickets(condition)
        assert ticket["state"] == "6", condition
        assert drill.minute_of(ticket["resolved_at"]) <= PLANNED_BY_HAND
    (critical,) = drill.tickets("PlanStale")
    lasted = drill.minute_of(critical["resolved_at"]) - drill.minute_of(critical["opened_at"])
    assert lasted < RESTORED_WITHIN
    assert drill.alerts[ENDS] == set()
    assert drill.reasons[ENDS] != "HeldPlanExpired"


def alerts_of_prometheus(drill: Drill, folder: Path) -> None:
    """Which alerts of rules.yaml fired when, by promtool over what was scraped, minute by minute."""
    expected = [
        ("CapacityDataLatencyHigh", STOPS, False),
        ("CapacityDataLatencyHigh", STOPS + 15, True),
        ("CapacityDataLatencyHigh", ENDS, False),
        ("CapacityPlanStale", 180, False),
        ("CapacityPlanStale", 195, True),
        ("CapacityPlanStale", ENDS, False),
        *(("CapacityPassMissed", minute, False) for minute in (STOPS, 180, ENDS)),
    ]
    checks: list[dict[str, Any]] = [
        {
            "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
        }
        for name, minute, fires in expected
    ]
    # Uptime: since it is followed, a pass had always ended within the last three minutes.
    up = {"labels": "{}", "value": 1}
    checks.append(
        {"expr": "min(min_over_time(capacity:available:bool[40m]))", "eval_time": "209m", "exp_samples": [up]}
    )
    inputs = [{"series": name, "values": values(seen)} for name, seen in drill.series.items()]
    test = {"interval": "1m", "input_series": inputs, "promql_expr_test": checks}
    document = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}
    (folder / "drill.yaml").write_text(yaml.safe_dump(document))
    words = [binary("promtool"), "test", "rules", str(folder / "drill.yaml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, re.sub(r"(?m)^.*exp_alerts.*$", "", done.stdout + done.stderr)[-3000:]


def values(seen: dict[int, float]) -> str:
    """promtool's notation, `_` where nothing was scraped."""
    return " ".join(repr(seen[minute]) if minute in seen else "_" for minute in range(ENDS + 1))


def status_says(drill: Drill, capsys: pytest.CaptureFixture[str]) -> None:
    """The promises of that day, as `capacity status` tells them: restored in time, the data late."""
    assert main(["status", "--now", drill.now.isoformat(), "--window", "4h", "--output", "json"]) == 3
    document = json.loads(capsys.readouterr().out)
    promises = {promise["name"]: promise for promise in document["promises"]}
    assert promises["time to restore"]["kept"] is True
    assert promises["time to restore"]["value"] == (PLANNED_BY_HAND - 180) * 60
    assert promises["data latency"]["kept"] is False
    assert promises["data quality"]["kept"] is True
    assert document["held"] == []
