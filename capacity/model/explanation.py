"""One planned floor as a sum: from sales to replicas, bar by bar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from capacity.model.errors import require, require_aware
from capacity.shown import plot_noun, shows_itself

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class SalesParts:
    """The median of the sales of one step, taken apart: sales per step; what each part means stands in `why`."""

    level: float
    parts: tuple[tuple[str, float, str], ...]  # (name, sales per step, why)

    @property
    def total(self) -> float:
        """The median of the step."""
        return self.level + sum(value for _, value, _ in self.parts)


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of a number: what it adds, in thousandths of a replica, and why."""

    name: str
    milli: int
    why: str


@shows_itself
@dataclass(frozen=True, slots=True)
class Explanation:
    """The planned floor of a workload at one step as a sum of bars; `covered_floor` is the highest within reach.

    A floor set at `at` must serve until the next one can be ready: that is `covered_floor`, until `covered_until`.
    `notes` are the plan's own.
    """

    namespace: str
    name: str
    at: datetime
    resource: str
    floor: int
    bars: tuple[Bar, ...]
    covered_floor: int
    covered_until: datetime
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_aware("explanation", self.at)
        total = sum(bar.milli for bar in self.bars)
        require(total == 1000 * self.floor, "explanation: bars add up to {} thousandths, not {}", total, self.floor)

    @property
    def label(self) -> str:
        """namespace/name, as people write it."""
        return f"{self.namespace}/{self.name}"

    def to_frame(self) -> pd.DataFrame:
        """One row per bar (index `part`): `replicas` it adds, `total` so far, `why`; the last total is the floor."""
        import pandas as pd

        return pd.DataFrame(
            {
                "replicas": [bar.milli / 1000 for bar in self.bars],
                "total": [sum(bar.milli for bar in self.bars[: place + 1]) / 1000 for place in range(len(self.bars))],
                "why": [bar.why for bar in self.bars],
            },
            index=pd.Index([bar.name for bar in self.bars], name="part"),
        )

    def plot(self, timezone: str = "UTC", *, theme: str = "light", ax: Any = None) -> Any:
        """Draw the waterfall; returns the Figure, or `ax` where that was given."""
        return plot_noun(self, timezone, theme=theme, ax=ax)
