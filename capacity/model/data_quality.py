"""Data-quality rules, findings and thresholds, and the columns that a data source guarantees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import SequenceMatcher
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from capacity.model.errors import require
from capacity.model.fields import STRICT, Duration

Verdict = Literal["ok", "warn", "refuse"]
Severity = Literal["warn", "refuse"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A predicate in SQL that a good row satisfies; NULL and an error count as failed.

    `repair` is an assignment (`column = expression`) tried on rows that fail the check; repaired rows are counted.

    >>> Rule("positive_price", "Price > 0").name
    'positive_price'
    """

    name: str
    check: str
    repair: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a source as a whole: a missing column, no recent row, an anomaly.

    >>> Finding("freshness", "warn", "the newest row is 3:00:00 old, expected at most 2:00:00").severity
    'warn'
    """

    rule: str
    severity: Severity
    message: str


@dataclass(frozen=True, slots=True)
class Quality:
    """The scores below which an audit warns, and below which it refuses the data; shares in [0, 1].

    The defaults and why they are those: docs/decisions/0018.
    """

    __pydantic_config__ = STRICT

    warn_below: Annotated[float, Field(ge=0, le=1, description="Below this score the audit warns. Default 0.999.")] = (
        0.999
    )
    refuse_below: Annotated[
        float,
        Field(ge=0, le=1, description="Below this score no plan is made, the last one stays. Default 0.995; 0: never."),
    ] = 0.995

    def __post_init__(self) -> None:
        ordered = 0 <= self.refuse_below <= self.warn_below <= 1
        got = (self.refuse_below, self.warn_below)
        require(ordered, "quality: expected 0 <= refuse_below <= warn_below <= 1, got {}", got)


def _refusing_warns(given: Any) -> Any:
    """The given thresholds, with the warning raised to at least the refusal."""
    if not isinstance(given, dict):
        return given
    warn, refuse = given.get("warn_below", Quality().warn_below), given.get("refuse_below")
    if not isinstance(warn, int | float) or not isinstance(refuse, int | float):
        return given
    return {**given, "warn_below": refuse} if warn < refuse <= 1 else given


GivenQuality = Annotated[Quality, BeforeValidator(_refusing_warns)]

Kind = Literal["text", "integer", "number", "time", "boolean", "any"]
UNREAD = "unread"  # the kind of a column that is there, and whose values nothing needs

ALIKE = 0.6  # similarity of two names, case and underscores apart, from which one is taken for the other's new name
ACCEPTS = {"number": ("number", "integer")}  # a whole number is a number


@dataclass(frozen=True, slots=True)
class Changes:
    """The differences between the columns that were promised (or last seen) and the present ones."""

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
    """The columns that the source guarantees."""

    __pydantic_config__ = STRICT

    columns: Annotated[
        Mapping[str, Kind], Field(min_length=1, description="Column and its kind of value; integer is a number.")
    ]
    changed: Annotated[Severity, Field(description="What a column gone, renamed or of another kind means.")] = "refuse"
    added: Annotated[Severity | None, Field(description="What a new column means. None: nothing.")] = None

    def findings(self, columns: Mapping[str, str]) -> tuple[Finding, ...]:
        """The findings on present columns (name -> kind) that break the contract.

        >>> Contract({"price": "number"}).findings({"Price": "number"})[0].message
        "contract: column 'price' is gone, 'Price' came: renamed?"
        """
        changes = compare_columns(self.columns, columns)
        grave = Changes((), changes.removed, changes.renamed, changes.retyped)
        found = [Finding("contract", self.changed, f"contract: {text}") for text in grave.spoken()]
        if self.added is not None:
            found += [Finding("contract", self.added, f"contract: {text}") for text in Changes(changes.added).spoken()]
        return tuple(found)


def compare_columns(expected: Mapping[str, str], got: Mapping[str, str]) -> Changes:
    """The changes from the expected columns (name -> kind of value) to the present ones.

    A removed column is paired with an added one of its kind if their names are similar, or if there is no other.

    >>> compare_columns({"at": "time", "n": "integer"}, {"when": "time", "n": "text"})
    Changes(added=(), removed=(), renamed=(('at', 'when'),), retyped=(('n', 'integer', 'text'),))
    """
    gone = [name for name in expected if name not in got]
    added = [name for name in got if name not in expected]
    renamed = []
    for name in list(gone):
        successor = _successor(
            name, expected[name], {new: got[new] for new in added}, alone=len(gone) == len(added) == 1
        )
        if successor is not None:
            renamed.append((name, successor))
            gone.remove(name)
            added.remove(successor)
    retyped = [
        (name, kind, got[name])
        for name, kind in expected.items()
        if name in got and kind not in ("any", UNREAD) and got[name] not in (*ACCEPTS.get(kind, (kind,)), UNREAD)
    ]
    return Changes(tuple(added), tuple(gone), tuple(renamed), tuple(retyped))


def similarity(name: str, other: str) -> float:
    """How alike two names are, in [0, 1], without case, spaces, dashes and underscores.

    >>> similarity("InvoiceDate", "invoice_date")
    1.0
    """
    plain, compared = (text.lower().translate(str.maketrans("", "", " _-")) for text in (name, other))
    return SequenceMatcher(a=plain, b=compared).ratio()


def _successor(name: str, kind: str, added: Mapping[str, str], *, alone: bool) -> str | None:
    alike = (*ACCEPTS.get(kind, (kind,)), UNREAD)
    same = [new for new, found in added.items() if kind in ("any", UNREAD) or found in alike]
    best = max(same, key=lambda new: similarity(name, new), default=None)
    if best is None:
        return None
    told = alone and added[best] != UNREAD  # of a column that is not read only the name can tell
    return best if told or similarity(name, best) >= ALIKE else None


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the newest good row may be; an older one is a finding of this severity."""

    __pydantic_config__ = STRICT

    within: Annotated[Duration, Field(gt=timedelta(0))]
    severity: Annotated[Severity, Field(alias="otherwise", description="What an older one means.")] = "warn"

    def __post_init__(self) -> None:
        require(self.within > timedelta(0), "freshness: expected a duration above zero, got {}", self.within)
