"""Does the chosen policy keep its promise, and for how much more than the best fixed one in hindsight?

Each day is judged with the policy that was chosen from the days before (`capacity.simulation.choice`), by the functions
that `capacity advise` calls. Traces of minutes are also seen by the planner as hourly totals alone; what is served are
their minutes. Settings are one for all traces; the rule was tuned on those marked `tuned`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.datasets import SKIPPED, find
from capacity.model import Event, Forecast, ForecastRequest, LoadModel, Replica, Workload
from capacity.model.arrays import Array, Counts
from capacity.model.policies import Tried
from capacity.model.policy import Objective
from capacity.simulation.advice import each_policy, finish
from capacity.simulation.case import Case, Promise, clairvoyant
from capacity.simulation.choice import ChoiceRule, Scores, choosable, choose_daily
from capacity.simulation.days import DAY_TICKS, PER_MINUTE, WARM_TICKS, Candidate, replay_together
from capacity.simulation.history import History, ReplaySettings, past_forecasts
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.policies import ahpa_like, autopilot_like, aws_like, frontier, saving

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FIVE = 5 * MINUTE
ROOT = Path(__file__).parents[1]
FIXTURES = Path(__file__).with_name("worldcup98_fixtures.csv")
PEAK = 120  # replicas that the highest judged demand needs at the target: large enough that rounding is small
FEWEST = 14  # judged days that a case needs to count
CLOSE = 0.002  # of the minutes: a promise is kept within so much of 99.5 %
CHEAPER = 0.01  # by which a fixed rival dominates


@dataclass(frozen=True, slots=True)
class Trace:
    """A public series: where it lies, its step, the days replayed (its last ones), and a pod's median start.

    `seen`: the step at which the planner knows it, where that is coarser than what is served. `visit`: the trace counts
    orders by the minute, and each is the end of a visit of this length that loads the service.
    """

    path: str
    column: str
    step: timedelta
    days: int
    start: timedelta
    until: str | None = None
    seen: timedelta | None = None
    events: bool = False
    peak: int = PEAK
    tuned: bool = False
    visit: timedelta | None = None


CUP = Trace(
    "worldcup98/requests_per_minute.csv.gz",
    "requests",
    FIVE,
    28,
    15 * MINUTE,
    "1998-07-13",
    events=True,
    peak=250,
)
AUGUST = "cloud_cluster/aug2024_5min.csv.gz"
CLUSTER2 = Trace(AUGUST, "cluster2", FIVE, 21, 15 * MINUTE)
AZURE = Trace("dc_traces/azure_v2_2019_5min.csv.gz", "cpu_usage", FIVE, 21, 8 * MINUTE)
GOOGLE = Trace("dc_traces/google2019_5min.csv.gz", "avg_cpu", FIVE, 20, 8 * MINUTE)
SHOP = Trace("online_retail/orders_per_minute.csv.gz", "orders", MINUTE, 28, 2.5 * MINUTE, seen=HOUR, peak=40)
TRACES = {
    "worldcup98": replace(CUP, tuned=True),
    "worldcup98, hourly orders": replace(CUP, seen=HOUR),
    "cluster2": replace(CLUSTER2, tuned=True),
    "cluster2, hourly orders": replace(CLUSTER2, seen=HOUR, tuned=True),
    "cluster9": replace(CLUSTER2, column="cluster9"),
    "cluster9, hourly orders": replace(CLUSTER2, column="cluster9", seen=HOUR),
    "azure": replace(AZURE, tuned=True),
    "azure, hourly orders": replace(AZURE, seen=HOUR),
    "google": GOOGLE,
    "google, hourly orders": replace(GOOGLE, seen=HOUR),
    "retail": Trace("online_retail/hourly_sales.csv.gz", "orders", HOUR, 28, 2.5 * MINUTE, peak=40, tuned=True),
    "retail by the minute, hourly orders": replace(SHOP, visit=15 * MINUTE),
    "bikes": Trace("bike_sharing/hourly_rentals.csv.gz", "users", HOUR, 28, 2.5 * MINUTE),
}
QUICK = ("cluster2", "retail", "bikes")


def run(data: Path, quick: bool = False) -> dict[str, Any]:
    """A row for each trace, and the summary last; `quick` takes three of the traces."""
    rows, skipped = dict[str, Any](), dict[str, Any]()
    for name, trace in TRACES.items():
        if quick and name not in QUICK:
            continue
        file = find(data, trace.path, f"policies {name}")
        if file is None:
            skipped[name] = SKIPPED
            continue
        rows[name] = judged(Replayed.of(read(file, trace), trace), trace)
    return (
        rows
        | skipped
        | ({"all": summary(rows) | {"simulated_equals_production": checked_on_a_cluster()}} if rows else {})
    )


def checked_on_a_cluster() -> bool:
    """Whether floors of the real verbs on the Kubernetes double are those of the simulator; the check runs now."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/integration/test_simulated_is_real.py"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def read(file: Path, trace: Trace) -> pd.Series:
    """The trace on its grid, short gaps bridged, scaled so that its replayed peak needs `trace.peak` replicas."""
    values = stamped(file, trace)
    steps = _visits(values, trace) if trace.visit else values.resample(trace.step).mean().interpolate()
    series: pd.Series = steps[: trace.until].iloc[:-1]
    series = series.loc[: series.index[-1].floor("h") - trace.step]  # whole hours
    shown = series.iloc[-round(trace.days * DAY / trace.step) :]
    return series * (trace.peak * 0.8 / float(shown.max()))


def stamped(file: Path, trace: Trace) -> pd.Series:
    """The trace as it lies in its file, by the time of each row (UTC)."""
    frame = pd.read_csv(file)
    times = frame.iloc[:, 0]
    index = pd.to_datetime(times, unit="s") if pd.api.types.is_numeric_dtype(times) else pd.to_datetime(times)
    grid = pd.DatetimeIndex(index)
    grid = grid.tz_localize("UTC") if grid.tz is None else grid
    return pd.Series(frame[trace.column].to_numpy(dtype=float), grid)


def _visits(orders: pd.Series, trace: Trace) -> pd.Series:
    """Visits under way in each step, from orders that each end one."""
    counts, length = orders.resample(trace.step).sum(), round((trace.visit or trace.step) / trace.step)
    return counts[::-1].rolling(length, min_periods=1).sum()[::-1]


@dataclass(frozen=True, slots=True)
class Replayed:
    """All that was replayed of one trace: our candidates, the rivals by name, our run with perfect forecasts."""

    tried: Tried
    rivals: Mapping[str, tuple[Array, Array, Array]]  # pod-hours, minutes above, overload: each (days,)
    perfect: Tried
    optimum: Array  # pod-hours of the clairvoyant, (days,)

    @staticmethod
    def of(series: pd.Series, trace: Trace) -> Replayed:
        """Forecasts from rolling origins, floors, and every policy on every day."""
        history = history_of(series, trace)
        request = ForecastRequest(events=events_of(trace))
        forecasts = past_forecasts(history, request, lambda _done, _total: None)
        sure = replace(history, workload=replace(history.workload, quantile_level=0.5))
        return Replayed(
            finish(each_policy(history, forecasts)),
            dict(_rivals(history)),
            finish(each_policy(sure, perfect_forecasts(history, forecasts))),
            _optimum(history),
        )


def history_of(series: pd.Series, trace: Trace) -> History:
    """What the planner knows, and what is served."""
    known = series if trace.seen is None else series.resample(trace.seen).mean()
    step = trace.seen or trace.step
    load = LoadModel(0.0, step / HOUR, 0.0, 0.0)
    web = Workload("trace", "service", load, Replica(1.0, 2.0**40), floor=2, ceiling=100_000, lead_time=2 * trace.start)
    settings = ReplaySettings(trace.days)
    return History.of(known, web, settings, series if trace.seen is not None else None)


def perfect_forecasts(history: History, forecasts: Mapping[datetime, Forecast]) -> dict[datetime, Forecast]:
    """The same forecasts, had they known what came."""
    perfect = {}
    for moment, one in forecasts.items():
        came = history.filled.reindex(one.quantiles.index)
        came = came.fillna(one.at(0.5))  # beyond the end of the trace
        table = pd.DataFrame(dict.fromkeys(one.quantiles.columns, came), one.quantiles.index)
        perfect[moment] = replace(one, quantiles=table, window=None, maxima=None, trust=None, unskilled=False)
    return perfect


def events_of(trace: Trace) -> tuple[Event, ...]:
    """The matches of World Cup 98, on its traces: kick-off to final whistle, as a public calendar has them."""
    if not trace.events:
        return ()
    kickoffs = pd.to_datetime(pd.read_csv(FIXTURES)["kickoff"].unique(), utc=True)
    return tuple(Event("match", at.to_pydatetime(), at.to_pydatetime() + 2 * HOUR, "match") for at in kickoffs)


def _rivals(history: History) -> Iterator[tuple[str, tuple[Array, Array, Array]]]:
    """What others do who look ahead, on quarters of an hour as ours: the same lead, the same path within a step."""
    past = history.past
    case = Case(
        demand=past.demand,
        start=history.begin - past.begin * past.step,
        step=past.step,
        begin=past.begin,
        cluster=history.cluster,
        promise=Promise(floor=2, start=history.cluster.start.median),
    )
    policies = [aws_like(case), ahpa_like(case), autopilot_like(case)]
    floors = [_with_warm_up(policy.floor[::PER_MINUTE], history.passes) for policy in policies]
    rules = [Candidate(policy.rule, at) for at, policy in enumerate(policies)]
    scores = replay_together([history.task(floors, rules)])[0]
    for at, policy in enumerate(policies):
        yield policy.name, (scores.pod_hours[:, at], scores.above[:, at], scores.overload[:, at])


def _with_warm_up(floor: Counts, passes: int) -> Counts:
    return np.concatenate([np.repeat(floor[:1], passes - len(floor)), floor])


def _optimum(history: History) -> Array:
    demand = history.ticks[WARM_TICKS:]
    ready = clairvoyant(history.needed(demand), max(1, round(history.cluster.start.median / SYNC_PERIOD)))
    return np.asarray(ready.reshape(-1, DAY_TICKS).sum(axis=1) * (SYNC_PERIOD / HOUR))


def judged(replayed: Replayed, trace: Trace, rule: ChoiceRule | None = None) -> dict[str, Any]:
    """One row: what the daily choice cost and kept, against fixed policies in hindsight on the same days."""
    rule = rule or ChoiceRule()
    tried, days = replayed.tried, slice(rule.fewest, None)
    ours = chosen_sums(tried, rule)
    best_cost, best_name = _best(fixed(replayed, days), ours.above, ours.cost)
    rival_cost, rival_name = _best(fixed(replayed, days, rivals_only=True), ours.above, ours.cost)
    plain, perfect = cheapest_plain(replayed, days), chosen_sums(replayed.perfect, rule)
    as_is = tried.scores.pod_hours[days, 0].sum()
    return {
        "judged days": ours.days,
        "kept": 1 - ours.above / (ours.days * 1440),
        "regret": ours.cost / best_cost - 1,
        "best fixed": best_name,
        "dominated": bool(rival_cost <= ours.cost * (1 - CHEAPER)),
        "best rival": rival_name,
        "saving": 1 - ours.cost / plain,
        "saving of perfect": 1 - perfect.cost / plain,
        "saving at equal minutes": _saving(tried, days, ours.cost, ours.above, tried.scores.above),
        "saving at equal overload": _saving(tried, days, ours.cost, ours.overload, tried.scores.overload),
        "cost over HPA as is": float(ours.cost / as_is - 1),
        "cost over optimum": float(ours.cost / replayed.optimum[days].sum() - 1),
        "overload min/day": ours.overload / ours.days,
        "skill": tried.skill if tried.skill is not None else float("nan"),
        "floors chosen": ours.floors,
        "tuned": trace.tuned,
        "events": trace.events,
    }


def _saving(tried: Tried, days: slice, cost: float, minutes: float, missed: Array) -> float:
    """Against plain autoscalers at every target, with as many of these minutes (days, candidates)."""
    plain = [at for at, policy in enumerate(tried.policies) if policy.floors == "none"]
    swept = frontier(tried.scores.pod_hours[days, plain].sum(axis=0), missed[days, plain].sum(axis=0))
    return saving((cost, minutes), swept)


@dataclass(frozen=True, slots=True)
class Sums:
    """What the daily choice came to over its judged days."""

    days: int
    cost: float
    above: float
    overload: float
    floors: float


def chosen_sums(tried: Tried, rule: ChoiceRule) -> Sums:
    """Each day with the policy chosen from the days before."""
    places = choosable(tried)
    floors = np.array([policy.has_floors for policy in tried.policies])
    known = Scores(tried.scores.pod_hours, tried.scores.above, floors, Objective().allowed_minutes)
    picks = np.array(places)[choose_daily(known.of(places), rule).candidates[rule.fewest : -1]]
    rows = np.arange(rule.fewest, tried.scores.days)
    return Sums(
        len(rows),
        float(tried.scores.pod_hours[rows, picks].sum()),
        float(tried.scores.above[rows, picks].sum()),
        float(tried.scores.overload[rows, picks].sum()),
        float(floors[picks].mean()),
    )


def fixed(replayed: Replayed, days: slice, *, rivals_only: bool = False) -> dict[str, tuple[float, float]]:
    """Cost and minutes above the target of every fixed policy and rival over these days."""
    tried = replayed.tried
    cost, above = tried.scores.pod_hours[days].sum(axis=0), tried.scores.above[days].sum(axis=0)
    found = {
        str(policy): (float(cost[at]), float(above[at]))
        for at, policy in enumerate(tried.policies)
        if not (rivals_only and policy.floors == "forecast")
    }
    return found | {
        name: (float(one[days].sum()), float(over[days].sum())) for name, (one, over, _) in replayed.rivals.items()
    }


def _best(known: Mapping[str, tuple[float, float]], minutes: float, otherwise: float) -> tuple[float, str]:
    """The cheapest with no more minutes; what we paid where none has so few."""
    good = {name: cost for name, (cost, above) in known.items() if above <= minutes + 1e-9}
    if not good:
        return otherwise, ""
    name = min(good, key=lambda one: good[one])
    return good[name], name


def cheapest_plain(replayed: Replayed, days: slice) -> float:
    """The cost of the cheapest HPA of the grid that keeps the promise on these days.

    Where no HPA does, of the cheapest rival that does; where none does either, of the HPA that breaks it least.
    """
    allowed = Objective().allowed_minutes * len(range(*days.indices(replayed.tried.scores.days))) + 1e-9
    known = fixed(replayed, days, rivals_only=True)
    plain = {str(policy) for policy in replayed.tried.policies if policy.floors == "none"}
    good = {name: cost for name, (cost, above) in known.items() if above <= allowed}
    hpas = [cost for name, cost in good.items() if name in plain]
    if hpas or good:
        return min(hpas or good.values())
    return known[min(plain, key=lambda name: known[name][1])][0]


def summary(rows: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The promise, over all cases with enough days; the halves that the rule was tuned on, and not, apart."""
    counted = {name: row for name, row in rows.items() if row["judged days"] >= FEWEST}
    halves = {
        half: _summed({name: row for name, row in counted.items() if row["tuned"] == tuned})
        for half, tuned in (("tuned", True), ("held out", False))
    }
    return {
        **_summed(counted),
        **{f"{half} {key}": value for half, one in halves.items() for key, value in one.items()},
    }


def _summed(rows: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    if not rows:
        return {}
    found = list(rows.values())
    regrets = [row["regret"] for row in found]
    clusters = [_share(row) for row in found if not row["events"]]
    events = [_share(row) for row in found if row["events"]]
    return {
        "cases": len(found),
        "promise_kept": float(np.mean([row["kept"] >= 0.995 - CLOSE for row in found])),
        "promise_worst": min(row["kept"] for row in found),
        "regret_mean": float(np.mean(regrets)),
        "regret_worst": max(regrets),
        "dominated": sum(row["dominated"] for row in found),
        "saving_vs_own_hpa80_same_promise": float(np.median([row["saving"] for row in found])),
        "share_of_perfect_clusters": float(np.median(clusters)) if clusters else None,
        "share_of_perfect_events": float(np.median(events)) if events else None,
    }


def _share(row: Mapping[str, Any]) -> float:
    """Our saving over that of perfect forecasts, both against the best plain HPA; 1 where perfect ones save nothing."""
    perfect = row["saving of perfect"]
    return max(row["saving"], 0.0) / perfect if perfect > CHEAPER else 1.0
