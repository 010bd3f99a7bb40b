"""How a noun shows itself without knowing who draws: views register here under the noun's name, nouns ask here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

Noun = TypeVar("Noun", bound=type)


@dataclass(frozen=True, slots=True)
class View:
    """What shows a noun.

    `card(noun)` is the HTML of a notebook's cell, `text(noun)` the same for a terminal, `line(noun)` one line of it,
    and `plot(noun, ...)` a matplotlib Figure (None: it has no picture).
    """

    card: Callable[[Any], str]
    text: Callable[[Any], str]
    line: Callable[[Any], str]
    plot: Callable[..., Any] | None = None


_VIEWS: dict[str, View] = {}  # by the name of the noun's class: registering must not load the noun's libraries


def register_view(noun: str, view: View) -> None:
    """Let a view show every noun of this class name from now on; a later one takes its place."""
    _VIEWS[noun] = view


def plot_noun(noun: object, *arguments: Any, **options: Any) -> Any:
    """The noun as its view draws it: a matplotlib Figure. Raises `TypeError` where no view is registered."""
    name = type(noun).__name__
    plot = _VIEWS[name].plot if name in _VIEWS else None
    if plot is None:
        raise TypeError(f"expected a registered view of {name}, got none: import capacity first")
    return plot(noun, *arguments, **options)


def card_of(noun: object) -> str | None:
    """The noun as a notebook shows it; None, which a notebook takes for "no HTML", where no view is registered."""
    view = _VIEWS.get(type(noun).__name__)
    return None if view is None else view.card(noun)


def text_of(noun: object) -> str:
    """The noun as `print` shows it: a few lines, whatever its size."""
    view = _VIEWS.get(type(noun).__name__)
    return f"{type(noun).__name__}(...)" if view is None else view.text(noun)


def line_of(noun: object) -> str:
    """The noun in one line, as lists and errors show it."""
    view = _VIEWS.get(type(noun).__name__)
    return f"{type(noun).__name__}(...)" if view is None else view.line(noun)


def brief_of(noun: Any) -> str:
    """The call that would build the noun, without the fields that are at their defaults."""
    given = [f"{name}={value!r}" for name, value in given_fields(noun).items()]
    return f"{type(noun).__name__}({', '.join(given)})"


def given_fields(noun: Any) -> dict[str, Any]:
    """The fields of a noun whose values are not the defaults."""
    found = {}
    for one in fields(noun):
        value = getattr(noun, one.name)
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        if default is MISSING or (value is not default and value != default):
            found[one.name] = value
    return found


def with_card(noun: Noun) -> Noun:
    """Give the class of a noun its card in notebooks; its text stays as it is."""
    _set(noun, _repr_html_=card_of)
    return noun


def shows_briefly(noun: Noun) -> Noun:
    """Give the class of a noun its card in notebooks, and a text without its defaults elsewhere."""
    _set(noun, _repr_html_=card_of, __repr__=brief_of)
    return noun


def shows_itself(noun: Noun) -> Noun:
    """Give the class of a noun its card in notebooks, and in place of all of its fields a short text elsewhere."""
    _set(noun, _repr_html_=card_of, __str__=text_of, __repr__=line_of)
    return noun


def _set(noun: type, **methods: Callable[[Any], Any]) -> None:
    for name, method in methods.items():
        setattr(noun, name, method)
