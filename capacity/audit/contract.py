"""The columns a source promises, and what changed: added, removed, renamed, of another type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Annotated, Literal

from pydantic import Field

from capacity.audit.rules import Finding, Severity
from capacity.domain.fields import STRICT

Kind = Literal["text", "integer", "number", "time", "boolean", "any"]

ALIKE = 0.6  # similarity of two names, case and underscores apart, from which one is taken for the other's new name
ACCEPTS = {"number": ("number", "integer")}  # a whole number is a number


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between the columns that were promised (or last seen) and those that are there."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    retyped: tuple[tuple[str, str, str], ...] = ()

    def spoken(self) -> tuple[str, ...]:
        """One sentence per change, the gravest first."""
        return (
            *(f"column {old!r} is gone, {new!r} came: renamed?" for old, new in self.renamed),
            *(f"column {name!r} is gone" for name in self.removed),
            *(f"column {name!r}: expected {expected}, got {got}" for name, expected, got in self.retyped),
            *(f"column {name!r} came" for name in self.added),
        )


@dataclass(frozen=True, slots=True)
class Contract:
    """The columns that the source promises."""

    __pydantic_config__ = STRICT

    columns: Annotated[
        Mapping[str, Kind], Field(min_length=1, description="Column and its kind of value; integer is a number.")
    ]
    changed: Annotated[Severity, Field(description="What a column gone, renamed or of another kind means.")] = "refuse"
    added: Annotated[Severity | None, Field(description="What a new column means. None: nothing.")] = None

    def findings(self, columns: Mapping[str, str]) -> tuple[Finding, ...]:
        """What of the promise the columns that are there (name -> kind) break.

        >>> Contract({"price": "number"}).findings({"Price": "number"})[0].message
        "contract: column 'price' is gone, 'Price' came: renamed?"
        """
        changes = compare_columns(self.columns, columns)
        grave = Changes((), changes.removed, changes.renamed, changes.retyped)
        found = [Finding("contract", self.changed, f"contract: {said}") for said in grave.spoken()]
        if self.added is not None:
            found += [Finding("contract", self.added, f"contract: {said}") for said in Changes(changes.added).spoken()]
        return tuple(found)


def compare_columns(expected: Mapping[str, str], got: Mapping[str, str]) -> Changes:
    """What changed from the expected columns (name -> kind of value) to those that are there.

    A column that went is paired with one of its kind that came if their names are alike, or if no other went or came.

    >>> compare_columns({"at": "time", "n": "integer"}, {"when": "time", "n": "text"})
    Changes(added=(), removed=(), renamed=(('at', 'when'),), retyped=(('n', 'integer', 'text'),))
    """
    gone = [name for name in expected if name not in got]
    came = [name for name in got if name not in expected]
    renamed = []
    for name in list(gone):
        heir = _heir(name, expected[name], {new: got[new] for new in came}, alone=len(gone) == len(came) == 1)
        if heir is not None:
            renamed.append((name, heir))
            gone.remove(name)
            came.remove(heir)
    retyped = [
        (name, kind, got[name])
        for name, kind in expected.items()
        if name in got and kind != "any" and got[name] not in ACCEPTS.get(kind, (kind,))
    ]
    return Changes(tuple(came), tuple(gone), tuple(renamed), tuple(retyped))


def likeness(name: str, other: str) -> float:
    """How alike two names are, in [0, 1], without case, spaces, dashes and underscores.

    >>> likeness("InvoiceDate", "invoice_date")
    1.0
    """
    plain, compared = (text.lower().translate(str.maketrans("", "", " _-")) for text in (name, other))
    return SequenceMatcher(a=plain, b=compared).ratio()


def _heir(name: str, kind: str, came: Mapping[str, str], *, alone: bool) -> str | None:
    same = [new for new, found in came.items() if kind == "any" or found in ACCEPTS.get(kind, (kind,))]
    best = max(same, key=lambda new: likeness(name, new), default=None)
    return best if best is not None and (alone or likeness(name, best) >= ALIKE) else None
