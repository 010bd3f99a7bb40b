"""What actuators (of anything but the floor) have in common: their inputs, their results, and how these are written.

Each actuator is two functions. `observe` reads the cluster, decides, and returns the due writes; `give_back` returns
the writes that restore everything. Neither writes: a `Due` contains its write, which only a pass with a writer makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from capacity.cluster.client import ClusterReader, ClusterWriter
from capacity.model import CapacityError, Workload, WorkloadPlan
from capacity.model.outcome import Actuation
from capacity.model.policy import ControllerRules

Key = tuple[str, str]  # namespace and name
Scaled = Mapping[Key, tuple[str, str]]  # of a workload: kind and name of what makes its pods


@dataclass(frozen=True, slots=True)
class Situation:
    """The inputs of actuators in one pass.

    `plans` by workload; a workload without one keeps what it has. `scaled`: the owner of its pods, according to its
    autoscaler. `expires`: when a write of now expires unless it is renewed. `server_time`: the API server's clock if
    ours is wrong, used to note the times of moves; None if ours is right.
    """

    workloads: Sequence[Workload]
    plans: Mapping[Key, WorkloadPlan]
    now: datetime
    rules: ControllerRules = field(default_factory=ControllerRules)
    scaled: Scaled = field(default_factory=dict)
    server_time: datetime | None = None

    def expires(self, workload: Workload) -> datetime | None:
        """When a write of now expires unless it is renewed; None without a plan."""
        plan = self.plans.get(workload.key)
        return None if plan is None else plan.end + self.rules.hold_for

    def made_by(self, workload: Workload) -> tuple[str, str]:
        """Kind and name of the owner of its pods."""
        return self.scaled.get(workload.key) or (workload.metrics.kind, workload.name)


Write = Callable[[ClusterWriter], Actuation | object]


@dataclass(frozen=True, slots=True)
class Due:
    """The decision of an actuator for one object of a workload; `write` None: nothing is due or allowed.

    A write with another result than decided returns the actuation that describes it. `expired`: for a restore, whether
    the object was not renewed in time. `tells`: whether an Event is due although nothing changes.
    """

    workload: Workload
    actuation: Actuation
    write: Write | None = None
    expired: bool = False
    tells: bool = False

    def held(self, reason: str, detail: str) -> Due:
        """The same without its write, and the reason."""
        stays = replace(self.actuation, after=self.actuation.before, reason=reason, detail=detail, held=True)
        return Due(self.workload, stays)


Observe = Callable[[ClusterReader, Situation], Iterable[Due]]
GiveBack = Callable[[ClusterReader, Situation], Iterable[Due]]


@dataclass(frozen=True, slots=True)
class ActuatorSteps:
    """One actuator: the writes due in a pass, and those that restore everything."""

    observe: Observe
    give_back: GiveBack


def written(writer: ClusterWriter, due: Due) -> Actuation:
    """Make the write; an error affects only this object."""
    if due.write is None:
        return due.actuation
    try:
        made = due.write(writer)
    except (CapacityError, KeyError, TypeError, ValueError, AttributeError) as error:
        text = str(error) if isinstance(error, CapacityError) else f"unexpected answer: {type(error).__name__} {error}"
        return replace(due.actuation, error=text)
    return made if isinstance(made, Actuation) else replace(due.actuation, done=True)


def by_workload(dues: Iterable[tuple[Due, Actuation]]) -> dict[Key, tuple[Actuation, ...]]:
    """The actuations of each workload, in their order."""
    found: dict[Key, list[Actuation]] = {}
    for due, actuation in dues:
        found.setdefault(due.workload.key, []).append(actuation)
    return {key: tuple(some) for key, some in found.items()}
