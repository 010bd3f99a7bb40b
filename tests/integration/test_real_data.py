"""Two real data sets, read where they lie and never committed: an online retailer and a bicycle shop."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capacity.app.reading import read_orders
from capacity.model.configuration import Config
from capacity.planning import OrderData, PlanInputs, make_plan
from capacity.quality import Audit
from capacity.series import find_seasons
from capacity.sources import audit_sales, read_sales
from tests.conftest import DATA

RETAIL, BICYCLES = DATA / "online_retail", DATA / "adventureworks"
pytestmark = [
    pytest.mark.skipif(not RETAIL.is_dir(), reason=f"no {RETAIL}: set CAPACITY_DATA_DIR"),
    pytest.mark.skipif(not BICYCLES.is_dir(), reason=f"no {BICYCLES}: set CAPACITY_DATA_DIR"),
]
ONCE = (
    "InvoiceDate < '2010-12-01' OR InvoiceDate >= '2010-12-10' OR row_number() OVER "
    '(PARTITION BY Invoice, StockCode, Quantity, InvoiceDate, Price, "Customer ID", Country) = 1'
)
RULES = [
    {"name": "not_cancelled", "check": "Invoice NOT LIKE 'C%'"},
    {"name": "positive_quantity", "check": "Quantity > 0"},
    {"name": "positive_price", "check": "Price > 0"},
    {"name": "once", "check": ONCE},
]
AMOUNT = "TRY_CAST(sls_sales AS DOUBLE) = sls_quantity * TRY_CAST(sls_price AS DOUBLE)"
SHIPPED = "strftime(strptime(CAST(sls_ship_dt AS VARCHAR), '%Y%m%d') - INTERVAL 7 DAY, '%Y%m%d')::BIGINT"
DATED = "try_strptime(CAST(sls_order_dt AS VARCHAR), '%Y%m%d') IS NOT NULL"
BIKES: dict[str, Any] = {
    "source": str(BICYCLES / "sales_details.csv"),
    "time": "sls_order_dt",
    "time_format": "%Y%m%d",
    "step": "1d",
    "value": {"count_distinct": "sls_ord_num"},
}
BIKE_RULES = [
    {"name": "sales_given", "check": "TRY_CAST(sls_sales AS DOUBLE) IS NOT NULL"},
    {"name": "sales_positive", "check": "coalesce(TRY_CAST(sls_sales AS DOUBLE) > 0, true)"},
    {"name": "amount", "check": AMOUNT},
]
NOW = datetime(2014, 1, 29, tzinfo=UTC)


def retail(**settings: Any) -> dict[str, Any]:
    chosen = {"time": "InvoiceDate", "timezone": "UTC", "rules": RULES, **settings}
    return {"source": RETAIL / "raw_lines.parquet", **chosen}


@pytest.fixture(scope="module")
def retail_audit() -> Audit:
    return audit_sales(**retail())


def test_every_dirty_line_of_the_retailer_is_counted(retail_audit: Audit) -> None:
    assert retail_audit.rows == 1_067_371
    failures = retail_audit.failures
    assert failures["not_cancelled"] == 19_494
    assert failures["positive_quantity"] == 22_950
    assert failures["positive_price"] == 6_207
    assert retail_audit.quarantined <= sum(failures.values())
    assert retail_audit.first == datetime(2009, 12, 1, 7, 45, tzinfo=UTC)
    assert retail_audit.last == datetime(2011, 12, 9, 12, 50, tzinfo=UTC)


def test_only_the_week_that_two_sheets_hold_is_counted_once(retail_audit: Audit) -> None:
    assert 22_000 < retail_audit.failures["once"] < 23_500


@pytest.mark.parametrize(
    ("value", "column"),
    [
        pytest.param({"count_distinct": "Invoice"}, "orders", id="orders"),
        pytest.param({"rows": True}, "lines", id="lines"),
        pytest.param({"sum": "Quantity"}, "units", id="units"),
    ],
)
def test_the_cleaned_hours_of_the_retailer_agree_exactly(value: dict[str, Any], column: str) -> None:
    sales = read_sales(**retail(value=value))
    known = pd.read_csv(RETAIL / "hourly_sales.csv.gz", parse_dates=["timestamp"], index_col="timestamp")
    expected = known[column].tz_localize("UTC").reindex(sales.index)
    assert sales.index[0] == pd.Timestamp("2009-12-01T07:00Z")
    assert sales.index[-1] == pd.Timestamp("2011-12-09T11:00Z"), "the hour of the last line may still be filling"
    np.testing.assert_array_equal(sales.to_numpy(), expected.to_numpy(dtype=float))


def test_without_the_rule_the_doubled_week_counts_twice() -> None:
    week = slice("2010-12-01", "2010-12-08")
    doubled = read_sales(**retail(value={"rows": True}, rules=RULES[:3])).loc[week].sum()
    assert doubled > 1.9 * read_sales(**retail(value={"rows": True})).loc[week].sum()


def test_the_business_clock_moves_hours_but_loses_no_order() -> None:
    utc, london = (read_sales(**retail(timezone=zone)) for zone in ("UTC", "Europe/London"))
    assert london.sum() == utc.sum()
    np.testing.assert_array_equal(london.loc["2010-01"].to_numpy(), utc.loc["2010-01"].to_numpy())
    np.testing.assert_array_equal(london.loc["2010-07-05"].to_numpy(), utc.shift(-1).loc["2010-07-05"].to_numpy())


def test_the_faults_of_the_bicycle_shop_are_counted_and_lower_its_score() -> None:
    audit = audit_sales(**BIKES, rules=BIKE_RULES)
    assert audit.rows == 60_398
    assert audit.failures == {"readable_time": 19, "sales_given": 8, "sales_positive": 5, "amount": 35}
    assert 0.99 < audit.score < 1
    assert audit.quarantined <= 19 + 35
    assert (audit.first, audit.last) == (datetime(2010, 12, 29, tzinfo=UTC), datetime(2014, 1, 28, tzinfo=UTC))


def test_malformed_order_dates_are_repaired_from_the_day_of_shipping() -> None:
    repairing = [{"name": "dated", "check": DATED, "repair": f"sls_order_dt = {SHIPPED}"}]
    audit = audit_sales(**BIKES, rules=repairing)
    assert (audit.repaired, audit.failures, audit.score) == ({"dated": 19}, {"dated": 0}, 1.0)


def test_the_daily_orders_of_the_bicycle_shop_agree_exactly() -> None:
    repairing = [{"name": "dated", "check": DATED, "repair": f"sls_order_dt = {SHIPPED}"}]
    sales = read_sales(**BIKES, rules=repairing)
    known = pd.read_csv(BICYCLES / "daily_sales.csv", parse_dates=["date"], index_col="date")["orders"]
    assert len(sales) == 1127
    expected = known.tz_localize("UTC").reindex(sales.index).fillna(0.0)
    np.testing.assert_array_equal(sales.to_numpy(), expected.to_numpy())
    assert int((sales == 0).sum()) == 3


def test_no_weekly_cycle_is_invented() -> None:
    assert [season.name for season in find_seasons(read_sales(**BIKES)) if season.name == "weekly"] == []


def bicycle_plan() -> tuple[Config, OrderData]:
    replica = {"cpu_request": "500m", "memory_request": "512Mi"}
    load = {"cpu": {"base": "500m", "per_sale_per_hour": "100m"}, "memory": {"base": "1Gi"}}
    web = {"namespace": "shop", "name": "web", "floor": 2, "ceiling": 40, "load": load, "replica": replica}
    sales = {**BIKES, "rules": BIKE_RULES, "quality": {"warn_below": 1.0}}
    config = Config.model_validate({"sales": sales, "workloads": [web]})
    return config, read_orders(config, NOW)


def test_the_plan_says_what_its_data_cannot_carry() -> None:
    config, orders = bicycle_plan()
    planned = make_plan(PlanInputs.of(config, orders, NOW))
    (web,) = planned.plan.workloads
    notes = " ".join(web.derivation.notes)
    assert "cannot prove a yearly cycle" in notes
    assert "totals of days do not show the peak within a day" in notes
    assert "weekly" not in web.derivation.model
    assert planned.plan.source["verdict"] == "warn"
    assert planned.plan.source["score"] == round(orders.audit.score, 6) < 1
    assert (web.start, web.end) == (datetime(2014, 1, 29, tzinfo=UTC), datetime(2014, 2, 12, tzinfo=UTC))
