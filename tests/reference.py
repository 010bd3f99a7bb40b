"""What the repository holds in a second form, written from the first: `make reference` writes it, a test compares.

Run it as ``python -m tests.reference``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml

from benchmarks.figures import figures_page
from benchmarks.measured import COMPARISON, README, SCALE, comparison, readme, scale
from capacity import __version__
from capacity.monitoring.metrics import metrics_page
from docs.hooks import commands_page, configuration_page, library_page

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "k8s" / "chart"
MONITORING, CHARTED = ROOT / "k8s" / "monitoring", CHART / "monitoring"
Document = dict[str, Any]
VERSIONED = {  # files that repeat the version of capacity/version.py, and the text before it there
    "k8s/base/kustomization.yaml": "newTag: ",
    "k8s/chart/Chart.yaml": "(?:appV|v)ersion: ",
    "k8s/Containerfile": "registry.example.com/capacity(?:-controller)?:",
    "k8s/README.md": "registry.example.com/capacity(?:-controller)?:",
}
HEAD = """\
# The groups of rules.yaml in the form of the Prometheus operator, written by `make reference`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: capacity
  labels:
    app.kubernetes.io/name: capacity
    app.kubernetes.io/part-of: capacity
spec:
"""


def prometheus_rule() -> str:
    """rules.yaml, without its own head, under the head of the resource."""
    text = (MONITORING / "rules.yaml").read_text(encoding="utf-8")
    return HEAD + indent(text[text.index("groups:") :], "  ")


CHART_HEAD = """\
# The chart capacity

Raises `minReplicas` of each autoscaler before the peak, based on a forecast of your orders. It creates the same objects
as `k8s/base` and its overlays; the [installation guide](../README.md) describes them. `make reference` writes this
page from `values.yaml` and `values.schema.json`.

```
helm install capacity k8s/chart -n shop --set-file config=capacity.yaml
helm test capacity -n shop --logs
```

`helm test` runs `capacity doctor` with the configuration, the orders and the permissions of the planner.

To publish the chart in an OCI registry and to install it from there:

```
helm package k8s/chart
helm push capacity-VERSION.tgz oci://registry.example.com/charts
helm install capacity oci://registry.example.com/charts/capacity --version VERSION \\
  -n shop --set-file config=capacity.yaml
```

## Values

An unknown key is an error.

| key | default | meaning |
|---|---|---|
"""


def chart_page() -> str:
    """The README of the chart: each value, its default and its meaning."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    rows = [f"| `{key}` | {default} | {meaning} |" for key, default, meaning in _values(schema, schema, values)]
    return CHART_HEAD.replace("VERSION", __version__) + "\n".join(rows) + "\n"


def _values(schema: Document, part: Document, values: Document, before: str = "") -> Iterator[tuple[str, str, str]]:
    for key, value in values.items():
        own = part["properties"][key]
        own = {**schema["$defs"].get(own.get("$ref", "").rpartition("/")[2], {}), **own}
        meaning = own.get("description")
        if meaning is None:
            yield from _values(schema, own, value, f"{before}{key}.")
        else:
            words = meaning.replace("|", "\\|")
            yield f"{before}{key}", f"`{json.dumps(value, ensure_ascii=False)}`", words


def of_this_version(path: Path, before: str) -> str:
    """The file, with the package's version behind every `before`."""
    return re.sub(rf"({before})\d[\w.]*", rf"\g<1>{__version__}", path.read_text(encoding="utf-8"))


def references() -> Mapping[Path, Callable[[], str]]:
    """By file: what it must hold. A chart can only read its own folder: there the files are copies."""
    copied = [MONITORING / "rules.yaml", *sorted((MONITORING / "dashboards").glob("*.json"))]
    return {
        README: readme,
        COMPARISON: comparison,
        SCALE: scale,
        ROOT / "docs" / "figures.md": figures_page,
        ROOT / "docs" / "metrics.md": metrics_page,
        ROOT / "docs" / "reference" / "commands.md": commands_page,
        ROOT / "docs" / "reference" / "configuration.md": configuration_page,
        ROOT / "docs" / "reference" / "library.md": library_page,
        MONITORING / "prometheusrule.yaml": prometheus_rule,
        CHART / "README.md": chart_page,
        **{ROOT / name: partial(of_this_version, ROOT / name, before) for name, before in VERSIONED.items()},
        **{CHARTED / path.relative_to(MONITORING): path.read_text for path in copied},
    }


if __name__ == "__main__":
    for path, text in references().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(), encoding="utf-8")
