"""What replicas should request, written as a patch when asked; never applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from capacity.files import write_text
from capacity.model import ConfigError, Workload
from capacity.model.configuration import Config
from capacity.planning.sizing import Advice, RequestAdvice

MIB = 2**20


def write_patch(advice: Advice, config: Config, file: Path) -> None:
    """Strategic-merge patches, one document a workload, for kustomize or kubectl. Raises `ConfigError`."""
    known = {one.key: one for one in config.workloads}
    patches = [_patch(known[key], found) for key, found in advice.items() if isinstance(found, RequestAdvice)]
    if not patches:
        raise ConfigError("--requests-patch: expected usage with cpu, memory and replicas, got no advice")
    head = "# Requests advised from usage. The container is taken to have its workload's name: check before applying.\n"
    try:
        write_text(file, head + yaml.safe_dump_all(patches, sort_keys=False))
    except OSError as error:
        raise ConfigError(
            f"--requests-patch: {file} cannot be written: {error.strerror or error}; choose another place"
        ) from error


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
