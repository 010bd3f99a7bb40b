"""Serves the health of the controller's loop to the kubelet and its metrics to Prometheus, from a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from capacity.model import ConfigError
from capacity.monitoring.export import Exposition


class Health:
    """`/healthz`: passes end in time; `/readyz`: one has ended; `/metrics`. `serve` answers on every interface."""

    def __init__(self, clock: Callable[[], float], patience: float, exposition: Exposition) -> None:
        self._clock, self._patience = clock, patience  # seconds without the end of a pass that are still healthy
        self._exposition = exposition
        self._ended: float | None = None
        self._began = clock()

    def beat(self) -> None:
        """A pass has ended, well or badly: the loop lives."""
        self._ended = self._clock()

    def answer(self, path: str) -> tuple[int, str]:
        """Status and text for a path."""
        if path == "/metrics":
            return 200, self._exposition.text()
        if path not in ("/healthz", "/readyz"):
            return 404, "expected /healthz, /readyz or /metrics"
        if path == "/readyz" and self._ended is None:
            return 503, "no pass has ended yet"
        since = self._clock() - (self._began if self._ended is None else self._ended)
        return (200, "ok") if since <= self._patience else (503, f"no pass has ended for {since:.0f} s")

    def serve(self, port: int) -> ThreadingHTTPServer:
        """Answer from now on; call `shutdown` on what is returned to end it. Raises `ConfigError` on a taken port."""
        health = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 5.0  # a client that says nothing must not keep a thread

            def do_GET(self) -> None:  # http.server calls it so
                status, text = health.answer(self.path)
                self.send_response(status)
                body = text.encode()
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")  # as Prometheus 3 asks
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
                del format, args

        try:
            server = ThreadingHTTPServer(("", port), Handler)
        except OSError as error:
            raise ConfigError(f"--health-port {port}: cannot be listened on: {error}") from error
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
        return server
