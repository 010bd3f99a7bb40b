"""Whether tests notice mutants. `python -m tests.mutant_trials 100 20261130 controller` prints each as it is tried.

First the tests run once as they are, to learn which of them run which line, and how long they take. Then each mutant
meets the tests that run its line, the quickest first, in a process of its own that imports the mutated module instead
of the real one; no file is changed. A mutant that never ends is noticed, but no slow machine makes one: time is counted
in the CPU seconds of the process. It runs for ever when it has used far more of them than its tests need, and it waits
for ever when it has used none for minutes; one that is only starved does neither.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import itertools
import os
import pickle
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import coverage
import pytest

import capacity.app.control  # noqa: F401 - third-party libraries are imported once, before the children
import tests.conftest
import tests.double.fixtures
import tests.peers.fixtures  # noqa: F401
from tests.mutation import CONTROLLER, CONTROLLER_TESTS, DECISION, DECISION_TESTS, ROOT, Mutant, drawn, mutated

PATIENCE, STARTING = 20, 60.0  # times the CPU seconds of its tests, and seconds more to import everything
ASLEEP, IDLE = 180.0, 0.5  # seconds by the clock in which a process that is not asleep uses more CPU seconds than these
BUDGET = 15.0  # seconds of its tests: a mutant that outlives so many lives, however many there are
AT_ONCE = min(2, os.cpu_count() or 1)  # most tests wait for a server half of their time
MOVED = "a test that is no more"
QUIET = ("-x", "-q", "--no-header", "-n", "0", "--assert=plain", "-p", "no:cacheprovider", "--timeout=0")


@dataclass
class Survey:
    """What the tests do to the modules as they are: CPU seconds of each, and the lines of a module that each runs.

    A fixture may serve all tests of a file, so lines that run while one is made count for the whole file.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    failed: str = ""

    def tests(self, mutant: Mutant) -> list[str]:
        """The tests that run the mutant's line, the quickest first, as many as `BUDGET` has room for."""
        tests = sorted((test for test in self.seconds if self._runs(test, mutant)), key=self.seconds.__getitem__)
        spent = itertools.accumulate(self.seconds[test] for test in tests)
        return [test for test, seconds in zip(tests, spent, strict=True) if seconds <= BUDGET or test == tests[0]]

    def _runs(self, test: str, mutant: Mutant) -> bool:
        ran = [self.lines.get((one, mutant.module), set()) for one in (test, test.partition("::")[0])]
        return any(lines and (not mutant.lines or not lines.isdisjoint(mutant.lines)) for lines in ran)


@dataclass(frozen=True)
class Trial:
    """What became of a mutant: the test that noticed it; None if it lives."""

    mutant: Mutant
    noticed_by: str | None


class _Surveyor:
    """A plugin of pytest that writes down which test runs which line."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._files = {str(ROOT / Path(*module.split(".")).with_suffix(".py")): module for module in modules}
        self._coverage = coverage.Coverage(data_file=None, include=list(self._files), config_file=False)
        self.survey = Survey()
        self._began = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Iterator[Any]:
        self._coverage.start()
        done = yield
        self._coverage.stop()
        data = self._coverage.get_data()
        for file, module in self._files.items():
            for line, contexts in data.contexts_by_lineno(file).items():
                for context in contexts:
                    self.survey.lines.setdefault((context, module), set()).add(line)
        return done

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._began = time.process_time()
        self._coverage.switch_context(item.nodeid.partition("::")[0])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        self._coverage.switch_context(item.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        self._coverage.switch_context(item.nodeid.partition("::")[0])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.survey.seconds[report.nodeid] = time.process_time() - self._began
        if report.failed:
            self.survey.failed = report.nodeid


class _Swap(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a mutated tree; a plugin of pytest that keeps the name of the first test that fails."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self.failed = ""

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        del path, target
        return importlib.machinery.ModuleSpec(name, self) if name == self._mutant.module else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(mutated(self._mutant), self._mutant.module, "exec"), module.__dict__)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.failed:
            self.failed = f"{report.nodeid}, which cannot be imported"


def survey(modules: Sequence[str], tests: Sequence[str]) -> Survey:
    """Run the tests once as they are. Raises `RuntimeError` if one fails: nothing is shown by a test that fails."""

    def run() -> tuple[dict[str, float], dict[tuple[str, str], set[int]], str]:
        surveyor = _Surveyor(modules)
        ended = pytest.main([*QUIET, *tests], plugins=[surveyor])
        if ended != pytest.ExitCode.OK and not surveyor.survey.failed:
            surveyor.survey.failed = f"pytest, which ended with {ended}"
        found = surveyor.survey
        return found.seconds, found.lines, found.failed  # no object of ours: the child has imported us anew

    child = _Child(run)
    while not child.ended():
        time.sleep(0.05)
    found = None if child.answer is None else Survey(*child.answer)
    failed = f"an end that did not come ({child.end})" if found is None else found.failed
    if found is None or failed:
        raise RuntimeError(f"expected every test to pass before anything is changed, got a failure: {failed}")
    return found


def trials(mutants: Sequence[Mutant], found: Survey) -> Iterator[Trial]:
    """Try each mutant, a few at once; each is told as soon as it is known.

    A test that fails is run again alone: one that then passes failed by chance, as on a machine that is too busy, and
    the tests after it go on.
    """
    waiting, running = [_Run(mutant, found.tests(mutant)) for mutant in mutants], list[tuple[_Run, _Child]]()
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            running.append((waiting[0], _started(waiting.pop(0), found)))
        for run, child in [one for one in running if one[1].ended()]:
            running.remove((run, child))
            if child.answer == MOVED:
                raise RuntimeError("expected the tests of the survey, got others: somebody edits them; run it again")
            answer = f"an end that did not come ({child.end})" if child.answer is None else child.answer
            again = run.after(answer)
            if again is None:
                yield Trial(run.mutant, answer or None)
            else:
                waiting.insert(0, again)
        time.sleep(0.02)


@dataclass(frozen=True)
class _Run:
    """Some tests that meet a mutant; `later` are those that follow where the one that is run again passes."""

    mutant: Mutant
    tests: Sequence[str]
    later: Sequence[str] | None = None

    def after(self, answer: str) -> _Run | None:
        """The run that follows this one; None where the answer is final."""
        if self.later is None and answer in self.tests:
            return _Run(self.mutant, [answer], self.tests[self.tests.index(answer) + 1 :])
        if self.later and not answer:
            return _Run(self.mutant, self.later)
        return None


def _started(run_of: _Run, found: Survey) -> _Child:
    mutant, tests = run_of.mutant, run_of.tests

    def run() -> str:
        swap = _Swap(mutant)
        sys.meta_path.insert(0, swap)
        ended = pytest.main([*QUIET, *tests], plugins=[swap])
        if ended == pytest.ExitCode.USAGE_ERROR and not swap.failed:
            return MOVED
        return swap.failed or ("" if ended == pytest.ExitCode.OK else f"pytest, which ended with {ended}")

    if not tests:
        return _Child(lambda: "")
    return _Child(run, STARTING + PATIENCE * sum(found.seconds[test] for test in tests))


class _Child:
    """A process that has imported the libraries, but nothing of ours; what its function returns is its answer.

    One that hangs is killed from here, after `limit` seconds of its CPU time, or asleep: no alarm of its own outlives
    pytest's. `end` says how it ended.
    """

    def __init__(self, run: Any, limit: float = float("inf")) -> None:
        descriptor, name = tempfile.mkstemp()
        os.close(descriptor)
        self._answer, self._limit = Path(name), limit
        self._awake = time.monotonic(), 0.0
        self.answer: Any = None
        self.end = ""
        sys.stdout.flush()
        self._process = os.fork()
        if self._process == 0:
            self._live(run)

    def _live(self, run: Any) -> None:
        try:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            for name in [name for name in sys.modules if name.partition(".")[0] in ("capacity", "tests")]:
                del sys.modules[name]
            self._answer.write_bytes(pickle.dumps(run()))
        finally:
            os._exit(0)

    def ended(self) -> bool:
        """Whether it has ended, or has been killed as it hangs; the answer is read then."""
        ended, status = os.waitpid(self._process, os.WNOHANG)
        self.end = f"status {status}" if ended else self._hangs()
        if not ended and self.end:
            os.kill(self._process, signal.SIGKILL)
            ended, _ = os.waitpid(self._process, 0)
        if not ended:
            return False
        text = self._answer.read_bytes()
        self._answer.unlink()
        self.answer = pickle.loads(text) if text else None
        return True

    def _hangs(self) -> str:
        """Why it will never end; empty while it may."""
        used, (since, before), now = _cpu_seconds(self._process), self._awake, time.monotonic()
        if used > self._limit:
            return f"it ran on for {used:.0f} s of CPU"
        if used - before > IDLE:
            self._awake = now, used
        elif now - since > ASLEEP and self._limit < float("inf"):
            return f"it waited for {now - since:.0f} s after {used:.0f} s of CPU"
        return ""


def _cpu_seconds(process: int) -> float:
    """The CPU time that a process has used, as Linux counts it."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def survivors(modules: Sequence[str], tests: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """The mutants of a draw that no test noticed; each is printed as it is tried."""
    left = []
    began = time.monotonic()
    for place, trial in enumerate(trials(drawn(modules, count, seed), survey(modules, tests)), 1):
        fate = f"noticed by {trial.noticed_by}" if trial.noticed_by else "LIVES"
        sys.stderr.write(f"{place:4} {time.monotonic() - began:6.0f} s  {trial.mutant}: {fate}\n")
        left += [] if trial.noticed_by else [trial.mutant]
    return left


if __name__ == "__main__":
    chosen = {"decision": (DECISION, DECISION_TESTS), "controller": (CONTROLLER, CONTROLLER_TESTS)}[sys.argv[3]]
    survived = survivors(*chosen, int(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.write("".join(f"{mutant}\n" for mutant in survived))
    sys.stdout.write(f"{len(survived)} of {sys.argv[1]} survive\n")
