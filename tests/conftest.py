"""Fixtures that every kind of test shares: the Kubernetes double, and a plan whose floors the test chooses."""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from capacity.app.collector import uncollected
from capacity.model import FloorChange, Peak, Plan, WorkloadPlan
from tests import scale
from tests.plans import derivation

pytest_plugins = ["tests.double.fixtures", "tests.peers.fixtures"]

ROOT = Path(__file__).resolve().parents[1]
# Real data that is not bundled, where CAPACITY_DATA_DIR says or beside the checkout; tests on it are extra and skip
# aloud. benchmarks/data/ATTRIBUTION.md says where each file comes from.
DATA = Path(os.environ.get("CAPACITY_DATA_DIR", ROOT.parent / "shared" / "data"))
BUNDLED = ROOT / "benchmarks" / "data"
START = datetime(2026, 11, 27, 0, 0, tzinfo=UTC)
PlanOf = Callable[..., Plan]


@pytest.fixture
def plan_of() -> PlanOf:
    """A plan of hourly steps from 2026-11-27T00:00Z: `plan_of(web=[4, 9, 9])` floors per workload of namespace shop."""

    def build(ceiling: int = 20, **floors: list[int]) -> Plan:
        workloads = tuple(_workload(name, values, ceiling) for name, values in floors.items())
        return Plan(START, START - timedelta(hours=1), workloads[0].end, "", {"name": "test"}, workloads)

    return build


def _workload(name: str, floors: list[int], ceiling: int) -> WorkloadPlan:
    changes = [FloorChange(0, floors[0], "PlanStart")]
    for at in range(1, len(floors)):
        if floors[at] != floors[at - 1]:
            moved = "DemandRising" if floors[at] > floors[at - 1] else "DemandFalling"
            changes.append(FloorChange(at, floors[at], moved))
    top = max(range(len(floors)), key=floors.__getitem__)
    return WorkloadPlan(
        namespace="shop",
        name=name,
        start=START,
        step=timedelta(hours=1),
        steps=len(floors),
        floor=tuple(changes),
        binding="cpu",
        peak=Peak(START + timedelta(hours=top), 40.0, 4.0, 2.0**30, floors[top], 0.95),
        safe_floor=max(floors),
        ceiling=ceiling,
        lead_time=timedelta(minutes=5),
        derivation=derivation(),
    )


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs in a folder of its own, where what it writes by default lands, and on no certain screen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process of one thread for each core, up to four; files and tests that are named run in this one, at once."""
    named = config.option.file_or_dir
    if named and not any(Path(one).is_dir() for one in named):
        return 0
    for library in ("OMP", "OPENBLAS"):  # else each process has as many threads as cores, which wait for each other
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    return min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--times", type=int, default=1, help="multiply the runs of long proofs (tests/scale.py)")
    parser.addoption("--seed", type=int, default=0, help="where the dice of long proofs start")
    parser.addoption("--write-docs", action="store_true", help="write what was printed into the pages of docs/")


def pytest_configure(config: pytest.Config) -> None:
    scale.choose(config.getoption("times"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and tests stay to the end: the cycle collector would take a quarter of the time in which they load.

    Nor does it look at them again while tests run.
    """
    with uncollected():
        found = yield
    gc.freeze()
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that is one run of a proof as a whole stands there once for each run."""
    if "turn" in metafunc.fixturenames:
        metafunc.parametrize("turn", range(scale.times()))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """How many runs a test makes goes into the report."""
    marks = [mark.args[0] * scale.times() for mark in item.iter_markers("runs")]
    item.user_properties += [("runs", number) for number in marks[:1]]


@pytest.fixture
def runs(request: pytest.FixtureRequest) -> int:
    """The runs that the mark `runs` of this test asks for, times `--times`."""
    return int(request.node.get_closest_marker("runs").args[0]) * scale.times()


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Chance that `--seed`, the test's name and its turn decide: the same in every process and order."""
    return random.Random(f"{request.config.getoption('seed')} {request.node.name}")
