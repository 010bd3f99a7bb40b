"""Conditions in a real Alertmanager, samples in a real Pushgateway."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from capacity.http import HttpClient, HttpError, Server
from capacity.model.settings.monitoring import Job
from capacity.monitoring import Alertmanager, Condition, IncidentDispatcher, Sample, Scope, ServiceNow
from capacity.monitoring.export import Gateway
from tests.peers import HttpPeer
from tests.servicenow import ServiceNowDouble

STALE = Condition("DataStale", "orders.csv", "newest row 2026-11-27T09:00Z")
PLAN = Condition("PlanFailed", "shop", "shop/web: no sales of that group")
ALL = Scope("plan", {"orders.csv", "shop"})
DONE = Sample("capacity_pass_total", 2, ("done", "DemandRising"))
FLOOR = Sample("capacity_floor_replicas", 9, ("shop", "web"))


def firing(peer: HttpPeer) -> dict[str, dict[str, Any]]:
    alerts: list[dict[str, Any]] = peer.json("/api/v2/alerts")
    return {alert["labels"]["alertname"]: alert for alert in alerts}


def test_alerts_fire_while_conditions_hold_and_end_when_they_clear(alertmanager: Callable[[], HttpPeer]) -> None:
    peer, now = alertmanager(), datetime.now(UTC)
    desk = IncidentDispatcher(alerts=Alertmanager(HttpClient(Server(peer.url))))
    assert desk.report([STALE, PLAN], ALL, now) == []
    alerts = firing(peer)
    assert set(alerts) == {"CapacityDataStale", "CapacityPlanFailed"}
    assert alerts["CapacityPlanFailed"]["labels"]["severity"] == "warning"
    assert alerts["CapacityDataStale"]["annotations"]["runbook_url"] == "docs/runbooks/DataStale.md"

    assert desk.report([PLAN], ALL, datetime.now(UTC)) == []
    assert set(firing(peer)) == {"CapacityPlanFailed"}


def test_an_alert_ends_by_itself_when_no_pass_comes(alertmanager: Callable[[], HttpPeer]) -> None:
    peer, now = alertmanager(), datetime.now(UTC)
    lasting: dict[Job, timedelta] = {"pass": timedelta(minutes=1), "plan": timedelta(minutes=5)}
    Alertmanager(HttpClient(Server(peer.url)), lasting).send([STALE], ALL, now)
    ends = datetime.fromisoformat(firing(peer)["CapacityDataStale"]["endsAt"])
    assert abs(ends - now - timedelta(minutes=5)) < timedelta(seconds=1)


def test_one_hot_minute_opens_no_ticket_and_five_do(alertmanager: Callable[[], HttpPeer], tmp_path: Path) -> None:
    peer, now = alertmanager(), datetime.now(UTC)
    hot, scope = Condition("UtilizationHigh", "shop", "web: cpu above 80 %"), Scope("pass", {"shop"})
    with ServiceNowDouble(now) as instance:
        (tmp_path / "ca.pem").write_bytes(instance.ca_pem)
        (tmp_path / "token").write_text(instance.token)
        web = HttpClient(Server(instance.url, token_file=tmp_path / "token", ca_file=tmp_path / "ca.pem"))
        desk = IncidentDispatcher(
            ServiceNow(web), Alertmanager(HttpClient(Server(peer.url))), runbooks="https://docs.example.com/runbooks"
        )
        for minute, tickets in ((0, 0), (4, 0), (5, 1), (6, 1)):
            assert desk.report([hot], scope, now + timedelta(minutes=minute)) == []
            assert len(instance.rows("incident")) == tickets, minute
        (ticket,) = instance.rows("incident")
        assert "https://docs.example.com/runbooks/UtilizationHigh.md" in ticket["description"]
        # A ticket that is open stays, though an Alertmanager that lost its memory calls the alert young.
        forgetful = IncidentDispatcher(ServiceNow(web), Alertmanager(HttpClient(Server(alertmanager().url))))
        forgetful.report([hot], scope, now + timedelta(minutes=7))
        assert [row["state"] for row in instance.rows("incident")] == ["1"]


def test_no_alertmanager_is_a_warning() -> None:
    (warning,) = IncidentDispatcher(alerts=Alertmanager(HttpClient(Server("http://127.0.0.1:9")))).report(
        [STALE], ALL, datetime.now(UTC)
    )
    assert warning.startswith("alerts not sent: http://127.0.0.1:9: no answer: ")


def values(peer: HttpPeer, name: str) -> dict[str, float]:
    lines = [line for line in peer.text("/metrics").splitlines() if line.startswith(name + "{")]
    return {line.rpartition(" ")[0].removeprefix(name): float(line.rpartition(" ")[2]) for line in lines}


def test_a_job_pushes_its_gauges_and_adds_to_its_counters(pushgateway: HttpPeer) -> None:
    gateway = Gateway(HttpClient(Server(pushgateway.url)))
    gateway.push([FLOOR, DONE], "controller")
    gateway.push([DONE, Sample("capacity_pass_total", 1, ("held", "HeldNoPlan"))], "controller")
    gateway.push([DONE], "other")
    Gateway(HttpClient(Server(pushgateway.url)), "store").push([DONE], "controller")
    counts = values(pushgateway, "capacity_pass_total")
    assert counts['{instance="",job="controller",outcome="done",reason="DemandRising"}'] == 4
    assert counts['{instance="",job="controller",outcome="held",reason="HeldNoPlan"}'] == 1
    assert counts['{instance="",job="other",outcome="done",reason="DemandRising"}'] == 2
    assert values(pushgateway, "capacity_floor_replicas") == {}  # the second push took its place


def test_no_pushgateway_is_one_line() -> None:
    with pytest.raises(HttpError, match=r"http://127\.0\.0\.1:9: no answer: "):
        Gateway(HttpClient(Server("http://127.0.0.1:9"))).push([FLOOR], "controller")
