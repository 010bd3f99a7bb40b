"""`limits:` and `costs:` of a workload - how floors may be set and moved, and what it costs."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from capacity.domain import ChangeHours, Costs, Freeze, Limits
from capacity.edge.fields import Duration
from capacity.edge.settings.block import Settings


class FreezeSettings(Settings):
    """A time in which no floor moves."""

    start: datetime = Field(description="First moment; without a zone, on the business's clock.")
    end: datetime = Field(description="First moment after it.")
    name: str = "freeze"


class HoursSettings(Settings):
    """Hours of each day in which floors may move, on the business's clock."""

    start: time = Field(description="For instance 06:00; quoted, as YAML takes 06:00 for a number.")
    end: time


class LimitSettings(Settings):
    """How floors may be set and moved; by default only the number of changes is limited."""

    allowed_replicas: tuple[Annotated[int, Field(ge=1)], ...] = Field((), description="The only counts, ascending.")
    multiple_of: int = Field(1, ge=1, description="Counts are multiples of this.")
    step_up: int | None = Field(None, ge=1, description="Most replicas that one change adds.")
    step_down: int | None = Field(None, ge=1, description="Most replicas that one change takes.")
    ramp_up: float | None = Field(None, gt=0, description="Most replicas that an hour adds: rises begin earlier.")
    ramp_down: float | None = Field(None, gt=0, description="Most replicas that an hour takes.")
    hold: Duration = Field(timedelta(0), description="No two changes closer than this.")
    freezes: tuple[FreezeSettings, ...] = Field((), description="Times in which no floor moves.")
    hours: tuple[HoursSettings, ...] = Field((), description="Hours in which floors may move; none: all.")
    budget: float | None = Field(None, gt=0, description="Most money a month (30 days) may cost; peaks are cut first.")
    changes_a_day: int = Field(
        24, ge=1, description="Most changes of the floor on one day (UTC); a part of a day has its part of them."
    )

    def noun(self, timezone: str) -> Limits:
        """The limits as a noun of the domain."""
        return Limits(
            allowed=self.allowed_replicas,
            multiple_of=self.multiple_of,
            step_up=self.step_up,
            step_down=self.step_down,
            ramp_up=self.ramp_up,
            ramp_down=self.ramp_down,
            hold=self.hold,
            freezes=tuple(
                Freeze(_aware(one.start, timezone), _aware(one.end, timezone), one.name) for one in self.freezes
            ),
            hours=tuple(ChangeHours(one.start, one.end, timezone) for one in self.hours),
            budget=self.budget,
            changes_a_day=self.changes_a_day,
        )


class SwitchingSettings(Settings):
    """What starting, changing and lacking replicas costs, in the time of one running replica."""

    start: Duration | None = Field(None, description="What a start costs; None: the lead time.")
    change: Duration = Field(timedelta(0), description="What one change of the floor costs.")
    overload: float | None = Field(
        None, gt=1, description="How many times dearer a lacking replica is than an idle one."
    )
    price_per_hour: float | None = Field(None, ge=0, description="Of one replica; None: from the node types.")

    def noun(self) -> Costs:
        """The costs as a noun of the domain."""
        return Costs(self.start, self.change, self.overload, self.price_per_hour)


def _aware(moment: datetime, timezone: str) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(timezone))
