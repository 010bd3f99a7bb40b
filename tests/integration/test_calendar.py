"""What the calendar block knows ahead reaches the forecast: paydays, month ends, own columns."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capacity.app.configuration import read_config
from capacity.app.reading import read_orders
from capacity.cli import main
from capacity.planning.orders import request_of
from capacity.series.calendar import holiday_events

DAYS = pd.date_range("2025-01-01", periods=420, freq="D")
ENDS = (pd.Timestamp("2025-01-01", tz="UTC"), pd.Timestamp("2026-02-25", tz="UTC"))
AHEAD = pd.date_range("2025-01-01", periods=434, freq="D")


def forecast(folder: Path, sales: np.ndarray, calendar: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> Any:
    rows = "".join(f"{day:%Y-%m-%d},{value:.3f}\n" for day, value in zip(DAYS, sales, strict=True))
    (folder / "orders.csv").write_text("day,n\n" + rows)
    settings = {"source": "orders.csv", "time": "day", "value": {"sum": "n"}, "step": "1d"}
    (folder / "capacity.yaml").write_text(json.dumps({"sales": settings, "calendar": calendar}))
    assert main(["forecast", "--output", "json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    return document


def noise() -> np.ndarray:
    return np.random.default_rng(3).normal(100.0, 4.0, len(DAYS))


def test_paydays_are_learned_from_past_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sales = noise()
    sales[(DAYS.day == 25) & (DAYS.day_of_week < 5)] *= 2
    sales[(DAYS.day_of_week == 4) & np.isin(DAYS.day, (23, 24))] *= 2
    document = forecast(tmp_path, sales, {"payday": 25}, capsys)
    assert any(note.startswith("payday: uplift") for note in document["notes"]), document["notes"]


def test_month_ends_are_learned_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sales = noise()
    sales[DAYS.is_month_end] *= 3
    document = forecast(tmp_path, sales, {"month_ends": True}, capsys)
    at = [start[:10] for start in document["start"]].index("2026-02-28")
    assert document["quantiles"]["0.5"][at] > 1.8 * document["quantiles"]["0.5"][at - 1]


def test_own_columns_move_the_forecast(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spend = 1.0 + (np.arange(len(AHEAD)) // 5 % 3)
    pd.DataFrame({"day": AHEAD.strftime("%Y-%m-%d"), "spend": spend}).to_csv(tmp_path / "spend.csv", index=False)
    document = forecast(tmp_path, noise() * spend[: len(DAYS)], {"columns": "spend.csv"}, capsys)
    assert any("spend" in note for note in document["notes"]), document["notes"]
    median = np.array(document["quantiles"]["0.5"])
    ahead = spend[len(DAYS) :]
    assert median[ahead == 3].mean() > 2 * median[ahead == 1].mean()


def test_columns_that_end_too_early_are_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "spend.csv").write_text("day,spend\n2025-01-01,1\n2025-01-02,2\n")
    with pytest.raises(AssertionError):
        forecast(tmp_path, noise(), {"columns": "spend.csv"}, capsys)
    assert "covariates: spend must be finite on the whole horizon" in capsys.readouterr().err


def two_shops(folder: Path, calendar: dict[str, Any]) -> None:
    """Orders of a Bulgarian shop that is closed on Bulgaria's holidays, and of one in the United States."""
    closed = [day.start.date() for day in holiday_events(["BG"], *(at.to_pydatetime() for at in ENDS), "UTC")]
    sales = {"BG": noise() * ~np.isin(DAYS.date, closed), "US": noise()}
    rows = [
        f"{day:%Y-%m-%d},{shop},{value:.3f}"
        for shop, values in sales.items()
        for day, value in zip(DAYS, values, strict=True)
    ]
    (folder / "orders.csv").write_text("\n".join(["day,shop,n", *rows]))
    settings = {"source": "orders.csv", "time": "day", "value": {"sum": "n"}, "step": "1d", "group": "shop"}
    load = {"cpu": {"base": 0.1, "per_sale_per_hour": 0.1}, "memory": {"base": "64Mi", "per_sale_per_hour": "1Mi"}}
    replica = {"cpu_request": "500m", "memory_request": "1Gi"}
    shop = {"namespace": "shop", "load": load, "replica": replica, "ceiling": 50}
    workloads = [{**shop, "name": name.lower(), "group": name} for name in sales]
    (folder / "events.csv").write_text("name,start,end,kind,uplift\nsale,2026-03-05,2026-03-06,promotion,3\n")
    document = {"sales": settings, "calendar": calendar, "workloads": workloads}
    (folder / "capacity.yaml").write_text(json.dumps(document))


def test_each_group_has_its_own_holidays_and_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    groups = {"BG": {"holidays": ["BG"]}, "US": {"holidays": ["US"], "events": "events.csv"}}
    two_shops(tmp_path, {"groups": groups})
    assert main(["forecast", "--output", "json"]) == 0
    medians = {}
    for document in json.loads(capsys.readouterr().out):
        days = [start[:10] for start in document["start"]]
        medians[document["group"]] = dict(zip(days, document["quantiles"]["0.5"], strict=True))
    assert medians["BG"]["2026-03-03"] < 5, "Bulgaria's Liberation Day"
    assert medians["US"]["2026-03-03"] > 80
    assert medians["US"]["2026-03-05"] > 200, "a promotion of this shop alone"
    assert medians["BG"]["2026-03-05"] < 130


def test_the_days_of_a_group_follow_its_own_clock(tmp_path: Path) -> None:
    groups = {"BG": {"timezone": "Europe/Sofia"}, "US": {"timezone": "America/New_York", "holidays": []}}
    two_shops(tmp_path, {"holidays": ["BG"], "payday": 25, "groups": groups})
    config = read_config(tmp_path / "capacity.yaml")
    orders = read_orders(config, ENDS[1].to_pydatetime())
    asked = {group: request_of(config, orders, group) for group in (None, "BG", "US")}
    assert [one.timezone for one in asked.values()] == ["UTC", "Europe/Sofia", "America/New_York"]
    assert [one.holidays for one in asked.values()] == [("BG",), ("BG",), ()]
    assert [min(event.start for event in one.events).astimezone(UTC).hour for one in asked.values()] == [0, 22, 5]
    assert len({len(one.events) for one in asked.values()}) == 1


def test_a_calendar_of_groups_needs_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_shops(tmp_path, {"groups": {"BG": {"holidays": ["BG"]}}})
    document = json.loads((tmp_path / "capacity.yaml").read_text())
    del document["sales"]["group"], document["workloads"]
    (tmp_path / "capacity.yaml").write_text(json.dumps(document))
    assert main(["forecast"]) == 2
    assert "calendar.groups: expected sales.group" in capsys.readouterr().err
