"""When the CronJobs run: never two at once, over before the next, as often as the decision assumes."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from capacity.app import read_config
from tests.rendering import BASE, K8S, Document, documents, title

WRITTEN = [BASE / "planner.yaml", BASE / "controller.yaml", K8S / "components" / "audit" / "audit.yaml"]
CRON_JOBS = [document for file in WRITTEN for document in documents(file.read_text("utf-8"))]
DAY = 24 * 60  # minutes
each_cron_job = pytest.mark.parametrize("cron_job", CRON_JOBS, ids=title)


def fields_of(schedule: str) -> list[list[int]]:
    """The five fields of a cron schedule, each as the values it stands for. Raises ValueError where it is none."""
    bounds = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
    fields = schedule.split()
    if len(fields) != len(bounds):
        raise ValueError(f"expected 5 fields, got {len(fields)}")
    return [
        sorted({value for part in field.split(",") for value in values_of(part, low, high)})
        for field, (low, high) in zip(fields, bounds, strict=True)
    ]


def values_of(part: str, low: int, high: int) -> range:
    match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?", part)
    if match is None:
        raise ValueError(f"expected *, a number or a range with an optional step, got {part!r}")
    first, last, step = match.groups()
    begin = low if first is None else int(first)
    end = int(last) if last else high if first is None or step else begin
    if not low <= begin <= end <= high:
        raise ValueError(f"expected values from {low} to {high}, got {part!r}")
    return range(begin, end + 1, int(step or 1))


def period_of(schedule: str) -> int:
    """Seconds between two starts, at the least; for schedules that run every day."""
    minutes, hours, *days = fields_of(schedule)
    assert [len(values) for values in days] == [31, 12, 8], "runs on some days only"
    starts = [hour * 60 + minute for hour in hours for minute in minutes]
    return 60 * min(late - early for early, late in pairwise([*starts, starts[0] + DAY]))


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [
        pytest.param("* * * * *", 60, id="every minute"),
        pytest.param("*/5 * * * *", 300, id="every five minutes"),
        pytest.param("0,7 * * * *", 420, id="the closest two count"),
        pytest.param("7 * * * *", 3600, id="every hour"),
        pytest.param("30 6-8/2 * * *", 7200, id="a range of hours with a step"),
        pytest.param("0 3 * * *", 86400, id="once a day"),
    ],
)
def test_period_of_a_schedule(schedule: str, seconds: int) -> None:
    assert period_of(schedule) == seconds


@pytest.mark.parametrize(
    "schedule",
    [
        pytest.param("* * * *", id="four fields"),
        pytest.param("* * * * * *", id="with seconds"),
        pytest.param("60 * * * *", id="a minute that does not exist"),
        pytest.param("*/0 * * * *", id="a step of nothing"),
        pytest.param("5-1 * * * *", id="a range that ends before it begins"),
        pytest.param("minutely", id="a word"),
    ],
)
def test_what_is_no_schedule_is_refused(schedule: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        fields_of(schedule)


@each_cron_job
def test_a_run_is_over_before_the_next_one_starts(cron_job: Document) -> None:
    job = cron_job["spec"]["jobTemplate"]["spec"]
    longest = job["activeDeadlineSeconds"] + job["template"]["spec"]["terminationGracePeriodSeconds"]
    assert longest < period_of(cron_job["spec"]["schedule"])


@each_cron_job
def test_runs_never_overlap_repeat_or_pile_up(cron_job: Document) -> None:
    spec, job = cron_job["spec"], cron_job["spec"]["jobTemplate"]["spec"]
    assert (spec["concurrencyPolicy"], spec["startingDeadlineSeconds"]) == ("Forbid", 200)
    assert (job["backoffLimit"], job["template"]["spec"]["restartPolicy"]) == (0, "Never")
    assert 1 <= spec["successfulJobsHistoryLimit"] <= spec["failedJobsHistoryLimit"] <= 3
    assert spec["timeZone"] == "Etc/UTC"


def test_controller_runs_as_often_as_the_decision_assumes() -> None:
    (schedule,) = (job["spec"]["schedule"] for job in CRON_JOBS if job["metadata"]["name"] == "capacity-controller")
    assert period_of(schedule) == read_config(BASE / "capacity.yaml").controller.period.total_seconds()
