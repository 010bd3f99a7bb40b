"""Usage of workloads per step: kept hours and new answers on a regular grid where a gap stays a gap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import isfinite
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, Strict, TypeAdapter, ValidationError

from capacity.model import DataError
from capacity.model.errors import require_aware
from capacity.model.settings.usage import USAGE, Measured, PrometheusSettings
from capacity.sources.prometheus.cache import COLUMNS, Cache, empty
from capacity.sources.prometheus.client import HOUR, Chunk, Prometheus, cell_seconds, cells, chunks
from capacity.sources.prometheus.queries import RESOURCES, Query, Wording

OWN = ""  # the name of the only series of a query of one's own
AWAY = 1.0  # seconds that a value's time may lie beside the times asked for: servers round

Key = tuple[str, str]
Labels = Mapping[str, str]
Samples = tuple[np.ndarray, np.ndarray]  # whole seconds since 1970; the value at each


class QueryError(DataError):
    """This question cannot be answered; others may be."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer: its labels, and its samples as they came, to be checked when they are read."""

    labels: Labels
    samples: Any

    def values(self, chunk: Chunk) -> Samples:
        """Seconds since 1970 (whole, ascending, within the chunk), and the value at each; NaN and infinity as they are.

        Raises `QuestionError` on samples that are no [seconds, "number"], out of order, repeated, or not asked for.
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
    """The envelope of an answer; None where it is no answer of this API."""
    try:
        return Document.model_validate_json(body)
    except ValidationError:
        return None


def read_matrix(data: Any, name: str) -> list[Series]:
    """The series of a range. Raises `QuestionError`, with the server's `name`, where there are none to read."""
    return [Series(item.metric, item.values) for item in _items(data, "matrix", name)]


def read_vector(data: Any, name: str) -> list[Value]:
    """The series at one moment that have a finite value. Raises `QuestionError` where one cannot be read."""
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
    """Rows of the series that are some workload's, and the reason of each workload that has none."""

    rows: pd.DataFrame = field(default_factory=empty)
    failures: dict[Key, DataError] = field(default_factory=dict)


def read_answer(question: Query, found: list[Series], chunk: Chunk) -> Answer:
    """The series of one answer, each value named by the start of its step.

    Two series of one workload, or one that cannot be read, are this workload's failure. Raises `QuestionError` on a
    series that is nobody's.
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
    """The series of each workload of a question that has one, indexed by the seconds since 1970 of its steps."""
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
    """All series below each other. NaN and infinity, which come of dividing by zero, are no measurement."""
    if not parts:
        return empty()
    start = np.concatenate([at for at, _ in parts.values()]) - chunk.step
    value = np.concatenate([value for _, value in parts.values()])
    name = np.repeat(np.array(list(parts), dtype=object), [len(at) for at, _ in parts.values()])
    size, sound = max(HOUR, chunk.step), np.isfinite(value)
    columns = (start // size * size, name, start, value)
    return pd.DataFrame({column: part[sound] for column, part in zip(COLUMNS, columns, strict=True)})


VALUES = 500_000  # values in one answer: some 12 MB of JSON


def read_usage(
    settings: PrometheusSettings, workload: Measured, begin: datetime, end: datetime, *, now: datetime
) -> pd.DataFrame:
    """Usage of one workload over [begin, end): regular UTC index; cpu (cores), memory (bytes), requests (per second),
    and replicas (ready ones) where the workload asks for them.

    A step without a measurement is NaN, never zero. `now` says which hours are past for certain, and may be kept.
    Raises `DataError` where Prometheus does not answer, and where it knows nothing of the workload.
    """
    found = read_usages(settings, [workload], begin, end, now=now)[workload.key]
    if isinstance(found, DataError):
        raise found
    return found


def read_usages(
    settings: PrometheusSettings, workloads: Iterable[Measured], begin: datetime, end: datetime, *, now: datetime
) -> dict[Key, pd.DataFrame | DataError]:
    """Usage of many workloads in few questions, each with its frame or with the reason why it has none.

    Raises `DataError` where Prometheus does not answer at all: then there is nothing to say about any of them.
    """
    workloads = list(workloads)
    request = Request(Prometheus(settings), begin, end, now)
    asked = list(Wording(settings, settings.step).questions(workloads))
    with ThreadPoolExecutor(settings.concurrency) as threads:
        answers = list(threads.map(request.answer, asked))
    parts: dict[Key, dict[str, pd.Series]] = {workload.key: {} for workload in workloads}
    failures: dict[Key, DataError] = {}
    for question, answer in zip(asked, answers, strict=True):
        failures.update(answer.failures)
        for key, series in shared_out(question, answer.rows).items():
            parts[key][question.resource] = series
    steps = request.steps()
    return {key: failures.get(key) or _frame(key, found, steps) for key, found in parts.items()}


@dataclass(frozen=True, slots=True)
class Request:
    """Which time is asked for, of whom, and what time it is now."""

    prometheus: Prometheus
    begin: datetime
    end: datetime
    now: datetime

    def __post_init__(self) -> None:
        for name in ("begin", "end", "now"):
            require_aware(name, getattr(self, name))
        if self.begin >= self.end:
            raise DataError(f"usage: expected begin before end, got {self.begin} and {self.end}")

    @property
    def step(self) -> timedelta:
        """What one value speaks for."""
        return self.prometheus.settings.step

    def steps(self) -> pd.DatetimeIndex:
        """The steps that lie in [begin, end) as a whole."""
        step = pd.Timedelta(self.step)
        first, last = (pd.Timestamp(at).tz_convert("UTC") for at in (self.begin, self.end))
        return pd.date_range(first.ceil(step), last.floor(step), freq=step, inclusive="left", unit="us")

    def answer(self, question: Query) -> Answer:
        """What the cache and the server say to a question. A refusal concerns its workloads alone."""
        seconds, size = int(self.step.total_seconds()), cell_seconds(self.step)
        cache = Cache.of(self.prometheus.settings, question.query, seconds)
        wanted = cells(self.begin, min(self.end, self.now), self.step)
        known = cache.read(wanted)
        parts, failures = [known], {}
        for chunk in self._missing(question, set(wanted) - set(known["cell"].unique().tolist())):
            try:
                found = read_answer(question, self.prometheus.query_range(question.query, chunk), chunk)
            except QueryError as error:
                return Answer(failures=dict.fromkeys(question.workloads, error))
            parts.append(found.rows)
            failures.update(found.failures)
            if not found.failures:  # else a workload's hours would be kept as absent
                settled = (self.now - self.prometheus.settings.settle).timestamp()
                cache.keep(found.rows[found.rows["cell"] + size <= settled])
        rows = pd.concat([part for part in parts if not part.empty] or [empty()], ignore_index=True)
        return Answer(rows, failures)

    def _missing(self, question: Query, missing: set[int]) -> Iterator[Chunk]:
        """What to ask for, in pieces; never beyond now, where Prometheus would repeat the last value it has."""
        seconds = int(self.step.total_seconds())
        of_hour = cell_seconds(self.step) // seconds
        most = min(self.prometheus.settings.max_points, max(of_hour, VALUES // len(question.workloads)))
        newest = int(self.now.timestamp()) // seconds * seconds  # the end of the last step that is over
        for chunk in chunks(missing, self.step, most):
            if chunk.start <= newest:
                yield replace(chunk, last=min(chunk.last, newest))


def _frame(key: Key, parts: dict[str, pd.Series], steps: pd.DatetimeIndex) -> pd.DataFrame | DataError:
    seconds = steps.as_unit("s").asi8
    known = {name: parts[name].reindex(seconds).to_numpy() for name in RESOURCES if name in parts}
    columns = dict.fromkeys(USAGE, np.nan) | known
    if steps.empty:
        return DataError(f"{'/'.join(key)}: expected at least one whole step of usage to ask for, got none")
    frame = pd.DataFrame(columns, index=steps, dtype=float)
    if frame.isna().to_numpy().all():
        return DataError(
            f"{'/'.join(key)}: expected usage in Prometheus between {steps[0]} and {steps[-1]}, got no value: "
            "check the name, metrics.kind, metrics.pods and prometheus.matchers"
        )
    return frame
