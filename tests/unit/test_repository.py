"""What stands around the code agrees with it: the distribution, the version, CI, hooks, templates, the changelog."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.version import Version

import capacity
from capacity.app.doctor import inputs as versions

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAME = PROJECT["project"]["name"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
RELEASE = re.compile(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})$", re.MULTILINE)
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
WRITTEN = sorted(
    path
    for folder in ("capacity", "docs", "k8s", "notebooks", "examples", "benchmarks", ".github")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".md", ".yaml", ".yml", ".ipynb", ".html") or path.name == "Containerfile"
)


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return found


def test_doctor_knows_the_distribution_by_its_name() -> None:
    assert NAME == versions.DISTRIBUTION


def test_no_text_installs_another_projects_distribution() -> None:
    """`pip install capacity` would fetch a stranger's package."""
    wrong = re.compile(r"pip install (?:-\S+ )*['\"]?capacity(?:\[|['\"\s]|==|$)|['\"]capacity\[")
    assert len(WRITTEN) > 300
    texts = {path: path.read_text(encoding="utf-8") for path in [*ROOT.glob("*.md"), ROOT / "pyproject.toml", *WRITTEN]}
    assert [path.name for path, text in texts.items() if wrong.search(text)] == []
    assert wrong.search("pip install capacity\n")
    assert wrong.search("pip install 'capacity[dask]'")


def test_extras_that_texts_name_exist() -> None:
    named = {
        extra
        for path in [ROOT / "README.md", ROOT / "pyproject.toml", *WRITTEN]
        for extra in re.findall(rf"{NAME}\[(\w+)\]", path.read_text(encoding="utf-8"))
    }
    assert {"dask", "docs", "postgresql"} <= named <= set(PROJECT["project"]["optional-dependencies"])


def test_a_checkout_that_is_not_installed_is_examined_without_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(versions, "requires", absent)
    (finding,) = versions.check_versions()
    assert finding.state == "ok"
    assert finding.detail.startswith(f"capacity {capacity.__version__}, Python ")
    assert "not installed: libraries are not checked" in finding.detail


def test_a_library_out_of_range_is_found_beside_one_that_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "requires", lambda _: ["numpy<1", "no-such-library>=2", "pandas", "x; extra == 'y'"])
    found = [(one.state, one.detail.split()[0], one.fix) for one in versions.check_versions()]
    assert found == [
        ("warn", "numpy", "python -m pip install 'numpy<1'"),
        ("fail", "no-such-library", "python -m pip install 'no-such-library>=2'"),
    ]


def test_ci_runs_the_one_script_on_every_python_that_is_supported() -> None:
    jobs = document(".github/workflows/ci.yml")["jobs"]
    supported = [
        text.rpartition(" ")[2] for text in PROJECT["project"]["classifiers"] if re.search(r":: 3\.\d+$", text)
    ]
    assert jobs["run"]["strategy"]["matrix"]["python"] == supported
    assert "${{ matrix.python }}" in jobs["run"]["container"]
    assert [step["run"] for step in jobs["run"]["steps"] if "run" in step] == [".ci/run"]
    assert "make coverage" in [step.get("run") for step in jobs["coverage"]["steps"]]


def test_coverage_has_a_floor() -> None:
    assert 85 <= PROJECT["tool"]["coverage"]["report"]["fail_under"] <= 100
    (recipe,) = re.findall(r"^coverage:.*\n\t(.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe.split()[1:4] == ["-m", "pytest", "--cov"]


@pytest.mark.parametrize("name", ["bug", "feature"])
def test_issue_forms_ask_for_something(name: str) -> None:
    form = document(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert {"name", "description", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert all(field["attributes"]["label"] for field in fields)
    assert len({field["id"] for field in fields}) == len(fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_hooks_are_the_quick_ones() -> None:
    hooks = {hook["id"] for repo in document(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]}
    assert hooks == {"ruff", "ruff-format", "nbstripout", "end-of-file-fixer", "check-added-large-files"}


def test_no_file_is_larger_than_the_hook_allows() -> None:
    (limit,) = re.findall(r"--maxkb=(\d+)", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    folders = [ROOT / name for name in ("capacity", "tests", "docs", "k8s", "notebooks", "benchmarks", "examples")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert [path for path in files if path.stat().st_size > int(limit) * 1024 and "__pycache__" not in path.parts] == []


def test_the_changelog_has_an_open_section_and_dated_releases_newest_first() -> None:
    headings = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    releases = RELEASE.findall(CHANGELOG)
    assert len(releases) == len(headings) - 1 > 0
    assert releases == sorted(releases, key=lambda one: (Version(one[0]), one[1]), reverse=True)
    assert set(re.findall(r"^### (.*)$", CHANGELOG, re.MULTILINE)) <= set(KINDS)


def test_the_version_is_the_newest_release_or_comes_after_it() -> None:
    newest = Version(RELEASE.findall(CHANGELOG)[0][0])
    assert Version(capacity.__version__) >= newest
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "capacity/version.py"
    assert "version" in PROJECT["project"]["dynamic"]


def test_the_glossary_has_at_most_25_words() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = [word for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for word in row.split(", ")]
    assert len(words) <= 25
    assert len(set(words)) == len(words), "each has one meaning"
