"""The policy of k8s/guard: its expressions, evaluated by a CEL library, over what a real 1.36 API server was asked."""

from __future__ import annotations

import copy
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from capacity.cli import main
from tests.double.custom import evaluate
from tests.double.patches import merge_patch
from tests.shop import Shop, hpa

ROOT = Path(__file__).parents[2]
POLICY, BINDING = yaml.safe_load_all((ROOT / "k8s" / "guard" / "policy.yaml").read_text(encoding="utf-8"))
CONDITIONS = {one["name"]: one["expression"] for one in POLICY["spec"]["matchConditions"]}
(MUTATION,) = POLICY["spec"]["mutations"]
Document = dict[str, Any]


def admitted(new: Document, old: Document) -> int:
    """The floor that an update leads to under the policy. A condition that cannot be evaluated leaves it alone."""
    given = {"object": new, "oldObject": old}
    try:
        if not all(evaluate(expression, given) for expression in CONDITIONS.values()):
            return int(new["spec"]["minReplicas"])
    except ValueError:
        assert POLICY["spec"]["failurePolicy"] == "Ignore"
        return int(new["spec"]["minReplicas"])
    inner = re.fullmatch(
        r"Object\{spec: Object\.spec\{minReplicas:(.+)\}\}", MUTATION["applyConfiguration"]["expression"]
    )
    assert inner
    return int(evaluate(inner[1].strip(), given))


def guarded(floor: int, noted: str | None, *, ceiling: int = 40, **annotations: str) -> Document:
    document = hpa(floor=floor, ceiling=ceiling)
    notes = {} if noted is None else {"capacity/floor": noted}
    notes |= {f"capacity/{key.replace('_', '-')}": text for key, text in annotations.items()}
    if notes:
        document["metadata"]["annotations"] = notes
    return document


@pytest.mark.parametrize(
    ("new", "old", "floor"),
    [
        pytest.param(guarded(2, "27"), guarded(27, "27"), 27, id="a forced apply lowers it"),
        pytest.param(guarded(31, "27"), guarded(27, "27"), 31, id="a person raises it"),
        pytest.param(guarded(10, "10"), guarded(27, "27"), 10, id="capacity lowers it with its note"),
        pytest.param(guarded(2, None), guarded(27, "27"), 2, id="restore takes the note away"),
        pytest.param(guarded(2, "27"), guarded(2, None), 2, id="a note that is new guards from then on"),
        pytest.param(guarded(2, None), guarded(2, None), 2, id="never touched"),
        pytest.param(guarded(4, "15", freeze="true"), guarded(15, "15"), 4, id="frozen by a person"),
        pytest.param(guarded(4, "15", freeze="false"), guarded(15, "15"), 15, id="no longer frozen"),
        pytest.param(guarded(4, "15", exclude="true"), guarded(15, "15"), 4, id="excluded"),
        pytest.param(guarded(4, "15", exclude_until="2026-11-28T06:00:00Z"), guarded(15, "15"), 4, id="excluded until"),
        pytest.param(guarded(4, "27", ceiling=20), guarded(27, "27"), 20, id="the ceiling is lowered too"),
        pytest.param(guarded(4, "many"), guarded(27, "many"), 4, id="a note that is no number"),
        pytest.param(guarded(4, "0"), guarded(27, "0"), 4, id="a note of nothing"),
    ],
)
def test_a_floor_is_kept_unless_it_is_ours_or_free(new: Document, old: Document, floor: int) -> None:
    assert admitted(new, old) == floor


def recorded() -> list[Document]:
    path = ROOT / "tests" / "data" / "kubernetes-1.36" / "actuators.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    found = [json.loads(line) for line in lines]
    return [one for one in found if "horizontalpodautoscalers/guarded" in one["path"] and one["status"] == 200]


def test_a_real_server_decided_the_same() -> None:
    """Its own policy had the same conditions; each update is put to ours as that server saw it."""
    exchanges, before, compared = recorded(), None, 0
    for exchange in exchanges:
        after = exchange["response"]
        if before is not None and exchange["method"] == "PATCH":
            sent = copy.deepcopy(exchange["request"])
            assert admitted(merge_patch(before, sent), before) == after["spec"]["minReplicas"], exchange["path"]
            compared += 1
        before = after
    assert compared >= 6


def test_the_policy_is_bound_and_only_asked_of_updates_of_autoscalers() -> None:
    assert BINDING["spec"]["policyName"] == POLICY["metadata"]["name"]
    (rule,) = POLICY["spec"]["matchConstraints"]["resourceRules"]
    assert (rule["operations"], rule["resources"]) == (["UPDATE"], ["horizontalpodautoscalers"])
    assert POLICY["apiVersion"] == BINDING["apiVersion"] == "admissionregistration.k8s.io/v1"


@pytest.fixture
def guarded_shop(shop: Shop) -> Shop:
    """A floor of 9 that capacity set, in a cluster with the policy."""
    for item in (POLICY, BINDING):
        shop.api.create(item)
    assert (shop.decide()["floor"], shop.floor()) == (9, 9)
    return shop


def test_a_deploy_keeps_the_floor_and_restore_gives_it_back(guarded_shop: Shop) -> None:
    body = {"spec": {"minReplicas": 3}}
    guarded_shop.api.patch("HorizontalPodAutoscaler", "shop", "web", body, manager="helm")
    assert guarded_shop.floor() == 9
    assert main(["restore"]) == 0
    assert guarded_shop.floor() == 2


def test_a_person_who_freezes_a_guarded_floor_may_lower_it(guarded_shop: Shop) -> None:
    guarded_shop.annotate(freeze="true")
    body = {"spec": {"minReplicas": 3}}
    guarded_shop.api.patch("HorizontalPodAutoscaler", "shop", "web", body, manager="kubectl-edit")
    assert guarded_shop.floor() == 3
