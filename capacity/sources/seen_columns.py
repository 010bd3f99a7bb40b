"""The columns that the configuration reads: all others of a source are never kept."""

from __future__ import annotations

import re

from capacity.model.settings.orders import RuleSettings
from capacity.sources.judging import Judgement
from capacity.sources.sql import GROUP, NOT_NEGATIVE, PLAUSIBLE, TIME, VALUE, quote


def read_columns(judgement: Judgement) -> tuple[str, ...]:
    """Those of time, value, group and availability, and those that rules, selects and the contract name."""
    settings = judgement.settings
    others = (settings.value.sum, settings.value.count_distinct, settings.group, settings.available_at)
    named = {settings.time, *(name for name in others if name is not None)}
    named |= set() if settings.contract is None else set(settings.contract.columns)
    for rule in (*settings.rules, *settings.select):
        named |= rule_columns(judgement, rule)
    return tuple(name for name in judgement.source.columns if name in named and name != "source_row")


def rule_columns(judgement: Judgement, rule: RuleSettings) -> frozenset[str]:
    """The columns that a rule looks at; of a check in SQL, those whose names stand in it."""
    text = " ".join(part for part in (rule.check, rule.repair) if part)
    words = set(re.findall(r"\w+", text.lower()))
    spelt = {name for name in judgement.source.columns if name.lower() in words or quote(name) in text}
    return frozenset(spelt | set(rule.columns()))


def seen_by_check(judgement: Judgement) -> dict[str, int]:
    """Column to the checks that look at it, each a bit as in `failed`; source_row is not among them."""
    settings = judgement.settings
    value = settings.value.sum or settings.value.count_distinct
    built_in = {TIME: settings.time, PLAUSIBLE: settings.time, VALUE: value, NOT_NEGATIVE: value, GROUP: settings.group}
    rules = {rule.name: rule_columns(judgement, rule) for rule in settings.rules}
    seen: dict[str, int] = {}
    for bit, check in enumerate(judgement.checks):
        own = rules.get(check.name, frozenset({built_in.get(check.name)} - {None}))
        for column in judgement.source.columns:
            if column in own and column != "source_row":
                seen[column] = seen.get(column, 0) | 1 << bit
    return seen
