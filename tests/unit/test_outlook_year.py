"""Twelve months ahead: months, intervals, limits that are reached, and how far off earlier outlooks were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capacity.cli import main
from capacity.model import Costs, DataError, ForecastRequest, LoadModel, NodeType, Quota, Scenario, Supply
from capacity.model.outlook import Interval, Outlook, outlook_document
from capacity.model.volume import GIB, VolumeRules
from capacity.planning.outlook import OutlookInputs, coming_months, make_outlook
from capacity.views.tables.outlook import limit_lines, outlook_sheets
from tests.plans import workload_of

END = datetime(2026, 11, 20, tzinfo=UTC)


def sales(days: int, growth: float = 0.0, seed: int = 0) -> pd.Series:
    """Sales by the hour, twice as many at the peak of a day as on average; `growth` is a year's, in log units."""
    index = pd.date_range(end=pd.Timestamp(END) - timedelta(hours=1), periods=24 * days, freq="h")
    hour = np.arange(len(index))
    level = 100 * np.exp(growth * (hour - len(hour)) / 24 / 365)
    noise = np.random.default_rng(seed).gamma(100, 0.01, len(hour))
    return pd.Series(level * (1 - np.cos(2 * np.pi * index.hour.to_numpy() / 24)) * noise, index)


def inputs_of(history: pd.Series, supply: Supply | None = None, **chosen: Any) -> OutlookInputs:
    web = workload_of("web", load=LoadModel(0.0, 0.01, 2.0**29, 0.0), costs=Costs(price_per_hour=0.05), **chosen)
    request = ForecastRequest(timezone="UTC")
    usage = {}
    if web.volumes:
        days = pd.date_range(end=pd.Timestamp(END), periods=200, freq="D")
        usage = {
            ("shop", "data"): pd.DataFrame({"used": GIB * np.linspace(20, 60, 200), "capacity": 100.0 * GIB}, days)
        }
    return OutlookInputs([web], supply or Supply(), {None: history}, request, END, {}, usage)


@cache
def steady() -> tuple[Outlook, ...]:
    supply = Supply(
        node_types=(NodeType("m", 4.0, 2.0**34, 0.2, limit=1),),
        quotas={"shop": Quota(cpu=1.0, storage=150.0 * GIB)},
        cluster=Quota(pods=1000),
    )
    volumes = (VolumeRules("data", max=120.0 * GIB),)
    inputs = inputs_of(sales(300), supply, volumes=volumes, ceiling=4)
    return tuple(make_outlook(inputs, [Scenario("a half more", growth=0.5)]))


def test_months_follow_the_business_clock() -> None:
    newyear = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    assert [f"{coming_months(newyear, zone)[0]:%Y-%m}" for zone in ("UTC", "Europe/Berlin")] == ["2027-01", "2027-02"]


def test_a_month_needs_what_its_peak_hour_needs() -> None:
    total = steady()[0].total
    assert [f"{need.month:%Y-%m}" for need in total.months] == [f"{m:%Y-%m}" for m in coming_months(END, "UTC")]
    first = total.months[0]
    assert first.cores.middle == pytest.approx(2.0 * 1.25, rel=0.1), "twice 100 sales an hour, on a noisy day"
    assert first.replicas.middle in (6, 7), "2.5 cores at half a core each and 80 %"
    assert first.sales is not None
    assert first.sales.middle == pytest.approx(31 * 2400, rel=0.05)
    assert first.nodes is not None
    assert first.nodes.middle == 1
    assert first.cost is not None
    assert 744 * 0.05 * 2 < first.cost.middle < 744 * 0.05 * 6


def test_intervals_widen_with_distance_and_contain_what_is_expected() -> None:
    months = steady()[0].total.months
    widths = [need.cores.high / need.cores.low for need in months]
    assert widths[-1] > widths[0]
    assert all(need.cores.low <= need.cores.middle <= need.cores.high for need in months)


def test_storage_grows_with_its_volume_until_max_is_reached() -> None:
    outlook = steady()[0]
    sizes = [need.storage.middle for need in outlook.total.months if need.storage is not None]
    assert sizes == sorted(sizes)
    assert sizes[-1] == pytest.approx((60 + 376 * 0.2) / 0.8 * GIB, rel=0.15)
    reached = {one.limit: one for one in outlook.limits}
    assert reached["max of claim shop/data"].middle is not None
    assert reached["quota of shop: storage"].early >= reached["max of claim shop/data"].early


def test_limits_say_when_they_are_reached_and_when_not() -> None:
    reached = {one.limit: one for one in steady()[0].limits}
    assert reached["ceiling of shop/web"].middle == steady()[0].total.months[0].month
    assert reached["quota of shop: cpu"].early == steady()[0].total.months[0].month
    assert reached["cluster: pods"].early is None
    lines = limit_lines(steady()[0].limits)
    assert lines[-1] == "cluster: pods (1,000 pods): not reached within twelve months"
    assert "limit of nodes m" in reached


def test_a_scenario_needs_more() -> None:
    base, more = steady()
    assert more.total.months[0].cores.middle == pytest.approx(1.5 * base.total.months[0].cores.middle, rel=0.01)
    assert more.total.months[3].replicas.middle > base.total.months[3].replicas.middle


def test_two_years_tell_how_far_off_earlier_outlooks_were() -> None:
    (outlook,) = make_outlook(inputs_of(sales(900)))
    record = {one.days: one for one in outlook.track_record}
    assert set(record) == {91, 182, 364}
    assert all(one.error < 0.15 for one in record.values()), record
    assert steady()[0].track_record == (), "300 days say nothing of a past year"


def test_usage_alone_is_looked_at_too() -> None:
    history = sales(200)
    usage = pd.DataFrame({"cpu": history / 50, "memory": 2.0**30 + 0 * history})
    bare = inputs_of(history)
    inputs = OutlookInputs(bare.workloads, bare.supply, {}, bare.request, END, {("shop", "web"): usage})
    (outlook,) = make_outlook(inputs)
    assert outlook.total.months[0].cores.middle == pytest.approx(4.0 * 1.25, rel=0.1), (
        "the highest of thirty noisy days"
    )
    assert outlook.total.months[0].sales is None


def test_a_history_that_is_too_short_is_refused() -> None:
    with pytest.raises(DataError, match="at least 90 days"):
        make_outlook(inputs_of(sales(60)))


def test_sheets_and_document_hold_every_month() -> None:
    sheets = outlook_sheets(steady(), "EUR")
    assert [len(sheet.rows) for sheet in sheets] == [12, 12]
    assert "cost (EUR)" in sheets[0].columns
    document = outlook_document(steady()[0])
    assert document["total"][0]["month"] == "2026-12"
    assert set(document["total"][0]) >= {"replicas", "cores", "memory", "storage", "nodes", "cost", "sales"}


def test_an_interval_out_of_order_cannot_be_built() -> None:
    with pytest.raises(DataError, match="ascend"):
        Interval(2.0, 1.0, 3.0)


def test_the_verb_needs_something_to_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["outlook"]) == 2
    assert main(["volumes", "-c", "none.yaml"]) == 2
    assert main(["outlook", "--sample", "--scenario", "growth=much"]) == 2
    assert "--scenario" in capsys.readouterr().err
