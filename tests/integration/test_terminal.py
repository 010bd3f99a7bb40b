"""What a person sees: screens of 80 columns with nothing cut, no colour where none is wanted, a way out of errors."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml

from capacity.cli import app, main
from capacity.model import read_plan
from tests.shop import NOON, Shop

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[0-9;]*m")
WIDE = 80
CONFIG = yaml.safe_load("""
sales: {source: orders.csv, time: at, value: {sum: n}}
usage: {source: usage.csv, time: at, cpu: cpu, memory: memory}
prometheus: {url: "http://127.0.0.1:9", retries: 0}  # a wait between tries would not change what is shown
forecast: {horizon: 1d, quantile_levels: [0.5, 0.95]}
workloads:
  - {namespace: shop, name: web, floor: 2, ceiling: 20, replica: {cpu_request: 500m, memory_request: 512Mi},
     load: {cpu: {base: 500m, per_sale_per_hour: 10m}, memory: {base: 1Gi}}}
""")


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """What stands on it, without colours; where a bar was drawn over, what came last."""
        text = ESCAPE.sub("", self.getvalue())
        return [line.rpartition("\r")[2].rstrip() for line in text.replace("\r\n", "\n").split("\n")]


Look = Callable[..., tuple[int, Screen, Screen]]


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Look:
    """Run the command before a terminal of 80 columns: the exit code, its stdout and its stderr."""

    def run(*words: str, **environment: str) -> tuple[int, Screen, Screen]:
        for name, value in {"COLUMNS": str(WIDE), "TERM": "xterm-256color", **environment}.items():
            monkeypatch.setenv(name, value)
        out, err = Screen(), Screen()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", out)
            patched.setattr(sys, "stderr", err)
            code = main(list(words))
        return code, out, err

    monkeypatch.delenv("NO_COLOR", raising=False)
    return run


def orders(hours: int = 24 * 21) -> pd.DataFrame:
    at = pd.date_range("2026-11-06", periods=hours, freq="h")
    return pd.DataFrame({"at": at, "n": 10 + at.hour})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three weeks of orders and usage, and a configuration that names them."""
    table = orders()
    table.to_csv(tmp_path / "orders.csv", index=False)
    usage = table.assign(cpu=0.5 + 0.01 * table["n"], memory=2.0**30 + 2.0**20 * table["n"])
    usage.drop(columns="n").to_csv(tmp_path / "usage.csv", index=False)
    (tmp_path / "capacity.yaml").write_text(yaml.safe_dump(CONFIG))
    return tmp_path


SCREENS = [
    "",
    "doctor",
    "audit orders.csv",
    "seasonality",
    "forecast",
    "backtest --origins 2 --horizon 1d",
    "load",
    "plan",
    "plan --scenario growth=+20% --scenario growth=-5%",
    "explain shop/web",
    "simulate --days 1",
    "status",
    "report",
    *(f"{command.callback.__name__} --help" for command in app.registered_commands if command.callback),
]


@pytest.mark.parametrize("words", SCREENS)
def test_a_screen_of_80_columns_holds_it(look: Look, folder: Path, words: str) -> None:
    _, out, err = look(*words.split())
    lines = [*out.lines, *err.lines]
    assert any(lines)
    assert [line for line in lines if len(line) > WIDE] == []
    assert [line for line in lines if "…" in line] == [], "nothing is cut"
    assert "unexpected" not in err.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", ["plan --sample", "audit --sample", "forecast --sample", "simulate --sample --days 1"]
)
def test_the_sample_fits_too_and_no_word_is_broken(look: Look, words: str) -> None:
    code, out, _ = look(*words.split(), "-q")
    assert code == 0
    wide = {word for line in look(*words.split(), "-q", COLUMNS="400")[1].lines for word in line.split()}
    clock = re.compile(r"\d+")  # ages and durations go on between two runs
    known = {clock.sub("0", word) for word in wide}
    assert [line for line in out.lines if len(line) > WIDE] == []
    assert {clock.sub("0", word) for line in out.lines for word in line.split()} <= known


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (f"preview --now {NOON}", 1),
        (f"apply --now {NOON}", 1),
        (f"restore --now {NOON}", 1),
        (f"status --now {NOON}", 1),
        ("run --health-port 0", 0),
    ],
)
def test_a_pass_fits(look: Look, shop: Shop, monkeypatch: pytest.MonkeyPatch, words: str, code: int) -> None:
    monkeypatch.setattr("capacity.app.loop.repeat", lambda once, *_: once())
    shop.configure("web", "a-rather-long-name-of-a-workload-that-is-not-there")
    look("apply", "--now", NOON)
    found, out, err = look(*words.split())
    assert found == code
    assert [line for line in [*out.lines, *err.lines] if len(line) > WIDE] == []
    assert "not-there" in "".join([*out.lines, *err.lines])


def test_audits_over_time_fit(look: Look, folder: Path) -> None:
    look("audit", "orders.csv")
    code, out, _ = look("audit", "--since", "7d")
    assert code == 0
    assert [line for line in out.lines if len(line) > WIDE] == []
    assert "…" not in out.getvalue()


# -- colours and bars ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["--help", "plan --help", "doctor", "forecast"])
def test_no_color_means_no_colour(look: Look, folder: Path, words: str) -> None:
    _, out, err = look(*words.split(), NO_COLOR="1")
    assert COLOUR.search(out.getvalue() + err.getvalue()) is None


def test_with_colours_the_same_help_has_some(look: Look) -> None:
    assert COLOUR.search(look("--help")[1].getvalue())


@pytest.mark.parametrize("words", ["doctor", "forecast", "plan"])
def test_a_dumb_terminal_gets_plain_text(look: Look, folder: Path, words: str) -> None:
    _, out, err = look(*words.split(), TERM="dumb")
    assert "\x1b" not in out.getvalue() + err.getvalue()
    assert "\r" not in out.getvalue() + err.getvalue()


@pytest.mark.parametrize(
    "words",
    ["plan", "simulate --days 1", "backtest --origins 2 --horizon 1d", "load", "audit", "forecast", "doctor"],
)
def test_who_waits_sees_a_bar_on_stderr_alone(look: Look, folder: Path, words: str) -> None:
    _, out, err = look(*words.split())
    assert "\x1b[2K" in err.getvalue() or "\x1b[?25l" in err.getvalue(), "drawn, and drawn over"
    assert "\x1b[?25l" not in out.getvalue()
    _, _, quiet = look(*words.split(), "-q")
    assert "\x1b[?25l" not in quiet.getvalue()


def test_a_pipe_gets_no_bar_and_no_colour(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == 0
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err


# -- completion ---------------------------------------------------------------------------------------------------

COMMAND = Path(sys.executable).with_name("capacity")


def completed(words: str, place: int) -> list[str]:
    asked = {"_CAPACITY_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(place)}
    done = subprocess.run([COMMAND], env={**os.environ, **asked}, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_bash_gets_a_completion_that_works() -> None:
    shell = ["bash", "-c", f"{COMMAND} --show-completion; true"]  # the shell that is asked for is the one that asks
    done = subprocess.run(shell, capture_output=True, text=True, check=True)
    assert "complete -o default -F _capacity_completion capacity" in done.stdout
    assert completed("capacity pl", 1) == ["plan"]
    assert completed("capacity plan --scen", 2) == ["--scenario"]
    assert completed("capacity plan --output j", 3) == ["json"]


# -- errors -------------------------------------------------------------------------------------------------------

NEXT = re.compile(
    r"expected .+ got|see `capacity|`capacity [a-z]+`|--help`|KUBECONFIG|its columns|choose another|expected orders|"
    r"bring |ask for|is it reachable|check the path"
)
ERRORS = [
    "plan absent.csv",
    "plan one.csv",
    "plan bad.csv",
    "plan other.csv",
    "plan orders.csv --sample",
    "plan orders.csv --plan /nowhere/p.json",
    "plan --scenario growth=x",
    "plan --scenario lost-zone",
    "plan --scenario cancel=Easter",
    "plan --scenario promotion=2020-01-01/2020-01-02:+50%",
    "plan --nope",
    "plan -c absent.yaml",
    "plan -c broken.yaml",
    "plan -c unknown.yaml",
    "frobnicate",
    "explain nobody",
    "explain web --at noon",
    "explain web --at 2031-01-01T00:00Z",
    "simulate --workload a/b",
    "simulate --days 90",
    "simulate one.csv",
    "backtest one.csv",
    "backtest --horizon 5x",
    "backtest --horizon 400d",
    "forecast one.csv",
    "forecast --picture /nowhere/x.png",
    "forecast --picture x.xyz",
    "seasonality one.csv",
    "audit --since 7q",
    "audit --history nowhere --since 7d",
    "load -c bare.yaml",
    "rules -c bare.yaml",
    "preview",
    "preview --now noon",
    "init",
]


@pytest.mark.parametrize("words", ERRORS)
def test_an_error_says_what_to_do(folder: Path, capsys: pytest.CaptureFixture[str], words: str) -> None:
    orders(1).to_csv("one.csv", index=False)
    orders().assign(at="soon").to_csv("bad.csv", index=False)
    orders().rename(columns={"at": "when"}).to_csv("other.csv", index=False)
    Path("broken.yaml").write_text("sales: [")
    Path("unknown.yaml").write_text(yaml.safe_dump({**CONFIG, "tikezone": "UTC"}))
    bare = {key: block for key, block in CONFIG.items() if key not in ("usage", "prometheus")}
    Path("bare.yaml").write_text(yaml.safe_dump(bare))
    assert main(words.split()) in (1, 2)
    (line, *more) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert more == []
    assert NEXT.search(line), line
    assert "unexpected" not in line


def test_without_a_command_the_help_teaches(look: Look) -> None:
    code, out, err = look()
    assert code == 2
    assert "Start with capacity plan --sample" in " ".join(" ".join(out.lines).split())
    assert "error" not in err.getvalue()


def test_the_plan_on_a_terminal_is_the_plan_in_the_file(look: Look, folder: Path) -> None:
    _, out, _ = look("plan")
    plan = read_plan(folder / "plan.json", near=None)
    (peak,) = {one.peak.replicas for one in plan.workloads}
    assert timedelta(days=1) == plan.workloads[0].end - plan.workloads[0].start
    assert re.search(rf"\b{peak}\b", out.lines[2])
