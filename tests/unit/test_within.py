"""Times within a step: what orders tell of them, where the truth is known; read alike from files and databases."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from capacity.app.configuration import read_config
from capacity.app.fleet import Fleet
from capacity.app.plan import plan_fleet
from capacity.model import Forecast, Limits, LoadModel, Replica, Workload
from capacity.model.arrays import Array
from capacity.model.settings import SalesSettings
from capacity.series.within import FINE, PART, VISITS, OrderTimes, learn_within, part_of_week, served_path, smooth_path
from capacity.simulation.candidates import plans_of
from capacity.sources.table import GOOD, OrderTable
from capacity.sources.within_step import rows_within

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEKS = 6
HOURS = pd.date_range("2026-01-05", periods=24 * 7 * WEEKS, freq="h", tz="UTC")
EARLY = np.array([6.0, *[6.0 / 11] * 11])  # half of the orders in the first five minutes of an hour


def orders(per_hour: float, factors: Array = EARLY, *, seed: int = 1) -> tuple[pd.Series, pd.Series]:
    """Orders by the hour, and by five minutes, as many at every hour of the day, spread as the factors say."""
    parts = np.random.default_rng(seed).poisson(per_hour / 12 * factors, (len(HOURS), 12)).astype(float)
    rows = pd.Series(parts.reshape(-1), pd.date_range(HOURS[0], periods=12 * len(HOURS), freq="5min"))
    return pd.Series(parts.sum(axis=1), HOURS), rows


def test_half_of_the_orders_at_the_full_hour_are_found_there() -> None:
    found = learn_within(*orders(120), "Europe/London")
    assert found.shape is not None
    assert found.part == FINE
    path = found.path(np.full(24, 120.0), HOURS[:24], HOUR).reshape(24, 12)
    np.testing.assert_allclose(path.mean(axis=1), 120.0)
    np.testing.assert_allclose(path[:, 0], 720.0, rtol=0.05)
    np.testing.assert_allclose(path[:, 1:], 720.0 / 11, rtol=0.35)


@pytest.mark.parametrize(
    ("per_hour", "factors", "part"),
    [
        pytest.param(120, np.ones(12), None, id="evenly spread: the smooth path"),
        pytest.param(1, EARLY, None, id="too few orders"),
        pytest.param(12, EARLY, PART, id="few orders: quarters of an hour"),
        pytest.param(120, np.repeat([1.6, 0.8, 0.8, 0.8], 3), PART, id="even within quarters: quarters of an hour"),
        pytest.param(120, np.array([6.0, *[0.0] * 5] * 2), None, id="times rounded to half an hour"),
        pytest.param(120, np.array([12.0, *[0.0] * 11]), None, id="times rounded to the hour"),
    ],
)
def test_as_much_is_told_as_orders_show(per_hour: float, factors: Array, part: timedelta | None) -> None:
    found = learn_within(*orders(per_hour, factors), "UTC")
    assert (None if found.shape is None else found.part) == part


def test_sales_without_times_move_smoothly_and_spread_as_counts() -> None:
    sales, _ = orders(120)
    assert learn_within(sales, None, "UTC").spread == 1 / VISITS
    assert learn_within(sales * 1.5, None, "UTC").spread == 0.0, "sums of money say nothing of their spread"
    told = learn_within(sales * 1.5, orders(120)[1], "UTC")
    assert told.shape is not None
    assert told.spread == 0.0, "the unevenness of orders is none of their value"
    means = sales.to_numpy()[:48]
    found = learn_within(sales, None, "UTC").path(means, HOURS[:48], HOUR)
    np.testing.assert_array_equal(found, smooth_path(means, 4))


def test_one_odd_day_decides_nothing() -> None:
    sales, rows = orders(120)
    usual = learn_within(sales, rows, "UTC").shape
    rows.iloc[3000:3012] += 5000.0
    odd = learn_within(rows.resample("h").sum(), rows, "UTC").shape
    assert usual is not None
    assert odd is not None
    np.testing.assert_allclose(odd, usual, atol=0.25)


def test_days_get_the_shape_of_the_local_day_and_of_the_weekend() -> None:
    quarters = pd.date_range("2026-01-05", periods=96 * 7 * WEEKS, freq="15min", tz="UTC")  # named by the local date
    hour, weekend = quarters.hour, quarters.day_of_week >= 5
    truth = np.where(weekend, np.where(hour >= 18, 3.0, 0.5), np.where((hour >= 9) & (hour < 17), 2.4, 0.3))
    rows = pd.Series(np.random.default_rng(2).poisson(10 * truth).astype(float), quarters)
    found = learn_within(rows.resample("D").sum(), rows, "America/New_York")
    assert found.part == PART
    days = pd.date_range("2026-03-02", periods=7, tz="UTC")
    path = found.path(np.full(7, 1.0), days, DAY)
    expected = truth[: 7 * 96] / truth[: 7 * 96].reshape(7, 96).mean(axis=1).repeat(96)
    np.testing.assert_allclose(path, expected, atol=0.6)
    assert np.abs(path - expected).mean() < 0.15


def test_the_week_begins_on_monday_also_after_the_clock_changed() -> None:
    moments = pd.DatetimeIndex(["2026-03-28T23:00Z", "2026-03-29T22:00Z"])
    assert part_of_week(moments, PART, "Europe/Berlin").tolist() == [6 * 96, 0]


def test_floors_serve_a_rush_that_the_mean_of_the_hour_hides() -> None:
    sales, rows = orders(120)
    found = learn_within(sales, rows, "UTC")
    steps = HOURS[:24]
    coming = Forecast(steps[0] - HOUR, HOUR, pd.DataFrame({0.5: 120.0, 0.95: 140.0}, steps), "sales")
    load = LoadModel(1.0, 0.1, 0.0, 0.0)
    web = Workload("shop", "web", load, Replica(1.0, 2.0**30), floor=1, ceiling=500, limits=Limits(changes_a_day=288))
    needed = np.tile(1.0 + 0.1 * 120 * EARLY, 24) / 0.8  # replicas of one core at 80 %
    known, unknown = (plans_of({steps[0]: coming}, web, 0.95, within)[steps[0]] for within in ({steps[0]: found}, {}))
    assert (known.step, unknown.step) == (FINE, PART)
    told = known.to_frame()["floor"].to_numpy()
    blind = np.repeat(unknown.to_frame()["floor"].to_numpy(), 3)
    assert (told >= needed).all()
    assert (blind < needed).mean() == 1 / 12, "a smooth path lacks replicas in the first five minutes of every hour"
    assert told.sum() < needed.max() * len(told) / 2, "and nobody pays for the rush all the time"


def test_what_is_served_comes_when_orders_do() -> None:
    sales, rows = orders(120)
    found = learn_within(sales, rows, "UTC")
    tick = timedelta(minutes=1)
    served = served_path(sales, tick, found, np.random.default_rng(4)).reshape(-1, 60)
    np.testing.assert_allclose(served.mean(axis=1), sales, rtol=1e-9)
    assert served[:, :5].sum() / served.sum() == pytest.approx(0.5, abs=0.02)
    money = served_path(sales * 1.5, tick, found, np.random.default_rng(4)).reshape(-1, 60)
    np.testing.assert_allclose(money.mean(axis=1), sales * 1.5, rtol=1e-9)
    assert OrderTimes(None).within(sales).shape is None


def stamped(days: int = 42, per_hour: float = 60.0) -> pd.DataFrame:
    """Orders with times to the second, half of them in the first five minutes of their hour."""
    random = np.random.default_rng(3)
    hours = pd.date_range("2026-01-05", periods=24 * days, freq="h", tz="UTC").as_unit("s").asi8
    times = np.repeat(hours, random.poisson(per_hour, len(hours)))
    early = random.random(len(times)) < 0.5
    times = times + np.where(early, random.integers(1, 300, len(times)), random.integers(300, 3600, len(times)))
    shops = random.choice(["a", "b"], len(times))
    return pd.DataFrame({"time": pd.to_datetime(times, unit="s").astype(str), "shop": shops})


def test_files_and_databases_tell_the_same_parts(tmp_path: Path) -> None:
    frame = stamped(days=5)
    frame.to_csv(tmp_path / "orders.csv", index=False)
    with closing(sqlite3.connect(tmp_path / "orders.db")) as database:
        frame.to_sql("orders", database, index=False)
    sources: dict[str, Any] = {
        "file": str(tmp_path / "orders.csv"),
        "database": {"url": f"sqlite:///{tmp_path}/orders.db", "query": "SELECT time, shop FROM orders"},
    }
    counts = {}
    for name, source in sources.items():
        settings = SalesSettings(source=source, time="time", group="shop", step=HOUR)
        with OrderTable.load(settings, "UTC", datetime(2026, 1, 10, tzinfo=UTC)) as table:
            counts[name] = rows_within(table.database, GOOD, HOUR, {None, "a"})
    for group in (None, "a"):
        file, database = (counts[name][group].resample("15min").sum() for name in sources)
        pd.testing.assert_series_equal(file, database, check_freq=False)
    times = pd.DatetimeIndex(pd.to_datetime(frame["time"], utc=True))
    truth = pd.Series(1.0, times).resample("5min").sum()
    whole = counts["file"][None]
    np.testing.assert_array_equal(whole, truth.reindex(whole.index, fill_value=0.0))


@pytest.mark.parametrize("stamp", ["%Y-%m-%d", "%Y-%m-%d %H:00:00"])
def test_times_on_the_step_alone_tell_nothing(tmp_path: Path, stamp: str) -> None:
    frame = stamped(days=3)
    frame["time"] = pd.to_datetime(frame["time"]).dt.strftime(stamp)
    frame.to_csv(tmp_path / "orders.csv", index=False)
    settings = SalesSettings(source=str(tmp_path / "orders.csv"), time="time", step=DAY if "H" not in stamp else HOUR)
    with OrderTable.load(settings, "UTC", datetime(2026, 1, 9, tzinfo=UTC)) as table:
        assert rows_within(table.database, GOOD, settings.step, {None}) == {}
        judged = table.judgement
        assert judged is not None
        queries = [f"SELECT * FROM ({judged.counted(within=within)}) ORDER BY ALL" for within in (True, False)]
        looked, skipped = (table.database.execute(query).fetchall() for query in queries)
    assert looked == skipped, "where no row lies within its step, not to look for parts gives the same counts"


def test_dates_without_a_time_among_others_make_no_rush_of_midnight(tmp_path: Path) -> None:
    frame = stamped(days=3)
    times = pd.to_datetime(frame["time"])
    bare = (times.dt.day % 3 == 0) | (np.arange(len(times)) % 2 == 0)
    frame["time"] = times.dt.strftime("%Y-%m-%d %H:%M:%S").where(~bare, times.dt.strftime("%Y-%m-%d 00:00:00"))
    frame.to_csv(tmp_path / "orders.csv", index=False)
    settings = SalesSettings(source=str(tmp_path / "orders.csv"), time="time", step=DAY)
    with OrderTable.load(settings, "UTC", datetime(2026, 1, 9, tzinfo=UTC)) as table:
        counts = rows_within(table.database, GOOD, DAY, {None})[None]
    truth = pd.Series(1.0, pd.DatetimeIndex(times[~bare], tz="UTC")).resample("15min").sum()
    np.testing.assert_array_equal(counts, truth.reindex(counts.index, fill_value=0.0))


def test_a_plan_from_raw_orders_is_high_when_orders_come_also_in_chunks(tmp_path: Path) -> None:
    stamped().to_csv(tmp_path / "orders.csv", index=False)
    load = {name: {"per_sale_per_hour": cost} for name, cost in (("cpu", "100m"), ("memory", "0"))}
    service = {"namespace": "shop", "load": load, "floor": 1, "ceiling": 500}
    replica = {"cpu_request": "500m", "memory_request": "512Mi"}
    workloads = [
        {**service, "name": "web", "replica": replica},
        {**service, "name": "cart", "group": "a", "replica": replica},
    ]
    sales = {"source": str(tmp_path / "orders.csv"), "time": "time", "group": "shop", "step": "1h"}
    document = {"sales": sales, "workloads": workloads, "forecast": {"horizon": "1d"}}
    (tmp_path / "capacity.yaml").write_text(yaml.safe_dump(document))
    config = read_config(tmp_path / "capacity.yaml")
    now = datetime(2026, 2, 16, tzinfo=UTC)
    planned = plan_fleet(config, now).plan
    web = planned.workloads[0]
    assert web.step == FINE
    floors = web.to_frame()["floor"].to_numpy().reshape(24, 12)
    cores = web.to_frame()["cpu_cores"].to_numpy().reshape(24, 12)
    assert floors[1:, 0].min() > 5 * floors[1:, 6].min(), "floors follow the rush of the full hour, where they may move"
    assert (cores[:, 0] > 4 * cores[:, 6]).all()
    chunks = plan_fleet(config, now, Fleet(workers=1, shards=tmp_path / "shards")).plan
    assert [one.floor for one in chunks.workloads] == [one.floor for one in planned.workloads]
