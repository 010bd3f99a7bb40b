"""The verb that says how long volumes last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.cli.command import DONE, FAILED, CommandContext, NowOption, read_clock, verb
from capacity.cli.options import Drawing
from capacity.model import ConfigError
from capacity.views.options import Theme

if TYPE_CHECKING:
    from capacity.views.plots import Figure


@verb
def volumes(face: CommandContext, drawing: Drawing, *, now: NowOption = None) -> int:
    """Show how full each claim is, in how many days it will be full, and its next size. It changes nothing.

    Example: capacity volumes -c capacity.yaml --picture volumes.png
    """
    from capacity.app.volumes import volume_plans
    from capacity.views.tables import volumes_sheet

    config, moment = face.config(), read_clock(now)
    if not any(one.volumes for one in config.workloads):
        raise ConfigError("workloads: expected one with volumes, got none: name its claims under volumes:")
    planned = volume_plans(config, moment, past=now is not None)
    face.show(volumes_sheet(planned.plans, planned.failures, moment, config.timezone))

    def plot(theme: Theme) -> Figure:
        from capacity.views.plots import plot_volumes

        return plot_volumes(planned.plans, config.timezone, theme=theme)

    if planned.plans:
        drawing.save(face, plot)
    return FAILED if planned.failures else DONE
