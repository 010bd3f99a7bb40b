"""Who may ask, and what a browser may do with the answers: an ASGI layer around every route."""

from __future__ import annotations

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from capacity.web.responses import problem_response
from capacity.web.state import WebSettings

COOKIE = "capacity_session"
OPEN = ("/login", "/healthz")  # without a token; static files hold nothing of anybody
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
READS = frozenset({"GET", "HEAD"})


def session_of(token: str) -> str:
    """What a browser's cookie holds in place of the token."""
    return hmac.new(token.encode(), b"capacity serve", hashlib.sha256).hexdigest()


class Guard:
    """Refuses strangers, other sites' requests and names that are not ours; adds the headers of every answer."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app, self._settings = app, settings
        self._session = None if settings.token is None else session_of(settings.token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refusal(scope)
        scope["root_path"] = self._settings.base_path  # whether the proxy took it from the path or not
        await (refused or self._app)(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers, path = Headers(scope=scope), self._path(scope)
        if path == "/healthz":
            return None
        if self._session is None and _host(headers) not in self._settings.hosts:
            return problem_response(
                421,
                "Another host",
                "Without a token this page answers only by this machine's own names; see --token-file.",
            )
        if scope["method"] not in READS and not _own_site(headers):
            return problem_response(403, "Another site", "A request that changes something must come from this page.")
        if self._session is None or path in OPEN or path.startswith("/static/") or self._known(headers):
            return None
        if path.startswith("/v1/") or path == "/openapi.json" or "text/html" not in headers.get("accept", ""):
            answer = problem_response(401, "A token is needed", "Send it as `Authorization: Bearer TOKEN`.")
            answer.headers["WWW-Authenticate"] = 'Bearer realm="capacity"'
            return answer
        return RedirectResponse(f"{self._settings.base_path}/login", 303)

    def _path(self, scope: Scope) -> str:
        path: str = scope["path"]
        return path.removeprefix(self._settings.base_path) or "/"

    def _known(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        token = self._settings.token or ""
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
            return True
        return hmac.compare_digest(_cookie(headers).encode(), (self._session or "").encode())


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _host(headers: Headers) -> str:
    host = headers.get("host", "")
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host


def _own_site(headers: Headers) -> bool:
    """Whether a browser says that the request comes from our own page; a program says nothing and may ask."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")
