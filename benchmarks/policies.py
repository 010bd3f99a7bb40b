"""Policies on public traces: cost at equal overload against the best HPA of a sweep, and against the optimum.

Settings are one for all traces. They were chosen on World Cup 98, 10 to 19 June, which is not among the days judged.
Ours goes through the very functions that `capacity simulate` and production call: `past_plans` and `decide`. Demand
beyond capacity is seen by the HPA in full, which favours it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.datasets import SKIPPED, find
from capacity.decision import ControllerRules as Pace
from capacity.model import Event, ForecastRequest, LoadModel, Replica, Workload
from capacity.simulation import (
    Case,
    Cluster,
    Policy,
    Promise,
    Rule,
    Schedule,
    Service,
    Start,
    Trial,
    ahpa_like,
    autopilot_like,
    aws_like,
    by_day,
    cron_schedule,
    decided_floor,
    hpa_sweep,
    interval,
    judge,
    oracle,
    past_forecasts,
    past_plans,
    past_request,
    planned_levels,
    reduction,
    saving,
    seasonal_naive,
    static_peak,
    static_quantile,
    swept,
    try_policies,
)
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.replay import Forecasts

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HALF = timedelta(minutes=30)
FIXTURES = Path(__file__).with_name("worldcup98_fixtures.csv")
LEVELS = (0.5, 0.8, 0.9)
TARGETS = (70, 80)  # percent, of the HPA above the plan; the rivals have the first
PEAK = 120  # replicas that the highest judged demand needs at the target: large enough that rounding is small
SEED = 11
STATIC = "static peak"


@dataclass(frozen=True, slots=True)
class Trace:
    """A public series, the days judged (its last ones), how often the model is fitted, and the lead times tried."""

    path: str
    column: str
    step: timedelta
    days: float
    every: timedelta
    leads: tuple[int, ...]
    events: bool = False
    until: str | None = None
    peak: int = PEAK


FIVE, AUGUST, END = 5 * MINUTE, "cloud_cluster/aug2024_5min.csv.gz", "cloud_cluster/aug26_31_1min.csv.gz"
TRACES = {
    "worldcup98": Trace(
        "worldcup98/requests_per_minute.csv.gz", "requests", FIVE, 23, HALF, (15, 30), True, "1998-07-13", 250
    ),
    "azure": Trace("dc_traces/azure_v2_2019_5min.csv.gz", "cpu_usage", FIVE, 7, HOUR, (8, 15)),
    "google": Trace("dc_traces/google2019_5min.csv.gz", "avg_cpu", FIVE, 7, HOUR, (8, 15)),
    "nasa": Trace("nasa_http/requests_per_minute_july.csv.gz", "requests", FIVE, 7, HOUR, (15,)),
    "cluster2": Trace(AUGUST, "cluster2", FIVE, 4, HOUR, (8, 15)),
    "cluster9": Trace(AUGUST, "cluster9", FIVE, 4, HOUR, (8, 15)),
    "cluster10": Trace(END, "cluster10", FIVE, 3, HOUR, (15,)),
    "cluster15": Trace(END, "cluster15", FIVE, 3, HOUR, (15,)),
    "retail": Trace("online_retail/hourly_sales.csv.gz", "orders", HOUR, 28, DAY, (5,), peak=40),
}


def run(data: Path, quick: bool = False) -> dict[str, Any]:
    """Every trace that is there at every lead time: one row per policy of ours, one with the best rival."""
    rows, skipped = dict[str, Any](), dict[str, Any]()
    for name, trace in TRACES.items():
        file = find(data, trace.path, f"policies {name}")
        if file is None:
            skipped[name] = SKIPPED
            continue
        judged = replace(trace, days=min(trace.days, 3), leads=trace.leads[:1]) if quick else trace
        series = _read(file, judged)
        for lead in judged.leads:
            rows |= {f"{name} {lead} min: {key}": row for key, row in _measured(series, judged, lead).items()}
    rows["worst trace"] = _worst(rows)
    return rows | skipped


def _read(file: Path, trace: Trace) -> pd.Series:
    """The trace on its grid, short gaps bridged, scaled so that its judged peak needs `trace.peak` replicas."""
    frame = pd.read_csv(file)
    times = frame.iloc[:, 0]
    index = pd.to_datetime(times, unit="s") if pd.api.types.is_numeric_dtype(times) else pd.to_datetime(times)
    grid = pd.DatetimeIndex(index)
    grid = grid.tz_localize("UTC") if grid.tz is None else grid
    values = pd.Series(frame[trace.column].to_numpy(dtype=float), grid).resample(trace.step).mean().interpolate()
    series: pd.Series = values[: trace.until].iloc[:-1]
    judged = series.iloc[-round(trace.days * DAY / trace.step) :]
    return series * (trace.peak * 0.8 / float(judged.max()))


def _measured(series: pd.Series, trace: Trace, lead: int) -> dict[str, Any]:
    case = _case(series, trace, lead)
    sweep = try_policies(case, hpa_sweep(case), SEED)
    rivals = [static_peak(case), static_quantile(case), cron_schedule(case), aws_like(case), ahpa_like(case)]
    rivals += [autopilot_like(case), seasonal_naive(case), oracle(case)]
    ours = _ours(case, series, trace)
    trials = try_policies(case, [*ours, *rivals], SEED + 1)
    peak = next(trial for trial in trials if trial.name == STATIC).score.pod_hours
    return {trial.name: _row(trial, sweep, peak) | _near(case, trial, trace) for trial in trials}


def _case(series: pd.Series, trace: Trace, lead: int) -> Case:
    return Case(
        demand=series.to_numpy(dtype=np.float64),
        start=series.index[0].to_pydatetime(),
        step=trace.step,
        begin=len(series) - round(trace.days * DAY / trace.step),
        cluster=Cluster(Service(1.0), Start(lead * MINUTE)),
        promise=Promise(floor=2, start=lead * MINUTE),
    )


def _ours(case: Case, series: pd.Series, trace: Trace) -> list[Policy]:
    """As production plans and decides, for the 95th percentile of a pod's start; at each level, under each HPA."""
    schedule, known = Schedule(every=trace.every), ForecastRequest(events=_matches() if trace.events else ())
    workloads = [_workload(case, trace, level) for level in LEVELS]
    forecasts = past_forecasts(case, series, past_request(known, workloads, case, schedule), schedule)
    plans = {one.quantile_level: past_plans(_of(one, forecasts), one) for one in workloads}
    paces = {"": schedule, " without calm": replace(schedule, pace=Pace())}
    return [
        Policy(f"plan q{one.quantile_level:g}{name}, HPA {target} %", floor, Rule(target))
        for one in workloads
        for name, pace in paces.items()
        for floor in (decided_floor(case, one, plans[one.quantile_level], pace),)
        for target in TARGETS
    ]


def _workload(case: Case, trace: Trace, level: float) -> Workload:
    return Workload(
        "trace",
        "service",
        LoadModel(0.0, trace.step / HOUR, 0.0, 0.0),
        Replica(1.0, 2.0**40),
        floor=2,
        ceiling=100_000,
        quantile_level=level,
        lead_time=case.lead,
    )


def _of(workload: Workload, forecasts: Forecasts) -> Forecasts:
    """The forecasts at the levels that this workload's plan reads."""
    levels = list(planned_levels(workload))
    return {
        origin: replace(forecast, quantiles=forecast.quantiles[levels], maxima=_columns(forecast.maxima, levels))
        for origin, forecast in forecasts.items()
    }


def _columns(table: pd.DataFrame | None, levels: list[float]) -> pd.DataFrame | None:
    return None if table is None else table[levels]


@lru_cache
def _matches() -> tuple[Event, ...]:
    kickoffs = pd.to_datetime(pd.read_csv(FIXTURES)["kickoff"].unique(), utc=True)
    return tuple(Event("match", at.to_pydatetime(), at.to_pydatetime() + 2 * HOUR, "match") for at in kickoffs)


def _near(case: Case, trial: Trial, trace: Trace) -> dict[str, Any]:
    """The minutes near a match apart, where there are any."""
    if not trace.events:
        return {}
    moments = pd.date_range(case.moment(case.begin), periods=case.judged_ticks, freq=pd.Timedelta(SYNC_PERIOD))
    near = np.zeros(len(moments), dtype=bool)
    for match in _matches():
        near |= (moments >= pd.Timestamp(match.start - HOUR)) & (moments < pd.Timestamp(match.end + HOUR))
    score = judge(case, trial.lane, near)
    return {"near events: overload %": 100 * score.overload_share, "near events: x optimum": score.over_clairvoyant}


def _row(trial: Trial, sweep: Sequence[Trial], peak: float) -> dict[str, Any]:
    """One policy against the frontier of the sweep, the HPA that stands above it, alone, and the static peak."""
    score, curve = trial.score, swept(sweep)
    alone = next(one for one in sweep if one.name == f"HPA at {trial.policy.rule.target} %, 5 min").score
    point = score.pod_hours, score.overload_minutes
    days, rivals, random = by_day([trial]), by_day(sweep), np.random.default_rng(SEED)
    low, high = interval(days, rivals, random)
    fewest, most = interval(days, rivals, random, of_cost=False)
    return {
        "saving": saving(point, curve),
        "saving 95 %": f"{low:.3f} to {high:.3f}",
        "fewer overload": reduction(point, curve),
        "fewer 95 %": f"{fewest:.3f} to {most:.3f}",
        "overload %": 100 * score.overload_share,
        "cap %": 100 * score.cap_breach_share,
        "lost %": 100 * score.lost_share,
        "x optimum": score.over_clairvoyant,
        "pod-hours": score.pod_hours,
        "saving on static peak": 1 - score.pod_hours / peak,
        "cost over own HPA %": 100 * (score.pod_hours / alone.pod_hours - 1),
        "own HPA overload %": 100 * alone.overload_share,
        "starts/day": score.starts_per_day,
        "floors/day": score.floor_changes_per_day,
    }


def _worst(rows: dict[str, Any]) -> dict[str, Any]:
    """Of the plan that adds least to an HPA, the trace on which it costs most over that HPA alone."""
    ours = {key: row for key, row in rows.items() if key.endswith(f"plan q{LEVELS[0]:g}, HPA {TARGETS[0]} %")}
    key = max(ours, key=lambda name: ours[name]["cost over own HPA %"])
    return {**ours[key], "trace": key.split(":")[0]}
