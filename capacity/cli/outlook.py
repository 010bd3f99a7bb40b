"""The verb that looks twelve months ahead."""

from __future__ import annotations

from typing import Annotated

import typer

from capacity.cli.command import DONE, CommandContext, NowOption, read_clock, verb
from capacity.cli.options import Data


@verb
def outlook(
    face: CommandContext,
    data: Data,
    *,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario", metavar="WHAT-IF", help="Also for growth=+20%, lost-zone, ... as with plan. Repeatable."
        ),
    ] = None,
    now: NowOption = None,
) -> int:
    """Show what the next twelve months need, by group and in total, and when today's limits are reached.

    Example: capacity outlook --sample --scenario growth=+30%
    """
    from capacity.app.outlook import capacity_outlook
    from capacity.app.scenarios import parse_scenarios
    from capacity.views.tables import outlook_sheets

    config = data.planning_config(face)
    scenarios = parse_scenarios(scenario or [], config.timezone)
    found = capacity_outlook(config, read_clock(now), scenarios, past=now is not None)
    face.show(*outlook_sheets(found, config.supply.currency))
    return DONE
