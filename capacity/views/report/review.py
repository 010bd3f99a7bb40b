"""Collects the data of a report: forecasts, plan and backtests of a period, from what was known when it began."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from capacity.forecast.backtest import Backtest
from capacity.model import DataError, Event, Forecast, Plan, WorkloadPlan
from capacity.model.choice import Choice
from capacity.model.configuration import Config
from capacity.model.outlook import Outlook
from capacity.model.service_level import Status
from capacity.planning.orders import Forecasts, Histories
from capacity.planning.result import PlanResult
from capacity.quality import Audit
from capacity.quality.report import AuditHistory

ORIGINS = 8  # of the backtest: two months of weeks


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """What is asked: a month as `2026-11` (None: the coming horizon), beside which plan, audits, promises."""

    month: str | None = None
    since: Plan | None = None
    audits: AuditHistory | None = None
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that the page says of `[begin, end)`, as known at `now`; `actual` are the sales seen in it, if any.

    `events` are those that its pictures mark.

    `planned` is None where the plan is held; `held` says why then. `year` is the outlook over twelve months, None where
    the history is too short for one or a month of the past is reviewed. `choices` are policies that were judged for
    it; empty: those of the plan.
    """

    config: Config
    request: ReportRequest
    now: datetime
    begin: datetime
    end: datetime
    audit: Audit
    history: Histories
    actual: Histories
    forecasts: Forecasts
    events: tuple[Event, ...] = ()
    planned: PlanResult | None = None
    held: str = ""
    backtests: dict[str | None, Backtest | DataError] = field(default_factory=dict)
    year: Outlook | None = None
    choices: tuple[Choice, ...] = ()

    @property
    def timezone(self) -> str:
        """The business's clock."""
        return self.config.timezone

    @property
    def plans(self) -> tuple[WorkloadPlan, ...]:
        """Every workload's plan, the highest peak first."""
        made = () if self.planned is None else self.planned.plan.workloads
        return tuple(sorted(made, key=lambda plan: -plan.peak.replicas))

    @property
    def outlooks(self) -> dict[str, Forecast]:
        """The forecasts that were made, by what they are of."""
        made = self.forecasts.items()
        return {group or "sales": one for group, one in made if isinstance(one, Forecast)}
