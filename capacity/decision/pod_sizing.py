"""What one pod is to request: up at once, down in steps, within its limits, its class, its node and its memory.

Uses of memory are kept in blocks of six hours, rounded up, so that a steady use is noted four times a day and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from capacity.model.pod_observation import (
    Amounts,
    ContainerState,
    Kept,
    ObservedPods,
    PodDecision,
    PodState,
    Resources,
    SizeReason,
)
from capacity.model.pod_size import RESOURCES, LimitRule, SizedResource, SizeKey, Vertical

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
BLOCK = timedelta(hours=6)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HALVINGS = 3  # an older peak counts an eighth then, and is forgotten
Qos = Literal["Guaranteed", "Burstable", "BestEffort"]
ROOM = 0.95  # of a memory limit: usage above it is killed by the next allocation


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


def noted_use(kept: Sequence[Kept], used: int, step: int, now: datetime, vertical: Vertical) -> tuple[Kept, ...]:
    """The blocks with a use of this moment, without those that say nothing any more.

    >>> from capacity.model.pod_size import SizedContainer, SizeRange
    >>> app = Vertical({"app": SizedContainer(memory=SizeRange(2.0**28, 2.0**32, 2.0**28))})
    >>> [one] = noted_use((), 700, 256, datetime(2026, 11, 27, 14, 30, tzinfo=UTC), app)
    >>> one.since.hour, one.used
    (12, 768)
    """
    since = EPOCH + (now - EPOCH) // BLOCK * BLOCK
    here = [one.used for one in kept if one.since == since]
    blocks = [*(one for one in kept if one.since < since), Kept(since, max(-(-used // step) * step, *here, 0))]
    return tuple(one for at, one in enumerate(blocks) if _tells(one, blocks[at + 1 :], now, vertical))


def _tells(one: Kept, later: Sequence[Kept], now: datetime, vertical: Vertical) -> bool:
    """Whether a block counts: it is of the last day, which must be seen whole, or higher than all after it."""
    age = now - (one.since + BLOCK) - vertical.memory_keep
    if age <= timedelta(0):
        return True
    return age <= HALVINGS * vertical.memory_half_life and all(after.used < one.used for after in later)


def lowest_memory(kept: Sequence[Kept], now: datetime, vertical: Vertical) -> int | None:
    """The memory below which a container may not be lowered; None where a part of the day was not looked at."""
    if not vertical.memory_keep:
        return 0
    looked = {one.since for one in kept}
    first = EPOCH + (now - vertical.memory_keep - EPOCH) // BLOCK * BLOCK
    blocks = (now - first) // BLOCK + 1
    if any(first + at * BLOCK not in looked for at in range(blocks)):
        return None
    return max((_decayed(one, now, vertical) for one in kept), default=0)


def _decayed(one: Kept, now: datetime, vertical: Vertical) -> int:
    over = now - (one.since + BLOCK) - vertical.memory_keep
    return one.used if over <= timedelta(0) else round(one.used * 0.5 ** (over / vertical.memory_half_life))


def resized(now: ContainerState, template: Resources, requests: Amounts, rule: LimitRule) -> Resources:
    """The container with these requests; its limits in the template's ratio to requests, or as they are.

    >>> one = ContainerState("app", Resources({"cpu": 500}, {"cpu": 1000}))
    >>> resized(one, one.asked, {"cpu": 800}, "proportional")
    Resources(requests={'cpu': 800}, limits={'cpu': 1600})
    """
    limits = dict(now.asked.limits)
    if rule == "proportional":
        limits |= {
            name: scaled_limit(now.asked, template, (name, amount))
            for name, amount in requests.items()
            if name in limits
        }
    return Resources({**now.asked.requests, **requests}, limits)


def scaled_limit(asked: Resources, template: Resources, request: tuple[SizedResource, int]) -> int:
    """The limit for a request, in the ratio that the template has, else the pod; never below the request."""
    name, amount = request
    like = template if name in template.requests and name in template.limits else asked
    was, limit = like.requests.get(name, 0), like.limits.get(name, 0)
    return max(amount, amount if was <= 0 else round(limit * amount / was))


def qos_class(containers: Mapping[str, Resources]) -> Qos:
    """The class that Kubernetes gives a pod of these containers.

    >>> qos_class({"app": Resources({"cpu": 500, "memory": 2**30}, {"cpu": 500, "memory": 2**30})})
    'Guaranteed'
    """
    if not any(amount for one in containers.values() for amount in (*one.requests.values(), *one.limits.values())):
        return "BestEffort"
    equal = all(
        one.limits.get(name) and one.requests.get(name, one.limits[name]) == one.limits[name]
        for one in containers.values()
        for name in RESOURCES
    )
    return "Guaranteed" if equal else "Burstable"


def qos_after(pod: PodState, changed: Mapping[str, Resources]) -> Qos:
    """The class of the pod with these containers changed; a resize may not change it."""
    return qos_class({one.name: changed.get(one.name, one.asked) for one in pod.containers})


def lowered_by_one(changed: Mapping[str, Resources]) -> dict[str, Resources]:
    """The same with the first request that is equal to its limit one unit lower: Burstable stays Burstable."""
    found = dict(changed)
    for container, one in changed.items():
        for name, amount in one.requests.items():
            if amount > 1 and one.limits.get(name) == amount:
                found[container] = replace(one, requests={**one.requests, name: amount - 1})
                return found
    return found


def return_size(pod: PodState, template: Mapping[str, Resources], *, may_restart: bool = False) -> PodDecision:
    """The template's requests and limits for every container that we resized; what a person resized stays.

    A memory limit does not go below what is in use: then the container stays, held, until its use has fallen.
    `may_restart`: whether containers may be restarted where their resizePolicy asks for it.

    >>> grown = ContainerState("app", Resources({"cpu": 900}, {}))
    >>> pod = PodState("db-0", "1", "n", (grown,), ours=frozenset({"app"}))
    >>> return_size(pod, {"app": Resources({"cpu": 500})}).reason
    'Restored'
    """
    changed: dict[str, Resources] = {}
    held: list[str] = []
    for container in pod.containers:
        wanted = template.get(container.name)
        if wanted is None or container.name not in pod.ours or _same(container.asked, wanted):
            continue
        stays = _stays(container, wanted, may_restart=may_restart)
        held += [stays] if stays else []
        if not stays:
            changed[container.name] = _whole(container.asked, wanted)
    if changed and qos_after(pod, changed) != qos_after(pod, {}):
        return PodDecision(
            pod, {}, "QosKept", "the template has another QoS class: its size comes with a new pod", held=True
        )
    if held:
        return PodDecision(pod, changed, "Restoring", "; ".join(held), held=True)
    return PodDecision(pod, changed, "Restored" if changed else "NothingToRestore")


def _stays(container: ContainerState, wanted: Resources, *, may_restart: bool) -> str:
    moved: list[SizedResource] = [name for name in RESOURCES if _at(container.asked, name) != _at(wanted, name)]
    restarts = [name for name in moved if name in container.restarts]
    if restarts and not may_restart:
        return f"{container.name} would be restarted for {restarts[0]}: its size comes back with a new pod"
    limit, used = wanted.limits.get("memory"), container.used.get("memory", 0)
    if "memory" in moved and limit is not None and used > ROOM * limit:
        return f"{container.name} uses {used} bytes, too near to the template's limit of {limit}"
    return ""


def _at(resources: Resources, name: SizedResource) -> tuple[int | None, int | None]:
    return resources.requests.get(name), resources.limits.get(name)


def _same(asked: Resources, wanted: Resources) -> bool:
    """Whether all that the template sets stands; what it leaves open (a LimitRange may have set it) is no matter."""
    return all(asked.requests.get(name) == amount for name, amount in wanted.requests.items()) and all(
        asked.limits.get(name) == amount for name, amount in wanted.limits.items()
    )


def _whole(asked: Resources, wanted: Resources) -> Resources:
    return Resources({**asked.requests, **wanted.requests}, {**asked.limits, **wanted.limits})
