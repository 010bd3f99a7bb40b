"""Every command of every runbook runs: capacity in process, kubectl for real, both against the Kubernetes double."""

from __future__ import annotations

import gzip
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from capacity.cli import main
from capacity.cluster import ClusterWriter, write_plan_maps
from capacity.model import read_plan
from capacity.sources import sample_config, sample_orders
from tests.double import KubernetesDouble

BOOKS = sorted((Path(__file__).resolve().parents[2] / "docs" / "runbooks").glob("[A-Z]*.md"))
WEEKS = 10  # of the sample's end: enough to plan from, and quick
RAN = (0, 3)  # a command that finds something to hold has run


def commands(book: Path) -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", book.read_text(), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration, recent orders, and their plan."""
    folder = tmp_path_factory.mktemp("planned")
    head, *rows = gzip.decompress(sample_orders().read_bytes()).decode().splitlines()
    (folder / "orders.csv").write_text("\n".join([head, *rows[-WEEKS * 168 :]]) + "\n")
    text = sample_config().read_text().replace("orders.csv.gz", "orders.csv")
    (folder / "capacity.yaml").write_text(f"{text}choice: {{days: 7}}\n")
    assert main(["plan", "--quiet", "-c", str(folder / "capacity.yaml"), "--plan", str(folder / "plan.json")]) == 0
    return folder


@pytest.fixture
def on_call(
    planned: Path,
    kubernetes_double: KubernetesDouble,
    kubeconfig: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The folder and the cluster of somebody on call: all of that, the plan in the cluster too, and an autoscaler."""
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    shutil.copytree(planned, tmp_path, dirs_exist_ok=True)
    scale = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"minReplicas": 2, "maxReplicas": 20, "scaleTargetRef": scale}
    meta = {"name": "web", "namespace": "shop"}
    kubernetes_double.create(
        {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}
    )
    write_plan_maps(ClusterWriter(), read_plan(tmp_path / "plan.json"))


@pytest.mark.usefixtures("on_call")
@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_the_commands_of_a_runbook_run(book: Path, request: pytest.FixtureRequest) -> None:
    found = commands(book)
    assert found, f"{book.name} tells nothing to do"
    for command in found:
        words = shlex.split(command)
        if words[0] == "capacity":
            assert main(words[1:]) in RAN, command
        else:
            program = request.getfixturevalue(words[0])
            done = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_a_runbook_has_the_four_sections_and_says_when_its_alert_resolves(book: Path) -> None:
    text = book.read_text()
    assert text.startswith(f"# {book.stem}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert re.search(r"\bresolve[sd]?\b", text.partition("## Mitigation")[2])
    for link in re.findall(r"\]\((\w+\.md)\)", text):
        assert (book.parent / link).is_file()
