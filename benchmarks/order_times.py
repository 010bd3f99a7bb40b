"""Do the times of orders within the hour pay? Each minute trace seen as hourly totals, with and without them.

Both plan from the same forecasts of hourly totals and serve the same minutes; with times, the planner also knows the
shape within the hour that it learned from the weeks before each plan. Each day is judged with the policy chosen from
the days before. Loads that are no counts stand for as many requests.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.datasets import SKIPPED, find
from benchmarks.policies import TRACES, Trace, chosen_sums, events_of, history_of, read, stamped
from capacity.model import ForecastRequest
from capacity.model.policy import Objective
from capacity.model.replayed import Tried
from capacity.series.within import FINE, OrderTimes
from capacity.simulation.advice import past_forecasts, replay_policies
from capacity.simulation.choice import ChoiceRule

HOURLY = tuple(name for name, trace in TRACES.items() if trace.seen is not None)
QUICK = ("retail by the minute, hourly orders",)
REQUESTS = 1000.0  # that a part of five minutes of a load that is no count stands for, on average


def run(data: Path, quick: bool = False) -> dict[str, Any]:
    """A row for each trace that is there."""
    rows = dict[str, Any]()
    for name in QUICK if quick else HOURLY:
        trace = TRACES[name]
        file = find(data, trace.path, f"order_times {name}")
        rows[name] = SKIPPED if file is None else measure(file, trace)
    return rows


def measure(file: Path, trace: Trace) -> dict[str, Any]:
    """What the days cost with times over what they cost without: chosen day by day, and by the best fixed policy."""
    history = history_of(read(file, trace), trace)
    forecasts = past_forecasts(history, ForecastRequest(events=events_of(trace)), lambda _done, _total: None)
    timed = replace(history, times=OrderTimes(rows_of(file, trace)))
    learned = [one.shape is not None for one in timed.within_at(forecasts).values()]
    plain = replay_policies(history, forecasts)
    tried = replay_policies(timed, forecasts) if any(learned) else plain
    sums, before = chosen_sums(tried, ChoiceRule()), chosen_sums(plain, ChoiceRule())
    return {
        "judged days": sums.days,
        "plans with a shape": float(np.mean(learned)),
        "kept without": 1 - before.above / (sums.days * 1440),
        "kept with times": 1 - sums.above / (sums.days * 1440),
        "cost with times": sums.cost / before.cost - 1,
        "best fixed policy with times": _least(tried) / _least(plain) - 1,
    }


def rows_of(file: Path, trace: Trace) -> pd.Series:
    """Orders in each five minutes."""
    values = stamped(file, trace).resample(FINE).sum()
    return values if trace.counts else values * (REQUESTS / float(values.mean()))


def _least(tried: Tried) -> float:
    """The cost of the cheapest fixed policy with floors that keeps its minutes on the judged days."""
    days = slice(ChoiceRule().fewest, None)
    cost, above = tried.scores.pod_hours[days].sum(axis=0), tried.scores.above[days].sum(axis=0)
    floors = np.array([policy.floors == "forecast" for policy in tried.policies])
    allowed = Objective().allowed_minutes * (tried.scores.days - days.start) + 1e-9
    return float(np.where(floors & (above <= allowed), cost, np.inf).min())
