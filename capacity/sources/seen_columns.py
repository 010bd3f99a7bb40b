"""The columns that the configuration reads: the values of all others never leave a source."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from capacity.model.settings import SalesSettings
from capacity.model.settings.orders import RuleSettings
from capacity.quality.column_roles import currency_names, order_number_names
from capacity.sources.judging import Judgement
from capacity.sources.sql import GROUP, NOT_NEGATIVE, PLAUSIBLE, TIME, VALUE, quote

ALL = {"columns", "orders"}  # words of SQL that mean every column: COLUMNS(*), and the relation as a whole


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a source: the columns `read`, and those `hashed`, of which a hash tells equal values apart.

    `rows`: a hash of each whole row tells equal rows apart.
    """

    read: tuple[str, ...]
    hashed: tuple[str, ...] = ()
    rows: bool = True


def kept_columns(settings: SalesSettings, columns: Sequence[str]) -> Kept:
    """What is kept of a source with these columns.

    The values of those that the settings name, and of a currency beside a sum; of the number of an order, which tells
    exports that overlap, a hash. All of them where bad rows are kept whole.
    """
    if settings.quarantine.rows == "whole":
        return Kept(tuple(columns))
    named = read_columns(settings, columns)
    if settings.value.sum is not None:
        named += tuple(name for name in currency_names(columns) if name not in named)
    numbers = order_numbers(settings, columns)
    return Kept(tuple(name for name in columns if name in named), tuple(name for name in numbers if name not in named))


def order_numbers(settings: SalesSettings, columns: Sequence[str]) -> tuple[str, ...]:
    """Columns that are named as an order's number; none where each number counts once."""
    if settings.value.count_distinct is not None:
        return ()
    return order_number_names([name for name in columns if name != settings.time])


def read_columns(settings: SalesSettings, columns: Collection[str]) -> tuple[str, ...]:
    """Those of time, value, group and availability, and those that rules, selects and the contract name."""
    others = (settings.value.sum, settings.value.count_distinct, settings.group, settings.available_at)
    named = {settings.time, *(name for name in others if name is not None)}
    named |= set() if settings.contract is None else set(settings.contract.columns)
    for rule in (*settings.rules, *settings.select):
        named |= rule_columns(columns, rule)
    return tuple(name for name in columns if name in named and name != "source_row")


def rule_columns(columns: Collection[str], rule: RuleSettings) -> frozenset[str]:
    """The columns that a rule looks at; of a check in SQL, those whose names stand in it outside of its texts."""
    sql = " ".join(part for part in (rule.check, rule.repair) if part)
    bare = re.sub(r"'(?:[^']|'')*'", "''", sql).lower()
    words = set(re.findall(r"\w+", bare))
    if words & ALL:
        return frozenset(columns)
    target = (rule.repair or "").partition("=")[0].strip()
    spelt = {name for name in columns if name.lower() in words or quote(name).lower() in bare or name == target}
    return frozenset(spelt | set(rule.columns()))


def seen_by_check(judgement: Judgement) -> dict[str, int]:
    """Column to the checks that look at it, each a bit as in `failed`; source_row is not among them."""
    settings = judgement.settings
    value = settings.value.sum or settings.value.count_distinct
    built_in = {TIME: settings.time, PLAUSIBLE: settings.time, VALUE: value, NOT_NEGATIVE: value, GROUP: settings.group}
    rules = {rule.name: rule_columns(judgement.source.columns, rule) for rule in settings.rules}
    seen: dict[str, int] = {}
    for bit, check in enumerate(judgement.checks):
        own = rules.get(check.name, frozenset({built_in.get(check.name)} - {None}))
        for column in judgement.source.columns:
            if column in own and column != "source_row":
                seen[column] = seen.get(column, 0) | 1 << bit
    return seen
