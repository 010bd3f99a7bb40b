"""The outcome of a pass for one workload: its floor, and what actuators did to buffers, pods and volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from capacity.model.errors import require
from capacity.model.fields import rfc3339
from capacity.model.observation import Decision, Observation
from capacity.model.workload import Workload


@dataclass(frozen=True, slots=True)
class TargetMove:
    """The averageUtilization of an autoscaler from what to what; `refused` says why it is not written.

    `before` None: it has none. `back`: to where it stood before we managed it.
    """

    before: int | None
    after: int
    refused: str | None = None
    back: bool = False

    def __str__(self) -> str:
        move = f"target {'none' if self.before is None else self.before} -> {self.after}"
        return move if self.refused is None else f"{move} not set: {self.refused}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass made of one workload: a decision, or the error that stood in its way; `done` where it was written.

    Both where the plan could not be read: the floor is held, and somebody must look. `observation`: what was seen
    before anything was written. `target`: what happens to the autoscaler's own target, where that is managed.
    `actuations`: what the actuators beside the floor did, or would do. A restore may have these alone.
    """

    workload: Workload
    decision: Decision | None = None
    error: str | None = None
    done: bool = False
    warnings: tuple[str, ...] = field(default_factory=tuple)
    observation: Observation | None = None
    target: TargetMove | None = None
    actuations: tuple[Actuation, ...] = ()

    @property
    def held(self) -> bool:
        """Whether anything was held for safety's sake."""
        floor = self.decision is not None and self.decision.held
        return floor or any(one.held for one in self.actuations)

    @property
    def failed(self) -> bool:
        """Whether anything could not be decided or written."""
        return self.error is not None or any(one.error is not None for one in self.actuations)

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return self.done or any(one.done for one in self.actuations)

    @property
    def lines(self) -> list[str]:
        """What happened, a line for the floor and one for each actuation."""
        floor = [] if self.decision is None and self.error is None else [str(self)]
        return [*floor, *(f"{self.workload.namespace}/{self.workload.name} {one}" for one in self.actuations)]

    @property
    def where(self) -> str:
        """Namespace and target, as people write them."""
        return f"{self.workload.namespace}/{self.workload.target.name}"

    @property
    def floor_move(self) -> str:
        """The floor from what to what; empty without a decision."""
        decision = self.decision
        if decision is None:
            return ""
        return f"{decision.before} -> {decision.floor}" if decision.floor != decision.before else f"{decision.floor}"

    @property
    def ceiling_move(self) -> str:
        """The ceiling from what to what; empty where it stays."""
        decision = self.decision
        if decision is None or decision.before_ceiling in (None, decision.ceiling):
            return ""
        return f"ceiling {decision.before_ceiling} -> {decision.ceiling}"

    @property
    def move(self) -> str:
        """From what to what."""
        floor = f"floor {self.floor_move}" if self.floor_move else ""
        target = "" if self.target is None or self.target.refused is not None else str(self.target)
        return " ".join(filter(None, [floor, self.ceiling_move, target]))

    def __str__(self) -> str:
        if self.decision is None:
            return f"{self.where} error {self.error}"
        detail = self.error or self.decision.detail
        return f"{self.where} {self.move} {self.decision.reason}" + (f" ({detail})" if detail else "")


def summary(outcomes: Sequence[Outcome], now: datetime) -> dict[str, Any]:
    """A pass in figures: how many workloads were changed, held, failed, at what time."""
    return {
        "now": rfc3339(now),
        "workloads": len(outcomes),
        "changed": sum(outcome.changed for outcome in outcomes),
        "held": sum(outcome.held for outcome in outcomes),
        "failed": sum(outcome.failed for outcome in outcomes),
    }


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """One outcome as JSON values."""
    decision, workload = outcome.decision, outcome.workload
    document: dict[str, Any] = {
        "namespace": workload.namespace,
        "name": workload.name,
        "kind": workload.target.kind,
        "target": workload.target.name,
    }
    if outcome.error is not None:
        document["error"] = outcome.error
    if outcome.target is not None:
        move = outcome.target
        document["target_utilization"] = {"before": move.before, "after": move.after, "refused": move.refused}
    if outcome.actuations:
        document["actuations"] = [actuation_document(one) for one in outcome.actuations]
    if decision is None:
        return document
    return {
        **document,
        "before": decision.before,
        "floor": decision.floor,
        "before_ceiling": decision.before_ceiling,
        "ceiling": decision.ceiling,
        "reason": decision.reason,
        "detail": decision.detail,
        "clamps": list(decision.clamps),
        "held": decision.held,
        "changed": outcome.done,
        "line": str(outcome),
    }


Actuator = Literal["headroom", "vertical", "volumes"]
Amounts = Mapping[str, float]  # by resource: replicas (a count), cpu (cores), memory and storage (bytes)
GIB, MIB = 2**30, 2**20


@dataclass(frozen=True, slots=True)
class Actuation:
    """One object that an actuator looked at in a pass: what stands, what is to stand, and the reason.

    Parameters
    ----------
    actuator : {"headroom", "vertical", "volumes"}
        Which actuator.
    api_version, kind, name : str
        The object, in the workload's namespace.
    before, after : mapping of str to float
        Amounts by resource as they stand, and as decided: `replicas`, `cpu` in cores, `memory` and `storage` in bytes.
        An empty mapping: the object does not exist, or is to be removed.
    reason : str
        Named as in docs/plan-file.md.
    detail : str
        The reason in a sentence. Default empty.
    held : bool
        Whether it is held for safety, or somebody should look. Default no.
    done : bool
        Whether it was written. Default no.
    error : str or None
        What stood in the way. Default none.
    uid : str
        Of the object, for its Event. Default empty: it does not exist.

    Raises
    ------
    DataError
        An amount is negative, or the reason is missing.

    Examples
    --------
    >>> print(Actuation("headroom", "v1", "CapacityBuffer", "web", {"replicas": 2.0}, {"replicas": 4.0}, "PeakAhead"))
    CapacityBuffer/web replicas 2 -> 4 PeakAhead
    """

    actuator: Actuator
    api_version: str
    kind: str
    name: str
    before: Amounts
    after: Amounts
    reason: str
    detail: str = ""
    held: bool = False
    done: bool = False
    error: str | None = None
    uid: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        require(bool(self.reason), "an actuation needs a reason, got none")
        amounts = [*self.before.values(), *self.after.values()]
        require(all(0 <= one < float("inf") for one in amounts), "amounts must be >= 0, got {}", amounts)

    @property
    def changes(self) -> bool:
        """True where something is to be written."""
        return dict(self.before) != dict(self.after)

    @property
    def falls(self) -> bool:
        """True where any amount comes down or the object goes."""
        return any(self.after.get(name, 0.0) < value for name, value in self.before.items())

    @property
    def where(self) -> str:
        """Kind and name, as people write them."""
        return f"{self.kind}/{self.name}"

    @property
    def move(self) -> str:
        """From what to what, resource by resource."""
        names = [*self.before, *(name for name in self.after if name not in self.before)]
        return ", ".join(_moved(name, self.before.get(name), self.after.get(name)) for name in names)

    def __str__(self) -> str:
        detail = self.error or self.detail
        return " ".join(filter(None, [self.where, self.move, self.reason])) + (f" ({detail})" if detail else "")


def _moved(name: str, before: float | None, after: float | None) -> str:
    if before == after:
        return f"{name} {_amount(name, after)}"
    return f"{name} {_amount(name, before)} -> {_amount(name, after)}"


def _amount(name: str, value: float | None) -> str:
    if value is None:
        return "none"
    if name in ("memory", "storage"):
        return f"{value / GIB:g}Gi" if value % MIB or value >= GIB else f"{value / MIB:g}Mi"
    return f"{value:g}"


def actuation_document(one: Actuation) -> dict[str, Any]:
    """One actuation as JSON values."""
    return {
        "actuator": one.actuator,
        "kind": one.kind,
        "name": one.name,
        "before": dict(one.before),
        "after": dict(one.after),
        "reason": one.reason,
        "detail": one.detail,
        "held": one.held,
        "changed": one.done,
        **({} if one.error is None else {"error": one.error}),
        "line": str(one),
    }
