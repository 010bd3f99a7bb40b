"""`capacity advise` end to end: the table, what is written, and the plan that follows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capacity.app.advise import AdviceRequest, advise, advise_on, outdated, target_patch, with_policies
from capacity.app.configuration import read_config
from capacity.app.plan import plan_fleet
from capacity.app.reading import read_orders
from capacity.cli import main
from capacity.model.choice import Choice
from capacity.model.configuration import Config
from capacity.model.plan_file import read_plan
from capacity.model.policies import Advised, DailyScores, Policies, read_policies
from capacity.model.policy import Cadence
from capacity.planning.orders import request_of
from capacity.series.within import OrderTimes
from capacity.simulation import advice
from capacity.simulation.candidates import plans_of
from capacity.simulation.days import Task
from capacity.simulation.history import History, ReplaySettings, past_forecasts

NOW = datetime(2026, 2, 2, tzinfo=UTC)


def write_shop(folder: Path, days: int, **workload: Any) -> Path:
    """Hourly orders that rise each morning, and one workload."""
    index = pd.date_range("2026-01-05", periods=24 * days, freq="h", tz="UTC")
    hour = index.hour.to_numpy()
    mean = 30 + 170 * np.sin((hour - 6) * np.pi / 14).clip(0) * (1 + 0.2 * (index.day_of_week.to_numpy() < 5))
    orders = np.random.default_rng(5).poisson(mean)
    pd.DataFrame({"at": index.strftime("%Y-%m-%dT%H:%M:%SZ"), "orders": orders}).to_csv(
        folder / "orders.csv", index=False
    )
    known = {
        "namespace": "shop",
        "name": "web",
        "floor": 2,
        "ceiling": 90,
        "load": {"cpu": {"base": "500m", "per_sale_per_hour": "100m"}, "memory": {"base": "1Gi"}},
        "replica": {"cpu_request": "500m", "memory_request": "2Gi"},
        "quantile_level": 0.9,
    }
    config = {
        "sales": {"source": "orders.csv", "time": "at", "value": {"sum": "orders"}, "step": "1h"},
        "workloads": [known | workload],
    }
    (folder / "capacity.yaml").write_text(json.dumps(config), encoding="utf-8")
    return folder / "capacity.yaml"


@pytest.fixture(scope="module")
def advised(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Policies]:
    config = read_config(write_shop(tmp_path_factory.mktemp("shop"), 28))
    found = advise(config, NOW, days=8)
    assert not found.failures
    return config, found.policies


def test_the_recommended_policy_keeps_the_minutes_for_no_more_than_any_plain_autoscaler(
    advised: tuple[Config, Policies],
) -> None:
    choice = advised[1]["shop", "web"].choice
    assert choice.reason in ("PlainHpaIsEnough", "FloorsPay")
    assert choice.recommended.minutes_above <= choice.objective.allowed_minutes
    plain = [one for one in choice.rivals if one.policy.floors == "none" and one.minutes_above <= 7.2]
    assert all(choice.recommended.cost <= one.cost + 1e-6 for one in plain)
    low, high = choice.recommended.minutes_interval
    assert low <= choice.recommended.minutes_above <= high


def test_the_plan_follows_what_needs_nobodys_hand(advised: tuple[Config, Policies]) -> None:
    config, policies = advised
    choice = policies["shop", "web"].choice
    (workload,) = with_policies(config, policies).workloads
    assert workload.policy == choice.in_force
    assert workload.policy.standing == "stands"
    patch = target_patch(config.workloads[0], choice)
    advised_by_hand = choice.policy.standing == "advised"
    assert (patch is not None) == advised_by_hand
    if patch is not None:
        assert f'"value": {choice.policy.target}' in patch
        assert '"op": "test"' in patch


def test_a_policy_in_the_configuration_goes_first(tmp_path: Path, advised: tuple[Config, Policies]) -> None:
    config = read_config(write_shop(tmp_path, 10, policy={"target": 75, "floors": "none"}))
    (workload,) = with_policies(config, advised[1]).workloads
    assert workload.policy is not None
    assert workload.policy.target == 75


def test_the_command_writes_what_the_plan_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shop(tmp_path, 21)
    monkeypatch.chdir(tmp_path)
    assert main(["advise", "--days", "7"]) == 0
    out = capsys.readouterr().out
    assert "shop/web: policies replayed on the last 7 days" in out
    assert all(word in out for word in ("today", "recommended", "rival", "averageUtilization", "kept"))
    choice = read_policies("policies.json")["shop", "web"].choice
    assert main(["plan", "--output", "json", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)["workloads"][0]
    assert document["step"] == 900
    assert document["choice"]["reason"] == choice.reason
    plan = read_plan("plan.json").workloads[0]
    assert plan.choice is not None
    assert plan.choice.in_force == choice.in_force
    assert main(["explain", "web"]) == 0
    assert "policy: " in capsys.readouterr().out


def test_a_new_day_costs_one_day_of_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, advised: tuple[Config, Policies]
) -> None:
    """Rows of the days before are kept as they were; conditions that differ are replayed anew."""
    config, known = read_config(write_shop(tmp_path, 29)), advised[1]
    asked, replayed, day = list[int](), advice.replay_together, timedelta(days=1)

    def counted(tasks: Sequence[Task]) -> list[DailyScores]:
        asked.extend(len(task.days.demand) for task in tasks)
        return replayed(tasks)

    monkeypatch.setattr(advice, "replay_together", counted)
    later = NOW + day
    orders = read_orders(config, later, past=True)
    found = advise_on(config, orders, AdviceRequest(later, 8, known=known)).policies["shop", "web"].tried
    kept = known["shop", "web"].tried
    assert asked == [1]
    assert found is not None
    assert kept is not None
    assert (found.begin, found.scores.days) == (kept.begin + day, 8)
    np.testing.assert_array_equal(found.scores.pod_hours[:-1], kept.scores.pod_hours[1:])
    newer = {("shop", "web"): Advised(kept_choice(known), found)}
    again = advise_on(config, orders, AdviceRequest(later, 8, known=newer))
    assert asked == [1], "a day that is known was replayed again"
    assert again.choices[0].recommended.days == 8
    monkeypatch.setattr(advice, "past_forecasts", lambda *_: {})  # plain autoscalers alone: they take no time
    other = config.model_copy(update={"workloads": (replace(config.workloads[0], floor=3),)})
    assert advise_on(other, orders, AdviceRequest(later, 8, known=known)).choices[0].recommended.days == 8
    assert asked == [1, 8], "another workload's days were taken for this one's"


def kept_choice(policies: Policies) -> Choice:
    return policies["shop", "web"].choice


def test_kept_policies_older_than_the_period_are_chosen_anew(advised: tuple[Config, Policies]) -> None:
    config, known = advised
    day = timedelta(days=1)
    assert outdated(config, {}, NOW) == list(config.workloads), "what has none is due"
    assert outdated(config, known, NOW + timedelta(hours=23)) == []
    assert outdated(config, known, NOW + day) == list(config.workloads)
    web = config.workloads[0]
    older = replace(known["shop", "web"], choice=replace(known["shop", "web"].choice, chosen_at=NOW - day))
    three = config.model_copy(update={"workloads": (web, replace(web, name="old"), replace(web, name="new"))})
    due = outdated(three, {**known, ("shop", "old"): older}, NOW + timedelta(hours=2))
    assert [one.name for one in due] == ["new", "old"]
    never = config.model_copy(update={"choice": config.choice.model_copy(update={"period": None})})
    assert outdated(never, known, NOW + 9 * day) == []


def test_a_plan_without_chosen_policies_holds_floors_by_the_quarter_of_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shop(tmp_path, 21)
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "--output", "json", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)["workloads"][0]
    assert document["step"] == 900
    assert "choice" not in document


def test_a_policy_without_floors_plans_the_workloads_own_floor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shop(tmp_path, 21, policy={"target": 70, "floors": "none"})
    monkeypatch.chdir(tmp_path)
    assert main(["plan"]) == 0
    assert "no floors are planned" in capsys.readouterr().out
    plan = read_plan("plan.json").workloads[0]
    assert [change.replicas for change in plan.floor] == [2]
    assert plan.derivation.shortfall.steps == 0


def test_a_replay_plans_what_production_plans(tmp_path: Path) -> None:
    """The same orders at the same time: the floors of every plan of the replay are those that `capacity plan` makes."""
    policy = {"target": 80, "floors": "forecast", "quantile_level": 0.9}
    config = read_config(write_shop(tmp_path, 28, policy=policy))
    orders, day = read_orders(config, NOW), timedelta(days=1)
    (workload,) = config.workloads
    settings = ReplaySettings(1, Cadence(plan=day, refit=day), config.controller.policy())
    times = OrderTimes(orders.rows.get(None), config.timezone)
    history = History.of(orders.histories[None], workload, settings, times=times)
    forecasts = past_forecasts(history, request_of(config, orders), lambda _done, _total: None)
    plans = plans_of(forecasts, workload, 0.9, history.within_at(forecasts))
    assert len(plans) == 3
    for moment, plan in plans.items():
        horizon = plan.steps * plan.step
        asked = config.model_copy(update={"forecast": config.forecast.model_copy(update={"horizon": horizon})})
        (made,) = plan_fleet(asked, moment - Cadence().delay, past=True).plan.workloads
        assert (made.start, made.step, made.floor) == (plan.start, plan.step, plan.floor)


@pytest.mark.parametrize(
    ("days", "workload", "arguments", "code", "says"),
    [
        pytest.param(6, {}, [], 1, "15 days are enough to choose, and `capacity plan` works", id="a history of days"),
        pytest.param(12, {}, [], 0, "too short to judge policies", id="a history under two weeks"),
        pytest.param(21, {}, ["--workload", "shop/cart"], 2, "expected one of ['shop/web']", id="unknown"),
        pytest.param(
            21, {"objective": {"overload_cost": "500 EUR/h"}}, ["--days", "7"], 1, "costs.price_per_hour", id="no price"
        ),
        pytest.param(21, {"objective": {"minutes": "101%"}}, [], 2, "objective.minutes", id="no share"),
        pytest.param(21, {"policy": {"target": 70, "floors": "static"}}, [], 2, "policy.floors", id="a rival"),
        pytest.param(21, {"policy": {"target": 70, "headroom": 0.9}}, [], 2, "policy.headroom", id="replayed nodes"),
    ],
)
def test_what_cannot_be_advised_says_why(
    days: int,
    workload: dict[str, Any],
    arguments: list[str],
    code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_shop(tmp_path, days, **workload)
    monkeypatch.chdir(tmp_path)
    assert main(["advise", *arguments]) == code
    captured = capsys.readouterr()
    assert says in captured.out + captured.err
