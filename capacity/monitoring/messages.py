"""Messages to people: which are due, their text, and how they are sent to Slack, Teams and by e-mail."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from capacity.http import Bounds, HttpClient, Request, Server
from capacity.model import CapacityError, ConfigError, DataError
from capacity.model.fields import parse_time
from capacity.monitoring.conditions import CONDITIONS, Condition, Correlation, Scope

if TYPE_CHECKING:
    from smtplib import SMTP

    from capacity.model import Plan, WorkloadPlan
    from capacity.model.settings.monitoring import EmailSettings, MessageSettings

MOST = 10  # workloads of a plan that are named
TIMEOUT = Bounds().deadline.total_seconds()
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Message:
    """A title and a few lines, for people; `link` is where to read on."""

    title: str
    text: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Since when a breach has been known, and when its last message was sent; None: not yet."""

    since: datetime
    at: datetime | None = None


Memory = Mapping[str, Told]  # by correlation


@dataclass(frozen=True, slots=True)
class Manner:
    """Which breaches are sent: from which severity on, and repeated after which time."""

    critical_only: bool = False
    repeat: timedelta = timedelta(hours=4)

    def wants(self, condition: Condition) -> bool:
        """Whether a breach of this severity is sent at all."""
        return not self.critical_only or condition.kind.severity == "critical"


def due_messages(
    conditions: Sequence[Condition], scope: Scope, known: Memory, now: datetime, manner: Manner
) -> tuple[list[Message], dict[str, Told]]:
    """The messages to send now, and the record to keep of them.

    A message is sent once a breach has lasted as long as its kind requires, again after `manner.repeat`, and when it is
    over. Breaches outside the scope of this job stay in the record.

    >>> from datetime import UTC
    >>> now, stale = datetime(2026, 11, 27, tzinfo=UTC), Condition("PlanStale", "shop", "no plan")
    >>> told, known = due_messages([stale], Scope("pass", {"shop"}), {}, now, Manner())
    >>> [one.title for one in told], list(known)
    (['[critical] shop: the plan has ended and there is no new one'], ['capacity/PlanStale/shop'])
    >>> due_messages([stale], Scope("pass", {"shop"}), known, now, Manner())[0]
    []
    >>> over, known = due_messages([], Scope("pass", {"shop"}), known, now, Manner())
    >>> over[0].title, known
    ('[resolved] shop: the plan has ended and there is no new one', {})
    """
    holding = {one.correlation: one for one in conditions if manner.wants(one)}
    kept = {name: told for name, told in known.items() if name in holding or not scope.covers(name)}
    over = [_over(name) for name, told in known.items() if name not in kept and told.at is not None]
    messages = [message for message in over if message is not None]
    for name, condition in holding.items():
        told = kept.get(name, Told(now))
        if _due(told, condition, now, manner):
            messages.append(_breach(condition))
            told = Told(told.since, now)
        kept[name] = told
    return messages, kept


def _due(told: Told, condition: Condition, now: datetime, manner: Manner) -> bool:
    if told.at is None:
        return now - told.since >= condition.kind.patience
    return now - told.at >= manner.repeat


def _breach(condition: Condition) -> Message:
    """A message with a link to the runbook, or its file name if no address is configured."""
    text = f"{condition.detail}\nWhat happens by itself: {condition.kind.remediation}."
    title, published = f"[{condition.kind.severity}] {condition.title}", "://" in condition.runbook
    if published:
        return Message(title, text, condition.runbook)
    return Message(title, f"{text}\nRunbook: {condition.runbook}")


def _over(name: str) -> Message | None:
    ours = Correlation.parse(name)
    if ours is None or ours.name not in CONDITIONS:
        return None
    title = Condition(ours.name, ours.subject, "").title
    return Message(f"[resolved] {title}", "The condition is over.")


def plan_message(plan: Plan, zone: tzinfo) -> Message:
    """The peaks of a plan, the highest first, with times in a time zone."""
    highest = sorted(plan.workloads, key=lambda one: one.peak.replicas, reverse=True)
    more = len(highest) - MOST
    until = plan.valid_until.astimezone(zone)
    count = f"{len(highest)} workload{'' if len(highest) == 1 else 's'}"
    lines = [*_peaks(highest[:MOST], plan.created, zone), *([f"and {more} more"] if more > 0 else [])]
    return Message(f"Plan of {count}, valid until {until:%a %d %b %H:%M}", "\n".join(lines))


def _peaks(plans: Sequence[WorkloadPlan], now: datetime, zone: tzinfo) -> Iterator[str]:
    for plan in plans:
        asked = plan.floor_between(now, now)
        today = "" if asked is None else f", {asked} now"
        at = plan.peak.at.astimezone(zone)
        yield f"{plan.label}: {plan.peak.replicas} replicas at the peak, {at:%a %d %b %H:%M}{today}"


def memory_document(known: Memory) -> dict[str, list[str | None]]:
    """The record as JSON values: by correlation id, since when and when a message was sent."""
    return {
        name: [told.since.isoformat(), None if told.at is None else told.at.isoformat()] for name, told in known.items()
    }


def read_memory(document: object) -> dict[str, Told]:
    """The record from JSON values that others may have edited: what cannot be read is ignored.

    >>> found = read_memory({"capacity/PlanStale/shop": ["2026-11-27T00:00:00+00:00", None], "x": "y"})
    >>> {name: (str(told.since), told.at) for name, told in found.items()}
    {'capacity/PlanStale/shop': ('2026-11-27 00:00:00+00:00', None)}
    """
    found = {}
    for name, value in document.items() if isinstance(document, dict) else ():
        try:
            since, at = value
            told = Told(parse_time(since), None if at is None else parse_time(at))
        except (TypeError, ValueError):
            continue
        found[str(name)] = told
    return found


def send(settings: MessageSettings, messages: Sequence[Message]) -> Iterator[str]:
    """Send the messages to everybody that the settings name. Yields one warning for each failure."""
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
    """Escape Slack's three special characters, so that a name starts no link and mentions nobody."""
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
    """Post to a webhook. Its path is a secret: errors name only the host."""
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
