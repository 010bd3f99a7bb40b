"""The container file: what it says, and its steps carried out in a folder, without an image being built."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import capacity
from tests.double import KubernetesDouble
from tests.double.manifests import autoscaler
from tests.peers.process import guard
from tests.rendering import FORMS, K8S, kustomize, pod_of

CONTAINERFILE = (K8S / "Containerfile").read_text(encoding="utf-8")
PREFIX = "/opt/capacity"  # where the image keeps the package
LIST = "controller-requirements.txt"
UNCHECKED = b"\x01\x00\x00\x00"  # flags of a .pyc that is never compared with its source
Step = tuple[str, str]  # instruction, arguments


def steps() -> list[Step]:
    """The instructions, continued lines joined, comments left out."""
    lines = [line for line in CONTAINERFILE.splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


def arguments(instruction: str) -> list[str]:
    return [rest for word, rest in steps() if word == instruction]


# -- what it says -----------------------------------------------------------------------------------------------------


def test_every_stage_stands_on_one_base_that_the_builder_may_pin() -> None:
    stages = [stage.split() for stage in arguments("FROM")]
    names = [stage[-1] for stage in stages]
    assert {stage[0] for stage in stages} - set(names) == {"${PYTHON}"}
    base = next(line.partition("=")[2] for line in arguments("ARG") if line.startswith("PYTHON="))
    assert base.startswith("docker.io/library/python:3.11-"), "with a default: a build needs no digest"
    assert names[-1] == "complete", "what a build without --target makes"


def test_controller_is_installed_from_its_list_alone() -> None:
    lean = [line for line in arguments("RUN") if "controller-requirements.txt" in line]
    assert ["--no-deps . -r controller-requirements.txt" in line for line in lean] == [True]


def test_user_is_that_of_every_pod(kubectl: str) -> None:
    pods = [pod for form in FORMS.values() for pod in filter(None, map(pod_of, kustomize(kubectl, K8S / form.folder)))]
    contexts = [pod["spec"]["securityContext"] for pod in pods]
    assert {f"{one['runAsUser']}:{one['runAsGroup']}" for one in contexts} == set(arguments("USER"))
    assert arguments("USER")[0].split(":")[0] != "0"


def test_packages_and_standard_library_are_compiled_and_their_sources_never_looked_at() -> None:
    compiled = [line for line in arguments("RUN") if "compileall" in line]
    assert ["--invalidation-mode unchecked-hash" in line for line in compiled] == [True, True, True]


def test_only_what_the_package_needs_is_copied() -> None:
    copied = [word for line in arguments("COPY") if not line.startswith("--from") for word in line.split()[:-1]]
    assert sorted(copied) == ["LICENSE", "README.md", "capacity", "k8s/controller-requirements.txt", "pyproject.toml"]
    assert all((K8S.parent / name).exists() for name in copied)


# -- what its steps make ----------------------------------------------------------------------------------------------


def dependencies() -> list[importlib.metadata.Distribution]:
    """What `pip install .` brings beside the package: taken from this environment, so that nothing is downloaded."""
    found: dict[str, importlib.metadata.Distribution] = {}
    project = tomllib.loads((K8S.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [re.split(r"[^\w.-]", need)[0] for need in project["dependencies"]]
    while wanted:
        name = re.sub(r"[-_.]+", "-", wanted.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:  # wanted on another system or Python only
            continue
        needs = [need for need in found[name].requires or [] if "extra ==" not in need]
        wanted += [match[0] for need in needs if (match := re.match(r"[\w.-]+", need))]
    return list(found.values())


def listed() -> list[importlib.metadata.Distribution]:
    """What the lean image of the controller holds beside the package."""
    text = (K8S / LIST).read_text(encoding="utf-8")
    return [importlib.metadata.distribution(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)]


def link(site: Path, distributions: Iterable[importlib.metadata.Distribution]) -> None:
    """The dependencies' files as hard links: the steps may remove them there, and compile beside them."""
    for distribution in distributions:
        for file in distribution.files or []:
            source, target = Path(str(distribution.locate_file(file))), site / file
            if ".." in file.parts or "__pycache__" in file.parts or not source.is_file():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except OSError:  # another file system
                shutil.copy2(source, target)


@pytest.fixture(scope="module")
def lean() -> Iterator[Path]:
    """The folder that the controller's build stage makes; not below pytest's folder, which only its owner enters."""
    with tempfile.TemporaryDirectory(prefix="capacity-image-") as work:
        Path(work).chmod(0o755)
        (commands,) = (line for line in arguments("RUN") if f"-r {LIST}" in line)
        yield build(Path(work), commands, listed())


@pytest.fixture
def complete() -> Iterator[Path]:
    """The same of the complete image, whose modules are not compiled here: the lean one shows that."""
    with tempfile.TemporaryDirectory(prefix="capacity-image-") as work:
        Path(work).chmod(0o755)
        commands = next(line for line in arguments("RUN") if "pip" in line)
        yield build(Path(work), commands.partition("&& python -m compileall")[0], dependencies())


def build(work: Path, commands: str, distributions: Iterable[importlib.metadata.Distribution]) -> Path:
    """Each command of a build stage, pip without network and without dependencies; gives the folder they fill."""
    prefix, checkout = work / "capacity", work / "src"
    checkout.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(K8S.parent / name, checkout)
    shutil.copytree(K8S.parent / "capacity", checkout / "capacity", ignore=shutil.ignore_patterns("__pycache__"))
    offline = commands.replace(PREFIX, str(prefix)).replace("${DRIVERS}", "").replace(f"-r {LIST}", "")
    for command in offline.split("&&"):
        words = shlex.split(command)
        if words[0] == "pip":
            words = [sys.executable, "-m", *words, "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
            link(next(prefix.glob("lib/python*/site-packages")), distributions)
        done = subprocess.run(
            [sys.executable if words[0] == "python" else words[0], *words[1:]],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": build_backend()} if "pip" in words else None,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"
    return prefix


def build_backend() -> str:
    """Where pip finds the backend that makes the wheel, for the interpreter of the new folder has none."""
    return str(Path(importlib.metadata.distribution("hatchling").locate_file("")))


def enter(prefix: Path, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The entry point as a pod runs it: as nobody, with a home that is empty, writing no byte code."""
    home = prefix.parent / "tmp"
    home.mkdir(exist_ok=True)
    home.chmod(0o777)
    (entry,) = arguments("ENTRYPOINT")
    (program,) = re.findall(r'"(\w+)"', entry)
    set_by_file = dict(word.split("=", 1) for line in arguments("ENV") for word in line.split())
    places = {"PATH": f"{prefix}/bin:/usr/bin:/bin", "HOME": str(home), "MPLCONFIGDIR": str(home)}
    nobody = guard(user=arguments("USER")[0].split(":")[0])
    if subprocess.run([*nobody, prefix / "bin" / "python", "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"nobody may not read this interpreter's library, in {sys.base_prefix}")
    return subprocess.run(
        [*nobody, str(prefix / "bin" / program), *args],
        cwd=home,
        env={**set_by_file, **places, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_entry_point_plans_the_sample_as_nobody_and_writes_nothing_beside_the_package(complete: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in complete.rglob("*")}
    done = enter(complete, "plan", "--sample")
    assert (done.returncode, "shop/web" in done.stdout) == (0, True), done.stderr
    assert {path: path.stat().st_mtime_ns for path in complete.rglob("*")} == before


@pytest.mark.slow
def test_every_module_in_the_image_is_compiled_for_good(lean: Path) -> None:
    tag = sys.implementation.cache_tag
    sources = [path for path in lean.rglob("*.py") if path.is_relative_to(next(lean.glob("lib/*")))]
    missing, checked = [], []
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc"
        if not compiled.is_file():
            missing.append(source.name)
        elif compiled.read_bytes()[4:8] != UNCHECKED:
            checked.append(source.name)
    assert len(sources) > 1000
    assert (missing, checked) == ([], [])


@pytest.mark.slow
def test_entry_point_tells_its_version(lean: Path) -> None:
    version = enter(lean, "--version")
    assert version.stdout.split()[-1] == capacity.__version__, version.stderr


@pytest.mark.slow
def test_entry_point_speaks_to_a_cluster(lean: Path, kubernetes_double: KubernetesDouble, tmp_path: Path) -> None:
    settings = json.loads(kubernetes_double.kubeconfig(tmp_path / "kubeconfig").read_text())
    cluster = settings["clusters"][0]["cluster"]  # inline, for the certificate's file is its owner's
    authority = Path(cluster.pop("certificate-authority")).read_bytes()
    cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
    kubeconfig, config = lean.parent / "kubeconfig", lean.parent / "capacity.yaml"
    kubeconfig.write_text(json.dumps(settings))
    shutil.copyfile(K8S / "base" / "capacity.yaml", config)
    kubernetes_double.create(autoscaler(namespace="shop"))
    done = enter(lean, "preview", "--from-cluster", "-c", str(config), KUBECONFIG=str(kubeconfig))
    assert (done.returncode, "404" in done.stderr, "capacity-plan" in done.stderr) == (1, True, True), done.stderr
    assert {entry.method for entry in kubernetes_double.journal} == {"GET"}


@pytest.mark.slow
def test_what_nobody_needs_is_not_in_the_image(lean: Path) -> None:
    assert not [path for path in lean.rglob("tests") if path.is_dir()]
    assert not list(lean.rglob("kubernetes/aio"))
    assert not [path for path in lean.glob("lib/*/site-packages/*") if path.name in ("pip", "setuptools")]
