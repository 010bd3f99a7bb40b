"""The JSON API: forecasts, plans and explanations of each workload, for services in any language."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from capacity.app.serve import Served
from capacity.app.what_if import Controls, Key, parse_scenario, scenario_yaml
from capacity.files import write_text
from capacity.model import ConfigError
from capacity.model.fields import parse_duration
from capacity.web.documents import (
    ComparisonDocument,
    ExplanationDocument,
    FleetDocument,
    ForecastDocument,
    PastDocument,
    PlanDocument,
    comparison_document,
    explanation_document,
    fleet_document,
    forecast_document,
    past_document,
    plan_document,
)
from capacity.web.responses import YAML, Problem
from capacity.web.state import State, state_of

router = APIRouter(prefix="/v1")
ONE = "/workloads/{namespace}/{name}"
PROBLEMS: dict[int | str, dict[str, object]] = {
    404: {"description": "There is no such workload.", "content": {"application/problem+json": {}}},
    409: {
        "description": "This needs a forecast, and only a plan is available.",
        "content": {"application/problem+json": {}},
    },
    422: {"description": "A parameter cannot be used; `detail` says why.", "content": {"application/problem+json": {}}},
}


def asked_controls(  # public doors may have many parameters
    request: Request,
    quantile: Annotated[float | None, Query(gt=0, lt=1, description="Level of the demand that is served.")] = None,
    growth: Annotated[float, Query(gt=-1, le=20, description="Share by which all sales grow: 0.2.")] = 0.0,
    promotion: Annotated[
        str | None, Query(max_length=200, description="FROM/UNTIL:+50%, on the business's clock.")
    ] = None,
    lost_zone: Annotated[bool, Query(description="Whether one of the workload's zones is lost.")] = False,
    lead_time: Annotated[str | None, Query(max_length=20, description="From patch to ready replicas: 10m.")] = None,
    minutes: Annotated[
        float | None,
        Query(gt=0, lt=1, description="Share of minutes at or under the target: a policy is chosen by it."),
    ] = None,
    overload_cost: Annotated[
        float | None, Query(gt=0, description="Cost of an hour over 100 %: the policy with the lowest total is chosen.")
    ] = None,
) -> Controls:
    """The controls of a request. Raises `ConfigError`."""
    event = None
    if promotion:
        timezone = state_of(request).live.current().timezone
        (event,) = parse_scenario(f"promotion={promotion}", timezone).promotions
    try:
        lead = None if lead_time is None else parse_duration(lead_time)
    except ValueError as error:
        raise ConfigError(f"lead_time: {error}") from error
    return Controls(quantile, growth, event, lost_zone, lead, minutes, overload_cost)


Asked = Annotated[Controls, Depends(asked_controls)]


@router.get("/workloads", summary="All workloads", response_model=FleetDocument, tags=["fleet"])
def read_workloads(request: Request) -> Response:
    """Every workload with its next peak, its floors and the evidence for its policy."""
    state = state_of(request)
    served, now = state.live.current(), state.now()
    minute = now.replace(second=0, microsecond=0)
    return state.kept.answer(request, (served.version, "fleet", minute), lambda: fleet_document(served, minute))


@router.get(f"{ONE}/plan", summary="Planned floors", response_model=PlanDocument, responses=PROBLEMS, tags=["workload"])
def read_plan_of(request: Request, namespace: str, name: str, controls: Asked) -> Response:
    """The planned floor of each step. With controls, as it would be under them."""

    def make(served: Served, key: Key) -> PlanDocument:
        if controls == Controls():
            return plan_document(served.workload(key))
        return plan_document(served.known().plan(key, controls))

    return _answer(request, (namespace, name), ("plan", controls), make)


@router.get(
    f"{ONE}/forecast",
    summary="Forecast of sales and demand",
    response_model=ForecastDocument,
    responses=PROBLEMS,
    tags=["workload"],
)
def read_forecast_of(request: Request, namespace: str, name: str, controls: Asked) -> Response:
    """Quantiles of the sales and of the demand of each step. With controls, as they would be under them."""

    def make(served: Served, key: Key) -> ForecastDocument:
        return forecast_document(key, served.known().demand(key, controls))

    return _answer(request, (namespace, name), ("forecast", controls), make)


@router.get(
    f"{ONE}/explain",
    summary="Why a floor is what it is",
    response_model=ExplanationDocument,
    responses=PROBLEMS,
    tags=["workload"],
)
def read_explanation_of(
    request: Request,
    namespace: str,
    name: str,
    controls: Asked,
    at: Annotated[datetime | None, Query(description="A time within the plan, with a zone. Default: its peak.")] = None,
) -> Response:
    """Why the floor of one step is what it is: bars in replicas that add up to it."""
    if at is not None and at.tzinfo is None:
        raise Problem(422, "A time without a zone", f"at: expected a time such as 2026-11-27T18:00:00Z, got {at}")

    def make(served: Served, key: Key) -> ExplanationDocument:
        known = served.known()
        plan = served.workload(key)
        step = (
            at
            if at is None or not plan.start <= at < plan.end
            else plan.start + (at - plan.start) // plan.step * plan.step
        )
        return explanation_document(known.explain(key, step, controls))

    return _answer(request, (namespace, name), ("explain", controls, at), make)


@router.get(f"{ONE}/past", summary="What happened", response_model=PastDocument, responses=PROBLEMS, tags=["workload"])
def read_past_of(request: Request, namespace: str, name: str) -> Response:
    """What happened over the last four weeks, where it is known: sales, usage and replicas."""
    return _answer(request, (namespace, name), ("past",), lambda served, key: past_document(key, served.past(key)))


@router.get(
    f"{ONE}/compare",
    summary="Before and after a what-if",
    response_model=ComparisonDocument,
    responses=PROBLEMS,
    tags=["what-if"],
)
def read_comparison_of(request: Request, namespace: str, name: str, controls: Asked) -> Response:
    """Cost and minutes over the target of the plan as it is, and under the controls."""
    return _answer(
        request,
        (namespace, name),
        ("compare", controls),
        lambda served, key: comparison_document(served.known().compare(key, controls)),
    )


@router.get(
    f"{ONE}/scenario.yaml", summary="A what-if as YAML", responses=PROBLEMS, tags=["what-if"], response_class=Response
)
def read_scenario_of(request: Request, namespace: str, name: str, controls: Asked) -> Response:
    """The what-if as YAML: for `capacity plan --scenario`, and keys for capacity.yaml."""

    def make(served: Served, key: Key) -> str:
        known = served.known()
        return scenario_yaml(known.compare(key, controls), known.now)

    answer = _answer(request, (namespace, name), ("scenario", controls), make, YAML)
    answer.headers["Content-Disposition"] = f'attachment; filename="{namespace}-{name}-scenario.yaml"'
    return answer


@router.put(
    f"{ONE}/scenarios/{{scenario}}", summary="Save a what-if", responses=PROBLEMS, tags=["what-if"], status_code=201
)
def save_scenario_of(
    request: Request,
    namespace: str,
    name: str,
    scenario: Annotated[str, Path(pattern="^[a-z0-9][a-z0-9-]{0,60}$", description="Its name, and that of its file.")],
    controls: Asked,
) -> dict[str, str]:
    """Save the what-if as a file on the server; only where it was started with --scenarios."""
    folder = state_of(request).settings.scenarios
    if folder is None:
        raise Problem(403, "Read only", "Start `capacity serve` with --scenarios FOLDER to save what-ifs there.")
    served = _served(request, (namespace, name), needs_forecast=True)
    known = served.known()
    file = folder / f"{namespace}-{name}-{scenario}.yaml"
    text = scenario_yaml(known.compare((namespace, name), controls), known.now)
    try:
        write_text(file, text)
    except OSError as error:
        raise Problem(507, "Not saved", f"--scenarios: {file.name} cannot be written: {error.strerror}") from error
    return {"saved": file.name}


def _answer(
    request: Request,
    key: Key,
    question: tuple[object, ...],
    make: Callable[[Served, Key], object],
    kind: str = "application/json",
) -> Response:
    """The answer for one workload; what is not there is a problem of its own."""
    state: State = state_of(request)
    served = _served(request, key, needs_forecast=question[0] not in ("plan", "past"))
    return state.kept.answer(request, (served.version, *key, *question), lambda: make(served, key), kind)


def _served(request: Request, key: Key, *, needs_forecast: bool) -> Served:
    """What is shown now; a problem where it lacks the workload, or the orders that the answer needs."""
    served = state_of(request).live.current()
    if served.plan.workload(*key) is None:
        reason = served.failures.get(key, f"There is no workload {key[0]}/{key[1]}; see /v1/workloads.")
        raise Problem(404, "No such workload", reason)
    if needs_forecast and served.orders is None:
        raise Problem(409, "This needs a forecast", served.without)
    return served
