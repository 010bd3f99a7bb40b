"""Lead time from pods: what counts as a start, what as a failed one, and how few are too few."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.cluster.start_times import FEWEST, HPA_SYNC, LONGEST, Starts, owner_of, read_starts

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
WEB = ("Deployment", "web")


def stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def pod(seconds: float | None = 30, *, age: float = 3600, **status: Any) -> dict[str, Any]:
    """A pod of Deployment web, created `age` seconds ago, ready `seconds` later (None: never)."""
    created = NOW - timedelta(seconds=age)
    ready = {"type": "Ready", "status": "True" if seconds is not None else "False"}
    ready["lastTransitionTime"] = stamp(created + timedelta(seconds=seconds or 0))
    owner = {"kind": "ReplicaSet", "name": "web-5d4f8c7b9", "controller": True}
    return {
        "metadata": {
            "creationTimestamp": stamp(created),
            "labels": {"pod-template-hash": "5d4f8c7b9"},
            "ownerReferences": [owner],
        },
        "status": {"phase": "Running", "conditions": [ready], **status},
    }


def waiting(reason: str) -> list[dict[str, Any]]:
    return [{"name": "app", "restartCount": 3, "state": {"waiting": {"reason": reason}}}]


@pytest.mark.parametrize(
    ("one", "took", "failed"),
    [
        pytest.param(pod(30), [30], 0, id="ready after half a minute"),
        pytest.param(pod(0), [0], 0, id="ready within the second"),
        pytest.param(pod(30, containerStatuses=[{"name": "app", "restartCount": 1}]), [], 0, id="restarted since"),
        pytest.param(pod(7200), [], 0, id="ready again after two hours"),
        pytest.param(pod(None, age=60), [], 0, id="still starting"),
        pytest.param(pod(None, containerStatuses=waiting("CrashLoopBackOff")), [], 1, id="crashing"),
        pytest.param(pod(None, initContainerStatuses=waiting("ImagePullBackOff")), [], 1, id="no image"),
        pytest.param(pod(None, age=60, containerStatuses=waiting("ContainerCreating")), [], 0, id="being created"),
        pytest.param(pod(None, age=700, phase="Pending"), [], 1, id="pending for ten minutes"),
        pytest.param(pod(None, age=500, phase="Pending"), [], 0, id="pending for less"),
        pytest.param(pod(None, phase="Failed"), [], 1, id="failed"),
        pytest.param({**pod(30), "status": {}}, [], 0, id="no status yet"),
        pytest.param({**pod(30), "status": {"conditions": [{"type": "Ready", "status": "True"}]}}, [], 0, id="no time"),
    ],
)
def test_what_a_pod_says_about_starting(one: dict[str, Any], took: list[float], failed: int) -> None:
    assert read_starts([one], NOW) == {WEB: Starts(tuple(timedelta(seconds=seconds) for seconds in took), failed)}


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        pytest.param(pod()["metadata"], WEB, id="of a Deployment, through its ReplicaSet"),
        pytest.param({"ownerReferences": [{"kind": "StatefulSet", "name": "db", "controller": True}]},
                     ("StatefulSet", "db"), id="of a StatefulSet"),
        pytest.param({"ownerReferences": [{"kind": "Job", "name": "once", "controller": True}]}, None, id="of a Job"),
        pytest.param({"ownerReferences": [{"kind": "ReplicaSet", "name": "lone", "controller": True}]}, None,
                     id="of a ReplicaSet of its own"),
        pytest.param({}, None, id="nobody's"),
    ],
)  # fmt: skip
def test_whose_a_pod_is(metadata: dict[str, Any], owner: tuple[str, str] | None) -> None:
    assert owner_of({"metadata": metadata}) == owner


def starts(*seconds: float, failed: int = 0) -> Starts:
    return Starts(tuple(timedelta(seconds=one) for one in seconds), failed)


@pytest.mark.parametrize(
    ("seen", "remark"),
    [
        pytest.param(starts(), "lead time 300 s assumed: 0 pod starts seen, 3 are needed", id="none"),
        pytest.param(starts(9, 9, failed=4), "lead time 300 s assumed: 2 pod starts (4 failed) seen, 3 are", id="two"),
        pytest.param(starts(20, 30, 41), "lead time 60 s learned: 0.95 of 3 pod starts took up to 41 s", id="three"),
        pytest.param(starts(*range(1, 101), failed=2), "lead time 110 s learned: 0.95 of 100 pod starts (2 failed)",
                     id="a hundred"),
    ],
)  # fmt: skip
def test_the_lead_time_leaves_with_its_reason(seen: Starts, remark: str) -> None:
    assert seen.remark().startswith(remark)


@given(st.lists(st.integers(0, int(LONGEST.total_seconds())), min_size=FEWEST, max_size=60))
def test_at_most_one_start_in_twenty_takes_longer_than_the_lead_time(seconds: list[int]) -> None:
    seen = starts(*seconds)
    assert seen.lead_time is not None
    longer = [one for one in seen.took if one + HPA_SYNC > seen.lead_time]
    assert len(longer) <= len(seconds) * 0.05
