"""Bad input through the command: the exit code, one line on stderr with expected and got, and nothing lost."""

from __future__ import annotations

import copy
import gzip
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from capacity.cli import main
from capacity.model import Plan, plan_text
from tests.double import KubernetesDouble
from tests.double.manifests import autoscaler

DATA, USAGE, HELD = 1, 2, 3
CONFIG: dict[str, Any] = yaml.safe_load("""
sales: {source: orders.csv, time: at, value: {sum: n}}
forecast: {horizon: 1d, quantile_levels: [0.5, 0.95]}
workloads:
  - {namespace: shop, name: web, floor: 2, ceiling: 20, replica: {cpu_request: 500m, memory_request: 512Mi},
     load: {cpu: {base: 500m, per_sale_per_hour: 10m}, memory: {base: 1Gi}}}
""")
VERSION = "p.json: expected schema capacity.plan/v1, got 'capacity.plan/v2'"
OLD = b'{"schema": "an older plan, still in force"}'
ROWS = [f"{at:%Y-%m-%d %H:%M:%S}" for at in pd.date_range("2026-01-05", periods=24 * 21, freq="h")]
GOOD = "at,n\n" + "".join(f"{row},{10 + int(row[11:13])}\n" for row in ROWS)


def config(path: str = "", value: Any = None) -> str:
    document = copy.deepcopy(CONFIG)
    *parents, last = [int(key) if key.isdecimal() else key for key in path.split(".")]
    place: Any = document
    for key in parents:
        place = place.setdefault(key, {}) if isinstance(key, str) else place[key]
    if path:
        place[last] = value
    return yaml.safe_dump(document)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    """A folder with a good configuration, good orders and an older plan."""
    (tmp_path / "capacity.yaml").write_text(config(), encoding="utf-8")
    (tmp_path / "orders.csv").write_text(GOOD, encoding="utf-8")
    (tmp_path / "plan.json").write_bytes(OLD)


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]) -> int:
    """Run the command; check that stderr is one line that has the words and no traceback; return the exit code."""
    code = main(arguments)
    line = capsys.readouterr().err
    assert line.count("\n") == 1, line
    assert line.startswith("capacity: ")
    assert "Traceback" not in line
    assert "unexpected" not in line
    assert [word for word in words if word not in line] == [], line
    return code


ORDERS: list[tuple[str, str | bytes | None, list[str]]] = [
    ("no file of orders", None, ["orders.csv", "expected a file with orders, found none"]),
    ("an empty file", "", ["orders.csv: expected rows of orders, got an empty source"]),
    ("a header alone", "at,n\n", ["expected rows of orders, got an empty source"]),
    ("no column of times", GOOD.replace("at,n", "when,n", 1), ["no column 'at' (sales.time)", "when, n"]),
    ("no column of values", GOOD.replace("at,n", "at,m", 1), ["no column 'n' (sales.value)", "at, m"]),
    ("unparseable dates throughout", "at,n\n" + "soon,1\n" * 99, ["expected at least one good row, got none"]),
    ("NaN throughout", "at,n\n" + ",NaN\n".join([*ROWS, ""]), ["expected at least one good row, got none"]),
    ("no value throughout", "at,n\n" + ",\n".join([*ROWS, ""]), ["expected at least one good row, got none"]),
    ("words throughout", "at,n\n" + ",many\n".join([*ROWS, ""]), ["expected at least one good row, got none"]),
    ("negative sales throughout", "at,n\n" + ",-1\n".join([*ROWS, ""]), ["expected at least one good row, got none"]),
    ("one row", "at,n\n2026-01-05 00:00:00,3\n", ["step", "got 1"]),
    ("one row in an open hour", "at,n\n2026-01-05 00:20:00,3\n", ["one whole step of 1:00:00, got none"]),
    ("no text", bytes(range(256)) * 9, ["orders.csv"]),
]


@pytest.mark.parametrize(("content", "words"), [row[1:] for row in ORDERS], ids=[row[0] for row in ORDERS])
@pytest.mark.parametrize("command", ["plan", "forecast"])
def test_bad_orders(
    command: str, content: str | bytes | None, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if content is None:
        Path("orders.csv").unlink()
    else:
        Path("orders.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert refused(capsys, [command], words) == DATA
    assert Path("plan.json").read_bytes() == OLD


SETTINGS: list[tuple[str, str, Any, int, list[str]]] = [
    ("an unknown key", "salez", 1, USAGE, ["salez: unknown key; see `capacity schema`"]),
    ("an unknown key of a workload", "workloads.0.flor", 1, USAGE, ["workloads.0.flor: unknown key"]),
    ("a floor above the ceiling", "workloads.0.floor", 30, USAGE, ["floor 30 is above ceiling 20"]),
    ("a negative load", "workloads.0.load.cpu.base", "-1", USAGE, ["load.cpu.base", "got '-1'"]),
    ("a time zone that does not exist", "timezone", "Mars/Olympus", USAGE, ["Europe/London, got 'Mars/Olympus'"]),
    ("the machine's own time zone", "timezone", "localtime", USAGE, ["Europe/London, got 'localtime'"]),
    ("a horizon in words", "forecast.horizon", "long", USAGE, ["a duration such as", "got 'long'"]),
    ("a horizon beyond time", "forecast.horizon", "99999999999999d", USAGE, ["forecast.horizon", "99999999999999d"]),
    ("no workload", "workloads", [], USAGE, ["expected at least one workload", "got none"]),
    ("a country nobody knows", "calendar.holidays", ["ZZ"], USAGE, ["such as GB, GB-ENG or US-CA, got 'ZZ'"]),
    ("no file of events", "calendar.events", "events.csv", DATA, ["calendar.events: events.csv cannot be read"]),
    ("a truncated file of events", "calendar.events", "cut.csv.gz", DATA, ["calendar.events: cut.csv.gz cannot be"]),
    ("a rule that is no SQL", "sales.rules", [{"name": "r", "check": "n >"}], USAGE, ["rule r: check 'n >' does not"]),
    ("no database", "sales.source", {"url": "nosuch://db", "query": "SELECT 1"}, USAGE, ["sales.source.url: "]),
    ("no table", "sales.source", {"url": "sqlite://", "query": "SELECT * FROM o"}, DATA, ["the query failed", "o"]),
    ("a load in the wrong unit", "workloads.0.load.cpu.base", "1G", DATA, ["at most 1000000 replicas, got"]),
]


@pytest.mark.parametrize(
    ("path", "value", "code", "words"), [row[1:] for row in SETTINGS], ids=[row[0] for row in SETTINGS]
)
def test_bad_settings(path: str, value: Any, code: int, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("capacity.yaml").write_text(config(path, value), encoding="utf-8")
    Path("cut.csv.gz").write_bytes(gzip.compress(b"name,start,end\n")[:-9])
    assert refused(capsys, ["plan"], words) == code
    assert Path("plan.json").read_bytes() == OLD


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", ["expected keys such as", "got NoneType"], id="an empty file"),
        pytest.param("sales: [\n", ["expected YAML, got"], id="no YAML"),
        pytest.param(None, ["no configuration", "write one"], id="no file"),
    ],
)
def test_a_configuration_that_is_none(text: str | None, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    if text is None:
        Path("capacity.yaml").unlink()
    else:
        Path("capacity.yaml").write_text(text, encoding="utf-8")
    for command in ("audit", "forecast", "plan", "preview", "apply", "restore"):
        assert refused(capsys, [command], words) == USAGE


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["plann"], ["No such command 'plann'"], id="a command that is none"),
        pytest.param(["plan", "--nope"], ["No such option: --nope"], id="an option that is none"),
        pytest.param(["plan", "--output", "xml"], ["'xml' is not one of", "'json'"], id="an output that is none"),
        pytest.param(
            ["plan", "o.csv", "--sample"],
            ["expected one of FILE and --sample, got both"],
            id="two sources",
        ),
        pytest.param(["plan", "sample:shops"], ["expected sample:shop or sample:office"], id="a sample that is none"),
        pytest.param(["plan", "--plan", "."], ["--plan", "got ."], id="a folder for a plan"),
        pytest.param(["plan", "--plan", "nowhere/p.json"], ["--plan: nowhere/p.json cannot"], id="no folder for it"),
        pytest.param(["preview", "--now", "soon"], ["--now: expected a time such as", "got 'soon'"], id="no time"),
        pytest.param(["preview", "--now", "2026-01-05T00:00:00"], ["a zone such as", "got '2026-01-05"], id="no zone"),
    ],
)
def test_bad_usage(arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, arguments, words) == USAGE
    assert Path("plan.json").read_bytes() == OLD


def rows_apart(days: int, count: int) -> str:
    times = pd.date_range("2020-01-01", periods=count, freq="MS" if days > 27 else f"{days}D")
    return "at,n\n" + "".join(f"{at:%Y-%m-%d},{100 + at.day % 7}\n" for at in times)


@pytest.mark.parametrize(
    ("orders", "step", "words"),
    [
        pytest.param(rows_apart(1, 60), "1h", ["each step of 1h", "1d apart: set sales.step: 1d"], id="a row a day"),
        pytest.param(rows_apart(31, 60), "1h", ["on hours or days", "give orders by hour or day"], id="a row a month"),
        pytest.param(rows_apart(31, 60), "1d", ["on hours or days", "31d apart"], id="a row a month in days"),
        pytest.param(rows_apart(1, 900), "30d", ["on hours or days", "got steps of 30 days"], id="steps of 30 days"),
    ],
)
def test_totals_of_longer_times_are_not_planned_from(
    orders: str, step: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "orders.csv").write_text(orders, encoding="utf-8")
    sales = {"source": "orders.csv", "time": "at", "value": {"sum": "n"}, "step": step}
    settings = yaml.safe_load(config("sales", sales)) | {"forecast": {"horizon": "90d", "quantile_levels": [0.5, 0.95]}}
    (tmp_path / "capacity.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert refused(capsys, ["plan", "--quiet"], words) == DATA
    assert (tmp_path / "plan.json").read_bytes() == OLD


def test_data_below_the_threshold_hold_the_last_plan(capsys: pytest.CaptureFixture[str]) -> None:
    Path("capacity.yaml").write_text(config("sales.quality", {"refuse_below": 0.99}), encoding="utf-8")
    Path("orders.csv").write_text(GOOD.replace(",10\n", ",bad\n", 10), encoding="utf-8")
    assert refused(capsys, ["plan"], ["held", "at least 0.9900, got 0.9802", "10 of 504 rows"]) == HELD
    assert Path("plan.json").read_bytes() == OLD
    assert not Path("plan.png").exists()


def test_only_with_debug_there_is_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    Path("orders.csv").write_text("", encoding="utf-8")
    for more in ([], ["--debug"]):
        assert main(["plan", *more]) == 1
        said = capsys.readouterr().err
        assert "got an empty source" in said
        assert ("Traceback" in said) == bool(more)


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kubeconfig that points to a port of this machine where nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    cluster = f"clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]"
    context = "contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]"
    use(monkeypatch, tmp_path / "kubeconfig", f"current-context: c\n{cluster}\n{context}\n")


def use(monkeypatch: pytest.MonkeyPatch, path: Path, text: str | None = None) -> None:
    """Make this the kubeconfig: the client reads $KUBECONFIG once, when it is imported."""
    if text is not None:
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    "arguments",
    [["preview", "--plan", "good.json"], ["apply", "--plan", "good.json"], ["restore"], ["plan", "--to-cluster"]],
    ids=" ".join,
)
def test_a_cluster_that_refuses_the_connection(
    arguments: list[str], plan_of: Callable[..., Plan], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("good.json").write_text(plan_text(plan_of(web=[4])), encoding="utf-8")
    assert refused(capsys, arguments, ["no answer from the cluster at http://127.0.0.1:", "refused"]) == DATA


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda text: None, ["no plan p.json: make one with `capacity plan`"], id="no plan"),
        pytest.param(lambda text: "", ["p.json: expected a whole plan in JSON, got"], id="an empty plan"),
        pytest.param(lambda text: text[:400], ["p.json: expected a whole plan in JSON, got"], id="a truncated plan"),
        pytest.param(lambda text: text.replace("plan/v1", "plan/v2"), [VERSION], id="a plan of another version"),
    ],
)
@pytest.mark.parametrize("command", ["preview", "apply"])
def test_a_plan_that_cannot_be_used(
    command: str,
    change: Callable[[str], str | None],
    words: list[str],
    plan_of: Callable[..., Plan],
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = change(plan_text(plan_of(web=[4])))
    if text is not None:
        Path("p.json").write_text(text, encoding="utf-8")
    assert refused(capsys, [command, "--plan", "p.json"], words) == DATA


def test_an_autoscaler_that_is_not_there(
    kubernetes_double: KubernetesDouble,
    kubeconfig: Path,
    monkeypatch: pytest.MonkeyPatch,
    plan_of: Callable[..., Plan],
    capsys: pytest.CaptureFixture[str],
) -> None:
    kubernetes_double.create(autoscaler("api", namespace="shop"))
    use(monkeypatch, kubeconfig)
    Path("good.json").write_text(plan_text(plan_of(web=[4])), encoding="utf-8")
    for command in ("preview", "apply"):
        words = ["no HorizontalPodAutoscaler 'web' in namespace shop", "it has ['api']"]
        assert refused(capsys, [command, "--plan", "good.json"], words) == DATA


def test_a_kubeconfig_that_is_no_yaml(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, tmp_path / "kubeconfig", "{{{")
    assert refused(capsys, ["restore"], ["kube"]) == DATA
