"""`capacity try`: from a bare file to a verdict, a page and a configuration; other verbs on a bare file."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from capacity.app.configuration import read_config
from capacity.app.trial import render_starter, try_orders
from capacity.app.unconfigured import FileOptions, TypicalService
from capacity.cli import main
from capacity.cli.setup import source_of
from capacity.model import DataError
from capacity.sources.guessing import Given, guess_sales
from capacity.sources.sample import sample_orders
from capacity.views.trial import trial_sheet
from tests.peers import Postgres

HOURS = pd.date_range("2025-09-01", periods=24 * 28, freq="h")
BUSY = 5 + 40 * np.clip(np.sin((HOURS.hour - 6) / 12 * np.pi), 0, None) * np.where(HOURS.day_of_week < 5, 1, 0.4)


@pytest.fixture
def orders() -> None:
    counts = np.random.default_rng(3).poisson(BUSY)
    pd.DataFrame({"Ordered at": HOURS.strftime("%d/%m/%Y %H:%M"), "Orders": counts}).to_csv("orders.csv", index=False)


@pytest.mark.usefixtures("orders")
def test_a_bare_file_gives_a_verdict_a_page_and_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    flags = [
        "--days",
        "2",
        "--timezone",
        "Europe/Berlin",
        "--holidays",
        "DE",
        "--cores-per-order",
        "100m",
        "--start-time",
        "2m",
    ]
    assert main(["try", "orders.csv", *flags]) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 100, "readable in a pipe"
    assert printed.splitlines() == [line.rstrip() for line in printed.splitlines()]
    said = " ".join(printed.split())
    for words in (
        "orders.csv: 672 rows, 2025-09-01 to 2025-09-28",
        "'Ordered at', day first: '%d/%m/%Y %H:%M', without a zone, read in Europe/Berlin",
        "the sum of 'Orders' (each time has one row, so a row is a total)",
        "a daily cycle",
        "(90 % interval:",
        "% off on average; repeating the previous season",
        "0.1 more for each order an hour); its pods request 500m CPU and are ready after 2 min",
        "objective: 99.5 % of minutes at or under 80 % utilization, judged by replaying the last 2 days",
        "28 days are less than a year, so no yearly cycle can be seen or forecast yet",
        "only 2 of at least 7 days could be replayed",
    ):
        assert words in said
    assert "Capacity review" in Path("report.html").read_text(encoding="utf-8")
    config = read_config("capacity.yaml")
    assert (config.timezone, config.calendar.holidays, config.orders().time) == ("Europe/Berlin", ("DE",), "Ordered at")
    assert config.workloads[0].load.cpu_per_sale_per_hour == pytest.approx(0.1)
    assert Path("capacity.yaml").read_text(encoding="utf-8").count("# yours:") >= 4
    assert main(["plan", "-q"]) == 0, "the configuration plans as it is"


@pytest.mark.usefixtures("orders")
def test_it_takes_a_file_or_the_sample(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try"]) == main(["try", "orders.csv", "--sample"]) == 2
    said = capsys.readouterr().err
    assert "expected a FILE such as orders.csv, or --sample, got neither" in said
    assert "expected a FILE such as orders.csv, or --sample, got both" in said
    name, options = source_of(None, FileOptions(), sample=True)
    assert (Path(name), options.timezone, options.holidays) == (sample_orders(), "Europe/London", ("GB-ENG",))


def test_a_table_of_orders_in_postgresql_is_found_and_counted_there(postgres: Postgres) -> None:
    postgres.sql(
        """CREATE SCHEMA IF NOT EXISTS trial; DROP TABLE IF EXISTS trial.bookings;
        CREATE TABLE trial.bookings AS SELECT h * 100 + n AS id, 'paid' || h % 2 AS status,
          timestamptz '2025-09-01 00:00:30+00' + h * interval '1 hour' + n * interval '1 minute' AS created_at
        FROM generate_series(0, 24 * 21 - 1) h, generate_series(1, 2 + (20 * sin(h % 24 * 0.13)::numeric)::int) n"""
    )
    url = postgres.url.replace("postgresql", "postgres", 1)
    options = FileOptions(Given(step=timedelta(days=1)), "Europe/Berlin")
    trial, config = try_orders(url, options, TypicalService(), datetime(2026, 1, 1, tzinfo=UTC))
    said = [f"{name} {text}" for name, text in trial_sheet(trial).rows]
    assert said[:4] == [
        "rows SELECT * FROM trial.bookings [--query]",
        "times 'created_at', counted in its database; its times name their zone [--time, --time-format]",
        "orders each row is one order (each row has its own 'id') [--value]",
        " every 'status' counts ('paid0', 'paid1'); use a condition in --query to leave some out",
    ]
    text = render_starter(url, config, trial, Path())
    assert f"url: {url}" in text
    assert "select" not in text.lower().replace("select * from trial.bookings", "")
    with pytest.raises(DataError, match="cannot connect"):
        guess_sales(f"{url}nowhere")


def test_totals_of_days_are_not_judged_and_a_configuration_is_never_overwritten_unasked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    days = pd.date_range("2025-01-01", periods=120, freq="D")
    table = pd.DataFrame({"day": days.strftime("%Y-%m-%d"), "orders": 100 + 40 * (days.day_of_week > 4)})
    table.to_csv("daily.csv", index=False)
    Path("capacity.yaml").write_text("# mine\n", encoding="utf-8")
    assert main(["try", "daily.csv", "-o", "json"]) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["read"] == {
        "time": "day",
        "value": "orders",
        "step": "1d",
        "timezone": "UTC",
        "other_times": [],
        "other_values": ["rows"],
    }
    assert [season["name"] for season in document["seasons"]] == ["weekly"]
    assert pd.Timestamp(document["next_peak"]["at"]).day_name() in ("Saturday", "Sunday")
    assert document["words"][-1].startswith("verdict: not judged: totals of a day or more do not show the peak")
    assert "capacity.yaml exists and was not changed; --overwrite replaces it" in said.err
    page = " ".join(Path("report.html").read_text(encoding="utf-8").split())
    assert "Not certain." in page
    assert "the peak within the day is not known: provide single orders, or totals by the hour." in page
    assert Path("capacity.yaml").read_text(encoding="utf-8") == "# mine\n"


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize(
    "words",
    [
        ["seasonality", "orders.csv", "--timezone", "Europe/Berlin"],
        ["forecast", "orders.csv", "--horizon", "2d", "--time", "Ordered at", "--value", "Orders", "--holidays", "DE"],
        ["backtest", "orders.csv", "--horizon", "2d", "--origins", "2"],
        ["plan", "orders.csv", "--horizon", "2d", "--cores-per-order", "100m"],
        ["audit", "orders.csv"],
    ],
    ids=lambda words: words[0],
)
def test_other_verbs_work_on_a_bare_file(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out
    assert "no configuration: times from 'Ordered at' (--time)" in said.err
    assert ("no workload is configured: assumed one service" in said.err) == (words[0] == "plan")


def test_a_file_that_is_too_short_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    Path("one.csv").write_text("when,n\n2026-01-01,1\n", encoding="utf-8")
    assert main(["try", "one.csv"]) == 1
    assert "expected orders in at least 4 steps of 1d, got 1: provide a longer history" in capsys.readouterr().err


@pytest.mark.usefixtures("orders")
def test_flags_take_the_place_of_what_the_configuration_says(capsys: pytest.CaptureFixture[str]) -> None:
    sales = {"source": "orders.csv", "time": "Ordered at", "value": {"sum": "Orders"}}
    Path("capacity.yaml").write_text(yaml.safe_dump({"sales": sales}), encoding="utf-8")
    assert main(["forecast", "-q", "-o", "json", "--horizon", "1d"]) == 0
    (made,) = json.loads(capsys.readouterr().out)
    assert len(made["start"]) == 24
    assert main(["forecast", "-q", "--time", "when"]) == 1
    assert "no column 'when'" in capsys.readouterr().err
    assert main(["forecast", "other.csv", "-c", "none.yaml"]) == 2
    assert "no configuration none.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--timezone", "Berlin"], "--timezone: expected an IANA time zone"),
        (["--step", "soon"], "--step: expected a duration"),
        (["--decimal", "x"], "--decimal: expected . or a comma"),
        (["--cores-per-order", "many"], "--cores-per-order: expected a quantity"),
        (["--start-time", "soon"], "--start-time: expected a duration"),
        (["--time", "when"], "orders.csv: no column 'when' for time"),
    ],
)
@pytest.mark.usefixtures("orders")
def test_a_wrong_flag_is_named(words: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try", "orders.csv", *words]) in (1, 2)
    assert error in " ".join(capsys.readouterr().err.split())


def test_the_sample_lives_at_its_own_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--sample", "-o", "json"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["promises"]}
    assert (found["data latency"]["value"], found["data quality"]["value"]) == (0.0, 1.0)
    assert main(["load", "--sample"]) == 0
    assert "0.1193 (0.1175 to 0.1211) per sale per hour" in capsys.readouterr().out
    assert main(["-h"]) == 0


def test_a_bad_scenario_is_said_before_anything_is_computed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from capacity.planning import pipeline

    monkeypatch.setattr(pipeline, "forecast_many", lambda *_, **__: pytest.fail("a forecast was made"))
    for bad in ("lost-zone", "promotion=2031-01-01/2031-01-02:+50%"):
        assert main(["plan", "--sample", "--scenario", "growth=+20%", "--scenario", bad]) == 1
        assert "expected a" in capsys.readouterr().err


def test_data_that_a_plan_would_refuse_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    counts = [f'"{1000 + 10 * hour.hour:,}"' for hour in HOURS]
    rows = "\n".join(f"{hour:%Y-%m-%d %H:%M},{count}" for hour, count in zip(HOURS, counts, strict=True))
    Path("hours.csv").write_text(f"hour,orders\n{rows}\n", encoding="utf-8")
    assert main(["try", "hours.csv", "--days", "1"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "quality refuse: hours.csv: orders: all 672 numbers with a comma have three digits after it" in said
    assert "`capacity plan` refuses such data" in said
    assert main(["plan", "-q"]) == 3, "the configuration refuses them too, until it says what the comma means"
