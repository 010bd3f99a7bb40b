"""A section of the page: text, then plots, then tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from capacity.views.plots import Figure

INCHES = 8.4  # across: the text column of the page, and of A4


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under names; `numbers` are the places of the columns that are set to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page; `points` is a list under its words, `notes` stand small below everything."""

    title: str
    words: Sequence[str]
    points: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Markup] = field(default=(), repr=False)
    notes: Sequence[str] = ()


def picture(figure: Figure, name: str) -> Markup:
    """A figure as part of the page; it is text that matplotlib wrote, with everything from outside escaped."""
    from capacity.views.plots.canvas import inline_svg

    figure.set_size_inches(INCHES, figure.get_size_inches()[1])
    return Markup(inline_svg(figure, name))  # noqa: S704 - escaped where it is made
