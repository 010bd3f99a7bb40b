"""Questions to Prometheus' HTTP API, and every way in which one can fail said in one line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urlencode

from capacity.http import Answer, Bounds, HttpClient, HttpError, Request, Server, shown_url
from capacity.model import DataError
from capacity.model.settings.usage import PrometheusSettings
from capacity.sources.prometheus.answers import (
    Chunk,
    QueryError,
    Series,
    Value,
    read_document,
    read_matrix,
    read_vector,
)

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0  # seconds between tries: doubled each time; a Retry-After beyond it is cut
WRONG = (400, 422)  # statuses that say that the question is wrong, not the server
FORM = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}


class Prometheus:
    """A server that answers Prometheus' HTTP API. `wait` is how time passes between tries."""

    def __init__(self, settings: PrometheusSettings, wait: Callable[[float], None] = sleep) -> None:
        self.settings = settings
        self._client = HttpClient(_server(settings), _bounds(settings), wait)

    def query_range(self, query: str, chunk: Chunk) -> list[Series]:
        """The series of a query at every step of a chunk. Raises `DataError` with Prometheus' own words."""
        times = {"start": repr(chunk.start), "end": repr(chunk.last), "step": repr(chunk.step)}
        return read_matrix(self._ask("/api/v1/query_range", query, times), self._name)

    def query(self, query: str, at: datetime) -> list[Value]:
        """The series of a query at one moment; one without a finite value is no answer. Raises `DataError`."""
        return read_vector(self._ask("/api/v1/query", query, {"time": repr(at.timestamp())}), self._name)

    @property
    def _name(self) -> str:
        return self._client.server.name

    def _ask(self, path: str, query: str, times: dict[str, str]) -> Any:
        """The data of the answer. A question goes by POST, as it may be longer than an address."""
        fields = {
            "query": query,
            **times,
            "timeout": f"{self.settings.timeout.total_seconds():g}s",
            "partial_response": "false",  # Thanos: half of the series is no answer; the others ignore it
        }
        try:
            answer = self._client.send(Request("POST", path, urlencode(fields).encode(), FORM, repeatable=True))
        except HttpError as error:
            raise self._failure(error) from error
        return self._data(answer)

    def _failure(self, error: HttpError) -> DataError:
        """An answer that is too much, too slow or broken is its question's failure; no answer is everybody's."""
        return QueryError(str(error)) if error.fault in ("large", "late", "interrupted", "malformed") else error

    def _data(self, answer: Answer) -> Any:
        """The answer's data, or an error with the server's own words."""
        document = read_document(answer.body)
        if document is None:
            failure = QueryError if answer.status == 200 else DataError
            raise failure(f"{self._name}: {self._refusal(answer)}")
        if document.status != "success" or answer.status != 200:
            failure = QueryError if answer.status in (200, *WRONG) else DataError
            words = self._client.words(str(document.error or "").encode(), 300)
            raise failure(f"{self._name}: {answer.status} {document.errorType or 'error'}: {words}")
        if document.warnings:
            words = self._client.words(document.warned.encode(), 300)
            raise DataError(f"{self._name}: expected a whole answer, got one with a warning: {words}")
        return document.data

    def _refusal(self, answer: Answer) -> str:
        words, status = self._client.words(answer.body), answer.status
        if status in (401, 403):
            return f"{status}: the token, the headers or the tenant are refused: {words or 'no reason given'}"
        if 300 <= status < 400:
            where = shown_url(answer.headers.get("location", "nowhere"))
            return f"{status}: moved to {where}: give that as prometheus.url"
        kind = self._client.words(answer.headers.get("content-type", "no type").encode())
        return f"{status}: expected Prometheus' JSON, got {kind}: {words or 'nothing'}"


def _server(settings: PrometheusSettings) -> Server:
    return Server(
        settings.url,
        token_file=_path(settings.token_file),
        ca_file=_path(settings.ca_file),
        headers={} if settings.tenant is None else {"X-Scope-OrgID": settings.tenant},
        header_files={name: Path(file) for name, file in settings.header_files.items()},
        key="prometheus",
        label="Prometheus",
    )


def _bounds(settings: PrometheusSettings) -> Bounds:
    return Bounds(
        deadline=settings.timeout,
        largest=int(settings.max_answer),
        retries=settings.retries,
        first_wait=FIRST_WAIT,
        longest_wait=LONGEST_WAIT,
        connections=settings.concurrency,
        largest_setting="prometheus.max_answer",
    )


def _path(file: str | None) -> Path | None:
    return None if file is None else Path(file)
