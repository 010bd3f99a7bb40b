"""Every example in a docstring runs and gives what it says."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import capacity

HOME = Path(capacity.__file__).parent
FILES = sorted(file.relative_to(HOME.parent).with_suffix("") for file in HOME.rglob("*.py"))  # read, not imported
MODULES = [".".join(file.parts).removesuffix(".__init__") for file in FILES]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_examples_of(name: str) -> None:
    failed, _ = doctest.testmod(import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    found = [
        test for name in MODULES if "__main__" not in name for test in finder.find(import_module(name)) if test.examples
    ]
    assert len(found) >= 10
