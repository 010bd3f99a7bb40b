"""The verb that reports: one HTML page for the people who decide."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.domain import ConfigError
from capacity.edge.face import DONE, HELD, Face, NowOption, read_clock, verb
from capacity.edge.options import Data

if TYPE_CHECKING:
    from capacity.edge.config import Config
    from capacity.edge.promises import Status

WINDOW = timedelta(days=30)  # in which the promises are judged: the month that a review is about


@verb
def report(
    face: Face,
    data: Data,
    *,
    page: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("report.html"),
    month: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM", help="A month, as it was known on its first day. Default: what comes."),
    ] = None,
    since: Annotated[Path | None, typer.Option(metavar="PLAN", help="An earlier plan.json: say what changed.")] = None,
    history: Annotated[Path, typer.Option(help="Folder of kept audits, where there is one.")] = Path("audits"),
    now: NowOption = None,
) -> int:
    """Write one HTML page: next peaks, plan, cost, trust, risks, what changed, data quality. It needs no network.

    Example: capacity report --sample --page report.html
    """
    from capacity.edge.orders.audits import read_audits
    from capacity.edge.planfile import read_plan
    from capacity.edge.planning.planner import read_orders
    from capacity.edge.report import Question, make_review, report_page

    config, moment = data.planning_config(face), read_clock(now)
    before = None if since is None else read_plan(since)
    question = Question(
        month, before, read_audits(history) if history.is_dir() else None, _status(config, moment, history)
    )
    with face.stages("reading orders", "forecasting, planning, testing", "drawing") as advance:
        orders = read_orders(config, moment)
        advance()
        review = make_review(config, orders, question, moment)
        advance()
        _write(page, report_page(review))
        advance()
    face.say(f"wrote {page}")
    return HELD if review.held or (review.planned is not None and review.planned.failures) else DONE


def _status(config: Config, now: datetime, audits: Path) -> Status:
    """The promises from audits, Prometheus and tickets, where those are configured; the cluster is not asked."""
    from capacity.edge.promises import read_status
    from capacity.edge.promises.status import Standing

    return read_status(config, now, WINDOW, audits, lambda: Standing(unknown="a report asks no cluster"))


def _write(page: Path, text: str) -> None:
    try:
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"--page: {page} cannot be written: {error.strerror or error}; choose another place"
        ) from error
