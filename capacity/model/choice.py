"""The policy chosen for a workload: why, the evidence for it, and its rivals."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from capacity.model.errors import require, require_aware
from capacity.model.policy import DAY_MINUTES, Objective, Policy
from capacity.shown import plot_noun, shows_itself, with_card

if TYPE_CHECKING:
    import pandas as pd


Interval = tuple[float, float]
MONEY = "money"  # the unit of costs where no currency is known


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
    node_waits : float or None
        How often a day pods began to wait for a node. Default none: nodes were not replayed.
    """

    policy: Policy
    days: int
    cost: float
    minutes_above: float
    overload_minutes: float
    cost_interval: Interval
    minutes_interval: Interval
    overload_interval: Interval
    node_waits: float | None = None

    def __post_init__(self) -> None:
        require(self.days >= 1, "evidence: expected at least one day, got {}", self.days)
        for name in ("cost", "minutes_above", "overload_minutes"):
            value = getattr(self, name)
            require(0 <= value < float("inf"), "evidence: {} must be >= 0, got {}", name, value)

    @property
    def kept_share(self) -> float:
        """Share of minutes at or under the target."""
        return 1 - self.minutes_above / DAY_MINUTES


@dataclass(frozen=True, slots=True)
class PaysFrom:
    """From which start time of pods on floors from the forecast would cost less than every plain autoscaler.

    Found on the replayed days, of pods that take longer than now. `slow` is the shortest time tried from which floors
    pay where `found`, else the longest tried. `rise`, `slow_rise`: the most that demand rises within a start time,
    as a share of the day's highest; where demand rises that steeply within `now`, floors pay as well.
    """

    now: timedelta
    slow: timedelta
    found: bool
    rise: float
    slow_rise: float

    def __post_init__(self) -> None:
        require(
            timedelta(0) < self.now <= self.slow, "pays from: expected 0 < now <= slow, got {}", (self.now, self.slow)
        )


Reason = Literal[
    "FloorsPay",
    "PlainHpaIsEnough",
    "FixedCountIsEnough",
    "NoSkill",
    "LeastExpectedCost",
    "NothingKeepsTheMinutes",
    "TooShort",
]


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
        Other policies, the first of them the challenger: of those not chosen the cheapest that keeps the minutes.
        Default none.
    unit : str
        The unit of costs. Default "pod-hours".
    remarks : tuple of str
        What an operator should know or do. Default none.
    pays_from : PaysFrom or None
        From which start time of pods on floors would pay. Default none: they do, or it is not known.
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
    pays_from: PaysFrom | None = None

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


DIGITS = 4  # of costs and minutes: more would pretend that another replay agrees in them


def choice_document(choice: Choice) -> dict[str, Any]:
    """A choice as JSON values: times RFC 3339, durations in seconds."""
    objective = choice.objective
    return {
        "namespace": choice.namespace,
        "name": choice.name,
        "chosen_at": choice.chosen_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "objective": {
            "target": objective.target,
            "minutes": objective.minutes,
            "overload_cost": objective.overload_cost,
        },
        "reason": choice.reason,
        "unit": choice.unit,
        "recommended": evidence_document(choice.recommended),
        "today": evidence_document(choice.today),
        "meanwhile": None if choice.meanwhile is None else evidence_document(choice.meanwhile),
        "rivals": [evidence_document(one) for one in choice.rivals],
        "remarks": list(choice.remarks),
        **({} if choice.pays_from is None else {"pays_from": _pays_from_document(choice.pays_from)}),
    }


def _pays_from_document(found: PaysFrom) -> dict[str, Any]:
    return {
        "now": found.now.total_seconds(),
        "slow": found.slow.total_seconds(),
        "found": found.found,
        "rise": round(found.rise, DIGITS),
        "slow_rise": round(found.slow_rise, DIGITS),
    }


def _pays_from(document: dict[str, Any]) -> PaysFrom:
    now, slow = (timedelta(seconds=document[name]) for name in ("now", "slow"))
    return PaysFrom(now, slow, bool(document["found"]), float(document["rise"]), float(document["slow_rise"]))


def evidence_document(evidence: Evidence) -> dict[str, Any]:
    """What a policy did, as JSON values: means per day, and intervals."""
    return {
        "policy": policy_document(evidence.policy),
        "days": evidence.days,
        "cost": round(evidence.cost, DIGITS),
        "minutes_above": round(evidence.minutes_above, DIGITS),
        "overload_minutes": round(evidence.overload_minutes, DIGITS),
        "cost_interval": [round(value, DIGITS) for value in evidence.cost_interval],
        "minutes_interval": [round(value, DIGITS) for value in evidence.minutes_interval],
        "overload_interval": [round(value, DIGITS) for value in evidence.overload_interval],
        **({} if evidence.node_waits is None else {"node_waits": round(evidence.node_waits, DIGITS)}),
    }


def policy_document(policy: Policy) -> dict[str, Any]:
    """A policy as JSON values."""
    return {
        "target": policy.target,
        "floors": policy.floors,
        "quantile_level": policy.quantile_level,
        "calm": policy.calm,
        "stabilization": round(policy.stabilization.total_seconds()),
        "standing": policy.standing,
        **({} if policy.headroom is None else {"headroom": policy.headroom}),
    }


def parse_policy(document: dict[str, Any]) -> Policy:
    """The inverse of `policy_document`."""
    return Policy(**{**document, "stabilization": timedelta(seconds=document["stabilization"])})


def parse_choice(document: dict[str, Any]) -> Choice:
    """The inverse of `choice_document`. Raises `KeyError`, `TypeError` or `ValueError` for what is not one."""
    moment = datetime.fromisoformat(document["chosen_at"])
    return Choice(
        namespace=str(document["namespace"]),
        name=str(document["name"]),
        chosen_at=moment,
        objective=Objective(**document["objective"]),
        recommended=_evidence(document["recommended"]),
        today=_evidence(document["today"]),
        reason=document["reason"],
        meanwhile=None if document["meanwhile"] is None else _evidence(document["meanwhile"]),
        rivals=tuple(_evidence(one) for one in document["rivals"]),
        unit=str(document["unit"]),
        remarks=tuple(map(str, document["remarks"])),
        pays_from=_pays_from(document["pays_from"]) if document.get("pays_from") else None,
    )


def _evidence(document: dict[str, Any]) -> Evidence:
    return Evidence(
        policy=parse_policy(document["policy"]),
        days=document["days"],
        cost=float(document["cost"]),
        minutes_above=float(document["minutes_above"]),
        overload_minutes=float(document["overload_minutes"]),
        cost_interval=_interval(document["cost_interval"]),
        minutes_interval=_interval(document["minutes_interval"]),
        overload_interval=_interval(document["overload_interval"]),
        node_waits=None if document.get("node_waits") is None else float(document["node_waits"]),
    )


def _interval(values: list[float]) -> tuple[float, float]:
    low, high = values
    return float(low), float(high)
