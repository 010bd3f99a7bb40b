"""A plan in ConfigMaps is replaced whole or not at all: killed, refused or over quota at every single call."""

from __future__ import annotations

import contextlib
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.cluster import config_maps
from capacity.cluster.client import ClusterWriter
from capacity.cluster.config_maps import read_plan_maps, write_plan_maps
from capacity.cluster.plan_index import MOST_PARTS, names
from capacity.model import CapacityError, ClusterError, Plan, PlanError
from capacity.model.plan_file import plan_text
from tests.conftest import START, PlanOf, _workload
from tests.double import KubernetesDouble
from tests.double.faults import Fault, internal_error, refusal
from tests.mortal import Mortal
from tests.paper import Killed

SIZES = [(1, 1), (1, 3), (3, 1), (2, 3)]  # parts of the plan in force, and of the next


@pytest.fixture
def writer(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> ClusterWriter:
    monkeypatch.setattr(config_maps, "LARGEST", 200)  # a part for each workload
    monkeypatch.setattr("capacity.cluster.client.FIRST_WAIT", 0.001)
    return ClusterWriter(str(kubeconfig), requests_per_second=100_000)


@pytest.fixture
def plans(plan_of: PlanOf, kubernetes_double: KubernetesDouble) -> Callable[..., Plan]:
    kubernetes_double.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    return lambda parts, floor: plan_of(**{f"w{place}": [floor, floor + 1] for place in range(parts)})


def config_map_names(api: KubernetesDouble) -> list[str]:
    return sorted(item["metadata"]["name"] for item in api.list("ConfigMap", "shop"))


@pytest.mark.parametrize(("old", "new"), SIZES)
@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
def test_a_planner_killed_at_any_call_leaves_a_whole_plan(
    writer: ClusterWriter,
    plans: Callable[..., Plan],
    kubernetes_double: KubernetesDouble,
    kubeconfig: Path,
    old: int,
    new: int,
    after: bool,
) -> None:
    first, second = plans(old, 4), plans(new, 7)
    write_plan_maps(writer, first)
    write_plan_maps(writer, first)  # both slots are in use, as after two hours
    killed, seen = True, []
    at = 0
    while killed:
        at += 1
        mortal = Mortal(kubeconfig, at, after=after)
        try:
            write_plan_maps(mortal, second)
            killed = False
        except Killed:
            pass
        found = read_plan_maps(writer, "shop")
        assert found in (first, second)
        seen.append(found == second)
        write_plan_maps(writer, first)
        assert read_plan_maps(writer, "shop") == first, "the next planner is not hindered"
    assert seen == sorted(seen), "once the new plan is in force it stays"
    assert seen[-1]
    assert not seen[0]
    assert config_map_names(kubernetes_double)[0] == "capacity-plan"


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
def test_the_first_plan_of_a_namespace_is_there_whole_or_not_there(
    plans: Callable[..., Plan],
    writer: ClusterWriter,
    kubernetes_double: KubernetesDouble,
    kubeconfig: Path,
    after: bool,
) -> None:
    plan, at, killed = plans(2, 4), 0, True
    while killed:
        at += 1
        for item in kubernetes_double.list("ConfigMap", "shop"):
            kubernetes_double.delete("ConfigMap", "shop", item["metadata"]["name"])
        try:
            write_plan_maps(Mortal(kubeconfig, at, after=after), plan)
            killed = False
        except Killed:
            pass
        if "capacity-plan" in config_map_names(kubernetes_double):
            assert read_plan_maps(writer, "shop") == plan
        else:
            assert killed
            with pytest.raises(PlanError, match="404"):
                read_plan_maps(writer, "shop")
        write_plan_maps(writer, plan)
        assert read_plan_maps(writer, "shop") == plan


FAULTS = {
    "forbidden": refusal(403, "Forbidden", "no"),
    "too large": refusal(413, "RequestEntityTooLarge", "limit is 3145728"),
    "broken": internal_error(),
    "over quota": refusal(403, "Forbidden", "exceeded quota: maps, requested: count/configmaps=1"),
    "invalid": refusal(422, "Invalid", "[]: Too long: may not be more than 1048576 bytes"),
    "conflict": refusal(409, "Conflict", "the object has been modified"),
}


@settings(max_examples=60, deadline=None)
@given(
    fault=st.sampled_from(sorted(FAULTS)),
    let_through=st.integers(0, 12),
    sizes=st.sampled_from(SIZES),
    method=st.sampled_from(["PATCH", "GET", "DELETE"]),
)
def test_a_planner_refused_at_any_call_leaves_the_plan_in_force(
    fault: str, let_through: int, sizes: tuple[int, int], method: str
) -> None:
    def plan_with(parts: int, floor: int) -> Plan:
        workloads = tuple(_workload(f"w{place}", [floor, floor + 1], 20) for place in range(parts))
        return Plan(START, START, workloads[0].end, "test", {"name": "test"}, workloads)

    with KubernetesDouble() as api, pytest.MonkeyPatch.context() as patch:
        patch.setattr(config_maps, "LARGEST", 200)
        patch.setattr("capacity.cluster.client.FIRST_WAIT", 0.001)
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        with tempfile.TemporaryDirectory() as folder:
            writer = ClusterWriter(str(api.kubeconfig(Path(folder) / "kubeconfig")), requests_per_second=100_000)
            first, second = plan_with(sizes[0], 4), plan_with(sizes[1], 7)
            write_plan_maps(writer, first)
            api.faults.add(f"{method} .*configmaps", Fault(), times=let_through)
            api.faults.add(f"{method} .*configmaps", FAULTS[fault], times=50)
            try:
                write_plan_maps(writer, second)
                done = True
            except ClusterError:
                done = False
            api.faults.clear()
            found = read_plan_maps(writer, "shop")
    assert found == (second if done else first)


def test_a_quota_is_met_before_the_first_write(
    writer: ClusterWriter, plans: Callable[..., Plan], kubernetes_double: KubernetesDouble
) -> None:
    write_plan_maps(writer, plans(1, 4))
    hard = {"hard": {"count/configmaps": "2"}}
    metadata = {"name": "maps", "namespace": "shop"}
    kubernetes_double.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": hard})
    kubernetes_double.journal.clear()
    with pytest.raises(ClusterError, match="exceeded quota: maps"):
        write_plan_maps(writer, plans(3, 7))
    assert [entry.query["dryRun"] for entry in kubernetes_double.journal.writes] == ["All"]
    assert read_plan_maps(writer, "shop") == plans(1, 4)


def test_more_parts_than_the_role_names_are_refused_before_the_first_write(
    writer: ClusterWriter, plans: Callable[..., Plan], kubernetes_double: KubernetesDouble
) -> None:
    write_plan_maps(writer, plans(1, 4))
    kubernetes_double.journal.clear()
    with pytest.raises(PlanError, match=f"at most {MOST_PARTS} ConfigMaps, got {MOST_PARTS + 1}"):
        write_plan_maps(writer, plans(MOST_PARTS + 1, 7))
    assert list(kubernetes_double.journal.writes) == []
    assert read_plan_maps(writer, "shop") == plans(1, 4)


def test_five_hundred_workloads_need_few_parts_and_these_fit_a_config_map(
    kubeconfig: Path, plan_of: PlanOf, kubernetes_double: KubernetesDouble
) -> None:
    """Real limits: parts of 700 kB, on a server that refuses a ConfigMap above 1 MiB."""
    dice = random.Random(1)
    kubernetes_double.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    plan = plan_of(**{f"w{place}": [dice.randint(1, 60) for _ in range(400)] for place in range(500)}, ceiling=60)
    assert len(plan_text(plan).encode()) > 5 * config_maps.LARGEST
    writer = ClusterWriter(str(kubeconfig))
    written = write_plan_maps(writer, plan)
    assert 2 <= len(written) <= MOST_PARTS
    assert set(config_map_names(kubernetes_double)) <= set(names())
    assert read_plan_maps(writer, "shop") == plan


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param({"plan.json.gz": "AAAA"}, "expected the part that the index names, got another", id="another"),
        pytest.param({"plan.json.gz": "?"}, "expected base64", id="no base64"),
    ],
)
def test_a_part_that_was_touched_is_refused(
    writer: ClusterWriter,
    plans: Callable[..., Plan],
    kubernetes_double: KubernetesDouble,
    spoil: dict[str, str],
    message: str,
) -> None:
    write_plan_maps(writer, plans(1, 4))
    item = kubernetes_double.get("ConfigMap", "shop", "capacity-plan-a-0")
    kubernetes_double.load({**item, "binaryData": spoil})
    with pytest.raises(CapacityError, match=message):
        read_plan_maps(writer, "shop")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema":"capacity.plan-index/v1","slot":"c","sha256":["1"]}'])
def test_an_index_that_cannot_be_read_is_an_error_and_the_next_planner_heals_it(
    writer: ClusterWriter, plans: Callable[..., Plan], kubernetes_double: KubernetesDouble, text: str
) -> None:
    write_plan_maps(writer, plans(1, 4))
    kubernetes_double.patch("ConfigMap", "shop", "capacity-plan", {"data": {"index.json": text}})
    with pytest.raises(PlanError, match="plan again"):
        read_plan_maps(writer, "shop")
    write_plan_maps(writer, plans(2, 7))
    assert read_plan_maps(writer, "shop") == plans(2, 7)


def test_a_reader_that_meets_a_new_plan_half_way_reads_that_one(
    writer: ClusterWriter, plans: Callable[..., Plan], kubeconfig: Path
) -> None:
    """Between its reading of the index and of the parts, two plans are written: its slot is overwritten."""
    write_plan_maps(writer, plans(2, 4))

    class Slow(ClusterWriter):
        done = False

        def configmap(self, namespace: str, name: str) -> dict[str, Any]:
            if name != "capacity-plan" and not self.done:
                Slow.done = True
                write_plan_maps(writer, plans(2, 7))
                write_plan_maps(writer, plans(2, 9))
            return super().configmap(namespace, name)

    assert read_plan_maps(Slow(str(kubeconfig)), "shop") == plans(2, 9)


def test_two_planners_at_once_leave_a_whole_plan(
    writer: ClusterWriter, plans: Callable[..., Plan], kubeconfig: Path
) -> None:
    """At every call of the one, the other writes a whole plan of its own."""
    mine, other = plans(2, 4), plans(3, 7)
    write_plan_maps(writer, mine)
    write_plan_maps(writer, mine)

    class Interrupted(ClusterWriter):
        calls, at = 0, 0

        def _request(self, *args: Any, **more: Any) -> Any:
            self.calls += 1
            if self.calls == self.at:
                write_plan_maps(writer, other)
            return super()._request(*args, **more)

    for at in range(1, 12):
        interrupted = Interrupted(str(kubeconfig), requests_per_second=100_000)
        interrupted.at = at
        with contextlib.suppress(ClusterError):
            write_plan_maps(interrupted, mine)
        assert read_plan_maps(writer, "shop") in (mine, other)


def test_the_plan_of_another_cluster_is_refused_by_its_index(
    writer: ClusterWriter, plans: Callable[..., Plan], kubernetes_double: KubernetesDouble
) -> None:
    write_plan_maps(writer, plans(1, 4))
    item = kubernetes_double.get("ConfigMap", "shop", "capacity-plan")
    assert item["metadata"]["annotations"] == {"capacity/written-to": item["metadata"]["uid"]}
    assert json.loads(item["data"]["index.json"])["slot"] == "a"
