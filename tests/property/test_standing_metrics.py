"""Metrics that stand still because nobody measures are found; evenly loaded workloads are not taken for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from capacity.cluster.autoscaler import read_metrics
from capacity.decision import ControllerRules, decide
from capacity.decision.decide import longest_unnoticed
from capacity.model import Observation
from tests.unit.test_decision import START, plan
from tests.unit.test_readings import CPU, MEMORY, cpu, hpa, memory

MINUTE = timedelta(minutes=1)
PLAN = plan([1] * 400)
RULES = ControllerRules()


def status(pods: int, millicores: float, megabytes: float | None) -> dict[str, object]:
    """What the HPA reports: the mean of the pods, CPU in whole millicores and memory in whole bytes."""
    current = cpu(average=f"{int(millicores)}m")
    if megabytes is None:
        return hpa([CPU], [current], replicas=pods)
    return hpa([CPU, MEMORY], [current, memory(str(int(megabytes * 2**20)))], replicas=pods)


def looks(
    pods: int,
    load: float,
    noise: float,
    dice: np.random.Generator,
    *,
    remembers: float | None,
    freezes: int = 10**9,
    stamped: bool = False,
    rules: ControllerRules = RULES,
) -> list[bool]:
    """A floor that is always too high, looked at each minute: which looks found metrics that stand still.

    `stamped`: metrics.k8s.io tells when they were measured, half a minute before each look.
    """
    found, memory_of_passes = [], Observation(1, 1, 1, 1).memory
    shown = status(pods, load, remembers)
    for minute in range(60):
        if minute < freezes:
            usage = float(np.maximum(0, dice.normal(load, noise * load, pods)).mean())
            used = None if remembers is None else float(dice.normal(remembers, noise * remembers, pods).mean())
            shown = status(pods, usage, used)
        readings, at = read_metrics(shown), START + min(minute, freezes - 1) * MINUTE - MINUTE / 2
        readings = replace(readings, measured_at=at) if stamped else readings
        seen = Observation(1000, 2000, pods, pods, 1, readings=readings, memory=memory_of_passes)
        decision = decide(PLAN, seen, START + minute * MINUTE, rules)
        memory_of_passes = decision.memory
        found.append(decision.reason == "HeldFrozenMetrics")
    return found


@pytest.mark.parametrize("remembers", [None, 200.0], ids=["CPU alone", "CPU and memory"])
def test_evenly_loaded_workloads_are_held_less_than_once_in_a_thousand_looks(remembers: float | None) -> None:
    """3 to 100 pods at 1 to 100 millicores with noise of 2 to 50 %, and larger ones, which have more to show."""
    dice, held, made = np.random.default_rng(17), 0, 0
    for run in range(200):
        most = 100 if run % 2 else 2000
        load = float(np.exp(dice.uniform(0, np.log(most))))
        found = looks(int(dice.integers(3, 101)), load, float(dice.uniform(0.02, 0.5)), dice, remembers=remembers)
        held, made = held + sum(found), made + len(found)
    assert made == 12_000
    assert held / made < 0.001


@pytest.mark.parametrize(
    ("pods", "load", "remembers"),
    [
        pytest.param(3, 300, None, id="few busy pods"),
        pytest.param(30, 700, None, id="many busy pods"),
        pytest.param(36, 25, 200.0, id="small pods whose memory is measured too"),
        pytest.param(100, 20, 100.0, id="many small pods whose memory is measured too"),
    ],
)
def test_a_pipeline_that_is_frozen_is_found_within_ten_minutes(pods: int, load: float, remembers: float | None) -> None:
    dice = np.random.default_rng(3)
    for freezes in range(5, 25):
        found = looks(pods, load, 0.1, dice, remembers=remembers, freezes=freezes)
        assert not any(found[:freezes])
        assert any(found[freezes : freezes + 10])
        held = found.index(True)
        assert all(found[held:]), "it is held from then on"


@pytest.mark.parametrize("stamped", [False, True], ids=["by equal readings", "by their time"])
def test_a_frozen_pipeline_is_found_as_soon_where_steps_down_are_rare(*, stamped: bool) -> None:
    """A calm plan steps down every 15 minutes: metrics are looked at more often than that."""
    dice, calm = np.random.default_rng(6), ControllerRules(step_every=15 * MINUTE, step_down=0.2)
    for freezes in range(5, 35):
        found = looks(3, 300, 0.1, dice, remembers=None, freezes=freezes, stamped=stamped, rules=calm)
        assert not any(found[:freezes])
        assert any(found[freezes : freezes + 10])


@pytest.mark.parametrize("stamped", [False, True], ids=["by equal readings", "by their time"])
@pytest.mark.parametrize("period", [1, 2, 5, 10])
def test_how_long_a_frozen_pipeline_goes_unnoticed_depends_on_the_period(period: int, *, stamped: bool) -> None:
    dice, rules = np.random.default_rng(8), ControllerRules(period=period * MINUTE)
    longest = longest_unnoticed(rules.period, stamped=stamped)
    for freezes in np.linspace(4, 5, 5) * period:  # between two looks, at any time
        memory_of_passes, found, shown = Observation(1, 1, 1, 1).memory, list[timedelta](), status(3, 300, None)
        for look in range(14):
            if (look - 1) * period < freezes:  # until the first look after it froze
                shown = status(3, float(dice.normal(300, 30, 3).mean()), None)
            readings = read_metrics(shown)
            if stamped:
                readings = replace(readings, measured_at=START + min(look * period, freezes) * MINUTE)
            seen = Observation(1000, 2000, 3, 3, 1, readings=readings, memory=memory_of_passes)
            decision = decide(PLAN, seen, START + look * period * MINUTE, rules)
            memory_of_passes = decision.memory
            found += [(look * period - freezes) * MINUTE] if decision.reason == "HeldFrozenMetrics" else []
        assert timedelta(0) < found[0] <= longest
    assert stamped or longest - found[0] < 3 * rules.period, "it is not said to take longer than it does"


def test_workloads_that_are_just_busy_enough_to_tell_are_hardly_ever_held() -> None:
    dice, found = np.random.default_rng(7), list[bool]()
    for _ in range(40):
        found += looks(3, 174, 0.02, dice, remembers=None)
    assert sum(found) / len(found) < 0.001


def test_a_floor_does_not_come_down_while_it_is_undecided() -> None:
    """From the moment that a pipeline freezes at most the step whose look came just before is taken."""
    shown = status(3, 300, None)
    seen = Observation(1000, 2000, 3, 3, 1, readings=read_metrics(shown))
    floors = []
    for minute in range(30):
        decision = decide(PLAN, seen, START + minute * MINUTE, RULES)
        seen = replace(seen, floor=decision.floor, memory=decision.memory)
        floors.append(decision.floor)
    assert set(floors) == {1000}


@pytest.mark.parametrize(("pods", "load"), [(3, 2), (36, 25), (100, 5), (30, 700)])
def test_a_time_stamp_finds_any_pipeline_that_is_frozen_within_ten_minutes(pods: int, load: float) -> None:
    """Readings that say nothing by themselves, of small pods without memory, are told by their time alone."""
    dice = np.random.default_rng(4)
    for freezes in range(2, 22):
        found = looks(pods, load, 0.1, dice, remembers=None, freezes=freezes, stamped=True)
        assert not any(found[:freezes])
        assert any(found[freezes : freezes + 10])


def test_readings_that_never_move_but_are_measured_are_not_frozen() -> None:
    dice = np.random.default_rng(5)
    assert not any(looks(3, 300, 0.0, dice, remembers=None, stamped=True))


def test_a_hold_by_time_stamp_ends_with_it_or_with_time() -> None:
    old, fresh = (replace(read_metrics(status(3, 300, None)), measured_at=START - age * MINUTE) for age in (6, 1))
    seen = Observation(1000, 2000, 3, 3, 1, readings=old)
    held = decide(PLAN, seen, START, RULES)
    assert held.reason == "HeldFrozenMetrics"
    assert "stand still since" in held.detail
    noted = replace(seen, memory=held.memory)
    freed = decide(PLAN, replace(noted, readings=fresh), START, RULES)
    assert (freed.reason, freed.memory.still_since) == ("DemandFalling", None)
    late = replace(noted, readings=old)
    assert decide(PLAN, late, START + RULES.hold_for - MINUTE, RULES).held
    assert decide(PLAN, late, START + RULES.hold_for, RULES).reason == "DemandFalling"
