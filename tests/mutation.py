"""Mutants of a package, drawn with a fixed seed.

A mutant differs in one comparison, operator, number, truth value, `and`/`or`, or `min`/`max`.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
DECISION = tuple(
    f"capacity.decision.{path.stem}" for path in sorted((ROOT / "capacity" / "decision").glob("[a-z]*.py"))
)
DECISION_TESTS = (
    "tests/unit/test_decision.py",
    "tests/unit/test_decision_rules.py",
    "tests/unit/test_headroom_plan.py",
    "tests/unit/test_readings.py",
    "tests/unit/test_vertical_decision.py",
    "tests/unit/test_volume_decision.py",
    "tests/property/test_standing_metrics.py",
    "tests/integration/test_ready.py",
    "tests/integration/test_failures.py::test_a_plan_that_contradicts_the_configuration_is_not_followed",
    "tests/integration/test_failures.py::test_a_plan_of_other_settings_is_followed_with_a_warning",
)
CONTROLLER = (
    "capacity.app.control",
    "capacity.app.floor_watch",
    "capacity.app.reconciliation",
    "capacity.cluster.act",
    "capacity.cluster.annotations",
    "capacity.cluster.autoscaler",
    "capacity.cluster.lease",
    "capacity.cluster.observe",
    "capacity.cluster.ownership",
)
CONTROLLER_TESTS = (
    "tests/integration/test_pass_order.py",
    "tests/integration/test_floor_guard.py",
    "tests/integration/test_says_what_is.py",
    "tests/integration/test_targets.py",
    "tests/integration/test_controller.py",
    "tests/integration/test_beside_others.py",
    "tests/integration/test_steering.py",
    "tests/integration/test_managed_target.py",
    "tests/integration/test_ready.py",
    "tests/integration/test_rehearse.py",
    "tests/integration/test_claims.py",
    "tests/integration/test_failures.py",
    "tests/integration/test_headroom.py",
    "tests/property/test_fault_runs.py",
    "tests/unit/test_notes.py",
    "tests/unit/test_readings.py",
)
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
Place = ast.expr
CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One change of one module: which of its changes, and where it stands.

    `lines`: those of its statement, in a function that runs when the function is called; empty where importing runs it.
    """

    module: str
    number: int
    line: int
    change: str
    lines: range

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.change}"


def mutants(modules: Sequence[str]) -> list[Mutant]:
    """Every mutant of these modules, in the order of their lines."""
    found = []
    for module in modules:
        tree = ast.parse(source(module))
        statements = _statements(tree)
        for number, (node, change, _) in enumerate(_places(tree)):
            found.append(Mutant(module, number, node.lineno, change, statements[id(node)]))
    return found


@cache
def source(module: str) -> str:
    """The text of a module, as it stood when it was first asked for: whoever edits meanwhile moves no line."""
    return (ROOT / Path(*module.split("."))).with_suffix(".py").read_text(encoding="utf-8")


def mutated(mutant: Mutant) -> ast.Module:
    """The module with the mutant's change.

    >>> ast.unparse(mutated(mutants(["tests.mutation"])[0])) != ast.unparse(ast.parse(source("tests.mutation")))
    True
    """
    tree = ast.parse(source(mutant.module))
    list(_places(tree))[mutant.number][2]()
    return ast.fix_missing_locations(tree)


def drawn(modules: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """So many mutants, by chance that the seed decides."""
    every = mutants(modules)
    return random.Random(seed).sample(every, min(count, len(every)))


def _statements(tree: ast.Module) -> dict[int, range]:
    """The lines of the statement that each node stands in, empty outside functions; of an `if`, those of its test."""
    found: dict[int, range] = {}
    _descend(tree, range(0), found, inside=False)
    return found


def _descend(node: ast.AST, lines: range, found: dict[int, range], *, inside: bool) -> None:
    if inside and isinstance(node, ast.stmt):
        body = getattr(node, "body", [])
        end = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno
        lines = range(node.lineno, end + 1)
    found[id(node)] = lines
    body = node.body if isinstance(node, ast.FunctionDef) else ()
    for child in ast.iter_child_nodes(node):
        _descend(child, lines, found, inside=inside or child in body)


def _places(tree: ast.Module) -> Iterator[tuple[Place, str, Callable[[], None]]]:
    """Node, change, and what makes it, of each place that can be changed; annotations and messages are none."""
    idle = {id(part) for node in ast.walk(tree) for one in _idle(node) for part in ast.walk(one)}
    for node in ast.walk(tree):
        if id(node) in idle:
            continue
        if isinstance(node, ast.Compare):
            yield from _compared(node)
        elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED and not _of_text(node):
            after = COMPUTED[type(node.op)]()
            yield node, f"{_name(node.op)} -> {_name(after)}", lambda n=node, a=after: setattr(n, "op", a)
        elif isinstance(node, ast.BoolOp):
            after = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield node, f"{_name(node.op)} -> {_name(after)}", lambda n=node, a=after: setattr(n, "op", a)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node, "not -> ", lambda n=node: setattr(n, "op", ast.UAdd())
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLED:
            called, after_name = node.func, CALLED[node.func.id]
            yield node, f"{called.id} -> {after_name}", lambda c=called, a=after_name: setattr(c, "id", a)
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
            yield _constant(node)


IDLE = ("strict", "repr", "init", "slots", "frozen", "thread_name_prefix")  # keywords that catch mistakes, or are shown


def _idle(node: ast.AST) -> Iterator[ast.AST]:
    """Parts on which no behaviour depends: decorators, what assertions tell the type checker, some keywords."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        yield from node.decorator_list
    elif isinstance(node, ast.Assert):
        yield node
    elif isinstance(node, ast.Call):
        yield from (one.value for one in node.keywords if one.arg in IDLE)


def _compared(node: ast.Compare) -> Iterator[tuple[Place, str, Callable[[], None]]]:
    for place, operator in enumerate(node.ops):
        after = COMPARED[type(operator)]()
        change = f"{_name(operator)} -> {_name(after)}"
        yield node, change, lambda p=place, a=after: node.ops.__setitem__(p, a)


def _constant(node: ast.Constant) -> tuple[Place, str, Callable[[], None]]:
    before = node.value
    assert isinstance(before, bool | int | float)
    after = not before if isinstance(before, bool) else before + 1
    return node, f"{before} -> {after}", lambda: setattr(node, "value", after)


def _of_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and isinstance(one.value, str))
        for one in sides
    )


def _name(node: ast.AST) -> str:
    return type(node).__name__
