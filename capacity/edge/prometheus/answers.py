"""An answer's series as rows (cell, series, seconds, value), and the workloads that it says nothing clear about."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from capacity.domain import DataError
from capacity.edge.prometheus.cache import COLUMNS, empty
from capacity.edge.prometheus.chunks import HOUR, Chunk
from capacity.edge.prometheus.client import QuestionError, Series
from capacity.edge.prometheus.queries import Question

OWN = ""  # the name of the only series of a query of one's own

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows of the series that are some workload's, and the reason of each workload that has none."""

    rows: pd.DataFrame = field(default_factory=empty)
    failures: dict[Key, DataError] = field(default_factory=dict)


def read_answer(question: Question, found: list[Series], chunk: Chunk) -> Answer:
    """The series of one answer, each value named by the start of its step.

    Two series of one workload are this workload's failure. Raises `QuestionError` on a series that is nobody's.
    """
    named = [(_series_name(question, series), series) for series in found]
    count = Counter(name for name, _ in named)
    single = [(name, series) for name, series in named if count[name] == 1]
    failures = {
        key: _several(key, question, [series for name, series in named if name == _name_in(question, key)])
        for key in question.workloads
        if count[_name_in(question, key)] > 1
    }
    return Answer(_long(single, chunk), failures)


def shared_out(question: Question, rows: pd.DataFrame) -> dict[Key, pd.Series]:
    """The series of each workload of a question that has one, indexed by the seconds since 1970 of its steps."""
    by_name = {str(name): part.set_index("seconds")["value"] for name, part in rows.groupby("series", sort=False)}
    names = {key: _name_in(question, key) for key in question.workloads}
    return {key: by_name[name] for key, name in names.items() if name in by_name}


def _name_in(question: Question, key: Key) -> str:
    return OWN if question.own else key[1]


def _series_name(question: Question, series: Series) -> str:
    if question.own:
        return OWN
    name = series.labels.get("workload")
    if name is None:
        raise QuestionError(
            f"{question.workloads[0][0]}: expected series of {question.resource} with the label workload, got "
            f"{dict(series.labels)}: are the rules of `capacity rules` loaded as they were printed?"
        )
    return name


def _several(key: Key, question: Question, series: list[Series]) -> DataError:
    shown = " and ".join(str(dict(one.labels)) for one in series[:2])
    return QuestionError(
        f"{'/'.join(key)}: expected one series of {question.resource}, got {len(series)}, such as {shown}: "
        "put sum(...) around the query, or set prometheus.matchers"
    )


def _long(named: list[tuple[str, Series]], chunk: Chunk) -> pd.DataFrame:
    """All series below each other. NaN and Inf, which come of dividing by zero, are no measurement."""
    if not named:
        return empty()
    samples = [sample for _, series in named for sample in series.samples]
    start = np.array([sample[0] for sample in samples], dtype=float).round().astype("int64") - chunk.step
    value = np.array([float(sample[1]) for sample in samples], dtype=float)
    name = np.repeat(np.array([name for name, _ in named], dtype=object), [len(one.samples) for _, one in named])
    size, sound = max(HOUR, chunk.step), np.isfinite(value)
    columns = (start // size * size, name, start, value)
    return pd.DataFrame({column: part[sound] for column, part in zip(COLUMNS, columns, strict=True)})
