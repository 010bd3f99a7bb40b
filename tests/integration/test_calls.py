"""The calls of each kind of target are those of docs/calls.md, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from capacity.cli import main
from tests.database import Database
from tests.double.manifests import SCALED_OBJECT_DEFINITION, deployment
from tests.integration.test_targets import Keda, plain
from tests.shop import CONFLICT, NOON, Shop

PAGE = Path(__file__).parents[2] / "docs" / "calls.md"
COMMON = {
    ("get", "", "configmaps"),
    ("create", "events.k8s.io", "events"),
    *((verb, "coordination.k8s.io", "leases") for verb in ("get", "create", "patch")),
}


def documented(kind: str) -> set[tuple[str, str, str]]:
    block = re.search(r"```yaml\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block
    rules = yaml.safe_load(block[1])[kind]
    return {(verb, rule["apiGroups"][0], rule["resources"][0]) for rule in rules for verb in rule["verbs"]}


def test_a_resize_asks_for_what_the_page_says(shop: Shop) -> None:
    database = Database(shop.api, shop.folder)
    database.plan([4000] * 24)
    shop.api.journal.clear()
    for verb in ("apply", "restore"):
        shop.api.faults.add("PATCH .*/pods/db-0/resize", CONFLICT)
        assert database.decide(verb, NOON)["code"] == 0
    assert shop.api.journal.rules_used == documented("vertical") | COMMON


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "ScaledObject", "Deployment", "StatefulSet"])
def test_a_target_asks_for_what_the_page_says(shop: Shop, kind: str) -> None:
    if kind == "ScaledObject":
        Keda(shop).create()
    elif kind != "HorizontalPodAutoscaler":
        shop.api.create(SCALED_OBJECT_DEFINITION)
        plain(shop, kind)
    shop.api.faults.add("PATCH .*/(web|jobs)", CONFLICT)
    assert main(["apply", "--now", NOON]) == 0
    shop.api.faults.add("PATCH .*/(web|jobs)", CONFLICT)
    assert main(["restore"]) == 0
    assert shop.api.journal.rules_used == documented(kind) | COMMON


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_rise_that_is_not_reached_asks_for_what_the_page_says(shop: Shop, kind: str) -> None:
    shop.api.create({**deployment("web", namespace="shop"), "kind": kind})
    target = {"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": "web"}}}
    shop.api.patch("HorizontalPodAutoscaler", "shop", "web", target)
    assert main(["apply", "--now", NOON]) == 0
    before = shop.api.journal.rules_used
    assert main(["apply", "--now", "2026-11-27T02:37:00Z"]) == 0
    other = {"Deployment": "statefulsets", "StatefulSet": "deployments"}[kind]
    assert shop.api.journal.rules_used - before == {rule for rule in documented("after a rise") if rule[2] != other}
