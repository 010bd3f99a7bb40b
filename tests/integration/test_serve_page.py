"""The page of `capacity serve` in a real browser: keys, a click, a control, and axe-core's judgement of every page.

One browser opens all pages side by side, each in a frame of a desktop's or a phone's width, in light or in dark.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import uvicorn
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from capacity.app.configuration import read_config
from capacity.app.serve import LiveData, Moment, served_orders
from capacity.web.application import create_app
from capacity.web.state import WebSettings
from tests.peers import Chromium

CONFIG = """
timezone: Europe/London
sales: {source: orders.csv, time: at, value: {sum: n}}
forecast: {horizon: 2d, quantile_levels: [0.5, 0.9, 0.95]}
workloads:
  - {namespace: shop, name: web, floor: 2, ceiling: 40, zones: 3, lead_time: 5m,
     replica: {cpu_request: 500m, memory_request: 512Mi},
     load: {cpu: {base: 500m, per_sale_per_hour: 50m}, memory: {base: 1Gi}}}
"""
NOW = datetime(2026, 2, 9, tzinfo=UTC)
WORKLOAD = "/workloads/shop/web"
FRAMES = [  # page, width, colours
    (WORKLOAD, 1280, "light"),
    (f"{WORKLOAD}?quantile=0.9", 390, "dark"),
    ("/", 390, "light"),
    ("/docs", 1280, "dark"),
    ("/login", 390, "dark"),
]
OUTER = """<!doctype html><html lang="en"><title>frames</title><body>
{frames}
<script src="/test/outer.js"></script></body></html>"""
OUTER_JS = """
addEventListener("message", (event) => {
  const made = document.createElement("pre");
  made.className = "answer";
  made.textContent = JSON.stringify(event.data);
  document.body.append(made);
});
"""
INNER_JS = """
const wait = async (found) => { while (!found()) await new Promise((done) => setTimeout(done, 50)); };
const told = {}, asked = location.search;
addEventListener("load", async () => {
  const chart = document.getElementById("chart");
  if (chart) {
    await wait(() => document.getElementById("app").dataset.ready);
    const press = (key) => chart.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    press("Home"); press("ArrowRight"); press("PageUp");
    told.moved = chart.getAttribute("aria-valuetext");
    await wait(() => document.querySelector("#why table"));
    press("Home"); press("Enter");
    told.before = document.getElementById("why").innerText;
    document.querySelector('[data-zoom="peak"]').click();
    await wait(() => document.querySelector("#why table"));
    told.bars = document.querySelectorAll("#why tbody tr").length;
    told.lines = [...document.querySelectorAll("#chart path, #chart polygon")].map((one) => one.getAttribute("class"));
    const growth = document.getElementById("growth");
    document.getElementById("compared").textContent = "";
    growth.value = "100";
    growth.dispatchEvent(new Event("input", { bubbles: true }));
    await wait(() => document.querySelector("#compared table"));
    told.compared = document.getElementById("compared").innerText;
    told.save = document.getElementById("save").href;
    told.after = document.querySelector("#chart path.after") !== null;
    document.querySelector("#table summary").click();
    await wait(() => document.querySelector("#rows tr"));
  }
  const found = await axe.run(document, { resultTypes: ["violations"] });
  told.violations = found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" ")}`);
  told.passes = found.passes.length;
  told.wide = document.documentElement.scrollWidth > innerWidth;
  told.dark = matchMedia("(prefers-color-scheme: dark)").matches;
  told.page = location.pathname + asked;
  told.width = innerWidth;
  parent.postMessage(told, "*");
});
"""


class WithScripts:
    """The application as it is, but that its pages may stand in our frames and carry our scripts."""

    def __init__(self, app: ASGIApp, axe: Path) -> None:
        self._app = app
        self._files = {"/test/outer.js": OUTER_JS, "/test/inner.js": axe.read_text(encoding="utf-8") + INNER_JS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path == "/test":
            frames = "".join(
                f'<iframe src="{page}" width="{width}" height="900" title="{page}" style="color-scheme: {colours}">'
                "</iframe>"
                for page, width, colours in FRAMES
            )
            await HTMLResponse(OUTER.format(frames=frames))(scope, receive, send)
        elif path in self._files:
            await Response(self._files[path], media_type="text/javascript")(scope, receive, send)
        else:
            await self._app(scope, receive, _opened(send))


def _opened(send: Send) -> Send:
    start: list[Message] = []

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.append(message)
            return
        (first,) = start
        headers = dict(first["headers"])
        if headers.get(b"content-type", b"").startswith(b"text/html"):
            policy = headers[b"content-security-policy"].replace(b"frame-ancestors 'none'", b"frame-ancestors 'self'")
            body = message["body"].replace(b"</body>", b'<script src="/test/inner.js"></script></body>')
            headers |= {b"content-security-policy": policy, b"content-length": str(len(body)).encode()}
            message = {**message, "body": body}
        await send({**first, "headers": list(headers.items())})
        await send(message)

    return sent


@pytest.fixture(scope="module")
def address(axe: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server on loopback over five weeks of hourly orders."""
    folder = tmp_path_factory.mktemp("page")
    index = pd.date_range("2026-01-05", periods=24 * 35, freq="h", tz="UTC")
    daytime = np.sin((index.hour.to_numpy() - 7) * np.pi / 12).clip(0) * (index.day_of_week.to_numpy() < 5)
    pd.DataFrame({"at": index, "n": np.round(3 + 60 * daytime)}).to_csv(folder / "orders.csv", index=False)
    (folder / "capacity.yaml").write_text(CONFIG, encoding="utf-8")
    served = served_orders(read_config(folder / "capacity.yaml"), Moment(NOW))
    app = create_app(LiveData(lambda: served), lambda: NOW, WebSettings(stands=NOW))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(WithScripts(app, axe), log_config=None, access_log=False, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def told(address: str, chromium: Chromium) -> list[dict[str, Any]]:
    """What each frame found out about itself."""
    page = chromium.text(f"{address}/test")
    return [json.loads(unescape(one)) for one in re.findall(r'<pre class="answer">(.*?)</pre>', page, re.DOTALL)]


def test_every_page_is_accessible_and_no_wider_than_its_screen(told: list[dict[str, Any]]) -> None:
    assert sorted((one["page"], one["width"]) for one in told) == sorted((page, width) for page, width, _ in FRAMES)
    assert [one["violations"] for one in told if one["violations"]] == []
    assert [one["page"] for one in told if one["wide"]] == []
    assert min(one["passes"] for one in told) > 5
    assert {one["dark"] for one in told} == {True, False}


def test_keys_a_click_and_a_control_do_what_they_say(told: list[dict[str, Any]]) -> None:
    found = [one for one in told if one["page"].startswith(WORKLOAD)]
    assert len(found) == 2
    for one in found:
        assert one["moved"].startswith("Tue, 13 Jan 2026, 00:15. Sales per hour: what happened 3.")
        assert "lies before the plan, which begins on Mon, 9 Feb 2026, 00:00" in one["before"]
        assert one["bars"] > 5
        assert {"past", "median", "band", "floor"} <= set(one["lines"])
        assert "Peak replicas" in one["compared"]
        assert "pod-hours" in one["compared"]
        asked = "quantile=0.9&growth=1" if "?" in one["page"] else "growth=1"
        assert one["save"].endswith(f"/v1/workloads/shop/web/scenario.yaml?{asked}")
        assert one["after"]
