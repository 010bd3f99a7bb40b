"""`capacity audit` as a pipeline uses it: exit codes, every audit kept, columns that change overnight, the trend."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from capacity.cli import main
from capacity.model import DataError
from capacity.quality import Audit
from capacity.sources import append_audit, read_audits

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
FRESH = {"freshness": {"within": "36500d"}}  # these rows are old whenever the tests run
HOURS = pd.date_range("2026-01-05", periods=24 * 22, freq="h")
OLD = b'{"schema": "an older plan, still in force"}'


def sales_of(values: Any) -> str:
    return "at,n\n" + "".join(f"{at:%Y-%m-%d %H:%M:%S},{value}\n" for at, value in zip(HOURS, values, strict=True))


GOOD = sales_of(100 + 10 * np.arange(len(HOURS)) % 24)


def configure(orders: str, **sales: Any) -> None:
    web = {"namespace": "shop", "name": "web", "floor": 2, "ceiling": 20}
    web |= {"replica": {"cpu_request": "500m", "memory_request": "512Mi"}}
    web |= {"load": {"cpu": {"base": "500m", "per_sale_per_hour": "10m"}, "memory": {"base": "1Gi"}}}
    chosen = {"source": "orders.csv", "time": "at", "value": {"sum": "n"}, "owner": "team-orders", **FRESH, **sales}
    document = {"sales": chosen, "forecast": {"horizon": "1d", "quantile_levels": [0.5, 0.95]}, "workloads": [web]}
    Path("capacity.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    Path("orders.csv").write_text(orders, encoding="utf-8")


def audited(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = main(["audit", "--output", "json", *arguments])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("bad", "sales", "code", "verdict"),
    [
        pytest.param(0, {}, 0, "ok", id="every row is good"),
        pytest.param(1, {}, 0, "warn", id="one row of 528: below 99.9 %"),
        pytest.param(3, {}, 3, "refuse", id="three of 528: below 99.5 %"),
        pytest.param(3, {"quality": {"refuse_below": 0}}, 0, "warn", id="never refused where asked"),
        pytest.param(0, {"freshness": {"within": "2h", "otherwise": "refuse"}}, 3, "refuse", id="no fresh row"),
        pytest.param(0, {"contract": {"columns": {"at": "time", "price": "number"}}}, 3, "refuse", id="a column gone"),
    ],
)
def test_the_exit_code_and_the_plan_follow_the_verdict(
    bad: int, sales: dict[str, Any], code: int, verdict: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(GOOD.replace(",100\n", ",many\n", bad), **sales)
    Path("plan.json").write_bytes(OLD)
    got, document = audited(capsys)
    assert (got, document["verdict"], document["owner"]) == (code, verdict, "team-orders")
    if code:
        assert main(["plan"]) == 3
        line = capsys.readouterr().err
        assert line.startswith("capacity: held: orders.csv: ")
        assert "(owner: team-orders); the last plan stays in force" in line
        assert Path("plan.json").read_bytes() == OLD


@pytest.mark.parametrize("renamed", ["At", "at_utc"])
def test_a_column_renamed_overnight_names_its_new_name_and_owner_and_keeps_the_plan(
    renamed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(GOOD.replace("at,n", f"{renamed},n", 1))
    Path("plan.json").write_bytes(OLD)
    assert main(["plan"]) == 1
    line = capsys.readouterr().err
    assert f"no column 'at' (sales.time); its columns: {renamed}, n" in line
    assert line.endswith("(owner: team-orders)\n")
    assert Path("plan.json").read_bytes() == OLD


def test_columns_that_changed_since_the_last_audit_are_told_without_any_contract(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [f"{line},{1.5 if place else 'UnitPrice'}\n" for place, line in enumerate(GOOD.splitlines())]
    configure("".join(lines))
    audited(capsys)
    Path("orders.csv").write_text(Path("orders.csv").read_text().replace("UnitPrice", "unit_price"), encoding="utf-8")
    _, document = audited(capsys)
    assert any("column 'UnitPrice' is gone, 'unit_price' came: renamed?" in note for note in document["notes"])


def test_every_audit_is_kept_and_shown_since(capsys: pytest.CaptureFixture[str]) -> None:
    for bad in (0, 1, 3):
        configure(GOOD.replace(",100\n", ",many\n", bad))
        audited(capsys)
    files = sorted(Path("audits").glob("*.parquet"))
    assert len(files) == 3
    code, history = audited(capsys, "--since", "1h")
    assert code == 3, "the latest audit refused"
    assert [audit["verdict"] for audit in history] == ["ok", "warn", "refuse"]
    assert [audit["failures"].get("readable_value", 0) for audit in history] == [0, 1, 3]
    assert main(["audit", "--since", "1h"]) == 3
    assert "3 audits: 1 ok, 1 warn, 1 refuse; lowest score 99.4318 %" in capsys.readouterr().out


def test_an_anomaly_of_the_newest_day_is_found_by_the_forecast_from_before(capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(2)
    usual = generator.poisson(100 + 50 * np.sin(2 * np.pi * np.arange(len(HOURS)) / 24))
    configure(sales_of(usual), anomalies={"window": "1d"})
    assert audited(capsys)[1]["findings"] == []
    halved = np.concatenate([usual[:-24], usual[-24:] // 3])
    configure(sales_of(halved), anomalies={"window": "1d", "otherwise": "refuse"})
    code, document = audited(capsys)
    assert code == 3
    assert [finding["rule"] for finding in document["findings"]] == ["value_anomalies"]


def audit(score: int, source: str = "orders.csv") -> Audit:
    return Audit(source, 1000, score, {"r": 1000 - score})


def test_audits_are_read_back_in_order_whatever_was_cut_short_beside_them(tmp_path: Path) -> None:
    folder = tmp_path / "audits"
    for age, score in ((3, 1000), (1, 990), (2, 998)):
        append_audit(folder, audit(score), NOW - timedelta(days=age))
    written = append_audit(folder, audit(500), NOW)
    written.write_bytes(written.read_bytes()[:100])
    (folder / ".half.parquet.part").write_bytes(b"PAR1")
    history = read_audits(folder)
    assert list(history.audits["passed"]) == [1000, 998, 990]
    assert history.broken == (written.name,)
    assert list(read_audits(folder, NOW - timedelta(days=2)).audits["passed"]) == [998, 990]


def test_no_audit_ever_changes_an_older_one(tmp_path: Path) -> None:
    append_audit(tmp_path, audit(1000), NOW)
    (first,) = tmp_path.glob("*.parquet")
    before = first.read_bytes()
    append_audit(tmp_path, audit(1000), NOW)
    assert len(list(tmp_path.glob("*.parquet"))) == 2
    assert first.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"--history: .*file cannot be written"):
        append_audit(tmp_path / "file", audit(1000), NOW)


def test_no_history_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--since", "7d"]) == 2
    assert "no folder audits: audits are kept there once" in capsys.readouterr().err
