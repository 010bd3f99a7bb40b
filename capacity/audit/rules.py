"""What a good row is: one predicate with a name, an owner's answer to it, and how sure a source must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from capacity.domain import require
from capacity.domain.fields import STRICT

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
    """Something wrong with a source as a whole, which no single row shows: a column gone, no fresh row, an anomaly.

    >>> Finding("freshness", "warn", "the newest row is 3:00:00 old, expected at most 2:00:00").severity
    'warn'
    """

    rule: str
    severity: Severity
    message: str


@dataclass(frozen=True, slots=True)
class Quality:
    """Where a score becomes a warning, and where it refuses to let the data through; shares in [0, 1].

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
    """Thresholds as written, where a score that is refused is at least warned of."""
    if not isinstance(given, dict):
        return given
    warn, refuse = given.get("warn_below", Quality().warn_below), given.get("refuse_below")
    if not isinstance(warn, int | float) or not isinstance(refuse, int | float):
        return given
    return {**given, "warn_below": refuse} if warn < refuse <= 1 else given


GivenQuality = Annotated[Quality, BeforeValidator(_refusing_warns)]
