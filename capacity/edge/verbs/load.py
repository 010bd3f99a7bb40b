"""The verb that looks at what sales cost: how each workload's load follows them, learned from its usage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.domain import ConfigError, DataError, LoadReport
from capacity.edge.drawing import PictureOption, Theme, ThemeOption
from capacity.edge.face import DONE, FAILED, Face, verb
from capacity.edge.logs import LOGGER
from capacity.edge.options import PatchOption

if TYPE_CHECKING:
    from pathlib import Path

    from capacity.pipeline import Reports


@verb
def load(
    face: Face,
    *,
    requests_patch: PatchOption = None,
    picture: PictureOption = None,
    theme: ThemeOption = Theme.light,
) -> int:
    """What a sale costs in CPU, memory and requests, how surely, how much later, and since which deploy.

    Where usage counts replicas, also what one should request, and with `throughput: history` what it serves.

    Example: capacity load -c capacity.yaml --picture load.png
    """
    from capacity.edge.planning.planner import learn_load_of, read_orders
    from capacity.edge.planning.requests import advise_from, write_patch
    from capacity.edge.sheets import load_sheet

    config = face.config()
    if config.usage is None and config.prometheus is None:
        raise ConfigError(
            "usage: expected where usage is measured, or prometheus, got nothing: load is learned from it"
        )
    with face.stages("reading orders and usage", "learning", "drawing") as advance:
        orders = read_orders(config)
        advance()
        reports = learn_load_of(config, orders)
        advance()
        if picture is not None:
            _draw(face, reports, picture, theme)
        advance()
    advice = advise_from(orders.usages)
    if requests_patch is not None:
        write_patch(advice, config, requests_patch)
        face.say(f"wrote {requests_patch}")
    failures = {key: report for key, report in reports.items() if isinstance(report, DataError)}
    for (namespace, name), error in failures.items():
        LOGGER.error("%s/%s: %s", namespace, name, error)
    face.show(load_sheet(reports, config, advice))
    return FAILED if failures else DONE


def _draw(face: Face, reports: Reports, picture: Path, theme: Theme) -> None:
    """The first workload that has something to show; says so where none has."""
    from capacity.edge.plots import can_plot_load, plot_load, save_figure

    shown = [one for one in reports.values() if isinstance(one, LoadReport) and can_plot_load(one)]
    if not shown:
        LOGGER.info("%s is not drawn: sales explain no load, see the verdicts", picture)
        return
    save_figure(plot_load(shown[0], theme=theme), picture)
    face.say(f"wrote {picture}{f' of {shown[0].name}' if len(reports) > 1 else ''}")
