"""Command-line options of verbs that draw: the file, what to draw, and the theme."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Theme(StrEnum):
    """The paper that a picture is drawn for."""

    light = "light"
    dark = "dark"


PICTURE = "Picture"
PictureOption = Annotated[
    Path | None, typer.Option(help="Draw a picture to this file (.png, .svg).", rich_help_panel=PICTURE)
]
ThemeOption = Annotated[Theme, typer.Option(help="Colours of the picture.", rich_help_panel=PICTURE)]


class SeasonsView(StrEnum):
    """What `seasonality` draws."""

    week = "week"
    decomposition = "decomposition"


class BacktestView(StrEnum):
    """What `backtest` draws."""

    course = "course"
    calibration = "calibration"


class SimulationView(StrEnum):
    """What `simulate` draws."""

    course = "course"
    frontier = "frontier"
    utilization = "utilization"


class PlanView(StrEnum):
    """What `plan` draws."""

    demand = "demand"
    utilization = "utilization"
