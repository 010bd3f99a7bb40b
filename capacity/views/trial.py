"""The first look at a file of orders: how it was read, what repeats, what comes, and whether floors are worth it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandas as pd

from capacity.forecast.backtest import Backtest
from capacity.model import Forecast
from capacity.model.choice import Choice, Evidence, choice_document
from capacity.model.fields import duration_text, rfc3339
from capacity.model.settings import DatabaseSource
from capacity.quality.column_roles import Guess
from capacity.series.growth import coming_peak, past_growth
from capacity.series.seasons import Season, unproven_of
from capacity.views.report.review import ReportData
from capacity.views.sheet import Sheet, amount, clock, duration

DAY = timedelta(days=1)
MONTH_WEEKS = 4
LOW, HIGH = 0.05, 0.95  # a 90 % interval
PLANNED = 0.95
LISTED = 4  # other columns that are named
NOTES = 3  # of the audit that are shown
UNUSED = {"readable_time": "the time is empty or no time, as of a line of totals"}
NOISY = 0.1  # of a count: what chance alone does to it is said from here on


@dataclass(frozen=True, slots=True)
class TrialData:
    """What was found of a file: how it was read, the review of its orders, its seasons, and the choice of a policy.

    `service` is what is assumed of the service, in words; `choice` is None where no policy can be judged, and
    `unjudged` says why then.
    """

    guess: Guess
    review: ReportData
    seasons: tuple[Season, ...]
    service: str
    choice: Choice | None = None
    unjudged: str = ""

    @property
    def sales(self) -> pd.Series:
        """The orders per step."""
        return next(iter(self.review.history.values()))


def trial_sheet(trial: TrialData) -> Sheet:
    """One row for each question."""
    rows = [*_read(trial), *_found(trial), *_verdict(trial)]
    return Sheet(_title(trial), ("", ""), rows, _document(trial, rows), prose=True)


def _title(trial: TrialData) -> str:
    audit, zone = trial.review.audit, trial.review.timezone
    if audit.first is None or audit.last is None:
        return f"{audit.source}: {audit.rows:,} rows"
    span = f"{clock(audit.first, zone)[4:14]} to {clock(audit.last, zone)[4:14]}"
    failed = f", {audit.quarantined:,} not used" if audit.quarantined else ""
    return f"{audit.source}: {audit.rows:,} rows{failed}, {span} ({duration(audit.last - audit.first)})"


def _read(trial: TrialData) -> Iterator[tuple[str, str]]:
    """How the file was read, and what changes it."""
    guess, config = trial.guess, trial.review.config
    settings, counting = guess.settings, guess.counting
    form = next((line.partition(": ")[2] for line in trial.review.audit.read), "")
    others = f"; other choices: {_listed(guess.time_others)}" if guess.time_others else ""
    flags = "--time, --time-format" + (", --timezone" if "read in" in form else "")
    clock = "" if settings.time_of_day is None else f" with the time of day in {settings.time_of_day!r}"
    if isinstance(settings.source, DatabaseSource):
        yield "rows", f"{settings.source.query} [--query]"
    yield "times", f"{settings.time!r}{clock}{f', {form}' if form else ''}{others} [{flags}]"
    also = f"; other choices: {_listed(counting.others)}" if counting.others else ""
    yield "orders", f"{_counted(trial)} ({counting.why}){also} [--value]"
    beside = [name for name in counting.others if name != "rows"] if counting.how == "sum" else []
    if len(beside) > 1:
        yield (
            "",
            f"only {counting.column!r} is counted: if the other columns are shops or channels of their own, write one "
            "row for each time and shop, with a column that names the shop",
        )
    if (state := guess.state) is not None:
        leave = (
            "a condition in --query" if isinstance(settings.source, DatabaseSource) else "`select:` in capacity.yaml"
        )
        yield "", f"every {state.name!r} counts ({_listed(state.values)}); use {leave} to leave some out"
    yield "steps", f"{duration_text(settings.step)} [--step]"
    if "read in" not in form:
        written = (
            f", but times are written at {' and '.join(guess.offsets)}: name your own zone" if guess.offsets else ""
        )
        yield (
            "clock",
            f"days begin at midnight in {trial.review.timezone}{written if _is_utc(trial) else ''} [--timezone]",
        )
    holidays = _listed(config.calendar.holidays) if config.calendar.holidays else "none"
    yield "holidays", f"{holidays} [--holidays GB-ENG]"
    yield from _doubts(trial)


def _is_utc(trial: TrialData) -> bool:
    return trial.review.timezone == "UTC"


def _doubts(trial: TrialData) -> Iterator[tuple[str, str]]:
    """What would stop a plan from these orders, and what else the audit says of how they were read."""
    audit = trial.review.audit
    if audit.verdict != "ok":
        held = "; `capacity plan` refuses such data" if audit.verdict == "refuse" else ""
        yield "quality", f"{audit.verdict}: {'; '.join(audit.reasons)}{held}"
    for name, rows in audit.failures.items():
        yield "not used", f"{rows:,} {'row' if rows == 1 else 'rows'}: {UNUSED.get(name, name)}"
    for note in audit.notes[:NOTES]:
        yield "note", note


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(repr, names[:LISTED])) + more


def _counted(trial: TrialData) -> str:
    counting = trial.guess.counting
    if counting.how == "rows":
        return "each row is one order"
    return f"the sum of {counting.column!r}" if counting.how == "sum" else f"distinct values of {counting.column!r}"


def _found(trial: TrialData) -> Iterator[tuple[str, str]]:
    """What repeats, what comes, and how right that would have been."""
    yield "", ""
    yield "what repeats", _repeats(trial)
    yield "growth", past_growth(trial.sales, trial.review.config.calendar.holidays).words
    forecast = next(iter(trial.review.forecasts.values()))
    if not isinstance(forecast, Forecast):
        yield "next peak", f"not known: {forecast}"
        return
    yield "next peak", _peak(trial, forecast)
    yield "last month", _last_month(trial)


def _repeats(trial: TrialData) -> str:
    found = [f"a {one.name} cycle (strength {one.strength:.2f} of 1)" for one in trial.seasons]
    text = " and ".join(found) or "no cycle stands out of the noise"
    return ". ".join((text, *unproven_of(trial.sales)))


def _peak(trial: TrialData, forecast: Forecast) -> str:
    peak = coming_peak(forecast)
    low, high = (float(forecast.at(level)[pd.Timestamp(peak.at)]) for level in (LOW, HIGH))
    zone = trial.review.timezone
    at = f"{clock(peak.at, zone)} ({zone})" if trial.guess.settings.step < DAY else f"{peak.at:%a %Y-%m-%d}"
    expected = f"about {amount(peak.expected)} {_per_step(trial)}"
    return f"{at}: {expected} (90 % interval: {amount(low)} to {amount(high)})"


def _per_step(trial: TrialData) -> str:
    counting = trial.guess.counting
    noun = f"{counting.column!r} " if counting.how == "sum" else "orders "
    unit = _unit(trial)
    return noun + {"hour": "an hour", "day": "a day", "week": "a week"}.get(unit, f"in {unit}")


def _unit(trial: TrialData) -> str:
    step = trial.guess.settings.step
    return {timedelta(hours=1): "hour", DAY: "day", 7 * DAY: "week"}.get(step, duration_text(step))


def _last_month(trial: TrialData) -> str:
    """The last weeks, forecast from before each of them."""
    result = next(iter(trial.review.backtests.values()), None)
    if not isinstance(result, Backtest):
        return f"not known: {result or 'nothing was forecast'}"
    steps, weeks = _last_weeks(result)
    actual, middle = steps["actual"], steps[0.5]
    error = float((middle - actual).abs().sum() / actual.abs().sum()) if actual.abs().sum() else 0.0
    naive = float((steps["naive"] - actual).abs().sum() / actual.abs().sum()) if actual.abs().sum() else 0.0
    kept = float((actual <= steps[PLANNED]).mean())
    chance = _chance(trial, middle)
    unit = _unit(trial)
    return (
        f"forecasts made before each of the last {weeks} weeks were {_percent(error)} off on average; repeating the "
        f"previous season would have been {_percent(naive)} off{chance}. {100 * kept:.1f} % of "
        f"{unit + 's' if unit in ('hour', 'day', 'week') else 'steps'} stayed at or under the "
        f"{PLANNED:g} quantile"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _chance(trial: TrialData, expected: pd.Series) -> str:
    """How far counts of orders lie off by chance alone, where they are small enough for it to matter.

    The mean absolute deviation of a Poisson count is about ``sqrt(2 mean / pi)``.
    """
    if trial.guess.counting.how == "sum" or not expected.sum():
        return ""
    share = float(((2 / math.pi * expected) ** 0.5).sum() / expected.sum())
    return f", and chance alone makes counts this small vary by {_percent(share)}" if share > NOISY else ""


def _last_weeks(result: Backtest) -> tuple[pd.DataFrame, int]:
    steps = result.windows.dropna(subset=["actual"])
    origins = sorted(steps["origin"].unique())[-MONTH_WEEKS:]
    return steps[steps["origin"].isin(origins)], len(origins)


def _verdict(trial: TrialData) -> Iterator[tuple[str, str]]:
    yield "", ""
    choice = trial.choice
    if choice is None:
        yield "verdict", f"not judged: {trial.unjudged}"
        return
    yield "assumed", f"{trial.service} [--cores-per-order, --start-time]"
    yield "verdict", ANSWERS[choice.reason]
    objective = f"{100 * choice.objective.minutes:g} % of minutes at or under 80 % utilization"
    yield "", f"objective: {objective}, judged by replaying the last {choice.recommended.days} days"
    yield "", _comparison(choice)
    for remark in choice.remarks:
        yield "", remark


ANSWERS = {
    "FloorsPay": "floors from the forecast are worth using for such a service",
    "PlainHpaIsEnough": "a plain autoscaler is enough for such a service",
    "NoSkill": "use a plain autoscaler: the forecast is no better than repeating the previous season",
    "FixedCountIsEnough": "a fixed number of replicas is enough for such a service",
    "NothingKeepsTheMinutes": "undecided: nothing that was tried meets the objective",
    "TooShort": "undecided: the history is too short to choose a policy",
    "LeastExpectedCost": "the following policy has the least expected cost",
}


def _comparison(choice: Choice) -> str:
    """The recommended policy beside the best of the other kind that keeps the same minutes."""
    best, allowed = choice.recommended, choice.objective.allowed_minutes
    keeps = [one for one in choice.rivals if one.minutes_above <= allowed]
    other = next((one for one in keeps if one.policy.has_floors != best.policy.has_floors), None)
    if other is None:
        kind = "plain autoscaler" if best.policy.has_floors else "floor schedule"
        return f"{_priced(best, choice)}; no {kind} that was tried meets the objective"
    change = other.cost / best.cost - 1 if best.cost else 0.0
    share = "the same cost" if abs(change) < 0.005 else f"{_percent(abs(change))} {'more' if change > 0 else 'less'}"
    return f"{_priced(best, choice)}; {_named(other)}: {other.cost:,.1f} ({share})"


def _priced(found: Evidence, choice: Choice) -> str:
    return f"{_named(found)}: {found.cost:,.1f} {choice.unit} a day"


def _named(found: Evidence) -> str:
    policy = found.policy
    if not policy.has_floors:
        return f"a plain {policy}"
    beside = "" if policy.target is None else f" with an HPA at {policy.target} %"
    level = "" if policy.quantile_level is None else f" from the {policy.quantile_level:g} quantile"
    return f"floors{level}{beside}"


def _document(trial: TrialData, rows: list[tuple[str, str]]) -> dict[str, Any]:
    """The findings as JSON values."""
    guess, review = trial.guess, trial.review
    forecast = next(iter(review.forecasts.values()))
    result = next(iter(review.backtests.values()), None)
    document: dict[str, Any] = {
        "source": review.audit.source,
        "rows": review.audit.rows,
        "passed": review.audit.passed,
        "as_of": rfc3339(review.now),
        "read": {
            "time": guess.settings.time,
            "value": guess.counting.written,
            "step": duration_text(guess.settings.step),
            "timezone": review.timezone,
            "other_times": list(guess.time_others),
            "other_values": list(guess.counting.others),
        },
        "seasons": [dataclasses.asdict(one) for one in trial.seasons],
        "next_peak": None,
        "backtest": None,
        "assumed": trial.service,
        "choice": None if trial.choice is None else choice_document(trial.choice),
        "words": [f"{name}: {text}" if name else text for name, text in rows if text],
    }
    if isinstance(forecast, Forecast):
        peak = coming_peak(forecast)
        levels = {f"{level:g}": float(forecast.at(level)[pd.Timestamp(peak.at)]) for level in (LOW, 0.5, HIGH)}
        document["next_peak"] = {"at": rfc3339(peak.at), "quantiles": levels}
    if isinstance(result, Backtest):
        document["backtest"] = {"skill": result.skill, "wape": result.scores.wape, "coverage": result.coverage[PLANNED]}
    return document
