"""How a noun shows itself without knowing who draws: views register here under the noun's name, nouns ask here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class View:
    """What draws a noun: `plot(noun, ...)` returns a matplotlib Figure, `card(noun)` the HTML of a notebook's cell."""

    plot: Callable[..., Any]
    card: Callable[[Any], str]


_VIEWS: dict[str, View] = {}  # by the name of the noun's class: registering must not load the noun's libraries


def register_view(noun: str, view: View) -> None:
    """Let a view draw every noun of this class name from now on; a later one takes its place."""
    _VIEWS[noun] = view


def plot_noun(noun: object, *arguments: Any, **options: Any) -> Any:
    """The noun as its view draws it: a matplotlib Figure. Raises `TypeError` where no view is registered."""
    name = type(noun).__name__
    if name not in _VIEWS:
        raise TypeError(f"expected a registered view of {name}, got none: import capacity first")
    return _VIEWS[name].plot(noun, *arguments, **options)


def card_of(noun: object) -> str | None:
    """The noun as a notebook shows it; None, which a notebook takes for "no HTML", where no view is registered."""
    view = _VIEWS.get(type(noun).__name__)
    return None if view is None else view.card(noun)
