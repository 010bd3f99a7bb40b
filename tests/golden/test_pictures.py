"""Pictures look as they did when somebody looked at them; both looks can be read; files say what they show.

After a change that is meant: `python -m tests.golden.test_pictures`, look at every picture in tests/golden/pictures.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import capacity as cap
from capacity.forecast import Backtest
from capacity.load import LoadReport, learn_throughput
from capacity.model import Bar, Explanation
from capacity.simulation import Replay
from capacity.views import (
    plot_backtest,
    plot_calibration,
    plot_decomposition,
    plot_explanation,
    plot_forecast,
    plot_frontier,
    plot_load,
    plot_plan,
    plot_seasons,
    plot_simulation,
    plot_utilization,
    save_figure,
)
from capacity.views.plots import inline_svg
from capacity.views.plots.canvas import PALETTES, Palette

FOLDER = Path(__file__).with_name("pictures")
DOTS = 40  # an inch: small files; a line that moved or a text that is cut still shows
TOLERANCE = 6.0  # root mean square over 255: another release of FreeType moves the edges of letters by less
TIMEZONE = "Europe/London"
LOAD = cap.LoadModel(0.5, 0.05, 2**30, 2**23)
WEB = cap.Workload("shop", "web", LOAD, cap.Replica(0.5, 2**29), floor=2, ceiling=40)


@cache
def sales() -> pd.Series:
    """Seven weeks of working days and quieter weekends, with a little noise from a fixed seed."""
    index = pd.date_range("2026-01-05", periods=24 * 49, freq="h", tz="UTC")
    hour, weekday = index.hour.to_numpy(), index.day_of_week.to_numpy() < 5
    daytime = np.sin((hour - 7) * np.pi / 12).clip(0) * (1 + 0.6 * weekday)
    return pd.Series(5 + 80 * daytime * np.random.default_rng(3).lognormal(0, 0.1, len(index)), index)


@cache
def forecast() -> cap.Forecast:
    """A fan that is written, not fitted: the picture is tested here, not the model."""
    index = pd.date_range(sales().index[-1] + timedelta(hours=1), periods=24 * 7, freq="h")
    middle = sales().to_numpy()[-168:]
    fan = pd.DataFrame({level: middle * grow + up for level, grow, up in [(0.5, 1, 0), (0.9, 1.1, 4), (0.95, 1.2, 7)]})
    return cap.Forecast(sales().index[-1].to_pydatetime(), timedelta(hours=1), fan.set_index(index), "sales per hour")


@cache
def plan() -> cap.WorkloadPlan:
    return cap.plan_workload(cap.project_load(forecast(), LOAD), WEB)


@cache
def backtest() -> Backtest:
    return cap.backtest_sales(sales(), horizon="2D", origins=5)


@cache
def simulation() -> cap.Simulation:
    return cap.simulate(sales(), WEB, replay=Replay(days=2))


def explanation() -> Explanation:
    bars = (Bar("idle load", 1000, ""), Bar("sales", 5500, ""), Bar("events", -750, ""), Bar("rounding", 250, ""))
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    return Explanation("shop", "web", at, "cpu", 6, bars, 6, at)


@cache
def load() -> LoadReport:
    """Load that a deploy made dearer, of a workload whose name is long and holds a dollar sign; and what it serves."""
    deployed = np.where(np.arange(len(sales())) < 24 * 40, 0.03, 0.05)
    rng = np.random.default_rng(4)
    replicas = np.clip(np.ceil(sales() / 7), 2, 16)
    cpu = (0.05 * replicas + deployed * sales()) * rng.gamma(300, 1 / 300, len(sales()))
    usage = pd.DataFrame({"cpu": cpu, "memory": 2e9 + 3e6 * sales(), "requests": 10 * sales(), "replicas": replicas})
    report = cap.learn_load(sales(), usage[["cpu", "memory"]], name=f"shop/{'checkout-' * 6}$web", timezone=TIMEZONE)
    return replace(report, throughput=learn_throughput(usage, WEB.replica))


def events() -> list[cap.Event]:
    start = forecast().origin + timedelta(days=2)
    return [cap.Event("Sale at $5 & $6 <off>", start, start + timedelta(days=1))]


def busy() -> pd.Series:
    """A planned utilization in which two afternoons pass the target and a night is missing."""
    found = plan().to_frame()["utilization"].copy()
    found.iloc[[36, 37, 38, 60]] = 0.93
    found.iloc[70:76] = np.nan
    return found


DRAW: dict[str, Callable[[str], Figure]] = {
    "forecast": lambda theme: plot_forecast(forecast(), sales(), TIMEZONE, events=events(), theme=theme),
    "plan": lambda theme: plot_plan(plan(), TIMEZONE, theme=theme),
    "backtest": lambda theme: plot_backtest(backtest(), TIMEZONE, theme=theme),
    "calibration": lambda theme: plot_calibration(backtest(), TIMEZONE, theme=theme),
    "seasons": lambda theme: plot_seasons(sales(), TIMEZONE, theme=theme),
    "decomposition": lambda theme: plot_decomposition(sales().iloc[-24 * 28 :], TIMEZONE, theme=theme),
    "explanation": lambda theme: plot_explanation(explanation(), TIMEZONE, theme=theme),
    "utilization": lambda theme: plot_utilization(busy(), TIMEZONE, name="shop/web", theme=theme),
    "simulation": lambda theme: plot_simulation(simulation(), theme=theme),
    "load": lambda theme: plot_load(load(), theme=theme),
    "frontier": lambda theme: plot_frontier(simulation(), theme=theme),
}
CASES = [(name, "light") for name in DRAW] + [
    ("plan", "dark"),
    ("utilization", "dark"),
    ("frontier", "dark"),
    ("load", "dark"),
]


def drawn(name: str, theme: str) -> bytes:
    """The picture as PNG, small, in the fonts that come with matplotlib."""
    stream = io.BytesIO()
    with mpl.rc_context({"font.family": "DejaVu Sans", "savefig.dpi": DOTS}):
        DRAW[name](theme).savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def pixels(png: bytes) -> np.ndarray:
    return 255 * mpl.image.imread(io.BytesIO(png), format="png")[:, :, :3]


def difference(name: str, theme: str, png: bytes) -> float:
    """Root mean square of all differences; infinite where the sizes differ."""
    known, found = pixels((FOLDER / f"{name}-{theme}.png").read_bytes()), pixels(png)
    return float(np.sqrt(np.mean((known - found) ** 2))) if known.shape == found.shape else float("inf")


@pytest.mark.parametrize(("name", "theme"), CASES, ids=[f"{name} on {theme} paper" for name, theme in CASES])
def test_the_picture_is_the_one_that_was_looked_at(name: str, theme: str, tmp_path: Path) -> None:
    png = drawn(name, theme)
    (tmp_path / f"{name}-{theme}.png").write_bytes(png)
    assert difference(name, theme, png) < TOLERANCE, f"compare {tmp_path} with {FOLDER}"


def test_a_picture_with_another_line_in_it_is_another_picture() -> None:
    figure = DRAW["plan"]("light")
    figure.axes[0].plot(figure.axes[0].get_xlim(), figure.axes[0].get_ylim(), color="#D55E00", lw=3)
    stream = io.BytesIO()
    with mpl.rc_context({"font.family": "DejaVu Sans", "savefig.dpi": DOTS}):
        figure.savefig(stream, format="png")
    assert difference("plan", "light", stream.getvalue()) > TOLERANCE


def test_a_legend_of_two_lines_leaves_the_title_alone() -> None:
    levels = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99, 0.995)
    fan = pd.DataFrame({level: forecast().quantiles[0.5] * (1 + level) for level in levels})
    figure = plot_forecast(cap.Forecast(forecast().origin, timedelta(hours=1), fan, "sales"), sales(), TIMEZONE)
    figure.savefig(io.BytesIO(), dpi=DOTS)
    (axes,) = figure.axes
    title = next(text for text in axes.findobj(Text) if text.get_text() == "Forecast: sales")
    assert axes.get_legend().get_window_extent().y1 <= title.get_window_extent().y0
    assert title.get_window_extent().y1 <= figure.bbox.y1


def test_a_history_of_years_has_its_dates_below_it() -> None:
    days = pd.date_range("2024-12-01", "2026-11-30", freq="D", tz="UTC")
    _, level = plot_seasons(pd.Series(1.0, days), "UTC").axes
    labels = [label.get_text() for label in level.get_xticklabels()]
    assert labels[0] == "Jan\n2025"
    assert "Jan\n2026" in labels
    assert level.get_ylabel() == "sales per day"


def contrast(colour: str, paper: str) -> float:
    """Contrast by WCAG 2.2, from relative luminance."""

    def luminance(code: str) -> float:
        parts = np.array(mpl.colors.to_rgb(code))
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    high, low = sorted((luminance(colour), luminance(paper)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
def test_text_and_lines_stand_out_from_their_paper(palette: Palette) -> None:
    assert min(contrast(colour, palette.paper) for colour in (palette.ink, palette.muted)) >= 4.5
    assert min(contrast(colour, palette.paper) for colour in (palette.blue, palette.orange, palette.green)) >= 3.0


def test_an_unknown_theme_is_refused() -> None:
    with pytest.raises(cap.DataError, match=r"theme: expected one of \['dark', 'light'\], got sepia"):
        plot_plan(plan(), theme="sepia")


@pytest.mark.parametrize("name", DRAW)
def test_an_svg_says_what_it_shows(name: str, tmp_path: Path) -> None:
    save_figure(DRAW[name]("light"), tmp_path / "one.svg")
    text = (tmp_path / "one.svg").read_text(encoding="utf-8")
    words = text.partition("<title>")[2].partition("</title>")[0]
    assert len(words) > 40
    assert f'<svg role="img" aria-label="{words}"' in text


def test_equal_results_are_equal_files(tmp_path: Path) -> None:
    files = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for file in files:
        save_figure(DRAW["plan"]("light"), file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_names_from_outside_are_text_in_a_picture() -> None:
    text = inline_svg(DRAW["forecast"]("light"), "fan")
    assert "Sale at $5 &amp; $6 &lt;off&gt;" in text
    assert "<off>" not in text


def test_two_pictures_on_a_page_share_no_id_and_take_their_colours_from_it() -> None:
    import re

    pages = [inline_svg(DRAW["plan"]("light"), name) for name in ("one", "two")]
    ids = [set(re.findall(r'\bid="([^"]+)"', page)) for page in pages]
    assert ids[0]
    assert not ids[0] & ids[1]
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', pages[0]))
    assert used <= ids[0]
    assert "var(--green)" in pages[0]
    assert "#009e73" not in pages[0].lower()


@pytest.mark.parametrize(
    ("file", "message"),
    [("plan.pdf", r"expected a file ending in \.png or \.svg, got plan\.pdf"), ("none/plan.png", "cannot be written")],
    ids=["another format", "no folder"],
)
def test_a_picture_that_cannot_be_written_says_why(file: str, message: str) -> None:
    with pytest.raises(cap.ConfigError, match=message):
        save_figure(DRAW["explanation"]("light"), Path(file))


def test_a_png_carries_its_words(tmp_path: Path) -> None:
    save_figure(DRAW["explanation"]("light"), str(tmp_path / "why.png"))
    assert b"6 replicas for Mon 2026-03-02 12:00 (Europe/London)" in (tmp_path / "why.png").read_bytes()


if __name__ == "__main__":
    for name, theme in CASES:
        (FOLDER / f"{name}-{theme}.png").write_bytes(drawn(name, theme))
