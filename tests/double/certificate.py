"""A certificate for 127.0.0.1 from an authority made for this run; the only part of the double that is not stdlib."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import cache

import trustme


@dataclass(frozen=True)
class Certificate:
    """What a TLS server needs, and the authority its clients must trust."""

    context: ssl.SSLContext
    authority_pem: bytes


@cache
def issue() -> Certificate:
    """Return the certificate of this process; making one takes longer than starting a server."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return Certificate(context, authority.cert_pem.bytes())
