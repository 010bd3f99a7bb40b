"""What replicas should request, as sentences and as JSON values."""

from __future__ import annotations

from typing import Any

from capacity.model import DataError, Workload
from capacity.model.configuration import Config
from capacity.planning.sizing import Advice, RequestAdvice, same_target

MIB = 2**20


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
