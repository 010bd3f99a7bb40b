"""`rules:` and `select:` of a source - what a good row is, in words that become one predicate of DuckDB's SQL each."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from capacity.edge.settings.block import Settings

KINDS = ("check", "not_null", "range", "regex", "unique", "reference")
Bound = float | datetime | date | str


class RangeSettings(Settings):
    """A column whose values lie within bounds, both included; a missing value passes (see not_null)."""

    column: str
    min: Bound | None = None
    max: Bound | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("expected min, max or both, got none")
        return self


class RegexSettings(Settings):
    """A column whose values match a regular expression (RE2) as a whole; a missing value passes."""

    column: str
    pattern: str


class ReferenceSettings(Settings):
    """A column whose values stand in a column of another file; a missing value passes."""

    column: str
    file: str = Field(description="CSV, .gz or Parquet with the known values.")
    key: str | None = Field(None, description="Its column; None: the one of the same name.")


class RuleSettings(Settings):
    """A predicate that a good row satisfies: exactly one of check, not_null, range, regex, unique, reference."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name of the rule in reports: lower case, underscores.")
    check: str | None = Field(
        None, description="SQL (DuckDB) over the source's columns and source_row; NULL or an error counts as failed."
    )
    not_null: str | tuple[str, ...] | None = Field(None, description="Columns that have a value in every row.")
    range: RangeSettings | None = None
    regex: RegexSettings | None = None
    unique: str | tuple[str, ...] | None = Field(
        None, description="Columns whose values together come once; of several rows the first one passes."
    )
    reference: ReferenceSettings | None = None
    repair: str | None = Field(
        None, description="Assignment tried on rows that fail, e.g. 'a = b - INTERVAL 7 DAY'; counted, never silent."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"rule {self.name}: expected exactly one of {', '.join(KINDS)}, got {given or 'none'}")
        return self

    def beside(self, folder: Path) -> RuleSettings:
        """This rule with its file relative to a folder."""
        if self.reference is None:
            return self
        file = str(folder / self.reference.file)
        return self.model_copy(update={"reference": self.reference.model_copy(update={"file": file})})

    def columns(self) -> tuple[str, ...]:
        """The columns that the rule names; none for an SQL check, whose columns only DuckDB can tell."""
        listed = self.not_null or self.unique
        if listed is not None:
            return (listed,) if isinstance(listed, str) else listed
        shaped = self.range or self.regex or self.reference
        return (shaped.column,) if shaped else ()
