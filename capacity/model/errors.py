"""The errors that this package raises, the two checks that every noun uses, and how secrets are hidden."""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import unquote

CREDENTIALS = re.compile(r"(?<=://)[^/\s'\"]*@")  # up to the last @ before the path: passwords may hold an @

PARAMETER = re.compile(
    r"(?i)(?<![a-z0-9])([a-z0-9_.-]*(?:password|passwd|pwd|secret|token|api_?key|signature|credential)[a-z0-9_.-]*|sig)"
    r"=[^&\s'\";]+"
)


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
    if moment.tzinfo is None:
        raise DataError(f"{name} must carry a time zone, got the naive time {moment}")


def hide_secrets(text: str) -> str:
    """The text with the credentials of every URL in it made unreadable.

    >>> hide_secrets("no files match s3://me:secret@bucket/x.csv?token=abc")
    'no files match s3://***@bucket/x.csv?token=***'
    """
    return PARAMETER.sub(r"\1=***", CREDENTIALS.sub("***@", text))


def hide_password(text: str, url: str) -> str:
    """The text without this URL and without its password, however a driver quotes them.

    >>> hide_password("cannot reach postgresql://me:secret@db/x", "postgresql://me:secret@db/x")
    'cannot reach ***'
    """
    text = text.replace(url, "***")
    secret = url.split("://", 1)[-1].rpartition("@")[0].partition(":")[2]
    for form in {secret, unquote(secret)} - {""}:
        text = text.replace(form, "***")
    return hide_secrets(text)
