"""Usage of volumes read from a real Prometheus, as the kubelet writes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from capacity.model.settings import PrometheusSettings
from capacity.model.volume import GIB, VolumeRules
from capacity.planning.volumes import VolumeContext, plan_volumes
from capacity.sources.volumes import read_volumes
from tests.peers import Prometheus, openmetrics
from tests.plans import workload_of

END = datetime(2026, 11, 27, 12, tzinfo=UTC)


def test_claims_of_a_template_are_read_by_the_hour_and_planned(prometheus: Callable[..., Prometheus]) -> None:
    """Two pods mount one claim, another namespace has one of the same name, and one claim is nobody's."""
    at = pd.date_range(end=END, periods=20 * 24 * 4, freq="15min")
    used = pd.Series(GIB * np.linspace(30, 60, len(at)), at)
    series = {}
    for namespace, claim, scale in (
        ("shop", "data-db-0", 1.0),
        ("shop", "logs-web-0", 0.5),
        ("other", "data-db-0", 9.0),
    ):
        for node in ("a", "b") if scale == 1.0 else ("a",):
            labels = f'{{namespace="{namespace}",persistentvolumeclaim="{claim}",node="{node}"}}'
            series[f"kubelet_volume_stats_used_bytes{labels}"] = scale * used
            series[f"kubelet_volume_stats_capacity_bytes{labels}"] = 0 * used + 98.0 * GIB
            series[f"kubelet_volume_stats_inodes{labels}"] = 0 * used + 1e6
            series[f"kubelet_volume_stats_inodes_used{labels}"] = 0 * used + 1e5
    asked = (
        'kube_persistentvolumeclaim_resource_requests_storage_bytes{namespace="shop",persistentvolumeclaim="data-db-0"}'
    )
    series[asked] = 0 * used + 100.0 * GIB
    settings = PrometheusSettings(url=prometheus(history=openmetrics(series)).url, retries=0)
    database = workload_of("db", volumes=(VolumeRules(template="data"), VolumeRules("missing")))
    found = read_volumes(settings, [database], at[0].to_pydatetime(), END)
    assert list(found) == [("shop", "data-db-0")]
    table = found["shop", "data-db-0"]
    assert set(table.columns) == {"used", "capacity", "inodes", "inodes_used", "size"}
    assert len(table) == 20 * 24
    assert table["used"].iloc[-1] == used.iloc[-1], "the highest of the hour, once for two pods"
    planned = plan_volumes([database], found, VolumeContext(END))
    (plan,) = planned.plans["shop", "db"]
    assert (plan.size, plan.capacity) == (100 * GIB, 98 * GIB)
    assert plan.steps, "1.5 GiB a day on 60 of 98 reach 80 % within the plan"
    assert "missing" in planned.failures["shop", "db"][0]
