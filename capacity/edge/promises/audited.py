"""What the audits kept by `capacity audit` say of the data: how late it was, how many of its rows were good."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from capacity.edge.promises.promise import TARGETS, Promise
from capacity.edge.screen import count, duration

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "audits"
MOST = 0.95  # of the audits: one late night in twenty is no broken promise


def latency_promise(audits: pd.DataFrame) -> Promise:
    """How late the data of the worst source was in all but a twentieth of its audits.

    From an event to its row where the source says (`sales.available_at`), else the age of the newest row.
    """
    late = audits.assign(late=_latencies(audits)).dropna(subset="late")
    if late.empty:
        return Promise(TARGETS["data latency"], None, SOURCE, "no audit of this time has a good row")
    ranked = {str(source): sorted(own.tolist()) for source, own in late.groupby("source")["late"]}
    at_most = {source: own[math.ceil(MOST * len(own)) - 1] for source, own in ranked.items()}
    worst = max(at_most, key=at_most.__getitem__)
    highest = duration_of(ranked[worst][-1])
    note = f"{worst}, {count(len(ranked[worst]), 'audit')}, {highest} at most"
    return Promise(TARGETS["data latency"], at_most[worst], SOURCE, note)


def quality_promise(audits: pd.DataFrame) -> Promise:
    """Good rows over rows of all audits, of the worst source."""
    rows = audits.groupby("source")[["passed", "rows"]].sum()
    known = rows[rows["rows"] > 0]
    if known.empty:
        return Promise(TARGETS["data quality"], None, SOURCE, "no audit of this time has rows")
    shares = known["passed"] / known["rows"]
    worst = str(shares.idxmin())
    own = audits[(audits["source"] == worst) & (audits["rows"] > 0)]
    note = f"{worst}, {count(len(own), 'audit')}, lowest score {own['score'].min():.2%}"
    return Promise(TARGETS["data quality"], float(shares.min()), SOURCE, note)


def duration_of(seconds: float) -> str:
    """Seconds as people read them."""
    return duration(timedelta(seconds=round(seconds)))


def _latencies(audits: pd.DataFrame) -> pd.Series:
    """Seconds; never below zero: a row may bear a time of its own clock."""
    age = (audits["audited_at"] - audits["newest"]).dt.total_seconds()
    told: pd.Series = audits["latency_seconds"].astype(float)
    return told.where(told.notna(), age).clip(lower=0)
