"""`sales:` - where the orders are, which rows count, and how good they must be."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from capacity.audit import Quality, Rule
from capacity.edge.fields import Duration, Quantity
from capacity.edge.settings.block import Settings


class RuleSettings(Settings):
    """A predicate in DuckDB's SQL that a good row satisfies."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name of the rule in reports: lower case, underscores.")
    check: str = Field(description="SQL over the source's columns and source_row; NULL or an error counts as failed.")
    repair: str | None = Field(None, description="Assignment tried on rows that fail, e.g. 'a = b - INTERVAL 7 DAY'.")


class QualitySettings(Settings):
    """Thresholds on the share of rows that pass every rule."""

    warn_below: float = Field(0.995, ge=0, le=1, description="Below this score the audit warns.")
    refuse_below: float = Field(0.0, ge=0, le=1, description="Below this score no plan is made; 0: never refuse.")


class DatabaseSource(Settings):
    """Orders from a database, through SQLAlchemy."""

    url: str = Field(description="SQLAlchemy URL; never printed.", repr=False)
    query: str = Field(description="SELECT that returns the rows.")


class ValueSettings(Settings):
    """What is summed up per step: exactly one of the three."""

    sum: str | None = Field(None, description="Sum of this column.")
    count_distinct: str | None = Field(None, description="Number of different values of this column.")
    rows: Literal[True] | None = Field(None, description="Number of rows.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("sum", "count_distinct", "rows") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected exactly one of sum, count_distinct, rows, got {given or 'none'}")
        return self


class SalesSettings(Settings):
    """Where the orders are and which rows count."""

    source: str | DatabaseSource = Field(description="CSV, .gz, Parquet, a glob or directory of them, or {url, query}.")
    time: str = Field(description="Column with the time of the order.")
    time_format: str | None = Field(
        None, description="strptime format for integers and text, e.g. '%Y%m%d'; epoch or epoch_ms: since 1970, UTC."
    )
    value: ValueSettings = Field(default_factory=lambda: ValueSettings(rows=True), description="Default: count rows.")
    group: str | None = Field(None, description="Column: one series per value. None: one series of everything.")
    step: Duration = Field(timedelta(hours=1), description="Length of a step. Default 1h.")
    late: Duration | None = Field(
        None, description="How late rows may arrive: steps they may still reach are left out. None: only the open step."
    )
    memory_limit: Annotated[Quantity, Field(gt=0)] | None = Field(
        None, description="Memory for rows, e.g. 2Gi; past it they spill to disk. None: most of the machine's."
    )
    rules: tuple[RuleSettings, ...] = Field((), description="Predicates a good row satisfies.")
    quality: QualitySettings = QualitySettings()

    @model_validator(mode="after")
    def _even_steps(self) -> Self:
        day, seconds = 86400, self.step.total_seconds()
        if seconds < 60 or (day % seconds if seconds < day else seconds % day):
            raise ValueError(f"step: expected whole parts or multiples of a day from 1m up, got {self.step}")
        names = [rule.name for rule in self.rules]
        if len(names) != len(set(names)):
            raise ValueError(f"rules: expected different names, got {names}")
        return self

    def quality_rules(self) -> tuple[Rule, ...]:
        """The rules as nouns of the domain."""
        return tuple(Rule(rule.name, rule.check, rule.repair) for rule in self.rules)

    def thresholds(self) -> Quality:
        """The quality thresholds as a noun of the domain; refusing implies warning."""
        quality = self.quality
        return Quality(max(quality.warn_below, quality.refuse_below), quality.refuse_below)
