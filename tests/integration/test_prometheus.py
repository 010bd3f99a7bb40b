"""Usage from a real Prometheus: fourteen days with restarts, gaps and zeros, asked for in pieces and kept."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from capacity.model import DataError, Metrics
from capacity.model.settings import Measured, PrometheusSettings
from capacity.model.settings.usage import USAGE
from capacity.sources.prometheus import Prometheus, read_usage, read_usages, recording_rules
from capacity.sources.prometheus.answers import Chunk, QueryError
from capacity.sources.prometheus.queries import CPU
from tests.peers import Prometheus as Server
from tests.peers import binary, openmetrics, running_prometheus

DAYS = 14
START = datetime(2026, 11, 2, tzinfo=UTC)
END = START + timedelta(days=DAYS)
MINUTES = pd.date_range(START, END, freq="1min")
WEB, API, DB = (
    Measured("shop", "web"),
    Measured("shop", "web-api"),
    Measured("shop", "db", Metrics(kind="StatefulSet")),
)
CONTAINER = 'namespace="shop",container="app",pod='
DOWN = (START + timedelta(days=3), START + timedelta(days=3, hours=5))  # nothing was scraped


def cores() -> pd.Series:
    """What web uses: a daily wave between 1 and 3 cores."""
    hours = (MINUTES - MINUTES[0]) / pd.Timedelta("1h")
    return pd.Series(2.0 + np.sin(2 * np.pi * np.asarray(hours) / 24), MINUTES)


def counter(rate: pd.Series, restarts: list[datetime]) -> pd.Series:
    """A counter of seconds that starts anew at every restart."""
    total = (rate * 60).cumsum()
    for restart in restarts:
        total[restart:] -= total[restart]
    return total


def history() -> dict[str, pd.Series]:
    up = (DOWN[0] > MINUTES) | (DOWN[1] <= MINUTES)
    half = cores() / 2
    restarts = [START + timedelta(days=day, hours=7) for day in (1, 5, 9)]
    gib = pd.Series(2.0**30, MINUTES)
    peak = gib.where(START + timedelta(days=2, minutes=32) != MINUTES, 3 * 2.0**30)
    series = {
        f'container_cpu_usage_seconds_total{{{CONTAINER}"web-5d4f8c7b9-bcdfg"}}': counter(half, restarts),
        f'container_cpu_usage_seconds_total{{{CONTAINER}"web-5d4f8c7b9-hjklm"}}': counter(half, restarts[:1]),
        f'container_cpu_usage_seconds_total{{{CONTAINER}"web-api-6c9d-zzzzz"}}': counter(0 * half, []),
        f'container_cpu_usage_seconds_total{{{CONTAINER}"db-0"}}': counter(0 * half + 0.25, []),
        'container_cpu_usage_seconds_total{namespace="shop",container="",pod="web-5d4f8c7b9-bcdfg"}': counter(half, []),
        'container_cpu_usage_seconds_total{namespace="other",container="app",pod="web-5d4f8c7b9-bcdfg"}': counter(
            half, []
        ),
        f'container_memory_working_set_bytes{{{CONTAINER}"web-5d4f8c7b9-bcdfg"}}': peak,
        f'container_memory_working_set_bytes{{{CONTAINER}"db-0"}}': gib,
        'http_requests_total{namespace="shop",code="200",pod="web-5d4f8c7b9-bcdfg"}': counter(30 * half, restarts),
        'http_requests_total{namespace="shop",code="500",pod="web-5d4f8c7b9-bcdfg"}': counter(half, restarts),
    }
    ready = pd.Series(np.where(MINUTES.hour < 12, 2.0, 5.0), MINUTES)
    for instance in ("kube-state-metrics-0", "kube-state-metrics-1"):
        series[f'kube_deployment_status_replicas_ready{{namespace="shop",deployment="web",pod="{instance}"}}'] = ready
    series['kube_deployment_status_replicas_ready{namespace="other",deployment="web"}'] = 9 + 0 * ready
    series['kube_statefulset_status_replicas_ready{namespace="shop",statefulset="db"}'] = 1 + 0 * ready
    return {name: values[up] for name, values in series.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_prometheus(tmp_path_factory.mktemp("prometheus"), history=openmetrics(history())) as running:
        yield running


def settings(server: Server, **more: Any) -> PrometheusSettings:
    return PrometheusSettings.model_validate(
        {"url": server.url, "requests": "http_requests_total", "timeout": "15m", **more}
    )


def test_fourteen_days_of_three_workloads(server: Server) -> None:
    found = read_usages(settings(server), [WEB, API, DB], START, END, now=END + timedelta(hours=2))
    web = found["shop", "web"]
    assert isinstance(web, pd.DataFrame)
    assert list(web.columns) == ["cpu", "memory", "requests"]
    assert list(web.index) == list(pd.date_range(START, END, freq="5min", inclusive="left"))
    expected = cores().resample("5min").mean().reindex(web.index)
    known = web["cpu"].notna()
    np.testing.assert_allclose(web["cpu"][known], expected[known], rtol=0.35, err_msg="a restart costs a scrape")
    calm = (abs(web["cpu"] / expected - 1) < 0.01).sum() / known.sum()
    assert calm > 0.998, "all but the steps of a restart are exact to a percent"
    np.testing.assert_allclose(web["requests"][known].iloc[5], 31 * expected[known].iloc[5] / 2, rtol=0.01)
    api, db = found["shop", "web-api"], found["shop", "db"]
    assert isinstance(api, pd.DataFrame)
    assert isinstance(db, pd.DataFrame)
    assert (api["cpu"].dropna() == 0.0).all(), "web-api is no pod of web, and what does nothing uses zero"
    assert api["memory"].isna().all(), "what is not measured is no zero"
    np.testing.assert_allclose(db["cpu"].dropna(), 0.25, rtol=0.01)


def test_hours_without_a_scrape_are_gaps(server: Server) -> None:
    usage = read_usage(settings(server), WEB, START, END, now=END)
    gap = usage["cpu"][usage["cpu"].isna()]
    assert gap.index[0] >= pd.Timestamp(DOWN[0])
    assert gap.index[-1] <= pd.Timestamp(DOWN[1])
    assert len(gap) >= 58, "five hours of twelve steps, less the ends that a rate still sees"
    assert usage["memory"].isna().sum() >= 58


def test_ready_replicas_are_counted_where_they_are_asked_for(server: Server) -> None:
    asked = replace(WEB, resources=(*USAGE, "replicas")), replace(DB, resources=(*USAGE, "replicas")), API
    found = read_usages(settings(server, step="1h"), asked, START, START + timedelta(days=1), now=END)
    web, db, api = (found[one.key] for one in asked)
    assert isinstance(web, pd.DataFrame)
    assert isinstance(db, pd.DataFrame)
    assert isinstance(api, pd.DataFrame)
    expected = np.where(web.index.hour < 12, 2.0, 5.0)
    np.testing.assert_allclose(web["replicas"], expected, atol=0.26, err_msg="a mean over the step: one edge may mix")
    assert (web["replicas"] == expected).sum() >= 22
    assert (db["replicas"] == 1.0).all()
    assert "replicas" not in api, "what nobody asked for is not asked"
    own = replace(WEB, metrics=Metrics(replicas="vector(7)"), resources=(*USAGE, "replicas"))
    assert (
        read_usage(settings(server, step="1h"), own, START, START + timedelta(hours=3), now=END)["replicas"] == 7
    ).all()


def test_the_highest_memory_within_an_hour_is_kept(server: Server) -> None:
    begin = START + timedelta(days=2)
    usage = read_usage(settings(server, step="1h"), WEB, begin, begin + timedelta(hours=3), now=END)
    assert usage["memory"].tolist()[1:] == [2.0**30, 2.0**30]
    assert usage["cpu"].notna().all()


def test_no_question_is_longer_than_the_server_answers(server: Server) -> None:
    asked = Prometheus(settings(server))
    begin = int(START.timestamp())
    with pytest.raises(QueryError, match="400 bad_data: exceeded maximum resolution of 11,000 points"):
        asked.query_range("vector(1)", Chunk(begin, begin + 11_001 * 60, 60))
    (series,) = asked.query_range("vector(1)", Chunk(begin, begin + 10_999 * 60, 60))
    assert len(series.samples) == 11_000
    minutes = read_usage(settings(server, step="1m"), WEB, START, END, now=END)
    assert len(minutes) == DAYS * 1440, "20,160 points in pieces"


def requests_served(server: Server) -> int:
    text = server.text("/metrics")
    name = 'prometheus_http_requests_total{code="200",handler="/api/v1/query_range"}'
    return next((int(float(line.split()[-1])) for line in text.splitlines() if line.startswith(name)), 0)


def test_an_hourly_run_asks_only_for_the_new_hour(server: Server, tmp_path: Path) -> None:
    chosen = settings(server, cache=str(tmp_path / "kept"), requests=None)
    now = START + timedelta(days=2, minutes=30)
    first = read_usage(chosen, WEB, START, now, now=now)
    before = requests_served(server)
    assert read_usage(chosen, WEB, START, now, now=now).equals(first)
    assert requests_served(server) - before == 2, "only the open hour, once for CPU and once for memory"
    whole = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert {path.suffix for path in whole} == {".parquet"}
    later = now + timedelta(hours=1)
    before = requests_served(server)
    second = read_usage(chosen, WEB, START, later, now=later)
    assert requests_served(server) - before == 2, "the hour that was open and the new one, in one question each"
    pd.testing.assert_frame_equal(second, read_usage(settings(server, requests=None), WEB, START, later, now=later))
    for path in whole:
        path.write_bytes(path.read_bytes()[:100])
    assert read_usage(chosen, WEB, START, later, now=later).equals(second), "a file cut short is asked for again"


def test_another_tenant_or_step_or_query_has_a_cache_of_its_own(server: Server, tmp_path: Path) -> None:
    day = (START, START + timedelta(days=1))
    for more in ({}, {"tenant": "a"}, {"step": "10m"}, {"matchers": {"container": "app"}}):
        read_usage(settings(server, cache=str(tmp_path), requests=None, **more), WEB, *day, now=END)
    assert len(list(tmp_path.iterdir())) == 2 * 4


def test_steps_that_are_not_over_are_not_there(server: Server) -> None:
    now = START + timedelta(days=1, minutes=12)
    usage = read_usage(settings(server), WEB, START, START + timedelta(days=1, hours=1), now=now)
    assert usage["cpu"].last_valid_index() == pd.Timestamp(now) - pd.Timedelta("7min")


OWN = 'sum(rate(container_cpu_usage_seconds_total{namespace="shop",pod=~"web-5.*",container="app"}[$window]))'

MANY = f"{CPU} * on (pod) group_left {CPU}"


def test_a_query_of_ones_own(server: Server) -> None:
    own = Measured("shop", "web", Metrics(cpu=OWN))
    day = (START, START + timedelta(days=1))
    got = read_usage(settings(server), own, *day, now=END)
    pd.testing.assert_series_equal(got["cpu"], read_usage(settings(server), WEB, *day, now=END)["cpu"])
    pods = Measured("shop", "shopfront", Metrics(pods="web-5.+"))
    pd.testing.assert_frame_equal(
        read_usage(settings(server), pods, *day, now=END), read_usage(settings(server), WEB, *day, now=END)
    )


@pytest.mark.parametrize(
    ("query", "words"),
    [
        pytest.param(
            OWN.removeprefix("sum(")[:-1], "shop/web: expected one series of cpu, got 2, such as .*web-5d", id="two"
        ),
        pytest.param("sum(rate(", "400 bad_data: .*parse error: unclosed left parenthesis", id="no PromQL"),
        pytest.param(MANY, "422 execution: .*found duplicate series", id="many to many"),
    ],
)
def test_one_bad_query_is_its_workloads_failure_alone(server: Server, query: str, words: str) -> None:
    bad = Measured("shop", "web", Metrics(cpu=query))
    found = read_usages(settings(server), [bad, DB], START, START + timedelta(days=1), now=END)
    failure = found["shop", "web"]
    assert isinstance(failure, DataError)
    assert re.search(words, str(failure)), str(failure)
    assert isinstance(found["shop", "db"], pd.DataFrame)


def test_a_workload_nobody_measured_is_an_error_and_not_zero(server: Server) -> None:
    with pytest.raises(DataError, match=r"shop/none: expected usage in Prometheus between .*, got no value: check the"):
        read_usage(settings(server), Measured("shop", "none"), START, END, now=END)


def test_recorded_series_are_the_same_usage(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    rules = Path("rules.yml")
    own = Measured("shop", "own", Metrics(cpu=OWN, memory="vector(5)"))
    rules.write_text(recording_rules(settings(server), [WEB, API, DB, own]), encoding="utf-8")
    promtool = binary("promtool")
    checked = subprocess.run([promtool, "check", "rules", str(rules)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    folder = tmp_path_factory.mktemp("recorded")
    day = (START + timedelta(hours=1), START + timedelta(hours=13))
    times = [f"--start={day[0].timestamp():.0f}", f"--end={day[1].timestamp() + 3600:.0f}"]
    words = [
        promtool,
        "tsdb",
        "create-blocks-from",
        "rules",
        *times,
        f"--url={server.url}",
        f"--output-dir={folder}/data",
    ]
    done = subprocess.run([*words, str(rules)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with running_prometheus(folder) as recorded:
        fast = read_usages(settings(recorded, recorded=True), [WEB, API, DB, own], *day, now=END)
        hourly = read_usage(settings(recorded, recorded=True, step="1h"), WEB, *day, now=END)
    slow = read_usages(settings(server), [WEB, API, DB, own], *day, now=END)
    for key, usage in fast.items():
        assert isinstance(usage, pd.DataFrame), usage
        pd.testing.assert_frame_equal(usage, slow[key], rtol=0.01, obj=f"{key}: a rule looks up to a minute later")
    np.testing.assert_allclose(
        hourly["cpu"].iloc[1:], slow["shop", "web"]["cpu"].resample("1h").mean().iloc[1:], rtol=0.02
    )


def test_rules_are_one_per_namespace_and_kind() -> None:
    text = recording_rules(PrometheusSettings(url="http://p", requests="hits"), [WEB, API, DB, Measured("b", "x")])
    rules = {group["name"]: group["rules"] for group in yaml.safe_load(text)["groups"]}
    assert {name: len(found) for name, found in rules.items()} == {
        **dict.fromkeys(("capacity-cpu-shop", "capacity-memory-shop", "capacity-requests-shop"), 2),
        **dict.fromkeys(("capacity-cpu-b", "capacity-memory-b", "capacity-requests-b"), 1),
    }
    assert json.dumps(rules).count("web|web-api") == 6
    counted = [replace(one, resources=(*USAGE, "replicas")) for one in (WEB, DB)]
    (group,) = yaml.safe_load(recording_rules(PrometheusSettings(url="http://p"), counted))["groups"][2:]
    assert (group["name"], len(group["rules"])) == ("capacity-replicas-shop", 2)


HOUR = pd.date_range(START, START + timedelta(hours=3), freq="1min")


def owned_history() -> dict[str, pd.Series]:
    """Pods that are named alike: a Deployment's, a Rollout's, a Job's and a DaemonSet's; each scraped by two jobs."""
    one = pd.Series(1.0, HOUR)
    pods = {
        "web-5d4f8c7b9-x7k2p": ("ReplicaSet", "web-5d4f8c7b9"),
        "web-bcdf-x7k2p": ("Job", "web-bcdf"),
        "web-bd-x7k2p": ("DaemonSet", "web-bd"),
        "pay-5d4f8c7b9-x7k2p": ("ReplicaSet", "pay-5d4f8c7b9"),
        "bare-5d4f8c7b9-x7k2p": None,
    }
    series = {}
    for pod, owner in pods.items():
        for job in ("kubelet", "cadvisor"):
            labels = f'namespace="shop",container="app",pod="{pod}",job="{job}"'
            series[f"container_cpu_usage_seconds_total{{{labels}}}"] = counter(one, [])
            series[f"container_memory_working_set_bytes{{{labels}}}"] = one * 2.0**30
        if owner is not None:
            labels = f'namespace="shop",pod="{pod}",owner_kind="{owner[0]}",owner_name="{owner[1]}"'
            series[f"kube_pod_owner{{{labels}}}"] = one
    for kind, name in (("Deployment", "web"), ("Rollout", "pay")):
        labels = f'namespace="shop",replicaset="{name}-5d4f8c7b9"'
        series[f'kube_replicaset_owner{{{labels},owner_kind="{kind}",owner_name="{name}"}}'] = one
        series[f"kube_replicaset_status_ready_replicas{{{labels}}}"] = one * 3
    return series


def test_pods_that_are_only_named_alike_are_not_counted(tmp_path: Path) -> None:
    counted = [
        Measured("shop", "web", Metrics(kind="Deployment")),
        Measured("shop", "pay", Metrics(kind="Rollout"), (*USAGE, "replicas")),
        Measured("shop", "bare", Metrics(kind="Deployment")),
    ]
    begin, end, now = (HOUR[place].to_pydatetime() for place in (60, 120, -1))
    with running_prometheus(tmp_path, history=openmetrics(owned_history())) as running:
        asked = PrometheusSettings(url=running.url)
        found = read_usages(asked, counted, begin, end, now=now)
        wrong = read_usages(asked, [Measured("shop", "pay")], begin, end, now=now)
    for one in counted:
        usage = found[one.key]
        assert isinstance(usage, pd.DataFrame), usage
        np.testing.assert_allclose(usage["cpu"], 1.0, rtol=0.01, err_msg="each once, and nobody else's")
        np.testing.assert_allclose(usage["memory"], 2.0**30)
    pay = found["shop", "pay"]
    assert isinstance(pay, pd.DataFrame)
    assert (pay["replicas"] == 3).all()
    assert isinstance(wrong["shop", "pay"], DataError), "a Rollout's pods are no Deployment's"
    rules = yaml.safe_load(recording_rules(PrometheusSettings(url="http://p"), counted))
    exprs = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    assert all("kube_pod_owner" in expr for expr in exprs if "container_" in expr)
