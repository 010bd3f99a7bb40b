"""The verb that explains: one planned floor, from sales to replicas."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.domain import ConfigError
from capacity.edge.drawing import Theme
from capacity.edge.face import DONE, Face, SampleOption, read_clock, verb
from capacity.edge.options import Data, Drawing

if TYPE_CHECKING:
    from capacity.domain import Explanation, Workload
    from capacity.edge.config import Config
    from capacity.edge.plots import Figure


@verb
def explain(
    face: Face,
    workload: Annotated[str | None, typer.Argument(metavar="WORKLOAD", help="name or namespace/name.")] = None,
    *,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="A step of the plan (RFC 3339). Default: its peak.")
    ] = None,
    sample: SampleOption = False,
    drawing: Drawing,
) -> int:
    """Take one planned floor apart, from sales to replicas: parts that add up to it exactly.

    Example: capacity explain web --at 2011-12-13T12:00Z --sample
    """
    from capacity.edge.planning.explaining import explain_plan
    from capacity.edge.planning.planner import read_orders
    from capacity.edge.sheets import explain_sheet

    config = Data(sample=sample).planning_config(face)
    chosen, moment = _workload(config, workload), None if at is None else _moment(at, config.timezone)
    with face.stages("reading orders", "forecasting and explaining") as advance:
        orders = read_orders(config)
        advance()
        explanation = explain_plan(config, orders, chosen, moment, read_clock(None))
        advance()
    face.show(explain_sheet(explanation, config.timezone))
    drawing.save(face, lambda theme: _waterfall(explanation, config, theme))
    return DONE


def _waterfall(explanation: Explanation, config: Config, theme: Theme) -> Figure:
    from capacity.edge.plots import plot_explanation

    return plot_explanation(explanation, config.timezone, theme=theme)


def _workload(config: Config, name: str | None) -> Workload:
    """The workload meant; without a name the only one. Raises `ConfigError`."""
    workloads = config.workloads
    found = [one for one in workloads if name in (None, one.name, f"{one.namespace}/{one.name}")]
    if len(found) != 1:
        known = ", ".join(f"{one.namespace}/{one.name}" for one in workloads)
        raise ConfigError(f"WORKLOAD: expected one of {known}, got {name or 'none'}")
    return found[0]


def _moment(text: str, timezone: str) -> datetime:
    """A time on the command line; without a zone on the business's clock. Raises `ConfigError`."""
    from zoneinfo import ZoneInfo

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--at: expected a time such as 2026-11-27T18:00Z, got {text!r}") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(timezone))
