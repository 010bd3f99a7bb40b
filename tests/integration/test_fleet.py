"""A plan of many workloads: the same to the last bit in one process, in several, resumed, and on a Dask cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capacity.app import Fleet, Notifier, plan_fleet, read_config, reading
from capacity.app.advise import AdviceRequest, advise, advise_fleet
from capacity.app.fleet import spread
from capacity.cli import main
from capacity.model import ClusterError, ConfigError, DataError, plan_document, read_plan
from capacity.model.configuration import Config
from capacity.model.policies import policies_text
from capacity.model.settings import IncidentSettings, PrometheusSettings, TelemetrySettings, UsageSettings
from capacity.monitoring import Exposition
from capacity.planning import QualityRefusedError
from capacity.planning.sizing import RequestAdvice
from tests.integration.dying import dies_on_three
from tests.peers.process import guard
from tests.waiting import HUNG, until

NOW = datetime(2026, 2, 1, tzinfo=UTC)
SHOPS = 12
CONFIG = """
timezone: Europe/London
sales: {source: orders.csv, time: at, value: {sum: n}, group: shop}
forecast: {horizon: 1d, quantile_levels: [0.5, 0.95]}
workload_table: workloads.csv
defaults: {floor: 2, ceiling: 90, replica: {cpu_request: 500m, memory_request: 512Mi}}
"""
HEADER = "namespace,name,group,load.cpu.base,load.cpu.per_sale_per_hour,load.memory.base\n"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Twelve shops, three weeks of hours each, one workload a shop and one for all of them together."""
    hours = pd.date_range("2026-01-05", periods=24 * 21, freq="h")
    generator = np.random.default_rng(11)
    day = (1 + np.sin(2 * np.pi * hours.hour.to_numpy() / 24)) * np.where(hours.day_of_week < 5, 2.0, 1.0)
    frames = [
        pd.DataFrame(
            {"at": hours, "shop": f"s{shop:02}", "n": generator.gamma(90.0, (shop + 1) / 30, len(hours)) * day}
        )
        for shop in range(SHOPS)
    ]
    pd.concat(frames).to_csv(tmp_path / "orders.csv", index=False)
    rows = [f"shop,w{shop:02},s{shop:02},500m,20m,1Gi\n" for shop in reversed(range(SHOPS))]
    (tmp_path / "workloads.csv").write_text(HEADER + "".join(rows) + "shop,all,,1,1m,1Gi\n", encoding="utf-8")
    (tmp_path / "capacity.yaml").write_text(CONFIG, encoding="utf-8")
    return read_config(tmp_path / "capacity.yaml")


def plans(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("plan-*.json"))}


@pytest.mark.slow
def test_processes_plan_the_same_to_the_last_bit_and_a_run_cut_off_makes_only_what_is_missing(
    config: Config, tmp_path: Path
) -> None:
    one = plan_fleet(config, NOW, Fleet(workers=1, shards=tmp_path / "one", size=4))
    two = plan_fleet(config, NOW, Fleet(workers=2, shards=tmp_path / "two", size=4))
    assert plan_document(one.plan) == plan_document(two.plan)
    assert len(plans(tmp_path / "one")) == 4
    assert plans(tmp_path / "one") == plans(tmp_path / "two")
    assert [plan.name for plan in one.plan.workloads] == [workload.name for workload in config.workloads]
    assert {read_plan(path).settings_hash for path in (tmp_path / "one").glob("plan-*")} == {config.settings_hash()}

    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "one").glob("plan-*.json")}
    (tmp_path / "one" / "done-00002.json").unlink()  # its process ended between plan and record
    (tmp_path / "one" / "plan-00001.json").unlink()
    seen: list[tuple[int, int]] = []
    fleet, later = Fleet(workers=1, shards=tmp_path / "one", size=4), NOW + timedelta(minutes=5)
    again = plan_fleet(config, later, fleet, lambda done, total: seen.append((done, total)))
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "one").glob("plan-*.json")}
    assert plan_document(again.plan) == plan_document(one.plan)
    assert {name for name in before if after[name] != before[name]} == {"plan-00001.json", "plan-00002.json"}
    assert seen == [(2, 4), (3, 4), (4, 4)]


def test_every_way_to_plan_gives_the_same_bytes(config: Config, tmp_path: Path) -> None:
    """In memory, in chunks in this process, and with usage and replicas that come along."""
    usage = pd.DataFrame({"at": pd.date_range("2026-01-05", periods=24 * 21, freq="h"), "workload": "w10"})
    usage = usage.assign(cpu=1.0 + usage.index % 24 / 10, memory=2.0**30 + usage.index % 7, replicas=3)
    usage.to_csv(tmp_path / "usage.csv", index=False)
    columns = {"cpu": "cpu", "memory": "memory", "replicas": "replicas", "workload": "workload"}
    settings = UsageSettings.model_validate({"source": str(tmp_path / "usage.csv"), "time": "at", **columns})
    measured = config.model_copy(update={"usage": settings, "workloads": config.workloads[:5]})
    memory = plan_fleet(measured, NOW)
    kept = plan_fleet(measured, NOW, Fleet(workers=1, shards=tmp_path / "kept"))
    again = plan_fleet(measured, NOW, Fleet(workers=1, shards=tmp_path / "kept"))
    assert plan_document(memory.plan) == plan_document(kept.plan) == plan_document(again.plan)
    assert memory.failures == kept.failures == again.failures
    assert memory.demand == kept.demand == again.demand
    assert memory.advice == kept.advice == again.advice
    assert {key: type(found) for key, found in memory.advice.items()} == {("shop", "w10"): RequestAdvice}


def test_policies_chosen_in_shards_are_those_of_one_process(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = config.model_copy(update={"workloads": config.workloads[:2]})
    alone = advise(few, NOW, days=1)
    monkeypatch.setattr("capacity.app.advise.SIZE", 1)
    seen: list[tuple[int, int]] = []
    fleet = Fleet(workers=1, shards=tmp_path / "shards")
    asked = AdviceRequest(NOW, days=1)
    found = advise_fleet(few, asked, fleet, lambda done, total: seen.append((done, total)))
    assert found.choices == alone.choices
    assert policies_text(found.policies.values()) == policies_text(alone.policies.values())
    assert [one.name for one in found.choices] == [one.name for one in few.workloads]
    assert seen == [(1, 2), (2, 2)]


def test_a_run_that_was_killed_while_it_wrote_its_record_breaks_no_later_run(config: Config, tmp_path: Path) -> None:
    fleet = Fleet(workers=1, shards=tmp_path / "shards")
    first = plan_fleet(config, NOW, fleet)
    record = next((tmp_path / "shards").glob("run-*.txt"))
    for text in ("", "2026-0"):
        record.write_text(text, encoding="utf-8")
        (tmp_path / "shards" / "done-00000.json").write_text(text, encoding="utf-8")
        again = plan_fleet(config, NOW, fleet)
        assert plan_document(again.plan) == plan_document(first.plan)
    assert record.read_text(encoding="utf-8") == "2026-02-01T00:00:00Z"


def test_a_past_plan_is_the_one_that_was_made_then(config: Config, tmp_path: Path) -> None:
    """Orders and usage of the time after it are there, and change nothing, though the newest row is cut in its step."""
    moment = datetime(2026, 1, 20, 12, 30, tzinfo=UTC)
    orders = pd.read_csv(tmp_path / "orders.csv", parse_dates=["at"])
    usage = pd.DataFrame({"at": pd.date_range("2026-01-05", periods=24 * 21, freq="h")})
    usage = usage.assign(cpu=1.0 + (usage.index > 350) * 50.0 + usage.index % 24 / 10, memory=2.0**30)
    usage.to_csv(tmp_path / "usage.csv", index=False)
    settings = UsageSettings.model_validate(
        {"source": str(tmp_path / "usage.csv"), "time": "at", "cpu": "cpu", "memory": "memory"}
    )
    chosen = config.model_copy(update={"usage": settings, "workloads": config.workloads[:1]})
    late = plan_fleet(chosen, moment, past=True)
    shards = plan_fleet(chosen, moment, Fleet(workers=1, shards=tmp_path / "shards"), past=True)
    open_hour = pd.Timestamp("2026-01-20 12:00")
    orders[orders["at"] <= open_hour].to_csv(tmp_path / "orders.csv", index=False)
    usage[usage["at"] < open_hour].to_csv(tmp_path / "usage.csv", index=False)
    then = plan_fleet(chosen, moment, past=True)
    assert plan_document(late.plan) == plan_document(then.plan) == plan_document(shards.plan)
    assert late.plan.created == moment
    assert late.plan.origin == datetime(2026, 1, 20, 11, 45, tzinfo=UTC)
    assert late.audit.last == datetime(2026, 1, 20, 12, tzinfo=UTC)
    assert plan_fleet(config, NOW).plan.origin > late.plan.origin


@pytest.mark.slow
def test_one_chunk_in_this_process_is_what_a_process_of_its_own_makes(config: Config, tmp_path: Path) -> None:
    soon = datetime(2026, 1, 26, 6, tzinfo=UTC)  # six hours after the last orders: metrics are of that step
    here = plan_fleet(config, soon, Fleet())
    there = plan_fleet(config, soon, Fleet(workers=2, shards=tmp_path / "kept"))
    assert plan_document(here.plan) == plan_document(there.plan)
    texts = []
    for planned in (here, there):
        told = Exposition()
        Notifier(TelemetrySettings(), IncidentSettings(), told).planned(planned, timedelta(seconds=1))
        texts.append(sorted(told.text().splitlines()))
    assert texts[0] == texts[1], "metrics of demand now and ahead too, though the forecasts stayed in that process"
    for name in ("replicas", "demand_cores", "demand_bytes", "utilization_ratio"):
        assert any(line.startswith(f"capacity_ahead_{name}{{") for line in texts[1]), name
    assert len([line for line in texts[0] if line.startswith("capacity_forecast_demand_cores{")]) == 13 * 3


def test_a_plan_reads_its_events_once_and_hashes_its_settings_once(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "events.csv").write_text("name,start,end,kind,uplift\nsale,2026-01-26,2026-01-27,promotion,3\n")
    calendar = config.calendar.model_copy(update={"events": str(tmp_path / "events.csv")})
    one = config.model_copy(update={"calendar": calendar, "workloads": config.workloads[:1]})
    expected, calls = one.settings_hash(), list[str]()
    read, shaping = reading.read_events, Config._shaping
    monkeypatch.setattr(reading, "read_events", lambda *given: calls.append("events") or read(*given))
    monkeypatch.setattr(Config, "_shaping", lambda self: calls.append("settings") or shaping(self))
    planned = plan_fleet(one, NOW, Fleet()).plan
    assert sorted(calls) == ["events", "settings"]
    assert planned.settings_hash == expected
    calm = plan_fleet(config.model_copy(update={"workloads": config.workloads[:1]}), NOW, Fleet()).plan
    assert planned.workloads[0].peak.cpu_cores > 2 * calm.workloads[0].peak.cpu_cores, "the event moved the plan"


@pytest.mark.slow
def test_what_prometheus_measured_stands_for_an_hour(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []
    monkeypatch.setattr("capacity.sources.prometheus.usage.read_usages", lambda *_, now: asked.append(now) or {})
    measured = config.model_copy(update={"prometheus": PrometheusSettings(url="http://127.0.0.1:1")})
    fleet = Fleet(workers=1, shards=tmp_path / "shards", size=7)
    moments = [NOW, NOW + timedelta(minutes=59), NOW + timedelta(minutes=60)]
    created = [plan_fleet(measured, moment, fleet).plan.created for moment in moments]
    assert created == [NOW, NOW, NOW + timedelta(minutes=60)]
    assert asked == [NOW, NOW, NOW + timedelta(minutes=60), NOW + timedelta(minutes=60)], "two chunks, asked once each"


@pytest.mark.slow
def test_other_data_are_another_run(config: Config, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    first = plan_fleet(config, NOW, Fleet(workers=1, shards=folder, size=7))
    with (tmp_path / "orders.csv").open("a", encoding="utf-8") as stream:
        stream.writelines(f"2026-01-26 {hour:02}:00:00,s00,900\n" for hour in range(12))
    second = plan_fleet(config, NOW + timedelta(days=1), Fleet(workers=1, shards=folder, size=7))
    assert (first.plan.created, second.plan.created) == (NOW, NOW + timedelta(days=1))
    assert second.plan.origin - first.plan.origin == timedelta(hours=12)
    assert len(list(folder.glob("steps-*"))) == 1


def test_bad_data_make_no_plan_and_no_shard(config: Config, tmp_path: Path) -> None:
    text = (tmp_path / "orders.csv").read_text(encoding="utf-8")
    lines = text.splitlines()
    (tmp_path / "orders.csv").write_text("\n".join([*lines[:400], *["soon,s00,1"] * 200, *lines[400:]]) + "\n")
    with pytest.raises(QualityRefusedError, match="200 of 6,248 rows quarantined"):
        plan_fleet(config, NOW, Fleet(workers=1, shards=tmp_path / "shards", size=4))
    assert plans(tmp_path / "shards") == {}


@pytest.mark.slow
def test_the_command_plans_a_fleet_and_holds_what_it_cannot(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "workloads.csv").open("a", encoding="utf-8") as stream:
        stream.writelines(f"shop,lost{number:02},nowhere,500m,20m,1Gi\n" for number in range(30))
    assert main(["plan", "--shards", "parts", "--workers", "1"]) == 3
    said = capsys.readouterr().err
    assert said.count("not planned: no sales of group 'nowhere'") == 21, "twenty by name, the others in one line"
    assert "and 10 more not planned" in said
    assert [plan.name for plan in read_plan("plan.json").workloads] == [one.name for one in config.workloads]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param({"cluster": "tcp://127.0.0.1:1"}, "--cluster needs --shards", id="a cluster without shards"),
        pytest.param({"workers": 0}, "--workers: expected 1 or more, got 0", id="no worker"),
        pytest.param({"workers": 2, "cluster": "tcp://x:1", "shards": Path("s")}, "got both", id="both"),
    ],
)
def test_a_fleet_that_cannot_be(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Fleet(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "workload_table: workloads.csv", id="an empty file"),
        pytest.param(HEADER, "expected one workload a row, got none", id="no workload"),
        pytest.param(HEADER.replace("group", "nope") + "shop,w,s00,1,1m,1Gi\n", "unknown key", id="a column unknown"),
        pytest.param(HEADER + "shop,w,s00,much,1m,1Gi\n", "got 'much'", id="no quantity"),
        pytest.param(HEADER + "shop,w,s00,1,1m,1Gi\n" * 2, "expected each namespace/name once", id="twice"),
    ],
)
def test_a_table_of_workloads_that_is_wrong(config: Config, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "workloads.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        read_config(tmp_path / "capacity.yaml")


@pytest.mark.slow
def test_a_process_that_dies_takes_only_its_own_task_with_it() -> None:
    from distributed import KilledWorker  # half a second of CPU: every process that collects tests would pay it

    answers = dict(spread(dies_on_three, range(7), Fleet(workers=2)))
    assert {number: answers[number] for number in (0, 1, 2, 4, 6)} == {0: 0, 1: 1, 2: 4, 4: 16, 6: 36}
    assert isinstance(answers[3], KilledWorker)
    assert isinstance(answers[5], ValueError)


def test_without_dask_chunks_are_planned_in_this_process_and_a_remark_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("capacity.app.fleet.find_spec", lambda _: None)
    with caplog.at_level("INFO", "capacity"):
        answers = dict(spread(os.path.basename, ["a/b", "c/d"], Fleet(workers=2)))
    assert answers == {"a/b": "b", "c/d": "d"}
    assert "planned in one process: Dask spreads chunks over 2: python -m pip install" in caplog.text


@dataclass(frozen=True)
class Cluster:
    address: str
    workers: list[subprocess.Popen[bytes]]


def started(folder: Path, module: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [*guard(), sys.executable, "-m", f"distributed.cli.{module}", *arguments]
    with (folder / f"{module}-{len(list(folder.glob('*.log')))}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A scheduler and two workers, processes of their own that speak TCP on loopback; none outlives the test."""
    monkeypatch.setattr("capacity.app.fleet.CONNECT", int(HUNG))
    folder = tmp_path / "dask"
    folder.mkdir()
    running: list[subprocess.Popen[bytes]] = []
    try:
        at = ("--scheduler-file", "scheduler.json")
        running.append(started(folder, "dask_scheduler", *at, "--host", "127.0.0.1", "--port", "0", "--no-dashboard"))
        address = _address(folder / "scheduler.json", running[0])
        for _ in range(2):
            settings = ("--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0")
            running.append(started(folder, "dask_worker", address, *settings))
        yield Cluster(address, running[1:])
    finally:
        for process in running:
            process.kill()
            process.wait()


def _address(file: Path, scheduler: subprocess.Popen[bytes]) -> str:
    until(lambda: scheduler.poll() is not None or _document(file))
    assert scheduler.poll() is None, f"the scheduler ended with {scheduler.returncode}"
    return str(_document(file)["address"])


def _document(file: Path) -> dict[str, object]:
    """What a JSON file holds; nothing while it is not there, or half written."""
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


@pytest.mark.slow
def test_dask_plans_the_same_to_the_last_bit_though_a_worker_is_killed(
    config: Config, cluster: Cluster, tmp_path: Path
) -> None:
    local = plan_fleet(config, NOW, Fleet(workers=1, shards=tmp_path / "local", size=2))
    killed: list[int] = []

    def kill_one(done: int, total: int) -> None:
        if done == 2 and not killed:
            cluster.workers[0].kill()
            killed.append(total - done)

    fleet = Fleet(cluster=cluster.address, shards=tmp_path / "shared", size=2)
    remote = plan_fleet(config, NOW, fleet, kill_one)
    assert killed == [5], "a worker was killed while five of seven chunks were not done"
    assert cluster.workers[1].poll() is None
    assert remote.failures == {}
    assert plan_document(remote.plan) == plan_document(local.plan)
    assert plans(tmp_path / "shared") == plans(tmp_path / "local")


def test_a_scheduler_that_is_not_there_is_one_line(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capacity.app.fleet.CONNECT", 1)
    with pytest.raises(ClusterError, match=r"--cluster: no scheduler at tcp://127.0.0.1:1"):
        plan_fleet(config, NOW, Fleet(cluster="tcp://127.0.0.1:1", shards=tmp_path / "s", size=4))


def test_nothing_that_can_be_planned_is_an_error(config: Config, tmp_path: Path) -> None:
    (tmp_path / "workloads.csv").write_text(HEADER + "shop,a,no,1,1m,1Gi\nshop,b,non,1,1m,1Gi\n", encoding="utf-8")
    lost = read_config(tmp_path / "capacity.yaml")
    with pytest.raises(DataError, match="no sales of group 'no'"):
        plan_fleet(lost, NOW, Fleet())
