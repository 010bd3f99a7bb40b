"""What every block of capacity.yaml is: checked key by key, frozen, unknown keys refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"  # RFC 1123 subdomain: what Kubernetes takes for an object's name


class Settings(BaseModel):
    """Every block of capacity.yaml: unknown keys are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
