"""Checks the answers of Prometheus, piece by piece, and turns them into rows of series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, Strict, TypeAdapter, ValidationError

from capacity.model import DataError
from capacity.sources.prometheus.cache import COLUMNS, empty
from capacity.sources.prometheus.queries import Query

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Chunk:
    """The range of one query: values at `start`, `start + step`, ..., `last` (seconds since 1970)."""

    start: int
    last: int
    step: int

    @property
    def points(self) -> int:
        """Values of each series."""
        return (self.last - self.start) // self.step + 1


def cell_seconds(step: timedelta) -> int:
    """The length of the smallest range that is kept or queried: an hour, or one step if steps are longer."""
    return max(HOUR, int(step.total_seconds()))


def cells(begin: datetime, end: datetime, step: timedelta) -> range:
    """The starts (seconds since 1970) of the cells that hold [begin, end).

    >>> from datetime import UTC
    >>> at = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
    >>> list(cells(at, at + timedelta(hours=1), timedelta(minutes=5))) == [1795514400, 1795518000]
    True
    """
    size = cell_seconds(step)
    first = int(begin.timestamp()) // size * size
    last = -(-int(end.timestamp()) // size) * size
    return range(first, last, size)


def chunks(wanted: Iterable[int], step: timedelta, max_points: int) -> Iterator[Chunk]:
    """The queries that fetch these cells: neighbours together, each with at most `max_points` points.

    >>> list(chunks([0, 3600, 10800], timedelta(minutes=30), max_points=100))
    [Chunk(start=1800, last=7200, step=1800), Chunk(start=12600, last=14400, step=1800)]
    """
    seconds, size = int(step.total_seconds()), cell_seconds(step)
    most = max(1, max_points * seconds // size)  # cells in one question
    run: list[int] = []
    for cell in sorted(wanted):
        if run and (cell != run[-1] + size or len(run) == most):
            yield Chunk(run[0] + seconds, run[-1] + size, seconds)
            run = []
        run.append(cell)
    if run:
        yield Chunk(run[0] + seconds, run[-1] + size, seconds)


OWN = ""  # the name of the only series of a query of one's own
AWAY = 1.0  # seconds that a value's time may lie beside the times asked for: servers round

Key = tuple[str, str]
Labels = Mapping[str, str]
Samples = tuple[np.ndarray, np.ndarray]  # whole seconds since 1970; the value at each


class QueryError(DataError):
    """This query cannot be answered; others may be."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer: its labels, and its samples as they came, to be checked when they are read."""

    labels: Labels
    samples: Any

    def values(self, chunk: Chunk) -> Samples:
        """Seconds since 1970 (whole, ascending, within the chunk), and the value at each; NaN and infinity as they are.

        Raises `QueryError` on samples that are not [seconds, "number"], out of order, repeated, or out of range.
        """
        try:
            samples = SAMPLES.validate_python(self.samples)
            value = np.array([text for _, text in samples], dtype=float)
        except (ValidationError, ValueError):
            raise QueryError('expected its samples as [seconds, "number"] (no histograms), got others') from None
        at = np.array([seconds for seconds, _ in samples], dtype=float)
        if not bool((np.isfinite(at) & (at >= chunk.start - AWAY) & (at <= chunk.last + AWAY)).all()):
            raise QueryError(f"expected its samples from {chunk.start} to {chunk.last}, got others")
        at = at.round().astype("int64")
        if bool((np.diff(at) <= 0).any()):
            raise QueryError("expected its samples in the order of time, each time once, got others")
        return at, value


@dataclass(frozen=True, slots=True)
class Value:
    """One series of an answer at one moment: its labels and its value."""

    labels: Labels
    value: float


class Document(BaseModel):
    """The envelope of every answer of the API."""

    status: str
    data: Any = None
    errorType: Any = None  # noqa: N815 - as the API spells it
    error: Any = None
    warnings: Any = None

    @property
    def warned(self) -> str:
        """The warnings as one text."""
        return "; ".join(map(str, self.warnings)) if isinstance(self.warnings, list) else str(self.warnings)


class _Result(BaseModel):
    resultType: str  # noqa: N815 - as the API spells it
    result: Any = None


class _Item(BaseModel):
    metric: dict[str, str]
    value: Any = None
    values: Any = None


_Sample = tuple[Annotated[float, Strict()], Annotated[str, Strict()]]
SAMPLE: TypeAdapter[tuple[float, str]] = TypeAdapter(_Sample)
SAMPLES: TypeAdapter[list[tuple[float, str]]] = TypeAdapter(list[_Sample])
ITEMS: TypeAdapter[list[_Item]] = TypeAdapter(list[_Item])


def read_document(body: bytes) -> Document | None:
    """The envelope of an answer; None if it is not an answer of this API."""
    try:
        return Document.model_validate_json(body)
    except ValidationError:
        return None


def read_matrix(data: Any, name: str) -> list[Series]:
    """The series of a range. Raises `QueryError`, with the server's `name`, if they cannot be read."""
    return [Series(item.metric, item.values) for item in _items(data, "matrix", name)]


def read_vector(data: Any, name: str) -> list[Value]:
    """The series at one moment that have a finite value. Raises `QueryError` if one cannot be read."""
    try:
        found = [
            Value(item.metric, float(SAMPLE.validate_python(item.value)[1])) for item in _items(data, "vector", name)
        ]
    except ValueError as error:
        raise QueryError(f"{name}: expected series with metric and value, got others") from error
    return [one for one in found if isfinite(one.value)]


def _items(data: Any, kind: str, name: str) -> list[_Item]:
    try:
        result = _Result.model_validate(data)
    except ValidationError:
        raise QueryError(f"{name}: expected a {kind}, got an answer without one") from None
    if result.resultType != kind:
        raise QueryError(f"{name}: expected a {kind}, got {result.resultType[:20]!r}")
    try:
        return ITEMS.validate_python(result.result)
    except ValidationError:
        raise QueryError(f"{name}: expected series with metric and values (no histograms), got others") from None


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of the workloads' series, and the reason for each workload without one."""

    rows: pd.DataFrame = field(default_factory=empty)
    failures: dict[Key, DataError] = field(default_factory=dict)


def read_answer(question: Query, found: list[Series], chunk: Chunk) -> Answer:
    """The series of one answer, each value named by the start of its step.

    Two series of one workload, or one that cannot be read, fail only this workload. Raises `QueryError` on a series
    that belongs to no workload.
    """
    by_name: dict[str, list[Series]] = {}
    for series in found:
        by_name.setdefault(_series_name(question, series), []).append(series)
    failures, parts = dict[Key, DataError](), dict[str, Samples]()
    for name, own in by_name.items():
        try:
            parts[name] = _only(question, own).values(chunk)
        except QueryError as error:
            keys = [key for key in question.workloads if _name_in(question, key) == name]
            failures |= {key: QueryError(f"{'/'.join(key)}: {error}") for key in keys}
    return Answer(_long(parts, chunk), failures)


def shared_out(question: Query, rows: pd.DataFrame) -> dict[Key, pd.Series]:
    """The series of each workload in the query that has one, indexed by the steps in seconds since 1970."""
    by_name = {str(name): part.set_index("seconds")["value"] for name, part in rows.groupby("series", sort=False)}
    names = {key: _name_in(question, key) for key in question.workloads}
    return {key: by_name[name] for key, name in names.items() if name in by_name}


def _name_in(question: Query, key: Key) -> str:
    return OWN if question.own else key[1]


def _series_name(question: Query, series: Series) -> str:
    if question.own:
        return OWN
    name = series.labels.get("workload")
    if name is None:
        raise QueryError(
            f"{question.workloads[0][0]}: expected series of {question.resource} with the label workload, got "
            f"{dict(series.labels)}: are the rules of `capacity rules` loaded as they were printed?"
        )
    return name


def _only(question: Query, own: list[Series]) -> Series:
    if len(own) > 1:
        shown = " and ".join(str(dict(one.labels)) for one in own[:2])
        raise QueryError(
            f"expected one series of {question.resource}, got {len(own)}, such as {shown}: "
            "put sum(...) around the query, or set prometheus.matchers"
        )
    return own[0]


def _long(parts: Mapping[str, Samples], chunk: Chunk) -> pd.DataFrame:
    """All series in long form. NaN and infinity, the results of dividing by zero, are not measurements."""
    if not parts:
        return empty()
    start = np.concatenate([at for at, _ in parts.values()]) - chunk.step
    value = np.concatenate([value for _, value in parts.values()])
    name = np.repeat(np.array(list(parts), dtype=object), [len(at) for at, _ in parts.values()])
    size, sound = max(HOUR, chunk.step), np.isfinite(value)
    columns = (start // size * size, name, start, value)
    return pd.DataFrame({column: part[sound] for column, part in zip(COLUMNS, columns, strict=True)})
