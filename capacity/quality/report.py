"""The judgement of one source: rows that pass, failures, freshness, completeness, and what follows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Literal

import pandas as pd

from capacity.model import require
from capacity.model.data_quality import Finding, Freshness, Quality, Verdict
from capacity.model.fields import duration_text, rfc3339
from capacity.shown import shows_itself

if TYPE_CHECKING:
    import pandas as pd


WEEKS = 4  # earlier weeks whose median says what is usual: one holiday or outage among them changes nothing
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class StepCount:
    """Rows of one step: how many came, how many passed every rule, and how many are usual (None: nothing to tell)."""

    start: datetime
    rows: int
    passed: int
    usual: float | None

    @property
    def completeness(self) -> float | None:
        """Rows that came / rows that are usual, at most 1; None where nothing is usual.

        >>> StepCount(datetime(2026, 11, 27, 18), 30, 30, 40.0).completeness
        0.75
        """
        return min(1.0, self.rows / self.usual) if self.usual else None


def step_counts(rows: pd.Series, passed: pd.Series, newest: int = 24) -> tuple[StepCount, ...]:
    """The newest steps with their rows and the median rows of the same hour of the week in the four weeks before.

    `rows` and `passed` have one value per step, on the same regular UTC index; steps without rows are 0.

    >>> import pandas as pd
    >>> index = pd.date_range("2026-01-01", periods=24 * 28, freq="h", tz="UTC")
    >>> counts = pd.Series(10.0, index)
    >>> step_counts(counts, counts, 1)[0].usual
    10.0
    """
    steps = max(1, round(WEEK / (rows.index[1] - rows.index[0]))) if len(rows) > 1 else 1
    values = rows.to_numpy(dtype=float)
    found = []
    for place in range(max(0, len(values) - newest), len(values)):
        earlier = [values[place - week * steps] for week in range(1, WEEKS + 1) if place >= week * steps]
        usual = float(median(earlier)) if earlier else None
        start = rows.index[place].to_pydatetime()
        found.append(StepCount(start, int(values[place]), int(passed.iloc[place]), usual))
    return tuple(found)


RowVerdict = Literal["ok", "degraded", "refuse"]
FRESHNESS = "freshness"  # the rule of the finding that rows are too old
WORST: dict[Verdict, int] = {"ok": 0, "warn": 1, "refuse": 2}


@dataclass(frozen=True, slots=True)
class Latency:
    """How long rows took from the event to their availability, over all good rows."""

    median: timedelta
    p95: timedelta
    highest: timedelta


@shows_itself
@dataclass(frozen=True, slots=True)
class Audit:
    """The quality of one source: rows judged, rows that pass every rule, failures by rule.

    A row that fails two rules counts once in `quarantined` and once under each rule in `failures`. `set_aside` counts,
    by the first `select` they fail, the rows that are no orders at all (cancellations): they are neither good nor bad.
    `first` and `last` are the earliest and latest time (UTC) of a passing row; `gaps` counts steps without any row;
    `counts` are the rows of the newest steps beside what is usual. `findings` concern the source as a whole. `read` is
    how times, numbers and files were read; `newest` is the newest passing row that was not ahead of the clock (None:
    the same as `last`). `totals`: each row is the total of a step of this length and bears the time of its start.

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
    owner: str | None = None
    set_aside: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    latency: Latency | None = None
    freshness: Freshness | None = None
    counts: tuple[StepCount, ...] = ()
    read: tuple[str, ...] = ()
    newest: datetime | None = None
    totals: timedelta | None = None

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
        """What score and findings mean under the thresholds: ok, warn or refuse; the worst of them counts."""
        by_score: Verdict = "ok" if self.score >= self.quality.warn_below else "warn"
        if self.score < self.quality.refuse_below:
            by_score = "refuse"
        return max((by_score, *(finding.severity for finding in self.findings)), key=WORST.__getitem__)

    @property
    def row_verdict(self) -> RowVerdict:
        """What is wrong with the rows themselves: ok, degraded (some may be missing, twice or wrong) or refuse.

        How old they are has no part in it: rows may be right and too old to plan from.

        >>> Audit("orders.csv", 100, 100, findings=(Finding("composition", "warn", "half are empty"),)).row_verdict
        'degraded'
        """
        own = tuple(finding for finding in self.findings if finding.rule != FRESHNESS)
        found: dict[Verdict, RowVerdict] = {"ok": "ok", "warn": "degraded", "refuse": "refuse"}
        return found[replace(self, findings=own).verdict]

    @property
    def safe_to_plan(self) -> bool:
        """Whether a plan may be made of this source: nothing about its rows, its columns or its age refuses it."""
        return self.verdict != "refuse"

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the verdict is not ok: the score where it is too low, then every finding.

        >>> Audit("orders.csv", rows=200, passed=190).reasons
        ('expected a score of at least 0.9950, got 0.9500: 10 of 200 rows quarantined',)
        """
        quality, low = self.quality, self.score < self.quality.warn_below
        wanted = quality.refuse_below if self.score < quality.refuse_below else quality.warn_below
        score = (
            f"expected a score of at least {wanted:.4f}, got {self.score:.4f}: "
            f"{self.quarantined:,} of {self.rows:,} rows quarantined"
        )
        return (*([score] if low else []), *(finding.message for finding in self.findings))

    def age(self, now: datetime) -> timedelta | None:
        """How old the newest good row is at `now`; None where there is none."""
        newest = self.newest or self.last
        return None if newest is None else now - newest

    def late(self, now: datetime) -> timedelta | None:
        """How late data is: from an event to its row, as the source says, or by how long the next row is overdue.

        The total of a step cannot come before the step is over: the next after one that began at `t` is due two steps
        after `t`. Where a fresh row is expected and there is none, data is as late as the newest is old. None where
        nothing of this is known: the age of rows also counts hours without orders.

        >>> hourly = Audit("orders.csv", 9, 9, last=datetime(2026, 11, 27, 10), totals=timedelta(hours=1))
        >>> str(hourly.late(datetime(2026, 11, 27, 11, 59))), str(hourly.late(datetime(2026, 11, 27, 12, 7)))
        ('0:00:00', '0:07:00')
        """
        known = [] if self.latency is None else [self.latency.median]
        age = self.age(now)
        if age is not None and self.totals is not None:
            known.append(max(timedelta(0), age - 2 * self.totals))
        elif age is not None and self.freshness is not None and age > self.freshness.within:
            known.append(age)
        return max(known, default=None)

    def at(self, now: datetime) -> Audit:
        """This audit with the finding that its newest row is too old at `now`, where it is and freshness was asked."""
        age, asked = self.age(now), self.freshness
        if asked is None or (age is not None and age <= asked.within):
            return self
        newest = "there is no good row" if self.last is None else f"the newest good row is dated {rfc3339(self.last)}"
        words = f"expected a row from the last {duration_text(asked.within)}, but {newest}"
        finding = Finding(FRESHNESS, asked.severity, words)
        return replace(self, findings=(*self.findings, finding))

    def figures(self, now: datetime) -> dict[str, float]:
        """The audit as plain numbers, for whoever exports or plots them; durations in seconds, absent ones left out.

        >>> audit = Audit("orders.csv", rows=200, passed=199)
        >>> audit.figures(datetime(2026, 11, 27))["score"]
        0.995
        """
        known = {"age_seconds": self.age(now)}
        if self.latency is not None:
            known |= {"latency_median_seconds": self.latency.median, "latency_p95_seconds": self.latency.p95}
        return {
            "score": self.score,
            "verdict": float(WORST[self.verdict]),
            "rows": float(self.rows),
            "passed": float(self.passed),
            "quarantined": float(self.quarantined),
            "set_aside": float(sum(self.set_aside.values())),
            "repaired": float(sum(self.repaired.values())),
            "gaps": float(self.gaps),
            **{name: span.total_seconds() for name, span in known.items() if span is not None},
        }


@dataclass(frozen=True, slots=True)
class AuditHistory:
    """Audits, oldest first: a row each, with its time, source, verdict, score, rows by result, failures and reasons.

    `broken` are the files that could not be read.
    """

    audits: pd.DataFrame
    broken: tuple[str, ...] = ()
