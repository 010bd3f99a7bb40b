"""What makes measured usage doubtful: other units, shares, means over longer times, and another clock than sales."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from capacity.model import LoadModel, Replica, Workload
from capacity.quality.smoothing import smoothed
from capacity.quality.usage_doubts import CLOCKS, usage_doubts

HOURS = pd.date_range("2026-03-02", periods=24 * 21, freq="h", tz="UTC")
QUARTERS = pd.date_range(HOURS[0], periods=4 * len(HOURS), freq="15min")
LOAD = LoadModel("1", "30m", "4Gi")
WEB = Workload("shop", "web", LOAD, Replica("500m", "512Mi"), floor=3, ceiling=80)
Change = Callable[[pd.DataFrame], pd.DataFrame]


def shop(seed: int = 1) -> tuple[pd.Series, pd.DataFrame]:
    """Sales per hour, and usage of pods that an autoscaler adds, by quarters of an hour."""
    random = np.random.default_rng(seed)
    sales = pd.Series(random.poisson(240 + 200 * np.sin((HOURS.hour - 8) / 12 * np.pi)).astype(float), HOURS)
    per_hour = np.repeat(sales.to_numpy(), 4)
    cpu = (1 + 0.03 * per_hour) * random.gamma(80, 1 / 80, len(QUARTERS))
    memory = 4e9 + 2e6 * per_hour + random.normal(0, 3e7, len(QUARTERS))
    replicas = np.maximum(3, np.ceil(cpu / 0.3))
    return sales, pd.DataFrame({"cpu": cpu, "memory": memory, "replicas": replicas}, QUARTERS)


def column(name: str, change: Callable[[pd.DataFrame], pd.Series]) -> Change:
    return lambda usage: usage.assign(**{name: change(usage)})


def hours_later(hours: int) -> Change:
    return lambda usage: usage.set_axis(usage.index + pd.Timedelta(hours=hours))


def seldom_zero(usage: pd.DataFrame) -> pd.Series:
    return usage["cpu"].where(np.random.default_rng(2).random(len(usage)) < 0.5, 0.0)


WRONG: dict[str, tuple[Change, str]] = {
    "shares of a node": (column("cpu", lambda u: u["cpu"] / 64), "shares of a limit or of a node"),
    "shares of what is requested": (
        column("cpu", lambda u: u["cpu"] / u["replicas"]),
        "shares of a limit or of a node",
    ),
    "percent of what is requested": (column("cpu", lambda u: 200 * u["cpu"] / u["replicas"]), "are these percent"),
    "percent of a larger limit": (
        column("cpu", lambda u: 9 * u["cpu"] / u["replicas"]),
        "far better when multiplied by the",
    ),
    "sums of five samples": (column("cpu", lambda u: 5 * u["cpu"]), "sums of several samples"),
    "cores that are idle": (column("cpu", lambda u: 25 - u["cpu"]), "cpu falls as sales rise"),
    "what pods request": (column("memory", lambda u: u["replicas"] * 2.0**29), "512 MiB times the replicas"),
    "half of the pods are not measured": (
        column("cpu", lambda u: u["cpu"].where(u.index < HOURS[300], u["cpu"] / 2)),
        "are all of them measured",
    ),
    "shares in the place of replicas": (column("replicas", lambda u: u["replicas"] / 99), "expected counts of pods"),
    "memory in bits": (column("memory", lambda u: 8 * u["memory"]), "are these bits"),
    "memory in KiB": (column("memory", lambda u: u["memory"] / 1024), "another unit, or of one pod"),
    "memory of one pod": (column("memory", lambda u: u["memory"] / u["replicas"]), "another unit, or of one pod"),
    "rolling means": (column("cpu", lambda u: u["cpu"].rolling(8).mean()), "each is the mean of about 2h"),
    "means of days": (column("cpu", lambda u: u["cpu"].rolling(96).mean()), "each is the mean of about 1d"),
    "values held for an hour": (column("cpu", lambda u: u["cpu"].resample("1h").transform("mean")), "the same for 1h"),
    "straight lines": (column("cpu", lambda u: u["cpu"].iloc[::4].reindex(u.index).interpolate()), "straight lines"),
    "zeros between others": (column("cpu", seldom_zero), "does scraping fail"),
    "local times of Berlin": (hours_later(1), "follows sales 1 h later"),
    "times of another continent": (hours_later(-8), "follows sales 8 h earlier"),
    "a day that is taken for the next": (hours_later(24), "follows sales 24 h later"),
}


@pytest.mark.parametrize("name", WRONG)
def test_usage_that_is_something_else_is_doubted(name: str) -> None:
    change, words = WRONG[name]
    sales, usage = shop()
    assert words in "; ".join(usage_doubts(change(usage), WEB, sales))


@pytest.mark.parametrize("seed", range(4))
def test_sound_usage_is_not_doubted(seed: int) -> None:
    sales, usage = shop(seed)
    assert usage_doubts(usage, WEB, sales) == ()
    assert usage_doubts(usage.drop(columns="replicas"), WEB, sales) == ()
    assert usage_doubts(usage, WEB, None) == ()


def test_what_somebody_has_said_is_not_doubted() -> None:
    sales, usage = shop()
    moved = hours_later(2)(usage.assign(memory=8 * usage["memory"]))
    assert usage_doubts(moved, WEB, sales, {"memory", CLOCKS}) == ()


def test_a_shop_whose_usage_has_its_own_hours_is_on_no_other_clock() -> None:
    sales, usage = shop()
    office = 5 + 4 * np.sin((QUARTERS.hour - 4) / 12 * np.pi) + np.random.default_rng(3).normal(0, 0.2, len(QUARTERS))
    assert not [doubt for doubt in usage_doubts(usage.assign(cpu=office), WEB, sales) if doubt.startswith("clock")]


def test_smooth_growth_and_gaps_are_no_rolling_means() -> None:
    random = np.random.default_rng(4)
    walk = pd.Series(50 + np.cumsum(random.normal(0, 1, len(QUARTERS))), QUARTERS)
    gaps = pd.Series(random.gamma(9, 1, len(QUARTERS)), QUARTERS).where(random.random(len(QUARTERS)) > 0.2)
    assert [smoothed(one) for one in (walk, gaps, walk.iloc[:20], walk.resample("1D").mean())] == [None] * 4


@pytest.mark.parametrize("steps", [0, 1, 2, 60])
@pytest.mark.parametrize("known", [0, 1, 2, 500])
def test_short_sales_and_usage_are_not_doubted(steps: int, known: int) -> None:
    sales, usage = shop()
    assert usage_doubts(usage.iloc[:known], WEB, sales.iloc[:steps]) == ()
