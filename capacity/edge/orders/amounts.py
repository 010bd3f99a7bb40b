"""A column of amounts as numbers: which sign is the decimal and which groups thousands, decided from all its rows."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from capacity.audit import Finding
from capacity.domain import DataError
from capacity.edge.sql import literal

CLEAR = 0.01  # share of rows that are written the other way, up to which they are typing errors
AROUND = (
    r"(?i)(€|\$|£|¥|₹|₽|₺|zł|kč|kr\.?|\b(?:eur|usd|gbp|chf|sek|nok|dkk|pln|czk|inr|rs|jpy|cad|aud|nzd|us|fr)\b\.?"
    r"|[\s\x{00A0}\x{202F}\x{2009}'’_])"
)
PLAIN = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
GROUPED = r"[+-]?\d{1,3}(MARK\d{2,3})*MARK\d{3}"  # thousands, and the lakhs and crores of India


@dataclass(frozen=True, slots=True)
class Marks:
    """The sign between whole and part of a number, and the sign between groups of digits (None: decided from rows)."""

    decimal: str | None = None
    thousands: str | None = None


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A column with amounts: its name in SQL, its type, the relation it is in, and how it is called in messages."""

    name: str
    kind: str
    relation: str
    where: str


@dataclass(frozen=True, slots=True)
class AmountForm:
    """How a column is read: `number` is SQL (DOUBLE, NULL for what is no number), `says` describes it for people.

    `findings` name what is not certain.
    """

    number: str
    says: str = ""
    findings: tuple[Finding, ...] = ()


def amount_form(database: duckdb.DuckDBPyConnection, column: NumberColumn, marks: Marks) -> AmountForm:
    """The one way in which a column's numbers are written, from all its rows.

    Raises `DataError` where some rows can only have a decimal point and others only a decimal comma.
    """
    plain = AmountForm(f"TRY_CAST({column.name} AS DOUBLE)")
    if column.kind != "VARCHAR":
        return plain
    if marks.decimal is None and marks.thousands is None and _is_plain(database, column):
        return plain
    cleaned = _cleaned(column.name)
    if marks.decimal is not None or marks.thousands is not None:
        decimal = marks.decimal or ("." if marks.thousands == "," else "," if marks.thousands == "." else ".")
        return AmountForm(_number(cleaned, decimal), f"numbers with {_named(decimal)}")
    return _decided(database, column, cleaned)


def _is_plain(database: duckdb.DuckDBPyConnection, column: NumberColumn) -> bool:
    """Whether every value is a number to DuckDB, and not all parts of numbers have three digits."""
    dotted = f"contains({column.name}, '.')"
    query = (
        f"SELECT count({column.name}), count(TRY_CAST({column.name} AS DOUBLE)), count(*) FILTER (WHERE {dotted}), "
        f"count(*) FILTER (WHERE {dotted} AND substr({column.name}, -4, 1) = '.' AND length({column.name}) <= 8) "
        f"FROM {column.relation}"
    )
    rows, numbers, points, threes = database.execute(query).fetchone() or (0, 0, 0, 0)
    return bool(rows == numbers and not (points and points == threes))


def _decided(database: duckdb.DuckDBPyConnection, column: NumberColumn, cleaned: str) -> AmountForm:
    where = f"FROM (SELECT {cleaned} AS x FROM {column.relation})"
    asked = ", ".join(f"count(*) FILTER (WHERE {sql})" for sql in _evidence().values())
    counts = dict(zip(_evidence(), database.execute(f"SELECT {asked} {where}").fetchone() or (), strict=True))
    point, comma = counts["point"], counts["comma"]
    if min(point, comma) > CLEAR * max(point, comma):
        raise DataError(
            f"{column.where}: expected one way to write numbers, got {point} with a decimal point and {comma} with a "
            "decimal comma; write them alike, or give sales.read.decimal"
        )
    decimal = "," if comma > point else "."
    if point or comma:
        return AmountForm(_number(cleaned, decimal), f"numbers with {_named(decimal)}")
    unclear = counts["unclear_point"] + counts["unclear_comma"]
    if not unclear:
        return AmountForm(_number(cleaned, "."), "")
    sign = "." if counts["unclear_point"] else ","
    says = f"{column.where}: all {unclear} numbers with {_sign(sign)} have three digits after it: thousands or parts?"
    finding = Finding("number_form", "refuse", f"{says} Give sales.read.decimal: '.' or ','")
    return AmountForm(_number(cleaned, "."), "numbers with a decimal point, which is not certain", (finding,))


def _evidence() -> dict[str, str]:
    """What shows how numbers are written, as conditions on the cleaned text `x`."""
    found = {}
    for name, mark, other in (("point", ".", ","), ("comma", ",", ".")):
        one, two = (rf"\{sign}" for sign in (mark, other))
        three = rf"[+-]?[1-9]\d{{0,2}}{one}\d{{3}}"
        single = rf"[+-]?\d*{one}\d+([eE][+-]?\d+)?"
        both = rf"[+-]?\d{{1,3}}({two}\d{{2,3}})*{two}\d{{3}}{one}\d+"
        groups = rf"[+-]?\d{{1,3}}({two}\d{{2,3}})+{two}\d{{3}}"
        proofs = (_matches(both), _matches(groups), f"({_matches(single)} AND NOT {_matches(three)})")
        found[name] = f"(contains(x, '{mark}') OR contains(x, '{other}')) AND ({' OR '.join(proofs)})"
        found[f"unclear_{name}"] = _matches(three)
    return found


def _matches(pattern: str) -> str:
    return f"regexp_full_match(x, {literal(pattern)})"


def _cleaned(name: str) -> str:
    """A number without currency, blanks and apostrophes; in parentheses or with its minus behind, it is negative."""
    bare = f"regexp_replace(replace({name}, '−', '-'), {literal(AROUND)}, '', 'g')"
    return (
        f"CASE WHEN regexp_full_match({name}, {literal(PLAIN)}) THEN {name} "
        f"ELSE regexp_replace({bare}, '^(?:\\((.*)\\)|([0-9.,]+)-)$', '-\\1\\2') END"
    )


def _number(cleaned: str, decimal: str) -> str:
    """The cleaned text as a number. Groups that are no thousands are no number: `12.5` is none with a decimal comma."""
    group = "," if decimal == "." else "."
    mark = rf"\{group}"
    pattern = rf"[+-]?(?:\d+|\d{{1,3}}(?:{mark}\d{{2,3}})*{mark}\d{{3}})?(?:\{decimal}\d*)?(?:[eE][+-]?\d+)?"
    dotted = f"replace(replace(x, '{group}', ''), '{decimal}', '.')"
    whole = f"CASE WHEN regexp_full_match(x, {literal(pattern)}) THEN TRY_CAST({dotted} AS DOUBLE) END"
    return f"list_transform([{cleaned}], lambda x: {whole})[1]"


def _named(decimal: str) -> str:
    return "a decimal comma" if decimal == "," else "a decimal point"


def _sign(sign: str) -> str:
    return "a comma" if sign == "," else "a point"
