"""Text that goes into SQL, and what comes back as an error."""

from __future__ import annotations

from collections.abc import Sequence


def quote(name: str) -> str:
    """An identifier in SQL.

    >>> quote("group")
    '"group"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text literal in SQL.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def one_line(error: BaseException) -> str:
    """An error's first sentences on one line, at most 300 characters."""
    lines: Sequence[str] = [line.strip() for line in str(error).split("\nLINE ")[0].splitlines() if line.strip()]
    return " ".join(lines)[:300]
