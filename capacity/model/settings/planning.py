"""The blocks `calendar:`, `forecast:`, `choice:` and `controller:`: events, horizon, choosing, and how floors move."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from capacity.model.controller import CALM, Brake, ControllerRules
from capacity.model.fields import NAME, Duration, Share, TimeZone
from capacity.model.settings.block import Settings

RULES = ControllerRules()


class GroupCalendarSettings(Settings):
    """What is known about the days of one group of sales, where that differs from the business's calendar."""

    holidays: tuple[str, ...] | None = Field(None, description="In place of calendar.holidays. None: the same.")
    timezone: TimeZone | None = Field(None, description="The clock of its days. None: the business's `timezone`.")
    events: str | None = Field(None, description="CSV file as for calendar.events: its own events beside those of all.")


class CalendarSettings(Settings):
    """What is known about the days to come."""

    holidays: tuple[str, ...] = Field((), description="Countries or states with public holidays: GB, GB-ENG, US-CA.")
    events: str | None = Field(None, description="CSV file: name,start,end,kind,uplift; an empty uplift is learned.")
    payday: int | None = Field(None, ge=1, le=31, description="Day of the month; on a weekend the working day before.")
    month_ends: bool = Field(False, description="Whether the last day of a month is a day of its own.")
    columns: str | None = Field(None, description="CSV: time, then columns known ahead (price, spend), one row a step.")
    groups: dict[str, GroupCalendarSettings] = Field(
        default_factory=dict, description="By value of sales.group: its own holidays, time zone and events."
    )

    def holidays_of(self, group: str | None) -> tuple[str, ...]:
        """The countries and states whose holidays count for a group of sales; None: for all of them together."""
        own = None if group is None or group not in self.groups else self.groups[group].holidays
        return self.holidays if own is None else own

    def zone_of(self, group: str | None, business: str) -> str:
        """The time zone of a group's days; `business` where it has none of its own."""
        own = None if group is None or group not in self.groups else self.groups[group].timezone
        return own or business


class ForecastSettings(Settings):
    """How far, and at which quantile levels."""

    horizon: Duration = Field(timedelta(days=14), description="How far ahead. Default 14d.")
    quantile_levels: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field((0.5, 0.9, 0.95, 0.99), min_length=1)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if list(self.quantile_levels) != sorted(set(self.quantile_levels)):
            raise ValueError(f"quantile_levels: expected ascending without repeats, got {list(self.quantile_levels)}")
        return self


class ChoiceSettings(Settings):
    """How often the policy of a workload is chosen, and from how many days."""

    period: Annotated[Duration, Field(gt=timedelta(0))] | None = Field(
        timedelta(days=1),
        description="Age from which `capacity plan` chooses a policy anew; None: only `capacity advise` does.",
    )
    refit: Duration = Field(
        timedelta(days=1),
        ge=timedelta(minutes=1),
        description="Floors of a chosen policy follow a forecast fitted on whole such spans (UTC), as it was replayed.",
    )
    days: int = Field(28, ge=1, le=366, description="Days that are replayed; at least 7 to choose from.")
    policies: Path = Field(
        Path("policies.json"),
        description="File with the chosen policies, in the folder where the command runs: `capacity advise` writes it, "
        "`capacity plan` follows it. With --to-cluster they are kept in ConfigMaps.",
    )


class ControllerSettings(Settings):
    """How the controller moves floors."""

    period: Duration = Field(RULES.period, description="Time between two passes.")
    hold_for: Duration = Field(RULES.hold_for, description="How long the floor is held without a plan in force.")
    step_down: Annotated[Share, Field(gt=0, le=1)] = Field(
        RULES.step_down, description="Most a floor falls per step_every, as a share; at least one replica."
    )
    step_every: Duration = Field(RULES.step_every, description="Time between two steps down, however often passes run.")
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
    brake: Brake = Brake()
    namespace: str | None = Field(
        None,
        pattern=NAME,
        max_length=63,
        description="Namespace in which the pods of capacity run: `doctor` checks its quotas, `status` its CronJobs. "
        "None: that of the workloads.",
    )
    home: str | None = Field(
        None,
        pattern=NAME,
        max_length=63,
        description="Namespace of the ConfigMap capacity-switch that switches everything off. "
        "None: each namespace has its own.",
    )
    metric_times: bool = Field(
        False,
        description="Before a floor comes down, read from metrics.k8s.io when metrics were measured: only that proves "
        "that they stand still. Needs the right to list pods there (overlay metric-times).",
    )
    requests_per_second: float = Field(
        500.0,
        gt=0,
        le=10_000,
        description="Most requests to the API server, on average; twice as many at once.",
    )

    def policy(self) -> ControllerRules:
        """The rules by which floors move: the keys that bear their names."""
        return ControllerRules(
            **{one.name: getattr(self, one.name) for one in fields(ControllerRules) if hasattr(self, one.name)}
        )
