"""The blocks `telemetry:`, `incidents:` and `serve:`: who is shown or told what; no plan follows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from capacity.model.errors import require
from capacity.model.fields import STRICT, Duration, Settings

Job = Literal["plan", "pass"]

# Without news from its job an alert stays this long: a few passes of a minute, a few plannings of an hour.
LASTING: Mapping[Job, timedelta] = {"pass": timedelta(minutes=5), "plan": timedelta(hours=3)}

# The folder in the source of this project; `incidents.runbooks` names the address where you publish it.
RUNBOOKS = "docs/runbooks"


def runbook_url(place: str, name: str) -> str:
    """The address of a runbook: `{name}` stands in the place, or the place is a folder of Markdown files.

    >>> runbook_url("https://docs.example.com/{name}/", "DataStale"), runbook_url("docs/runbooks/", "DataStale")
    ('https://docs.example.com/DataStale/', 'docs/runbooks/DataStale.md')
    """
    return place.replace("{name}", name) if "{name}" in place else f"{place.rstrip('/')}/{name}.md"


@dataclass(frozen=True, slots=True)
class Route:
    """Whose tickets these are. The first route that fits counts."""

    __pydantic_config__ = STRICT

    group: Annotated[str, Field(min_length=1, description="Assignment group.")]
    conditions: Annotated[tuple[str, ...], Field(description="Conditions, as shell patterns: Plan*, DataStale.")] = (
        "*",
    )
    subjects: Annotated[tuple[str, ...], Field(description="Namespaces or sources, as shell patterns.")] = ("*",)
    escalate_to: Annotated[str | None, Field(description="Assignment group once it has lasted too long.")] = None

    def matches(self, condition: str, subject: str) -> bool:
        """Whether this route is that of a condition, by its name, of a subject.

        >>> Route("night shift", conditions=("Plan*",)).matches("PlanFailed", "shop")
        True
        """
        named = any(fnmatchcase(condition, pattern) for pattern in self.conditions)
        return named and any(fnmatchcase(subject, pattern) for pattern in self.subjects)


@dataclass(frozen=True, slots=True)
class Handling:
    """When tickets are escalated, and until when one that comes back is reopened rather than opened anew."""

    routes: tuple[Route, ...] = ()
    escalate_after: timedelta = timedelta(minutes=30)
    reopen_within: timedelta = timedelta(hours=4)

    def __post_init__(self) -> None:
        require(self.escalate_after > timedelta(0), "escalate_after must be > 0, got {}", self.escalate_after)
        require(self.reopen_within >= timedelta(0), "reopen_within must be >= 0, got {}", self.reopen_within)

    def route(self, condition: str, subject: str) -> Route | None:
        """The first route that takes the condition of this subject; None: the ticket system's own rules decide."""
        return next((route for route in self.routes if route.matches(condition, subject)), None)


class WebhookSettings(Settings):
    """An incoming webhook. Its address is a secret, so it is read from a file on every use."""

    url_file: Path = Field(description="File with the address of the webhook, for example of a mounted Secret.")


class EmailSettings(Settings):
    """A mail server, who sends and who receives."""

    host: str = Field(min_length=1, description="The mail server.")
    port: int = Field(587, ge=1, le=65535, description="Its port.")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection is encrypted; `none` is refused together with a password."
    )
    user: str | None = Field(None, description="User, with password_file.")
    password_file: Path | None = Field(None, description="File with the user's password.")
    ca_file: Path | None = Field(None, description="PEM file of the authority that signed its certificate.")
    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", description="Address that messages come from.")
    to: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = Field(min_length=1, description="Receivers.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("expected user and password_file together")
        if self.user is not None and self.security == "none":
            raise ValueError("expected security: starttls or tls with a password, got none")
        return self


class MessageSettings(Settings):
    """Who gets messages. A breach is sent once, again after `repeat`, and when it is over."""

    slack: WebhookSettings | None = None
    teams: WebhookSettings | None = None
    email: EmailSettings | None = None
    least: Literal["warning", "critical"] = Field("warning", description="The lowest severity that is sent.")
    repeat: Duration = Field(
        timedelta(hours=4), gt=timedelta(0), description="A breach that lasts is sent again after this. Default 4h."
    )
    plans: time | None = Field(
        None,
        description='Time of day, such as "07:00" in the configuration\'s zone: the planning of the hour that follows '
        "is told. Default: plans are not told.",
    )
    memory: Path | None = Field(
        None,
        description="File that keeps what was told. Default: an annotation of the controller's Lease, and of the plan "
        "in the cluster; a planner that writes a file tells a breach at each planning.",
    )

    @property
    def receivers(self) -> tuple[str, ...]:
        """The names of those who are told: `slack`, `teams`, `email`."""
        return tuple(name for name in ("slack", "teams", "email") if getattr(self, name) is not None)

    def beside(self, folder: Path) -> Self:
        """The same with its files relative to a folder."""
        changes: dict[str, object] = {}
        for name in ("slack", "teams"):
            hook: WebhookSettings | None = getattr(self, name)
            if hook is not None:
                changes[name] = WebhookSettings(url_file=folder / hook.url_file)
        if self.email is not None:
            files = {name: getattr(self.email, name) for name in ("password_file", "ca_file")}
            known = {name: folder / file for name, file in files.items() if file is not None}
            changes["email"] = self.email.model_copy(update=known)
        if self.memory is not None:
            changes["memory"] = folder / self.memory
        return self.model_copy(update=changes)


HANDLING = Handling()


class ServiceSettings(Settings):
    """A service over HTTP and how to prove who we are; secrets are read from files on every use."""

    url: str = Field(pattern=r"^https?://", description="Its address, without a path.")
    token_file: Path | None = Field(None, description="File with a bearer token.")
    user: str | None = Field(None, description="User, with password_file.")
    password_file: Path | None = Field(None, description="File with the user's password.")
    ca_file: Path | None = Field(None, description="PEM file of the authority that signed its certificate.")

    @field_validator("url")
    @classmethod
    def _without_secrets(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ValueError("expected an address such as https://host:9093, got something else") from None
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("expected an address without user, password or query: use token_file or password_file")
        return url

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("expected user and password_file together")
        if self.user is not None and self.token_file is not None:
            raise ValueError("expected token_file or user, got both")
        return self

    def beside(self, folder: Path) -> Self:
        """The same with its files relative to a folder."""
        files = {name: getattr(self, name) for name in ("token_file", "password_file", "ca_file")}
        return self.model_copy(update={name: folder / file for name, file in files.items() if file is not None})


class TelemetrySettings(Settings):
    """Where the metrics of a planning and of a pass go; `capacity run` serves its own on /metrics besides."""

    pushgateway: ServiceSettings | None = Field(None, description="A Pushgateway: what a CronJob leaves there stays.")
    textfile: Path | None = Field(None, description="Folder of the node exporter's textfile collector.")
    installation: str | None = Field(
        None,
        pattern=r"^[\w.-]+$",
        description="Name of this installation, the label `installation` of its metrics: needed where several share a "
        "Pushgateway. Default none.",
    )

    def beside(self, folder: Path) -> Self:
        """The same with its files relative to a folder."""
        gateway, textfile = self.pushgateway, self.textfile
        return self.model_copy(
            update={
                "pushgateway": None if gateway is None else gateway.beside(folder),
                "textfile": None if textfile is None else folder / textfile,
            }
        )


class ServeSettings(Settings):
    """How `capacity serve` shows plans."""

    refresh: Duration = Field(
        timedelta(minutes=5),
        description="The page reads orders or plans again when what it shows is older than this; 0s: never.",
    )


class ServiceNowSettings(ServiceSettings):
    """A ServiceNow instance."""

    table: str = Field("incident", pattern=r"^[a-z0-9_]+$", description="Table of the incidents.")
    change_windows: str | None = Field(
        None, description="Encoded query on change_request: while such a change is in progress, floors are held."
    )


class AlertSettings(Settings):
    """How long an alert stays without news from its job: a few of its periods."""

    passes: Duration = Field(LASTING["pass"], gt=timedelta(0), description="What passes have seen. Default 5m.")
    plannings: Duration = Field(
        LASTING["plan"], gt=timedelta(0), description="What plannings and audits have seen. Default 3h."
    )


class IncidentSettings(Settings):
    """Who is notified of breaches, and what happens to tickets."""

    servicenow: ServiceNowSettings | None = None
    alertmanager: ServiceSettings | None = None
    routes: tuple[Route, ...] = ()
    escalate_after: Duration = Field(HANDLING.escalate_after, description="A ticket open this long is escalated once.")
    reopen_within: Duration = Field(
        HANDLING.reopen_within, description="A condition back within this reopens its ticket."
    )
    runbooks: str = Field(
        RUNBOOKS,
        description="Where you publish docs/runbooks, for the links of tickets, alerts and messages: an address with "
        "`{name}` in it, or a folder of the Markdown files. The default is the path in the source of this project.",
    )
    alerts_last: AlertSettings = AlertSettings()
    messages: MessageSettings = MessageSettings()

    def beside(self, folder: Path) -> Self:
        """The same with its files relative to a folder."""
        services = {"servicenow": self.servicenow, "alertmanager": self.alertmanager}
        found = {name: service.beside(folder) for name, service in services.items() if service is not None}
        return self.model_copy(update={**found, "messages": self.messages.beside(folder)})
