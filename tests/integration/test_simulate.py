"""`capacity simulate` end to end: table, JSON, CSV, picture, verdict; what cannot be simulated says why."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import capacity as cap
from capacity.cli import main
from capacity.model.headroom import HeadroomRules
from capacity.simulation import NodePool, Replay
from capacity.views.tables import nodes_sheet

WEB = cap.Workload("shop", "web", cap.LoadModel(0.5, 0.1, 0, 0), cap.Replica(0.5, 2**29), floor=2, ceiling=90)
READY = replace(WEB, headroom=HeadroomRules())


@pytest.fixture(scope="module")
def sales() -> pd.Series:
    index = pd.date_range("2026-01-05", periods=24 * 28, freq="h", tz="UTC")
    hour, weekday = index.hour.to_numpy(), index.day_of_week.to_numpy() < 5
    daytime = np.sin((hour - 7) * np.pi / 12).clip(0) * (1 + 0.4 * weekday)
    return pd.Series(20 + 180 * daytime * np.random.default_rng(3).lognormal(0, 0.05, len(index)), index)


@pytest.fixture(scope="module")
def result(sales: pd.Series) -> cap.Simulation:
    replay = Replay(days=3, nodes=NodePool(4, standby=0.5))
    return cap.simulate(sales, READY, request=cap.ForecastRequest(timezone="Europe/London"), replay=replay)


def test_the_plan_holds_where_the_hpa_alone_is_late(result: cap.Simulation) -> None:
    assert result.plan.score.cap_breach_share < 0.1
    assert result.alone.score.cap_breach_minutes > 3 * result.plan.score.cap_breach_minutes
    assert result.plan.score.pod_hours < result.trial("static peak").score.pod_hours
    assert result.trial("clairvoyant").score.pod_hours < result.plan.score.pod_hours
    assert result.plans == 4  # one from a day before on, then daily


def test_the_noun_shows_itself(result: cap.Simulation) -> None:
    frame = result.to_frame()
    assert frame.loc["plan", "pod_hours"] == result.plan.score.pod_hours
    assert len(frame) == len(result.trials)
    assert "the plan would have kept utilization" in result._repr_html_()
    assert len(result.plot().axes) == 3
    with pytest.raises(cap.DataError, match="no policy 'best' was simulated; these were"):
        result.trial("best")


def test_headroom_spares_the_pods_of_a_simulation_the_wait_for_nodes(result: cap.Simulation) -> None:
    bare, kept, planned, both = result.nodes
    assert [one.name for one in result.nodes[::2]] == ["your HPA", "plan"]
    assert kept.misses < bare.misses / 2
    assert both.misses <= planned.misses
    assert bare.node_hours < kept.node_hours
    assert kept.cost < kept.node_hours
    sheet = nodes_sheet("shop/web", result.nodes)
    assert [row[0] for row in sheet.rows][1] == "your HPA, nodes ready at 0.95"


def test_the_plain_hpa_that_does_as_well_is_named(result: cap.Simulation) -> None:
    plan = result.plan.score
    good = [
        trial
        for trial in result.trials
        if trial.swept
        and trial.score.cap_breach_minutes <= plan.cap_breach_minutes
        and trial.score.pod_hours <= plan.pod_hours
    ]
    found = result.as_good
    assert (found is None) == (not good)
    assert ("would have done as well" in result.verdict) == (found is not None)
    if found is not None:
        assert found.score.pod_hours == min(trial.score.pod_hours for trial in good)
        assert f"averageUtilization {found.policy.rule.target}" in result.verdict


def test_equal_seeds_equal_results(sales: pd.Series) -> None:
    one, other = (cap.simulate(sales, WEB, replay=Replay(days=0.5)) for _ in range(2))
    pd.testing.assert_frame_equal(one.to_frame(), other.to_frame())


def test_a_workload_bound_by_memory_is_judged_by_memory(sales: pd.Series) -> None:
    bound = cap.Workload("a", "b", cap.LoadModel(0, 0, 0, 2.0**24), cap.Replica(1, 2**29), floor=2, ceiling=90)
    found = cap.simulate(sales, bound, replay=Replay(days=1))
    highest = sales.iloc[-24:].max() * 2.0**24 / 2**29  # of an hour: a quarter of it may be a little more
    assert found.plan.lane.demand.max() == pytest.approx(highest, rel=0.05)


@pytest.mark.parametrize(
    ("cut", "days", "message"),
    [
        pytest.param(slice(-60, None), 2, "expected a week of history before", id="too short"),
        pytest.param(slice(None), 40, "expected a week of history before", id="more days than there are"),
    ],
)
def test_a_history_that_cannot_carry_it(sales: pd.Series, cut: slice, days: float, message: str) -> None:
    with pytest.raises(cap.DataError, match=message):
        cap.simulate(sales.iloc[cut], WEB, replay=Replay(days=days))


def test_a_gap_longer_than_a_day_is_named(sales: pd.Series) -> None:
    torn = sales.drop(sales.index[300:340])
    with pytest.raises(cap.DataError, match="no gap longer than a day, got one at 2026-01-1"):
        cap.simulate(torn, WEB, replay=Replay(days=2))
    short = sales.drop(sales.index[300:310])
    assert cap.simulate(short, WEB, replay=Replay(days=1)).plans == 2


def test_what_comes_after_a_gap_reaches_no_floor_before_it(sales: pd.Series) -> None:
    """The gap lies across the last origin: bridged, it would tell that forecast what came after."""
    torn = sales.drop(sales.index[-30:-20])
    higher = torn.copy()
    higher.iloc[-20:] *= 5
    floors = [cap.simulate(one, WEB, replay=Replay(days=1)).plan.lane.floor for one in (torn, higher)]
    known = 240 * 4  # the last plan is made a day before the end, where the gap stands open
    np.testing.assert_array_equal(floors[0][:known], floors[1][:known])


def test_the_command_prints_a_table_and_a_verdict_and_draws(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--sample", "--days", "1", "--picture", "simulation.png"]) == 0
    out = capsys.readouterr().out
    assert "shop/web: Simulation of 1 d," in out
    assert "Over the last day the plan would have kept utilization at or under 80 %" in out
    assert all(name in out for name in ("plan", "your HPA", "AWS-like", "clairvoyant"))
    assert Path("simulation.png").stat().st_size > 20_000


def test_json_has_every_score_of_every_policy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--sample", "--days", "1", "--output", "json", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["name"] == "shop/web"
    assert document["policies"]["plan"]["overload_minutes"] >= 0
    assert len(document["policies"]) > 50
    assert all(set(miss) == {"start", "minutes", "utilization", "pods_were_starting"} for miss in document["misses"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--workload", "shop/cart"], 2, "--workload: expected one of ['shop/web'], got 'shop/cart'"),
        (["--refit", "soon"], 2, "--refit: "),
        (["--days", "800"], 1, "shop/web: simulate: expected a week of history before"),
    ],
    ids=["an unknown workload", "no duration", "more days than there are"],
)
def test_what_is_asked_wrongly(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--sample", *arguments]) == code
    assert message in capsys.readouterr().err
