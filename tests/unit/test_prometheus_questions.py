"""What Prometheus is asked and in which pieces: every step once, under the limit; settings that say no in time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from capacity.app import read_config
from capacity.model import ConfigError, Metrics
from capacity.model.errors import hide_secrets
from capacity.model.settings import Measured, PrometheusSettings
from capacity.sources.prometheus.answers import cell_seconds, cells, chunks
from capacity.sources.prometheus.queries import AT_ONCE, POD_NAMES, Wording

SETTINGS = PrometheusSettings(url="http://p", requests="hits")
STEPS = [timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)]
BEGIN = datetime(2026, 11, 2, 0, 17, tzinfo=UTC)


@given(
    step=st.sampled_from(STEPS),
    hours=st.integers(1, 24 * 30),
    known=st.sets(st.integers(0, 24 * 30), max_size=20),
    max_points=st.integers(240, 11_000),
)
def test_every_missing_step_is_asked_for_exactly_once(
    step: timedelta, hours: int, known: set[int], max_points: int
) -> None:
    size, seconds = cell_seconds(step), int(step.total_seconds())
    wanted = cells(BEGIN, BEGIN + timedelta(hours=hours), step)
    missing = [cell for number, cell in enumerate(wanted) if number not in known]
    asked = list(chunks(missing, step, max_points))
    points = [point for chunk in asked for point in range(chunk.start, chunk.last + 1, chunk.step)]
    expected = [cell + offset for cell in missing for offset in range(seconds, size + 1, seconds)]
    assert points == expected, "a step is asked for at its end"
    assert all(chunk.points <= max_points for chunk in asked)


def test_a_thousand_workloads_are_few_questions() -> None:
    many = [Measured("shop", f"w{number}") for number in range(1000)]
    asked = list(Wording(SETTINGS, timedelta(minutes=5)).questions(many))
    assert len(asked) == 3 * 1000 / AT_ONCE
    assert {key for question in asked for key in question.workloads} == {one.key for one in many}


@pytest.mark.parametrize(
    ("kind", "name", "pod", "matches"),
    [
        pytest.param("Deployment", "web", "web-5d4f8c7b9-bcdfg", True, id="a pod of the Deployment"),
        pytest.param("Deployment", "web", "web-api-5d4f8c7b9-bcdfg", False, id="of one with a longer name"),
        pytest.param("Deployment", "web", "myweb-5d4f8c7b9-bcdfg", False, id="of one that ends alike"),
        pytest.param("Deployment", "web", "web-0", False, id="of a StatefulSet of the same name"),
        pytest.param("Deployment", "web", "web-migrate-x7k2p", False, id="of a Job"),
        pytest.param("Deployment", "web", "web-29384720-x7k2p", False, id="of a CronJob of the same name"),
        pytest.param("Deployment", "loki", "loki-canary-x7k2p", False, id="of a DaemonSet"),
        pytest.param("Rollout", "web", "web-5d4f8c7b9-x7k2p", True, id="a pod of the Rollout"),
        pytest.param("Deployment", "api.v1", "apixv1-5d4f8c7b9-bcdfg", False, id="a dot is a dot"),
        pytest.param("StatefulSet", "db", "db-12", True, id="a pod of the StatefulSet"),
        pytest.param("StatefulSet", "db", "db-replica-12", False, id="of one with a longer name, too"),
    ],
)
def test_pods_are_told_by_their_names(kind: Any, name: str, pod: str, matches: bool) -> None:
    workload = Measured("shop", name, Metrics(kind=kind))
    question = next(Wording(SETTINGS, timedelta(minutes=5)).questions([workload]))
    found = re.search(r'pod=~"(.+?)"', question.query)
    assert found is not None
    assert POD_NAMES[kind] in found[1]
    assert (re.fullmatch(found[1], pod) is not None) == matches


@pytest.mark.parametrize(
    ("more", "step", "words"),
    [
        pytest.param({}, "5m", "hits{namespace=", id="a counter of the server's"),
        pytest.param({"matchers": {"cluster": 'e"u'}}, "5m", 'cluster="e\\"u",namespace=', id="with labels, quoted"),
        pytest.param({"scrape_interval": "2m"}, "5m", "}[8m])", id="a rate sees four scrapes"),
        pytest.param({}, "1h", "max_over_time((sum(", id="memory is the highest within an hour"),
        pytest.param(
            {"recorded": True}, "1h", 'max_over_time(workload:memory_bytes:sum{namespace="shop"', id="recorded"
        ),
    ],
)
def test_a_question_has(more: dict[str, Any], step: str, words: str) -> None:
    settings = PrometheusSettings.model_validate({"url": "http://p", "requests": "hits", "step": step, **more})
    asked = [question.query for question in Wording(settings, settings.step).questions([Measured("shop", "web")])]
    assert any(words in query for query in asked), asked


REFUSED: list[tuple[str, Any, str]] = [
    ("url", "prometheus:9090", "expected http://host:9090 or https://host/prefix"),
    ("url", "http://", "expected http://host:9090"),
    ("url", "http://p:port", "expected http://host:9090"),
    ("url", "http://me:s3cret@p:9090", "expected a URL without user, password or query"),
    ("url", "http://p:9090?token=s3cret", "expected a URL without user, password or query"),
    ("step", "7m", "expected whole parts or multiples of an hour"),
    ("step", "90m", "expected whole parts or multiples of an hour"),
    ("max_points", 100, "expected enough for an hour of steps"),
    ("matchers", {"a-b": "c"}, "String should match pattern"),
    ("requests", "sum(x)", "String should match pattern"),
    ("concurrency", 0, "greater than or equal to 1"),
    ("tenantt", "x", "Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("key", "value", "words"), REFUSED, ids=[f"{row[0]} {row[1]}" for row in REFUSED])
def test_settings_that_cannot_be(key: str, value: Any, words: str) -> None:
    step = {"step": "30s"} if key == "max_points" else {}
    with pytest.raises(ValidationError, match=re.escape(words)):
        PrometheusSettings.model_validate({"url": "http://p", **step, key: value})


CONFIG: dict[str, Any] = {
    "sales": {"source": "o.csv", "time": "at"},
    "prometheus": {"url": "http://p", "token_file": "token", "cache": "kept", "header_files": {"X-Key": "/abs/key"}},
    "defaults": {"load": {"cpu": {}, "memory": {}}, "replica": {"cpu_request": 1, "memory_request": 1}, "ceiling": 9},
    "workloads": [{"namespace": "shop", "name": "db", "metrics": {"kind": "StatefulSet", "cpu": "x"}}],
}


def read(**changes: Any) -> Any:
    Path("conf").mkdir(exist_ok=True)
    Path("conf/capacity.yaml").write_text(yaml.safe_dump({**CONFIG, **changes}), encoding="utf-8")
    return read_config("conf/capacity.yaml")


def test_files_lie_beside_the_configuration() -> None:
    config = read()
    settings = config.prometheus
    assert (settings.token_file, settings.cache) == ("conf/token", "conf/kept")
    assert settings.header_files == {"X-Key": "/abs/key"}
    assert config.measured() == (Measured("shop", "db", Metrics(kind="StatefulSet", cpu="x")),)


def test_what_is_measured_is_part_of_a_plans_hash_and_how_it_is_fetched_is_not() -> None:
    hashes = {
        name: read(prometheus={**CONFIG["prometheus"], **more}).settings_hash()
        for name, more in {
            "as it is": {},
            "elsewhere": {"cache": "b", "retries": 0},
            "recorded": {"recorded": True},
        }.items()
    }
    assert hashes["as it is"] == hashes["elsewhere"] != hashes["recorded"]


@pytest.mark.parametrize(
    "sales",
    [
        {"source": ["postgresql://me:s3cret@db/x"], "time": "at"},
        {"source": {"url": "postgresql://me:s3cret@db/x", "qery": "SELECT 1"}, "time": "at"},
        {"source": {"url": ["postgresql://me:s3cret@db/x"], "query": "SELECT 1"}, "time": "at"},
        {"source": "o.csv", "time": {"at": "postgresql://me:s3cr@t@db/x?password=s3cret"}},
    ],
    ids=["a list", "a misspelt key", "a list of URLs", "in the wrong place"],
)
def test_no_message_about_settings_shows_a_password(sales: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        read(sales=sales)
    assert "s3cr" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a:b@c/d", "https://***@c/d"),
        ("x://a:p@ss@c/d, y://e:f@g", "x://***@c/d, y://***@g"),
        ("http://c/d?token=abc&x=1", "http://c/d?token=***&x=1"),
        ("mail me@example.org about http://c", "mail me@example.org about http://c"),
    ],
)
def test_secrets_in_text_are_hidden(text: str, shown: str) -> None:
    assert hide_secrets(text) == shown
