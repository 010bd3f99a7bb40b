"""Sends messages to webhooks of Slack and Teams, and by e-mail."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from capacity.http import Bounds, HttpClient, Request, Server
from capacity.model import CapacityError, ConfigError, DataError
from capacity.monitoring.messages import Message

if TYPE_CHECKING:
    from smtplib import SMTP

    from capacity.model.settings.monitoring import EmailSettings, MessageSettings

TIMEOUT = Bounds().deadline.total_seconds()
JSON = {"Content-Type": "application/json"}


def send(settings: MessageSettings, messages: Sequence[Message]) -> Iterator[str]:
    """Send the messages to everybody that the settings name; gives what stood in the way, one line each."""
    if not messages:
        return
    for name, hook, body in (("slack", settings.slack, slack_body), ("teams", settings.teams, teams_body)):
        if hook is not None:
            try:
                for message in messages:
                    _post(name, hook.url_file, body(message))
            except CapacityError as error:
                yield f"message not sent: {error}"
    if settings.email is not None:
        try:
            _mail(settings.email, messages)
        except CapacityError as error:
            yield f"message not sent: {error}"


def slack_body(message: Message) -> dict[str, Any]:
    """A message as an incoming webhook of Slack takes it.

    >>> slack_body(Message("shop: late", "a < b", "https://example.com/x"))
    {'text': '*shop: late*\\na &lt; b\\n<https://example.com/x|Runbook>'}
    """
    link = [] if message.link is None else [f"<{message.link}|Runbook>"]
    return {"text": "\n".join([f"*{_escaped(message.title)}*", _escaped(message.text), *link])}


def _escaped(text: str) -> str:
    """Slack's own three characters, so that a name starts no link and mentions nobody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def teams_body(message: Message) -> dict[str, Any]:
    """A message as a workflow of Teams takes it ("When a Teams webhook request is received"): an adaptive card."""
    blocks = [{"type": "TextBlock", "text": message.title, "weight": "bolder", "wrap": True}]
    blocks += [{"type": "TextBlock", "text": line, "wrap": True} for line in message.text.splitlines()]
    actions = [] if message.link is None else [{"type": "Action.OpenUrl", "title": "Runbook", "url": message.link}]
    card = {"type": "AdaptiveCard", "version": "1.4", "body": blocks, "actions": actions}
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }


def _post(name: str, file: Path, body: dict[str, Any]) -> None:
    """The path of a webhook is its secret: errors name the host alone."""
    import json

    key = f"incidents.messages.{name}.url_file"
    parts = urlsplit(_secret(key, file))
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ConfigError(f"{key}: expected an address such as https://hooks.example.com/... in {file}")
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    client = HttpClient(Server(f"{parts.scheme}://{parts.netloc}", label=name.capitalize()))
    answer = client.send(Request("POST", path, json.dumps(body).encode(), JSON))
    if not 200 <= answer.status < 300:  # its words may repeat the path
        raise DataError(f"{client.server.name}: expected it to take the message, got status {answer.status}")


def _mail(settings: EmailSettings, messages: Sequence[Message]) -> None:
    from smtplib import SMTPException

    where = f"mail server {settings.host}:{settings.port}"
    try:
        with _connected(settings) as server:
            if settings.user is not None and settings.password_file is not None:
                key = "incidents.messages.email.password_file"
                server.login(settings.user, _secret(key, settings.password_file))
            for message in messages:
                server.send_message(_letter(settings, message))
    except SMTPException as error:  # its own text may hold what was sent
        raise DataError(f"{where}: expected it to take the message, got {type(error).__name__}") from None
    except OSError as error:
        raise DataError(f"{where}: no answer: {error.strerror or error}") from error


def _connected(settings: EmailSettings) -> SMTP:
    from smtplib import SMTP, SMTP_SSL

    if settings.security == "none":
        return SMTP(settings.host, settings.port, timeout=TIMEOUT)
    try:
        trust = ssl.create_default_context(cafile=None if settings.ca_file is None else str(settings.ca_file))
    except (OSError, ssl.SSLError) as error:
        key = "incidents.messages.email.ca_file"
        raise ConfigError(f"{key}: {settings.ca_file} cannot be read as certificates") from error
    if settings.security == "tls":
        return SMTP_SSL(settings.host, settings.port, timeout=TIMEOUT, context=trust)
    server = SMTP(settings.host, settings.port, timeout=TIMEOUT)
    try:
        server.starttls(context=trust)
    except BaseException:
        server.close()
        raise
    return server


def _letter(settings: EmailSettings, message: Message) -> Any:
    from email.message import EmailMessage

    letter = EmailMessage()
    letter["From"], letter["To"] = settings.sender, ", ".join(settings.to)
    letter["Subject"] = " ".join(message.title.split())
    letter.set_content("\n\n".join(filter(None, [message.text, message.link])))
    return letter


def _secret(key: str, file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{key}: {file} cannot be read: expected a file with one line of text") from error
    if not text or not text.isprintable():
        raise ConfigError(f"{key}: expected one line in {file}, got {'several' if text else 'none'}")
    return text
