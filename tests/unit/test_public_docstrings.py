"""The docstring of every public function and class lists each of its parameters, and functions say what they return."""

from __future__ import annotations

import inspect
import re

import pytest

import capacity

SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)
PLAIN = {"ConfigError", "DataError", "PlanError", "CapacityError"}  # exceptions that take a message alone

PROSE: set[str] = set()  # described in prose until their modules are next written


def sections(docstring: str) -> dict[str, str]:
    """The sections of a docstring in numpy style, by their titles."""
    parts = SECTION.split(docstring)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def listed(section: str) -> list[str]:
    """The names that a section of parameters lists: `a : int`, `a, b : int`, `**options`."""
    heads = [line.partition(" : ")[0] for line in section.splitlines() if line and not line.startswith(" ")]
    return [name.strip().lstrip("*") for head in heads for name in head.split(",")]


def parameters(value: object) -> list[str]:
    """The names of the parameters that a caller gives."""
    return [name for name in inspect.signature(value).parameters if name != "self"]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name in capacity.__all__ if name not in PLAIN | PROSE])
def test_every_parameter_is_listed_with_its_type(name: str) -> None:
    value = getattr(capacity, name)
    found = sections(inspect.getdoc(value) or "")
    assert listed(found.get("Parameters", "")) == parameters(value)


@pytest.mark.parametrize("name", [name for name in capacity.__all__ if name not in PROSE])
def test_every_function_says_what_it_returns(name: str) -> None:
    value = getattr(capacity, name)
    if inspect.isfunction(value) and inspect.signature(value).return_annotation != "None":
        assert "Returns" in sections(inspect.getdoc(value) or "")


def test_the_list_of_prose_names_none_that_is_done() -> None:
    done = [
        name
        for name in sorted(PROSE)
        if listed(sections(inspect.getdoc(getattr(capacity, name)) or "").get("Parameters", ""))
        == parameters(getattr(capacity, name))
    ]
    assert set(capacity.__all__) >= PROSE
    if done:
        pytest.skip(f"to be taken off the list: {done}")


def test_the_check_tells_what_is_missing() -> None:
    assert listed(sections("Do.\n\nParameters\n----------\na, b : int\n    Two.\n**c\n    More.")["Parameters"]) == [
        *("a", "b", "c")
    ]
    assert sections("Do, with a and b.") == {}
