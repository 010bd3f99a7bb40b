"""Limits of a real server that a double easily forgets: sizes, names, quotas, LimitRanges, and watches under load."""

from __future__ import annotations

import base64
import itertools
import threading
from typing import Any

import pytest

from tests.double import KubernetesDouble, StatusError
from tests.double.actors import bind_claim, expand_claim, finish_resize, run_pod
from tests.double.api import LARGEST_BODY
from tests.double.buffers import capacity_buffer, capacity_buffer_definition
from tests.double.manifests import autoscaler, claim, node, pod, priority_class, storage_class
from tests.double.watches import Watch
from tests.waiting import HUNG

MIB = 2**20
Document = dict[str, Any]


def config_map(**parts: Any) -> Document:
    metadata = {"name": "plan", "namespace": "shop", **parts.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **parts}


def event(note: str) -> Document:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "shop"},
        "regarding": {"kind": "HorizontalPodAutoscaler", "namespace": "shop", "name": "web"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "capacity",
        "reportingInstance": "capacity-1",
        "action": "Move",
        "reason": "DemandRising",
        "type": "Normal",
        "note": note,
    }


def encoded(size: int) -> str:
    return base64.b64encode(b"x" * size).decode()


@pytest.fixture
def double() -> KubernetesDouble:
    """A double that is spoken to in process."""
    return KubernetesDouble()


@pytest.mark.parametrize(
    ("item", "code", "words"),
    [
        pytest.param(config_map(data={"a": "x" * MIB}), None, "", id="a config map of 1 MiB"),
        pytest.param(
            config_map(data={"a": "x" * MIB, "b": "y"}), 422, "[]: Too long: may not be more than 1048576", id="more"
        ),
        pytest.param(config_map(binaryData={"a": encoded(MIB)}), None, "", id="1 MiB of binary data"),
        pytest.param(config_map(binaryData={"a": encoded(MIB + 1)}), 422, "[]: Too long", id="more binary data"),
        pytest.param(config_map(data={"a/b": "x"}), 422, "data[a/b]: Invalid value", id="a key with a slash"),
        pytest.param(
            config_map(data={"a": "x" * LARGEST_BODY}), 413, "Request entity too large", id="more than is read"
        ),
        pytest.param(
            config_map(metadata={"annotations": {"capacity/state": "x" * (256 * 1024)}}),
            422,
            "metadata.annotations: Too long: may not be more than 262144 bytes",
            id="annotations of more than 256 KiB",
        ),
        pytest.param(
            config_map(metadata={"annotations": {"capacity/state/x": "1"}}),
            422,
            "metadata.annotations",
            id="annotation key",
        ),
        pytest.param(config_map(metadata={"labels": {"app": "x" * 64}}), 422, "63 bytes", id="a label of 64"),
        pytest.param(
            config_map(metadata={"labels": {"app": "a b"}}), 422, "a valid label must be", id="a label of two words"
        ),
        pytest.param(
            config_map(metadata={"labels": {"-app": "a"}}), 422, "name part must consist", id="a label's name"
        ),
        pytest.param(event("x" * 1024), None, "", id="a note of 1 kB"),
        pytest.param(
            event("ü" * 513), 422, "can have at most 1024 characters", id="a note of 513 letters that take two bytes"
        ),
        pytest.param(
            {**capacity_buffer(), "spec": {"podTemplateRef": {"name": "x" * (3 * MIB // 2)}, "replicas": 1}},
            500,
            "etcdserver: request is too large",
            id="more than etcd takes",
        ),
    ],
)
def test_size(double: KubernetesDouble, item: Document, code: int | None, words: str) -> None:
    double.create(capacity_buffer_definition())
    if code is None:
        double.create(item)
        return
    with pytest.raises(StatusError) as refused:
        double.create(item)
    assert refused.value.code == code
    assert words in refused.value.message


def quota(**hard: str) -> Document:
    named = {name.replace("__", "/").replace("_", "."): most for name, most in hard.items()}
    metadata = {"name": "q", "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": named}}


def limit_range(**limit: Any) -> Document:
    metadata = {"name": "l", "namespace": "shop"}
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": metadata,
        "spec": {"limits": [{"type": "Container", **limit}]},
    }


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        pytest.param(quota(pods="2"), "", id="room for both"),
        pytest.param(quota(pods="1"), "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1", id="pods"),
        pytest.param(
            quota(requests_cpu="900m", requests_memory="2Gi"),
            "exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=500m, limited: requests.cpu=900m",
            id="CPU",
        ),
        pytest.param(
            quota(memory="1Gi", cpu="1"),
            "requested: memory=1Gi, used: memory=1Gi, limited: memory=1Gi",
            id="memory by its short name",
        ),
        pytest.param(quota(limits_cpu="4"), "failed quota: q: must specify limits.cpu for: app", id="limits unsaid"),
        pytest.param(quota(count__pods="1"), "count/pods=1", id="a count of objects"),
        pytest.param(
            limit_range(type="Pod", max={"cpu": "400m"}),
            "maximum cpu usage per Pod is 400m. No limit is specified",
            id="no limit where one must be",
        ),
        pytest.param(
            limit_range(min={"memory": "2Gi"}), "minimum memory usage per Container is 2Gi", id="less than it must"
        ),
    ],
)
def test_a_second_pod_is_refused_for(double: KubernetesDouble, rules: Document, words: str) -> None:
    double.create(pod("web-0", namespace="shop"))
    double.create(rules)
    if not words:
        double.create(pod("web-1", namespace="shop"))
        return
    with pytest.raises(StatusError) as refused:
        double.create(pod("web-1", namespace="shop"))
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    assert words in refused.value.message


def test_a_limit_range_fills_in_what_a_container_does_not_say(double: KubernetesDouble) -> None:
    double.create(limit_range(default={"cpu": "1", "memory": "1Gi"}, defaultRequest={"cpu": "100m"}))
    made = double.create(pod("web-0", namespace="shop", requests={}))
    assert made["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "1", "memory": "1Gi"},
        "requests": {"cpu": "100m", "memory": "1Gi"},
    }
    assert made["status"]["qosClass"] == "Burstable"


def test_pods_that_have_ended_leave_their_quota(double: KubernetesDouble) -> None:
    double.create(quota(pods="1", requests_cpu="500m"))
    double.create({**pod("job-0", namespace="shop"), "status": {"phase": "Succeeded"}})
    double.create(pod("web-0", namespace="shop"))


def resize(double: KubernetesDouble, **resources: Any) -> Document:
    body = {"spec": {"containers": [{"name": "app", "resources": resources}]}}
    return double.patch("Pod", "shop", "db-0", body, subresource="resize", type="strategic", manager="capacity")


@pytest.mark.parametrize(
    ("rules", "resources", "code", "words"),
    [
        pytest.param([], {"requests": {"cpu": "900m"}}, None, "", id="room enough"),
        pytest.param(
            [quota(requests_cpu="800m")], {"requests": {"cpu": "900m"}}, 403, "requested: requests.cpu=400m", id="quota"
        ),
        pytest.param(
            [quota(requests_cpu="400m")],
            {"requests": {"cpu": "300m"}},
            None,
            "",
            id="less in a quota that is over full",
        ),
        pytest.param(
            [limit_range(max={"cpu": "800m"})], {"requests": {"cpu": "900m"}}, 403, "maximum cpu usage", id="LimitRange"
        ),
        pytest.param([], {"limits": {"cpu": "500m", "memory": "1Gi"}}, 422, "QOS Class may not change", id="QoS"),
        pytest.param(
            [], {"requests": {"cpu": None}}, 422, "resource requests cannot be removed", id="a request taken away"
        ),
    ],
)
def test_resize(
    double: KubernetesDouble, rules: list[Document], resources: Document, code: int | None, words: str
) -> None:
    double.create(pod("db-0", namespace="shop"))
    run_pod(double, "shop", "db-0")
    for rule in rules:
        double.create(rule)
    if code is None:
        resize(double, **resources)
        finish_resize(double, "shop", "db-0")
        status = double.get("Pod", "shop", "db-0")["status"]["containerStatuses"][0]
        assert status["resources"]["requests"]["cpu"] == resources["requests"]["cpu"]
        return
    with pytest.raises(StatusError) as refused:
        resize(double, **resources)
    assert refused.value.code == code
    assert words in refused.value.message


def test_a_container_restarts_where_its_policy_says_so(double: KubernetesDouble) -> None:
    item = pod("db-0", namespace="shop")
    item["spec"]["containers"][0]["resizePolicy"] = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    double.create(item)
    run_pod(double, "shop", "db-0")
    restarts = []
    for amounts in ({"cpu": "600m"}, {"memory": "2Gi"}):
        resize(double, requests=amounts)
        finish_resize(double, "shop", "db-0")
        restarts.append(double.get("Pod", "shop", "db-0")["status"]["containerStatuses"][0]["restartCount"])
    assert restarts == [0, 1]


def grow(double: KubernetesDouble, size: str) -> Document:
    body = {"spec": {"resources": {"requests": {"storage": size}}}}
    return double.patch("PersistentVolumeClaim", "shop", "data", body, manager="capacity")


def test_a_claim_grows_and_never_shrinks_below_its_volume(double: KubernetesDouble) -> None:
    double.create(storage_class())
    double.create(claim("data", namespace="shop"))
    with pytest.raises(StatusError, match="immutable after creation"):
        grow(double, "12Gi")
    bind_claim(double, "shop", "data")
    grow(double, "20Gi")
    assert grow(double, "12Gi")["spec"]["resources"]["requests"]["storage"] == "12Gi"
    expand_claim(double, "shop", "data")
    with pytest.raises(StatusError, match=r"can not be less than status\.capacity"):
        grow(double, "11Gi")
    double.delete("pvc", "shop", "data")
    assert double.list("pvc", "shop") == []


@pytest.mark.parametrize(
    ("hard", "words"),
    [
        (
            {"requests_storage": "15Gi"},
            "requested: requests.storage=10Gi, used: requests.storage=10Gi, limited: requests.storage=15Gi",
        ),
        (
            {"fast_storageclass_storage_k8s_io__requests_storage": "15Gi"},
            "fast.storageclass.storage.k8s.io/requests.storage=10Gi",
        ),
        ({"requests_storage": "20Gi"}, ""),
    ],
)
def test_a_claim_in_a_quota(double: KubernetesDouble, hard: dict[str, str], words: str) -> None:
    double.create(storage_class())
    double.create(claim("data", namespace="shop"))
    bind_claim(double, "shop", "data")
    double.create(quota(**hard))
    if not words:
        grow(double, "20Gi")
        return
    with pytest.raises(StatusError, match="exceeded quota") as refused:
        grow(double, "20Gi")
    assert words in refused.value.message


def test_pods_take_the_priority_of_their_class(double: KubernetesDouble) -> None:
    double.create(priority_class("balloon", value=-10))
    made = double.create(pod("pause-0", namespace="shop", priorityClassName="balloon"))
    assert made["spec"]["priority"] == -10
    with pytest.raises(StatusError, match="no PriorityClass with name ghost was found"):
        double.create(pod("pause-1", namespace="shop", priorityClassName="ghost"))
    with pytest.raises(StatusError, match="may not be changed"):
        double.patch("PriorityClass", None, "balloon", {"value": 5})


def test_nodes_are_of_the_cluster(double: KubernetesDouble) -> None:
    double.create(node("node-1", cpu="4"))
    assert double.get("Node", None, "node-1")["status"]["allocatable"]["cpu"] == "4"


@pytest.mark.parametrize(("versions", "served"), [((), ["v1beta1", "v1alpha1"]), (("v1alpha1",), ["v1alpha1"])])
def test_buffers_are_served_in(double: KubernetesDouble, versions: tuple[str, ...], served: list[str]) -> None:
    double.create(capacity_buffer_definition(*versions))
    made = double.create(capacity_buffer(version=served[-1]))
    assert made["spec"]["provisioningStrategy"] == "buffer.x-k8s.io/active-capacity"
    assert double.served_versions("autoscaling.x-k8s.io") == served


def test_watches_under_load_miss_nothing_and_tell_it_in_order(double: KubernetesDouble) -> None:
    """Six watches, four writers of 50 changes each, and a compaction in the middle that only new watches notice."""
    names = [f"web-{number}" for number in range(4)]
    for name in names:
        double.create(autoscaler(name))
    begun, seen = threading.Barrier(7), [list[tuple[str, int]]() for _ in range(6)]
    watches = [double.watch("HorizontalPodAutoscaler", "default") for _ in seen]

    def follow(watch: Watch, found: list[tuple[str, int]]) -> None:
        events = watch.events()
        there = [next(events) for _ in names]
        begun.wait()
        for one in itertools.chain(there, events):
            item = one["object"]
            found.append((item["metadata"]["name"], int(item["metadata"]["resourceVersion"])))
            if len(found) == 4 * 51:
                return

    def write(name: str) -> None:
        for floor in range(3, 53):
            double.patch(
                "HorizontalPodAutoscaler", "default", name, {"spec": {"minReplicas": floor, "maxReplicas": 60}}
            )
            if floor == 20:
                double.forget_history()

    readers = [threading.Thread(target=follow, args=pair) for pair in zip(watches, seen, strict=True)]
    for reader in readers:
        reader.start()
    begun.wait()
    writers = [threading.Thread(target=write, args=(name,)) for name in names]
    for writer in writers:
        writer.start()
    for thread in (*writers, *readers):
        thread.join(timeout=HUNG)
    for found in seen:
        revisions = [revision for _, revision in found[4:]]
        assert revisions == sorted(set(revisions))
        assert [sum(1 for name, _ in found if name == one) for one in names] == [51] * 4
