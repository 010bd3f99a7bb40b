"""What a simulation found: every policy's score, the misses of the plan, the verdict in plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from capacity.domain import DataError
from capacity.domain.shown import card_of, plot_noun
from capacity.simulation.frontier import Frontier, saving
from capacity.simulation.misses import Miss, find_misses
from capacity.simulation.scores import Promise, Score
from capacity.simulation.trial import Trial, swept
from capacity.simulation.verdict import Comparison, Savings, say_verdict

if TYPE_CHECKING:
    import pandas as pd

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


@dataclass(frozen=True, slots=True)
class Simulation:
    """Policies side by side on the same demand: `trials`, the plan first, the HPA alone second.

    Times are syncs of `tick` from `begin` on. `plans` counts the origins from which a plan was made. `busy` has the
    score of every named policy in the busiest hundredth of the time and near events alone.
    """

    name: str
    timezone: str
    begin: datetime
    tick: timedelta
    promise: Promise
    trials: tuple[Trial, ...]
    plans: int
    busy: Mapping[str, Score] = field(default_factory=dict)

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
        return say_verdict(Comparison(self.plan.score, self.alone.score, savings, self.promise.target), self.misses)

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

    def plot(self, *, theme: str = "light") -> Any:
        """Draw demand, what each policy serves, breaches, and cost against violations; returns the Figure."""
        return plot_noun(self, theme=theme)

    def _repr_html_(self) -> str | None:
        return card_of(self)
