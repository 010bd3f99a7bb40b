"""One workload planned again under changed conditions, in well under a second; and scenarios as people write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from capacity.app.advise import with_policies
from capacity.app.kept import Kept
from capacity.model import (
    CapacityError,
    ConfigError,
    DataError,
    Demand,
    Event,
    Explanation,
    Forecast,
    Scenario,
    Workload,
    WorkloadPlan,
)
from capacity.model.choice import Choice, Evidence
from capacity.model.configuration import Config
from capacity.model.fields import duration_text
from capacity.model.policies import Policies
from capacity.model.policy import Objective
from capacity.planning.explain import KnownSales, explain_planned, plain_forecast
from capacity.planning.orders import OrderData
from capacity.planning.pipeline import PlanInputs, check_scenarios, make_plan, planned_demand, planned_window
from capacity.planning.result import expected_minutes_above
from capacity.planning.shared import priced
from capacity.planning.workload import floor_series, month_cost

Key = tuple[str, str]  # namespace and name of a workload
LEVELS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995)  # what the quantile can be set to, beside those configured
KEPT = 64  # forecasts: one for each workload and window that somebody asked for
KEPT_PLANS = 16  # the one that is compared with, and those whose hours readers look at: about 1 MB each
LONGEST = timedelta(hours=6)  # of a lead time that can be asked for
POD_HOURS = "pod-hours"
FORMS = "growth=+20%, promotion=2026-11-27/2026-11-28:+50%, lost-zone, cancel=EVENT, or several joined by commas"


@dataclass(frozen=True, slots=True)
class Controls:
    """What is changed against the plan as it is; None and False: nothing.

    Parameters:
        quantile: level of the demand that is served, one of `PlannedOrders.levels`.
        growth: share by which all sales grow (0.2: a fifth more).
        promotion: a further event with its uplift.
        lost_zone: whether one of the workload's zones is lost.
        lead_time: from the patch to ready replicas, at most 6 hours.
        minutes: share of minutes to keep at or under the target, in (0, 1): a policy is chosen anew by it.
        overload_cost: of an hour over 100 %: the policy of the least expected total is chosen.
    """

    quantile: float | None = None
    growth: float = 0.0
    promotion: Event | None = None
    lost_zone: bool = False
    lead_time: timedelta | None = None
    minutes: float | None = None
    overload_cost: float | None = None

    def __post_init__(self) -> None:
        lead = self.lead_time
        if lead is not None and not timedelta(0) <= lead <= LONGEST:
            raise ConfigError(f"lead_time: expected 0s to {duration_text(LONGEST)}, got {duration_text(lead)}")
        if self.minutes is not None and self.overload_cost is not None:
            raise ConfigError("expected one of minutes and overload_cost, got both: a policy is chosen by one of them")

    @property
    def scenario(self) -> Scenario | None:
        """What changes the sales or the zones; None where nothing does. Its name is what `--scenario` takes."""
        promotions = () if self.promotion is None else (self.promotion,)
        if not (self.growth or promotions or self.lost_zone):
            return None
        words = [f"growth={100 * self.growth:+.6g}%"] if self.growth else []
        words += [f"promotion={one.name}:{100 * ((one.uplift or 1) - 1):+.6g}%" for one in promotions]
        words += ["lost-zone"] if self.lost_zone else []
        return Scenario(",".join(words), self.growth, promotions, self.lost_zone)

    def changes(self) -> dict[str, Any]:
        """The keys of the workload in capacity.yaml that these controls stand for."""
        changed: dict[str, Any] = {}
        if self.quantile is not None:
            changed["quantile_level"] = self.quantile
        if self.lead_time is not None:
            changed["lead_time"] = duration_text(self.lead_time)
        if self.minutes is not None:
            changed["objective"] = {"minutes": f"{100 * self.minutes:.6g}%"}
        if self.overload_cost is not None:
            changed["objective"] = {"overload_cost": self.overload_cost}
        return changed


@dataclass(frozen=True, slots=True)
class Outcome:
    """One workload's plan, and what it costs and keeps.

    `cost` is of the planned floors over a month of 30 days, in `unit`; `minutes_above` the expected minutes a day on
    which demand passes what the floors serve at the target, None where it is not known. `choice` holds the evidence of
    the replayed days.
    """

    plan: WorkloadPlan
    workload: Workload
    cost: float
    unit: str
    minutes_above: float | None
    mean_floor: float
    choice: Choice | None = None

    @property
    def replayed(self) -> Evidence | None:
        """What the policy in force did on the replayed days."""
        if self.choice is None:
            return None
        return self.choice.recommended if self.choice.meanwhile is None else self.choice.meanwhile


@dataclass(frozen=True, slots=True)
class Comparison:
    """A workload's plan as it is, and as it would be."""

    controls: Controls
    before: Outcome
    after: Outcome


@dataclass(frozen=True, slots=True)
class _Planned:
    """One workload's plan under some controls, the choice whose policy it follows, and what it was made from."""

    plan: WorkloadPlan
    workload: Workload
    choice: Choice | None
    inputs: PlanInputs


@dataclass(slots=True)
class PlannedOrders:
    """Orders that were read, and the newest forecasts and plans made from them; each is made once.

    `asked` is the configuration as it was written, `policies` the choices that plans follow.
    """

    asked: Config
    orders: OrderData
    now: datetime
    policies: Policies = field(default_factory=dict)
    _inputs: Kept[PlanInputs] = field(default_factory=lambda: Kept(KEPT))
    _plain: Kept[Forecast | None] = field(default_factory=lambda: Kept(KEPT))
    _plans: Kept[_Planned] = field(default_factory=lambda: Kept(KEPT_PLANS))

    @property
    def config(self) -> Config:
        """The configuration with the chosen policies, and every level that can be asked for."""
        config = with_policies(self.asked, self.policies)
        levels = tuple(sorted({*config.forecast.quantile_levels, *LEVELS}))
        return config.model_copy(update={"forecast": config.forecast.model_copy(update={"quantile_levels": levels})})

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantile levels that can be asked for."""
        return tuple(level for level in self.config.forecast.quantile_levels if level >= LEVELS[0])

    def workload(self, key: Key) -> Workload:
        """The workload as it is planned. Raises `DataError` where there is none."""
        return _of(self.config, key)

    def inputs(self, workload: Workload) -> PlanInputs:
        """What the plan of this workload alone is made from."""
        config = self.config.model_copy(update={"workloads": (workload,)})
        history = self.orders.histories.get(workload.group)
        window = None if history is None else planned_window(config, workload, history)
        follows = workload.policy is not None and workload.policy.floors == "forecast"
        made = self._inputs.get(
            (workload.key, window, follows),
            lambda: PlanInputs.of(config, self._own(workload), self.now, self.asked.settings_hash()),
        )
        return replace(made, config=config)

    def plan(self, key: Key, controls: Controls | None = None) -> WorkloadPlan:
        """The plan of one workload alone under these controls. Raises `DataError`."""
        return self._planned(key, controls or Controls()).plan

    def demand(self, key: Key, controls: Controls | None = None) -> Demand:
        """The demand that this plan is made from, without planning. Raises `DataError`."""
        controls = controls or Controls()
        workload, _ = self._changed(key, controls)
        return planned_demand(self._under(workload, controls))

    def outcome(self, key: Key, controls: Controls | None = None) -> Outcome:
        """The plan of one workload alone under these controls, and what it costs and keeps. Raises `DataError`."""
        found = self._planned(key, controls or Controls())
        return _outcome(found.plan, found.workload, found.choice, found.inputs.config)

    def compare(self, key: Key, controls: Controls) -> Comparison:
        """The plan of one workload as it is, and under these controls. Raises `DataError`."""
        return Comparison(controls, self.outcome(key), self.outcome(key, controls))

    def explain(self, key: Key, at: datetime | None, controls: Controls | None = None) -> Explanation:
        """The floor of one step (None: of the peak) taken apart. Raises `DataError`."""
        found = self._planned(key, controls or Controls())
        inputs, served = found.inputs, next(iter(found.inputs.config.workloads))
        if inputs.scenario is not None and inputs.scenario.lost_zone:
            served = replace(served, zones=1)
        return explain_planned(inputs, found.plan, served, at, self._known_sales(found.workload))

    def _known_sales(self, workload: Workload) -> KnownSales:
        """The forecasts of its sales as nothing changes them, and without the coming events."""
        inputs = self.inputs(workload)
        usual = inputs.forecasts.get(workload.group)
        plain = self._plain.get(workload.group, lambda: plain_forecast(inputs, workload))
        return KnownSales(plain, usual if isinstance(usual, Forecast) else None)

    def _own(self, workload: Workload) -> OrderData:
        orders = self.orders
        histories = {group: sales for group, sales in orders.histories.items() if group == workload.group}
        usages = {key: usage for key, usage in orders.usages.items() if key == workload.key}
        return replace(orders, histories=histories, usages=usages)

    def _under(self, workload: Workload, controls: Controls) -> PlanInputs:
        inputs, scenario = self.inputs(workload), controls.scenario
        if scenario is None:
            return inputs
        check_scenarios(inputs.config, inputs.orders, [scenario])
        return inputs.under(scenario)

    def _planned(self, key: Key, controls: Controls) -> _Planned:
        """The plan and what it was made from: the same for all who ask for the same."""

        def make() -> _Planned:
            workload, choice = self._changed(key, controls)
            inputs = self._under(workload, controls)
            planned = make_plan(inputs)
            plan = planned.plan.workload(*workload.key)
            if plan is None:
                raise DataError(planned.failures.get(workload.key, f"{workload.name} was not planned"))
            return _Planned(plan, workload, choice, inputs)

        return self._plans.get((key, controls), make)

    def _changed(self, key: Key, controls: Controls) -> tuple[Workload, Choice | None]:
        """The workload under the controls, and the choice whose policy it follows."""
        workload, advised = self.workload(key), self.policies.get(key)
        choice = None if advised is None else advised.choice
        if controls.minutes is not None or controls.overload_cost is not None:
            workload, choice = self._chosen_again(key, controls)
        if controls.lead_time is not None:
            workload = replace(workload, lead_time=controls.lead_time)
        if controls.quantile is not None:
            workload = _at_level(workload, self._level(controls.quantile))
        return workload, choice

    def _level(self, asked: float) -> float:
        if asked not in self.levels:
            known = ", ".join(f"{level:g}" for level in self.levels)
            raise ConfigError(f"quantile: expected one of {known}, got {asked:g}")
        return asked

    def _chosen_again(self, key: Key, controls: Controls) -> tuple[Workload, Choice]:
        from capacity.simulation.choice import choose_policy

        advised = self.policies.get(key)
        if advised is None or advised.tried is None:
            raise DataError(self.no_objective(key) or "no replayed days")
        own = _of(self.asked, key)
        objective = Objective(own.objective.target, controls.minutes or own.objective.minutes, controls.overload_cost)
        own = replace(own, objective=objective)
        choice = choose_policy(advised.tried, priced(own, self.asked.supply), self.now)
        again = self.asked.model_copy(update={"workloads": (own,)})
        followed = with_policies(again, {key: replace(advised, choice=choice)})
        return followed.workloads[0], choice

    def priced(self, key: Key) -> bool:
        """Whether a replica of the workload has a price."""
        return priced(self.workload(key), self.asked.supply).costs.price_per_hour is not None

    def no_objective(self, key: Key) -> str | None:
        """Why no objective can be tried on this workload; None: it can."""
        advised = self.policies.get(key)
        if advised is None:
            return "No policy has been chosen for this workload: run `capacity advise`, then open this page again."
        if advised.tried is None:
            return "The replayed days were not kept: run `capacity advise` again."
        return None


def _of(config: Config, key: Key) -> Workload:
    found = next((one for one in config.workloads if one.key == key), None)
    if found is None:
        raise DataError(f"no workload {key[0]}/{key[1]} in the configuration")
    return found


def _at_level(workload: Workload, level: float) -> Workload:
    policy = workload.policy
    if policy is not None and policy.floors == "forecast":
        policy = replace(policy, quantile_level=level)
    return replace(workload, quantile_level=level, policy=policy)


def _outcome(plan: WorkloadPlan, workload: Workload, choice: Choice | None, config: Config) -> Outcome:
    floors = floor_series(plan).to_numpy()
    price = priced(workload, config.supply).costs.price_per_hour
    alone = workload.policy is not None and not workload.policy.has_floors
    return Outcome(
        plan,
        workload,
        month_cost(floors, 1.0 if price is None else price),
        POD_HOURS if price is None else config.supply.currency,
        None if alone else expected_minutes_above(plan, workload),
        float(floors.mean()),
        choice,
    )


def scenario_yaml(compared: Comparison, saved: datetime) -> str:
    """The what-if as YAML: what `capacity plan --scenario` takes, keys for capacity.yaml, and what came of it."""
    controls, plan = compared.controls, compared.before.plan
    scenario = controls.scenario
    document: dict[str, Any] = {"workload": plan.label, "planned_from": plan.start, "saved": saved}
    if scenario is not None:
        document["scenario"] = scenario.name
    if changed := controls.changes():
        document["workload_changes"] = {"namespace": plan.namespace, "name": plan.name, **changed}
    document["before"], document["after"] = _figures(compared.before), _figures(compared.after)
    head = (
        "# A what-if of `capacity serve`. `scenario` is what `capacity plan --scenario` takes;\n"
        "# `workload_changes` are keys of this workload in capacity.yaml. Costs are of the planned floors.\n"
    )
    return head + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _figures(one: Outcome) -> dict[str, Any]:
    above = one.minutes_above
    return {
        "peak_replicas": one.plan.peak.replicas,
        "peak_at": one.plan.peak.at,
        "mean_floor": round(one.mean_floor, 3),
        "cost_per_month": round(one.cost, 2),
        "cost_unit": one.unit or "currency of the prices",
        "expected_minutes_over_target_per_day": None if above is None else round(above, 3),
        "minutes_short_of_need": one.plan.derivation.minutes_short,
    }


def parse_scenario(text: str, timezone: str) -> Scenario:
    """One `--scenario`; times without a zone are on the business's clock. Raises `ConfigError`.

    >>> parse_scenario("growth=+20%", "UTC")
    Scenario(name='growth=+20%', growth=0.2, promotions=(), lost_zone=False, cancelled=())
    """
    growth, lost_zone = 0.0, False
    promotions: list[Event] = []
    cancelled: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = part.partition("=")
        if key == "growth":
            growth = (1 + growth) * (1 + _share(part, value)) - 1
        elif key == "promotion":
            promotions.append(_promotion(part, value, timezone))
        elif part == "lost-zone":
            lost_zone = True
        elif key == "cancel" and value:
            cancelled.append(value)
        else:
            raise ConfigError(f"--scenario: expected {FORMS}, got {part!r}")
    if not text.strip(" ,"):
        raise ConfigError(f"--scenario: expected {FORMS}, got nothing")
    try:
        return Scenario(text, round(growth, 12), tuple(promotions), lost_zone, tuple(cancelled))
    except CapacityError as error:
        raise ConfigError(f"--scenario: {error}") from error


def _share(part: str, value: str) -> float:
    match = re.fullmatch(r"([+-]?\d+(?:\.\d+)?)%", value)
    if match is None:
        raise ConfigError(f"--scenario: expected a change such as +20% or -5%, got {part!r}")
    return float(match[1]) / 100


def _promotion(part: str, value: str, timezone: str) -> Event:
    match = re.fullmatch(r"([^/]+)/(.+):([+-][\d.]+%)", value)
    if match is None:
        raise ConfigError(f"--scenario: expected promotion=START/END:+50%, got {part!r}")
    try:
        start, end = (_moment(moment, timezone) for moment in match.group(1, 2))
        return Event(match[1] + "/" + match[2], start, end, "promotion", 1 + _share(part, match[3]))
    except (ValueError, CapacityError) as error:
        raise ConfigError(f"--scenario: {part}: {error}") from error


def _moment(text: str, timezone: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(timezone))


def parse_scenarios(texts: Sequence[str], timezone: str) -> list[Scenario]:
    """All of them, each once. Raises `ConfigError`."""
    if len(texts) != len(set(texts)):
        raise ConfigError(f"--scenario: expected each once, got {list(texts)}")
    return [parse_scenario(text, timezone) for text in texts]
