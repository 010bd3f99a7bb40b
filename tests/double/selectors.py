"""Label and field selectors: which objects a list or a watch is about, and which texts are no selector (400).

`k8s.io/apimachinery/pkg/labels/selector.go` and `pkg/fields/selector.go`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from tests.double.names import problem_of_key, problems_of_label
from tests.double.status import JSON, bad_request

TOKEN = re.compile(r"\s*(!=|==|=|!|>|<|\(|\)|,|[^\s!=<>(),]+)?")
SIGNS = frozenset(("!=", "==", "=", "!", ">", "<", "(", ")", ","))
OPERATORS = "in, notin, =, ==, !=, gt, lt"
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Requirement:
    """One term of a label selector; `how` is `exists`, `!`, `in`, `notin`, `>` or `<`."""

    key: str
    how: str
    values: tuple[str, ...] = ()

    def matches(self, have: Labels) -> bool:
        """Tell whether labels satisfy it."""
        value = have.get(self.key)
        if self.how in ("exists", "!"):
            return (value is not None) == (self.how == "exists")
        if self.how in (">", "<"):
            number = _integer(value)
            return number is not None and (number > int(self.values[0])) == (self.how == ">")
        return (value in self.values) == (self.how == "in")


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"-?\d+", text) else None


@dataclass
class _Reader:
    """The tokens of a label selector, read from left to right."""

    tokens: Sequence[str]
    place: int = field(default=0)

    @property
    def here(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self) -> str:
        token = self.here
        self.place += 1
        return token

    def requirements(self) -> Iterator[Requirement]:
        while self.here:
            if self.here in SIGNS - {"!"}:
                raise bad_request(f"found '{self.here}', expected: !, identifier, or 'end of string'")
            yield self.requirement()
            if self.here and self.take() != ",":
                raise bad_request(f"found '{self.tokens[self.place - 1]}', expected: ',' or 'end of string'")
            if self.tokens[-1] == "," and not self.here:
                raise bad_request("found '', expected: identifier after ','")

    def requirement(self) -> Requirement:
        absent = self.here == "!" and bool(self.take())
        key = self.take()
        if not key or key in SIGNS:
            raise _unreadable(f"found '{key}', expected: identifier")
        if problem := problem_of_key(key):
            raise _unreadable(f'<nil>: Invalid value: "{key}": {problem}')
        if absent or self.here in ("", ","):
            return Requirement(key, "!" if absent else "exists")
        how = self.take()
        if how not in ("in", "notin", "=", "==", "!=", ">", "<"):
            raise _unreadable(f"found '{how}', expected: {OPERATORS}")
        values = self.listed() if how in ("in", "notin") else (self.exact(),)
        _check_values(key, how, values)
        return Requirement(key, {"=": "in", "==": "in", "!=": "notin"}.get(how, how), values)

    def exact(self) -> str:
        if self.here in ("", ","):
            return ""
        value = self.take()
        if value in SIGNS:
            raise _unreadable(f"found '{value}', expected: identifier")
        return value

    def listed(self) -> tuple[str, ...]:
        opening = self.take()
        if opening != "(":
            raise _unreadable(f"found '{opening}' expected: '('")
        values = [self.listed_value()]
        while self.here == ",":
            self.take()
            values.append(self.listed_value())
        if self.here != ")":
            raise _unreadable(f"found '{self.here}', expected: ',' or ')'")
        self.take()
        return tuple(values)

    def listed_value(self) -> str:
        return "" if self.here in SIGNS | {""} else self.take()


def _check_values(key: str, how: str, values: tuple[str, ...]) -> None:
    for place, value in enumerate(values):
        if how in (">", "<") and _integer(value) is None:
            rule = "for 'Gt', 'Lt' operators, the value must be an integer"
            raise _unreadable(f'values[{place}]: Invalid value: "{value}": {rule}')
        for problem in problems_of_label(value):
            raise _unreadable(f'values[{place}][{key}]: Invalid value: "{value}": {problem}')


def _unreadable(problem: str) -> Exception:
    return bad_request(f"unable to parse requirement: {problem}")


@lru_cache(maxsize=256)
def label_requirements(text: str) -> tuple[Requirement, ...]:
    """Return the terms of a label selector, or raise 400.

    >>> [one.how for one in label_requirements("app=web,tier notin (db),!old")]
    ['in', 'notin', '!']
    """
    return tuple(_Reader([token for token in TOKEN.findall(text) if token]).requirements())


@dataclass(frozen=True)
class Selector:
    """The selection of one request; empty texts select everything."""

    labels: str = ""
    fields: str = ""

    def matches(self, item: JSON) -> bool:
        """Tell whether an object is selected."""
        have = item["metadata"].get("labels") or {}
        return all(term.matches(have) for term in label_requirements(self.labels)) and all(
            _field_matches(term, item) for term in field_terms(self.fields)
        )

    @property
    def single_name(self) -> str:
        """Return the name in `metadata.name=x`, which RBAC takes for the name of the request."""
        return next((value for name, equal, value in field_terms(self.fields) if equal and name == NAME), "")


NAME = "metadata.name"
Term = tuple[str, bool, str]
"""Field, whether it must be equal, value."""


@lru_cache(maxsize=256)
def field_terms(text: str) -> tuple[Term, ...]:
    """Return the terms of a field selector, or raise 400."""
    terms = []
    for part in filter(None, text.split(",")):
        found = re.search(r"!=|==|=", part)
        if not found:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        terms.append((part[: found.start()].strip(), found[0] != "!=", part[found.end() :].strip()))
    return tuple(terms)


def chosen(selector: JSON, labels: Labels) -> bool:
    """Tell whether labels satisfy the `LabelSelector` of an object; an empty one selects everything.

    >>> chosen({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["db"]}]}, {"tier": "web"})
    True
    """
    equal = all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())
    return equal and all(_expression_matches(one, labels) for one in selector.get("matchExpressions", []))


EXPRESSIONS: Mapping[str, Callable[[str, Sequence[str], Labels], bool]] = {
    "In": lambda key, values, labels: labels.get(key) in values,
    "NotIn": lambda key, values, labels: labels.get(key) not in values,
    "Exists": lambda key, values, labels: key in labels,
    "DoesNotExist": lambda key, values, labels: key not in labels,
}


def _expression_matches(expression: JSON, labels: Labels) -> bool:
    return EXPRESSIONS[expression["operator"]](expression["key"], expression.get("values") or [], labels)


def _field_matches(term: Term, item: JSON) -> bool:
    name, equal, wanted = term
    value: object = item
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return (str(value or "") == wanted) == equal
