"""What is built installs clean: wheel and sdist, the sample's data and the types inside, the command there."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSIDE = ("py.typed", "sample/orders.csv.gz", "sample/capacity.yaml", "sample/ATTRIBUTION.md")
pytestmark = pytest.mark.slow


def run(*words: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, *words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run("-m", "hatchling", "build", "-d", str(folder), cwd=ROOT)
    return folder


def test_the_wheel_installs_and_works_by_itself(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert [name for name in INSIDE if f"capacity/{name}" not in names] == []
    assert [name for name in names if not name.startswith("capacity")] == []
    run(
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(tmp_path / "lib"),
        str(wheel),
        cwd=tmp_path,
    )
    ask = "import sys; sys.path.insert(0, 'lib'); import capacity; print(capacity.__file__, capacity.sample_orders())"
    assert run("-c", ask, cwd=tmp_path).count(str(tmp_path / "lib")) == 2
    assert (tmp_path / "lib" / "bin" / "capacity").is_file()


def test_the_sdist_holds_what_the_tests_need_and_builds_the_same_wheel(built: Path, tmp_path: Path) -> None:
    (sdist,), (wheel,) = built.glob("*.tar.gz"), built.glob("*.whl")
    with tarfile.open(sdist) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # since Python 3.11.4
        archive.extractall(tmp_path)
    (folder,) = tmp_path.glob("capacity_ahead-*")
    assert all((folder / name).exists() for name in ("tests", "docs", "k8s", "mkdocs.yml", "LICENSE", "README.md"))
    run("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "again"), cwd=folder)
    (again,) = (tmp_path / "again").glob("*.whl")
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert sorted(first.namelist()) == sorted(second.namelist())
