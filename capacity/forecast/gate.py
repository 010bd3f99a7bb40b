"""The gate: where the blend showed no skill over the seasonal naive, the seasonal naive is served, and named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capacity.forecast.ensemble import Blend
from capacity.forecast.setting import Array

NAMED_SHARE = 0.1  # members with less say than this are not named


@dataclass(frozen=True, slots=True)
class Served:
    """What is served for each series, what would have been at each rolling origin, and why."""

    point: Array  # (N, H)
    past: Array  # (N, K, scored)
    models: tuple[str, ...]
    notes: tuple[tuple[str, ...], ...]

    @staticmethod
    def join(parts: Sequence[Served]) -> Served:
        """Chunks of series, one below the other."""
        return Served(
            np.concatenate([part.point for part in parts]),
            np.concatenate([part.past for part in parts]),
            tuple(model for part in parts for model in part.models),
            tuple(notes for part in parts for notes in part.notes),
        )


def serve(blend: Blend, members: dict[str, Array], actuals: Array) -> Served:
    """The blend, or the best seasonal naive of the rolling origins where the blend was not at least as good."""
    names = list(members)
    naives = [place for place, name in enumerate(names) if name.startswith("seasonal naive")]
    best = np.asarray(naives)[blend.member_errors[naives].argmin(axis=0)]  # (N,)
    rows = np.arange(len(best))
    naive_error = blend.member_errors[best, rows]
    beaten = blend.errors > naive_error * (1 + 1e-9) + 1e-12 * np.nanmax(np.abs(actuals), axis=(1, 2), initial=0.0)
    naive = np.stack([members[name] for name in names])[best, rows]  # (N, K + 1, H)
    point = np.where(beaten[:, None], naive[:, 0], blend.point)
    past = np.where(beaten[:, None, None], naive[:, 1:, : actuals.shape[2]], blend.past)
    models = tuple(names[best[n]] if beaten[n] else _mixture(names, blend.weights[:, n]) for n in rows)
    notes = tuple(_reason(bool(beaten[n]), blend.errors[n], naive_error[n]) for n in rows)
    return Served(point, past, models, notes)


def _mixture(names: list[str], weights: Array) -> str:
    order = [place for place in np.argsort(-weights) if weights[place] >= NAMED_SHARE] or [int(weights.argmax())]
    return "blend of " + ", ".join(f"{names[place]} {weights[place]:.0%}" for place in order)


def _reason(beaten: bool, blend_error: float, naive_error: float) -> tuple[str, ...]:
    if not beaten:
        return ()
    return (f"no skill over the seasonal naive on the rolling origins ({blend_error:.4g} against {naive_error:.4g})",)
