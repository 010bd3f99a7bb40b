"""The lean image of the controller: what its list pins, and passes that run with nothing else to import."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from capacity.cluster import ClusterWriter, write_plan_maps
from capacity.model import read_plan
from tests.rendering import K8S
from tests.shop import NOON, Shop

PROJECT = tomllib.loads((K8S.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LISTED = [
    Requirement(line)
    for line in (K8S / "controller-requirements.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
HEAVY = {"pandas", "matplotlib", "scikit-learn", "scipy", "statsmodels", "duckdb", "numpy", "sqlalchemy"}
UNUSED = {"aiohttp", "aiohttp-retry"}  # of the asynchronous client of `kubernetes`, which the image does not hold
RUN = """
import sys


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


REFUSED = set(sys.argv[1].split(",")) - set(sys.modules)
sys.meta_path.insert(0, Absent())
from capacity.cli import main

for line in sys.stdin:
    code = main(line.split())
    loaded = REFUSED & {name.partition(".")[0] for name in sys.modules}
    if loaded or code:
        sys.exit(f"{line}: {code}, loaded: {loaded}")
"""


def named(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_version_is_pinned_and_one_that_the_package_allows() -> None:
    allowed = {named(one.name): one.specifier for one in map(Requirement, PROJECT["dependencies"])}
    for one in LISTED:
        (pin,) = one.specifier
        assert pin.operator == "=="
        assert allowed.get(named(one.name), one.specifier).contains(pin.version), one
    assert not HEAVY & {named(one.name) for one in LISTED}


def test_the_list_holds_what_its_members_need() -> None:
    listed = {named(one.name) for one in LISTED}
    for name in sorted(listed):
        needs = map(Requirement, importlib.metadata.requires(name) or [])
        wanted = {named(need.name) for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})}
        assert wanted - UNUSED <= listed, name


def refused() -> str:
    """Top-level modules of every distribution here that the list does not name."""
    listed = {named(one.name) for one in LISTED} | {"capacity-ahead"}
    owners = importlib.metadata.packages_distributions()
    return ",".join(module for module, names in owners.items() if not {named(name) for name in names} & listed)


VERBS = f"""\
preview --now {NOON} --output json
apply --now {NOON}
restore
apply --now {NOON} --from-cluster
"""


def test_passes_run_on_the_list_alone(shop: Shop, kubeconfig: Path) -> None:
    shop.configure("web", controller={"home": "shop"})
    config = shop.folder / "capacity.yaml"
    config.write_text(config.read_text()[:-1] + ', "telemetry": {"textfile": "."}}')
    write_plan_maps(ClusterWriter(), read_plan(shop.folder / "plan.json"))
    done = subprocess.run(
        [sys.executable, "-c", RUN, refused()],
        cwd=shop.folder,
        env={"PYTHONPATH": str(K8S.parent), "KUBECONFIG": str(kubeconfig), "HOME": str(shop.folder)},
        input=VERBS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert shop.floor() == 9
    assert [word in done.stdout for word in ("DemandRising", "Restored")] == [True, True]
    assert (shop.folder / "capacity-controller.prom").is_file()
