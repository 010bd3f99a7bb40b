"""Packages whose names load on first use (PEP 562): a program pays only for what it calls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def load_lazily(
    package: str, homes: Mapping[str, tuple[str, ...]]
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__all__`, `__getattr__` and `__dir__` of a package whose names are loaded when they are first used.

    Parameters
    ----------
    package : str
        Full name of the package.
    homes : mapping of str to tuple of str
        The names that each module gives to the package, by the module's full name.

    Returns
    -------
    tuple
        The names in the order of `homes`, a function that loads one of them, and a function that lists them.

    Examples
    --------
    >>> names, load, _ = load_lazily("capacity", {"capacity.version": ("VERSION",)})
    >>> names
    ['VERSION']
    >>> load("PREDICT")
    Traceback (most recent call last):
    AttributeError: module 'capacity' has no attribute 'PREDICT'; it has VERSION
    """
    home_of = {name: module for module, names in homes.items() for name in names}

    def load(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {', '.join(home_of)}")
        value = getattr(import_module(home_of[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of})

    return list(home_of), load, listed
