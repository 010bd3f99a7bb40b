"""The block `incidents.messages:`: breaches and plans told to people, in Slack, in Teams and by e-mail."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from capacity.model.fields import Duration
from capacity.model.settings.block import Settings


class WebhookSettings(Settings):
    """An incoming webhook. Its address is a secret, so it is read from a file, each time anew."""

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
    """Who is told in words. A breach is told once, again after `repeat`, and when it is over."""

    slack: WebhookSettings | None = None
    teams: WebhookSettings | None = None
    email: EmailSettings | None = None
    least: Literal["warning", "critical"] = Field("warning", description="The least severity that is told.")
    repeat: Duration = Field(
        timedelta(hours=4), gt=timedelta(0), description="A breach that lasts is told again after this. Default 4h."
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
