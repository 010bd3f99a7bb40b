"""What both databases are asked: rows judged by the built-in rules, counted per step, group and rules failed."""

from __future__ import annotations

from dataclasses import dataclass

from capacity.edge.orders.builtin import GROUP, NOT_NEGATIVE, TIME, VALUE
from capacity.edge.settings import SalesSettings
from capacity.edge.sql import quote

FAILED = "string_split(rtrim(failed, ','), ',')"
SPLIT = f"CASE WHEN failed = '' THEN []::VARCHAR[] ELSE {FAILED} END"  # DuckDB: the names in `failed` as a list


@dataclass(frozen=True, slots=True)
class Buckets:
    """What to ask the database (`query`), and how DuckDB makes `counted` of the answer, registered as `buckets`.

    `unread` asks first whether the rows must be read one by one (None: they need not).
    """

    query: str
    counted: str
    unread: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A database's SQL for what it knows of each of the `rows` (moment, amount, item, grp).

    `start` is that of the row's step, in seconds since 1970, `exact` whether its moment is just that; `since` is the
    moment in seconds; `finite` whether its amount is a number at all; `zoned` is 1 where the moment says its own zone.
    """

    rows: str
    start: str
    exact: str
    since: str
    finite: str
    zoned: str = "1"

    def counted(self, settings: SalesSettings) -> str:
        """The SELECT, one row per bucket: start_at, zoned, grp, failed, value, row_count, first_at, last_at, exact."""
        failed = _failures(settings, self.finite)
        return (
            f"SELECT {self.start} AS start_at, {self.zoned} AS zoned, grp, {failed} AS failed, "
            f"{_total(settings)} AS value, count(*) AS row_count, "
            f"min({self.since}) AS first_at, max({self.since}) AS last_at, "
            f"min(CASE WHEN {self.exact} THEN 1 ELSE 0 END) AS exact "
            f"FROM ({self.rows}) AS judged GROUP BY 1, 2, 3, 4"
        )


@dataclass(frozen=True, slots=True)
class Casts:
    """How a database makes a number and a text of a column, with `{}` for its name."""

    number: str
    text: str


def source_rows(settings: SalesSettings, moment: str, casts: Casts, *more: str) -> str:
    """The source's rows with their moment, amount, item and group, and `more` columns."""
    value = settings.value
    chosen = [f"{moment} AS moment"]
    chosen.append(f"{casts.number.format(column(value.sum))} AS amount" if value.sum else "1 AS amount")
    chosen.append(f"{column(value.count_distinct)} AS item" if value.count_distinct else "1 AS item")
    chosen.append(f"{casts.text.format(column(settings.group))} AS grp" if settings.group else "'' AS grp")
    inner = settings.source.query.rstrip().rstrip(";") if not isinstance(settings.source, str) else ""
    return f"SELECT {', '.join([*chosen, *more])} FROM ({inner}\n) AS source"


def column(name: str) -> str:
    """A column's name in the text of a statement: SQLAlchemy takes a bare colon for a parameter."""
    return quote(name).replace(":", "\\:")


def _failures(settings: SalesSettings, finite: str) -> str:
    """The names of the built-in rules that a row fails, each followed by a comma."""
    checks = [(TIME, "moment IS NULL")]
    if settings.value.sum:
        checks.append((VALUE, f"amount IS NULL OR NOT ({finite})"))
        checks.append((NOT_NEGATIVE, "coalesce(amount < 0, false)"))
    elif settings.value.count_distinct:
        checks.append((VALUE, "item IS NULL"))
    if settings.group:
        checks.append((GROUP, "grp IS NULL"))
    return " || ".join(f"CASE WHEN {failed} THEN '{name},' ELSE '' END" for name, failed in checks)


def _total(settings: SalesSettings) -> str:
    value = settings.value
    return "sum(amount)" if value.sum else "count(DISTINCT item)" if value.count_distinct else "count(*)"
