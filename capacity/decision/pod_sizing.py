"""What one pod is to request: up at once, down in steps, within its limits, its class and its node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from capacity.decision.limits_of_pods import lowered_by_one, qos_after, resized
from capacity.model.pod_observation import ContainerState, ObservedPods, PodDecision, PodState, Resources, SizeReason
from capacity.model.pod_size import SizedResource, SizeKey, Vertical

WORTH = 0.10  # of a request by which it must be too high to come down: the VPA's own threshold for an update
ORDER: tuple[SizeReason, ...] = (  # of several reasons of one pod, the first is told
    "ResizeInfeasible",
    "NoResizeSupport",
    "ResizeDeferred",
    "RestartRefused",
    "RestartInTurn",
    "QosKept",
    "LimitReached",
    "MaxReached",
    "PlanExpired",
    "DemandRising",
    "HeldEdited",
    "HeldNoMetrics",
    "HeldTrafficVanished",
    "HeldPlanNotStarted",
    "DemandFalling",
    "MemoryKept",
    "UsageNeeds",
    "StepDown",
)
HELD: tuple[SizeReason, ...] = (
    "ResizeInfeasible",
    "RestartRefused",
    "QosKept",
    "LimitReached",
    "PlanExpired",
    "HeldEdited",
    "HeldNoMetrics",
    "HeldTrafficVanished",
    "HeldPlanNotStarted",
)


@dataclass(frozen=True, slots=True)
class Want:
    """A request that a plan asks for: now (`need`), and the highest of that and of what follows soon (`longer`).

    `short`: the bound that keeps it below what demand needs; None where none does.
    """

    need: int
    longer: int
    short: str | None = None


@dataclass(frozen=True, slots=True)
class SizingPass:
    """What the decisions for all pods of a workload share."""

    vertical: Vertical
    target: float
    wants: Mapping[SizeKey, Want]
    seen: ObservedPods
    now: datetime
    doubt: tuple[SizeReason, str] | None = None
    frozen: str | None = None
    kept: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        """Whether the last resize lies too near for one that lowers."""
        moved = self.seen.memory.moved_at
        return moved is not None and self.now - moved < self.vertical.step_every


def rank(reason: SizeReason) -> int:
    """The place of a reason among those of a pod: the first is told."""
    return ORDER.index(reason) if reason in ORDER else len(ORDER)


@dataclass(slots=True)
class PodSizing:
    """The sizing of one pod; `reasons` collects what was decided and what stood in the way, with a detail each."""

    shared: SizingPass
    pod: PodState
    planless: tuple[SizeReason, str] | None
    may_restart: bool
    reasons: dict[SizeReason, str] = field(default_factory=dict)

    def decided(self) -> PodDecision:
        """The pod's decision, its most telling reason first."""
        if self.shared.seen.memory.unsupported.get(self.pod.name) == self.pod.uid:
            return PodDecision(self.pod, {}, "NoResizeSupport", self.pod.unsupported)
        changed = self._within_qos(self._changed())
        if self.pod.pending is not None:
            self.reasons[_PENDING[self.pod.pending]] = self._pending_text()
        if self.planless is not None and changed:
            self.reasons[self.planless[0]] = self.planless[1]
        reason: SizeReason = min(self.reasons, key=rank, default="AsPlanned")
        return PodDecision(self.pod, changed, reason, self.reasons.get(reason, ""), reason in HELD)

    def restarts(self) -> bool:
        """Whether what is to change restarts a container."""
        changed = self._changed()
        return any(_changes_that_restart(one, changed[one.name]) for one in self.pod.containers if one.name in changed)

    def _changed(self) -> dict[str, Resources]:
        found: dict[str, Resources] = {}
        for container in self.pod.containers:
            keys = [key for key in self.shared.wants if key[0] == container.name]
            requests = {key[1]: self._amount(container, key, found) for key in keys}
            requests = {
                name: amount for name, amount in requests.items() if amount != container.asked.requests.get(name, 0)
            }
            template = self.shared.seen.template.get(container.name, container.asked)
            if requests:
                found[container.name] = resized(container, template, requests, self.shared.vertical.limits)
        return found

    def _amount(self, container: ContainerState, key: SizeKey, decided: Mapping[str, Resources]) -> int:
        have, resource = container.asked.requests.get(key[1], 0), key[1]
        amount = self._aimed(container, key, have)
        amount = self._within_limit(container, resource, amount)
        amount = self._within_room(container, resource, amount, decided)
        if (
            amount == have or not have
        ):  # without a request there is nothing to resize, and adding one may change the class
            if not have:
                self.reasons["QosKept"] = f"{container.name} requests no {resource}: set it in the template"
            return have
        return self._with_leave(container, resource, amount, have)

    def _aimed(self, container: ContainerState, key: SizeKey, have: int) -> int:
        want, (low, high, _) = self.shared.wants[key], self.shared.vertical.units(key)
        need, longer = (min(max(amount, low), high) for amount in (want.need, want.longer))
        if want.short is not None and have <= need:
            self.reasons["MaxReached"] = f"{key[0]}: {want.short} keeps {key[1]} below its need"
        used = min(self._used(container, key), high)
        if have < need:
            self.reasons["DemandRising"] = ""
            return max(longer, used)
        if have < used:
            self.reasons["UsageNeeds"] = f"{container.name}: {key[1]} in use is above what was planned for"
            return max(longer, min(self._used(container, key, WORTH), high))
        if longer >= have * (1 - WORTH) and have <= high:
            return have
        return self._lowered(container, key, max(longer, low))

    def _used(self, container: ContainerState, key: SizeKey, ahead: float = 0.0) -> int:
        """The request, in steps, that keeps what is in use now under the target; 0 where that is not known.

        `ahead`: for so much more, as a share. Where use rises beyond its plan, a size for this moment is too small by
        the time it is in force, and the pod is resized at every pass without ever coming under the target.
        """
        by = self.shared.vertical.units(key)[2]
        return -(-round(container.used.get(key[1], 0) * (1 + ahead) / self.shared.target) // by) * by

    def _lowered(self, container: ContainerState, key: SizeKey, wanted: int) -> int:
        """A step down, or as it is with the reason."""
        shared, have, by = self.shared, container.asked.requests[key[1]], self.shared.vertical.units(key)[2]
        doubt = shared.doubt
        if self.pod.edited_by is not None:
            doubt = "HeldEdited", f"{self.pod.edited_by} resized this pod; the plan needs only less"
        if doubt is not None:
            self.reasons[doubt[0]] = doubt[1]
            return have
        if shared.waits or self.pod.busy:
            self.reasons["StepDown"] = "sizes come down in steps"
            return have
        floors = self._floors(container, key)
        lowest = max([wanted, *(-(-amount // by) * by for amount in floors.values())])
        for reason, amount in floors.items():
            if amount > wanted and -(-amount // by) * by >= min(lowest, have):
                self.reasons[reason] = f"{container.name}: {key[1]}"
        if lowest >= have:
            return have
        self.reasons["DemandFalling"] = ""
        return lowest

    def _floors(self, container: ContainerState, key: SizeKey) -> dict[SizeReason, int]:
        """What the request may not be lowered below in this pass, by the reason."""
        shared, have = self.shared, container.asked.requests[key[1]]
        found: dict[SizeReason, int] = {"StepDown": round(have * (1 - shared.vertical.step_down))}
        found["UsageNeeds"] = round(container.used.get(key[1], have) / shared.target)
        if key[1] == "memory":
            kept = shared.kept.get(key[0])
            found["MemoryKept"] = have if kept is None else round(kept / shared.target)
        return found

    def _within_limit(self, container: ContainerState, resource: SizedResource, amount: int) -> int:
        limit = container.asked.limits.get(resource)
        if self.shared.vertical.limits != "fixed" or limit is None or amount <= limit:
            return amount
        self.reasons["LimitReached"] = f"{container.name}: limits are fixed, and {resource} needs more than its limit"
        return limit

    def _within_room(
        self, container: ContainerState, resource: SizedResource, amount: int, decided: Mapping[str, Resources]
    ) -> int:
        """At most what fits on the node, as far as the kubelet said; never less than what runs."""
        room = self.shared.seen.memory.rooms.get(self.pod.name, ("", {}))[1].get(resource)
        if room is None:
            return amount
        others = [
            decided.get(one.name, one.asked).requests.get(resource, 0)
            for one in self.pod.containers
            if one.name != container.name
        ]
        by = self.shared.vertical.units((container.name, resource))[2]
        fits = (room - sum(others)) // by * by
        runs = (container.running or {}).get(resource, 0)
        if amount <= fits:
            return amount
        self.reasons["ResizeInfeasible"] = (
            self._pending_text() or f"node {self.pod.node} has room for {fits} of {amount}"
        )
        return max(fits, runs, 1)

    def _with_leave(self, container: ContainerState, resource: SizedResource, amount: int, have: int) -> int:
        """The amount, unless the change would restart the container and may not now."""
        if resource not in container.restarts:
            return amount
        vertical = self.shared.vertical
        if vertical.allow_restart and self.may_restart:
            return amount
        what = f"{container.name}: its resizePolicy restarts it for {resource}"
        if not vertical.allow_restart:
            self.reasons["RestartRefused"] = f"{what}; set vertical.allow_restart, or resizePolicy NotRequired"
        else:
            self.reasons["RestartInTurn"] = f"{what}; {self.shared.frozen or 'another pod is restarted first'}"
        return have

    def _within_qos(self, changed: dict[str, Resources]) -> dict[str, Resources]:
        """What keeps the pod in its QoS class; nothing where no such resize is found."""
        before = qos_after(self.pod, {})
        if qos_after(self.pod, changed) == before:
            return changed
        less = lowered_by_one(changed)
        if before == "Burstable" and qos_after(self.pod, less) == before:
            return less
        self.reasons["QosKept"] = f"the resize would change the QoS class {before}; set vertical.limits: proportional"
        return {}

    def _pending_text(self) -> str:
        return " ".join(self.pod.message.split())[:200]


_PENDING: dict[str, SizeReason] = {"Deferred": "ResizeDeferred", "Infeasible": "ResizeInfeasible"}


def _changes_that_restart(now: ContainerState, after: Resources) -> bool:
    return any(after.requests.get(name) != now.asked.requests.get(name) for name in now.restarts)
