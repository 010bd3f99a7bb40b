"""What a workload's capacity follows: a policy, its objective, a cadence, and the rules of the controller."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from capacity.model.errors import require
from capacity.model.fields import STRICT, Duration, Share, duration, settle
from capacity.shown import with_card

Floors = Literal["none", "forecast", "weekly", "static"]
Standing = Literal["stands", "advised", "managed"]
DEFAULT_STABILIZATION = timedelta(minutes=5)  # --horizontal-pod-autoscaler-downscale-stabilization
DAY_MINUTES = 1440.0
CALM = timedelta(minutes=30)  # about as many changes a day as there are hours (World Cup 98, 10 to 19 June)


@with_card
@dataclass(frozen=True, slots=True)
class Policy:
    """How many replicas a workload runs: the target of its autoscaler, and the floors under it.

    Parameters
    ----------
    target : int or None
        averageUtilization of the autoscaler, in whole percent of the request; None where there is none.
    floors : {"none", "forecast", "weekly", "static"}
        Where floors come from: the workload's own floor, the forecast, the highest need of each hour of the week in
        the last four weeks, or the highest need of that time. Default "none".
    quantile_level : float or None
        Quantile of the forecast demand that floors serve, in (0, 1). Default none: `floors` is not "forecast".
    calm : bool
        Whether the controller moves a floor once for several steps of the plan. Default yes.
    stabilization : timedelta
        The autoscaler's window before it scales down. Default 5 minutes.
    standing : str
        Whether `target` stands in the cluster already, is advised, or is set by the controller. Default "stands".
    headroom : float or None
        Quantile of demand for which nodes stood ready when the policy was replayed, in (0, 1). Default none: nodes were
        ordered when pods did not fit, or were not replayed. What is planned follows the workload's `headroom`.

    Raises
    ------
    DataError
        A value is one that no autoscaler or plan can have.

    Examples
    --------
    >>> str(Policy(70)), str(Policy(80, "forecast", 0.9))
    ('HPA at 70 %', 'floors from the forecast at 0.9, HPA at 80 %')
    """

    __pydantic_config__ = STRICT

    target: Annotated[int | None, Field(description="averageUtilization of the autoscaler; null: there is none.")]
    floors: Annotated[Floors, Field(description="none, or forecast; weekly and static are only compared with.")] = (
        "none"
    )
    quantile_level: Annotated[
        float | None, Field(gt=0, lt=1, description="Of the forecast demand that floors serve.")
    ] = None
    calm: Annotated[bool, Field(description="Whether a floor moves once for several steps of the plan.")] = True
    stabilization: Annotated[Duration, Field(description="Before the autoscaler scales down.")] = DEFAULT_STABILIZATION
    standing: Annotated[Standing, Field(description="Whether the target stands, is advised, or is managed.")] = "stands"
    headroom: Annotated[
        float | None, Field(gt=0, lt=1, description="Only told by a replay: nodes stood ready for this quantile.")
    ] = None

    def __post_init__(self) -> None:
        level, ahead = self.quantile_level, self.headroom
        require(ahead is None or 0 < ahead < 1, "policy: headroom must lie in (0, 1), got {}", ahead)
        require(
            self.target is None or 1 <= self.target <= 1000, "policy: target must be 1 to 1000, got {}", self.target
        )
        require(level is None or 0 < level < 1, "policy: quantile_level must lie in (0, 1), got {}", level)
        forecast = self.floors == "forecast"
        require(
            forecast == (level is not None), "policy: quantile_level goes with floors from a forecast, got {}", level
        )
        require(self.target is not None or self.floors != "none", "policy: without an autoscaler it needs floors")
        require(self.stabilization >= timedelta(0), "policy: stabilization must be >= 0, got {}", self.stabilization)

    @property
    def has_floors(self) -> bool:
        """Whether floors above the workload's own are set."""
        return self.floors != "none"

    def __str__(self) -> str:
        return self._scaled() if self.headroom is None else f"{self._scaled()}, nodes ready at {self.headroom:g}"

    def _scaled(self) -> str:
        above = "no HPA" if self.target is None else f"HPA at {self.target} %"
        if self.floors == "none":
            return above
        said = {"weekly": "weekly schedule", "static": "static peak"}.get(self.floors)
        said = said or f"floors from the forecast at {self.quantile_level:g}{'' if self.calm else ', every step'}"
        return said if self.target is None else f"{said}, {above}"


def _cost_per_hour(value: object) -> object:
    """500, or "500 EUR/h": an amount per hour; the currency is that of the prices and is not read."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:[A-Za-z]{3})?\s*(?:/\s*h)?\s*", str(value))
    if found is None or isinstance(value, bool):
        raise ValueError(f"expected an amount per hour such as 500 EUR/h, got {value!r}")
    return float(found[1])


HourlyCost = Annotated[
    float,
    BeforeValidator(_cost_per_hour),
    WithJsonSchema({"type": ["string", "number"], "examples": ["500 EUR/h"]}),
]


@with_card
@dataclass(frozen=True, slots=True)
class Objective:
    """What a policy is chosen by: the cheapest that keeps `minutes`, or the least expected total cost.

    Parameters
    ----------
    target : float or None
        Utilization that a minute must not exceed, in (0, 1]. Default: the workload's target utilization.
    minutes : float
        Share of minutes that must be kept at or under the target, in (0, 1). Default 0.995.
    overload_cost : float or None
        What an hour over 100 % utilization costs, in the currency of the prices. With it the policy of the least
        expected total cost is chosen and `minutes` does not count. Default none.

    Examples
    --------
    >>> Objective().allowed_minutes
    7.2
    """

    __pydantic_config__ = STRICT

    target: Annotated[
        Share | None, Field(gt=0, le=1, description="Utilization a minute may have. None: target_utilization.")
    ] = None
    minutes: Annotated[
        Share, Field(gt=0, lt=1, description="Share of minutes to keep at or under the target, e.g. 99.5%.")
    ] = 0.995
    overload_cost: Annotated[
        HourlyCost | None, Field(description="Cost of an hour over 100 %, e.g. 500 EUR/h: the least total is chosen.")
    ] = None

    def __post_init__(self) -> None:
        target, cost = self.target, self.overload_cost
        require(target is None or 0 < target <= 1, "objective: target must lie in (0, 1], got {}", target)
        require(0 < self.minutes < 1, "objective: minutes must lie in (0, 1), got {}", self.minutes)
        require(cost is None or 0 < cost < float("inf"), "objective: overload_cost must be > 0, got {}", cost)

    @property
    def allowed_minutes(self) -> float:
        """Minutes of a day that may lie above the target."""
        return round((1 - self.minutes) * DAY_MINUTES, 6)


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often things happen: in production, in `simulate` and in benchmarks.

    Parameters:
        plan: time between two plans. Default 1 hour.
        delay: from the end of the last known step until the plan made from it is in force. Default 8 minutes: the
            planner starts 7 minutes past the hour and takes one.
        refit: the floors of a policy that was chosen follow a forecast fitted so often, on whole such spans of UTC.
            Default 1 day: judged at equal minutes over the target, fits of every hour cost as much or more on public
            traces, and a day of replay then takes one.
        controller: time between two passes of the controller. Default 1 minute.
    """

    plan: timedelta = timedelta(hours=1)
    delay: timedelta = timedelta(minutes=8)
    refit: timedelta = timedelta(days=1)
    controller: timedelta = timedelta(minutes=1)

    def __post_init__(self) -> None:
        for name in ("plan", "refit", "controller"):
            require(getattr(self, name) > timedelta(0), "cadence: {} must be > 0, got {}", name, getattr(self, name))
        require(self.delay >= timedelta(0), "cadence: delay must be >= 0, got {}", self.delay)


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
