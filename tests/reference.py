"""What the repository holds in a second form, written from the first: `make reference` writes it, a test compares.

Run it as ``python -m tests.reference``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import indent

from capacity.edge.telemetry.metrics import metrics_page

ROOT = Path(__file__).resolve().parents[1]
MONITORING, CHARTED = ROOT / "k8s" / "monitoring", ROOT / "k8s" / "chart" / "monitoring"
HEAD = """\
# The groups of rules.yaml as the Prometheus operator takes them: written by `make reference`.
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


def references() -> Mapping[Path, Callable[[], str]]:
    """By file: what it must hold. A chart can only read its own folder: there the files are copies."""
    copied = [MONITORING / "rules.yaml", *sorted((MONITORING / "dashboards").glob("*.json"))]
    return {
        ROOT / "docs" / "metrics.md": metrics_page,
        MONITORING / "prometheusrule.yaml": prometheus_rule,
        **{CHARTED / path.relative_to(MONITORING): path.read_text for path in copied},
    }


if __name__ == "__main__":
    for path, text in references().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(), encoding="utf-8")
