"""Which columns a question asks for: in SQL for DuckDB, and for the database that holds the rows."""

from __future__ import annotations

from collections.abc import Sequence

from capacity.model import DataError
from capacity.sources.seen_columns import Kept
from capacity.sources.sql import ROW_HASH, hash_of, is_ours, quote

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
