"""The application: routes, errors and the layer around them put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.resources import files

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from capacity.app.serve import LiveData
from capacity.logs import LOGGER
from capacity.model import CapacityError
from capacity.model.errors import hide_secrets
from capacity.version import VERSION
from capacity.web import api, pages
from capacity.web.guard import Guard
from capacity.web.responses import Problem, problem_response
from capacity.web.state import State, WebSettings, state_of

AT_ONCE = 4  # answers computed side by side: they take turns on the interpreter, and each thread's memory stays with it
ABOUT = "Forecasts, plans and explanations of each workload. Every answer has an ETag; errors are RFC 9457 problems."


def create_app(live: LiveData, now: Callable[[], datetime], settings: WebSettings | None = None) -> FastAPI:
    """The page and the API over this data; `now` is the clock."""
    settings = settings or WebSettings()
    app = FastAPI(
        title="capacity",
        version=VERSION,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=_few_threads,
    )
    app.state.capacity = State(live, settings, now)
    app.include_router(api.router)
    app.include_router(pages.router)
    static = _Files(
        directory=str(files("capacity.web").joinpath("static")), packages=[("capacity.views", "page/static")]
    )
    app.mount("/static", static, name="static")
    app.exception_handler(Problem)(_problem)
    app.exception_handler(CapacityError)(_mistake)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_refused)
    app.exception_handler(Exception)(_unexpected)
    app.add_middleware(Guard, settings=settings)
    return app


@asynccontextmanager
async def _few_threads(app: FastAPI) -> AsyncIterator[None]:
    """Further requests wait for their turn; the default of 40 threads doubles the memory and answers no sooner."""
    del app
    current_default_thread_limiter().total_tokens = AT_ONCE
    yield


class _Files(StaticFiles):
    """Files that a browser may keep: their address changes with them."""

    def file_response(self, *given: object, **more: object) -> Response:
        """A file with how long it may be kept."""
        answer = super().file_response(*given, **more)  # type: ignore[arg-type]
        answer.headers["Cache-Control"] = "public, max-age=86400"
        return answer


def _answer(request: Request, problem: Problem) -> Response:
    path = request.url.path.removeprefix(state_of(request).settings.base_path)
    if not path.startswith("/v1/") and "text/html" in request.headers.get("accept", ""):
        return pages.problem_page(state_of(request), problem)
    return problem_response(problem.status, problem.title, problem.detail, request.url.path)


def _problem(request: Request, error: Problem) -> Response:
    return _answer(request, error)


def _mistake(request: Request, error: Exception) -> Response:
    """What the core refuses: a parameter that cannot be, or data that cannot answer it."""
    return _answer(request, Problem(422, "This cannot be computed", hide_secrets(str(error))))


def _invalid(request: Request, error: RequestValidationError) -> Response:
    words = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors())
    return _answer(request, Problem(422, "A parameter cannot be used", words))


def _refused(request: Request, error: HTTPException) -> Response:
    answer = _answer(request, Problem(error.status_code, str(error.detail), f"{request.method} {request.url.path}"))
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


def _unexpected(request: Request, error: Exception) -> Response:
    LOGGER.error("%s %s: unexpected %s: %s", request.method, request.url.path, type(error).__name__, error)
    return _answer(request, Problem(500, "Unexpected error", "The log of `capacity serve` says more."))
