"""What the calendar block knows ahead reaches the forecast: paydays, month ends, own columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capacity.cli import main

DAYS = pd.date_range("2025-01-01", periods=420, freq="D")
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
