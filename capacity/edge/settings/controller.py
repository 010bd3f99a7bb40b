"""`controller:` - how often it looks, how floors rise and fall, what stops it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from capacity.decision import CALM, Brake, Policy
from capacity.edge.fields import Duration, Share
from capacity.edge.settings.block import NAME, Settings


class BrakeSettings(Settings):
    """When too many floors want to come down together, none does for a while."""

    share: Annotated[Share, Field(gt=0, le=1)] = Field(0.5, description="Of all workloads: more than this brakes.")
    at_least: int = Field(5, ge=1, description="Fewer workloads than this never brake.")
    hold_for: Duration = Field(timedelta(minutes=30), description="How long it holds: a night comes down, only later.")

    def noun(self) -> Brake:
        """The brake as a noun of the domain."""
        return Brake(self.share, self.at_least, self.hold_for)


class ControllerSettings(Settings):
    """How the controller moves floors."""

    period: Duration = Field(timedelta(minutes=1), description="Time between two passes.")
    hold_for: Duration = Field(timedelta(hours=6), description="How long the floor is held without a plan in force.")
    step_down: Annotated[Share, Field(gt=0, le=1)] = Field(
        0.10, description="Most a floor falls per step_every, as a share; at least one replica."
    )
    step_every: Duration = Field(
        timedelta(minutes=5), description="Time between two steps down, however often passes run."
    )
    half_life: Duration | None = Field(
        None, description="Also halve the excess over the need no faster than this; None: no such limit."
    )
    step_up: Annotated[Share, Field(gt=0)] | None = Field(
        None, description="Most a floor rises per period, as a share; None: at once."
    )
    calm: Duration = Field(
        CALM,
        description="Under plans of shorter steps, how much further a floor looks so that it moves once for several; "
        "0s: not at all.",
    )
    brake: BrakeSettings = BrakeSettings()
    home: str | None = Field(
        None,
        pattern=NAME,
        max_length=63,
        description="Namespace of the ConfigMap capacity-switch that switches everything off. "
        "None: each namespace has its own.",
    )
    requests_per_second: float = Field(
        100.0, gt=0, le=10_000, description="Most requests to the API server, on average; twice as many at once."
    )

    def policy(self) -> Policy:
        """The policy as a noun of the domain."""
        return Policy(
            self.period,
            self.hold_for,
            self.step_down,
            self.step_every,
            half_life=self.half_life,
            step_up=self.step_up,
            calm=self.calm,
        )
