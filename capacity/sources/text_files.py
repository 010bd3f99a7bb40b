"""Detects how a text file is written: encoding, delimiter, quote, title lines and line ends."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final

import duckdb

from capacity.model import ConfigError, DataError
from capacity.model.settings.planning import ReadSettings
from capacity.sources.sql import literal, one_line

HEAD = 1 << 18  # bytes that show the header and how lines are written; values are judged from all rows, not from these
MOST_TITLES = 60  # lines before the header
MOST_PARTS = 5  # lines that the header goes on over
QUOTES: Final = ('"', "'")
DELIMITERS: Final = (",", ";", "\t", "|")
RARE_DELIMITERS: Final = ("^", "~", "\x01", "\x1f")  # taken only where they divide the columns that are asked for
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
WORKBOOKS = (".xlsx", ".xlsm", ".ods")
ZIP, OLD_WORKBOOK = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"  # .zip, .xlsx and .ods; .xls
KINDS: Final = (  # how files begin that are neither text nor compressed, and what reads them
    (b"SQLite format 3\x00", "an SQLite database", "give {url: sqlite:///..., query: SELECT ...}"),
    (b"PAR1", "Parquet", "give the file a name that ends with .parquet"),
    (b"ORC", "ORC", "export it as Parquet or CSV"),
    (b"Obj\x01", "Avro", "export it as Parquet or CSV"),
    (b"ARROW1", "Arrow", "export it as Parquet or CSV"),
    (b"FEA1", "Feather", "export it as Parquet or CSV"),
    (b"\x89HDF", "HDF5", "export it as Parquet or CSV"),
    (b"%PDF", "PDF", "export it as CSV"),
)
COMPRESSED: Final = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
    b"\x04\x22\x4d\x18": "LZ4",
}
MARKS: Final = (  # byte order marks; the longer ones first
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
UTF8: Final = ("utf-8", "utf-8-sig")


@dataclass(frozen=True, slots=True)
class TextFile:
    """How one file is written. `skip` lines stand before the header, whose names are `columns`.

    `mixed` says that lines end in more than one way, that the name does not say how the file is compressed, or that
    zero bytes fill its end, as after a crash, so that it is rewritten before it is read.
    """

    path: str
    encoding: str
    delimiter: str
    quote: str
    escape: str
    skip: int
    columns: tuple[str, ...]
    mixed: bool = False

    def describe(self) -> str:
        """What was taken, where it is not what most files have; empty for plain CSV in UTF-8."""
        parts = []
        if self.encoding not in UTF8:
            parts.append(f"encoding {self.encoding}")
        if self.delimiter not in (",", "\t"):
            parts.append(f"delimiter {self.delimiter!r}")
        if self.quote != '"':
            parts.append(f"quote {self.quote!r}")
        if self.skip:
            parts.append(f"{self.skip} lines before the header")
        return ", ".join(parts)

    def alike(self) -> tuple[object, ...]:
        """What files must share to be read at once."""
        return (self.delimiter, self.quote, self.escape, self.skip, self.columns)

    def query(self, paths: Sequence[str]) -> str:
        """DuckDB's reader of files that are written like this one: every column as text, in the file's order."""
        names = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in self.columns)
        listed = ", ".join(map(literal, paths))
        return (
            f"read_csv([{listed}], auto_detect = false, header = true, skip = {self.skip}, delim = "
            f"{literal(self.delimiter)}, quote = {literal(self.quote)}, escape = {literal(self.escape)}, "
            f"columns = {{{names}}}, store_rejects = true, max_line_size = 16777216)"
        )


def detect(path: str, read: ReadSettings, wanted: Sequence[str]) -> TextFile:
    """How a file is written, from its first lines and the columns that it must have.

    The header is the first line that has the `wanted` columns. Raises `DataError` where the file is no text.
    """
    head = _head(path)
    _refuse_other_kinds(head, Path(path).name)
    encoding = read.encoding or _encoding(head, path)
    lines = _joined(_lines(_decoded(head, encoding, path).rstrip("\x00")))
    if not lines or not any(line.strip() for line in lines):
        return TextFile(path, encoding, ",", '"', '"', 0, ())
    skip, delimiter, _, columns = _header(lines, read, wanted)
    body = lines[skip + 1 :]
    quote = read.quote or max(QUOTES, key=lambda sign: _even(body, delimiter, sign, len(columns)))
    columns = _cells(lines[skip], delimiter, quote) if skip < len(lines) else columns
    columns = _with_last(columns, body, delimiter, quote)
    escape = "\\" if any(f"\\{quote}" in line for line in body) else quote
    mixed = (b"\r\n" in head and re.search(rb"[^\r]\n", head) is not None) or (b"\r" in head and b"\n" not in head)
    mixed = mixed or b"\r\r\n" in head or _is_packed(path) or (encoding in UTF8 and _ends_in_zeros(path))
    _refuse_twice([column for column in columns if column in wanted], Path(path).name)
    return TextFile(path, encoding, delimiter, quote, escape, skip, _unique(columns), mixed)


def likely_columns(path: str, read: ReadSettings) -> tuple[str, ...]:
    """The header of a file of which nobody has said a column: the first line as wide as most of the lines below it.

    Raises `DataError` where the file is no text.
    """
    head = _head(path)
    _refuse_other_kinds(head, Path(path).name)
    text = _decoded(head, read.encoding or _encoding(head, path), path)
    lines = [line for line in _joined(_lines(text)) if line.strip()]
    lines = lines[read.skip or 0 : MOST_TITLES]
    found: tuple[str, ...] = ()
    most = (1, 0)
    for delimiter in (read.delimiter,) if read.delimiter else DELIMITERS:
        rows = [_cells(line, delimiter, read.quote or '"') for line in lines]
        widths = Counter(map(len, rows))
        width, count = max(widths.items(), key=lambda one: (one[1] if one[0] > 1 else 0, one[0]), default=(0, 0))
        if width > 1 and (count, width) > most:
            most, found = (count, width), _first_header([row for row in rows if len(row) == width])
    return found or (_cells(lines[0], ",", '"') if lines else ())


def _first_header(rows: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The first row that is no title: titles are filled up with delimiters, and most of a header has names."""
    filled = [[place for place, cell in enumerate(row) if cell] for row in rows]
    named = (row for row, some in zip(rows, filled, strict=True) if some != [0] and 2 * len(some) > len(row) - 1)
    return next(named, rows[0])


def _refuse_other_kinds(head: bytes, name: str) -> None:
    """Refuse files that are no text of rows and columns, with what makes them one."""
    if head.startswith((ZIP, OLD_WORKBOOK)):
        raise DataError(f"{name}: expected CSV or Parquet, got a workbook; save its sheet as CSV (UTF-8)")
    packed = next((kind for magic, kind in COMPRESSED.items() if head.startswith(magic)), None)
    if packed is not None:
        raise DataError(f"{name}: expected CSV, plain or as .gz, .zst or .zip, got {packed}; unpack it")
    for magic, kind, remedy in KINDS:
        if head.startswith(magic):
            raise DataError(f"{name}: expected CSV, got {kind}; {remedy}")
    if head[8:12] == b"DUCK":
        raise DataError(f"{name}: expected CSV, got a DuckDB database; copy the table to Parquet with COPY ... TO")
    if re.match(rb"\s*<(!doctype|html|table|\?xml|body)", head.removeprefix(codecs.BOM_UTF8), re.IGNORECASE):
        raise DataError(f"{name}: expected CSV, got HTML or XML, as error pages are; open it, and export it again")
    if head.lstrip()[:2] in (b'{"', b"[{"):
        raise DataError(f"{name}: expected CSV, got JSON; give the file a name that ends with .jsonl or .json")


def _refuse_twice(columns: Sequence[str], name: str) -> None:
    """Refuse two columns of one name, of which nobody can say which is meant."""
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise DataError(f"{name}: expected each column once, got {', '.join(map(repr, twice))} twice; rename one")


def _lines(text: str) -> list[str]:
    """Lines as programs that write tables end them: other separators of lines are characters of a value."""
    return re.split(r"\r+\n|\r|\n", text)


def _joined(lines: list[str]) -> list[str]:
    """The first lines, where a quoted name of a column goes on over several of them: together, then empty ones."""
    for place in range(min(len(lines), MOST_TITLES)):
        for more in range(1, MOST_PARTS):
            if not re.search(r'(?:^|[,;\t|])"[^"]*$', lines[place]) or place + more >= len(lines):
                break
            together = f"{lines[place]}\n{lines[place + more]}"
            if together.count('"') % 2 == 0:
                lines[place], lines[place + 1 : place + more + 1] = together, [""] * more
            elif more < MOST_PARTS - 1:
                continue
            break
    return lines


def as_utf8(file: TextFile, folder: Path) -> str:
    """The path of a file that DuckDB can read: the file itself, or a copy in UTF-8 with plain line ends."""
    if file.encoding in UTF8 and not file.mixed:
        return file.path
    copy = folder / f"{len(list(folder.iterdir()))}-{Path(file.path).stem}.csv"  # DuckDB unpacks by the name
    errors = "replace" if file.encoding == "cp1252" else "strict"
    try:
        with (
            _opened(file.path) as raw,
            io.TextIOWrapper(raw, encoding=file.encoding, errors=errors) as text,
            copy.open("w", encoding="utf-8", newline="\n") as out,
        ):
            while part := text.read(1 << 20):
                out.write(part.replace("\x00", ""))
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, UnicodeError, LookupError) as error:
        raise DataError(f"{Path(file.path).name}: cannot be read as {file.encoding}: {one_line(error)}") from error
    return str(copy)


def in_cp1252(file: TextFile) -> TextFile:
    """The same file, whose later lines turned out to be no UTF-8."""
    return replace(file, encoding="cp1252")


def _opened(path: str) -> IO[bytes]:
    with Path(path).open("rb") as stream:
        magic = stream.read(4)
    if magic == ZIP:
        return _only_member(path)
    return gzip.open(path, "rb") if magic[:2] == GZIP else Path(path).open("rb")  # type: ignore[return-value]


def _only_member(path: str) -> IO[bytes]:
    """The file in an archive. Raises `DataError` where there are several; a workbook is opened as it is."""
    if path.endswith(WORKBOOKS):
        return Path(path).open("rb")
    archive = zipfile.ZipFile(path)
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
    if {"[Content_Types].xml", "mimetype"} & set(names):
        return Path(path).open("rb")
    if len(names) != 1:
        raise DataError(f"{Path(path).name}: expected an archive of one file, got {len(names)} files; unpack it")
    return archive.open(names[0])


def _is_packed(path: str) -> bool:
    """Whether a file is compressed, and DuckDB cannot tell by its name."""
    with Path(path).open("rb") as stream:
        magic = stream.read(4)
    return magic == ZIP or (magic[:2] == GZIP) != path.endswith(".gz")


def _ends_in_zeros(path: str) -> bool:
    with Path(path).open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(max(0, size - 1))
        return stream.read() == b"\x00"


def _head(path: str) -> bytes:
    name = Path(path).name
    try:
        with Path(path).open("rb") as stream:
            if stream.read(4) == ZSTD:
                return _zstd_head(path)
        with _opened(path) as stream:
            return stream.read(HEAD)
    except EOFError as error:
        raise DataError(f"{name}: expected a whole compressed file, got one that is cut off; copy it again") from error
    except (OSError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{name}: cannot be read as CSV: {one_line(error)}") from error


def _zstd_head(path: str) -> bytes:
    """The first lines of a file that only DuckDB can decompress."""
    query = (
        f"SELECT line FROM read_csv({literal(path)}, auto_detect = false, header = false, delim = chr(31), quote = '', "
        "escape = '', columns = {'line': 'VARCHAR'}, compression = 'zstd', ignore_errors = true) LIMIT 200"
    )
    with duckdb.connect() as database:
        try:
            return "\n".join(line or "" for (line,) in database.execute(query).fetchall()).encode()
        except duckdb.Error as error:
            raise DataError(f"{Path(path).name}: cannot be read as CSV: {one_line(error)}") from error


def _encoding(head: bytes, path: str) -> str:
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    head = head.rstrip(b"\x00")  # as a crash leaves at the end
    if not head:
        return "utf-8"
    even, odd = head[0:2000:2].count(0), head[1:2000:2].count(0)
    if max(even, odd) > len(head[:2000]) / 5:
        return "utf-16-le" if odd > even else "utf-16-be"
    if b"\x00" in head:
        raise DataError(
            f"{Path(path).name}: cannot be read as CSV: expected text, got zero bytes within it; "
            "give the file a name that says its kind, or export it again"
        )
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _decoded(head: bytes, encoding: str, path: str) -> str:
    try:
        errors = "replace" if encoding == "cp1252" else "strict"
        return codecs.getincrementaldecoder(encoding)(errors).decode(head)
    except (UnicodeError, LookupError) as error:
        raise ConfigError(f"sales.read.encoding: {Path(path).name} is not {encoding}: {one_line(error)}") from error


def _header(lines: Sequence[str], read: ReadSettings, wanted: Sequence[str]) -> tuple[int, str, str, tuple[str, ...]]:
    """Lines before the header, delimiter, quote, and the header's names."""
    separator = re.fullmatch(r'"?sep=(.)"?;?,?\s*', lines[0].lstrip("\ufeff"), re.IGNORECASE)
    start = 1 if separator else 0
    delimiters = (read.delimiter,) if read.delimiter else (separator[1],) if separator else DELIMITERS
    rare = () if read.delimiter or separator else RARE_DELIMITERS
    places = [read.skip] if read.skip is not None else range(start, min(len(lines), MOST_TITLES))
    quotes = (read.quote,) if read.quote else QUOTES
    best: tuple[int, int, int, str, str, tuple[str, ...]] | None = None
    for place in places:
        if place >= len(lines) or not lines[place].strip():
            continue
        for quote in quotes:
            for delimiter in (*delimiters, *rare):
                names = _cells(lines[place], delimiter, quote)
                found = len(set(wanted) & set(names))
                if delimiter in rare and found < len(set(wanted)):
                    continue
                rank = (found, -place if found else 0, len(names))
                if best is None or rank > best[:3]:
                    best = (*rank, delimiter, quote, names)
                    chosen = place
    if best is None:
        return start, delimiters[0], quotes[0], ()
    return chosen, best[3], best[4], best[5]


def _even(body: Sequence[str], delimiter: str, quote: str, width: int) -> int:
    """How many of the first rows have the width of the header if values stand in these quotes."""
    return sum(len(_cells(line, delimiter, quote)) == width for line in body[:100])


def _cells(line: str, delimiter: str, quote: str) -> tuple[str, ...]:
    try:
        cells = next(csv.reader([line.lstrip("\ufeff")], delimiter=delimiter, quotechar=quote), [])
    except csv.Error:
        return ()
    return tuple(cell.strip() for cell in cells)


def _with_last(columns: tuple[str, ...], body: Sequence[str], delimiter: str, quote: str) -> tuple[str, ...]:
    """One nameless column more where every line ends with a delimiter and the header does not."""
    rows = [_cells(line, delimiter, quote) for line in body[:20] if line.strip()]
    longer = bool(rows) and all(len(row) == len(columns) + 1 and not row[-1] for row in rows)
    return (*columns, "") if longer and columns else columns


def _unique(columns: Sequence[str]) -> tuple[str, ...]:
    """Names that DuckDB takes: none empty, none twice whatever its case."""
    names: list[str] = []
    for place, column in enumerate(columns):
        name = column or f"column{place}"
        known = {other.lower() for other in names}
        number = 1
        while name.lower() in known:
            name, number = f"{column or 'column'}_{number}", number + 1
        names.append(name)
    return tuple(names)
