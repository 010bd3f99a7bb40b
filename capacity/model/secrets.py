"""Removes secrets from URLs and errors before they are shown."""

from __future__ import annotations

import re
from urllib.parse import unquote

CREDENTIALS = re.compile(r"(?<=://)[^/\s'\"]*@")  # up to the last @ before the path: passwords may hold an @


PARAMETER = re.compile(r"(?i)\b(password|passwd|pwd|secret|token|api_?key|sslpassword|x-amz-signature)=[^&\s'\";]+")


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
