"""How good the rows are: rules, what failed them, the score, the verdict. Counting the rows is the edge's work."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from capacity.domain import require

Verdict = Literal["ok", "warn", "refuse"]


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
class Quality:
    """Where a score becomes a warning, and where it refuses to let the data through; shares in [0, 1]."""

    warn_below: float = 0.995
    refuse_below: float = 0.0

    def __post_init__(self) -> None:
        ordered = 0 <= self.refuse_below <= self.warn_below <= 1
        got = (self.refuse_below, self.warn_below)
        require(ordered, "quality: expected 0 <= refuse_below <= warn_below <= 1, got {}", got)


@dataclass(frozen=True, slots=True)
class Audit:
    """The quality of one source: rows, rows that pass every rule, failures by rule.

    A row that fails two rules counts once in `quarantined` and once under each rule in `failures`.
    `first` and `last` are the earliest and latest time (UTC) of a passing row; `gaps` counts steps without any row.

    >>> Audit("orders.csv", rows=200, passed=199, failures={"positive_price": 1}).score
    0.995
    """

    source: str
    rows: int
    passed: int
    failures: dict[str, int] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    gaps: int = 0
    quality: Quality = field(default_factory=Quality)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(
            0 <= self.passed <= self.rows, "audit: expected 0 <= passed <= rows, got {} of {}", self.passed, self.rows
        )

    @property
    def quarantined(self) -> int:
        """Rows that fail at least one rule; they are kept aside, never counted as sales."""
        return self.rows - self.passed

    @property
    def score(self) -> float:
        """Share of rows that pass every rule, in [0, 1]; 0 where there is no row."""
        return self.passed / self.rows if self.rows else 0.0

    @property
    def verdict(self) -> Verdict:
        """What the score means under the thresholds: ok, warn or refuse."""
        if self.score < self.quality.refuse_below:
            return "refuse"
        return "warn" if self.score < self.quality.warn_below else "ok"

    def age(self, now: datetime) -> timedelta | None:
        """How old the newest good row is at `now`; None where there is none."""
        return None if self.last is None else now - self.last
