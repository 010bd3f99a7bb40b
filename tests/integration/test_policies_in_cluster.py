"""Chosen policies in ConfigMaps beside the plan: written, read back, and damaged."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from capacity.cluster import ClusterWriter
from capacity.cluster.policy_maps import names, read_policy_maps, write_policy_maps
from capacity.model.choice import Choice, Evidence
from capacity.model.policies import Advised, DailyScores, Tried
from capacity.model.policy import Objective, Policy
from tests.shop import Shop

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def advised(name: str, namespace: str = "shop", days: int = 28, seed: int = 0) -> Advised:
    """A choice among sixty policies, with numbers that hardly compress."""
    random = np.random.default_rng(seed)
    policies = tuple(Policy(target) for target in range(30, 90))
    scores = DailyScores(*(random.uniform(0, 1000, (days, len(policies))).round(4) for _ in range(5)))
    evidence = Evidence(policies[0], days, 80.0, 3.0, 0.0, (70.0, 90.0), (1.0, 5.0), (0.0, 0.5))
    choice = Choice(namespace, name, NOW, Objective(), evidence, evidence, "PlainHpaIsEnough")
    return Advised(choice, Tried(policies, scores, NOW, 0.3, (), "these"))


@pytest.fixture
def _stock(shop: Shop) -> None:
    shop.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "stock"}})


@pytest.mark.usefixtures("_stock")
def test_policies_travel_through_config_maps(shop: Shop) -> None:
    made = [advised("web"), advised("cart", seed=1), advised("store", "stock", seed=2)]
    writer = ClusterWriter()
    assert write_policy_maps(writer, made) == ["shop/capacity-policies-0", "stock/capacity-policies-0"]
    read = read_policy_maps(writer, ["shop", "stock"])
    assert {key: one.choice for key, one in read.items()} == {one.key: one.choice for one in made}
    for one in made:
        found = read[one.key].tried
        assert found is not None
        assert one.tried is not None
        np.testing.assert_array_equal(found.scores.above, one.tried.scores.above)


def test_many_policies_take_several_config_maps_and_fewer_leave_none_behind(shop: Shop) -> None:
    writer = ClusterWriter()
    many = [advised(f"web-{at}", days=300, seed=at) for at in range(6)]
    written = write_policy_maps(writer, many)
    assert len(written) > 1
    assert set(read_policy_maps(writer, ["shop"])) == {one.key for one in many}
    assert write_policy_maps(writer, many[:1]) == ["shop/capacity-policies-0"]
    assert set(read_policy_maps(writer, ["shop"])) == {many[0].key}


def test_more_than_fit_are_kept_without_their_days(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capacity.cluster.policy_maps.LARGEST", 4000)
    writer = ClusterWriter()
    many = [advised(f"web-{at}", seed=at) for at in range(12)]
    assert len(write_policy_maps(writer, many)) <= len(names())
    read = read_policy_maps(writer, ["shop"])
    assert {key: one.tried for key, one in read.items()} == dict.fromkeys(one.key for one in many)


@pytest.mark.usefixtures("_stock")
def test_a_damaged_part_counts_as_none(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    writer = ClusterWriter()
    write_policy_maps(writer, [advised("web"), replace(advised("store", "stock"), tried=None)])
    broken = {"binaryData": {"policies.json.gz": base64.b64encode(b"no gzip").decode()}}
    shop.api.patch("ConfigMap", "shop", "capacity-policies-0", broken)
    assert set(read_policy_maps(writer, ["shop", "stock"])) == {("stock", "store")}
    assert "capacity-policies-0: expected the gzip" in caplog.text
