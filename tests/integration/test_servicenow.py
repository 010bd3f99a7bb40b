"""Tickets over TLS against the ServiceNow double; the double itself judged by PySNC, the vendor's own client."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pysnc import ServiceNowClient

from capacity.http import Bounds, HttpClient, HttpError, Server
from capacity.model import ConfigError
from capacity.monitoring import Condition, IncidentDispatcher, Scope, ServiceNow
from tests.servicenow import ServiceNowDouble
from tests.servicenow.server import PASSWORD, TOKEN, USER, Fault

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
STALE = Condition("DataStale", "orders.csv", "newest row 2026-11-27T09:00Z")
PLAN = Condition("PlanFailed", "shop", "shop/web: no sales of that group")
ALL = Scope("plan", {"orders.csv", "shop"})


@pytest.fixture
def instance() -> Iterator[ServiceNowDouble]:
    with ServiceNowDouble(NOON) as double:
        yield double


@pytest.fixture
def web(instance: ServiceNowDouble, tmp_path: Path) -> HttpClient:
    (tmp_path / "ca.pem").write_bytes(instance.ca_pem)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    return HttpClient(Server(instance.url, token_file=tmp_path / "token", ca_file=tmp_path / "ca.pem"))


def states(instance: ServiceNowDouble) -> list[tuple[str, str]]:
    return [(row["correlation_id"].split("/")[1], row["state"]) for row in instance.rows("incident")]


def test_the_life_of_a_ticket(instance: ServiceNowDouble, web: HttpClient) -> None:
    desk = IncidentDispatcher(ServiceNow(web))
    assert desk.report([STALE, PLAN], ALL, NOON) == []
    assert desk.report([STALE, PLAN], ALL, NOON + MINUTE) == []
    assert states(instance) == [("DataStale", "1"), ("PlanFailed", "1")]
    first = instance.rows("incident")[0]
    assert (first["impact"], first["urgency"], first["correlation_display"]) == ("2", "2", "capacity")
    assert "docs/runbooks/DataStale.md" in first["description"]

    assert desk.report([Condition("DataStale", "orders.csv", "newest row 10:00Z")], ALL, NOON + 40 * MINUTE) == []
    first, second = instance.rows("incident")
    assert first["work_notes"] == "Changed: newest row 10:00Z\nNot cleared after 0:30:00: escalated."
    assert (first["escalation"], first["urgency"], second["state"]) == ("1", "1", "6")

    instance.now = NOON + 41 * MINUTE
    assert desk.report([PLAN], ALL, NOON + 50 * MINUTE) == []
    assert states(instance) == [("DataStale", "6"), ("PlanFailed", "2")]
    assert instance.rows("incident")[1]["work_notes"].startswith("It is back")


def test_a_second_writer_finds_the_ticket(instance: ServiceNowDouble, web: HttpClient) -> None:
    for desk in (IncidentDispatcher(ServiceNow(web)), IncidentDispatcher(ServiceNow(web))):
        assert desk.report([STALE], ALL, NOON) == []
    assert len(instance.rows("incident")) == 1


def test_a_post_applied_twice_leaves_one_open_ticket(instance: ServiceNowDouble, web: HttpClient) -> None:
    desk = IncidentDispatcher(ServiceNow(web))
    instance.order(Fault(), Fault(twice=True))
    desk.report([STALE], ALL, NOON)
    assert len(instance.rows("incident")) == 2
    desk.report([STALE], ALL, NOON)
    assert sorted(row["state"] for row in instance.rows("incident")) == ["1", "6"]


def test_tickets_of_others_are_never_touched(instance: ServiceNowDouble, web: HttpClient) -> None:
    theirs = instance.insert("incident", correlation_id="pagerduty/1", short_description="theirs")
    closed = instance.insert("incident", correlation_id=STALE.correlation, state="7")
    assert IncidentDispatcher(ServiceNow(web)).report([], ALL, NOON) == []
    assert instance.rows("incident") == [theirs, closed]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(401), "401"),
        (Fault(403), "may this user do that?"),
        (Fault(503), "503"),
        (Fault(429, headers={"Retry-After": "0"}), "429"),
        (Fault(delay=86_400), "no answer"),
    ],
    ids=["refused token", "forbidden", "unavailable", "too many requests", "slow"],
)
def test_an_outage_only_warns(instance: ServiceNowDouble, web: HttpClient, fault: Fault, words: str) -> None:
    instance.order(*[fault] * 8)
    quick = HttpClient(web.server, Bounds(timedelta(seconds=0.1 if fault.delay else 60)))
    (warning,) = IncidentDispatcher(ServiceNow(quick)).report([STALE], ALL, NOON)
    assert warning.startswith("tickets not read, none written: ")
    assert words in warning
    assert TOKEN not in warning
    assert instance.rows("incident") == []


def test_one_refused_write_does_not_stop_the_others(instance: ServiceNowDouble, web: HttpClient) -> None:
    instance.order(Fault(), Fault(403))
    (warning,) = IncidentDispatcher(ServiceNow(web)).report([STALE, PLAN], ALL, NOON)
    assert warning.startswith("ticket capacity/DataStale/orders.csv: open failed: ")
    assert states(instance) == [("PlanFailed", "1")]


def test_a_busy_instance_is_asked_again(instance: ServiceNowDouble, web: HttpClient) -> None:
    instance.order(Fault(429, headers={"Retry-After": "0"}), Fault(503))
    assert IncidentDispatcher(ServiceNow(web)).report([STALE], ALL, NOON) == []
    assert len(instance.rows("incident")) == 1


def test_user_and_password_work_too_and_a_missing_file_is_one_line(
    instance: ServiceNowDouble, web: HttpClient, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    basic = HttpClient(Server(instance.url, user=USER, password_file=tmp_path / "password", ca_file=web.server.ca_file))
    assert ServiceNow(basic).tickets() == []
    lost = HttpClient(Server(instance.url, token_file=tmp_path / "nowhere", ca_file=web.server.ca_file))
    with pytest.raises(ConfigError, match=r"token_file: .*nowhere cannot be read: No such file"):
        ServiceNow(lost).tickets()


def test_an_unknown_authority_is_refused(instance: ServiceNowDouble, web: HttpClient) -> None:
    with pytest.raises(HttpError, match=r"https.*certificate verify failed"):
        ServiceNow(HttpClient(Server(instance.url, token_file=web.server.token_file))).tickets()


def test_a_change_window_is_read(instance: ServiceNowDouble, web: HttpClient) -> None:
    snow = ServiceNow(web)
    assert snow.change_window(NOON, "cmdb_ci=shop") is None
    window = {"start_date": "2026-11-27 11:00:00", "end_date": "2026-11-27 13:00:00", "cmdb_ci": "shop"}
    instance.insert("change_request", number="CHG0001", short_description="Core switch", **window)
    assert snow.change_window(NOON, "cmdb_ci=shop") == "CHG0001: Core switch"
    assert snow.change_window(NOON + 120 * MINUTE, "cmdb_ci=shop") is None
    assert snow.change_window(NOON, "cmdb_ci=bank") is None


def test_more_than_a_page_of_tickets(instance: ServiceNowDouble, web: HttpClient) -> None:
    for place in range(450):
        instance.insert("incident", correlation_id=f"capacity/DataStale/{place}")
    assert len({ticket.key for ticket in ServiceNow(web).tickets()}) == 450


def test_the_vendors_own_client_reads_the_double_as_it_would_an_instance(
    instance: ServiceNowDouble, web: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    IncidentDispatcher(ServiceNow(web)).report([STALE, PLAN], ALL, NOON)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(web.server.ca_file))
    client = ServiceNowClient(instance.url, (USER, PASSWORD))
    record = client.GlideRecord("incident")
    record.add_query("correlation_id", "STARTSWITH", "capacity/")
    record.query()
    seen = {str(found.get_value("correlation_id")) for found in record}
    assert seen == {STALE.correlation, PLAN.correlation}
    assert record.get(instance.rows("incident")[0]["sys_id"])
    record.set_value("state", "6")
    assert record.update() is not None
    assert instance.rows("incident")[0]["state"] == "6"


def test_a_job_leaves_alone_what_it_has_not_looked_at(instance: ServiceNowDouble, web: HttpClient) -> None:
    desk = IncidentDispatcher(ServiceNow(web))
    held = Condition("FloorHeld", "shop", "web: HeldNoMetrics")
    desk.report([held], Scope("pass", {"shop"}), NOON)
    desk.report([STALE], ALL, NOON)
    desk.report([], Scope("pass", {"bank"}), NOON)
    assert states(instance) == [("FloorHeld", "1"), ("DataStale", "1")]
    desk.report([], Scope("pass", {"shop"}), NOON)
    assert states(instance) == [("FloorHeld", "6"), ("DataStale", "1")]
