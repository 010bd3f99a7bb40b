"""How much each member may say: weights of each series from its errors on the rolling origins; and the next hours.

A day's blend is weighted by whole days. The first steps of it are told as well, and often better, by the last value and
by yesterday at today's level: members that follow these are weighted by what they did right after each origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from capacity.forecast.history import Origins
from capacity.forecast.members import Members
from capacity.forecast.settings import Setting
from capacity.model.arrays import Array, Mask
from capacity.stats import nan_median

POWER = 6.0  # weights are error^-6: flat between 4 and 10 on M4 training windows; picking the best alone is worse
RECENT = 10.0  # origins until an error counts half: where the regime changes, what worked lately works on
CHANGED_MEMORY = 2.0  # origins until it counts half after a change
CHANGED = 1.2  # times its usual error that the blend was lately off by: then something has changed
LATELY, USUALLY = 1.0, 20.0  # origins until an error counts half in these two
RECOVERED = 0.9  # of the blend's error lately, from which the short memory alone is followed
SOFTENING = 0.1  # of the mean: below it a relative error says nothing (an hour of one order against two)
PRIOR = 1.0  # say of the weights that each member's own errors give, beside what the errors say together
ROUNDS, PACE = 20, 0.2  # of the descent: twice as many give the same weights to three digits
LEAST_WEIGHT = 1e-300  # so that its logarithm is finite
NAMED_SHARE = 0.1  # members with less say than this are not named
SAME = 1e-6  # of the naive: a blend that is nearer to it at all origins is the naive by another name
NAIVE_ALONE = (
    1.1  # times the naive's error from which the naive alone is served (M4 training windows: 1.05 to 1.3 are level)
)

LEAST_SKILL = -10.0  # eleven times the naive's error: where the naive is all but perfect, less says nothing more
REACHES = timedelta(hours=4), timedelta(hours=2)  # each judged, and of full weight, over its first half
LEAST_STEPS = 4, 2  # of reach, where steps are long
LEVEL_NOW = timedelta(minutes=30)  # of which the distance to the last season is the level now
BETTER, WHOLLY_BETTER = 1.0, 0.9  # of the served error: from where the next steps have a say, and the whole of it


@dataclass(frozen=True, slots=True)
class Blend:
    """The weighted members: what is forecast, and what would have been at each rolling origin.

    Errors are mean absolute ones over the rolling origins, recent ones counting more.
    """

    weights: Array  # (members, N)
    point: Array  # (N, H)
    past: Array  # (N, K, scored), each window blended without its own errors
    fitted: Array  # (N, K, scored), each window blended as the point is: the nearer the fewer the origins
    member_errors: Array  # (members, N)


def blend_members(forecasts: Array, actuals: Array, judged: int | None = None) -> Blend:
    """Blend members (M, N, K + 1, H) by how near they came to what followed (N, K, scored), NaN where unknown.

    With `judged`, the first so many steps of each window decide alone. Without, a series that has changed is blended by
    what its members did since, as far as that came nearer: a level that fell two days ago is known to few origins.
    """
    usual = _blend(forecasts, actuals, judged, RECENT)
    return usual if judged is not None else _since_a_change(usual, forecasts, actuals)


def _since_a_change(usual: Blend, forecasts: Array, actuals: Array) -> Blend:
    lately = recent_errors(usual.past, actuals, LATELY)
    rows = np.flatnonzero(lately > CHANGED * recent_errors(usual.past, actuals, USUALLY))
    if not len(rows):
        return usual
    since = _blend(forecasts[:, rows], actuals[rows], None, CHANGED_MEMORY)
    ratio = recent_errors(since.past, actuals[rows], LATELY) / lately[rows]
    share = (1.0 - np.clip(ratio, RECOVERED, 1.0)) / (1.0 - RECOVERED)  # (rows,)
    weights, point = usual.weights.copy(), usual.point.copy()
    past, fitted = usual.past.copy(), usual.fitted.copy()
    weights[:, rows] += share * (since.weights - weights[:, rows])
    point[rows] += share[:, None] * (since.point - point[rows])
    past[rows] += share[:, None, None] * (since.past - past[rows])
    fitted[rows] += share[:, None, None] * (since.fitted - fitted[rows])
    return Blend(weights, point, past, fitted, usual.member_errors)


def _blend(forecasts: Array, actuals: Array, judged: int | None, memory: float) -> Blend:
    past = forecasts[:, :, 1:, : actuals.shape[2]]
    seen, known = ~np.isnan(actuals), np.nan_to_num(actuals)
    seen[:, :, judged:] &= judged is None
    recency = 0.5 ** (np.arange(actuals.shape[1]) / memory)  # the first rolling origin is the latest
    sizes, relative = _misses(past, known, seen)  # (M, N, K) each
    errors = (sizes * recency).sum(axis=2)
    usual = _usual(sizes)  # misses count relative to it: no window of a high level outvotes the rest
    absolute, relative = sizes / usual * recency, relative * recency
    weights = _weights(absolute.sum(axis=2), relative.sum(axis=2))
    others = _weights(_without_own(absolute), _without_own(relative))  # (M, N, K)
    if judged is None:
        weights, others = _together(weights, others, _products(past, known, seen, np.sqrt(recency) / usual))
    blended = np.einsum("mnk,mnkh->nkh", others, past)
    count = np.maximum((seen.sum(axis=2) * recency).sum(axis=1), 1e-12)
    point = np.einsum("mn,mnh->nh", weights, forecasts[:, :, 0])
    fitted = np.einsum("mn,mnkh->nkh", weights, past)
    return Blend(weights, point, blended, fitted, errors / count)


def _products(past: Array, actuals: Array, seen: Mask, scale: Array) -> Array:
    """Products of the members' errors (M, N, K, scored), summed over each window: (N, K, M, M).

    Each window counts by its `scale` (N, K).
    """
    all_seen = bool(seen.all())
    errors = np.empty((*actuals.shape[:2], len(past), actuals.shape[2]))
    for place, member in enumerate(past):  # one at a time: what is computed of it stays in the processor's cache
        error = member - actuals
        if not all_seen:
            error[~seen] = 0.0
        np.multiply(error, scale[:, :, None], out=errors[:, :, place])
    return np.asarray(errors @ errors.transpose(0, 1, 3, 2))


def _usual(sizes: Array) -> Array:
    """The middle member's error in each window, of all members' (M, N, K): (N, K)."""
    middle = nan_median(sizes, 0)
    return np.asarray(middle + _least(sizes, middle)[:, None] + 1e-300)


def _together(weights: Array, others: Array, products: Array) -> tuple[Array, Array]:
    """Weights (M, N) and those without each window (M, N, K), moved to what the errors say together.

    Members that err alike share one vote; those that err apart cancel out. The squared error of the blend in units of
    the best member's, plus the relative entropy to the weights given, is lowered by exponentiated gradients (Kivinen
    and Warmuth, 1997).
    """
    total = products.sum(axis=1, keepdims=True)
    products = np.concatenate([total, total - products], axis=1)  # (N, K + 1, M, M)
    alone = np.diagonal(products, axis1=2, axis2=3)  # (N, K + 1, M)
    products /= (alone.min(axis=2) + 1e-9 * alone.max(axis=2) + 1e-300)[:, :, None, None]
    prior = np.log(np.moveaxis(np.concatenate([weights[:, :, None], others], axis=2), 0, 2) + LEAST_WEIGHT)
    logs = prior
    for _ in range(ROUNDS):
        say = np.exp(logs - logs.max(axis=2, keepdims=True))
        say /= say.sum(axis=2, keepdims=True)
        slope = 2.0 * (products @ say[..., None])[..., 0]
        slope -= (slope * say).sum(axis=2, keepdims=True)
        logs = logs - PACE * (slope + PRIOR * (logs - prior))
    say = np.exp(logs - logs.max(axis=2, keepdims=True))
    say = np.moveaxis(say / say.sum(axis=2, keepdims=True), 2, 0)  # (M, N, K + 1)
    return say[:, :, 0], say[:, :, 1:]


def recent_errors(past: Array, actuals: Array, memory: float = RECENT) -> Array:
    """Mean absolute errors over the rolling origins (N, K, scored), recent ones counting more: (N,)."""
    recency = 0.5 ** (np.arange(actuals.shape[1]) / memory)
    count = np.maximum(((~np.isnan(actuals)).sum(axis=2) * recency).sum(axis=1), 1e-12)
    return np.asarray((np.nansum(np.abs(past - actuals), axis=2) * recency).sum(axis=1) / count)


def _misses(past: Array, actuals: Array, seen: Mask) -> tuple[Array, Array]:
    """Sums over each window of |error|, and of |error| relative to both values (half of sMAPE's term)."""
    usual = np.abs(actuals).mean(axis=(1, 2), keepdims=True) * SOFTENING + 1e-300
    softened, all_seen = np.abs(actuals), bool(seen.all())
    absolute, relative = np.empty(past.shape[:3]), np.empty(past.shape[:3])
    for place, member in enumerate(past):  # one at a time: what is computed of it stays in the processor's cache
        size = np.abs(member - actuals)
        if not all_seen:
            size[~seen] = 0.0
        size.sum(axis=2, out=absolute[place])
        both = np.abs(member)
        both += softened
        both += usual
        np.divide(size, both, out=size).sum(axis=2, out=relative[place])
    return absolute, relative


def _least(misses: Array, middle: Array) -> Array:
    """What a window's middle error counts as at least, since half of the members may be right: (N,)."""
    return np.asarray(np.maximum(1e-3 * middle.max(axis=1), 1e-12 * misses.max(axis=(0, 2))))


def _without_own(misses: Array) -> Array:
    return np.asarray(misses.sum(axis=2, keepdims=True) - misses)


def _weights(absolute: Array, relative: Array) -> Array:
    """Weights that fall with a power of the error; absolute and relative error have the same say."""
    power: Array = (_ratio(absolute) * _ratio(relative)) ** (-POWER / 2)
    return np.asarray(power / power.sum(axis=0))


def _ratio(errors: Array) -> Array:
    """Errors relative to the best member's; members that are all but perfect count as equals."""
    tiny = 1e-9 * errors.max(axis=0) + 1e-300
    return np.asarray((errors + tiny) / (errors.min(axis=0) + tiny))


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the blend would serve for each series, and the seasonal naive that it must beat."""

    point: Array  # (N, H)
    past: Array  # (N, K, scored)
    fitted: Array  # (N, K, scored)
    naive: Array  # (N, K + 1, H)
    naive_weight: Array  # (N,), the naive's own say in the blend
    mixtures: tuple[str, ...]
    naive_names: tuple[str, ...]

    @staticmethod
    def join(parts: Sequence[Proposal]) -> Proposal:
        """Chunks of series, one below the other."""
        return Proposal(
            np.concatenate([part.point for part in parts]),
            np.concatenate([part.past for part in parts]),
            np.concatenate([part.fitted for part in parts]),
            np.concatenate([part.naive for part in parts]),
            np.concatenate([part.naive_weight for part in parts]),
            tuple(name for part in parts for name in part.mixtures),
            tuple(name for part in parts for name in part.naive_names),
        )


@dataclass(frozen=True, slots=True)
class Served:
    """What is served for each series, what would have been at each rolling origin, and why."""

    point: Array  # (N, H)
    past: Array  # (N, K, scored)
    models: tuple[str, ...]
    notes: tuple[tuple[str, ...], ...]
    naive_share: Array  # (N,), mixed in by the gate
    naive_weight: Array  # (N,), of the naive in all that is served, its say in the blend included
    skill: Array  # (N,), 1 - error / the seasonal naive's, on the rolling origins

    @property
    def unskilled(self) -> Mask:
        """Where the blend showed no skill, and the gate mixed the seasonal naive in; or where it is the naive (N,)."""
        return (self.naive_share >= NAMED_SHARE) | (self.naive_weight >= 1 - NAMED_SHARE)


def propose(blend: Blend, members: Members) -> Proposal:
    """The blend beside the seasonal naive that was best on the rolling origins."""
    names = list(members.forecasts)
    naives = [names.index(name) for name in members.naives]
    best = np.asarray(naives)[blend.member_errors[naives].argmin(axis=0)]  # (N,)
    rows = np.arange(len(best))
    return Proposal(
        blend.point,
        blend.past,
        blend.fitted,
        np.stack(list(members.forecasts.values()))[best, rows],
        blend.weights[best, rows],
        tuple(_mixture(names, blend.weights[:, n]) for n in rows),
        tuple(names[place] for place in best),
    )


def times_as_large(errors: Array, others: Array) -> Array:
    """How many times as large errors are as others > 0: without end beside almost nothing.

    >>> times_as_large(np.array([1.0, 1e10]), np.array([2.0, 1e-300])).tolist()
    [0.5, inf]
    """
    with np.errstate(over="ignore"):
        ratio: Array = errors / others
    return ratio


def serve(proposal: Proposal, actuals: Array) -> Served:
    """The proposal, or the seasonal naive as far as that was better on the rolling origins (actuals (N, K, scored)).

    Both are compared with the weights that are served: a naive has none to learn, and against weights learned without
    the window in question it would win where it forecasts worse. Skill and quantiles are told by the latter.
    """
    naive_past = proposal.naive[:, 1:, : actuals.shape[2]]
    errors, naive_errors = recent_errors(proposal.fitted, actuals), recent_errors(naive_past, actuals)
    tie = 1e-9 * naive_errors + 1e-12 * np.nanmax(np.abs(actuals), axis=(1, 2), initial=0.0) + 1e-300
    share = naive_share(times_as_large(errors, naive_errors + tie))  # (N,)
    point = proposal.point + share[:, None] * (proposal.naive[:, 0] - proposal.point)
    past = proposal.past + share[:, None, None] * (naive_past - proposal.past)
    skill = np.maximum(1.0 - (recent_errors(past, actuals) + tie) / (naive_errors + tie), LEAST_SKILL)
    weight = share + (1 - share) * np.where(_coincide(proposal.past, naive_past), 1.0, proposal.naive_weight)
    named = zip(share, weight, proposal.naive_names, proposal.mixtures, strict=True)
    return Served(
        point=point,
        past=past,
        models=tuple(_name(*row) for row in named),
        notes=tuple(map(_reason, share, errors, naive_errors)),
        naive_share=share,
        naive_weight=weight,
        skill=skill,
    )


def naive_share(ratio: Array) -> Array:
    """How much of the seasonal naive is served, from the blend's error over the naive's.

    >>> naive_share(np.array([0.8, 1.0, 1.05, 1.2])).round(3)
    array([0. , 0. , 0.5, 1. ])
    """
    return (np.clip(ratio, 1.0, NAIVE_ALONE) - 1.0) / (NAIVE_ALONE - 1.0)


def _coincide(past: Array, naive: Array) -> Mask:
    """Where a blend (N, K, scored) is the naive at every rolling origin (N,)."""
    off, size = np.abs(past - naive).sum(axis=(1, 2)), np.abs(naive).sum(axis=(1, 2))
    return np.asarray(off <= SAME * size)


def _name(share: float, weight: float, naive: str, mixture: str) -> str:
    if weight >= 1 - NAMED_SHARE:
        return naive
    return mixture if share < NAMED_SHARE else f"{naive} {100 * share:.0f} %, {mixture} {100 * (1 - share):.0f} %"


def _mixture(names: list[str], weights: Array) -> str:
    order = [place for place in np.argsort(-weights) if weights[place] >= NAMED_SHARE] or [int(weights.argmax())]
    return "blend of " + ", ".join(f"{names[place]} {100 * weights[place]:.0f} %" for place in order)


def _reason(share: float, error: float, naive_error: float) -> tuple[str, ...]:
    if share < NAMED_SHARE:
        return ()
    return (f"no skill over the seasonal naive on the rolling origins ({error:.4g} against {naive_error:.4g})",)


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
    tracking = _tracking(filled, seasons, origins, (longest, max(1, LEVEL_NOW // setting.step)))
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
    share = (BETTER - np.clip(ratio, WHOLLY_BETTER, BETTER)) / (BETTER - WHOLLY_BETTER)
    fade = np.clip(2.0 - 2.0 * np.arange(reach) / near.reach, 0.0, 1.0)
    weight = share[:, None] * fade
    point, past = served.point.copy(), served.past.copy()
    point[:, :reach] += weight * (near.point - point[:, :reach])
    past[:, :, :scored] += weight[:, None, :scored] * (near.past - past[:, :, :scored])
    return replace(served, point=point, past=past)
