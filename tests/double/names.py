"""What may be a name, a key or a label, in the words of `k8s.io/apimachinery/pkg/util/validation`."""

from __future__ import annotations

import re
from collections.abc import Iterator

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    rf"'{SUBDOMAIN.pattern}')"
)
LABEL_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
LABEL_NAME_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    rf"'{LABEL_NAME.pattern}')"
)
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    rf"'{LABEL_VALUE.pattern}')"
)
DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
DATA_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    rf"'key-name', regex used for validation is '{DATA_KEY.pattern}')"
)
LONGEST_LABEL = 63
"""Bytes of a label's value, and of the name in its key."""
LONGEST_NAME = 253
"""Bytes of a subdomain, and of a config map's key."""


def problems_of_subdomain(name: str) -> Iterator[str]:
    """Return what is wrong with a name that must be a DNS subdomain (IsDNS1123Subdomain)."""
    if len(name.encode()) > LONGEST_NAME:
        yield f"must be no more than {LONGEST_NAME} bytes"
    if not SUBDOMAIN.fullmatch(name):
        yield SUBDOMAIN_RULE


def problems_of_key(key: str) -> Iterator[str]:
    """Return what is wrong with the key of a label or an annotation (IsQualifiedName)."""
    parts = key.split("/")
    if len(parts) > 2:
        yield f"a valid label key {LABEL_NAME_RULE} with an optional DNS subdomain prefix and '/' (e.g. '{EXAMPLE}')"
        return
    if len(parts) == 2:
        prefix = ["must be non-empty"] if not parts[0] else problems_of_subdomain(parts[0])
        yield from (f"prefix part {problem}" for problem in prefix)
    name = parts[-1]
    if not name:
        yield "name part must be non-empty"
    elif len(name.encode()) > LONGEST_LABEL:
        yield f"name part must be no more than {LONGEST_LABEL} bytes"
    if not LABEL_NAME.fullmatch(name):
        yield f"name part {LABEL_NAME_RULE}"


EXAMPLE = "example.com/MyName"


def problem_of_key(key: str) -> str:
    """Return all that is wrong with a key in one text; empty where nothing is."""
    return "; ".join(problems_of_key(key))


def problems_of_label(value: str) -> Iterator[str]:
    """Return what is wrong with the value of a label (IsValidLabelValue)."""
    if len(value.encode()) > LONGEST_LABEL:
        yield f"must be no more than {LONGEST_LABEL} bytes"
    if not LABEL_VALUE.fullmatch(value):
        yield LABEL_VALUE_RULE


def problems_of_data_key(key: str) -> Iterator[str]:
    """Return what is wrong with a key of a config map (IsConfigMapKey)."""
    if len(key.encode()) > LONGEST_NAME:
        yield f"must be no more than {LONGEST_NAME} characters"
    if not DATA_KEY.fullmatch(key):
        yield DATA_KEY_RULE
    if key in (".", ".."):
        yield f"must not be '{key}'"
    elif key.startswith(".."):
        yield "must not start with '..'"
