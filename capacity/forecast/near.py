"""The next hours: members that follow where sales stand now, weighted by what they did right after each origin.

A day's blend is weighted by whole days. The first steps of it are told as well, and often better, by the last value and
by yesterday at today's level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from capacity.forecast.blend import Served, blend_members, recent_errors, times_as_large
from capacity.forecast.history import Origins
from capacity.forecast.settings import Setting
from capacity.model.arrays import Array

REACHES = timedelta(hours=4), timedelta(hours=2)  # each judged, and of full weight, over its first half
LEAST_STEPS = 4, 2  # of reach, where steps are long
RECENT = timedelta(minutes=30)  # of which the distance to the last season is the level now
BETTER, MUCH_BETTER = 1.0, 0.9  # of the served error: from where the next steps have a say, and the whole of it


@dataclass(frozen=True, slots=True)
class Near:
    """What the members that follow the level would serve for the first steps, and would have at the rolling origins."""

    point: Array  # (N, R)
    past: Array  # (N, K, at most R)
    reach: int  # steps over which it is followed ever less: R, or more where the horizon is shorter

    @staticmethod
    def join(parts: Sequence[Near]) -> Near:
        """Chunks of series, one below the other."""
        point, past = (np.concatenate(rows) for rows in zip(*((part.point, part.past) for part in parts), strict=True))
        return Near(point, past, parts[0].reach)


def reaches_of(setting: Setting) -> tuple[int, ...]:
    """The steps that are told by where sales stand now: some hours, and of these the first once more by themselves.

    >>> reaches_of(Setting(timedelta(minutes=5), 288)), reaches_of(Setting(timedelta(hours=1), 24))
    ((48, 24), (4, 2))
    """
    steps = (max(least, reach // setting.step) for reach, least in zip(REACHES, LEAST_STEPS, strict=True))
    return tuple(dict.fromkeys(steps))


def propose_near(
    filled: Array, members: Array, seasons: tuple[int, ...], origins: Origins, known: tuple[Array, Setting]
) -> tuple[Near, ...]:
    """Blends of members (M, N, K + 1, H) and of those that follow the level, each over its first steps only.

    `filled` (N, T) has no gaps; `known` are the actuals (N, K, scored) and the setting.
    """
    actuals, setting = known
    reaches = reaches_of(setting)
    longest = min(reaches[0], members.shape[-1])
    tracking = _tracking(filled, seasons, origins, (longest, max(1, RECENT // setting.step)))
    candidates = np.concatenate([members[..., :longest], tracking])
    answers = []
    for reach in reaches:  # weighted by what they did over the first half of it
        blend = blend_members(candidates[..., :reach], actuals[:, :, :reach], _judged(reach))
        answers.append(Near(blend.point, blend.past, reach))
    return tuple(answers)


def _judged(reach: int) -> int:
    return -(-reach // 2)


def _tracking(filled: Array, seasons: tuple[int, ...], origins: Origins, widths: tuple[int, int]) -> Array:
    """The last value, and the last seasons moved to where sales stand now: (members, N, K + 1, R)."""
    reach, recent = widths
    ends, ahead = origins.ends[:, None], np.arange(reach)
    last = np.repeat(filled[:, origins.ends - 1][:, :, None], reach, axis=2)
    answers = [last]
    for season in seasons[:1]:
        ago = filled[:, ends - season + ahead % season]
        for width in {1, recent}:
            back = ends - 1 - np.arange(width)  # (K + 1, width)
            off = (filled[:, back] - filled[:, np.maximum(back - season, 0)]).mean(axis=2)
            answers.append(np.maximum(ago + off[:, :, None], 0.0))
    return np.stack(answers)


def with_near(served: Served, near: Near, actuals: Array) -> Served:
    """What is served, its first steps drawn towards those that follow the level as far as these came nearer."""
    scored, reach = near.past.shape[2], near.point.shape[1]
    judged = slice(0, _judged(near.reach))
    mine = recent_errors(near.past[:, :, judged], actuals[:, :, :scored][:, :, judged])
    served_errors = recent_errors(served.past[:, :, :scored][:, :, judged], actuals[:, :, :scored][:, :, judged])
    ratio = times_as_large(mine, np.maximum(served_errors, 1e-300))
    share = (BETTER - np.clip(ratio, MUCH_BETTER, BETTER)) / (BETTER - MUCH_BETTER)
    fade = np.clip(2.0 - 2.0 * np.arange(reach) / near.reach, 0.0, 1.0)
    weight = share[:, None] * fade
    point, past = served.point.copy(), served.past.copy()
    point[:, :reach] += weight * (near.point - point[:, :reach])
    past[:, :, :scored] += weight[:, None, :scored] * (near.past - past[:, :, :scored])
    return replace(served, point=point, past=past)
