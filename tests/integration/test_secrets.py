"""Planted secrets and a planted customer: no verb prints or writes them, whatever goes wrong, with --debug too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from capacity.cli import main

TOKEN, SIGNATURE, PASSWORD, MAIL = "t0kenCanary", "s1gnCanary", "p4ssCanary", "jane.canary@example.org"
CANARIES = (TOKEN, SIGNATURE, PASSWORD, MAIL)
VERBS = ("audit", "seasonality", "forecast", "backtest", "load", "advise", "plan", "explain", "report", "outlook",
         "volumes", "simulate --days 1", "try orders.csv --days 7")  # fmt: skip
READING = ("audit", "plan")  # where nothing else differs
CLUSTER_VERBS = ("doctor", "preview", "apply", "restore", "status")
SIGNED = f"https://127.0.0.1:1/day/orders.csv?X-Amz-Signature={SIGNATURE}&sig={SIGNATURE}&token={TOKEN}"
WORKLOAD = {
    "namespace": "shop",
    "name": "web",
    "ceiling": 50,
    "lead_time": "5m",
    "load": {"cpu": {"base": 1, "per_sale_per_hour": 0.01}, "memory": {"base": "1Gi"}},
    "replica": {"cpu_request": "500m", "memory_request": "1Gi"},
}
RULES = [{"name": "priced", "check": "price > 0"}]


def write_rows() -> pd.DataFrame:
    """Four weeks of orders of a customer; some without a price, and a line that no reader can split."""
    end = pd.Timestamp(datetime.now(UTC)).floor("h").tz_localize(None)
    times = pd.date_range(end - pd.Timedelta("28D"), end, freq="20min", inclusive="left")
    rows = pd.DataFrame({"at": times.astype(str), "price": 9.5, "customer": MAIL})
    rows.loc[rows.index % 2000 == 7, "price"] = -1
    rows.to_csv("orders.csv", index=False)
    with Path("orders.csv").open("a", encoding="utf-8") as stream:
        stream.write(f'{times[-1]},1,2,3,{MAIL},"{MAIL}\n')
    return rows


def source(kind: str) -> Any:
    rows = write_rows()
    if kind == "url":
        return SIGNED
    if kind == "no database":
        return {"url": f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:1/x?application_name=a", "query": "SELECT 1"}
    if kind == "database":
        with closing(sqlite3.connect("orders.db")) as connection:
            rows.to_sql("orders", connection, index=False)
        return {"url": f"sqlite:///{Path('orders.db').absolute()}", "query": "SELECT * FROM orders"}
    return "orders.csv"


def outputs(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[tuple[str, str]]:
    """Everything that a verb left: what it printed and logged, and the files it wrote; not those of the user."""
    printed = capsys.readouterr()
    yield from (("stdout", printed.out), ("stderr", printed.err), ("log", caplog.text))
    for file in sorted(Path().rglob("*")):
        if file.is_file() and file.name not in ("orders.csv", "orders.db", "capacity.yaml"):
            yield str(file), file.read_bytes().decode("latin-1")


@pytest.mark.parametrize(
    ("kind", "debug"), [("file", False), ("file", True), ("database", True), ("url", True), ("no database", True)]
)
def test_nothing_planted_leaves(
    kind: str,
    *,
    debug: bool,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/dev/null")
    sales = {"source": source(kind), "time": "at", "value": {"rows": True}, "rules": RULES}
    document = {"sales": sales, "forecast": {"horizon": "2d"}, "workloads": [WORKLOAD]}
    Path("token").write_text(TOKEN, encoding="utf-8")
    document["prometheus"] = {"url": "http://127.0.0.1:1", "token_file": "token", "retries": 0, "timeout": "1s"}
    verbs = (*VERBS, *CLUSTER_VERBS) if kind == "file" and debug else (*READING, *CLUSTER_VERBS)
    verbs = ("init", "audit", "plan", "doctor") if kind in ("url", "no database") else verbs
    if kind in ("file", "database"):
        del document["prometheus"]
    Path("capacity.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    leaks = []
    for verb in verbs:
        caplog.clear()
        with suppress(SystemExit):
            main([*verb.split(), *(["--debug"] if debug else [])])
        for where, text in outputs(capsys, caplog):
            leaks += [f"{verb}: {canary} in {where}" for canary in CANARIES if canary in text and where != "token"]
    assert not leaks, leaks
    if kind == "file":
        assert Path("quarantine.parquet").exists(), "there were bad rows to leak"
        assert Path("quarantine.parquet").stat().st_mode & 0o077 == 0
        assert all(file.stat().st_mode & 0o077 == 0 for file in Path("audits").glob("*.parquet"))
