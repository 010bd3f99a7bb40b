"""The verb that looks at what sales cost: how each workload's load follows them, learned from its usage."""

from __future__ import annotations

from capacity.domain import ConfigError, DataError
from capacity.edge.drawing import PictureOption, Theme, ThemeOption
from capacity.edge.face import DONE, FAILED, Face, verb
from capacity.edge.screen import say


@verb
def load(face: Face, *, picture: PictureOption = None, theme: ThemeOption = Theme.light) -> int:
    """What a sale costs in CPU, memory and requests, how surely, how much later, and since which deploy.

    Example: capacity load -c capacity.yaml --picture load.png
    """
    from capacity.edge.planning.planner import learn_load_of, read_orders
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
        found = [report for report in reports.values() if not isinstance(report, DataError)]
        if picture is not None and found:
            from capacity.edge.plots import plot_load, save_figure

            save_figure(plot_load(found[0], theme=theme), picture)
            face.say(f"wrote {picture}")
        advance()
    failures = {key: report for key, report in reports.items() if isinstance(report, DataError)}
    for (namespace, name), error in failures.items():
        say(f"capacity: error: {namespace}/{name}: {error}")
    face.show(load_sheet(reports, config.timezone))
    return FAILED if failures else DONE
