"""The pages for people: the fleet, one workload, the reference of the API, and the way in where a token is needed."""

from __future__ import annotations

import hmac
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from capacity.app.serve import Served
from capacity.app.what_if import POD_HOURS, Key
from capacity.model import WorkloadPlan
from capacity.version import VERSION
from capacity.views.report.section import Section, page_templates, sheet_section
from capacity.views.sheet import clock
from capacity.views.tables.simulation import choice_sheet
from capacity.web.documents import workload_document
from capacity.web.guard import COOKIE, session_of
from capacity.web.responses import HTML, Problem
from capacity.web.state import State, state_of

router = APIRouter(include_in_schema=False)
ROWS = 100  # workloads on one page of the fleet
MOST_FORM = 4096  # bytes of a form with a token


@router.get("/healthz")
def read_health() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@router.get("/")
def read_fleet(request: Request, q: str = "", page: int = 1) -> Response:
    """Every workload, the soonest peak first."""
    state = state_of(request)
    served, now = state.live.current(), state.now().replace(second=0, microsecond=0)
    query, page = q.strip()[:100].lower(), max(1, min(page, 10_000))

    def make() -> str:
        found = [one for one in served.plan.workloads if query in one.label.lower()]
        found.sort(key=lambda one: (one.peak.at, one.label))
        shown = found[(page - 1) * ROWS : page * ROWS]
        return _page(
            state,
            "fleet.html",
            title="Fleet",
            served=served,
            rows=[(one, workload_document(one, now)) for one in shown],
            failures=[(f"{key[0]}/{key[1]}", reason) for key, reason in served.failures.items()][:ROWS],
            clock=lambda moment: clock(moment, served.timezone),
            query=query,
            page=page,
            pages=max(1, -(-len(found) // ROWS)),
            many=len(found),
            failure=state.live.failure,
        )

    return state.kept.answer(request, (served.version, "/", query, page, now, state.live.failure), make, HTML)


@router.get("/workloads/{namespace}/{name}")
def read_workload(request: Request, namespace: str, name: str) -> Response:
    """One workload: its chart, why its numbers are what they are, and controls to play with."""
    state = state_of(request)
    served = state.live.current()
    plan = served.plan.workload(namespace, name)
    if plan is None:
        reason = served.failures.get((namespace, name), "The fleet page lists every workload that is planned.")
        raise Problem(404, f"No plan of {namespace}/{name}", reason)
    return state.kept.answer(
        request, (served.version, "page", namespace, name), lambda: _workload(state, served, plan), HTML
    )


def _workload(state: State, served: Served, plan: WorkloadPlan) -> str:
    notes = plan.derivation.notes
    sections = [] if plan.choice is None else [sheet_section(choice_sheet(plan.choice))]
    if notes and served.orders is None:  # else they stand below the bars
        sections.append(Section("Notes of the plan", (), notes))
    return _page(
        state,
        "workload.html",
        title=plan.label,
        served=served,
        plan=plan,
        clock=lambda moment: clock(moment, served.timezone),
        sections=sections,
        controls=_controls(served, plan.key),
        saves=state.settings.scenarios is not None,
        short=plan.derivation.minutes_short,
    )


def _controls(served: Served, key: Key) -> dict[str, Any]:
    """What the controls offer, and why some of them are disabled."""
    if served.orders is None:
        return {
            "disabled": served.without,
            "levels": (),
            "level": None,
            "no_zone": "",
            "no_objective": "",
            "no_cost": "",
            "lead": "",
            "minutes": 0.995,
        }
    workload = served.orders.workload(key)
    lead = workload.lead_time.total_seconds()
    priced = served.orders.priced(key)
    return {
        "disabled": "",
        "levels": served.orders.levels,
        "level": workload.quantile_level,
        "no_zone": ""
        if workload.zones > 1
        else "This workload has one zone: set `zones` in capacity.yaml to plan for the loss of one.",
        "no_objective": served.orders.no_objective(key) or "",
        "no_cost": ""
        if priced
        else "An overload cost needs a price of replicas: set `costs.price_per_hour` or `supply.node_types`.",
        "lead": f"{lead / 60:g}",
        "minutes": workload.objective.minutes,
    }


@router.get("/docs")
def read_docs(request: Request) -> Response:
    """The reference of the API, from its OpenAPI document."""
    state = state_of(request)
    document = request.app.openapi()
    return state.kept.answer(
        request,
        "docs",
        lambda: _page(state, "docs.html", title="API", document=document, resolve=lambda one: _resolved(document, one)),
        HTML,
    )


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that a reference names."""
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = document["components"]["schemas"].get(name, {})
    return {"name": name, **found} if found else schema


@router.get("/login")
def read_login(request: Request) -> Response:
    """The form for the token."""
    return HTMLResponse(
        _page(state_of(request), "login.html", title="Token", wrong=False), headers={"Cache-Control": "no-store"}
    )


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Take the token; the browser keeps a cookie that only this page gets."""
    state = state_of(request)
    settings = state.settings
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_FORM:
            raise Problem(413, "Too much", f"expected at most {MOST_FORM} bytes")
    given = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
    if settings.token is not None and not hmac.compare_digest(given.strip().encode(), settings.token.encode()):
        return HTMLResponse(
            _page(state, "login.html", title="Token", wrong=True), 403, headers={"Cache-Control": "no-store"}
        )
    answer = RedirectResponse(f"{settings.base_path}/", 303)
    if settings.token is not None:
        secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        answer.set_cookie(
            COOKIE,
            session_of(settings.token),
            httponly=True,
            samesite="strict",
            secure=secure,
            path=settings.base_path or "/",
        )
    return answer


def problem_page(state: State, problem: Problem) -> HTMLResponse:
    """An error for people."""
    page = _page(state, "problem.html", title=problem.title, problem=problem)
    return HTMLResponse(page, problem.status, headers={"Cache-Control": "no-store"})


def _page(state: State, template: str, **given: Any) -> str:
    settings = state.settings
    return (
        _templates()
        .get_template(template)
        .render(
            base=settings.base_path,
            version=VERSION,
            stamp=_stamp(),
            stands=None if settings.stands is None else settings.stands.isoformat(),
            locked=settings.token is not None,
            pod_hours=POD_HOURS,
            **given,
        )
    )


@cache
def _templates() -> Environment:
    made = page_templates(PackageLoader("capacity.web", "templates"))
    made.filters["code"] = _with_code
    return made


def _with_code(text: str) -> Markup:
    """A sentence whose words in backticks are code; everything is escaped.

    >>> _with_code("set `zones` > 1")
    Markup('set <code>zones</code> &gt; 1')
    """
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(one) if at % 2 else one for at, one in enumerate(parts))


@cache
def _stamp() -> str:
    """What changes with the files that browsers keep."""
    import hashlib

    folders = files("capacity.web").joinpath("static"), files("capacity.views").joinpath("page", "static")
    found = sorted((one for folder in folders for one in folder.iterdir()), key=lambda one: one.name)
    return hashlib.sha256(b"".join(one.read_bytes() for one in found)).hexdigest()[:12]
