"""Learns from sales and usage what drives each workload's load, how surely, and since when."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
import pandas as pd

from capacity.load.alignment import DAY, LATEST_DAYS, grid_of, on_grid, spacing, week_slots
from capacity.load.estimation import Learned, learn_rows, least_points
from capacity.load.profile import even_weights
from capacity.load.regression import effective
from capacity.load.verdict import LearnedCase, judge, model_of
from capacity.model import DataError, Finding, LoadModel, LoadReport, require
from capacity.model.arrays import Array
from capacity.series.frames import as_sales

RESOURCES = ("cpu", "memory", "requests")
UNITS = {"cpu": "cores", "memory": "bytes", "requests": "requests/s"}
RISING = 0.98  # share of changes that a counter goes up or stands; a gauge goes down as often as up
RISES = 0.5  # of changes are real rises: a gauge that mostly stands still is no counter


def checked_usage(usage: pd.DataFrame) -> pd.DataFrame:
    """Usage on its regular UTC steps, with the columns that are known and gaps as NaN.

    Raises `DataError` where the table is no usage: another index, no known column, no number, negative, infinite.
    """
    index = usage.index
    if not isinstance(index, pd.DatetimeIndex):
        raise DataError(f"usage: expected a DatetimeIndex in UTC, got {type(index).__name__}")
    known = [name for name in RESOURCES if name in usage.columns]
    require(bool(known), "usage: expected columns among {}, got {}", list(RESOURCES), [str(c) for c in usage.columns])
    step = spacing(index)
    try:
        table = usage[known].astype(float)
    except (TypeError, ValueError) as error:
        raise DataError(f"usage: expected numbers, got {usage[known].dtypes.to_dict()}") from error
    for name in known:
        values = table[name].to_numpy()
        require(not np.isinf(values).any(), "usage: {}: expected finite values or NaN for a gap, got infinity", name)
        lowest = np.nanmin(values, initial=0.0)
        require(bool(lowest >= 0), "usage: {}: expected {} >= 0, got {:g}", name, UNITS[name], lowest)
    return on_grid(table, step)


def fault(resource: str, values: Array) -> str | None:
    """Why these values (T,) cannot be the usage of a resource; None where they can.

    >>> fault("cpu", np.arange(100.0))
    'it never falls: a counter, not a gauge; take its rate() per second'
    """
    seen = values[~np.isnan(values)]
    if not len(seen):
        return "there is no value at all"
    if not seen.any():
        return "it is zero throughout: a metric that measures nothing, not a workload that costs nothing"
    if resource != "memory" and _counts(seen):
        return "it never falls: a counter, not a gauge; take its rate() per second"
    return None


def _counts(seen: Array) -> bool:
    change = np.diff(seen)
    if len(change) < 24:
        return False
    return bool((change >= 0).mean() >= RISING and (change > 0).mean() >= RISES)


Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Row:
    """One resource of one workload, with why it is not learned from sales where it is not."""

    key: Hashable
    case: LearnedCase
    series: pd.Series


def learn_load(
    sales: pd.Series | None,
    usage: pd.DataFrame,
    *,
    prior: LoadModel | None = None,
    timezone: str | None = None,
    name: str = "workload",
) -> LoadReport:
    """Learn how CPU, memory and requests of one workload follow its sales, from the time in which both were seen.

    Parameters
    ----------
    sales : Series or None
        Sales per step, regular UTC index, gaps as NaN; None where there are none.
    usage : DataFrame
        Columns among `cpu` (cores), `memory` (bytes) and `requests` (per second), regular UTC index, gaps as NaN. Its
        steps may be finer than, equal to or longer than those of sales.
    prior : LoadModel or None
        The configured costs, which are kept where usage cannot be trusted. Default none.
    timezone : str or None
        The clock on which shapes within the day and the week live. Default: the one that `read_sales` noted on
        `sales`, else UTC.
    name : str
        What to call the workload in sentences. Default "workload".

    Returns
    -------
    LoadReport
        `report.model` to plan with, and per resource what was found and why.

    Raises
    ------
    DataError
        A table is unusable, or CPU or memory have neither usable usage nor a prior.

    Examples
    --------
    >>> steps = pd.date_range("2026-01-05", periods=24 * 28, freq="h", tz="UTC")
    >>> sales = pd.Series(50 + 40 * np.sin(steps.hour.to_numpy() / 24 * 2 * np.pi), steps)
    >>> report = learn_load(sales, pd.DataFrame({"cpu": 0.5 + 0.01 * sales, "memory": 2e9}))
    >>> report.findings[0].words
    "sales explain 100 % of this workload's CPU: 0.5 cores idle + 0.01 (0.01 to 0.01) per sale per hour"
    """
    answer = learn_loads(sales, {name: usage}, priors={name: prior} if prior else {}, timezone=timezone)[name]
    if isinstance(answer, DataError):
        raise DataError(f"{name}: {answer}")
    return answer


def learn_loads(
    sales: pd.Series | None,
    usages: Mapping[Key, pd.DataFrame],
    *,
    priors: Mapping[Key, LoadModel] | None = None,
    timezone: str | None = None,
) -> dict[Key, LoadReport | DataError]:
    """Learn the loads of many workloads that the same sales drive, as `learn_load` does for one, in one pass.

    A workload that cannot be learned has its error in the place of a report: one never stops the others.

    Parameters
    ----------
    sales : Series or None
        Sales per step, regular UTC index, gaps as NaN; None where there are none.
    usages : mapping of key to DataFrame
        The usage of each workload, as for `learn_load`, by any key, such as namespace and name.
    priors : mapping of key to LoadModel, or None
        The configured costs of workloads, kept where their usage cannot be trusted. Default none.
    timezone : str or None
        The clock on which shapes within the day and the week live. Default: the one that `read_sales` noted on
        `sales`, else UTC.

    Returns
    -------
    dict of key to LoadReport or DataError
        In the order of `usages`.

    Examples
    --------
    >>> steps = pd.date_range("2026-01-05", periods=24 * 28, freq="h", tz="UTC")
    >>> sales = pd.Series(50 + 40 * np.sin(steps.hour.to_numpy() / 24 * 2 * np.pi), steps)
    >>> reports = learn_loads(sales, {("shop", "web"): pd.DataFrame({"cpu": 0.5 + 0.01 * sales, "memory": 2e9})})
    >>> round(reports["shop", "web"].model.cpu.per_sale_per_hour, 4)
    0.01
    """
    configured, sales = priors or {}, None if sales is None else as_sales(sales)
    zone = timezone or (str(sales.attrs.get("timezone", "UTC")) if sales is not None else "UTC")
    tables: dict[Key, pd.DataFrame] = {}
    answers: dict[Key, LoadReport | DataError] = {}
    for key, usage in usages.items():
        try:
            tables[key] = checked_usage(usage)
        except DataError as error:
            answers[key] = error
    rows = [row for key, table in tables.items() for row in _rows(key, table, configured.get(key))]
    found: dict[Hashable, list[Finding]] = {key: [] for key in tables}
    for row, finding in zip(rows, _findings(rows, sales, zone), strict=True):
        found[row.key].append(finding)
    for key, table in tables.items():
        answers[key] = _report(_label(key), tuple(found[key]), configured.get(key), (table, sales, zone))
    return {key: answers[key] for key in usages}


def _label(key: Hashable) -> str:
    return "/".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _rows(key: Hashable, table: pd.DataFrame, prior: LoadModel | None) -> list[_Row]:
    rows = []
    step = spacing(pd.DatetimeIndex(table.index))
    for resource in table.columns:
        values = table[resource].to_numpy(dtype=np.float64)
        configured = _configured(prior, resource)
        rows.append(
            _Row(key, LearnedCase(resource, values, step, configured, fault(resource, values)), table[resource])
        )
    return rows


def _configured(prior: LoadModel | None, resource: str) -> tuple[float, float] | None:
    if prior is None or resource == "requests":
        return None
    costs = getattr(prior, f"{resource}_base"), getattr(prior, f"{resource}_per_sale_per_hour")
    return costs if any(costs) else None


def _findings(rows: list[_Row], sales: pd.Series | None, timezone: str) -> list[Finding]:
    """The verdict on every row, in their order."""
    learned: dict[int, Learned] = {}
    least = 0
    if sales is not None:
        usable = [place for place, row in enumerate(rows) if row.case.reason is None]
        for places in _by_grid(rows, usable):
            found, least = _learn(sales, [rows[place].series for place in places], timezone)
            learned |= dict(zip(places, found, strict=False))
    return [judge(row.case, learned.get(place), None if sales is None else least) for place, row in enumerate(rows)]


def _by_grid(rows: list[_Row], places: list[int]) -> list[list[int]]:
    """Rows whose steps lie on one grid: they make one matrix."""
    groups: dict[tuple[timedelta, int], list[int]] = {}
    for place in places:
        step = rows[place].case.step
        first = round(rows[place].series.index[0].timestamp())
        groups.setdefault((step, first % int(step.total_seconds())), []).append(place)
    return list(groups.values())


def _learn(sales: pd.Series, rows: list[pd.Series], timezone: str) -> tuple[list[Learned], int]:
    """What each row says, and how many steps of sales it needs; nothing where sales and usage do not meet."""
    step = spacing(pd.DatetimeIndex(rows[0].index))
    first, last = min(row.index[0] for row in rows), max(row.index[-1] for row in rows)
    around = (LATEST_DAYS + 1) * DAY
    near = sales.loc[(sales.index >= first - around) & (sales.index <= last + around)]
    if len(near) < 2 or not near.notna().any():
        return [], 0
    near = on_grid(near, spacing(pd.DatetimeIndex(near.index)))
    steps = pd.date_range(first, last, freq=pd.Timedelta(step))
    grid = grid_of(near, steps, timezone)
    return list(learn_rows(grid, _matrix(rows, steps))), least_points(grid)


def _matrix(rows: list[pd.Series], steps: pd.DatetimeIndex) -> Array:
    """Rows on common steps, gaps where one has none: (W, T)."""
    answer = np.full((len(rows), len(steps)), np.nan)
    for place, row in enumerate(rows):
        start = int((row.index[0] - steps[0]) // (steps[1] - steps[0]))
        answer[place, start : start + len(row)] = row.to_numpy(dtype=np.float64)
    return answer


def _report(
    name: str,
    findings: tuple[Finding, ...],
    prior: LoadModel | None,
    source: tuple[pd.DataFrame, pd.Series | None, str],
) -> LoadReport | DataError:
    table, sales, timezone = source
    known = {found.resource for found in findings if found.response is not None}
    for resource in ("cpu", "memory"):
        if resource in known or _has_costs(prior, resource):
            continue
        reason = next((found.words for found in findings if found.resource == resource), "it has no usage and no costs")
        return DataError(f"{resource}: {reason}: give its usage, or its costs under `load`")
    return LoadReport(name, model_of(findings, prior), findings, table, sales, timezone)


def _has_costs(prior: LoadModel | None, resource: str) -> bool:
    return _configured(prior, resource) is not None


def explained_load(report: LoadReport, resource: str) -> pd.DataFrame:
    """Per step of usage (UTC) of a resource that was learned from sales, in its unit.

    Columns: `usage`; `fitted`, what the sales of its time say; `place` and `rate`, the step of sales it answers to and
    its sales per hour; `mean`, mean usage over that step; `line`, the answer without week or shape. NaN: not known.
    """
    found = report.finding(resource)
    if found is None or found.response is None or report.usage is None or report.sales is None:
        raise DataError(f"{report.name}: {resource} was not learned from sales")
    response = found.response
    grid = grid_of(report.sales, pd.DatetimeIndex(report.usage.index), report.timezone)
    usage = report.usage[resource].to_numpy(dtype=np.float64)
    parents = grid.parents(response.lag)
    inside = np.maximum(parents, 0)
    rate = np.where(parents >= 0, grid.rates()[inside], np.nan)
    bend = np.array([response.saturation or np.inf])
    felt = effective(rate, bend, np.array([response.highest]))
    line = response.base + response.per_sale_per_hour * felt
    mean = np.where(parents >= 0, grid.means(usage[None, :], response.lag)[0][inside], np.nan)
    columns = {"usage": usage, "fitted": line, "place": parents, "rate": rate, "mean": mean, "line": line}
    table = pd.DataFrame(columns, index=report.usage.index)
    if response.shape is not None:
        slot = week_slots(grid.steps, response.shape.step, response.shape.timezone)
        share = even_weights(response.shape.weights[None, slot], parents, len(grid.sales))[0]
        table["fitted"] = response.base + (line - response.base) * share
    elif response.extra is not None:
        slot = week_slots(grid.steps, grid.step, grid.timezone)
        table["fitted"] = np.maximum(line + response.extra.values[slot], 0.0)
    return table
