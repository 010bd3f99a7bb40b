"""A real browser without a screen: what a page looks like, and what its scripts made of it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.peers.process import started, stop

LOOPBACK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"  # a page that asks the internet finds nothing
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # the tests' own pages; root cannot have the sandbox
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--hide-scrollbars",
    "--no-first-run",
    "--virtual-time-budget=5000",  # milliseconds of the page's own time: timers and animations have run
    LOOPBACK,
)


@dataclass(frozen=True)
class Chromium:
    """The browser at `program`. A page is a file (`Path`) or the URL of a server on loopback."""

    program: str

    def screenshot(self, page: Path | str, png: Path, size: tuple[int, int] = (1280, 800)) -> Path:
        """Write what the page looks like, `size` pixels wide and high, to `png`; gives `png` back."""
        self._run(page, f"--screenshot={png.absolute()}", f"--window-size={size[0]},{size[1]}")
        assert png.is_file(), f"chromium drew no picture of {page}"
        return png

    def text(self, page: Path | str) -> str:
        """The document as HTML after its scripts ran."""
        return self._run(page, "--dump-dom")

    def text_and_console(self, page: Path | str) -> tuple[str, list[str]]:
        """The document, and what the page said on the console: its own words, errors, what its policy refused."""
        said = self._run(page, "--enable-logging=stderr", "--dump-dom")
        return said, [line for line in said.splitlines() if ":CONSOLE" in line]

    def pdf(self, page: Path | str, file: Path) -> Path:
        """Write the page as it prints to `file`; gives `file` back."""
        self._run(page, "--no-pdf-header-footer", f"--print-to-pdf={file.absolute()}")
        assert file.is_file(), f"chromium printed nothing of {page}"
        return file

    def _run(self, page: Path | str, *flags: str) -> str:
        url = page.absolute().as_uri() if isinstance(page, Path) else page
        with tempfile.TemporaryDirectory(prefix="capacity-chromium-", ignore_cleanup_errors=True) as profile:
            out = Path(profile) / "out"
            process = started([self.program, *FLAGS, f"--user-data-dir={profile}", *flags, url], out)
            try:
                code = process.wait()
            finally:
                stop(process)
            written = out.read_text(encoding="utf-8", errors="replace")
            assert code == 0, written[-2000:]
            return written
