"""A figure as a file or as part of a page: PNG or SVG, with the words for who cannot see it."""

from __future__ import annotations

import io
import re
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure as Figure

from capacity.domain import ConfigError
from capacity.edge.plots.looks import LIGHT

FORMATS = (".png", ".svg")
DOTS = 110  # an inch: 1210 dots across
# Text stays text (searched, copied, read aloud), and equal figures give equal files.
SVG: Any = {"svg.fonttype": "none", "svg.hashsalt": "capacity"}
UNDATED = {"Date": None, "Creator": None}


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG or SVG, by the file's ending; both carry what it shows in words.

    Raises `ConfigError` on another ending or where nothing can be written.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"a picture: expected a file ending in {' or '.join(FORMATS)}, got {path}")
    words = str(figure.get_label())
    try:
        if path.suffix.lower() == ".svg":
            path.write_text('<?xml version="1.0" encoding="utf-8"?>\n' + _svg(figure), encoding="utf-8")
        else:
            figure.savefig(path, dpi=DOTS, metadata={"Description": words} if words else None)
    except OSError as error:
        raise ConfigError(
            f"a picture: {path} cannot be written: {error.strerror or error}; choose another place"
        ) from error


def inline_svg(figure: Figure, name: str) -> str:
    """The figure as an element of a page; `name` keeps its ids apart from those of other pictures.

    Colours of the light look become variables (`--blue`, `--ink`, ...), so that a page's style sheet chooses the look.
    """
    text = _svg(figure)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r'(<svg [^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", text, count=1))
    for colour, value in LIGHT.named().items():
        text = re.sub(rf"(fill|stroke): {value}", rf"\1: var(--{colour})", text, flags=re.IGNORECASE)
    return text


def _svg(figure: Figure) -> str:
    """The `<svg>` element alone, named and described for screen readers."""
    stream, words = io.StringIO(), escape(str(figure.get_label()))
    with mpl.rc_context(SVG):
        figure.savefig(stream, format="svg", metadata=UNDATED)
    text = stream.getvalue()
    text = text[text.index("<svg ") :].replace("<svg ", f'<svg role="img" aria-label="{words}" ', 1)
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, count=1, flags=re.DOTALL)
    return text.replace(">", f">\n <title>{words}</title>", 1)
