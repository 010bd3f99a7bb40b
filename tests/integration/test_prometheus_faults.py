"""Prometheus as it is on a bad day, over TLS: tokens, tenants, certificates, and every kind of answer that is none."""

from __future__ import annotations

import gzip
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from time import sleep
from typing import Any, ClassVar
from urllib.parse import parse_qs

import numpy as np
import pytest
import trustme

from capacity.model import ConfigError, DataError
from capacity.model.settings import Measured, PrometheusSettings
from capacity.sources.prometheus import Prometheus, read_usages
from capacity.sources.prometheus.answers import Chunk, QueryError
from capacity.sources.prometheus.client import LONGEST_WAIT
from capacity.sources.prometheus.usage import read_usage

HOUR = Chunk(3600, 7200, 300)
BEGIN = datetime(2026, 11, 2, tzinfo=UTC)


@dataclass
class Answer:
    """What the server says next: a status, headers, a body, how long it thinks, and whether it comes."""

    status: int = 200
    body: bytes = b'{"status": "success", "data": {"resultType": "matrix", "result": []}}'
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    comes: bool = True  # else the server thinks until it is stopped


def problem(status: int, kind: str, words: str, **headers: str) -> Answer:
    body = json.dumps({"status": "error", "errorType": kind, "error": words}).encode()
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Double:
    """A server on TLS: gives the queued answers in turn, the last one for ever, and notes what it was asked."""

    url: str = ""
    ca_file: str = ""
    answers: list[Answer] = field(default_factory=lambda: [Answer()])
    asked: list[tuple[dict[str, str], dict[str, str]]] = field(default_factory=list)
    chosen: Callable[[dict[str, str]], Answer] | None = None  # the answer to a form, where that is what counts
    busy: int = 0
    most_busy: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(folder: Path) -> Iterator[Double]:
    double, lock = Double(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version: ClassVar[str] = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
            with lock:
                double.asked.append(({name.lower(): value for name, value in self.headers.items()}, form))
                answer = double.answers.pop(0) if len(double.answers) > 1 else double.answers[0]
                answer = answer if double.chosen is None else double.chosen(form)
                double.busy += 1
                double.most_busy = max(double.most_busy, double.busy)
            sleep(answer.delay)
            if not answer.comes:
                double.stopping.wait()
            try:
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                if "Transfer-Encoding" not in answer.headers:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
                self.close_connection = "Transfer-Encoding" in answer.headers  # the body breaks off
            except OSError:
                self.close_connection = True  # the client hung up, as it should
            finally:
                with lock:
                    double.busy -= 1

        def log_message(self, *values: Any) -> None:
            pass

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    double.url = f"https://127.0.0.1:{server.server_port}/prefix"
    double.ca_file = str(folder / "ca.pem")
    authority.cert_pem.write_to_path(double.ca_file)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield double
    finally:
        double.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def double(tmp_path: Path) -> Iterator[Double]:
    with serving(tmp_path) as running:
        yield running


def client(double: Double, waits: list[float] | None = None, **more: Any) -> Prometheus:
    chosen = {"url": double.url, "ca_file": double.ca_file, "timeout": "10m", **more}
    return Prometheus(PrometheusSettings.model_validate(chosen), (waits if waits is not None else []).append)


def test_who_asks_and_for_whom_is_said_in_headers(double: Double, tmp_path: Path) -> None:
    token, key = tmp_path / "token", tmp_path / "key"
    token.write_text("first\n", encoding="utf-8")
    key.write_text("k", encoding="utf-8")
    asking = client(double, token_file=str(token), tenant="shop", header_files={"X-Api-Key": str(key)})
    asking.query_range("up", HOUR)
    token.write_text("second\n", encoding="utf-8")
    asking.query_range("up", HOUR)
    (first, form), (second, _) = double.asked
    assert (first["authorization"], second["authorization"]) == ("Bearer first", "Bearer second"), "it is read again"
    assert (first["x-scope-orgid"], first["x-api-key"]) == ("shop", "k")
    assert form == {
        "query": "up",
        "start": "3600",
        "end": "7200",
        "step": "300",
        "timeout": "600s",
        "partial_response": "false",
    }


@pytest.mark.parametrize(
    ("faults", "waited"),
    [
        pytest.param([Answer(429, b"slow down", {"Retry-After": "7"})], [7.0], id="429 with Retry-After"),
        pytest.param([Answer(503, b"", {"Retry-After": "86400"})], [LONGEST_WAIT], id="a day is too long to wait"),
        pytest.param([problem(503, "timeout", "query timed out")] * 3, [0.5, 1.0, 2.0], id="503 three times"),
        pytest.param([Answer(502, b"<html>")], [0.5], id="a proxy without a server"),
        pytest.param([Answer(429, b"", {"Retry-After": "soon"})], [0.5], id="Retry-After that is no time"),
    ],
)
def test_what_may_pass_is_waited_for(double: Double, faults: list[Answer], waited: list[float]) -> None:
    double.answers, waits = [*faults, Answer()], []
    assert client(double, waits).query_range("up", HOUR) == []
    assert waits == waited


MATRIX = {"status": "success", "data": {"resultType": "matrix", "result": []}}
BAD: dict[str, tuple[Answer, str]] = {
    "503 for ever": (problem(503, "timeout", "query timed out in evaluation"), "503 timeout: query timed out"),
    "429 for ever": (Answer(429, b"Too many requests"), "429: expected Prometheus' JSON, got .*: Too many"),
    "400": (problem(400, "bad_data", "invalid parameter \"query\""), '400 bad_data: invalid parameter "query"'),
    "422": (problem(422, "execution", "query would load too many samples"), "422 execution: query would"),
    "401": (Answer(401, b"no token"), "401: the token, the headers or the tenant are refused: no token"),
    "a wrong tenant": (Answer(403, b"tenant shop not allowed"), "403: .* refused: tenant shop not allowed"),
    "404 of Mimir": (Answer(404, b"404 page not found"), "404: expected Prometheus' JSON, got .*: 404 page not found"),
    "a login page": (Answer(200, b"<html>log in", {"Content-Type": "text/html"}), "200: .* JSON, got text/html"),
    "a redirect": (Answer(302, b"", {"Location": "https://me:pw@sso/"}), r"302: moved to https://sso/: give"),
    "a scalar": (Answer(body=b'{"status":"success","data":{"resultType":"scalar"}}'), "a matrix, got .scalar."),
    "a partial answer": (Answer(body=json.dumps({**MATRIX, "warnings": ["store eu is down"]}).encode()),
                         "expected a whole answer, got one with a warning: store eu is down"),
    "cut JSON": (Answer(body=b'{"status": "succ'), "200: expected Prometheus' JSON"),
    "a large answer": (Answer(body=b" " * 300_000), r"at most 100000 bytes \(prometheus.max_answer\), got more"),
    "a bomb of gzip": (Answer(body=gzip.compress(b" " * 10_000_000), headers={"Content-Encoding": "gzip"}),
                       "expected at most 100000 bytes"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "words"), BAD.values(), ids=BAD)
def test_an_answer_that_is_none_is_one_line(double: Double, answer: Answer, words: str) -> None:
    double.answers = [answer]
    with pytest.raises(DataError, match=words) as caught:
        client(double, max_answer=100_000, retries=1).query_range("up", HOUR)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("Prometheus at https://127.0.0.1:")


def test_an_answer_that_never_comes_is_not_waited_for(double: Double) -> None:
    double.answers = [Answer(comes=False)]
    with pytest.raises(DataError, match=r"no answer: .*timed out"):
        client(double, timeout="1s", retries=1).query_range("up", HOUR)


def test_an_answer_in_drops_is_not_waited_for(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eleven minutes pass between any two pieces, by the client's clock."""
    clock = count(0.0, 660.0)
    monkeypatch.setattr("capacity.http.monotonic", lambda: next(clock))
    with pytest.raises(DataError, match="no answer: timed out after 0:10:00"):
        client(double, retries=1).query_range("up", HOUR)


def test_nobody_there(double: Double) -> None:
    with pytest.raises(DataError, match=r"no answer: .*refused"):
        client(double, url="https://127.0.0.1:1", retries=0).query_range("up", HOUR)


def test_a_certificate_of_another_authority_is_refused_at_once(double: Double, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    waits: list[float] = []
    with pytest.raises(DataError, match=r"its certificate is refused: .*certificate verify failed.*; see ca_file"):
        client(double, waits, ca_file=str(other)).query_range("up", HOUR)
    assert waits == []


@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param({"token_file": "none"}, "prometheus.token_file: none cannot be read", id="no token"),
        pytest.param(
            {"token_file": "empty"}, "prometheus.token_file: expected one line in empty, got none", id="empty"
        ),
        pytest.param(
            {"header_files": {"X-Key": "two"}}, "prometheus.header_files.X-Key: .* got several", id="two lines"
        ),
        pytest.param({"ca_file": "empty"}, "prometheus.ca_file: empty cannot be read as certificates", id="no CA"),
    ],
)
def test_files_that_hold_no_secret(double: Double, files: dict[str, Any], words: str) -> None:
    Path("empty").write_text("\n", encoding="utf-8")
    Path("two").write_text("a\nb\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        client(double, **files).query_range("up", HOUR)


def matrix(*series: tuple[dict[str, str], list[list[Any]]]) -> Answer:
    result = [{"metric": labels, "values": values} for labels, values in series]
    return Answer(body=json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode())


def usage_of(double: Double, **more: Any) -> Any:
    chosen = PrometheusSettings.model_validate({"url": double.url, "ca_file": double.ca_file, "retries": 0, **more})
    end = BEGIN + timedelta(hours=1)
    return read_usages(chosen, [Measured("shop", "web"), Measured("shop", "api")], BEGIN, end, now=end)


AT = BEGIN.timestamp() + 300


def test_series_of_other_labels_are_nobodys(double: Double) -> None:
    double.answers = [matrix(({"pod": "web-1"}, [[AT, "1"]]))]
    for failure in usage_of(double).values():
        assert "with the label workload, got {'pod': 'web-1'}: are the rules" in str(failure)


def test_two_series_of_a_workload_are_its_failure_alone_and_are_not_kept(double: Double, tmp_path: Path) -> None:
    two = [({"workload": "web", "replica": one}, [[AT, "1"]]) for one in "ab"]
    double.answers = [matrix(*two, ({"workload": "api"}, [[AT, "2"]]))]
    found = usage_of(double, cache=str(tmp_path / "kept"))
    assert re.search("shop/web: expected one series of .*, got 2, such as .*'a'.* and .*'b'", str(found["shop", "web"]))
    assert found["shop", "api"]["cpu"].iloc[0] == 2.0
    assert not (tmp_path / "kept").exists()


def test_neither_nan_nor_infinity_is_a_measurement(double: Double) -> None:
    values = [[AT, "NaN"], [AT + 300, "+Inf"], [AT + 600, "0"], [AT + 900, "1.5e0"]]
    double.answers = [matrix(({"workload": "web"}, values))]
    found = usage_of(double)
    np.testing.assert_array_equal(found["shop", "web"]["cpu"].iloc[:5], [np.nan, np.nan, 0.0, 1.5, np.nan])
    assert isinstance(found["shop", "api"], DataError)


def sample(values: Any, **more: Any) -> dict[str, Any]:
    return {"metric": {"workload": "web"}, "values": values, **more}


ONE_SERIES: dict[str, dict[str, Any]] = {
    "times that go back": sample([[AT + 300, "1"], [AT, "2"]]),
    "a time twice": sample([[AT, "1"], [AT, "2"]]),
    "a time of another day": sample([[AT + 864000, "1"]]),
    "a time beyond all": sample([[1e300, "1"]]),
    "a time as text": sample([[str(AT), "1"]]),
    "no time": sample([[None, "1"]]),
    "a value that is no number": sample([[AT, "many"]]),
    "a value that is no text": sample([[AT, 1.5]]),
    "no value": sample([[AT, None]]),
    "a sample of three": sample([[AT, "1", "2"]]),
    "samples that are no list": sample({"0": 1}),
    "no samples": {"metric": {"workload": "web"}},
    "a histogram": {"metric": {"workload": "web"}, "histograms": [[AT, {"count": "1"}]]},
}
GOOD = {"metric": {"workload": "api"}, "values": [[AT, "2"]]}


@pytest.mark.parametrize("series", ONE_SERIES.values(), ids=ONE_SERIES)
def test_a_series_that_cannot_be_read_is_its_workloads_failure_alone(
    double: Double, tmp_path: Path, series: dict[str, Any]
) -> None:
    data = {"resultType": "matrix", "result": [series, GOOD]}
    double.answers = [Answer(body=json.dumps({"status": "success", "data": data}).encode())]
    found = usage_of(double, cache=str(tmp_path / "kept"))
    assert re.match("shop/web: expected its samples ", str(found["shop", "web"]))
    assert found["shop", "api"]["cpu"].iloc[0] == 2.0
    assert not (tmp_path / "kept").exists(), "hours of a question that is answered in part are asked for again"


def success(**more: Any) -> bytes:
    return json.dumps({"status": "success", **more}).encode()


def result(items: Any) -> bytes:
    return success(data={"resultType": "matrix", "result": items})


WHOLE_ANSWER: dict[str, Answer] = {
    "no JSON": Answer(body=b"upstream connect error"),
    "an empty body": Answer(body=b""),
    "a page": Answer(body=b"<html>log in", headers={"Content-Type": "text/html"}),
    "JSON cut short": Answer(body=result([GOOD])[:-9]),
    "JSON without a bottom": Answer(body=b"[" * 50_000),
    "a list": Answer(body=b"[]"),
    "a status that is no text": Answer(body=b'{"status": 1, "data": {}}'),
    "success without data": Answer(body=success()),
    "data that is a list": Answer(body=success(data=[1, 2])),
    "data without a type": Answer(body=success(data={"result": []})),
    "a result that is no list": Answer(body=result({"web": 1})),
    "a result of nothing": Answer(body=result(None)),
    "series that are numbers": Answer(body=result([1, 2])),
    "labels that are no text": Answer(body=result([{"metric": {"workload": 7}, "values": []}])),
    "labels that are a list": Answer(body=result([{"metric": ["web"], "values": []}])),
    "an error with 200": Answer(body=b'{"status": "error", "error": ["a", 1], "errorType": null}'),
    "a body that breaks off": Answer(body=result([GOOD]), headers={"Transfer-Encoding": "chunked"}),
    "gzip that is none": Answer(body=result([GOOD]), headers={"Content-Encoding": "gzip"}),
    "a bomb of gzip": Answer(body=gzip.compress(b" " * 10_000_000), headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("answer", WHOLE_ANSWER.values(), ids=WHOLE_ANSWER)
def test_an_answer_that_cannot_be_read_is_its_questions_failure_alone(double: Double, answer: Answer) -> None:
    """The question for the namespace shop is answered badly, that for pay well: each keeps its own."""
    good = matrix(({"workload": "card"}, [[AT, "3"]]))
    double.chosen = lambda form: answer if 'namespace="shop"' in form["query"] else good
    settings = {"url": double.url, "ca_file": double.ca_file, "retries": 0, "max_answer": "100000"}
    end = BEGIN + timedelta(hours=1)
    asked = [Measured("shop", "web"), Measured("pay", "card")]
    found = read_usages(PrometheusSettings.model_validate(settings), asked, BEGIN, end, now=end)
    assert isinstance(found["shop", "web"], DataError)
    assert str(found["shop", "web"]).startswith("Prometheus at https://127.0.0.1:")
    assert found["pay", "card"]["cpu"].iloc[0] == 3.0


VECTORS: dict[str, Any] = {
    "no value": {"metric": {}},
    "a value that is no list": {"metric": {}, "value": 7},
    "a value that is no text": {"metric": {}, "value": [AT, 7]},
    "a value that is no number": {"metric": {}, "value": [AT, "x"]},
    "labels that are none": {"metric": None, "value": [AT, "7"]},
}


@pytest.mark.parametrize("item", VECTORS.values(), ids=VECTORS)
def test_a_value_that_cannot_be_read_is_one_line(double: Double, item: Any) -> None:
    data = {"resultType": "vector", "result": [item]}
    double.answers = [Answer(body=json.dumps({"status": "success", "data": data}).encode())]
    with pytest.raises(QueryError, match="expected series with metric and value"):
        client(double).query("up", BEGIN)


def test_an_outage_is_everybodys(double: Double) -> None:
    double.answers = [Answer(503)]
    with pytest.raises(DataError, match="503 error: "):
        usage_of(double)


def test_no_more_questions_at_a_time_than_agreed(double: Double) -> None:
    double.answers = [Answer(delay=0.05)]
    chosen = PrometheusSettings(url=double.url, ca_file=double.ca_file, concurrency=3)
    workloads = [Measured(f"n{number}", "web") for number in range(10)]
    read_usages(chosen, workloads, BEGIN, BEGIN + timedelta(hours=1), now=BEGIN + timedelta(hours=1))
    assert len(double.asked) == 20
    assert double.most_busy <= 3


def test_time_without_a_zone_or_backwards_is_refused(double: Double) -> None:
    chosen = PrometheusSettings(url=double.url, ca_file=double.ca_file)
    web = Measured("shop", "web")
    with pytest.raises(DataError, match="begin must carry a time zone"):
        read_usage(chosen, web, BEGIN.replace(tzinfo=None), BEGIN, now=BEGIN)
    with pytest.raises(DataError, match="expected begin before end"):
        read_usage(chosen, web, BEGIN, BEGIN, now=BEGIN)
