"""Docstrings are Markdown: their examples, which begin with `>>>`, become fenced blocks before they are rendered."""

from __future__ import annotations

import inspect
import re
from typing import Any

from griffe import Extension, Object

EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", re.MULTILINE)


class Doctests(Extension):
    """What griffe calls for everything it has read."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Fence the examples of one docstring."""
        del kwargs
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(docstring: str) -> str:
    """The docstring with each run of example lines, up to the next empty one, in a block of its own."""
    return EXAMPLE.sub(lambda found: f"```pycon\n{found[0]}\n```", inspect.cleandoc(docstring))
