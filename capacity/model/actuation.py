"""What an actuator does beside the floor: to a buffer of nodes, to the size of a pod, to a volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from capacity.model.errors import require

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
