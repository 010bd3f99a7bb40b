"""What a simulation found: every policy's score, the misses of the plan, the verdict in plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from capacity.model import DataError
from capacity.shown import plot_noun, shows_itself
from capacity.simulation.case import Miss, Promise, Score, find_misses
from capacity.simulation.headroom import HeadroomScore
from capacity.simulation.hpa.spec import DOWNSCALE_STABILIZATION
from capacity.simulation.policies import Frontier, Trial, saving, swept

if TYPE_CHECKING:
    import pandas as pd

COUNTS = ("no", "one", "two", "three", "four", "five", "six")
TOLD = 2  # misses that are described; the rest are counted


@dataclass(frozen=True, slots=True)
class Savings:
    """Shares of pod-hours saved against the best HPA with as many minutes over 100 %, and over the target."""

    overload: float
    cap: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The plan's score, the HPA's alone, and the savings against the best HPAs that harm as little."""

    plan: Score
    alone: Score
    savings: Savings
    target: float


def say_verdict(compared: Comparison, misses: Sequence[Miss]) -> str:
    """What held, against what, where not.

    The promise and its cost beside the HPA alone; then the cost of the best HPAs that break as little of it.
    """
    plan, alone = compared.plan, compared.alone
    held, cap = _percent(1 - plan.cap_breach_share), _whole(compared.target)
    cost = _cost(plan.pod_hours / alone.pod_hours - 1)
    first = (
        f"Over the last {_days(plan.days)} the plan would have kept utilization at or under {cap} for "
        f"{held} of minutes with {cost} your HPA, which kept it for {_percent(1 - alone.cap_breach_share)}; "
        f"{_misses(misses)}."
    )
    return f"{first} {_overload(plan, alone)} {_matched(compared.savings, cap)}"


def _days(days: float) -> str:
    return "day" if round(days) == 1 else f"{days:.0f} days"


def _percent(share: float) -> str:
    """Two decimals, rounded down: 100 % is said of what never failed.

    >>> _percent(0.99999), _percent(1.0)
    ('99.99 %', '100 %')
    """
    return "100 %" if share >= 1 else f"{int(share * 10_000) / 100:.2f} %"


def _whole(share: float) -> str:
    """A share as whole percent, as this project writes it."""
    return f"{100 * share:.0f} %"


def _cost(change: float) -> str:
    if round(abs(change), 2) == 0:
        return "as many pod-hours as"
    return f"{_whole(abs(change))} {'fewer' if change < 0 else 'more'} pod-hours than"


def _misses(misses: Sequence[Miss]) -> str:
    if not misses:
        return "it missed nowhere"
    worst = "; ".join(
        f"{miss.start:%a %Y-%m-%d %H:%MZ} for {miss.length.total_seconds() / 60:.0f} min, up to {_utilization(miss)}"
        + (", pods were starting" if miss.late else "")
        for miss in misses[:TOLD]
    )
    count = COUNTS[len(misses)] if len(misses) < len(COUNTS) else str(len(misses))
    noun = "miss" if len(misses) == 1 else "misses"
    return f"{count} {noun}{', the worst' if len(misses) > TOLD else ''}: {worst}"


def _utilization(miss: Miss) -> str:
    return _whole(miss.utilization) if miss.utilization < float("inf") else "no capacity at all"


def _overload(plan: Score, alone: Score) -> str:
    return f"Over 100 %: {plan.overload_minutes:.0f} min with the plan, {alone.overload_minutes:.0f} min without."


def _matched(savings: Savings, cap: str) -> str:
    return (
        f"The best HPA of all settings with as few minutes over {cap} would have cost {_more(savings.cap)}, "
        f"with as few over 100 % {_more(savings.overload)}."
    )


def _more(share: float) -> str:
    """What another costs over the plan, from the share that the plan saves.

    >>> _more(0.2), _more(-0.25), _more(0.0)
    ('25 % more', '20 % less', 'the same')
    """
    against = share / (1 - share)
    return "the same" if round(against, 2) == 0 else f"{_whole(abs(against))} {'more' if against > 0 else 'less'}"


def _named(found: Trial, plan: Trial) -> str:
    """The plain HPA that would have done as well, by its target; its stabilization where that is not the usual."""
    less = found.score.pod_hours / plan.score.pod_hours - 1
    window = found.policy.rule.stabilization
    usual = (
        "" if window == DOWNSCALE_STABILIZATION else f" and a stabilization of {window.total_seconds() / 60:.0f} min"
    )
    return (
        f"An HPA with averageUtilization {found.policy.rule.target}{usual} would have done as well with "
        f"{_cost(less).removesuffix(' than')}: see `capacity advise`."
    )


COLUMNS: dict[str, Callable[[Score], float]] = {
    "overload_minutes": lambda score: score.overload_minutes,
    "cap_breach_minutes": lambda score: score.cap_breach_minutes,
    "slo_minutes": lambda score: score.slo_minutes,
    "lost_share": lambda score: score.lost_share,
    "pod_hours": lambda score: score.pod_hours,
    "over_clairvoyant": lambda score: score.over_clairvoyant,
    "starts_per_day": lambda score: score.starts_per_day,
    "floor_changes_per_day": lambda score: score.floor_changes_per_day,
    "lead_misses": lambda score: score.lead_misses,
    "accuracy_under": lambda score: score.elasticity.accuracy_under,
    "accuracy_over": lambda score: score.elasticity.accuracy_over,
    "time_under": lambda score: score.elasticity.time_under,
    "time_over": lambda score: score.elasticity.time_over,
    "instability": lambda score: score.elasticity.instability,
}


@shows_itself
@dataclass(frozen=True, slots=True)
class Simulation:
    """Policies side by side on the same demand.

    Parameters
    ----------
    name : str
        The workload, as namespace/name.
    timezone : str
        The clock on which results are shown.
    begin : datetime
        The first tick.
    tick : timedelta
        From one sync of the autoscaler to the next.
    promise : Promise
        The target utilization that is promised, and the utilization from which waiting grows too long.
    trials : tuple of Trial
        One per policy, the plan first, the HPA alone second.
    plans : int
        Origins from which a plan was made.
    busy : mapping of str to Score
        The score of every named policy in the busiest hundredth of the time and near events alone. Default none.
    nodes : tuple of HeadroomScore
        Of a workload with headroom on nodes that join late: who waited for a node, and what nodes cost, under the HPA
        alone and under the plan, without headroom and with it. Default none: nodes were not replayed.
    """

    name: str
    timezone: str
    begin: datetime
    tick: timedelta
    promise: Promise
    trials: tuple[Trial, ...]
    plans: int
    busy: Mapping[str, Score] = field(default_factory=dict)
    nodes: tuple[HeadroomScore, ...] = ()

    @property
    def days(self) -> timedelta:
        """How long a stretch was replayed."""
        return timedelta(days=self.plan.score.days)

    @property
    def plan(self) -> Trial:
        """Ours: the floors that production would have set, and the workload's HPA above them."""
        return self.trials[0]

    @property
    def alone(self) -> Trial:
        """The workload's HPA without a plan."""
        return self.trials[1]

    @property
    def named(self) -> tuple[Trial, ...]:
        """Every policy but the HPAs of the sweep."""
        return tuple(trial for trial in self.trials if not trial.swept)

    @property
    def frontier(self) -> Frontier:
        """Pod-hours against overload minutes of the best HPAs, over all targets and stabilization windows."""
        return swept(self._sweep)

    @property
    def saving(self) -> float:
        """Share of pod-hours saved against the best HPA with as many overload minutes; negative: more."""
        return saving((self.plan.score.pod_hours, self.plan.score.overload_minutes), self.frontier)

    @property
    def cap_saving(self) -> float:
        """Share of pod-hours saved against the best HPA with as many minutes over the target; negative: more."""
        curve = swept(self._sweep, of_cap=True)
        return saving((self.plan.score.pod_hours, self.plan.score.cap_breach_minutes), curve)

    @property
    def _sweep(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.swept]

    @property
    def misses(self) -> tuple[Miss, ...]:
        """Stretches in which the plan did not keep utilization within its target, worst first."""
        return find_misses(self.plan.lane, self.promise.target, self.begin, self.tick)

    @property
    def verdict(self) -> str:
        """One or two sentences that a person would say of it."""
        savings = Savings(self.saving, self.cap_saving)
        said = say_verdict(Comparison(self.plan.score, self.alone.score, savings, self.promise.target), self.misses)
        return said if self.as_good is None else f"{said} {_named(self.as_good, self.plan)}"

    @property
    def as_good(self) -> Trial | None:
        """The cheapest HPA alone that costs no more than the plan with no more minutes over the target; None: none."""
        plan = self.plan.score
        good = [
            one
            for one in self._sweep
            if one.score.cap_breach_minutes <= plan.cap_breach_minutes and one.score.pod_hours <= plan.pod_hours
        ]
        return min(good, key=lambda one: one.score.pod_hours, default=None)

    def trial(self, name: str) -> Trial:
        """The trial of one policy. Raises `DataError` naming those there are."""
        for trial in self.trials:
            if trial.name == name:
                return trial
        raise DataError(f"no policy {name!r} was simulated; these were: {[trial.name for trial in self.trials]}")

    def to_frame(self) -> pd.DataFrame:
        """One row per policy, one column per score; minutes and pod-hours are totals, elasticity is in percent."""
        import pandas as pd

        rows = [[value(trial.score) for value in COLUMNS.values()] for trial in self.trials]
        names = pd.Index([trial.name for trial in self.trials], name="policy")
        return pd.DataFrame(rows, index=names, columns=list(COLUMNS))

    def plot(self, *, theme: str = "light", ax: Any = None) -> Any:
        """Draw demand, what each policy serves, breaches, and cost against violations.

        Returns the Figure, or `ax` where that was given: an array of three axes.
        """
        return plot_noun(self, theme=theme, ax=ax)
