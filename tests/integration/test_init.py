"""`capacity init` over the socket: a cluster with autoscalers of every kind, a real Prometheus, a file that reads."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from capacity.app import read_config
from capacity.cli import main
from capacity.cluster import ClusterReader, ClusterWriter
from capacity.cluster.config_maps import read_plan_maps
from capacity.cluster.policy_maps import write_policy_maps
from capacity.model.fields import AutoLeadTime
from tests.double import KubernetesDouble
from tests.double.manifests import autoscaler, deployment
from tests.integration.test_policies_in_cluster import advised
from tests.peers import Prometheus, openmetrics

Document = dict[str, Any]

NO_CHOICE = "\nchoice: {period: null}\n"


def pod(name: str, owner: tuple[str, str], seconds: int | None, labels: Document | None = None) -> Document:
    """A pod that is ready, or with `seconds` None crashes; `appear` says when."""
    ready = {"type": "Ready", "status": "False" if seconds is None else "True"}
    crash = {"name": "app", "restartCount": 9, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    kind, of = owner
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": labels or {},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": kind, "name": of, "uid": f"u-{of}", "controller": True}
            ],
        },
        "spec": {"containers": [{"name": "app", "image": "img:1"}]},
        "status": {"phase": "Running", "conditions": [ready], "containerStatuses": [crash] if seconds is None else []},
    }


def appear(cluster: KubernetesDouble, document: Document, seconds: int | None) -> None:
    """Create a pod that is ready `seconds` after the moment which the server says it was created at."""
    made = cluster.create(document)["metadata"]
    at = datetime.fromisoformat(made["creationTimestamp"]) + timedelta(seconds=seconds or 0)
    ready = {**document["status"]["conditions"][0], "lastTransitionTime": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
    cluster.patch("Pod", "shop", made["name"], {"status": {"conditions": [ready]}}, subresource="status")


def scaling(name: str, kind: str, target: str, **more: Any) -> Document:
    document = autoscaler(name, namespace="shop", **more)
    document["spec"]["scaleTargetRef"] = {"apiVersion": "apps/v1", "kind": kind, "name": target}
    return document


@pytest.fixture
def cluster(kubernetes_double: KubernetesDouble, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> KubernetesDouble:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    web = deployment("web", namespace="shop")
    web["spec"]["template"]["spec"]["containers"][0]["resources"] = {
        "requests": {"cpu": "250m", "memory": "256Mi"},
        "limits": {"cpu": "1", "memory": "512Mi"},
    }
    sidecar = {"name": "mesh", "image": "img:1", "restartPolicy": "Always"}
    limited = {"cpu": "50m", "memory": "64Mi"}  # no template says that it requests as much
    sidecar["resources"] = {"limits": limited}  # type: ignore[assignment]
    web["spec"]["template"]["spec"]["initContainers"] = [sidecar]
    database = deployment("db", namespace="shop")
    database |= {"kind": "StatefulSet", "spec": {**database["spec"], "serviceName": "db"}}
    kubernetes_double.create(web)
    kubernetes_double.create(database)
    kubernetes_double.create(autoscaler("web", namespace="shop", floor=3, ceiling=30))
    kubernetes_double.create(scaling("db-scaler", "StatefulSet", "db"))
    kubernetes_double.create(scaling("ghost", "Deployment", "ghost"))
    kubernetes_double.create(scaling("odd", "ReplicationController", "odd"))
    kubernetes_double.create(deployment("jobs", namespace="shop"))
    made = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "queue", "uid": "u", "controller": True}
    kubernetes_double.create(scaling("keda-hpa-queue", "Deployment", "jobs", ownerReferences=[made]))
    crane = {"apiVersion": "autoscaling.crane.io/v1alpha1", "kind": "EffectiveHorizontalPodAutoscaler", "name": "e"}
    owned = [{**crane, "uid": "v", "controller": True}]
    kubernetes_double.create(scaling("ehpa-web", "Deployment", "web", ownerReferences=owned))
    kubernetes_double.create(scaling("web-too", "Deployment", "web"))
    for number, seconds in enumerate((20, 30, 37, None)):
        made_by = ("ReplicaSet", "web-5d4f8c7b9")
        one = pod(f"web-5d4f8c7b9-{number}", made_by, seconds, {"pod-template-hash": "5d4f8c7b9"})
        appear(kubernetes_double, one, seconds)
    appear(kubernetes_double, pod("db-0", ("StatefulSet", "db"), 90), 90)
    return kubernetes_double


def test_a_first_configuration_reads_as_it_is(cluster: KubernetesDouble, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--timezone", "Europe/Berlin"]) == 0
    assert "3 workloads, 4 left out" in capsys.readouterr().err
    assert {entry.method for entry in cluster.journal} == {"GET"}
    config = read_config("capacity.yaml")
    database, jobs, web = config.workloads
    assert jobs.target is not None
    assert (jobs.name, jobs.target.kind, jobs.target.name) == ("jobs", "ScaledObject", "queue")
    assert config.timezone == "Europe/Berlin"
    assert (web.floor, web.ceiling, web.replica.cpu_request, web.replica.memory_request) == (3, 30, 0.3, 320 * 2.0**20)
    assert web.lead_time == timedelta(seconds=55), "37 s, a look of the autoscaler, rounded up"
    assert database.target is not None
    assert (database.name, database.target.name, database.metrics.kind) == ("db", "db-scaler", "StatefulSet")
    assert isinstance(database.lead_time, AutoLeadTime)
    text = Path("capacity.yaml").read_text(encoding="utf-8")
    assert re.search(r"# 55 s learned: 0.95 of 3 pod starts \(1 failed\) took up to 3[678] s", text)
    for words in (
        "# 300 s assumed: 1 pod starts seen, 3 are needed",
        "# yours: no memory request is set in the cluster: a guess",
        "# left out: shop/ghost: scales Deployment ghost, which is not there",
        "# left out: shop/odd: scales a ReplicationController; expected a Deployment, a StatefulSet or a Rollout",
        "# left out: shop/ehpa-web: made and rewritten by EffectiveHorizontalPodAutoscaler e: its floor is set there",
        "# left out: shop/web-too: another autoscaler has a workload named web too",
        "the autoscaler itself aims at 60 % of the CPU request",
    ):
        assert words in text, words


@pytest.mark.parametrize(
    ("namespace", "spec", "words"),
    [
        pytest.param("shop", {"hard": {"pods": "40"}}, "shop: quota small allows pods 40, the workloads", id="a peak"),
        pytest.param("shop", {"limits": [{"type": "Container", "max": {"cpu": "500m"}}]}, "at most cpu", id="limits"),
        pytest.param("capacity-system", {"hard": {"pods": "0"}}, "capacity-system: quota small is full", id="its own"),
    ],
)
def test_what_would_keep_the_controllers_pod_out_is_in_the_file_and_said(
    cluster: KubernetesDouble, capsys: pytest.CaptureFixture[str], namespace: str, spec: Document, words: str
) -> None:
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "capacity-system"}})
    kind = "ResourceQuota" if "hard" in spec else "LimitRange"
    metadata = {"name": "small", "namespace": namespace}
    cluster.create({"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec})
    assert main(["init"]) == 0
    assert read_config("capacity.yaml").controller.namespace == "capacity-system"
    assert words in re.findall(r"^  # (.*)$", Path("capacity.yaml").read_text(encoding="utf-8"), re.MULTILINE)[0]
    assert words in " ".join(capsys.readouterr().err.split())


def test_a_file_that_is_there_is_never_overwritten(
    cluster: KubernetesDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("capacity.yaml").write_text("mine", encoding="utf-8")
    assert main(["init"]) == 2
    assert "it is not overwritten" in capsys.readouterr().err
    assert Path("capacity.yaml").read_text(encoding="utf-8") == "mine"
    assert list(cluster.journal) == [], "nobody was asked"


def test_what_prometheus_measured_is_in_the_file(
    cluster: KubernetesDouble, prometheus: Callable[..., Prometheus], capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)  # not when tests were collected: that may be hours ago
    minutes = pd.date_range(now - timedelta(hours=26), now, freq="1min")
    seconds = pd.Series(range(len(minutes)), minutes, dtype=float) * 60
    labels = 'namespace="shop",pod="web-5d4f8c7b9-bcdfg"'
    history = {
        f'container_cpu_usage_seconds_total{{{labels},container="app"}}': 0.7 * seconds,
        f'container_memory_working_set_bytes{{{labels},container="app"}}': 0 * seconds + 300 * 2**20,
        f"http_server_requests_seconds_count{{{labels}}}": 5 * seconds,
    }
    server = prometheus(history=openmetrics(history))
    assert main(["init", "--prometheus", server.url, "-n", "shop"]) == 0
    config = read_config("capacity.yaml")
    assert config.prometheus is not None
    assert (config.prometheus.url, config.prometheus.requests) == (server.url, "http_server_requests_seconds_count")
    document = yaml.safe_load(Path("capacity.yaml").read_text(encoding="utf-8"))
    web = document["workloads"][2]
    assert web["load"]["cpu"]["base"] in ("699m", "700m", "701m")  # a mean of rates at whatever minute this runs
    assert web["load"]["memory"]["base"] == "300Mi"
    text = Path("capacity.yaml").read_text(encoding="utf-8")
    assert text.count("#   cpu: sum(label_replace((max(sum(rate(container_cpu_usage_seconds_total{") == 3
    capsys.readouterr()
    assert main(["rules"]) == 0
    assert len(yaml.safe_load(capsys.readouterr().out)["groups"]) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(["--prometheus", "http://127.0.0.1:1"], 1, "no answer: ", id="no Prometheus"),
        pytest.param(
            ["--prometheus", "http://me:s3cret@p"], 2, "--prometheus: url: expected a URL without", id="password"
        ),
        pytest.param(["--timezone", "Mars"], 2, "--timezone: expected an IANA time zone", id="no time zone"),
    ],
)
def test_what_init_refuses(
    cluster: KubernetesDouble, arguments: list[str], code: int, words: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("capacity.sources.prometheus.client.FIRST_WAIT", 0.0)
    assert main(["init", *arguments]) == code
    line = capsys.readouterr().err
    assert words in line
    assert line.count("\n") == 1
    assert "s3cret" not in line
    assert not Path("capacity.yaml").exists()


def test_a_plan_for_the_cluster_learns_its_lead_times_and_follows_policies(
    cluster: KubernetesDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stays the plan of the settings as they are written: a pass knows neither and must not warn."""
    lines = "".join(f"{at:%Y-%m-%d %H:%M:%S}\n" for at in pd.date_range("2026-10-01", "2026-10-29", freq="20min"))
    Path("orders.csv").write_text("ordered_at\n" + lines, encoding="utf-8")
    assert main(["init"]) == 0
    text = Path("capacity.yaml").read_text(encoding="utf-8")
    Path("capacity.yaml").write_text(text.replace("lead_time: 55s", "lead_time: auto") + NO_CHOICE, encoding="utf-8")
    capsys.readouterr()
    write_policy_maps(ClusterWriter(), [advised("web")])
    assert main(["plan", "--to-cluster"]) == 0
    remarks = capsys.readouterr().err
    assert "shop/web: lead time 55 s learned: 0.95 of 3 pod starts (1 failed) took up to 3" in remarks
    assert "shop/db: lead time 300 s assumed: 1 pod starts seen, 3 are needed" in remarks
    plan, config = read_plan_maps(ClusterReader(), "shop"), read_config(Path("capacity.yaml"))
    web = plan.workload("shop", "web")
    assert (web.lead_time, web.policy is not None) == (timedelta(seconds=55), True)
    assert (plan.settings_hash, plan.blocks) == config.fingerprints()
