"""`controller:` - how often it looks and how floors fall."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from capacity.edge.fields import Duration, Share
from capacity.edge.settings.block import Settings


class ControllerSettings(Settings):
    """How the controller moves floors."""

    period: Duration = Field(timedelta(minutes=1), description="Time between two passes.")
    hold_for: Duration = Field(timedelta(hours=6), description="How long an expired plan's last floor is held.")
    step_down: Annotated[Share, Field(gt=0, le=1)] = Field(
        0.10, description="Most a floor falls in one pass, as a share."
    )
