"""The site builds without a warning; the package builds, installs and starts elsewhere, and is quick to import."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK = 0.3  # seconds of CPU: what a service pays for `import capacity`


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_nothing_of_others(tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path), NO_MKDOCS_2_WARNING="1")
    assert "WARNING" not in done.stderr
    for name in ("index", "tutorial", "reference/commands", "reference/configuration"):
        page = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert 'src="http' not in page
        assert "fonts.googleapis" not in page
    assert "capacity simulate" in (tmp_path / "reference/commands.html").read_text(encoding="utf-8")
    assert "quantile_level" in (tmp_path / "reference/configuration.html").read_text(encoding="utf-8")


def test_importing_the_package_is_quick() -> None:
    clock = "import time; began = time.process_time(); import capacity; print(time.process_time() - began)"
    seconds = min(float(run(sys.executable, "-c", clock).stdout) for _ in range(3))
    assert seconds < QUICK


@pytest.mark.slow
def test_wheel_and_sdist_hold_what_a_user_needs(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), ".")
    (wheel,) = tmp_path.glob("*.whl")
    assert len(list(tmp_path.glob("*.tar.gz"))) == 1
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"capacity/py.typed", "capacity/sample/orders.csv.gz", "capacity/sample/ATTRIBUTION.md"} <= names
    assert not any(name.startswith(("tests/", "benchmarks/", "docs/")) for name in names)
    place = tmp_path / "place"
    run(
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(place), str(wheel)
    )
    code = (
        "import capacity, capacity.edge.cli as cli; print(capacity.__file__); raise SystemExit(cli.main(['--version']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert str(place) in done.stdout
    assert any(path.name == "capacity" for path in (place / "bin").iterdir())
