"""`capacity report` end to end: what the page says, that nothing in it runs, and how a real browser shows it."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

import capacity as cap
from capacity.app.reading import read_orders
from capacity.app.report import collect_report
from capacity.cli import main
from capacity.views.report import ReportRequest, report_page
from tests.peers import Chromium

EVIL = "<script>document.title='owned'</script>"
CONFIG = """
timezone: Europe/London
sales: {source: orders.csv, time: at, value: {sum: n}, rules: [{name: positive, check: "n >= 0"}]}
calendar: {holidays: [GB-ENG], events: events.csv}
forecast: {horizon: 3d, quantile_levels: [0.5, 0.95, 0.99]}
supply:
  currency: EUR
  node_types: [{name: m5, cpu: 4, memory: 16Gi, price_per_hour: 0.2}]
workloads:
  - {namespace: shop, name: web, floor: 2, ceiling: CEILING, replica: {cpu_request: 500m, memory_request: 512Mi},
     load: {cpu: {base: 500m, per_sale_per_hour: 50m}, memory: {base: 1Gi}}}
"""
NOW = "2026-03-16T01:00Z"


class Elements(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def write_files(folder: Path) -> None:
    """Ten weeks of hourly orders of working days, and a promotion with a name that tries to be a script."""
    index = pd.date_range("2026-01-05", periods=24 * 70, freq="h", tz="UTC")
    daytime = np.sin((index.hour.to_numpy() - 7) * np.pi / 12).clip(0) * (index.day_of_week.to_numpy() < 5)
    sales = np.random.default_rng(5).poisson(3 + 60 * daytime)
    pd.DataFrame({"at": index, "n": sales}).to_csv(folder / "orders.csv", index=False)
    start = index[-1] + timedelta(days=1)
    event = f'"{EVIL}",{start.isoformat()},{(start + timedelta(hours=8)).isoformat()},sale,1.5'
    (folder / "events.csv").write_text(f"name,start,end,kind,uplift\n{event}\n", encoding="utf-8")
    configure(folder)


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    write_files(tmp_path)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plan and the report that compares with it: written once, and not to be changed."""
    folder = tmp_path_factory.mktemp("report")
    write_files(folder)
    with contextlib.chdir(folder):
        assert main(["plan", "-q"]) == 0
        reported("--since", "plan.json")
    return folder


def configure(folder: Path, ceiling: int = 40) -> None:
    text = CONFIG.replace("CEILING", str(ceiling))
    (folder / "capacity.yaml").write_text(text, encoding="utf-8")


def reported(*words: str, code: int = 0) -> str:
    assert main(["report", "--now", NOW, "-q", *words]) == code
    return Path("report.html").read_text(encoding="utf-8")


def words_of(page: str) -> str:
    """The text of a page without its pictures, on one line."""
    text = re.sub(r"<(style|svg)\b.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_the_page_says_what_a_manager_asks(written: Path) -> None:
    said = words_of((written / "report.html").read_text(encoding="utf-8"))
    for heading in ("busy", "is planned", "costs", "trust", "needs attention", "changed", "rests on"):
        assert re.search(rf"(When|What|How).{{0,12}} {heading}", said), heading
    assert re.search(r"Are we safe for the next peak\? (Yes|Not certain)\.", said)
    for heading in ("Cost against today", "How sure this is", "What to do"):
        assert said.index(heading) < said.index("When it gets busy"), heading
    peak = json.loads((written / "plan.json").read_text(encoding="utf-8"))["workloads"][0]["peak"]
    assert f"shop/web gets {peak['replicas']} replicas for its peak on" in said
    assert "EUR a month of 30 days" in said
    assert "0 of 1 workloads have another peak" in said
    assert "The settings are the same." in said
    assert "1,680 of 1,680 rows of orders.csv pass every rule (100.00 %): good." in said


def test_nothing_in_the_page_runs_or_is_fetched(written: Path) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    elements = Elements(page).found
    assert {"script", "link", "iframe", "img", "object", "form"} & {tag for tag, _ in elements} == {"link"}
    links = [value for _, held in elements for key, value in held.items() if key in ("src", "href", "xlink:href")]
    assert all(str(link).startswith(("#", "data:")) for link in links), links
    assert not re.search(r"url\((?!#)", page)
    assert "default-src 'none'" in page
    assert "http://" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", page)
    assert not [key for _, held in elements for key in held if key.startswith("on")]


def test_names_that_are_scripts_are_shown_and_not_run(tmp_path: Path, chromium: Chromium) -> None:
    config, now = cap.read_config("capacity.yaml"), datetime.fromisoformat(NOW)
    review = collect_report(config, read_orders(config, now), ReportRequest(), now)
    assert review.planned is not None
    evil = tuple(replace(one, name=EVIL) for one in review.planned.plan.workloads)
    planned = replace(review.planned, plan=replace(review.planned.plan, workloads=evil))
    page = report_page(replace(review, planned=planned))
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    assert not [tag for tag, _ in Elements(page).found if tag == "script"]
    assert f"shop/{EVIL.replace('<', '&lt;').replace('>', '&gt;').replace(chr(39), '&#39;')}" in page
    shown, console = chromium.text_and_console(tmp_path / "report.html")
    assert "<title>Capacity review</title>" in shown
    assert console == []


def test_a_month_that_is_past_is_told_as_it_was_known_on_its_first_day() -> None:
    page = words_of(reported("--month", "2026-03"))
    assert "Capacity review of March 2026" in page
    assert "as known on Sun 2026-03-01 00:00" in page
    came = re.search(r"sales: ([\d,]+) actual, ([\d,]+) expected", page)
    assert came is not None
    actual, expected = (int(part.replace(",", "")) for part in came.groups())
    orders = pd.read_csv("orders.csv", parse_dates=["at"], index_col="at")["n"]
    assert actual == orders.loc["2026-03-01":].sum()
    assert abs(expected / actual - 1) < 0.2, "a business that repeats its weeks"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--month", "March"], 2, "--month: expected a month such as 2026-11, got 'March'"),
        (["--month", "2020-01"], 1, "--month: expected a history before 2020-01"),
        (["--since", "none.json"], 1, "no plan none.json"),
        (["--page", "nowhere/report.html"], 2, "--page: nowhere/report.html cannot be written"),
    ],
    ids=["no month", "a month before every order", "no earlier plan", "no folder"],
)
def test_what_is_asked_wrongly(words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--now", NOW, *words]) == code
    assert message in capsys.readouterr().err


def test_risks_name_the_ceiling_and_stale_data(tmp_path: Path) -> None:
    configure(tmp_path, ceiling=4)
    assert main(["report", "--now", "2026-03-30T01:00Z", "-q"]) == 0
    said = words_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert re.search(r"shop/web needs more than its ceiling of 4 for [\d,]+ minutes: raise the ceiling", said)
    assert "Are we safe for the next peak? No. shop/web needs more than its ceiling of 4" in said
    assert "The newest order is 14 d old" in said
    assert "The plan ended on" in said


def test_refused_data_are_reported_as_held(tmp_path: Path) -> None:
    orders = pd.read_csv(tmp_path / "orders.csv")
    orders.loc[::20, "n"] = -1
    orders.to_csv(tmp_path / "orders.csv", index=False)
    said = words_of(reported(code=3))
    assert "No plan was made. The last good plan stays in force." in said
    assert "not good enough to plan with" in said


def test_audits_that_were_kept_are_in_the_page() -> None:
    assert main(["audit", "-q"]) == 0
    said = words_of(reported())
    assert "audited (Europe/London) score verdict rows" in said
    assert "Of 5 promises" not in said, "no audit was kept at that time: nothing is known of the promises"
    assert main(["report", "-q"]) == 0
    said = words_of(Path("report.html").read_text(encoding="utf-8"))
    assert "Of 5 objectives over the last 30 d: met 1, missed 1 (data latency), not known 3." in said
    assert "The objective for data latency is missed: see below." in said


@pytest.fixture(scope="module")
def served(written: Path) -> Iterator[str]:
    """That folder on loopback: a frame may measure a page of its own origin."""

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(written))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_no_page_is_wider_than_its_screen(served: str, written: Path, chromium: Chromium) -> None:
    """A phone's, and a desktop's."""
    frames = "".join(
        f'<iframe src="report.html" style="width:{width}px;height:900px;border:0"></iframe>' for width in (390, 1280)
    )
    script = (
        "<p></p><script>for (const frame of document.querySelectorAll('iframe')) frame.onload = event => {"
        "const page = event.target.contentDocument;"
        "const seen = [...page.querySelectorAll('h1, h2, p, li')].every(one => one.getBoundingClientRect().width > 0);"
        "document.querySelector('p').append(page.documentElement.scrollWidth, ' ', seen, ' ') }</script>"
    )
    (written / "frames.html").write_text(frames + script, encoding="utf-8")
    text, console = chromium.text_and_console(f"{served}/frames.html")
    (widths,) = re.findall(r"<p>(.*) </p>", text)
    assert sorted(re.findall(r"\d+ \w+", widths)) == ["1280 true", "390 true"]
    assert console == []


def test_it_prints_on_a_few_pages_of_paper_and_in_light(written: Path, tmp_path: Path, chromium: Chromium) -> None:
    pdf = chromium.pdf(written / "report.html", tmp_path / "report.pdf").read_bytes()
    pages = re.findall(rb"/Type\s*/Page\b", pdf)
    assert 2 <= len(pages) <= 7
    alone = tmp_path / "front.html"
    page = (written / "report.html").read_text(encoding="utf-8")
    alone.write_text(page.replace("</style>", ".details { display: none }</style>"), encoding="utf-8")
    first = chromium.pdf(alone, tmp_path / "front.pdf").read_bytes()
    assert len(re.findall(rb"/Type\s*/Page\b", first)) == 1, "what a manager reads is one page"
    (box,) = set(re.findall(rb"/MediaBox\s*\[\s*0\s+0\s+([\d.]+)\s+([\d.]+)", pdf))
    assert [round(float(size)) for size in box] == [595, 842], "A4 in points"


def test_pictures_are_drawn_in_the_browser(written: Path, tmp_path: Path, chromium: Chromium) -> None:
    png = chromium.screenshot(written / "report.html", tmp_path / "page.png", size=(1280, 3000))
    pixels = np.rint(255 * matplotlib.image.imread(png)[:, :, :3]).astype(int)
    for colour in ((0x00, 0x72, 0xB2), (0x00, 0x9E, 0x73), (0xD5, 0x5E, 0x00)):
        assert (pixels == colour).all(axis=2).sum() > 50, colour


@pytest.mark.parametrize(
    "words",
    [["audit"], ["forecast"], ["seasonality"], ["backtest", "--origins", "2"], ["plan", "--table"]],
    ids=lambda it: it[0],
)
def test_every_sheet_is_a_page_too(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "-q", "--output", "html"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("<!doctype html>")
    assert page.count("<html") == page.count("</html>") == 1
    assert not {"script", "img"} & {tag for tag, _ in Elements(page).found}
    assert main([*words, "-q", "--output", "csv"]) == 0
    rows = capsys.readouterr().out.splitlines()
    if words != ["forecast"]:  # for people the highest step of each day, as CSV every step
        assert page.count("<tr>") == len(rows)
        assert all(f">{name}</th>" in page for name in rows[0].split(","))


def test_the_console_is_heard(tmp_path: Path, chromium: Chromium) -> None:
    page = tmp_path / "bad.html"
    page.write_text("<script>undefined.x</script>", encoding="utf-8")
    _, (line,) = chromium.text_and_console(page)
    assert "TypeError" in line
