"""Label and field selectors: which objects a list or a watch is about.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.double.status import JSON, bad_request

SET_FORM = re.compile(r"(?P<key>[^\s!=]+)\s+(?P<how>in|notin)\s+\((?P<values>.*)\)")
EQUAL_FORM = re.compile(r"(?P<key>[^!=\s]+)\s*(?P<sign>!=|==|=)\s*(?P<value>\S*)")
COMMA_OUTSIDE_SET = re.compile(r",(?![^(]*\))")


@dataclass(frozen=True)
class Selector:
    """The selection of one request; empty texts select everything."""

    labels: str = ""
    fields: str = ""

    def matches(self, item: JSON) -> bool:
        """Tell whether an object is selected."""
        have = item["metadata"].get("labels") or {}
        return all(_label_matches(term, have) for term in _terms(self.labels)) and all(
            _field_matches(term, item) for term in _terms(self.fields)
        )

    @property
    def single_name(self) -> str:
        """Return the name in `metadata.name=x`, which RBAC takes for the name of the request."""
        for term in _terms(self.fields):
            form = EQUAL_FORM.fullmatch(term)
            if form and form["key"] == "metadata.name" and form["sign"] != "!=":
                return form["value"]
        return ""


def chosen(selector: JSON, labels: Mapping[str, str]) -> bool:
    """Tell whether labels satisfy the `LabelSelector` of an object; an empty one selects everything.

    >>> chosen({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["db"]}]}, {"tier": "web"})
    True
    """
    equal = all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())
    return equal and all(_expression_matches(one, labels) for one in selector.get("matchExpressions", []))


def _expression_matches(expression: JSON, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[expression["operator"]]


def _terms(text: str) -> list[str]:
    return [term.strip() for term in COMMA_OUTSIDE_SET.split(text) if term.strip()]


def _label_matches(term: str, have: dict[str, str]) -> bool:
    if form := SET_FORM.fullmatch(term):
        values = [value.strip() for value in form["values"].split(",")]
        return (have.get(form["key"]) in values) == (form["how"] == "in")
    if form := EQUAL_FORM.fullmatch(term):
        return (have.get(form["key"]) == form["value"]) == (form["sign"] != "!=")
    if term.startswith("!"):
        return term[1:].strip() not in have
    return term in have


def _field_matches(term: str, item: JSON) -> bool:
    form = EQUAL_FORM.fullmatch(term)
    if not form:
        raise bad_request(f"invalid field selector: '{term}'; can't understand '{term}'")
    value: object = item
    for name in form["key"].split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return (str(value or "") == form["value"]) == (form["sign"] != "!=")
