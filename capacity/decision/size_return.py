"""What gives a pod the size of its owner's template back."""

from __future__ import annotations

from collections.abc import Mapping

from capacity.decision.limits_of_pods import qos_after
from capacity.model.pod_observation import ContainerState, PodDecision, PodState, Resources
from capacity.model.pod_size import RESOURCES, SizedResource

ROOM = 0.95  # of a memory limit: usage above it is killed by the next allocation


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
