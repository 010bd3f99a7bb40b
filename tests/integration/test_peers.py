"""The peers of tests/peers/ start, answer, and are gone afterwards."""

from __future__ import annotations

import contextlib
import doctest
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import matplotlib.image
import pandas as pd
import pytest

import tests.peers.prometheus
from tests.peers import Chromium, HttpPeer, Postgres, Prometheus, binary, openmetrics, running
from tests.peers.process import came_up, free_port, started, stop
from tests.waiting import until

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
MINUTES = pd.date_range(NOON - timedelta(days=14), NOON, freq="1min", inclusive="left")
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


# -- processes --------------------------------------------------------------------------------------------------------


def test_a_server_is_gone_when_its_block_ends_however_it_ends(tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
    with contextlib.suppress(KeyError), running(lambda port: words, lambda port: bool(log.read_text()), log):
        pid = int(log.read_text())
        assert alive(pid)
        raise KeyError("a test that fails")
    assert not alive(pid)


def test_a_server_that_will_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.peers.process.STOP", 0.2)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    process = started([sys.executable, "-c", code], tmp_path / "log")
    assert came_up(process, lambda port: bool((tmp_path / "log").read_text()), 0)
    stop(process)
    assert not alive(process.pid)


def test_a_server_dies_with_a_test_run_that_is_killed(tmp_path: Path) -> None:
    binary("setpriv")
    code = (
        "import os, pathlib, signal; from tests.peers.process import started;"
        f"print(started({SLEEP!r}, pathlib.Path({str(tmp_path / 'log')!r})).pid, flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    until(lambda: not alive(int(done.stdout)))


def test_a_server_that_ends_at_once_fails_with_its_last_words(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import sys; sys.exit('no such option')"]
    with (
        pytest.raises(AssertionError, match="no such option"),
        running(lambda port: words, lambda port: False, tmp_path / "log"),
    ):
        pass


def test_what_is_not_installed_is_skipped_aloud() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"no surely-not-here.* `make peers` installs it"):
        binary("surely-not-here")


def test_free_ports_are_free() -> None:
    assert 1024 < free_port() < 65536


# -- one test for each peer -------------------------------------------------------------------------------------------


def test_histories_become_openmetrics_and_a_gap_stays_a_gap() -> None:
    assert doctest.testmod(tests.peers.prometheus) == doctest.TestResults(failed=0, attempted=2)
    series = pd.Series([1.0, None, 3.0], pd.date_range("2026-11-01", periods=3, freq="1min", tz="UTC"))
    assert openmetrics({"b": series, 'a{x="1"}': series, 'a{x="2"}': series}).splitlines() == [
        "# TYPE a gauge",
        'a{x="1"} 1.0 1793491200',
        'a{x="1"} 3.0 1793491320',
        'a{x="2"} 1.0 1793491200',
        'a{x="2"} 3.0 1793491320',
        "# TYPE b gauge",
        "b 1.0 1793491200",
        "b 3.0 1793491320",
        "# EOF",
    ]


def test_prometheus_knows_a_history_older_than_itself(prometheus: Callable[..., Prometheus]) -> None:
    ramp = pd.Series(range(len(MINUTES)), MINUTES, dtype=float)
    gap = ramp.where(ramp.index < NOON - timedelta(hours=1))
    server = prometheus(history=openmetrics({'cpu{pod="a"}': ramp, 'cpu{pod="b"}': gap}))
    (found,) = server.query("cpu", NOON - timedelta(minutes=1))
    assert (found["metric"]["pod"], float(found["value"][1])) == ("a", len(MINUTES) - 1)
    (mean,) = server.query('avg_over_time(cpu{pod="a"}[14d])', NOON)
    assert float(mean["value"][1]) == pytest.approx(ramp.mean(), rel=1e-3)


def test_an_alert_goes_from_a_push_through_a_rule_to_the_alertmanager(
    prometheus: Callable[..., Prometheus], alertmanager: Callable[..., HttpPeer], pushgateway: HttpPeer
) -> None:
    pushgateway.post("/metrics/job/capacity", b"capacity_held 3\n")
    alerts = alertmanager()
    targets = {"static_configs": [{"targets": [alerts.url.removeprefix("http://")]}]}
    pushed = {"targets": [pushgateway.url.removeprefix("http://")]}
    prometheus(
        rules={"groups": [{"name": "g", "interval": "1s", "rules": [{"alert": "Held", "expr": "capacity_held > 2"}]}]},
        config={
            "scrape_configs": [{"job_name": "push", "scrape_interval": "1s", "static_configs": [pushed]}],
            "alerting": {"alertmanagers": [targets]},
        },
    )
    until(lambda: alerts.json("/api/v2/alerts"))
    assert alerts.json("/api/v2/alerts")[0]["labels"]["alertname"] == "Held"


def test_postgres_keeps_rows(postgres: Postgres) -> None:
    postgres.sql(
        "CREATE TABLE orders (at timestamptz, amount numeric); INSERT INTO orders VALUES (now(), 5), (now(), 7)"
    )
    assert postgres.sql("SELECT count(*), sum(amount) FROM orders") == "2|12"


def test_every_test_has_a_database_of_its_own(postgres: Postgres) -> None:
    assert postgres.sql("SELECT count(*) FROM information_schema.tables WHERE table_name = 'orders'") == "0"


def test_chromium_draws_a_page_and_runs_its_script(chromium: Chromium, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<body style='margin:0;background:#00f'><p></p><script>document.querySelector('p').append(6 * 7)</script>"
    )
    assert "<p>42</p>" in chromium.text(page)
    picture = matplotlib.image.imread(chromium.screenshot(page, tmp_path / "page.png", size=(640, 480)))
    assert picture.shape[:2] == (480, 640)
    assert picture[-1, -1, :3].tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("tool", "words", "answer"),
    [
        pytest.param("kubectl", ["version", "--client"], "v1.37", id="kubectl"),
        pytest.param("helm", ["version", "--short"], "v4.", id="helm"),
    ],
)
def test_kubernetes_tools_are_the_real_ones(
    tool: str, words: list[str], answer: str, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(tool)
    done = subprocess.run([path, *words], capture_output=True, text=True, check=True)
    assert answer in done.stdout


# -- the script that installs them ------------------------------------------------------------------------------------


def install(folder: Path, uid: int) -> tuple[str, list[str]]:
    """What `.ci/peers` says and what it asks of apt-get, on a machine that has the shell's tools and nothing else."""
    tools = ["bash", "dirname", "tr", "mktemp", "tail", "rm", "cat"]
    for tool in tools:
        (folder / tool).symlink_to(shutil.which(tool) or tool)
    asked = folder / "asked"
    asked.touch()
    stub(folder / "id", f"echo {uid}")
    stub(folder / "timeout", f'echo "$@" >> {asked}; exit 100')
    stub(folder / "apt-get", "exit 100")
    stub(folder / "python", "exit 1")
    script = Path(__file__).resolve().parents[2] / ".ci" / "peers"
    done = subprocess.run(
        [str(folder / "bash"), str(script)], env={"PATH": str(folder)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, asked.read_text().splitlines()


def stub(path: Path, line: str) -> None:
    path.write_text(f"#!{path.parent / 'bash'}\n{line}\n")
    path.chmod(0o755)


def test_who_is_not_root_is_told_what_to_run(tmp_path: Path) -> None:
    said, asked = install(tmp_path, uid=1000)
    assert "not root; run: sudo apt-get install -y --no-install-recommends prometheus" in said
    assert "chromium" in said
    assert asked == []


def test_what_cannot_be_installed_is_named_and_fails_nothing(tmp_path: Path) -> None:
    said, asked = install(tmp_path, uid=0)
    assert ["update" in line for line in asked] == [True], "no package is asked for when the lists cannot be had"
    assert "peers: apt-get failed (100)" in said
    assert "peers: SKIPPED prometheus prometheus-alertmanager prometheus-pushgateway" in said
    assert "peers: SKIPPED kubectl, helm" in said
