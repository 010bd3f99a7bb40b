"""Usage of workloads per step: kept hours and new answers, put together on a regular grid where a gap stays a gap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from capacity.logs import run_threads
from capacity.model import DataError
from capacity.model.errors import require_aware
from capacity.model.settings.usage import USAGE, Measured, PrometheusSettings
from capacity.sources.prometheus.answers import (
    Answer,
    Chunk,
    Key,
    QueryError,
    cell_seconds,
    cells,
    chunks,
    read_answer,
    shared_out,
)
from capacity.sources.prometheus.cache import Cache, empty
from capacity.sources.prometheus.client import Prometheus
from capacity.sources.prometheus.queries import RESOURCES, Query, Wording

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
    with run_threads(settings.concurrency, "query") as threads:
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
