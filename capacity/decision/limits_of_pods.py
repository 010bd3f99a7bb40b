"""Limits that go with a request, and the QoS class that follows from both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from capacity.model.pod_observation import Amounts, ContainerState, PodState, Resources
from capacity.model.pod_size import RESOURCES, LimitRule, SizedResource

Qos = Literal["Guaranteed", "Burstable", "BestEffort"]


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
