"""docs/ followed word by word: files saved, commands and Python run, output compared; clusters and servers are real peers.

After a change of what is printed, `python -m pytest tests/integration/test_docs.py --write-docs` writes it into the pages.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from capacity.edge.sample import sample_orders
from tests.double import KubernetesDouble
from tests.double.manifests import SCALED_OBJECT_DEFINITION
from tests.pages import Reader, rewritten, same
from tests.peers.process import binary

DOCS = Path(__file__).resolve().parents[2] / "docs"
StandIns = dict[str, str]  # an example's address -> the server that answers for it here
WEEKS = 10  # of the sample's end: enough to plan from, and quick
FOLLOWED = sorted(
    path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if path.parent.name not in ("runbooks", "decisions")
)
WORLDS = {  # what a page's reader has beside the files and commands that the page itself names
    "tutorial.md": ["cluster"],
    "howto/argocd.md": ["cluster", "orders"],
    "howto/keda.md": ["keda", "orders"],
    "howto/postgresql.md": ["database", "orders"],
    "howto/prometheus.md": ["measured"],
    "howto/promotions.md": ["orders"],
    "understand/floors.md": ["cluster"],
}


@pytest.fixture
def orders(tmp_path: Path) -> StandIns:
    """orders.csv: the last weeks of the sample."""
    head, *rows = gzip.decompress(sample_orders().read_bytes()).decode().splitlines()
    (tmp_path / "orders.csv").write_text("\n".join([head, *rows[-WEEKS * 168 :]]) + "\n", encoding="utf-8")
    return {}


@pytest.fixture
def cluster(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    """A cluster that kubectl and capacity speak to."""
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    return {}


@pytest.fixture
def keda(cluster: StandIns, kubernetes_double: KubernetesDouble) -> StandIns:
    """The same, with KEDA's definition."""
    kubernetes_double.create(SCALED_OBJECT_DEFINITION)
    return cluster


@pytest.fixture
def reader(tmp_path: Path, request: pytest.FixtureRequest) -> Reader:
    def program(name: str) -> str:
        return str(request.getfixturevalue(name)) if name in ("kubectl", "helm") else binary(name)

    return Reader(tmp_path, program)


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_page_does_what_it_says(name: str, reader: Reader, request: pytest.FixtureRequest) -> None:
    page = DOCS / name
    text = page.read_text(encoding="utf-8")
    for world in WORLDS.get(name, ()):
        reader.stand_ins = {**reader.stand_ins, **request.getfixturevalue(world)}
    printed = list(reader.follow(text))
    if request.config.getoption("--write-docs"):
        page.write_text(rewritten(text, printed), encoding="utf-8")
        return
    for block, truth in printed:
        assert same(block.text, truth), f"{name} shows\n{block.text}\nbut this was printed:\n{truth}"
