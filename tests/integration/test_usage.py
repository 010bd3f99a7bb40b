"""Usage from files, as a table and through the command: what is read, what is refused, and what a plan makes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml

from capacity.app import read_config
from capacity.cli import main
from capacity.model import ConfigError, DataError
from capacity.sources import read_usage, usage_of

HOURS = pd.date_range("2026-03-02", periods=24 * 28, freq="h", tz="UTC")
WEB: dict[str, Any] = {
    "namespace": "shop",
    "name": "web",
    "floor": 1,
    "ceiling": 60,
    "load": {"cpu": {"base": "400m", "per_sale_per_hour": "20m"}, "memory": {"base": "2Gi"}},
    "replica": {"cpu_request": "500m", "memory_request": "512Mi"},
}
COLUMNS = {"time": "at", "cpu": "cpu", "memory": "mem"}


def lines(*rows: str, header: str = "at,cpu,mem") -> str:
    Path("usage.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return "usage.csv"


def write_history(workloads: tuple[str, ...] = ("shop/web",), deaf: bool = False) -> None:
    """orders.csv and usage.csv of four weeks; `deaf`: load that follows no sales."""
    rng = np.random.default_rng(1)
    orders = rng.poisson(60 + 50 * np.sin((HOURS.hour.to_numpy() - 8) / 24 * 2 * np.pi))
    pd.DataFrame({"at": HOURS.strftime("%Y-%m-%dT%H:%M:%SZ"), "n": orders}).to_csv("orders.csv", index=False)
    parts = []
    for place, name in enumerate(workloads, start=1):
        cpu = (
            (2 + rng.normal(0, 0.1, len(HOURS)))
            if deaf
            else place * (0.5 + 0.02 * orders) * rng.gamma(200, 1 / 200, len(HOURS))
        )
        mem = 2e9 + rng.normal(0, 2e7, len(HOURS))
        parts.append(pd.DataFrame({"at": HOURS.strftime("%Y-%m-%dT%H:%M:%SZ"), "who": name, "cpu": cpu, "mem": mem}))
    pd.concat(parts).to_csv("usage.csv", index=False)


def configure(sales: bool = True, workloads: list[dict[str, Any]] | None = None, **usage: Any) -> None:
    document = {
        "usage": {"source": "usage.csv", **COLUMNS, "workload": "who", **usage},
        "forecast": {"horizon": "3d"},
        "workloads": workloads or [WEB],
    }
    if sales:
        document["sales"] = {"source": "orders.csv", "time": "at", "value": {"sum": "n"}}
    Path("capacity.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def test_rows_are_averaged_over_steps_and_what_is_missing_is_a_gap() -> None:
    source = lines(
        "2026-03-02T00:00:00Z,1,10", "2026-03-02T00:02:00Z,3,30", "2026-03-02T00:10:00Z,5,", "2026-03-02T00:17:00Z,-1,x"
    )
    table = read_usage(source, **COLUMNS, step="5m")
    assert isinstance(table, pd.DataFrame)
    assert list(table.index) == list(pd.date_range("2026-03-02", periods=4, freq="5min", tz="UTC"))
    np.testing.assert_array_equal(table["cpu"], [2.0, np.nan, 5.0, np.nan])
    np.testing.assert_array_equal(table["memory"], [20.0, np.nan, np.nan, np.nan])


@pytest.mark.parametrize(
    ("seconds", "step"),
    [
        pytest.param(30, timedelta(minutes=5), id="samples of half a minute"),
        pytest.param(900, timedelta(minutes=15), id="quarters of an hour"),
        pytest.param(3600, timedelta(hours=1), id="hours"),
        pytest.param(7 * 60, timedelta(minutes=8), id="seven minutes, up to a part of a day"),
    ],
)
def test_the_step_is_the_files_own_and_at_least_five_minutes(seconds: int, step: timedelta) -> None:
    times = pd.date_range("2026-03-02", periods=200, freq=pd.Timedelta(seconds=seconds))
    table = read_usage(lines(*(f"{at:%Y-%m-%d %H:%M:%S},1,1Gi" for at in times)), **COLUMNS)
    assert isinstance(table, pd.DataFrame)
    assert table.index[1] - table.index[0] == step


@pytest.mark.parametrize(
    ("time", "settings"),
    [
        pytest.param("2026-07-01 13:00:00", {"timezone": "Europe/London"}, id="local times"),
        pytest.param("2026-07-01T14:00:00+02:00", {}, id="times with an offset"),
        pytest.param("1782907200", {}, id="seconds since 1970"),
        pytest.param("202607011200", {"time_format": "%Y%m%d%H%M"}, id="times in a format"),
    ],
)
def test_times_are_read_as_they_are_written(time: str, settings: dict[str, Any]) -> None:
    table = read_usage(lines(f"{time},1,1"), **COLUMNS, step="1h", **settings)
    assert isinstance(table, pd.DataFrame)
    assert table.index[0] == pd.Timestamp("2026-07-01T12:00Z")


def test_parquet_is_read_and_workloads_are_told_apart() -> None:
    moment = "TIMESTAMPTZ '2026-03-02 00:00:00Z' + INTERVAL (i) HOUR"
    query = f"SELECT {moment} AS at, 'w' || (i % 2) AS who, i AS cpu FROM range(6) t(i)"
    duckdb.sql(f"COPY ({query}) TO 'usage.parquet'")
    tables = read_usage("usage.parquet", time="at", workload="who", cpu="cpu")
    assert isinstance(tables, dict)
    assert {name: table["cpu"].dropna().tolist() for name, table in tables.items()} == {
        "w0": [0, 2, 4],
        "w1": [1, 3, 5],
    }


UNITS = {
    "0.25,1.5 GiB": (0.25, 1.5 * 2**30),
    "250m,512 MiB": (0.25, 512 * 2**20),
    "250 m,1.50 GB": (0.25, 1.5e9),
    "250µ,900 B": (0.00025, 900.0),
    '"0,25","1,5 GiB"': (0.25, 1.5 * 2**30),
    "2 cores,1536 kB": (2.0, 1536e3),
}


@pytest.mark.parametrize(("row", "right"), UNITS.items(), ids=UNITS)
def test_units_are_read_as_grafana_and_kubectl_write_them(row: str, right: tuple[float, float]) -> None:
    table = read_usage(lines(f"2026-03-02 00:00:00,{row}"), **COLUMNS, step="1h")
    assert isinstance(table, pd.DataFrame)
    np.testing.assert_allclose(table.iloc[0], right)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("35%,1", "got '35%'"),
        ("250 ms,1", "got '250 ms'"),
        ("1.5 GiB,1", "got '1.5 GiB'"),
        ('1,"1,024 MiB"', "three digits after it: thousands or parts"),
    ],
)
def test_what_is_no_amount_of_its_resource_is_refused(row: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_usage(lines(f"2026-03-02 00:00:00,{row}"), **COLUMNS, step="1h")


REFUSED = [
    (
        "a column that is not there",
        {"cpu": "cores"},
        DataError,
        r"no column 'cores' \(usage.cpu\); its columns: at, cpu",
    ),
    ("a file that is not there", {"source": "none.csv"}, DataError, "none.csv: usage cannot be read"),
    ("no resource", {"cpu": None, "memory": None}, ConfigError, "at least one of cpu, memory, requests"),
    ("a step of seven minutes", {"step": "7m"}, ConfigError, "whole parts of a day"),
    ("a time that is none", {"time": "mem"}, DataError, "mem: expected times, got 'many'"),
    ("an unknown key", {"colour": "red"}, ConfigError, "colour: unknown key"),
]


@pytest.mark.parametrize(("keys", "error", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_source_that_is_no_usage_is_refused(keys: dict[str, Any], error: type[Exception], words: str) -> None:
    lines("2026-03-02 00:00:00,1,many", "2026-03-02 01:00:00,1,more")
    with pytest.raises(error, match=words):
        read_usage(**{"source": "usage.csv", **COLUMNS, **keys})


@pytest.mark.parametrize("odd", ["1970-01-01 00:00:00", "2099-01-01 00:00:00"])
def test_a_row_far_from_all_others_sets_no_span(odd: str, caplog: pytest.LogCaptureFixture) -> None:
    rows = [f"{at:%Y-%m-%d %H:%M:%S},1,1Gi" for at in HOURS[:96]]
    table = read_usage(lines(*rows, f"{odd},9,9"), **COLUMNS)
    assert isinstance(table, pd.DataFrame)
    assert (table.index[0], len(table), table["cpu"].max()) == (HOURS[0], 96, 1.0)
    assert f"1 row has a time ahead of the clock or far from all others ({odd.replace(' ', 'T')}Z)" in caplog.text


def test_values_that_are_no_quantity_are_refused_and_not_taken_for_gaps() -> None:
    rows = [f"{at:%Y-%m-%d %H:%M:%S},{share}%,1Gi" for share, at in enumerate(HOURS[:9])]
    with pytest.raises(DataError, match=r"usage.csv: cpu: expected cores, bytes or a rate, .* got '0%' in 9 of 9 rows"):
        read_usage(lines(*rows), **COLUMNS)
    rows = [f"{at:%Y-%m-%d %H:%M:%S},{'NaN' if hour else '250m'},1Gi" for hour, at in enumerate(HOURS[:9])]
    table = read_usage(lines(*rows), **COLUMNS)
    assert isinstance(table, pd.DataFrame)
    assert table["cpu"].dropna().tolist() == [0.25]


def test_one_row_per_pod_is_refused_because_their_mean_would_be_taken_for_their_sum() -> None:
    with pytest.raises(DataError, match="got 2 of it at 2026-03-02T00:00:00Z: sum up the pods"):
        read_usage(lines("2026-03-02T00:00:00Z,1,1", "2026-03-02T00:00:00Z,2,2"), **COLUMNS)


def test_workloads_are_found_by_namespace_and_name_or_by_name() -> None:
    write_history(("shop/web", "api", "else/db"))
    configure(workloads=[WEB, {**WEB, "name": "api"}, {**WEB, "name": "mail"}])
    assert set(usage_of(read_config("capacity.yaml"))) == {("shop", "web"), ("shop", "api")}


def test_rows_without_names_cannot_be_of_two_workloads() -> None:
    write_history()
    configure(workloads=[WEB, {**WEB, "name": "api"}], workload=None)
    with pytest.raises(ConfigError, match="2 workloads need a column"):
        usage_of(read_config("capacity.yaml"))


def test_the_load_verb_says_what_a_sale_costs(capsys: pytest.CaptureFixture[str]) -> None:
    write_history()
    configure()
    assert main(["load", "--picture", "load.png"]) == 0
    out = capsys.readouterr().out
    assert "learned" in out
    assert "sales explain 9" in out
    assert Path("load.png").stat().st_size > 10_000
    assert main(["load", "--output", "json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    cpu = next(found for found in report["resources"] if found["resource"] == "cpu")
    assert cpu["per_sale_per_hour"] == pytest.approx(0.02, rel=0.03)
    assert cpu["slope_interval"][0] < cpu["per_sale_per_hour"] < cpu["slope_interval"][1]
    assert main(["load", "--output", "csv"]) == 0
    assert capsys.readouterr().out.startswith("workload,resource,sales explain,idle,per sale/h")


def test_what_has_no_picture_is_said_and_the_first_that_has_one_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    write_history(deaf=True)
    configure()
    assert main(["load", "--picture", "load.svg"]) == 0
    printed = capsys.readouterr()
    assert "load.svg is not drawn: sales explain no load, see the verdicts" in printed.err
    assert "forecast usage directly" in printed.out
    assert not Path("load.svg").exists()
    write_history(("shop/web", "shop/api"))
    configure(workloads=[WEB, {**WEB, "name": "api"}])
    assert main(["load", "--picture", "load.svg"]) == 0
    assert "wrote load.svg of shop/web" in capsys.readouterr().err
    assert "shop/web: sales explain" in Path("load.svg").read_text(encoding="utf-8")


def test_the_load_verb_says_what_to_request_and_writes_it_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    write_history()
    table = pd.read_csv("usage.csv")
    table.assign(pods=np.ceil(table["cpu"] / 0.4)).to_csv("usage.csv", index=False)
    configure(replicas="pods", workloads=[{**WEB, "autoscaler": {"target": 60}}])
    assert main(["load", "--output", "json", "--requests-patch", "patch.yaml"]) == 0
    (web,) = json.loads(capsys.readouterr().out)
    advised = web["request_advice"]["cpu_request_millicores"]
    (container,) = yaml.safe_load(Path("patch.yaml").read_text())["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"]["cpu"] == f"{advised}m"
    assert 380 <= advised <= 400, "the replicas' busiest hours, weighed by their load"
    assert main(["load"]) == 0
    kept = re.search(r"the autoscaler's 60 % would be ([\d.]+) % of the new request", capsys.readouterr().out)
    assert kept is not None
    assert float(kept[1]) == pytest.approx(60 * 500 / advised, rel=0.005)


def test_the_load_verb_needs_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", "-c", "none.yaml"]) == 2
    write_history()
    configure()
    document = yaml.safe_load(Path("capacity.yaml").read_text(encoding="utf-8"))
    del document["usage"]
    Path("capacity.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    assert main(["load"]) == 2
    assert "usage: expected where usage is measured" in capsys.readouterr().err


def plan(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["plan", "--quiet", "--output", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["workloads"]
    return dict(found)


def test_a_plan_is_made_of_the_load_that_was_learned(capsys: pytest.CaptureFixture[str]) -> None:
    write_history()
    configure()
    learned = plan(capsys)
    assert any("sales explain" in note for note in learned["explain"]["notes"])
    rate = learned["peak"]["sales"]
    assert learned["peak"]["cpu_cores"] > 0.5 + 0.0195 * rate


def test_a_load_that_follows_no_sales_is_planned_from_its_usage(capsys: pytest.CaptureFixture[str]) -> None:
    write_history(deaf=True)
    configure()
    found = plan(capsys)
    assert found["peak"]["sales"] is None
    assert found["peak"]["cpu_cores"] == pytest.approx(2.2, abs=0.25)
    assert any("forecast usage directly" in note for note in found["explain"]["notes"])


def test_without_sales_the_plan_comes_from_usage_alone(capsys: pytest.CaptureFixture[str]) -> None:
    write_history()
    configure(sales=False)
    found = plan(capsys)
    assert found["peak"]["sales"] is None
    assert found["peak"]["cpu_cores"] == pytest.approx(2.9, abs=0.7)
    for verb in ("audit", "seasonality", "forecast", "backtest"):
        assert main([verb]) == 2
        assert "sales: expected where the orders are" in capsys.readouterr().err


def test_neither_sales_nor_usage_is_refused() -> None:
    Path("capacity.yaml").write_text(yaml.safe_dump({"workloads": [WEB]}), encoding="utf-8")
    with pytest.raises(ConfigError, match="expected sales, usage or both, got neither"):
        read_config("capacity.yaml")


def test_a_workload_without_usage_is_planned_from_its_costs_beside_one_that_is_learned() -> None:
    write_history()
    configure(workloads=[WEB, {**WEB, "name": "api"}])
    assert main(["plan", "--quiet"]) == 0
    plans = json.loads(Path("plan.json").read_text(encoding="utf-8"))["workloads"]
    notes = {one["name"]: " ".join(one["explain"]["notes"]) for one in plans}
    assert "sales explain" in notes["web"]
    assert "no usage of shop/api in usage.csv: the configured costs are kept" in notes["api"]


COUNTERS: dict[str, Callable[[int], str]] = {  # hourly
    "a counter of seconds": lambda n: f"{4_000_000 + 3600 * n}.5",
    "a counter since the start": lambda n: f"{3600 * n}.5",
    "a counter that began anew": lambda n: f"{3600 * (n % 50 + 1)}.5",
}


def as_cpu(n: int) -> str:
    return f"{2 + n % 24}.5"


def as_memory(n: int) -> str:
    return f"{500 + n % 9}Mi"


@pytest.mark.parametrize(
    ("cpu", "memory", "keys", "said"),
    [
        pytest.param(lambda n: f"{200 + n % 24}", as_memory, {}, "set usage.units: {cpu: m}", id="millicores"),
        pytest.param(as_cpu, lambda n: f"{500 + n % 9}", {}, "at most 508, as MiB", id="MiB"),
        *(pytest.param(cpu, as_memory, {}, "export its rate(", id=name) for name, cpu in COUNTERS.items()),
        pytest.param(
            lambda n: f"{(2 + n % 9 / 9) * 1000 ** (n // 50):.3f}", as_memory, {}, "one unit, got", id="a change"
        ),
        pytest.param(as_cpu, lambda n: "512m", {}, "m is a thousandth; write 512Mi", id="half a byte"),
        pytest.param(as_cpu, as_memory, {"cpu": "cpu_pct"}, "multiply it by what is 100 %", id="percent"),
        pytest.param(as_cpu, as_memory, {"cpu": "cpuMillicores"}, "usage.units: {cpu: m}", id="a name of millicores"),
        pytest.param(as_cpu, lambda n: f"{500 + n % 9}", {"memory": "used_mb"}, "{memory: Mi}", id="a name of MiB"),
        pytest.param(as_cpu, as_memory, {"cpu": "cpu_usage_seconds_total"}, "a counter by its name", id="a name"),
    ],
)
def test_what_cannot_be_cores_or_bytes_is_refused(
    cpu: Callable[[int], str], memory: Callable[[int], str], keys: dict[str, str], said: str
) -> None:
    columns = {**COLUMNS, **keys}
    rows = (f"{at:%Y-%m-%d %H:%M:%S},{cpu(n)},{memory(n)}" for n, at in enumerate(HOURS[:96]))
    source = lines(*rows, header=f"at,{columns['cpu']},{columns['memory']}")
    with pytest.raises(DataError, match=re.escape(said)):
        read_usage(source, **columns)


@pytest.mark.parametrize(
    ("cpu", "memory", "units", "right"),
    [
        pytest.param("250", "512", {"cpu": "m", "memory": "Mi"}, (0.25, 2.0**29), id="of all numbers"),
        pytest.param("2", "512k", {"memory": "Mi"}, (2.0, 512e3), id="a unit that is written counts"),
        pytest.param("250", "128974848000m", {"cpu": "1"}, (250.0, 128974848.0), id="cores after all"),
    ],
)
def test_units_are_those_that_are_said(
    cpu: str, memory: str, units: dict[str, str], right: tuple[float, float]
) -> None:
    rows = (f"{at:%Y-%m-%d %H:%M:%S},{cpu},{memory}" for at in HOURS[:96])
    table = read_usage(lines(*rows), **COLUMNS, units=units)
    assert isinstance(table, pd.DataFrame)
    np.testing.assert_allclose(table.iloc[-1], right)


def test_units_of_what_is_not_read_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected the names of columns that are given"):
        read_usage(lines("2026-03-02,1,2"), **COLUMNS, units={"requests": "k"})


@pytest.mark.parametrize(
    ("cpu", "said"),
    [
        pytest.param(lambda n: "-1" if n % 3 else "2.5", "64 of 96 values are below zero, down to -1", id="below zero"),
        pytest.param(lambda n: "2.5" if n % 3 else "n/c", "32 of 96 values cannot be read, such as 'n/c'", id="words"),
        pytest.param(lambda n: "NaN", "expected values, got none", id="no number at all"),
    ],
)
def test_values_that_become_gaps_are_told(
    cpu: Callable[[int], str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    read_usage(lines(*(f"{at:%Y-%m-%d %H:%M:%S},{cpu(n)},1Gi" for n, at in enumerate(HOURS[:96]))), **COLUMNS)
    assert said in caplog.text


def test_a_usage_file_of_many_rows_without_a_time_is_refused() -> None:
    rows = [f"{at if n % 4 else 'soon'},1,1Gi" for n, at in enumerate(HOURS[:96])]
    with pytest.raises(DataError, match=r"got 24 of 96 rows without one, such as 'soon'; .* in usage.time_format"):
        read_usage(lines(*rows), **COLUMNS)


WEEKS = HOURS[: 24 * 14]
RANDOM = np.random.default_rng(2).gamma(200, 1 / 200, (2, len(WEEKS)))
BUSY = (2 + np.sin(WEEKS.hour.to_numpy() / 24 * 2 * np.pi)) * RANDOM[0]
BYTES = 2e9 * RANDOM[1]


def changed(value: Any, there: Any, usual: Any = BUSY) -> Any:
    """CPU, or something else, that has another value at these times."""
    return np.where(there, value, usual)


@pytest.mark.parametrize(
    ("cpu", "mem", "gaps", "told"),
    [
        pytest.param(BUSY, BYTES, 0, "", id="sound"),
        pytest.param(changed(0, WEEKS.day == 10), BYTES, 24,
                     "of web from 2026-03-10T00:00Z to 2026-03-10T23:00Z", id="a day of zeros"),
        pytest.param(changed(0, WEEKS.day == 10), changed(0, WEEKS.day == 10, BYTES), 24, "and of 1 more workloads",
                     id="a day of zeros of everything"),
        pytest.param(changed(0, (WEEKS.day == 10) & (WEEKS.hour < 2)), BYTES, 2, "got zero", id="two hours of zeros"),
        pytest.param(changed(0, WEEKS.hour < 6), BYTES, 0, "", id="at rest every night"),
        pytest.param(changed(0, WEEKS.day_of_week == 6), BYTES, 0, "", id="at rest on Sundays"),
        pytest.param(changed(BUSY[9], WEEKS.day == 10), BYTES, 23, "one and the same for hours", id="a frozen day"),
        pytest.param(changed(BUSY[9], WEEKS.day > 5), BYTES, 0, "", id="frozen for most of the time: rounded"),
        pytest.param(changed(1e6, np.arange(len(WEEKS)) == 99), BYTES, 1, "far above it", id="a spike"),
        pytest.param(changed(999999, WEEKS.day == 10), BYTES, 24, "far above it", id="a number for nothing"),
        pytest.param(changed(150.0, np.arange(len(WEEKS)) % 100 == 0), BYTES, 0, "", id="bursts"),
        pytest.param(changed(4.0, WEEKS.hour > 7, 2.0), BYTES, 0, "no other values than 2 and 4", id="limits"),
        pytest.param(BUSY, changed(2**31, BUSY > 0), 0, "no other values than 2.14748e+09", id="the limit of memory"),
        pytest.param(np.round(BUSY / 10, 1), BYTES, 0, "", id="a small workload, rounded"),
        pytest.param(1000 * BUSY, BYTES, 0, "are these millicores, percent", id="millicores"),
        pytest.param(60 * BUSY, 30 * BYTES, 0, "", id="many cores with their memory"),
        pytest.param(changed(np.nan, np.arange(len(WEEKS)) % 2 == 1), BYTES, 168, "got none of cpu of web in 167",
                     id="half is NaN"),
        pytest.param(changed(np.nan, np.arange(len(WEEKS)) % 10 == 0), BYTES, 34, "", id="a tenth is NaN"),
    ],
)  # fmt: skip
def test_values_that_are_no_measurements_are_told(
    cpu: Any, mem: Any, gaps: int, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [pd.DataFrame({"at": WEEKS, "who": who, "cpu": cpu, "mem": mem}) for who in ("web", "worker")]
    pd.concat(rows).to_csv("usage.csv", index=False)
    found = read_usage("usage.csv", workload="who", **COLUMNS)
    assert isinstance(found, dict)
    assert int(found["web"]["cpu"].isna().sum()) == gaps
    assert (told in caplog.text) if told else not caplog.records


@pytest.mark.parametrize(
    ("named", "told"),
    [
        pytest.param("shop/web", "", id="its name"),
        pytest.param("Web", "those of 'Web' are left out", id="a capital"),
        pytest.param("web-7d9f8b6c5-x2x4z", "those of 'web-7d9f8b6c5-x2x4z' are left out", id="a pod"),
        pytest.param("web-api", "", id="another workload"),
    ],
)
def test_rows_under_nearly_the_name_of_a_workload_are_told(
    named: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_history((named,))
    configure()
    usage_of(read_config("capacity.yaml"))
    assert (told in caplog.text) if told else "left out" not in caplog.text


def test_the_audit_and_the_plan_tell_of_doubtful_usage(capsys: pytest.CaptureFixture[str]) -> None:
    write_history()
    usage = pd.read_csv("usage.csv")
    usage.assign(cpu=usage["cpu"] / 40).to_csv("usage.csv", index=False)
    configure(workloads=[{**WEB, "floor": 10}])
    assert main(["audit", "--quiet", "--output", "json"]) == 0
    assert "usage of shop/web: cpu: expected cores" in capsys.readouterr().out
    assert main(["plan", "--quiet"]) == 0
    assert "usage of shop/web: cpu: expected cores" in capsys.readouterr().err
