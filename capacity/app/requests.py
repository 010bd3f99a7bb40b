"""What replicas should request, from usage: said with every plan, written as a patch when asked, never applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from capacity.model import ConfigError, DataError, Workload
from capacity.model.configuration import Config
from capacity.planning.pipeline import Usages
from capacity.planning.sizing import RequestAdvice, advise_requests, same_target
from capacity.sources.usage import usage_of

MIB = 2**20
Advice = dict[tuple[str, str], RequestAdvice | DataError]


def advise(config: Config) -> Advice:
    """What usage advises each workload to request; empty where the usage file has no column of replicas."""
    return {} if config.usage is None or config.usage.replicas is None else advise_from(usage_of(config))


def advise_from(usages: Usages) -> Advice:
    """What usage advises each workload to request whose replicas are known."""
    advice: Advice = {}
    for key, usage in usages.items():
        if "replicas" not in usage:
            continue
        try:
            replicas = usage["replicas"].where(usage["replicas"] >= 1)
            missing = [name for name in ("cpu", "memory") if name not in usage]
            if missing:
                raise DataError(f"usage: expected columns cpu and memory beside replicas, got no {missing[0]}")
            advice[key] = advise_requests(usage["cpu"] / replicas, usage["memory"] / replicas)
        except DataError as error:
            advice[key] = error
    return advice


def advice_lines(advice: Advice, config: Config) -> list[str]:
    """A sentence for each workload: requests as they are and as they should be, slack, kills, the autoscaler."""
    known = {one.key: one for one in config.workloads}
    return [_line(known[key], found) for key, found in advice.items()]


def advice_document(advice: Advice) -> list[dict[str, Any]]:
    """The advice as JSON values, one object a workload."""
    return [
        {"namespace": namespace, "name": name, **advice_values(found)}
        for (namespace, name), found in advice.items()
        if isinstance(found, RequestAdvice)
    ]


def advice_values(found: RequestAdvice) -> dict[str, Any]:
    """One advice: CPU in millicores, memory in bytes, shares."""
    return {
        "cpu_request_millicores": round(found.cpu_request * 1000),
        "memory_request_bytes": round(found.memory_request),
        "memory_limit_bytes": round(found.memory_limit),
        "cpu_slack": round(found.cpu_slack, 4),
        "memory_slack": round(found.memory_slack, 4),
        "cpu_over_request": round(found.cpu_over_request, 4),
        "out_of_memory": round(found.out_of_memory, 4),
        "samples": found.samples,
    }


def write_patch(advice: Advice, config: Config, file: Path) -> None:
    """Strategic-merge patches, one document a workload, for kustomize or kubectl. Raises `ConfigError`."""
    known = {one.key: one for one in config.workloads}
    patches = [_patch(known[key], found) for key, found in advice.items() if isinstance(found, RequestAdvice)]
    if not patches:
        raise ConfigError("--requests-patch: expected usage with cpu, memory and replicas, got no advice")
    head = "# Requests advised from usage. The container is taken to have its workload's name: check before applying.\n"
    try:
        file.write_text(head + yaml.safe_dump_all(patches, sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"--requests-patch: {file} cannot be written: {error.strerror or error}; choose another place"
        ) from error


def _line(workload: Workload, advice: RequestAdvice | DataError) -> str:
    where = f"{workload.namespace}/{workload.name}"
    if isinstance(advice, DataError):
        return f"requests: {where}: no advice: {advice}"
    cpu, memory = advice.cpu_request * 1000, advice.memory_request / MIB
    text = (
        f"requests: {where}: CPU {cpu:.0f}m (now {workload.replica.cpu_request * 1000:.0f}m), memory {memory:.0f}Mi "
        f"and as limit (now {workload.replica.memory_request / MIB:.0f}Mi); idle {advice.cpu_slack:.0%} and "
        f"{advice.memory_slack:.0%}; {advice.out_of_memory:.2%} of samples above the limit"
    )
    if workload.reactive is None:
        return text
    kept = same_target(workload.reactive.target, workload.replica.cpu_request, advice.cpu_request)
    return f"{text}; the autoscaler's {workload.reactive.target} % would be {kept:g} % of the new request"


def _patch(workload: Workload, advice: RequestAdvice) -> dict[str, Any]:
    kind = "StatefulSet" if workload.target.kind == "StatefulSet" else "Deployment"
    cpu, memory = f"{round(advice.cpu_request * 1000)}m", f"{-(-round(advice.memory_request) // MIB)}Mi"
    resources = {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}
    container = {"name": workload.name, "resources": resources}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"namespace": workload.namespace, "name": workload.name},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
