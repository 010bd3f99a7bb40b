"""The public names: all there, documented, loaded late."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import capacity

LAZY = [
    f"capacity.{name}"
    for name in (
        "app",
        "cluster",
        "load",
        "monitoring",
        "planning",
        "quality",
        "series",
        "simulation",
        "sources",
        "views",
    )
]
HEAVY = ["pandas", "numpy", "statsmodels", "matplotlib", "duckdb", "kubernetes", "pydantic", "sqlalchemy", "typer"]


def modules_after(code: str) -> set[str]:
    """Which of the heavy libraries a fresh interpreter has loaded after running the code."""
    ask = f"{code}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("name", capacity.__all__)
def test_every_public_name_loads_and_is_documented(name: str) -> None:
    value = getattr(capacity, name)
    assert inspect.isclass(value) or inspect.isfunction(value)
    assert (inspect.getdoc(value) or "").strip()
    assert name in dir(capacity)


def test_no_public_name_stands_twice() -> None:
    assert len(capacity.__all__) == len(set(capacity.__all__))


def test_the_data_flow_is_public() -> None:
    flow = ["read_config", "read_sales", "find_seasons", "forecast_sales", "project_load", "plan_workload", "decide"]
    places = [capacity.__all__.index(name) for name in flow]
    assert places == sorted(places)


def test_what_is_not_there_is_an_attribute_error_that_says_what_is() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'predict'; it has .*forecast_sales"):
        _ = capacity.predict
    assert not hasattr(capacity, "_nothing")


def test_importing_the_package_loads_no_heavy_library() -> None:
    assert modules_after("import capacity") == set()


def test_deciding_never_pays_for_the_forecasting_stack() -> None:
    assert modules_after("import capacity\ncapacity.decide\ncapacity.read_plan") == {"pydantic"}  # reads nouns


def test_the_version_is_a_release() -> None:
    parts = capacity.__version__.split(".")
    assert len(parts) == 3
    assert all(part.isdecimal() for part in parts)


def test_importing_the_package_imports_little_else() -> None:
    """How long that takes is measured by `python -m benchmarks budgets`."""
    code = (
        "import __future__, importlib, sys, typing; before = {*sys.modules};"
        "import capacity; print(*sorted({*sys.modules} - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.split() if name.partition(".")[0] == "capacity"}
    assert ours == {"capacity"} | {
        f"capacity.{name}" for name in ("lazy", "shown", "version", "views", "views.registration")
    }
    assert {name.partition(".")[0] for name in done.stdout.split()} - sys.stdlib_module_names == {"capacity"}


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(capacity.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize("face", ["capacity", *LAZY])
def test_type_checkers_see_the_same_names_as_users(face: str) -> None:
    package = import_module(face)
    source = Path(package.__file__ or "").read_text(encoding="utf-8")
    typed = re.findall(r"^    from (\S+) import (\w+) as \2$", source, re.MULTILINE)
    assert sorted(typed) == sorted((home, name) for home, names in package.HOMES.items() for name in names)
    assert package.__all__ == [name for _, names in package.HOMES.items() for name in names]


@pytest.mark.parametrize("face", LAZY)
def test_every_name_of_a_package_loads_and_hides_no_module(face: str) -> None:
    """A module of the same name would take the place of a name once it is imported."""
    package = import_module(face)
    modules = {file.stem for file in Path(package.__file__ or "").parent.iterdir()}
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert modules & set(package.__all__) == set()


def test_entering_every_package_loads_no_heavy_library() -> None:
    assert modules_after("\n".join(f"import {face}" for face in LAZY)) == set()


def test_the_top_level_fits_on_one_screen() -> None:
    assert 40 <= len(capacity.__all__) <= 55
