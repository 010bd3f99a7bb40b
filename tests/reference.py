"""What the repository holds in a second form, written from the first: `make reference` writes it, a test compares.

Run it as ``python -m tests.reference``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from textwrap import indent

from capacity import __version__
from capacity.monitoring.metrics import metrics_page

ROOT = Path(__file__).resolve().parents[1]
MONITORING, CHARTED = ROOT / "k8s" / "monitoring", ROOT / "k8s" / "chart" / "monitoring"
VERSIONED = {  # files that repeat the version of capacity/version.py, and the text before it there
    "k8s/base/kustomization.yaml": "newTag: ",
    "k8s/chart/Chart.yaml": "(?:appV|v)ersion: ",
    "k8s/Containerfile": "registry.example.com/capacity:",
    "k8s/README.md": "registry.example.com/capacity:",
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


def of_this_version(path: Path, before: str) -> str:
    """The file, with the package's version behind every `before`."""
    return re.sub(rf"({before})\d[\w.]*", rf"\g<1>{__version__}", path.read_text(encoding="utf-8"))


def references() -> Mapping[Path, Callable[[], str]]:
    """By file: what it must hold. A chart can only read its own folder: there the files are copies."""
    copied = [MONITORING / "rules.yaml", *sorted((MONITORING / "dashboards").glob("*.json"))]
    return {
        ROOT / "docs" / "metrics.md": metrics_page,
        MONITORING / "prometheusrule.yaml": prometheus_rule,
        **{ROOT / name: partial(of_this_version, ROOT / name, before) for name, before in VERSIONED.items()},
        **{CHARTED / path.relative_to(MONITORING): path.read_text for path in copied},
    }


if __name__ == "__main__":
    for path, text in references().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(), encoding="utf-8")
