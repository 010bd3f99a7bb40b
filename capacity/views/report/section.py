"""A section of the page: text, then plots, then tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from capacity.views.sheet import Sheet, is_number

if TYPE_CHECKING:
    from capacity.views.plots import Figure

INCHES = 8.4  # across: the text column of the page, and of A4
PHONE_INCHES, PHONE_HEIGHT = 4.0, 3.0


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


def sheet_section(sheet: Sheet) -> Section:
    """A sheet as a section: its title, its table, and its remarks as notes."""
    places = range(len(sheet.columns))
    numbers = frozenset(place for place in places if sheet.rows and all(is_number(row[place]) for row in sheet.rows))
    return Section(sheet.title, (), (), [Table(sheet.columns, sheet.rows, numbers)], (), sheet.footer)


def page_templates(*folders: BaseLoader) -> Environment:
    """Templates of these folders and those that all pages share, which escape every value."""
    return Environment(
        loader=ChoiceLoader([*folders, PackageLoader("capacity.views", "page")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def picture(figure: Figure, name: str, height: float | None = None) -> Markup:
    """A figure as part of the page; it is text that matplotlib wrote, with everything from outside escaped."""
    from capacity.views.plots.canvas import inline_svg, resize

    resize(figure, INCHES, height)
    return Markup(inline_svg(figure, name))  # noqa: S704 - escaped where it is made


def drawn(draw: Callable[[], Figure], name: str, height: float | None = None) -> Markup:
    """A picture over time in two sizes, of which the style sheet shows one: on a phone the coming days fill it."""
    from capacity.views.plots.canvas import coming, inline_svg, resize

    small = draw()
    coming(small)
    resize(small, PHONE_INCHES, PHONE_HEIGHT, below=True)
    wide, narrow = picture(draw(), name, height), Markup(inline_svg(small, f"{name}-phone"))  # noqa: S704 - as above
    return Markup('<div class="wide">{}</div><div class="narrow">{}</div>').format(wide, narrow)
