"""The tables of figures in README and docs: `make reference` writes their rows from the pages in results/."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from benchmarks.figures import Page, read_page

ROOT = Path(__file__).parents[1]
README, COMPARISON, SCALE = (ROOT / name for name in ("README.md", "docs/understand/comparison.md", "docs/scale.md"))
PEERS = ("MSTL-AutoETS", "AutoETS", "Prophet")
MSTL = "peers: MSTL-AutoETS"
SEASONLESS = "cpu_utilization_asg_misconfiguration"
ROWS = "100,332,874 rows, audited, rows per hour"
HPAS = "1000 HPAs, every floor moves, 1 ms an answer"
page = cache(read_page)


def readme() -> str:
    """README.md with the figures of today."""
    rows = [f"| {what} | {result} |" for what, result in (*forecasts(), *plans(), *runs())]
    return with_rows(README, "| what | result |", rows)


def comparison() -> str:
    """The comparison with other tools, with the figures of chosen policies of today."""
    return with_rows(COMPARISON, "| trace |", list(chosen_policies()))


def scale() -> str:
    """The page on scale, with the figures of today."""
    return with_rows(SCALE, "| task |", list(tasks()))


def with_rows(file: Path, head: str, rows: list[str]) -> str:
    """A page with these rows under a table's head. Raises `ValueError` where there is no table that begins so."""
    lines = file.read_text(encoding="utf-8").splitlines()
    found = [place for place, line in enumerate(lines) if line.startswith(head)]
    if len(found) != 1:
        raise ValueError(f"{file.name}: expected one table that begins with {head!r}, got {len(found)}")
    first = found[0] + 2
    end = next(place for place in range(first, len(lines)) if not lines[place].startswith("|"))
    return "\n".join([*lines[:first], *rows, *lines[end:], ""])


def forecasts() -> Iterator[tuple[str, str]]:
    """The rows on forecasts."""
    for what, row in (
        ("M4 Hourly, official window, 414 series in one batch", "default"),
        ("the same, each by `forecast_sales`", "public"),
    ):
        m4 = numbers("m4_hourly", row)
        covered, cost = f"95 % interval covers {100 * m4['cov95']:.1f} %", f"{m4['cpu_ms_per_series']:.2g} ms of CPU"
        yield what, f"MASE {m4['mase']:.3f}, OWA {m4['owa']:.3f}, {covered}, {cost} a series"
    m4 = numbers("m4_hourly", "global")
    scores = f"MASE {m4['mase']:.3f}, OWA {m4['owa']:.3f}, MSIS {m4['msis']:.2f}"
    yield "the same with the global layer", f"{scores}, {m4['cpu_ms_per_series']:.0f} ms"
    yield from beside_peers()
    each = numbers("nab", "mase_per_series")
    others = [value for name, value in each.items() if name != SEASONLESS]
    yield (
        f"Numenta's {len(each)} long real series that are bundled, hourly, a day ahead",
        f"MASE {value('nab', 'mase'):.3f}, without the one CPU trace that has no season "
        f"{sum(others) / len(others):.3f}; seasonal naive {value('nab', 'seasonal_naive_mase'):.3f}",
    )
    ahead = ("91", "182", "364")
    ours_ahead = ", ".join(f"{numbers('long_range', days)['mase']:.2f}" for days in ahead)
    best = ", ".join(f"{best_peer(days):.2f}" for days in ahead)
    yield (
        "daily series, a quarter, half a year and a year ahead",
        f"MASE {ours_ahead}; best of MSTL-AutoETS, AutoETS and Prophet {best}",
    )


def beside_peers() -> Iterator[tuple[str, str]]:
    """The rows with peers, which are named where they were installed."""
    if MSTL in page("m4_hourly").cells:
        peer = numbers("m4_hourly", MSTL)
        error, cost = peer["mase_over_ours"], peer["cpu_ms_per_series_over_ours"]
        times = f"{error:.1f} times our MASE at {cost:.0f} times our CPU"
        yield "statsforecast on every tenth series, in the same run", f"MSTL-AutoETS: {times}"
    named = {"MSTL-AutoETS": "MSTL-AutoETS", "SeasonalNaive 168": "seasonal naive", "Prophet": "Prophet"}
    scores = {name: cells.get("geometric_mase") for name, cells in page("hourly").cells.items()}
    others = ", ".join(f"{name} {float(mase):.3f}" for row, name in named.items() if (mase := scores.get(row)))
    ours = f"MASE {numbers('hourly', 'capacity')['geometric_mase']:.3f}"
    yield "five other hourly series, 7 days each", f"{ours}; {others}" if others else ours


def plans() -> Iterator[tuple[str, str]]:
    """The rows on loads, policies and decisions."""
    yield "decisions compared with the real HPA (Kubernetes 1.36)", "6,000 of 6,000 equal"
    slope = f"slope within {100 * value('load', 'slope_error_median'):.1f} % (median)"
    yield "10,000 load models from 28 days of hourly data", f"{value('load', 'cpu_seconds'):.0f} s of CPU, {slope}"
    bound = f"the 95 % bound holds in {100 * value('load', 'throughput_bound_holds'):.0f} %"
    yield (
        "throughput of a replica, learned from 28 days of history (400 synthetic workloads)",
        f"within {100 * value('load', 'throughput_error_median'):.1f} % (median); {bound}",
    )
    chosen = numbers("policies", "all")
    cases, regret = round(chosen["cases"]), 100 * chosen["regret_mean"]
    cost = f"{abs(regret):.1f} % {'less' if regret < 0 else 'more'} than the best fixed policy in hindsight on average"
    kept = (
        f"at least {int(1000 * chosen['promise_worst']) / 10} % of minutes, on {round(cases * chosen['promise_kept'])}"
    )
    yield (
        f"a policy chosen each day from the days before, on {cases} cases of public traces",
        f"{kept} of them 99.3 % or more; costs {cost}, at worst {100 * chosen['regret_worst']:.0f} % more",
    )
    yield (
        "floors of `plan` and `apply` on a cluster beside those of `simulate`, three days, minute by minute",
        "equal",
    )


def runs() -> Iterator[tuple[str, str]]:
    """The rows on time, memory and faults."""
    near, far = value("controller", "last_raise_seconds_1ms"), value("controller", "last_raise_seconds_40ms")
    memory = numbers("controller", HPAS)["peak_rss_mib"]
    yield (
        "a pass over 1,000 HPAs in which every floor rises, 1 ms or 40 ms an answer",
        f"the last PATCH after {near:.1f} s or {far:.1f} s, {memory:.0f} MiB; two LISTs",
    )
    found = numbers("detect", "detect")
    alarms = f"{found['false_alarms']:.0f} false alarm{'' if found['false_alarms'] == 1 else 's'}"
    yield (
        f"{found['tried']:.0f} corruptions of real orders, and {found['clean_days']:.0f} clean days",
        f"{found['found']:.0f} found, {alarms}",
    )
    saved, above = value("actuators", "vertical_saving_vs_static"), value("actuators", "vertical_minutes_over_target")
    yield (
        "databases resized in place, beside a fixed size",
        f"{100 * saved:.0f} % saved, {above:.0f} minutes a day above the target",
    )
    rows = numbers("sources", ROWS)
    yield (
        "100 million order rows audited and counted",
        f"{rows['cpu_seconds']:.0f} s of CPU, {rows['peak_rss_mib']:.0f} MiB",
    )
    fleet = numbers("fleet", "10000 workloads")
    yield (
        "10,000 workloads, from rows to plan, two cores",
        f"{fleet['seconds']:.0f} s, {fleet['peak_rss_mib'] / 1024:.1f} GiB with Dask's workers",
    )


def chosen_policies() -> Iterator[str]:
    """A row for each case that was judged, those of few days too."""
    for trace in page("policies").cells:
        case = numbers("policies", trace)
        if "kept" in case:
            shares = (case["saving"], case["saving of perfect"], case["regret"])
            cells = (f"{100 * case['kept']:.1f} %", *(f"{100 * share:z.0f} %" for share in shares))
            yield f"| {trace} | {' | '.join(cells)} |"


def tasks() -> Iterator[str]:
    """Fleets and rows: rows read, seconds, CPU seconds, each, memory."""
    for count, many in (("1,000", "1000 workloads"), ("10,000", "10000 workloads")):
        run = numbers("fleet", many)
        cost = f"{run['seconds']:.0f} | {run['cpu_seconds']:.0f} | {run['cpu_milliseconds_each']:.0f} ms"
        memory = f"{run['peak_rss_mib'] / 1024:.1f} GiB"
        yield f"| {count} workloads, rows to plan | {run['rows']:,.0f} | {cost} | {memory} |"
    rows, seconds, cpu, mib = (value("governance", name) for name in ("rows", "seconds", "cpu_seconds", "peak_rss_mib"))
    counted = f"{rows:,.0f} order lines checked and counted per hour | {rows:,.0f}"
    yield f"| {counted} | {seconds:.0f} | {cpu:.0f} | | {mib / 1024:.1f} GiB |"


def value(name: str, row: str) -> float:
    """The cell `value` of a row."""
    return numbers(name, row)["value"]


def numbers(name: str, row: str) -> dict[str, float]:
    """The cells of a row that are numbers, by column. Raises `ValueError` where the page has no such row."""
    found: Page = page(name)
    if row not in found.cells:
        raise ValueError(f"{name}.md: expected a row {row!r}, got {sorted(found.cells)}")
    return {column: float(cell) for column, cell in found.cells[row].items() if _is_number(cell)}


def best_peer(days: str) -> float:
    """The smallest MASE of the peers so many days ahead."""
    cells = page("long_range").cells[days]
    return min(float(ast.literal_eval(cells[f"peers {name}"])["mase"]) for name in PEERS)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
