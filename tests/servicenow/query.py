"""Encoded queries: ``a=1^bSTARTSWITHx^ORDERBYDESCopened_at^NQc=2``, as the Table API takes them."""

from __future__ import annotations

import re
from collections.abc import Callable

Row = dict[str, str]
OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "NOT IN": lambda value, want: value not in want.split(","),
    "STARTSWITH": lambda value, want: value.startswith(want),
    "ENDSWITH": lambda value, want: value.endswith(want),
    "ISNOTEMPTY": lambda value, want: value != "",
    "ISEMPTY": lambda value, want: value == "",
    "LIKE": lambda value, want: want.lower() in value.lower(),
    "IN": lambda value, want: value in want.split(","),
    "!=": lambda value, want: value != want,
    "<=": lambda value, want: value != "" and value <= want,
    ">=": lambda value, want: value != "" and value >= want,
    "<": lambda value, want: value != "" and value < want,
    ">": lambda value, want: value != "" and value > want,
    "=": lambda value, want: value == want,
}
TERM = re.compile(r"^(?P<field>[a-z_][a-z0-9_]*)(?P<operator>" + "|".join(OPERATORS) + r")(?P<value>.*)$", re.DOTALL)


def select(rows: list[Row], query: str) -> list[Row]:
    """The rows that satisfy the query, in its order. Raises `ValueError` on a term that is none."""
    alternatives = query.split("^NQ")
    orders = [term for part in alternatives for term in part.split("^") if term.startswith("ORDERBY")]
    found = [row for row in rows if any(_all(row, part) for part in alternatives)]
    for term in reversed(orders):
        descending = term.startswith("ORDERBYDESC")
        field = term.removeprefix("ORDERBYDESC" if descending else "ORDERBY")
        found.sort(key=lambda row, field=field: row.get(field, ""), reverse=descending)  # type: ignore[misc]
    return found


def _all(row: Row, part: str) -> bool:
    """Terms joined by ^ hold together; ^OR widens the term before it."""
    groups: list[list[str]] = []
    for term in filter(None, part.split("^")):
        if term.startswith("ORDERBY"):
            continue
        if term.startswith("OR") and groups:
            groups[-1].append(term[2:])
        else:
            groups.append([term])
    return all(any(_holds(row, term) for term in group) for group in groups)


def _holds(row: Row, term: str) -> bool:
    match = TERM.match(term)
    if match is None:
        raise ValueError(f"not a term: {term!r}")
    return OPERATORS[match["operator"]](row.get(match["field"], ""), match["value"])
