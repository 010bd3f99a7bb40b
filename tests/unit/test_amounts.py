"""Amounts that are no sales: one far above all others, zeros among busy hours and orders, and groups that stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capacity.quality.column_roles import order_number_names
from capacity.sources.orders import audit_sales

HOURS = pd.date_range("2026-03-02", periods=24 * 42, freq="h", tz="UTC")
TOTALS = np.random.default_rng(1).poisson(60 + 50 * np.sin((HOURS.hour - 8) / 12 * np.pi)).astype(float)
RULES = ("extreme_amounts", "zero_amounts", "groups", "units", "value", "granularity", "repeated_rows")


def found(table: pd.DataFrame, *, time: str = "at", **keys: Any) -> list[str]:
    table.to_csv("orders.csv", index=False)
    audit = audit_sales(Path("orders.csv"), time=time, freshness={"within": "36500d"}, **keys)
    return [finding.rule for finding in audit.findings if finding.rule in RULES]


def totals(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"at": HOURS.strftime("%Y-%m-%dT%H:%M:%SZ"), "amount": values})


def spiked(place: int, width: int = 1) -> np.ndarray:
    values = TOTALS.copy()
    values[place : place + width] += 5 * TOTALS.max() * np.hanning(width + 2)[1:-1]
    return values


@pytest.mark.parametrize(
    ("values", "rules"),
    [
        pytest.param(TOTALS, [], id="clean"),
        pytest.param(spiked(700), ["extreme_amounts"], id="one amount is five times the peak"),
        pytest.param(spiked(700, 12), [], id="a rush that rises and falls"),
        pytest.param(np.where(HOURS.hour % 2 == 1, TOTALS, 0.0), [], id="every second hour is always zero"),
        pytest.param(
            np.where(np.random.default_rng(2).random(len(TOTALS)) < 0.5, TOTALS, 0.0), ["zero_amounts"], id="half lost"
        ),
        pytest.param(np.where(HOURS.day_of_week == 6, 0.0, TOTALS), [], id="closed on Sundays"),
        pytest.param(np.where((HOURS.hour < 9) & (HOURS.day > 15), 0.0, TOTALS), [], id="opens later from a day on"),
    ],
)
def test_totals(values: np.ndarray, rules: list[str]) -> None:
    assert found(totals(values), value="amount") == rules


@pytest.mark.parametrize(
    ("time", "amount", "values", "rules"),
    [
        pytest.param(
            "at", "orders", pd.Series(TOTALS).rolling(5, min_periods=1).sum(), ["granularity"], id="sums of 5 h"
        ),
        pytest.param("at", "orders", TOTALS / TOTALS.max(), ["value"], id="shares of the highest"),
        pytest.param("at", "revenue", TOTALS / 7, [], id="amounts have parts"),
        pytest.param("period_end", "orders", TOTALS, ["granularity"], id="times of ends"),
    ],
)
def test_totals_that_are_something_else(time: str, amount: str, values: np.ndarray, rules: list[str]) -> None:
    table = totals(np.asarray(values)).set_axis([time, amount], axis="columns")
    assert found(table, time=time, value=amount) == rules


def lines(shares: dict[str, float], seed: int = 3) -> pd.DataFrame:
    """Orders at any second, of channels with these shares, each with an amount."""
    random = np.random.default_rng(seed)
    at = np.sort(random.integers(0, 42 * 86400, 8000))
    channel = random.choice(list(shares), len(at), p=list(shares.values()))
    amount = np.round(random.gamma(3, 10, len(at)), 2)
    return pd.DataFrame({"at": (HOURS[0] + pd.to_timedelta(at, "s")).astype(str), "amount": amount, "channel": channel})


@pytest.mark.parametrize(("share", "rules"), [(0.0, []), (0.1, []), (0.5, ["zero_amounts"])])
def test_orders_without_an_amount(share: float, rules: list[str]) -> None:
    table = lines({"web": 1.0})
    table.loc[np.random.default_rng(4).random(len(table)) < share, "amount"] = 0
    assert found(table, value="amount") == rules


def test_cents_among_euros_are_found_and_a_test_at_night() -> None:
    table = lines({"web": 1.0})
    some = np.random.default_rng(5).random(len(table)) < 0.1
    cents = table.assign(amount=table["amount"].where(~some, (100 * table["amount"]).round()))
    assert found(cents, value="amount") == ["units"]
    night = pd.DataFrame({"at": [f"2026-03-20 03:00:{place % 60:02}+00:00" for place in range(900)], "amount": 1.0})
    assert found(pd.concat([table, night]), value="rows") == ["extreme_amounts"]


def test_half_a_clock_is_found_in_rows_of_any_order() -> None:
    table = lines({"web": 1.0})
    at = pd.to_datetime(table["at"]).dt.strftime("%m/%d/%Y %I:%M:%S")
    assert found(table.assign(at=at).sample(frac=1, random_state=1), value="rows") == ["granularity"]


def test_the_total_of_an_order_in_each_of_its_lines_is_found() -> None:
    table = lines({"web": 1.0}).iloc[:2000].assign(order_id=lambda orders: 7000 + np.arange(len(orders)))
    each = np.repeat(np.arange(len(table)), np.random.default_rng(6).integers(1, 4, len(table)))
    repeated = table.iloc[each].assign(line=np.arange(len(each)))
    assert found(repeated, value="amount") == ["repeated_rows"]
    parts = repeated.assign(amount=np.round(repeated["amount"] * np.random.default_rng(7).random(len(each)), 2))
    assert found(parts, value="amount") == []


def test_totals_of_quarters_may_be_zero_and_a_time_that_is_put_in_is_noted() -> None:
    table = lines({"web": 1.0})
    quarters = pd.Series(1.0, pd.to_datetime(table["at"])).resample("15min").sum() // 2
    assert found(pd.DataFrame({"at": quarters.index.astype(str), "amount": quarters.to_numpy()}), value="amount") == []
    noon = pd.to_datetime(table["at"]).dt.floor("D") + pd.Timedelta(hours=12)
    table["at"] = table["at"].where(np.random.default_rng(8).random(len(table)) > 0.3, noon.astype(str))
    table.to_csv("orders.csv", index=False)
    assert "rows are at 12:00:00 exactly, on 42 days" in " ".join(
        audit_sales("orders.csv", time="at", value="rows").notes
    )


@pytest.mark.parametrize(
    ("channel", "first", "last", "rules"),
    [
        pytest.param("app", 42, 42, [], id="nothing is lost"),
        pytest.param("app", 35, 42, ["groups"], id="the app lost its last week"),
        pytest.param("app", 20, 27, [], id="the app lost a week and came back"),
        pytest.param("small", 30, 42, [], id="a hundredth of all"),
        pytest.param("app", 41, 42, [], id="a single day"),
    ],
)
def test_groups_that_stop(channel: str, first: int, last: int, rules: list[str]) -> None:
    table = lines({"web": 0.69, "app": 0.3, "small": 0.01})
    day = (pd.to_datetime(table["at"]) - HOURS[0]).dt.days
    kept = table[~((table["channel"] == channel) & (day >= first) & (day < last))]
    assert found(kept, value="rows", group="channel", anomalies=False) == rules


NUMBERS = [
    "Bon-Nr",
    "Bonnummer",
    "Beleg-Nr.",
    "Kassenbon Nr.",
    "Auftragsnummer",
    "Vorgangsnummer",
    "N° de commande",
    "Numéro de facture",
    "Ticket n°",
    "Nº pedido",
    "Número de factura",
    "num_pedido",
    "Numero scontrino",
    "N. ordine",
    "Bestelnummer",
    "Factuurnummer",
    "Número do pedido",
    "Nº da fatura",
    "Ordrenummer",
    "Kvitteringsnr",
    "Ordernr",
    "Kvittonummer",
    "Order #",
    "Check #",
    "InvoiceNo",
]
COUNTS = [
    "orders",
    "# of orders",
    "number of orders",
    "num_pedidos",
    "sale price",
    "invoice amount",
    "order_count",
    "Bonus",
    "n",
]


def test_the_number_of_a_receipt_is_known_in_the_languages_of_tills() -> None:
    assert [name for name in NUMBERS if not order_number_names([name])] == []
    assert [name for name in COUNTS if order_number_names([name])] == []
