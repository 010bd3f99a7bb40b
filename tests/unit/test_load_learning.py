"""What is learned of a load from usage: lines, lags, deploys, saturation, shapes, and what is refused or kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.load import learn_load, learn_loads
from capacity.model import DataError, Finding, LoadModel

HOURS = pd.date_range("2026-03-02", periods=24 * 28, freq="h", tz="UTC")  # four weeks from a Monday, a clock change in
PRIOR = LoadModel(0.4, 0.02, 2e9, 1e6)


def orders(seed: int = 0, index: pd.DatetimeIndex = HOURS) -> pd.Series:
    """Orders with a daily shape, weekends off."""
    wave = np.sin((index.hour.to_numpy() - 8) / 24 * 2 * np.pi) * (index.day_of_week < 5)
    return pd.Series(np.random.default_rng(seed).poisson(60 + 50 * wave).astype(float), index)


def noise(seed: int, size: int = len(HOURS), scale: float = 0.08) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, size)


def usage(cpu: object, memory: object = 2e9) -> pd.DataFrame:
    return pd.DataFrame({"cpu": cpu, "memory": memory}, index=HOURS).clip(lower=0)


def cpu_of(sales: pd.Series | None, table: pd.DataFrame, prior: LoadModel | None = PRIOR) -> Finding:
    found = learn_load(sales, table, prior=prior, timezone="Europe/London").finding("cpu")
    assert found is not None
    return found


def test_idle_load_and_slope_come_back_with_an_interval_that_holds_them() -> None:
    sales = orders()
    found = cpu_of(sales, usage(0.5 + 0.02 * sales + noise(1)))
    assert found.verdict == "learned"
    assert found.response is not None
    low, high = found.response.slope_interval
    assert low < 0.02 < high
    assert high - low < 0.001
    assert found.response.base == pytest.approx(0.5, abs=0.03)
    assert found.response.lag == timedelta(0)
    assert found.drift is None
    assert found.response.saturation is None
    assert found.response.extra is None
    assert found.r2 == pytest.approx(0.98, abs=0.02)


@pytest.mark.parametrize("hours", [-1, 1, 3])
def test_a_lag_between_orders_and_load_is_found(hours: int) -> None:
    sales = orders()
    found = cpu_of(sales, usage((0.5 + 0.02 * sales + noise(1)).shift(hours).bfill().ffill()))
    assert found.response is not None
    assert found.response.lag == timedelta(hours=hours)
    assert found.response.per_sale_per_hour == pytest.approx(0.02, rel=0.03)
    assert any("its orders" in note for note in found.notes)


def test_a_lag_of_part_of_an_hour_is_found_in_usage_by_minutes() -> None:
    sales = orders()
    steps = pd.date_range(HOURS[0], periods=12 * len(HOURS), freq="5min")
    rate = sales.reindex((steps - timedelta(minutes=20)).floor("h")).bfill().to_numpy()
    table = pd.DataFrame({"cpu": 0.5 + 0.02 * rate + np.abs(noise(2, len(steps), 0.1)), "memory": 1e9}, index=steps)
    found = cpu_of(sales, table)
    assert found.response is not None
    assert found.response.lag == timedelta(minutes=20)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param((0.5, 0.02), (0.5, 0.03), id="a dearer sale"),
        pytest.param((0.5, 0.03), (0.5, 0.015), id="a cheaper sale"),
        pytest.param((0.5, 0.02), (1.2, 0.02), id="more idle load"),
    ],
)
def test_a_deploy_is_dated_and_only_what_came_since_counts(
    before: tuple[float, float], after: tuple[float, float]
) -> None:
    sales, at = orders(), 300
    old, new = (base + slope * sales for base, slope in (before, after))
    found = cpu_of(sales, usage(np.where(np.arange(len(sales)) < at, old, new) + noise(3)))
    assert found.drift is not None
    assert abs(found.drift - HOURS[at]) <= timedelta(hours=6)
    assert found.response is not None
    assert found.response.per_sale_per_hour == pytest.approx(after[1], rel=0.03)
    assert found.response.base == pytest.approx(after[0], abs=0.05)
    assert any("only data since then is used" in note for note in found.notes)


def test_of_two_deploys_the_later_one_counts() -> None:
    sales, place = orders(), np.arange(len(HOURS))
    slope = np.select([place < 200, place < 450], [0.02, 0.03], 0.012)
    found = cpu_of(sales, usage(0.5 + slope * sales + noise(4)))
    assert found.drift is not None
    assert abs(found.drift - HOURS[450]) <= timedelta(hours=6)


def test_a_load_that_flattens_is_told_and_planned_to_rise_beyond_what_was_seen() -> None:
    sales = orders()
    found = cpu_of(sales, usage(0.5 + 0.05 * sales / (1 + sales / 80) + noise(5, scale=0.03)))
    assert found.response is not None
    assert found.response.saturation == pytest.approx(80, rel=0.3)
    assert any("a limit that was hit" in note for note in found.notes)


def test_load_of_the_week_that_sales_do_not_explain_is_planned_for() -> None:
    sales = orders()
    found = cpu_of(sales, usage(0.5 + 0.02 * sales + 2.0 * (HOURS.tz_convert("Europe/London").hour == 3) + noise(6)))
    assert found.response is not None
    assert found.response.extra is not None
    night = found.response.extra.values.reshape(7, 24)
    np.testing.assert_allclose(night[:, 3], 2.0, atol=0.25)
    np.testing.assert_allclose(np.delete(night, 3, axis=1), 0.0, atol=0.25)
    assert found.response.per_sale_per_hour == pytest.approx(0.02, rel=0.05)


def test_outliers_do_not_move_the_line() -> None:
    sales = orders()
    cpu = 0.5 + 0.02 * sales + noise(7)
    cpu[np.random.default_rng(8).random(len(cpu)) < 0.05] *= 10
    found = cpu_of(sales, usage(cpu))
    assert found.response is not None
    assert found.response.per_sale_per_hour == pytest.approx(0.02, rel=0.03)
    assert found.drift is None


def test_sales_by_days_and_usage_by_minutes_give_a_shape_on_the_local_clock() -> None:
    days = pd.date_range("2026-02-01", periods=70, freq="D", tz="UTC")
    volume = pd.Series(
        np.random.default_rng(9).poisson(2000, 70).astype(float) * (1 + 0.3 * np.sin(np.arange(70))), days
    )
    steps = pd.date_range("2026-03-10", "2026-04-07", freq="15min", tz="UTC", inclusive="left")
    local = steps.tz_convert("Europe/London").tz_localize(None)
    within = np.clip(1 + np.sin((local.hour + local.minute / 60 - 9) / 24 * 2 * np.pi), 0.02, None)
    rate = volume.reindex(local.floor("D").tz_localize("UTC")).to_numpy() / 24
    truth = 0.5 + 0.02 * rate * within
    table = pd.DataFrame({"cpu": truth * np.random.default_rng(10).gamma(100, 0.01, len(steps)), "memory": 1e9}, steps)
    found = cpu_of(volume, table)
    assert found.response is not None
    assert found.response.per_sale_per_hour == pytest.approx(0.02, rel=0.05)
    assert found.response.shape is not None
    weights = found.response.shape.weights.reshape(7, 96)  # Monday 00:00 local first, though the clocks changed within
    clock = np.arange(96) / 4
    expected = np.clip(1 + np.sin((clock - 9) / 24 * 2 * np.pi), 0.02, None)
    np.testing.assert_allclose(weights.mean(axis=0), expected, atol=0.25)
    assert np.abs(weights.mean(axis=0) - expected).mean() < 0.04


UNLEARNED = [
    ("load that knows nothing of sales", lambda s: 2 + noise(11), "sales explain 0 % of this workload's CPU: forecast"),
    (
        "load that falls as sales rise",
        lambda s: 5 - 0.02 * s + noise(12),
        "CPU falls as sales rise: they do not drive it",
    ),
    ("a load that never changes", lambda s: 2.0 + 0 * s, "sales explain 0 % of this workload's CPU"),
]


@pytest.mark.parametrize(("cpu", "words"), [row[1:] for row in UNLEARNED], ids=[row[0] for row in UNLEARNED])
def test_what_sales_do_not_drive_is_forecast_from_usage(cpu: object, words: str) -> None:
    sales = orders()
    found = cpu_of(sales, usage(cpu(sales)))  # type: ignore[operator]
    assert found.verdict == "direct"
    assert words in found.words
    assert "forecast usage directly" in found.words
    assert found.response is not None
    assert found.response.per_sale_per_hour == 0


def test_sales_that_never_change_explain_nothing() -> None:
    found = cpu_of(pd.Series(40.0, HOURS), usage(1 + np.abs(noise(13))))
    assert found.verdict == "direct"
    assert found.words == "sales never change, so that they explain nothing of CPU: forecast usage directly"


def test_usage_that_meets_no_sales_is_forecast_directly() -> None:
    old = orders(index=pd.date_range("2025-01-06", periods=24 * 28, freq="h", tz="UTC"))
    found = cpu_of(old, usage(1 + np.abs(noise(14))))
    assert (found.verdict, found.words) == ("direct", "usage of CPU and sales do not overlap: forecast usage directly")


def test_without_sales_usage_is_forecast_directly() -> None:
    found = cpu_of(None, usage(1 + np.abs(noise(15))))
    assert (found.verdict, found.words) == ("direct", "there are no sales to explain CPU: forecast usage directly")


UNUSABLE = [
    ("usage of zero", np.zeros(len(HOURS)), "it is zero throughout"),
    ("no value at all", np.full(len(HOURS), np.nan), "there is no value at all"),
    ("a counter mistaken for a gauge", np.cumsum(1 + np.abs(noise(16))), "it never falls: a counter, not a gauge"),
    ("a counter that starts again", np.tile(np.cumsum(np.ones(336)), 2), "it never falls: a counter, not a gauge"),
]


@pytest.mark.parametrize(("cpu", "words"), [row[1:] for row in UNUSABLE], ids=[row[0] for row in UNUSABLE])
def test_usage_that_is_none_leaves_the_configured_costs(cpu: np.ndarray, words: str) -> None:
    report = learn_load(orders(), usage(cpu), prior=PRIOR)
    found = report.finding("cpu")
    assert found is not None
    assert found.verdict == "configured"
    assert words in found.words
    assert "the configured costs are kept" in found.words
    assert (report.model.cpu, report.model.cpu_base, report.model.cpu_per_sale_per_hour) == (None, 0.4, 0.02)
    with pytest.raises(DataError, match=r"cpu: .*no costs are configured: give its usage, or its costs under `load`"):
        learn_load(orders(), usage(cpu))


@pytest.mark.parametrize("factor", [1000.0, 0.001])
def test_usage_in_another_unit_than_the_costs_is_told_and_the_costs_are_kept(factor: float) -> None:
    sales = orders()
    report = learn_load(sales, usage((0.5 + 0.02 * sales) * factor), prior=PRIOR)
    found = report.finding("cpu")
    assert found is not None
    assert found.verdict == "configured"
    assert "times the configured" in found.words
    assert "in another unit?" in found.words
    assert report.model.cpu is None


def test_few_points_are_not_believed() -> None:
    sales = orders()
    table = usage(0.5 + 0.02 * sales).iloc[:24]
    found = cpu_of(sales, table)
    assert found.verdict == "configured"
    assert "only 24 steps of sales have usage of CPU, 48 are needed" in found.words


def test_gaps_in_usage_and_in_sales_change_little() -> None:
    sales, rng = orders(), np.random.default_rng(17)
    table = usage(0.5 + 0.02 * sales + noise(18))
    table = table.mask(rng.random(table.shape) < 0.3).drop(HOURS[100:160])
    found = cpu_of(sales.mask(rng.random(len(sales)) < 0.1), table)
    assert found.response is not None
    assert found.response.per_sale_per_hour == pytest.approx(0.02, rel=0.03)


TABLES = [
    ("numbers for an index", pd.DataFrame({"cpu": [1.0, 2.0]}), "DatetimeIndex in UTC, got RangeIndex"),
    ("naive times", pd.DataFrame({"cpu": 1.0}, HOURS.tz_localize(None)), "steps in UTC, got naive times"),
    ("no known column", pd.DataFrame({"CPU": 1.0}, HOURS), r"columns among \['cpu', 'memory', 'requests'\], got"),
    ("words", pd.DataFrame({"cpu": "half"}, HOURS), "expected numbers"),
    ("a negative value", pd.DataFrame({"cpu": -1.0}, HOURS), "cpu: expected cores >= 0, got -1"),
    ("infinity", pd.DataFrame({"cpu": np.inf}, HOURS), "cpu: expected finite values or NaN for a gap"),
    ("a single step", pd.DataFrame({"cpu": 1.0}, HOURS[:1]), "at least two steps, got 1"),
    ("steps off their grid", pd.DataFrame({"cpu": 1.0}, HOURS[:3] + pd.to_timedelta([0, 0, 7], "min")), "on one grid"),
]


@pytest.mark.parametrize(("table", "words"), [row[1:] for row in TABLES], ids=[row[0] for row in TABLES])
def test_a_table_that_is_no_usage_is_refused(table: pd.DataFrame, words: str) -> None:
    with pytest.raises(DataError, match=words):
        learn_load(orders(), table, prior=PRIOR)


def test_one_workload_that_cannot_be_learned_never_stops_the_others() -> None:
    sales = orders()
    good = usage(0.5 + 0.02 * sales)
    reports = learn_loads(sales, {"good": good, "bad": -good, "cold": good * 0}, priors={"good": PRIOR})
    assert list(reports) == ["good", "bad", "cold"]
    assert "cpu: expected cores >= 0" in str(reports["bad"])
    assert "no costs are configured" in str(reports["cold"])
    report = reports["good"]
    assert not isinstance(report, DataError)
    assert report.model.cpu is not None


def test_many_workloads_are_learned_as_each_alone() -> None:
    sales, rng = orders(), np.random.default_rng(19)
    tables = {name: usage(0.1 * name + 0.02 * sales * (1 + name) + noise(name)) for name in range(5)}
    tables[3] = tables[3].iloc[48:]  # not all begin together
    tables[4] = tables[4].mask(rng.random(tables[4].shape) < 0.2)
    together = learn_loads(sales, tables, priors=dict.fromkeys(tables, PRIOR))
    for name, table in tables.items():
        alone = learn_load(sales, table, prior=PRIOR).finding("cpu")
        batch = together[name]
        assert not isinstance(batch, DataError)
        assert alone is not None
        assert alone.response is not None
        found = batch.finding("cpu")
        assert found is not None
        assert found.response is not None
        assert found.response.per_sale_per_hour == pytest.approx(alone.response.per_sale_per_hour, rel=1e-6)
        assert found.drift == alone.drift


def test_usage_coarser_than_sales_is_learned_on_its_own_steps() -> None:
    sales = orders()
    cpu = (0.5 + 0.02 * sales + noise(20)).resample("3h").mean()
    found = cpu_of(sales, pd.DataFrame({"cpu": cpu, "memory": 2e9}))
    assert found.response is not None
    assert found.response.per_sale_per_hour == pytest.approx(0.02, rel=0.03)


def test_requests_need_no_costs_and_are_learned_too() -> None:
    sales = orders()
    report = learn_load(sales, usage(0.5 + 0.02 * sales).assign(requests=3 + 0.1 * sales), prior=PRIOR)
    assert report.model.requests is not None
    assert report.model.requests.per_sale_per_hour == pytest.approx(0.1)
    assert any("sales explain 100 % of this workload's requests" in note for note in report.notes)


def test_the_drift_is_a_time_that_people_can_look_up() -> None:
    sales = orders()
    cpu = np.where(np.arange(len(HOURS)) < 300, 0.5 + 0.02 * sales, 0.5 + 0.04 * sales)
    found = cpu_of(sales, usage(cpu))
    assert found.drift == datetime(2026, 3, 14, 12, tzinfo=UTC)
    assert found.drift_ratio == pytest.approx(1.8, abs=0.15)
