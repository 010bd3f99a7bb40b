"""The rules by which the controller moves floors: its period, its steps down, and how long it holds without a plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from capacity.model.errors import require
from capacity.model.fields import STRICT, Duration, Share, duration, settle
from capacity.shown import with_card

CALM = timedelta(minutes=30)  # about as many changes a day as there are hours (World Cup 98, 10 to 19 June)


@with_card
@dataclass(frozen=True, slots=True)
class ControllerRules:
    """How floors move. Shares are of the floor that stands; a step is at least one replica.

    Parameters
    ----------
    period : timedelta or str
        From one pass of the controller to the next. Default 1 minute.
    hold_for : timedelta or str
        How long the floor is held when there is no plan to follow, before it goes to the safe floor. Default 6 hours.
    step_down : float
        Share of the floor that may go per `step_every`, however often passes run. Default 0.10.
    step_every : timedelta or str
        See `step_down`. Default 5 minutes, the HPA's own window before it scales down.
    half_life : timedelta, str or None
        Down no faster than halving the excess in this time. Default none.
    step_up : float or None
        Share of the floor that may be added per period. Default none: the floor rises at once.
    ceiling_buffer : float or None
        A share lets the ceiling rise to need x (1 + share). Default none: the ceiling is left alone.
    calm : timedelta or str
        Under a plan of shorter steps than this, a floor moves to what the plan needs for so much longer, and comes
        down in fewer, larger steps. Default 0: the plan is followed to the step. The controller is set to `CALM`, 30
        minutes.

    Raises
    ------
    DataError
        A value lies outside of its range.

    Examples
    --------
    >>> ControllerRules(step_down=0.2).hold_for
    datetime.timedelta(seconds=21600)
    """

    period: timedelta = timedelta(minutes=1)
    hold_for: timedelta = timedelta(hours=6)
    step_down: float = 0.10
    step_every: timedelta = timedelta(minutes=5)  # the HPA's own window before it scales down
    half_life: timedelta | None = None
    step_up: float | None = None
    ceiling_buffer: float | None = None
    calm: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        settle(self, "controller", duration, "period", "hold_for", "step_every", "half_life", "calm")
        require(self.period > timedelta(0), "period must be > 0, got {}", self.period)
        require(self.hold_for >= timedelta(0), "hold_for must be >= 0, got {}", self.hold_for)
        require(0 < self.step_down <= 1, "step_down must lie in (0, 1], got {}", self.step_down)
        require(self.step_every >= timedelta(0), "step_every must be >= 0, got {}", self.step_every)
        require(
            self.half_life is None or self.half_life > timedelta(0), "half_life must be > 0, got {}", self.half_life
        )
        require(self.step_up is None or self.step_up > 0, "step_up must be > 0, got {}", self.step_up)
        require(self.calm >= timedelta(0), "calm must be >= 0, got {}", self.calm)

    def look_ahead(self, step: timedelta) -> timedelta:
        """How much further than it must a floor looks under a plan of such steps, so that it moves once for several.

        >>> policy = ControllerRules(calm=CALM)
        >>> policy.look_ahead(timedelta(minutes=5)), policy.look_ahead(timedelta(hours=1))
        (datetime.timedelta(seconds=1800), datetime.timedelta(0))
        """
        return self.calm if step < self.calm else timedelta(0)

    def calmed(self, step: timedelta) -> ControllerRules:
        """Steps down under a plan of such steps: what is not needed for `calm` falls as far as in that time, at once.

        At most twice in `calm`: 0.10 every 5 min becomes 0.47 every 15 min.

        >>> calmed = ControllerRules(calm=CALM).calmed(timedelta(minutes=5))
        >>> round(calmed.step_down, 2), calmed.step_every
        (0.47, datetime.timedelta(seconds=900))
        """
        if self.look_ahead(step) <= self.step_every:
            return self
        steps = self.calm / self.step_every if self.step_every else 1.0
        return replace(
            self, step_every=max(self.step_every, self.calm / 2), step_down=1 - (1 - self.step_down) ** steps
        )


@dataclass(frozen=True, slots=True)
class Brake:
    """More than `share` of the workloads, and at least `at_least`, want to come down: none does, for `hold_for`.

    It lets go by itself: where the whole business sleeps at night, every floor rightly comes down, only later.
    """

    __pydantic_config__ = STRICT

    share: Annotated[Share, Field(gt=0, le=1, description="Of all workloads: more than this brakes.")] = 0.5
    at_least: Annotated[int, Field(ge=1, description="Fewer workloads than this never brake.")] = 5
    hold_for: Annotated[Duration, Field(description="How long it holds: a night comes down, only later.")] = timedelta(
        minutes=30
    )

    def __post_init__(self) -> None:
        require(0 < self.share <= 1, "brake: share must lie in (0, 1], got {}", self.share)
        require(self.at_least >= 1, "brake: at_least must be >= 1, got {}", self.at_least)
        require(self.hold_for >= timedelta(0), "brake: hold_for must be >= 0, got {}", self.hold_for)
