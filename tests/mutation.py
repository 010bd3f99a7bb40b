"""Mutants of a package, drawn with a fixed seed, and whether the tests of that package notice them.

A mutant differs in one comparison, operator, number, truth value, `and`/`or`, or `min`/`max`. Each runs the tests in a
process of its own, in which the mutated module is imported instead of the real one; no file is changed.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

import tests.conftest  # what every test needs is imported once, before the children
import tests.double.fixtures
import tests.peers.fixtures  # noqa: F401

ROOT = Path(__file__).parents[1]
DECISION = ("capacity.decision.decide", "capacity.decision.brake")
DECISION_TESTS = ("tests/unit/test_decision.py", "tests/unit/test_decision_rules.py")
CONTROLLER = (
    "capacity.app.control",
    "capacity.app.floor_watch",
    "capacity.cluster.act",
    "capacity.cluster.annotations",
    "capacity.cluster.autoscaler",
    "capacity.cluster.lease",
    "capacity.cluster.observe",
    "capacity.cluster.ownership",
    "capacity.cluster.restore",
    "capacity.cluster.switch",
)
CONTROLLER_TESTS = (  # the quickest first: most mutants do not outlive them
    "tests/integration/test_pass_order.py",
    "tests/integration/test_floor_guard.py",
    "tests/integration/test_says_what_is.py",
    "tests/integration/test_targets.py",
    "tests/integration/test_controller.py",
    "tests/integration/test_beside_others.py",
    "tests/integration/test_steering.py",
    "tests/property/test_fault_runs.py",
)
UNCHANGED = -1  # the number of the mutant that is none: it must pass, or nothing is shown by one that fails
LONGEST = 120  # seconds of a mutant's tests: one that never ends is noticed too
COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One change of one module: which of its changes, and where it stands."""

    module: str
    number: int
    line: int
    change: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.change}"


def mutants(modules: Sequence[str]) -> list[Mutant]:
    """Every mutant of these modules, in the order of their lines."""
    found = []
    for module in modules:
        places = list(_places(ast.parse(source(module))))
        found += [Mutant(module, number, line, change) for number, (line, change, _) in enumerate(places)]
    return found


def source(module: str) -> str:
    """The text of a module."""
    return (ROOT / Path(*module.split("."))).with_suffix(".py").read_text(encoding="utf-8")


def mutated(mutant: Mutant) -> ast.Module:
    """The module with the mutant's change.

    >>> ast.unparse(mutated(mutants(["tests.mutation"])[0])) != ast.unparse(ast.parse(source("tests.mutation")))
    True
    """
    tree = ast.parse(source(mutant.module))
    if mutant.number != UNCHANGED:
        list(_places(tree))[mutant.number][2]()
    return ast.fix_missing_locations(tree)


def _places(tree: ast.Module) -> Iterator[tuple[int, str, Callable[[], None]]]:
    """Line, change, and what makes it, of each place that can be changed; annotations and messages are none."""
    decorating = {id(part) for node in ast.walk(tree) for one in _decorators(node) for part in ast.walk(one)}
    for node in ast.walk(tree):
        if id(node) in decorating:  # such as slots=True, which no behaviour depends on
            continue
        if isinstance(node, ast.Compare):
            yield from _compared(node)
        elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED and not _of_text(node):
            after = COMPUTED[type(node.op)]()
            yield node.lineno, f"{_name(node.op)} -> {_name(after)}", lambda n=node, a=after: setattr(n, "op", a)
        elif isinstance(node, ast.BoolOp):
            after = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield node.lineno, f"{_name(node.op)} -> {_name(after)}", lambda n=node, a=after: setattr(n, "op", a)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node.lineno, "not -> ", lambda n=node: setattr(n, "op", ast.UAdd())
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLED:
            called, after_name = node.func, CALLED[node.func.id]
            yield node.lineno, f"{called.id} -> {after_name}", lambda c=called, a=after_name: setattr(c, "id", a)
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
            yield _constant(node)


def _decorators(node: ast.AST) -> list[ast.expr]:
    return node.decorator_list if isinstance(node, ast.ClassDef | ast.FunctionDef) else []


def _compared(node: ast.Compare) -> Iterator[tuple[int, str, Callable[[], None]]]:
    for place, operator in enumerate(node.ops):
        after = COMPARED[type(operator)]()
        change = f"{_name(operator)} -> {_name(after)}"
        yield node.lineno, change, lambda p=place, a=after: node.ops.__setitem__(p, a)


def _constant(node: ast.Constant) -> tuple[int, str, Callable[[], None]]:
    before = node.value
    assert isinstance(before, bool | int | float)
    after = not before if isinstance(before, bool) else before + 1
    return node.lineno, f"{before} -> {after}", lambda: setattr(node, "value", after)


def _of_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and isinstance(one.value, str))
        for one in sides
    )


def _name(node: ast.AST) -> str:
    return type(node).__name__


class _Swap(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a mutated tree."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        del path, target
        return importlib.machinery.ModuleSpec(name, self) if name == self._mutant.module else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(mutated(self._mutant), self._mutant.module, "exec"), module.__dict__)


def survives(mutant: Mutant, tests: Sequence[str]) -> bool:
    """Whether all tests pass though the module is changed; asked of a child that has imported all else already."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os._exit(_run(mutant, tests))
    return _ended(child) == 0


def _ended(child: int) -> int:
    """How a child ended. One that hangs is killed from here: no alarm of its own outlives pytest's."""
    ends = time.monotonic() + LONGEST
    while time.monotonic() < ends:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _run(mutant: Mutant, tests: Sequence[str]) -> int:
    """Swap the module and run the tests until one fails."""
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    package = mutant.module.rpartition(".")[0]
    for name in [name for name in sys.modules if name == package or name.startswith((f"{package}.", "tests.unit"))]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Swap(mutant))
    return int(pytest.main(["-x", "-q", "--no-header", "-n", "0", "--assert=plain", "-p", "no:cacheprovider", *tests]))


def drawn(modules: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """So many mutants, by chance that the seed decides."""
    every = mutants(modules)
    return random.Random(seed).sample(every, min(count, len(every)))


def survivors(modules: Sequence[str], tests: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """The mutants of a draw that no test noticed. Raises `RuntimeError` where the tests fail without any change."""
    packages = {module.rpartition(".")[0]: module for module in modules}
    if not all(survives(Mutant(module, UNCHANGED, 0, ""), tests) for module in packages.values()):
        raise RuntimeError(f"expected {', '.join(tests)} to pass before anything is changed, got a failure; mend it")
    return [mutant for mutant in drawn(modules, count, seed) if survives(mutant, tests)]


if __name__ == "__main__":
    chosen = {"decision": (DECISION, DECISION_TESTS), "controller": (CONTROLLER, CONTROLLER_TESTS)}[sys.argv[3]]
    left = survivors(*chosen, int(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.write("".join(f"{mutant}\n" for mutant in left))
    sys.stdout.write(f"{len(left)} of {sys.argv[1]} survive\n")
