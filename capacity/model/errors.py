"""The errors that this package raises, and the two checks that every noun uses."""

from __future__ import annotations

from datetime import datetime


class CapacityError(Exception):
    """Anything that stops this program with one line: what was expected, what was found, and what to do next.

    Every other error of this package is one, so that a service can catch this class alone.
    """


class ConfigError(CapacityError):
    """A setting or a flag cannot be used; nothing has been read or written yet."""


class DataError(CapacityError, ValueError):
    """The input cannot carry what is asked of it; a `ValueError` too, so that pydantic adds the key it was found at."""


class PlanError(CapacityError):
    """A plan cannot be read, or is written in a schema this version does not know."""


class ClusterError(CapacityError):
    """The cluster refused a call or did not answer it.

    Parameters
    ----------
    message : str
        The sentence.
    status : int or None
        The HTTP status. Default none: there was no answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class NoClusterError(ClusterError):
    """No cluster is configured: there is no kubeconfig, and this is no pod of one."""


def require(condition: bool, message: str, *values: object) -> None:
    """Raise `DataError` with the message (``str.format`` of the values) unless the condition holds."""
    if not condition:
        raise DataError(message.format(*values))


def require_aware(name: str, moment: datetime) -> None:
    """Refuse a time without a time zone."""
    require(moment.tzinfo is not None, "{} must carry a time zone, got the naive time {}", name, moment)
