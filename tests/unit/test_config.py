"""capacity.yaml: what is refused and in which words, what the defaults are, and what the nouns receive."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity as official
from pydantic import TypeAdapter

from capacity.app import read_config
from capacity.model import ChangeHours, ConfigError, LoadModel, Replica, Workload
from capacity.model.configuration import Config
from capacity.model.fields import AutoLeadTime, parse_duration, parse_quantity, parse_share

WEB: dict[str, Any] = {
    "namespace": "shop",
    "name": "web",
    "floor": 2,
    "ceiling": 20,
    "load": {"cpu": {"base": "500m", "per_sale_per_hour": "12m"}, "memory": {"base": "1Gi"}},
    "replica": {"cpu_request": "500m", "memory_request": "512Mi"},
}
MINIMAL: dict[str, Any] = {"sales": {"source": "orders.csv", "time": "at"}, "workloads": [WEB]}


def settings(path: str = "", value: Any = None) -> dict[str, Any]:
    """The minimal settings with one value put at a dotted path; numbers are places in a list."""
    document = copy.deepcopy(MINIMAL)
    *parents, last = [int(key) if key.isdecimal() else key for key in path.split(".")]
    place: Any = document
    for key in parents:
        place = place.setdefault(key, {}) if isinstance(key, str) else place[key]
    if path:
        place[last] = value
    return document


def read(document: Any) -> Config:
    path = Path("capacity.yaml")  # every test runs in a folder of its own
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document), encoding="utf-8")
    return read_config(path)


REFUSED: list[tuple[str, str, Any, str]] = [
    ("an unknown key", "salez", 1, "salez: unknown key; see `capacity schema`"),
    ("an unknown key inside a workload", "workloads.0.flor", 2, r"workloads\.0\.flor: unknown key"),
    ("an unknown key among the defaults", "defaults.flor", 2, r"defaults: unknown keys \['flor'\]; a workload has"),
    ("a floor above the ceiling", "workloads.0.floor", 21, "shop/web: floor 21 is above ceiling 20"),
    ("a floor of zero", "workloads.0.floor", 0, "floor: .*greater than or equal to 1, got 0"),
    ("half a replica as ceiling", "workloads.0.ceiling", 2.5, "ceiling: .*integer.*, got 2.5"),
    ("a negative base load", "workloads.0.load.cpu.base", "-1", "load.cpu.base: .*0, got '-1'"),
    ("a negative slope", "workloads.0.load.memory.per_sale_per_hour", "-2Mi", "greater than or equal to 0, got '-2Mi'"),
    ("a load in words", "workloads.0.load.cpu.base", "half", "expected a Kubernetes quantity .* got 'half'"),
    ("a load of yes", "workloads.0.load.cpu.base", True, "expected a Kubernetes quantity .* got True"),
    ("a load that is no number", "workloads.0.load.cpu.base", float("nan"), "cpu.base: .*, got nan"),
    ("an endless load", "workloads.0.load.cpu.base", float("inf"), "cpu_base must be >= 0, got inf"),
    ("a replica of nothing", "workloads.0.replica.cpu_request", 0, "cpu_request: .*greater than 0, got 0"),
    ("a time zone that does not exist", "timezone", "Mars/Olympus", "IANA time zone .*, got 'Mars/Olympus'"),
    ("a time zone that is a folder", "timezone", "Europe", "IANA time zone .*, got 'Europe'"),
    ("a time zone that climbs the disk", "timezone", "../../etc/passwd", "IANA time zone"),
    ("a time zone of nothing", "timezone", "", "IANA time zone .*, got ''"),
    ("a horizon in words", "forecast.horizon", "a fortnight", "duration such as .*, got 'a fortnight'"),
    ("a horizon beyond time", "forecast.horizon", "99999999999999d", "horizon: .*99999999999999d"),
    ("a horizon shorter than a step", "forecast.horizon", "30m", "horizon 0:30:00 is shorter than one step 1:00:00"),
    ("a negative lead time", "workloads.0.lead_time", "-5m", "duration such as .*, got '-5m'"),
    ("a step of seven minutes", "sales.step", "7m", "parts or multiples of a day .*, got 0:07:00"),
    ("a step of seconds", "sales.step", "30s", "from 1m up, got 0:00:30"),
    ("a step of a day and a half", "sales.step", "36h", "multiples of a day"),
    ("two values", "sales.value", {"sum": "n", "rows": True}, r"exactly one of .*, got \['sum', 'rows'\]"),
    ("no value", "sales.value", {}, "exactly one of .*, got none"),
    ("a quantile level in percent", "forecast.quantile_levels", [0.5, 95], "quantile_levels.1: .*less than 1"),
    ("levels that descend", "forecast.quantile_levels", [0.95, 0.5], "ascending without repeats"),
    ("no levels", "forecast.quantile_levels", [], "quantile_levels: .*at least 1"),
    ("a utilization in percent", "workloads.0.target_utilization", 80, "target_utilization: .*1, got 80"),
    ("no zone", "workloads.0.zones", 0, "zones: .*1, got 0"),
    ("a group without a column of groups", "workloads.0.group", "north", "shop/web: group needs sales.group"),
    ("a name Kubernetes refuses", "workloads.0.name", "Web_1", r"workloads\.0\.name: .*got 'Web_1'"),
    ("a kind of target we do not move", "workloads.0.target", {"kind": "DaemonSet", "name": "web"}, "target.kind"),
    ("no replica", "workloads.0.replica", None, "replica: "),
    ("workloads that are no list", "workloads", {"web": WEB}, "workloads: "),
    ("one workload twice", "workloads", [WEB, WEB], "each namespace/name once"),
    ("one autoscaler for two", "workloads", [WEB, {**WEB, "name": "b", "target": {"name": "web"}}], "each autoscaler"),
    ("two rules of one name", "sales.rules", [{"name": "a", "check": "1=1"}] * 2, r"different names, got \['a', 'a'\]"),
    ("a rule's name with blanks", "sales.rules", [{"name": "a b", "check": "1=1"}], "name: .*got 'a b'"),
    ("a threshold above one", "sales.quality", {"refuse_below": 99.5}, "refuse_below: .*1, got 99.5"),
    ("a step down of nothing", "controller.step_down", "0%", "step_down: .*greater than 0, got '0%'"),
    ("a step down of more than all", "controller.step_down", "110%", "step_down: .*got '110%'"),
    ("a period in words", "controller.period", "often", "duration such as .*, got 'often'"),
    ("a buffer in words", "workloads.0.ceiling_policy", {"increase": {"buffer": "some"}}, "buffer: .*got 'some'"),
]


REMEDIES: list[tuple[str, str, Any, str]] = [
    ("a floor of zero", "workloads.0.floor", 0, "write 1, or leave the workload out"),
    ("a misspelt key", "workloads.0.flor", 2, "is 'floor' meant"),
    ("a key of Kubernetes", "workloads.0.minReplicas", 2, "is 'floor' meant"),
    ("a capital", "workloads.0.Floor", 2, r"workloads\.0\.Floor: unknown key.*is 'floor' meant"),
    ("another spelling beside what is missing", "workloads.0.replica", {"cpuRequest": "1", "memory_request": "1Gi"},
     r"replica\.cpuRequest: unknown key.*is 'cpu_request' meant"),
    ("one for many", "workload", [WEB], "is 'workloads' meant"),
    ("a share in percent", "workloads.0.target_utilization", 80, "a share, write 0.8"),
    ("a share with its sign", "workloads.0.target_utilization", "80%", "a share, write 0.8"),
    ("Norway", "calendar.holidays", [False], "put the text in quotes"),
    ("one country", "calendar.holidays", "de", r"write a list, \[DE\]"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "words"), [row[1:] for row in REMEDIES], ids=[row[0] for row in REMEDIES])
def test_an_error_says_what_to_write(path: str, value: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(settings(path, value))


def test_a_key_that_is_there_twice_is_refused() -> None:
    text = yaml.safe_dump(MINIMAL) + "timezone: UTC\ntimezone: Europe/Berlin\n"
    with pytest.raises(ConfigError, match="the key 'timezone' twice in the block that begins in line 1"):
        read(text)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        pytest.param("", None, "", id="nothing unusual"),
        pytest.param("timezone", "EST", "is America/New_York meant", id="a zone without summer time"),
        pytest.param("sales.timezone", "Etc/GMT-1", "sales.timezone: .*which is UTC.1 all year", id="a turned sign"),
        pytest.param("workloads.0.replica.cpu_request", "500", "got 500; thousandths of a core", id="cores without m"),
        pytest.param("workloads.0.replica.memory_request", "512m", "got 0.512; write them with", id="half a byte"),
        pytest.param("workloads.0.replica.memory_request", 512, "such as 512Mi", id="bytes without a unit"),
    ],
)
def test_what_is_seldom_meant_is_told(path: str, value: Any, words: str, caplog: pytest.LogCaptureFixture) -> None:
    read(settings(path, value))
    assert re.search(words, caplog.text) if words else not caplog.records


@pytest.mark.parametrize(("path", "value", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_wrong_setting_is_refused_with_expected_and_got(path: str, value: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        read(settings(path, value))
    assert str(caught.value).startswith("capacity.yaml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "expected keys such as .*, got NoneType", id="an empty file"),
        pytest.param("- 1\n", "expected keys such as .*, got list", id="a list"),
        pytest.param("sales: [\n", "expected YAML, got", id="a bracket left open"),
        pytest.param("sales:\n\tsource: x\n", "expected YAML, got", id="a tab"),
        pytest.param("x: !!python/object/apply:os.getcwd []\n", "expected YAML, got", id="a call into Python"),
        pytest.param("sales: {source: a, time: b}\nx: 1\ny: 2\n", r"x: unknown key.* \(and 1 more\)", id="two faults"),
    ],
)
def test_what_is_no_configuration_is_refused_on_one_line(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_a_missing_or_unreadable_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no configuration .*nowhere\.yaml: write one"):
        read_config(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"timezone: \xe9\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90s", 90), ("5m", 300), ("1.5h", 5400), ("14d", 1_209_600), ("2w", 1_209_600), (" 6 H ", 21600)],
)
def test_durations(text: str, expected: int) -> None:
    assert parse_duration(text) == timedelta(seconds=expected)


@pytest.mark.parametrize("text", ["5", "", "m", "5mm", "1h30m", "-1h", "١٤dd", None, 5])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "share"), [("10%", 0.1), ("0.5 %", 0.005), (0.25, 0.25), (1, 1.0)])
def test_shares(text: object, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["ten", "10", True, None, "-10%"])
def test_what_is_no_share(text: object) -> None:
    with pytest.raises(ValueError, match="expected a share"):
        parse_share(text)


def test_the_defaults_are_the_documented_ones() -> None:
    config = read(settings())
    (web,) = config.workloads
    assert (web.target_utilization, web.quantile_level, web.zones) == (0.8, 0.95, 1)
    assert (web.lead_time, web.target.name, web.ceiling_buffer) == (timedelta(minutes=5), "web", None)
    assert (config.timezone, config.sales.step, config.forecast.horizon) == ("UTC", timedelta(hours=1), timedelta(14))
    assert (config.controller.period, config.controller.hold_for) == (timedelta(minutes=1), timedelta(hours=6))
    assert (config.controller.step_down, config.sales.value.rows) == (0.1, True)


def test_quantities_reach_the_nouns_in_cores_and_bytes() -> None:
    (web,) = read(settings()).workloads
    assert web.load == LoadModel(0.5, 0.012, 2.0**30, 0.0)
    assert web.replica == Replica(0.5, 2.0**29)


def test_defaults_spread_to_workloads_and_the_workloads_own_key_wins() -> None:
    document = settings("defaults", {"zones": 3, "floor": 5, "lead_time": "auto"})
    (web,) = read(document).workloads
    assert (web.zones, web.floor, web.lead_time) == (3, 2, timedelta(minutes=5))


def test_a_level_that_a_workload_needs_is_forecast_without_being_listed() -> None:
    document = settings("workloads.0.quantile_level", 0.97)
    config = read(document)
    assert config.forecast.quantile_levels == (0.5, 0.9, 0.95, 0.97, 0.99)
    document["forecast"] = {"quantile_levels": [0.5, 0.9, 0.95, 0.97, 0.99]}
    assert read(document).settings_hash() == config.settings_hash(), "listing it too changes nothing"
    document["forecast"] = {"quantile_levels": [0.5]}
    assert read(document).forecast.quantile_levels == (0.5, 0.97)


def test_freezes_and_hours_are_on_the_clock_of_the_business_where_they_name_no_other() -> None:
    freezes = [
        {"start": "2026-11-27 00:00", "end": "2026-11-28 12:00"},
        {"start": "2026-12-24T00:00:00Z", "end": "2026-12-26T00:00:00Z", "name": "holidays"},
    ]
    limits = {"freezes": freezes, "hours": [{"start": "22:00", "end": "06:00"}], "allowed_replicas": [2, 4, 8]}
    (web,) = read({**settings("workloads.0.limits", limits), "timezone": "Europe/Berlin"}).workloads
    first, second = web.limits.freezes
    berlin = ZoneInfo("Europe/Berlin")
    assert (first.start, first.end) == (
        datetime(2026, 11, 27, tzinfo=berlin),
        datetime(2026, 11, 28, 12, tzinfo=berlin),
    )
    assert (second.start, second.name) == (datetime(2026, 12, 24, tzinfo=UTC), "holidays")
    assert web.limits.hours == (ChangeHours(time(22), time(6), "Europe/Berlin"),)
    assert web.limits.allowed == (2, 4, 8)


def test_a_workload_is_read_as_the_noun_and_the_noun_alone_has_the_defaults() -> None:
    (web,) = read(settings()).workloads
    assert web == Workload("shop", "web", LoadModel(0.5, 0.012, 2.0**30, 0.0), Replica(0.5, 2.0**29), 2, 20)
    assert TypeAdapter(Workload).validate_python(WEB) == web


def test_a_learned_lead_time_is_no_other_setting() -> None:
    config = read(settings())
    (web,) = config.workloads
    learned = replace(web, lead_time=AutoLeadTime.of(timedelta(seconds=41)))
    assert config.model_copy(update={"workloads": (learned,)}).settings_hash() == config.settings_hash()
    given = replace(web, lead_time=timedelta(seconds=41))
    assert config.model_copy(update={"workloads": (given,)}).settings_hash() != config.settings_hash()


@given(
    st.decimals("0.001", "999999", places=3),
    st.sampled_from(["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "mi"]),
)
def test_quantities_are_read_as_the_official_client_reads_them(number: Decimal, suffix: str) -> None:
    assert parse_quantity(f"{number}{suffix}") == float(official(f"{number}{suffix}"))


@pytest.mark.parametrize("text", ["", "m", "five", "1Gib", "--1", "1ki", "i"])
def test_what_the_official_client_refuses_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        official(text)
    with pytest.raises(ValueError, match="expected a quantity"):
        parse_quantity(text)


def test_paths_are_relative_to_the_file_and_urls_are_left_alone(tmp_path: Path) -> None:
    assert read(settings("calendar.events", "events.csv")).calendar.events == "events.csv"
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "c.yaml").write_text(yaml.safe_dump(settings()), encoding="utf-8")
    assert read_config(folder / "c.yaml").sales.source == str(folder / "orders.csv")
    remote = read(settings("sales.source", "s3://bucket/orders.parquet"))
    assert remote.sales.source == "s3://bucket/orders.parquet"


def test_who_is_told_shapes_no_plan_and_its_files_lie_beside_the_configuration(tmp_path: Path) -> None:
    snow = {"url": "https://example.service-now.com", "token_file": "secrets/token", "ca_file": "/etc/ca.pem"}
    document = {**settings("incidents.servicenow", snow), "telemetry": {"textfile": "metrics"}}
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "capacity.yaml").write_text(yaml.safe_dump(document))
    found = read_config(tmp_path / "deep" / "capacity.yaml")
    assert found.incidents.servicenow is not None
    assert found.incidents.servicenow.token_file == tmp_path / "deep" / "secrets" / "token"
    assert found.incidents.servicenow.ca_file == Path("/etc/ca.pem")
    assert found.telemetry.textfile == tmp_path / "deep" / "metrics"
    assert found.settings_hash() == read(settings()).settings_hash()


def test_the_settings_hash_follows_what_shapes_a_plan_and_not_how_it_is_written() -> None:
    plain = read(settings()).settings_hash()
    assert plain == read(settings("workloads.0.target_utilization", 0.80)).settings_hash()
    assert plain == read(settings("workloads.0.load.cpu.base", 0.5)).settings_hash()
    assert plain == read(settings("workloads.0.target", {"take": True, "ignored_by": ["helm"]})).settings_hash()
    assert plain != read(settings("workloads.0.target", {"kind": "Deployment"})).settings_hash()
    assert plain != read(settings("workloads.0.target_utilization", 0.79)).settings_hash()
    assert plain != read(settings("timezone", "Europe/London")).settings_hash()
    assert plain != read(settings("sales.rules", [{"name": "r", "check": "n > 0"}])).settings_hash()


def test_the_schema_is_json_and_refuses_unknown_keys() -> None:
    schema = json.loads(json.dumps(Config.model_json_schema()))
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) >= {"timezone", "sales", "calendar", "forecast", "workloads", "controller"}


def test_the_password_of_a_database_is_never_in_the_representation() -> None:
    config = read(settings("sales.source", {"url": "postgresql://me:secret@db/x", "query": "SELECT 1"}))
    assert "secret" not in repr(config)


def test_equal_settings_have_one_hash_in_whatever_folder(tmp_path: Path) -> None:
    hashes = set()
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "capacity.yaml").write_text("sales: {source: orders.csv, time: at}\ncalendar: {events: e.csv}\n")
        hashes.add(read_config(folder / "capacity.yaml").settings_hash())
    (tmp_path / "capacity.yaml").write_text("sales: {source: other.csv, time: at}\ncalendar: {events: e.csv}\n")
    assert len(hashes) == 1
    assert read_config(tmp_path / "capacity.yaml").settings_hash() not in hashes
