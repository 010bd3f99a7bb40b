"""The columns that the configuration reads, and the statements that ask for them: no other value leaves a source."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from capacity.model import DataError
from capacity.model.settings import SalesSettings
from capacity.model.settings.orders import RuleSettings
from capacity.quality.column_roles import currency_names, order_number_names, state_names
from capacity.sources.judging import Judgement
from capacity.sources.sql import GROUP, NOT_NEGATIVE, PLAUSIBLE, ROW_HASH, TIME, VALUE, hash_of, is_ours, quote

ALL = {"columns", "orders"}  # words of SQL that mean every column: COLUMNS(*), and the relation as a whole


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a source: the columns `read`, and those `hashed`, of which a hash tells equal values apart.

    `rows`: a hash of each whole row tells equal rows apart.
    """

    read: tuple[str, ...]
    hashed: tuple[str, ...] = ()
    rows: bool = True


def kept_columns(settings: SalesSettings, columns: Sequence[str]) -> Kept:
    """What is kept of a source with these columns.

    The values of those that the settings name, of a currency beside a sum, and of an order's state where no select says
    which rows are orders; of the number of an order, which tells exports that overlap, a hash. All of them where bad
    rows are kept whole.
    """
    if settings.quarantine.rows == "whole":
        return Kept(tuple(columns))
    named = read_columns(settings, columns)
    if settings.value.sum is not None:
        named += tuple(name for name in currency_names(columns) if name not in named)
    named += tuple(name for name in state_columns(settings, columns) if name not in named)
    numbers = order_numbers(settings, columns)
    return Kept(tuple(name for name in columns if name in named), tuple(name for name in numbers if name not in named))


def state_columns(settings: SalesSettings, columns: Sequence[str]) -> tuple[str, ...]:
    """Columns that say whether a row is an order, where nothing in the settings looks at rows."""
    return () if settings.select or settings.rules else state_names([one for one in columns if one != settings.time])


def order_numbers(settings: SalesSettings, columns: Sequence[str]) -> tuple[str, ...]:
    """Columns that are named as an order's number; none where each number counts once."""
    if settings.value.count_distinct is not None:
        return ()
    return order_number_names([name for name in columns if name != settings.time])


def read_columns(settings: SalesSettings, columns: Collection[str]) -> tuple[str, ...]:
    """Those of time, value, group and availability, and those that rules, selects and the contract name."""
    others = (settings.value.sum, settings.value.count_distinct, settings.group, settings.available_at)
    named = {settings.time, *(name for name in others if name is not None)}
    named |= set() if settings.contract is None else set(settings.contract.columns)
    for rule in (*settings.rules, *settings.select):
        named |= rule_columns(columns, rule)
    return tuple(name for name in columns if name in named and name != "source_row")


def rule_columns(columns: Collection[str], rule: RuleSettings) -> frozenset[str]:
    """The columns that a rule looks at; of a check in SQL, those whose names stand in it outside of its texts."""
    sql = " ".join(part for part in (rule.check, rule.repair) if part)
    bare = re.sub(r"'(?:[^']|'')*'", "''", sql).lower()
    words = set(re.findall(r"\w+", bare))
    if words & ALL:
        return frozenset(columns)
    target = (rule.repair or "").partition("=")[0].strip()
    spelt = {name for name in columns if name.lower() in words or quote(name).lower() in bare or name == target}
    return frozenset(spelt | set(rule.columns()))


def seen_by_check(judgement: Judgement) -> dict[str, int]:
    """Column to the checks that look at it, each a bit as in `failed`; source_row is not among them."""
    settings = judgement.settings
    value = settings.value.sum or settings.value.count_distinct
    built_in = {TIME: settings.time, PLAUSIBLE: settings.time, VALUE: value, NOT_NEGATIVE: value, GROUP: settings.group}
    rules = {rule.name: rule_columns(judgement.source.columns, rule) for rule in settings.rules}
    seen: dict[str, int] = {}
    for bit, check in enumerate(judgement.checks):
        own = rules.get(check.name, frozenset({built_in.get(check.name)} - {None}))
        for column in judgement.source.columns:
            if column in own and column != "source_row":
                seen[column] = seen.get(column, 0) | 1 << bit
    return seen


MYSQL = ("mysql", "mariadb")
ROWS = "capacity_rows"  # a name that no column has: in PostgreSQL a column of this name would hide the row
PLACE = "capacity_place"


def refuse_our_names(columns: Sequence[str], name: str) -> None:
    """Raise `DataError` where a source has a column with one of our own names."""
    taken = [column for column in columns if is_ours(column)]
    if taken:
        raise DataError(f"{name}: expected no column named {taken[0]}, which is ours, got one; rename it")


def projected(columns: Sequence[str], kept: Kept | None) -> str:
    """What DuckDB selects of rows with these columns: all values (None), or those kept and hashes of the others."""
    if kept is None:
        return "*"
    chosen = [quote(name) for name in kept.read]
    if kept.rows:
        chosen.append(f"hash({', '.join(map(quote, columns))}) AS {ROW_HASH}")
    chosen += [f"hash({quote(name)}) AS {quote(hash_of(name))}" for name in kept.hashed]
    return ", ".join(chosen)


def projections(dialect: str, query: str, columns: Sequence[str], kept: Kept) -> tuple[str, ...]:
    """Statements that fetch what is kept of a query's rows; one that the database does not take is followed by others.

    The database itself makes the hashes; where it has no way to, rows are told apart by what is read of them.
    """
    inner = query.rstrip().rstrip(";")
    names = {name: column(name, dialect) for name in columns}
    read = [names[name] for name in kept.read]
    plain = f"SELECT {', '.join(read)} FROM ({inner}\n) {ROWS}"
    hashed = {ROW_HASH: list(names.values())} if kept.rows else {}
    hashed |= {hash_of(name): [names[name]] for name in kept.hashed}
    if dialect == "sqlite":
        placed = f"SELECT *, row_number() OVER () AS {PLACE} FROM ({inner}\n) {ROWS}"
        ranks = [f"dense_rank() OVER (ORDER BY {', '.join(of)}) AS {quote(called)}" for called, of in hashed.items()]
        return (f"SELECT {', '.join([*read, *ranks])} FROM ({placed}) {ROWS} ORDER BY {PLACE}", plain)
    if dialect == "postgresql":
        text = {called: of[0] if called != ROW_HASH else ROWS for called, of in hashed.items()}
        made = [f"left(md5(CAST({of} AS text)), 16) AS {quote(called)}" for called, of in text.items()]
        return (f"SELECT {', '.join([*read, *made])} FROM ({inner}\n) {ROWS}", plain)
    if dialect in MYSQL:
        parts = {called: ", ".join(f"quote({one})" for one in of) for called, of in hashed.items()}
        made = [f"left(md5(concat_ws(',', {of})), 16) AS `{called}`" for called, of in parts.items()]
        return (f"SELECT {', '.join([*read, *made])} FROM ({inner}\n) {ROWS}", plain)
    return (plain,)


def count_values(query: str, name: str) -> str:
    """A statement that counts the rows of each value of a column."""
    value = f"trim(CAST({column(name)} AS text))"
    return f"SELECT {value}, count(*) FROM ({query.rstrip().rstrip(';')}\n) {ROWS} WHERE {value} != '' GROUP BY 1"


def column(name: str, dialect: str = "") -> str:
    """A column's name in the text of a statement: SQLAlchemy takes a bare colon for a parameter."""
    quoted = "`" + name.replace("`", "``") + "`" if dialect in MYSQL else quote(name)
    return quoted.replace(":", "\\:")
