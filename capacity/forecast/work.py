"""Forecasts that pause for the matrix path: one is served at once, many are asked together in one array."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Mapping
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from capacity.forecast.far import forecast_far
from capacity.forecast.row import Question
from capacity.forecast.setting import BatchForecast
from capacity.model import DataError

Key = TypeVar("Key")
Answer = TypeVar("Answer")
Work = Generator[Question, BatchForecast, Answer]


def alone(work: Work[Answer]) -> Answer:
    """The answer of one forecast: the matrix path with N = 1."""
    question = next(work)
    return _finished(work, forecast_far(question.history[None, :], question.setting))


def together(works: Mapping[Key, Work[Answer]]) -> dict[Key, Answer | DataError]:
    """The answers of many forecasts, or the error that stood in the way of each: one never stops the others.

    Questions of one length and setting are one array, in the order they were given: equal works, equal answers.
    """
    answers: dict[Key, Answer | DataError] = {}
    waiting: dict[Any, list[tuple[Key, Question]]] = defaultdict(list)
    for key, work in works.items():
        try:
            question = next(work)
        except DataError as error:
            answers[key] = error
            continue
        waiting[(len(question.history), question.setting)].append((key, question))
    for questions in waiting.values():
        try:
            batch = forecast_far(np.stack([question.history for _, question in questions]), questions[0][1].setting)
        except DataError:  # one of them cannot be forecast: each is asked alone, so that the others are
            answers |= {key: _asked_alone(works[key], question) for key, question in questions}
            continue
        answers |= {key: _finished(works[key], _row(batch, place)) for place, (key, _) in enumerate(questions)}
    return {key: answers[key] for key in works}


def _asked_alone(work: Work[Answer], question: Question) -> Answer | DataError:
    try:
        return _finished(work, forecast_far(question.history[None, :], question.setting))
    except DataError as error:
        return error


def _finished(work: Work[Answer], batch: BatchForecast) -> Answer:
    try:
        work.send(batch)
    except StopIteration as done:
        answer: Answer = done.value
        return answer
    raise AssertionError("a forecast asks the matrix path once")


def _row(batch: BatchForecast, place: int) -> BatchForecast:
    """One series of a batch, as a batch of one."""
    return BatchForecast(**{item.name: _part(getattr(batch, item.name), place) for item in fields(batch)})


def _part(value: Any, place: int) -> Any:
    if isinstance(value, dict):
        return {key: _part(inner, place) for key, inner in value.items()}
    return None if value is None else value[place : place + 1]
