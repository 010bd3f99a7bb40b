"""What a workload's capacity follows: a policy, the objective it is chosen by, the cadence it runs at, its evidence."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from capacity.model.errors import require, require_aware
from capacity.model.fields import STRICT, Duration, Share
from capacity.shown import plot_noun, shows_itself, with_card

if TYPE_CHECKING:
    import pandas as pd

Floors = Literal["none", "forecast", "weekly", "static"]
Standing = Literal["stands", "advised", "managed"]
DEFAULT_STABILIZATION = timedelta(minutes=5)  # --horizontal-pod-autoscaler-downscale-stabilization
DAY_MINUTES = 1440.0


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

    def __post_init__(self) -> None:
        level = self.quantile_level
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
        above = "no HPA" if self.target is None else f"HPA at {self.target} %"
        if self.floors == "none":
            return above
        said = {"weekly": "weekly schedule", "static": "static peak"}.get(self.floors)
        said = said or f"floors from the forecast at {self.quantile_level:g}{'' if self.calm else ', not calmed'}"
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
        refit: time between two fits of the forecast. Default 1 hour: production fits with every plan.
        controller: time between two passes of the controller. Default 1 minute.
    """

    plan: timedelta = timedelta(hours=1)
    delay: timedelta = timedelta(minutes=8)
    refit: timedelta = timedelta(hours=1)
    controller: timedelta = timedelta(minutes=1)

    def __post_init__(self) -> None:
        for name in ("plan", "refit", "controller"):
            require(getattr(self, name) > timedelta(0), "cadence: {} must be > 0, got {}", name, getattr(self, name))
        require(self.delay >= timedelta(0), "cadence: delay must be >= 0, got {}", self.delay)


Interval = tuple[float, float]


@with_card
@dataclass(frozen=True, slots=True)
class Evidence:
    """What a policy did on the replayed days: means per day, each with a 95 % interval over resampled days.

    Parameters
    ----------
    policy : Policy
        The policy.
    days : int
        How many days were replayed.
    cost : float
        In pod-hours, or in the currency of the prices where replicas have a price.
    minutes_above : float
        Minutes of a day above the target.
    overload_minutes : float
        Minutes of a day above 100 %.
    cost_interval, minutes_interval, overload_interval : (float, float)
        The 95 % interval of each.
    """

    policy: Policy
    days: int
    cost: float
    minutes_above: float
    overload_minutes: float
    cost_interval: Interval
    minutes_interval: Interval
    overload_interval: Interval

    def __post_init__(self) -> None:
        require(self.days >= 1, "evidence: expected at least one day, got {}", self.days)
        for name in ("cost", "minutes_above", "overload_minutes"):
            value = getattr(self, name)
            require(0 <= value < float("inf"), "evidence: {} must be >= 0, got {}", name, value)

    @property
    def kept_share(self) -> float:
        """Share of minutes at or under the target."""
        return 1 - self.minutes_above / DAY_MINUTES


Reason = Literal["FloorsPay", "PlainHpaIsEnough", "NoSkill", "LeastExpectedCost", "NothingKeepsTheMinutes", "TooShort"]


@shows_itself
@dataclass(frozen=True, slots=True)
class Choice:
    """The policy chosen for one workload, why, and what its rivals would have done on the same days.

    Parameters
    ----------
    namespace, name : str
        Which workload.
    chosen_at : datetime
        When it was chosen.
    objective : Objective
        What it was chosen by.
    recommended : Evidence
        The chosen policy.
    today : Evidence
        The autoscaler as it stands.
    reason : str
        Why this policy was chosen.
    meanwhile : Evidence or None
        The best policy under the autoscaler as it stands, to follow until somebody has set the advised target. Default
        none: nothing has to be set by hand.
    rivals : tuple of Evidence
        Other policies, first the one that keeps the minutes for the least. Default none.
    unit : str
        The unit of costs. Default "pod-hours".
    remarks : tuple of str
        What an operator should know or do. Default none.
    """

    namespace: str
    name: str
    chosen_at: datetime
    objective: Objective
    recommended: Evidence
    today: Evidence
    reason: Reason
    meanwhile: Evidence | None = None
    rivals: tuple[Evidence, ...] = ()
    unit: str = "pod-hours"
    remarks: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        require_aware("chosen_at", self.chosen_at)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name of the workload."""
        return self.namespace, self.name

    @property
    def policy(self) -> Policy:
        """The policy recommended."""
        return self.recommended.policy

    @property
    def in_force(self) -> Policy:
        """The policy to follow now, whatever nobody has set yet."""
        return self.recommended.policy if self.meanwhile is None else self.meanwhile.policy

    def to_frame(self) -> pd.DataFrame:
        """One row per policy (index `role`: today, recommended, until then, rivals): what it cost and kept, per day."""
        import pandas as pd

        roles = [("today", self.today), ("recommended", self.recommended)]
        roles += [] if self.meanwhile is None else [("until then", self.meanwhile)]
        roles += [("rival", one) for one in self.rivals]
        rows = [
            {
                "policy": str(one.policy),
                "cost": one.cost,
                "minutes_above": one.minutes_above,
                "overload_minutes": one.overload_minutes,
                "kept_share": one.kept_share,
            }
            for _, one in roles
        ]
        return pd.DataFrame(rows, pd.Index([role for role, _ in roles], name="role"))

    def plot(self, *, theme: str = "light", ax: Any = None) -> Any:
        """Draw cost against minutes above the target; returns the Figure, or `ax` where that was given."""
        return plot_noun(self, theme=theme, ax=ax)

    @property
    def change(self) -> float:
        """Relative change of cost against today; 0 where today costs nothing."""
        return self.recommended.cost / self.today.cost - 1 if self.today.cost else 0.0
