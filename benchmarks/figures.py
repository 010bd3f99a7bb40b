"""The headline figures beside those of 0.1: `make reference` writes docs/figures.md from the pages in results/.

A figure is a cell of a page: its row and its column. What 0.1 measured is written down here, since its pages are only
in the history (commit 8c9e87f); None: 0.1 did not measure it. Where a figure got worse by more than two runs differ,
the page says why, or that it was not found out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

RESULTS = Path(__file__).parent / "results"
NOISE = 0.03  # two runs of one code differ by so much in time and memory
Better = Literal["less", "more"] | float  # a number: the nearer the better, as a coverage to its level


@dataclass(frozen=True)
class Figure:
    """One figure: what it is, with its unit, where it stands today, what 0.1 had, and why it got worse if it did."""

    what: str
    page: str
    row: str
    column: str
    first: float | None = None
    better: Better = "less"
    why: str = ""

    def worse(self, today: float) -> bool:
        """Whether it got worse than in 0.1 by more than noise."""
        if self.first is None:
            return False
        if isinstance(self.better, float):
            return abs(today - self.better) > abs(self.first - self.better) + NOISE / 10
        return (today - self.first if self.better == "less" else self.first - today) > NOISE * abs(self.first)


MEMBERS = "more members are blended, among them a Gaussian process: less error for more CPU"
CHECKS = "one pass checks more: the form of times and numbers in all rows, repeated rows, what a row consists of"
ACTUATORS = "a pass also knows headroom, pod sizes, volumes and managed targets"
YARDSTICK = (
    "not the same question: 0.1 fixed the quantile at 0.8, and its simulator renewed forecasts every five minutes, "
    "which no planner did; now the policy is chosen each day, runs on the planner's schedule, and pays for 99.5 % of "
    "minutes at or under 80 %, which minutes of overload do not show"
)
QUARTERS = "floors on quarters of an hour where 0.1 planned hours, on the processes of Dask"
TEXTS = "each step of a plan kept a text of its own that names what binds it; mended after this was measured"
BUSIER = "the median follows a falling level more slowly than 0.1's did, which other traces gain by"
TRACES = {
    "worldcup_hourly": "one of twenty days, without a match after days of matches; the other 19 have 5 % less error",
    "cluster9_5min": f"{BUSIER}; six days",
    "cluster18_1min": f"two of ten windows, after a fall: {BUSIER}; the other eight have 4 % less error",
}

FORECASTS = (
    Figure("M4 Hourly in one batch, MASE", "m4_hourly", "default", "mase", 0.7214),
    Figure("the same, OWA", "m4_hourly", "default", "owa", 0.3721),
    Figure("the same, sMAPE", "m4_hourly", "default", "smape", 8.142),
    Figure("the same, MSIS", "m4_hourly", "default", "msis", 5.623),
    Figure("the same, coverage of the 95 % interval", "m4_hourly", "default", "cov95", 0.9442, 0.95),
    Figure("the same, ms of CPU a series", "m4_hourly", "default", "cpu_ms_per_series", 4.384, why=MEMBERS),
    Figure("M4 Hourly, each by `forecast_sales`, MASE", "m4_hourly", "public", "mase"),
    Figure("the same, ms of CPU a series", "m4_hourly", "public", "cpu_ms_per_series"),
    Figure("M4 Hourly with the global layer, MASE", "m4_hourly", "global", "mase", 0.6973),
    Figure("the same, OWA", "m4_hourly", "global", "owa", 0.364),
    Figure("the same, MSIS", "m4_hourly", "global", "msis", 5.407),
    Figure(
        "the same, ms of CPU a series",
        "m4_hourly",
        "global",
        "cpu_ms_per_series",
        72.31,
        why="its trees correct a blend of more members at each past origin; beside other work it takes longer still",
    ),
    Figure("five hourly series, MASE", "hourly", "capacity", "geometric_mase", 0.7092),
    Figure("the same, pinball loss at 0.95", "hourly", "capacity", "geometric_pinball_0.95", 0.1136),
    Figure("the same, ms of CPU a forecast", "hourly", "capacity", "cpu_ms_per_forecast", 11.15),
    Figure("Numenta, Twitter_volume_AMZN, MASE", "nab", "mase_per_series", "Twitter_volume_AMZN", 0.61),
    Figure(
        "Numenta, a CPU trace without a season, MASE",
        "nab",
        "mase_per_series",
        "cpu_utilization_asg_misconfiguration",
        3.874,
    ),
    Figure("Numenta, nyc_taxi, MASE", "nab", "mase_per_series", "nyc_taxi", 1.008),
    Figure("daily series a quarter ahead, MASE", "long_range", "91", "mase"),
    Figure("daily series half a year ahead, MASE", "long_range", "182", "mase"),
    Figure("daily series a year ahead, MASE", "long_range", "364", "mase"),
    Figure("the same, coverage of the 95 % quantile", "long_range", "364", "coverage95", None, 0.95),
    Figure("maximum of an hour, coverage at 0.95", "maxima", "1 h", "0.95 coverage", None, 0.95),
    Figure("maximum of a day, coverage at 0.95", "maxima", "24 h", "0.95 coverage", None, 0.95),
    Figure("maximum of a week, coverage at 0.95", "maxima", "7 d", "0.95 coverage", None, 0.95),
    Figure("taxi holidays with the calendar, pinball loss at 0.95", "holidays", "taxi", "with_pinball95"),
    Figure("twenty traces, error over the seasonal naive's", "traces", "all", "geometric_mean_error_ratio", 0.7701),
    Figure("twenty traces, lowest skill", "traces", "all", "worst_skill", 0.068, "more"),
    Figure("twenty traces, coverage at 0.95", "traces", "all", "coverage 0.95", 0.9595, 0.95),
    Figure("the same, maximum of a day at 0.95", "traces", "all", "maxima 24 h 0.95", 0.9341, 0.95),
    Figure("taxi over the holidays, MASE", "traces", "nyc_taxi_holidays", "mase_with_holidays", 0.8484),
)
SKILLS = {  # of 0.1, by trace
    "retail_hourly": 0.1728,
    "retail_daily": 0.1947,
    "retail_daily_quarter_ahead": 0.2864,
    "bikes_hourly": 0.1865,
    "adventureworks_daily": 0.2344,
    "peyton_manning_daily": 0.1933,
    "bikes_daily_quarter_ahead": 0.1731,
    "peyton_manning_daily_quarter_ahead": 0.3756,
    "worldcup_minutes_hour_ahead": 0.5494,
    "worldcup_minutes_day_ahead": 0.1399,
    "worldcup_hourly": 0.1913,
    "nasa_5min": 0.256,
    "azure_5min": 0.1676,
    "google_5min": 0.2003,
    "cluster2_5min": 0.2715,
    "cluster9_5min": 0.2878,
    "cluster10_1min": 0.068,
    "cluster12_1min": 0.09266,
    "cluster15_1min": 0.2035,
    "cluster18_1min": 0.195,
}
BY_TRACE = tuple(
    Figure(name, "traces", name, "skill", first, "more", TRACES.get(name, "")) for name, first in SKILLS.items()
)
PLANS = (
    Figure("10,000 load models, s of CPU", "load", "cpu_seconds", "value", 57.53),
    Figure("the same, error of the slope (median)", "load", "slope_error_median", "value", 0.006664),
    Figure("throughput of a replica, error (median)", "load", "throughput_error_median", "value", 0.01145),
    Figure("the same, its 95 % bound holds", "load", "throughput_bound_holds", "value", 0.99, "more"),
    Figure("chosen policies: cases that keep 99.3 % of minutes", "policies", "all", "promise_kept", better="more"),
    Figure("the same, worst share of minutes kept", "policies", "all", "promise_worst", better="more"),
    Figure("the same, cases in which a fixed rival is at least 1 % cheaper", "policies", "all", "dominated"),
    Figure(
        "the same, share of perfect forecasts' saving, clusters",
        "policies",
        "all",
        "share_of_perfect_clusters",
        better="more",
    ),
    Figure(
        "the same, share of perfect forecasts' saving, World Cup 98",
        "policies",
        "all",
        "share_of_perfect_events",
        better="more",
    ),
    Figure("the same, cost over the best fixed policy, mean", "policies", "all", "regret_mean"),
    Figure("the same, cost over the best fixed policy, worst", "policies", "all", "regret_worst"),
    Figure(
        "World Cup 98, saving at equal overload",
        "policies",
        "worldcup98",
        "saving at equal overload",
        0.2213,
        "more",
        YARDSTICK,
    ),
    Figure(
        "cluster2, saving at equal overload",
        "policies",
        "cluster2",
        "saving at equal overload",
        0.4876,
        "more",
        YARDSTICK,
    ),
    Figure(
        "cluster9, saving at equal overload",
        "policies",
        "cluster9",
        "saving at equal overload",
        0.3465,
        "more",
        YARDSTICK,
    ),
    Figure("choice for 100 workloads from 28 days, s", "choose", "seconds", "value"),
    Figure("the same, the next day, s", "choose", "seconds_for_the_next_day", "value"),
    Figure(
        "floors of days of few changes above the optimum, worst",
        "planning",
        "capped_days",
        "worst_above_optimum",
        0.004303,
    ),
    Figure(
        "10,000 workloads planned on 5-minute steps, ms each", "planning", "all_workloads", "ms_per_workload", 10.16
    ),
    Figure("the same, MiB of both processes", "planning", "all_workloads", "mib_both", 852.8, why=TEXTS),
)
RUNS = (
    Figure("1,000 workloads, rows to plan, s", "fleet", "1000 workloads", "seconds", 23.55),
    Figure(
        "the same, MiB with workers",
        "fleet",
        "1000 workloads",
        "peak_rss_mib",
        892.9,
        why=QUARTERS,
    ),
    Figure("10,000 workloads, rows to plan, s", "fleet", "10000 workloads", "seconds", 192.0),
    Figure("the same, MiB with workers", "fleet", "10000 workloads", "peak_rss_mib", 2133.0, why=QUARTERS),
    Figure("10,000 series forecast, s of CPU", "forecast_fleet", "cpu_seconds", "value", 40.53, why=MEMBERS),
    Figure("the same, MiB", "forecast_fleet", "peak_rss_mib", "value", 980.0),
    Figure(
        "100 million rows audited and counted, s of CPU",
        "sources",
        ROWS := "100,332,874 rows, audited, rows per hour",
        "cpu_seconds",
        21.5,
        why=CHECKS,
    ),
    Figure("the same, MiB", "sources", ROWS, "peak_rss_mib", 350.0, why=CHECKS),
    Figure("100 million rows through every rule, s of CPU", "governance", "cpu_seconds", "value", 27.71, why=CHECKS),
    Figure("the same, MiB", "governance", "peak_rss_mib", "value", 190.6, why=CHECKS),
    Figure("online retail from rows to plan, s", "pipeline", "online_retail", "seconds", 4.81),
    Figure("AdventureWorks from rows to plan, s", "pipeline", "adventureworks", "seconds", 3.89, why=CHECKS),
    Figure(
        "1,000 HPAs that all rise, s", "controller", "1000 HPAs, every floor moves, 1 ms an answer", "seconds", 3.946
    ),
    Figure(
        "the same, MiB",
        "controller",
        "1000 HPAs, every floor moves, 1 ms an answer",
        "peak_rss_mib",
        79.9,
        why=ACTUATORS,
    ),
    Figure("the same, last PATCH after s", "controller", "last_raise_seconds_1ms", "value"),
    Figure("the same at 40 ms an answer", "controller", "last_raise_seconds_40ms", "value"),
    Figure("1,000 HPAs, nothing to do, s of CPU", "controller", "idle_cpu_seconds", "value", 1.162, why=ACTUATORS),
    Figure(
        "one HPA, s of CPU to the end",
        "controller",
        "one HPA, its floor moves, 1 ms an answer",
        "cpu_seconds",
        0.6907,
        why=ACTUATORS,
    ),
    Figure(
        "the same, MiB", "controller", "one HPA, its floor moves, 1 ms an answer", "peak_rss_mib", 55.39, why=ACTUATORS
    ),
    Figure("corruptions of real orders found, of 150", "detect", "detect", "found", better="more"),
    Figure("false alarms in 60 clean days", "detect", "detect", "false_alarms"),
    Figure("nodes: pods that waited a day, with headroom", "actuators", "node_lead_misses_with", "value"),
    Figure("the same without headroom", "actuators", "node_lead_misses_without", "value"),
    Figure(
        "databases resized in place: saved beside a fixed size",
        "actuators",
        "vertical_saving_vs_static",
        "value",
        better="more",
    ),
    Figure("the same, minutes a day over the target", "actuators", "vertical_minutes_over_target", "value"),
    Figure("volumes: false alarms", "actuators", "volume_false_alarms", "value"),
    Figure("the same by `predict_linear`", "actuators", "volume_false_alarms_predict_linear", "value"),
    Figure("1,000 mixed targets, nothing to do, s", "actuators", "pass_seconds_1000_mixed", "value"),
    Figure("50 readers of the page, ms of CPU (95th percentile)", "serve", "fifty readers", "95th percentile ms"),
)
PARTS = {
    "Forecasts": FORECASTS,
    "Skill over the seasonal naive, by trace": BY_TRACE,
    "Loads, policies and floors": PLANS,
    "Time, memory and faults": RUNS,
}
HEAD = """\
# Figures of 0.1 and today

Each row is a cell of a page in `benchmarks/results`, which also has the other cells and the versions of libraries; the
command prints it again. `make reference` writes this page from those. The figures of 0.1 are those that it published on
2026-11-24; a dash means that 0.1 did not measure it. Where a figure got worse by more than two runs of one code differ
(3 %), the last column says why. Times of 0.1 were partly taken while the machine did other work; CPU seconds compare
better than seconds.
"""


def figures_page() -> str:
    """The page: a table for each part."""
    pages = {one.page: read_page(one.page) for part in PARTS.values() for one in part}
    parts = [HEAD]
    for title, figures in PARTS.items():
        rows = [_row(one, pages[one.page]) for one in figures]
        head = "| figure | 0.1 | today | measured | command | worse, because |\n|---|--:|--:|---|---|---|"
        parts.append("\n".join((f"## {title}\n", head, *rows)) + "\n")
    return "\n".join(parts)


@dataclass(frozen=True)
class Page:
    """A page of results: when and by which version it was measured, and its cells by row and column."""

    measured: str
    cells: dict[str, dict[str, str]]


def read_page(name: str) -> Page:
    """The page that `python -m benchmarks NAME` wrote last. Raises `ValueError` where its date is missing."""
    lines = (RESULTS / f"{name}.md").read_text(encoding="utf-8").splitlines()
    date, _, rest = lines[2].partition(", ")
    version = [word.removeprefix("capacity ") for word in rest.split(", ") if word.startswith("capacity ")]
    if not version:
        raise ValueError(f"{name}.md: expected a date and the version of capacity on line 3, got {lines[2]!r}")
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    columns = table[0][1:]
    cells = {row[0]: dict(zip(columns, row[1:], strict=True)) for row in table[2:]}
    return Page(f"{date}, {version[0]}", cells)


def _row(figure: Figure, page: Page) -> str:
    try:
        today = float(page.cells[figure.row][figure.column])
    except (KeyError, ValueError) as error:
        raise ValueError(f"{figure.page}.md: expected a number in {figure.row!r}, {figure.column!r}") from error
    first = "–" if figure.first is None else _shown(figure.first)
    because = (figure.why or "not found out") if figure.worse(today) else ""
    command = f"`python -m benchmarks {figure.page}`"
    return f"| {figure.what} | {first} | {_shown(today)} | {page.measured} | {command} | {because} |"


def _shown(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
