"""Results show themselves: frames that pandas users expect, cards for notebooks, figures; all escaped."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import capacity as cap
from capacity.forecast import Backtest
from capacity.load import LoadReport
from capacity.model import Bar, Explanation, Finding
from capacity.series import decompose_sales
from capacity.shown import card_of, plot_noun
from capacity.simulation import Replay
from tests.integration.test_report import Elements

HOUR = timedelta(hours=1)
LOAD = cap.LoadModel(0.5, 0.1, 2**30, 2**23)
WEB = cap.Workload("shop", "web", LOAD, cap.Replica(0.5, 2**29), floor=2, ceiling=90)
EVIL = "<script>alert('x')</script>"


def test_a_noun_shows_itself_wherever_it_was_imported_from_and_loads_no_picture_before() -> None:
    """The core imports no view, and a notebook need not either."""
    code = (
        "import sys\n"
        "from capacity.model.explanation import Bar, Explanation\n"
        "from datetime import UTC, datetime\n"
        "at = datetime(2026, 3, 2, 12, tzinfo=UTC)\n"
        "noun = Explanation('shop', 'web', at, 'cpu', 1, (Bar('idle load', 1000, ''),), 1, at)\n"
        "loaded = {'matplotlib', 'pandas', 'capacity.views.plots', 'capacity.views.cards'} & set(sys.modules)\n"
        "print(sorted(loaded), 'shop/web' in noun._repr_html_(), type(noun.plot()).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True Figure"


def test_a_noun_without_a_view_says_so_and_keeps_its_text_in_notebooks() -> None:
    class Unseen:
        pass

    with pytest.raises(TypeError, match="expected a registered view of Unseen, got none: import"):
        plot_noun(Unseen())
    assert card_of(Unseen()) is None


def test_small_nouns_are_shown_in_the_units_that_people_write() -> None:
    card = card_of(WEB)
    assert card is not None
    for words in ("memory_base: 1 GiB", "memory_per_sale_per_hour: 8 MiB", "memory_request: 512 MiB"):
        assert words in card
    assert "Replica(" not in card
    event = card_of(cap.Event("sale", "2026-11-27", "2026-11-28"))
    assert event is not None
    assert "Fri 2026-11-27 00:00 UTC" in event


def history(days: int = 28) -> pd.Series:
    index = pd.date_range("2026-01-05", periods=24 * days, freq="h", tz="UTC")
    daytime = np.sin((index.hour.to_numpy() - 7) * np.pi / 12).clip(0)
    return pd.Series(10 + 50 * daytime * np.random.default_rng(3).lognormal(0, 0.05, len(index)), index)


@cache
def plan() -> cap.WorkloadPlan:
    return cap.plan_workload(cap.project_load(forecast(), LOAD), WEB)


@cache
def forecast() -> cap.Forecast:
    return cap.forecast_sales(history(), horizon="1D", quantile_levels=(0.5, 0.95), window=2 * HOUR)


@cache
def whole() -> cap.Plan:
    one = plan()
    other = replace(one, name="api", demand=None)
    return cap.Plan(one.start, one.start - HOUR, one.end, "hash", {}, (one, other))


@cache
def report() -> LoadReport:
    index = history().index
    usage = pd.DataFrame({"cpu": 0.5 + 0.1 * history() + np.random.default_rng(1).normal(0, 0.01, len(index))})
    return cap.learn_load(history(), usage, prior=LOAD, name="shop/web")


@cache
def explanation() -> Explanation:
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    bars = (Bar("idle load", 1000, "0.5 cores"), Bar("sales", 1500, ""), Bar("rounding", 500, ""))
    return Explanation("shop", "web", at, "cpu", 3, bars, 4, at + HOUR)


@cache
def backtest() -> Backtest:
    return cap.backtest_sales(history(), horizon="1D", origins=3)


@cache
def simulation() -> cap.Simulation:
    return cap.simulate(history(), WEB, replay=Replay(days=1))


NOUNS = [forecast, plan, whole, report, explanation, backtest, simulation]


@pytest.mark.parametrize("made", NOUNS, ids=lambda made: made.__name__)
def test_every_result_has_a_frame_a_figure_and_a_card(made: Any) -> None:
    noun = made()
    frame = noun.to_frame()
    assert len(frame)
    assert frame.index.name is not None
    assert all(isinstance(name, str) for name in frame.columns)
    for theme in ("light", "dark"):
        figure = noun.plot(theme=theme)
        assert isinstance(figure, Figure)
        assert len(str(figure.get_label())) > 20
    card = noun._repr_html_()
    assert card.count("<table>") == 1
    assert len(card) < 6000
    assert "color:" not in card.replace("currentColor", ""), "a card takes the colours of its notebook"


def test_steps_are_a_utc_index_named_start() -> None:
    for noun in (forecast(), plan(), whole(), backtest()):
        index = noun.to_frame().index
        assert (index.name, str(index.tz)) == ("start", "UTC")


def test_a_forecast_frame_has_a_column_per_quantile_and_per_maximum() -> None:
    noun = forecast()
    frame = noun.to_frame()
    assert list(frame.columns) == ["q0.5", "q0.95", "maximum_q0.5", "maximum_q0.95"]
    np.testing.assert_array_equal(frame["q0.95"], noun.at(0.95))
    np.testing.assert_array_equal(frame["maximum_q0.95"], noun.maximum_at(0.95))


def test_a_plan_frame_has_floor_reason_and_the_utilization_it_leads_to() -> None:
    noun = plan()
    frame = noun.to_frame()
    assert list(frame.columns) == ["floor", "reason", "sales", "cpu_cores", "memory_bytes", "utilization"]
    for change in noun.floor:
        assert frame["floor"].iloc[change.offset] == change.replicas
        assert frame["reason"].iloc[change.offset] == change.reason
    by_hand = np.maximum(frame["cpu_cores"] / 0.5, frame["memory_bytes"] / 2**29) / frame["floor"]
    np.testing.assert_allclose(frame["utilization"], by_hand)
    assert frame["utilization"].max() <= 0.8 + 1e-9
    assert list(replace(noun, demand=None).to_frame().columns) == ["floor", "reason"]


def test_many_workloads_are_one_long_frame() -> None:
    frame = whole().to_frame()
    assert list(frame.columns[:2]) == ["namespace", "name"]
    assert frame.groupby("name").size().to_dict() == {"api": 96, "web": 96}
    assert frame.loc[frame["name"] == "api", "utilization"].isna().all(), "a plan from a file knows no demand"


def test_the_last_total_of_an_explanation_is_the_floor() -> None:
    frame = explanation().to_frame()
    assert frame["total"].iloc[-1] == 3
    np.testing.assert_allclose(frame["replicas"].cumsum(), frame["total"])


def test_a_load_frame_has_the_slope_and_its_interval() -> None:
    row = report().to_frame().loc["cpu"]
    assert row["low"] < 0.1 < row["high"]
    assert row["per_sale_per_hour"] == pytest.approx(0.1, rel=0.02)
    unknown = LoadReport("web", LOAD, (Finding("cpu", "configured", "none"),))
    assert unknown.to_frame().loc["cpu"].isna().sum() >= 5


@pytest.mark.parametrize(
    "made",
    [
        lambda: replace(plan(), name=EVIL),
        lambda: replace(forecast(), unit=EVIL, model=EVIL, notes=(EVIL,)),
        lambda: replace(explanation(), name=EVIL, bars=(Bar(EVIL, 3000, EVIL),)),
        lambda: LoadReport(EVIL, LOAD, (Finding("cpu", "configured", EVIL),)),
    ],
    ids=["plan", "forecast", "explanation", "load"],
)
def test_what_comes_from_outside_is_text_in_a_card(made: Any) -> None:
    card = made()._repr_html_()
    assert "&lt;script&gt;" in card
    assert "script" not in {tag for tag, _ in Elements(card).found}


def test_parts_add_up_to_the_sales_and_gaps_have_no_rest() -> None:
    sales = history()
    sales.iloc[100:104] = np.nan
    parts = decompose_sales(sales)
    assert list(parts.columns) == ["sales", "level", "daily", "rest"]
    whole = parts.dropna()
    np.testing.assert_allclose(whole.drop(columns="sales").sum(axis=1), whole["sales"], atol=1e-9)
    assert parts["rest"].isna().sum() == 4


def test_a_flat_history_is_level_alone() -> None:
    index = pd.date_range("2026-01-05", periods=100, freq="D", tz="UTC")
    parts = decompose_sales(pd.Series(7.0, index))
    assert list(parts.columns) == ["sales", "level", "rest"]
    np.testing.assert_array_equal(parts["level"], 7.0)
    with pytest.raises(cap.DataError, match="expected at least 8 steps with data, got 3"):
        decompose_sales(pd.Series(7.0, index[:3]))
