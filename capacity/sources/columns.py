"""The columns of a source: which ones the configuration reads (no other value leaves it), and which hold numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from capacity.model import DataError
from capacity.model.settings import SalesSettings
from capacity.model.settings.planning import RuleSettings
from capacity.quality import Finding
from capacity.quality.column_roles import currency_names, order_number_names, state_names
from capacity.quality.time_forms import ASCII_DIGITS, DIRECTIONS, FOREIGN_DIGITS
from capacity.quality.zone_names import zone_columns
from capacity.sources.sql import GROUP, NOT_NEGATIVE, PLAUSIBLE, ROW_HASH, TIME, VALUE, hash_of, is_ours, literal, quote
from capacity.sources.time_columns import OFFSET, is_iso, is_zoned

ALL = {"columns", "orders"}  # words of SQL that mean every column: COLUMNS(*), and the relation as a whole

FIRST = 2048  # rows that can rule a type out; only all rows together can confirm one
MOST_DIGITS = 17  # a longer number is not what a double holds: it stays text


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

    The values of those that the settings name, of a currency beside a sum, of a time zone where the settings name none,
    and of an order's state where no select says which rows are orders; of the number of an order, which tells exports
    that overlap, a hash. All of them where bad rows are kept whole.
    """
    if settings.quarantine.rows == "whole":
        return Kept(tuple(columns))
    named = read_columns(settings, columns)
    if settings.value.sum is not None:
        named += tuple(name for name in currency_names(columns) if name not in named)
    named += tuple(name for name in state_columns(settings, columns) if name not in named)
    named += tuple(name for name in zones_of_rows(settings, columns) if name not in named)
    numbers = order_numbers(settings, columns)
    return Kept(tuple(name for name in columns if name in named), tuple(name for name in numbers if name not in named))


def state_columns(settings: SalesSettings, columns: Sequence[str]) -> tuple[str, ...]:
    """Columns that say whether a row is an order, where nothing in the settings looks at rows."""
    return () if settings.select or settings.rules else state_names([one for one in columns if one != settings.time])


def zones_of_rows(settings: SalesSettings, columns: Sequence[str]) -> tuple[str, ...]:
    """Columns that name the time zone of each row, where nobody has said on which clock times without a zone are."""
    return () if settings.timezone is not None else zone_columns([one for one in columns if one != settings.time])


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


def seen_by_check(settings: SalesSettings, columns: Collection[str], checks: Sequence[str]) -> dict[str, int]:
    """Column to the named checks that look at it, each a bit as in `failed`; source_row is not among them."""
    value = settings.value.sum or settings.value.count_distinct
    built_in = {TIME: settings.time, PLAUSIBLE: settings.time, VALUE: value, NOT_NEGATIVE: value, GROUP: settings.group}
    rules = {rule.name: rule_columns(columns, rule) for rule in settings.rules}
    seen: dict[str, int] = {}
    for bit, check in enumerate(checks):
        own = rules.get(check, frozenset({built_in.get(check)} - {None}))
        for column in columns:
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


def _integer(name: str) -> str:
    return f"CAST(TRY_CAST({name} AS BIGINT) AS VARCHAR) = {name}"


def _number(name: str) -> str:
    """A decimal number without leading zeros or an exponent: those are identifiers, or have lost their last digits."""
    start = f"ltrim({name}, '-')"
    return (
        f"coalesce(isfinite(TRY_CAST({name} AS DOUBLE)), false) AND length({name}) <= {MOST_DIGITS} "
        f"AND NOT ({start} LIKE '0_%' AND {start} NOT LIKE '0.%') AND lower({name}) NOT LIKE '%e%' "
        f"AND {name} NOT LIKE '% %' AND {name} NOT LIKE '+%'"
    )


KINDS: dict[
    str, tuple[Callable[[str], str], str]
] = {  # type -> whether a value is one, and how it is made; the first that all values are is the column's
    "BOOLEAN": (lambda name: f"lower({name}) IN ('true', 'false')", "TRY_CAST({} AS BOOLEAN)"),
    "BIGINT": (_integer, "TRY_CAST({} AS BIGINT)"),
    "DOUBLE": (_number, "TRY_CAST({} AS DOUBLE)"),
    "DATE": (lambda name: f"length({name}) = 10 AND {is_iso(name)}", "TRY_CAST({} AS DATE)"),
    "TIMESTAMP": (lambda name: f"{is_iso(name)} AND NOT {is_zoned(name)}", "TRY_CAST({} AS TIMESTAMP)"),
    "TIMESTAMPTZ": (
        lambda name: f"{is_iso(name)} AND {is_zoned(name)} AND regexp_matches({name}, {literal(OFFSET)})",
        "TRY_CAST({} AS TIMESTAMPTZ)",
    ),
}


def typed(database: duckdb.DuckDBPyConnection, table: str, ids: set[str], made: Mapping[str, str]) -> str:
    """A SELECT of a table of text whose columns have their types; `ids` stay text, `made` are expressions already."""
    names = [name for name, *_ in database.execute(f"DESCRIBE {table}").fetchall()]
    ours = [name for name in names if is_ours(name)]
    columns = [name for name in names if name not in ours]
    possible = {name: list(KINDS) for name in columns if name not in ids and name not in made}
    possible = _agreeing(database, f"(SELECT * FROM {table} LIMIT {FIRST})", possible)
    possible = _agreeing(database, table, possible)
    chosen = []
    for name in columns:
        kinds = possible.get(name, [])
        value = made.get(name) or (KINDS[kinds[0]][1].format(quote(name)) if kinds else quote(name))
        chosen.append(f"{_whole(value) if name in ids else value} AS {quote(name)}")
    return f"SELECT {', '.join([*map(quote, ours), *chosen])} FROM {table}"


def _whole(text: str) -> str:
    """An identifier that a program wrote as a number with parts, 7.0, as the 7 that other files have."""
    written = f"right({text}, 2) = '.0' AND regexp_full_match({text}, '-?[0-9]+[.]0')"
    return f"CASE WHEN {written} THEN left({text}, -2) ELSE {text} END"


def _agreeing(database: duckdb.DuckDBPyConnection, rows: str, possible: dict[str, list[str]]) -> dict[str, list[str]]:
    """The types that every value of these rows has; none for a column without values."""
    asked = [(name, kind) for name, kinds in possible.items() for kind in kinds]
    if not asked:
        return {}
    counts = [f"count({quote(name)})" for name in possible]
    counts += [f"count(*) FILTER (WHERE {KINDS[kind][0](quote(name))})" for name, kind in asked]
    row = database.execute(f"SELECT {', '.join(counts)} FROM {rows}").fetchone() or ()
    filled = dict(zip(possible, row, strict=False))
    fits = dict(zip(asked, row[len(possible) :], strict=True))
    return {
        name: [kind for kind in kinds if filled[name] and fits[name, kind] == filled[name]]
        for name, kinds in possible.items()
    }


MANY, FEW = 50, 10  # numbers that show how thousands are parted: with a mark, and too short for one
CLEAR = 0.01  # share of rows that are written the other way, up to which they are typing errors
AROUND = (
    r"(?i)((?:\b(?:r|a|c|s|hk|nt|nz|us|mx|ca|au))?\$|\p{Sc}|zł|kč|kr\.?|円|元|"
    r"\b(?:eur|usd|gbp|chf|sek|nok|dkk|pln|czk|inr|rs|jpy|cad|aud|nzd|us|fr|huf|ft|ron|lei|bgn|brl|mxn|ars|clp|cop|zar|"
    r"aed|sar|ils|try|tl|rub|uah|thb|idr|rp|myr|rm|php|vnd|krw|cny|rmb|hkd|twd|sgd)\b\.?"
    r"|^=?\"|\"$|[\s\x{00A0}\x{202F}\x{2009}'’_])"
)
PLAIN = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"


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
    """How a column is read: `number` is SQL (DOUBLE, NULL for what is no number), `read_as` describes it for people.

    `findings` name what is not certain.
    """

    number: str
    read_as: str = ""
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
        return AmountForm(_amounts_number(cleaned, decimal), f"numbers with {_named(decimal)}")
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
        return AmountForm(_amounts_number(cleaned, decimal), f"numbers with {_named(decimal)}")
    unclear = counts["unclear_point"] + counts["unclear_comma"]
    if not unclear:
        return AmountForm(_amounts_number(cleaned, "."), "")
    sign = "." if counts["unclear_point"] else ","
    if _are_groups(counts):
        decimal = "," if sign == "." else "."
        return AmountForm(_amounts_number(cleaned, decimal), f"numbers with {_sign(sign)} between thousands")
    problem = (
        f"{column.where}: all {unclear} numbers with {_sign(sign)} have three digits after it: thousands or parts?"
    )
    finding = Finding("number_form", "refuse", f"{problem} Give sales.read.decimal: '.' or ',' (--decimal)")
    return AmountForm(_amounts_number(cleaned, "."), "numbers with a decimal point, which is not certain", (finding,))


def _are_groups(counts: dict[str, int]) -> bool:
    """Whether many marks before three digits part thousands.

    Every number of up to three digits is without the mark, and every longer one has it. Parts of numbers would have all
    numbers alike, or lose their last zeros: of fifty, not one would have fewer than three digits in one case of 200.
    """
    one = min(counts["unclear_point"], counts["unclear_comma"]) == 0
    many = counts["unclear_point"] + counts["unclear_comma"] >= MANY
    return one and many and counts["short"] >= FEW and not counts["long"]


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
    return {**found, "short": _matches(r"[+-]?\d{1,3}"), "long": _matches(r"[+-]?\d{4,}")}


def _matches(pattern: str) -> str:
    return f"regexp_full_match(x, {literal(pattern)})"


def _cleaned(name: str) -> str:
    """A number without currency, blanks and apostrophes; in parentheses or with its minus behind, it is negative."""
    signs = f"translate({name}, {literal(FOREIGN_DIGITS + '٫٬−' + DIRECTIONS)}, {literal(ASCII_DIGITS + '.,-')})"
    bare = f"regexp_replace({signs}, {literal(AROUND)}, '', 'g')"
    whole = f"regexp_replace({bare}, '([.,])(?:-{{1,2}}|–|—)$', '\\100')"  # 25.- and 1.234,-- have no parts
    return (
        f"CASE WHEN regexp_full_match({name}, {literal(PLAIN)}) THEN {name} "
        f"ELSE regexp_replace({whole}, '^(?:\\((.*)\\)|([0-9.,]+)-)$', '-\\1\\2') END"
    )


def _amounts_number(cleaned: str, decimal: str) -> str:
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
