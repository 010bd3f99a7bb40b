"""What sales say about the usage that was seen, step by step: the table behind the picture of a report."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capacity.domain import DataError, LoadReport
from capacity.load.grid import grid_of, week_slots
from capacity.load.saturation import effective
from capacity.load.week import even_weights


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
