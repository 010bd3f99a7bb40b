"""A mail server on loopback that keeps what it takes: EHLO, STARTTLS, AUTH PLAIN, MAIL, RCPT, DATA."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any, cast


@dataclass
class MailServer:
    """What came: letters, who proved to be whom, and whether it came encrypted; `refuse` answers every letter 550."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    refuse: bool = False


@contextmanager
def running_mail_server(certificate: ssl.SSLContext | None = None) -> Iterator[MailServer]:
    """A server until the block ends; with a certificate it offers STARTTLS."""
    kept = MailServer()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            _converse(self, kept, certificate)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        kept.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join()


def _converse(handler: StreamRequestHandler, kept: MailServer, certificate: ssl.SSLContext | None) -> None:
    secured = False

    def say(*lines: str) -> None:
        handler.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    say("220 mail.example.com")
    while line := handler.rfile.readline().decode().strip():
        verb, _, rest = line.partition(" ")
        verb = verb.upper()
        if verb == "EHLO":
            say("250-mail.example.com", *(["250-STARTTLS"] if certificate and not secured else []), "250 AUTH PLAIN")
        elif verb == "STARTTLS" and certificate is not None:
            say("220 go on")
            handler.request = certificate.wrap_socket(cast(Any, handler.request), server_side=True)
            handler.rfile, handler.wfile = handler.request.makefile("rb"), handler.request.makefile("wb", buffering=0)
            secured = True
        elif verb == "AUTH":
            kept.users.append(base64.b64decode(rest.split()[1]).decode().replace("\0", " ").strip())
            say("235 welcome")
        elif verb == "DATA":
            say("354 go on")
            text = b"".join(iter(handler.rfile.readline, b".\r\n"))
            kept.letters.append(message_from_bytes(text, policy=policy.default))
            kept.encrypted.append(secured)
            say("250 taken")
        elif verb == "QUIT":
            say("221 bye")
            break
        else:
            say("550 no" if kept.refuse and verb == "MAIL" else "250 fine")
    if secured:
        handler.request.close()
