"""What becomes of the weights far out: tail indices of the weights and of their logs, and whether ``E w^2`` exists.

Nothing is simulated. The model's function is called at points so far from the centre that only exponents count: along
the two rays of one dimension, else at the worst points of spheres, which a search finds (ridges need not be rays).
With ``m`` the log of what samples fall so far out, the weights' index is the limit of ``-m / log w``, that of their
logs of ``-m / log(-log w)``; each is taken as a slope, at two places, and where the two do not agree it is not known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fastsumo.base.floats import own_errstate
from fastsumo.base.shown import Shown
from fastsumo.models.model import Model

from ._content import ByContent
from ._coordinates import Coordinates

Floats = NDArray[np.float64]

_NOTHING = 1e-9  # a slope that is none
_SAME = 0.02  # how far two slopes may be apart ...
_BELOW = 0.999  # of a moment, up to which an index says that there is none; at the edge factors of logs decide
_MOVES = 0.1  # ... and how far they must be, to go to 0 or to infinity
_RADII = np.append(np.arange(1.5, 9.1, 0.75), [12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0])  # logs
_SEARCHED = 9.5  # up to this radius ridges are looked for
_HUGE = -1e6  # a log weight beyond which the next may be too large for a number
_RARE = 1e4  # minus the log of a mass that falls faster than a power by then
_KEPT, _TRIES = 12, 12  # of the search: directions that are kept, and tries from each
_ROUNDS = 30, 8  # where the function takes arrays, and where it does not


@dataclass(frozen=True)
class Index:
    """A tail index between two bounds, which are equal, or nearly, where it is known.

    Examples
    --------
    >>> Index(2.0, 2.0).known, Index(0.5, math.inf).known
    (True, False)
    """

    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether the bounds agree."""
        return self.low == self.high

    def above(self, value: float) -> bool | None:
        """Whether the index is above a value; None where that is not known.

        Examples
        --------
        >>> Index(1.5, 1.5).above(1.5), Index(1.0, 3.0).above(2.0)
        (False, None)
        """
        return True if self.low > value else False if self.high <= value else None


LIGHT, ANY = Index(math.inf, math.inf), Index(0.0, math.inf)


@dataclass(frozen=True)
class FarOut(Shown):
    """What is known of the weights far out.

    Attributes
    ----------
    weight : Index
        ``b`` in ``P(w > t) ~ t^-b``.
    near_zero : Index
        ``b`` in ``P(log w < -x) ~ x^-b``.
    has_square : bool or None
        Whether ``E w^2`` is finite, as far as the tails go.
    has_mean : bool or None
        The same of ``E w``, which is the evidence.

    Examples
    --------
    >>> import fastsumo as fs
    >>> found = far_out(fs.models.gaussian_scale(0.5))
    >>> round(found.weight.low, 6), found.near_zero, found.has_square
    (1.333333, Index(low=inf, high=inf), False)
    """

    weight: Index
    near_zero: Index
    has_square: bool | None
    has_mean: bool | None = None


@own_errstate
def far_out(model: Model) -> FarOut:
    """The tails of a model's weights: as it declares them, else by calls of its function far out.

    Parameters
    ----------
    model : Model
        Without data; of one with data nothing is known.

    Returns
    -------
    FarOut

    Examples
    --------
    >>> import fastsumo as fs
    >>> wide = fs.importance(lambda x, params: -0.5 * x[0] * x[0], fs.proposals.StudentT([0.0], 1.0, df=3.0))
    >>> far_out(wide).near_zero, far_out(wide).has_square
    (Index(low=1.5, high=1.5), True)
    """
    declared = (model.weight_tail_index, model.weight_zero_index, model.chi_square)
    seen = FarOut(ANY, ANY, None) if None not in declared else _look(ByContent(model))
    weight = Index(max(seen.weight.low, 1.0), max(seen.weight.high, 1.0))  # since there is an evidence
    near_zero, has_square = seen.near_zero, seen.has_square
    if model.weight_tail_index is not None:
        weight = Index(model.weight_tail_index, model.weight_tail_index)
        has_square = model.weight_tail_index > 2.0 if model.weight_tail_index != 2.0 else has_square
    if model.chi_square is not None:
        has_square = math.isfinite(model.chi_square)
    if model.weight_zero_index is not None:
        near_zero = Index(model.weight_zero_index, model.weight_zero_index)
    if has_square and not weight.low >= 2.0:
        weight = Index(2.0, max(weight.high, 2.0))
    is_declared = (model.log_evidence, model.weight_tail_index, model.chi_square) != (None, None, None)
    return FarOut(weight, near_zero, has_square, True if is_declared else seen.has_mean)


@lru_cache(maxsize=64)
def _look(key: ByContent) -> FarOut:
    model = key.model
    if model.data is not None:
        return FarOut(ANY, ANY, None)
    space = Coordinates(model)
    with np.errstate(all="ignore"):
        return _rays(space) if space.dim == 1 else _spheres(space)


def _rays(space: Coordinates) -> FarOut:
    """Both ends of a line."""
    ends = []
    for sign, reach in ((-1.0, -space.low), (1.0, space.high)):
        y = np.arange(1.0, reach, 0.25)
        at = (sign * y)[:, None]
        ends.append(_end(space.log_density(at), space.log_weight(at), y))
    return _worst(ends)


def _end(log_mass: Floats, log_weight: Floats, y: Floats) -> FarOut:
    """One end, from the density at growing ``y`` and the weights there."""
    usable = ~(np.isnan(log_weight) | np.isposinf(log_weight))
    stop = int(np.argmin(usable)) if not usable.all() else usable.size
    rare, weight, y = -log_mass[:stop], log_weight[:stop], y[:stop]
    start = int(np.argmax(rare)) if rare.size and not np.all(np.diff(rare) > 0.0) else 0
    ascending = np.flatnonzero(np.diff(rare) <= 0.0)
    start = int(ascending[-1]) + 1 if ascending.size else 0
    rare, weight, y = rare[start:], weight[start:], y[start:]
    here = np.isfinite(weight)
    if rare.size < 8:
        return FarOut(ANY, ANY, None)
    weights = LIGHT if not here[-1] else _index(rare[here], weight[here])
    below = here & (weight < -1.0)
    near_zero = LIGHT
    if np.count_nonzero(below) >= 8 and weight[below][-1] < weight[below][0]:
        near_zero = _index(rare[below], np.log(-weight[below]))
    moments = []
    for order in (1.0, 2.0):
        finite = weights.above(order)
        if finite is not True and here[-1] and weights.low <= order <= weights.high * 1.0001:
            finite = _borderline(y[here], order * weight[here] - rare[here])
        moments.append(finite)
    return FarOut(weights, near_zero, moments[1], moments[0])


def _index(rare: Floats, value: Floats) -> Index:
    """The limit of ``rare / value`` as both grow, by the slope of ``value`` on ``rare`` at two places."""
    last = rare.size - 1
    middle = min(int(np.searchsorted(rare, 0.5 * rare[last])), last - 1)
    first = min(int(np.searchsorted(rare, 0.5 * rare[middle])), middle - 1)
    if first < 0 or not rare[last] > rare[middle] > rare[first]:
        return ANY
    near = (value[middle] - value[first]) / (rare[middle] - rare[first])
    far = (value[last] - value[middle]) / (rare[last] - rare[middle])
    if far <= _NOTHING:
        return LIGHT
    if abs(far - near) <= _SAME * far:
        return _rounded(1.0 / far, abs(far - near) / far)
    if far < near:  # still falling: at most `far`
        return LIGHT if far < (1.0 - _MOVES) * near and far < 0.2 else Index(float(1.0 / far), math.inf)
    if near > 0.0 and far > (1.0 + _MOVES) * near:
        return Index(0.0, 0.0) if far > 2.0 * near and far > 10.0 else Index(0.0, float(1.0 / far))
    return Index(0.0, float(1.0 / far))


def _rounded(index: float, error: float) -> Index:
    """Slopes that agree to seven digits are of a power law, whose index has no more."""
    if error < 1e-7:
        digits = int(min(12.0, -math.log10(error + 1e-13) - 0.5))
        return Index(*(float(f"{index:.{digits}g}"),) * 2)
    return Index(float(index * (1.0 - 3.0 * error)), float(index * (1.0 + 3.0 * error)))


def _borderline(y: Floats, log_power: Floats) -> bool | None:
    """Whether ``exp(log_power)`` can be integrated over ``y``, where rare points and large weights balance."""
    some = (y > 5.0) & (y < 12.0)
    if np.count_nonzero(some) < 8:
        some = np.ones(y.size, dtype=bool)
    at, h = y[some], log_power[some]
    half = at.size // 2
    near, far = (h[half] - h[0]) / (at[half] - at[0]), (h[-1] - h[half]) / (at[-1] - at[half])
    if min(near, far) > -1e-3:
        return False
    return True if max(near, far) < -0.02 else None


def _worst(ends: list[FarOut]) -> FarOut:
    """Of several ways out, what rules."""
    moments = [[end.has_mean for end in ends], [end.has_square for end in ends]]
    mean, square = (False if False in each else None if None in each else True for each in moments)
    indices = ([end.weight for end in ends], [end.near_zero for end in ends])
    weight, near_zero = (Index(min(i.low for i in each), min(i.high for i in each)) for each in indices)
    return FarOut(weight, near_zero, square, mean)


def _spheres(space: Coordinates) -> FarOut:
    """Every direction: weights at the worst points of spheres, their logs along rays in general directions."""
    rng = np.random.default_rng(0)
    directions = _unit(rng.standard_normal((64, space.dim)))
    radii = _RADII if not space.uniform else np.arange(2.0, space.high, 2.0)
    near_zero = _logs_along(space, directions, radii)
    rare, weight, wide = _ridges(space, radii, rng)
    searched = max(int(np.searchsorted(radii, _SEARCHED)), 4)
    if rare.size > searched and (rare[searched - 1] > _RARE or _lost(weight / rare, searched)):
        rare, weight = rare[:searched], weight[:searched]
    if rare.size < 4:
        far = np.repeat(directions, 4, axis=0)
        weights = space.log_weight(space.outwards(far, np.tile(radii[-4:], len(directions))))
        bounded = bool(np.all(np.isneginf(weights)))  # a target without tails
        return FarOut(LIGHT, near_zero, True, True) if bounded else FarOut(ANY, near_zero, None)
    index = _index(rare, weight) if weight[-1] > 0.0 else LIGHT
    mean, square = (index.above(order) or (False if index.high < _BELOW * order else None) for order in (1.0, 2.0))
    power = rare[-1] < 100.0 * radii[: rare.size][-1] * space.dim
    if power and not wide:  # a thin ridge in power tails may hold no mass
        mean, square = mean or None, square or None
    return FarOut(index, near_zero, square, mean)


def _lost(ratio: Floats, searched: int) -> bool:
    """Whether a ridge that the search had found is gone where nothing is searched."""
    return bool(ratio[searched - 1] > 0.0 and ratio[searched] < 0.8 * ratio[searched - 1])


def _logs_along(space: Coordinates, directions: Floats, radii: Floats) -> Index:
    """In power tails, where general directions have the mass, the index; else at least an upper bound."""
    ends = []
    for direction in directions:
        at, y, weight = _before_overflow(space, direction, radii)
        rare = _rarity(space, y, at)
        usable = np.isfinite(weight) & (weight < -1.0) & (np.append(0.0, np.diff(rare)) > 0.0)
        if np.count_nonzero(usable) >= 4 and usable[np.flatnonzero(np.isfinite(weight))[-1]]:
            ends.append(FarOut(LIGHT, _index(rare[usable], np.log(-weight[usable])), True))
    found = _worst(ends).near_zero if ends else LIGHT
    far = np.full(len(directions), _SEARCHED)
    power = float(np.min(_rarity(space, space.outwards(directions, far), far))) < _RARE
    return found if power or math.isinf(found.low) else Index(0.0, found.high)


def _before_overflow(space: Coordinates, direction: Floats, radii: Floats) -> tuple[Floats, Floats, Floats]:
    """Radii along a ray, the points and the log weights there; where these overflow, as many radii up to there."""
    for _ in range(3):
        y = space.outwards(np.broadcast_to(direction, (radii.size, space.dim)), radii)
        weight = space.log_weight(y)
        finite = np.isfinite(weight)
        stop = int(np.argmin(finite)) if not finite.all() else 0
        if stop == 0 or weight[stop - 1] > _HUGE:
            break
        radii = np.linspace(radii[0], radii[stop], radii.size)
    return radii, y, weight


def _rarity(space: Coordinates, y: Floats, log_radius: Floats) -> Floats:
    """Minus the log of the mass at such points: of ``y`` on uniform noise, else in shells of radius."""
    density = space.log_density(y)
    if space.uniform:
        return -density
    size = np.abs(y)
    log_cosh = np.sum(size + np.log1p(np.exp(-2.0 * size)), axis=-1) - space.dim * math.log(2.0)
    return np.asarray(-(density - log_cosh + space.dim * log_radius))


def _ridges(space: Coordinates, radii: Floats, rng: np.random.Generator) -> tuple[Floats, Floats, bool]:
    """At growing radii, rarity and log weight where their ratio is worst; and whether it is as bad nearby."""
    dim = space.dim
    axes = np.concatenate([np.eye(dim), -np.eye(dim)])[: 4 * _KEPT]
    best = _unit(np.concatenate([axes, rng.standard_normal((128, dim))]))
    rare: list[float] = []
    weight: list[float] = []
    wide = False
    rounds = _ROUNDS[0] if space.arrays else _ROUNDS[1]

    def judged(u: Floats, log_radius: float) -> tuple[Floats, Floats, Floats]:
        at = np.full(len(u), log_radius)
        y = space.outwards(u, at)
        if space.uniform:
            y = np.clip(y, space.low, space.high)
        mass, log_weight = _rarity(space, y, at), space.log_weight(y)
        good = np.where(np.isnan(log_weight) | np.isposinf(log_weight), -np.inf, log_weight)
        return good / np.maximum(mass, 1e-300), mass, good

    for log_radius in radii.tolist():
        best = np.concatenate([best[:_KEPT], axes, _unit(rng.standard_normal((128, dim)))])
        ratio, mass, found = judged(best, log_radius)
        for _ in range(rounds if log_radius < _SEARCHED else 0):
            order = np.argsort(-ratio)[:_KEPT]
            best, ratio, mass, found = best[order], ratio[order], mass[order], found[order]
            step = 10.0 ** rng.uniform(-6.0, 0.0, (_KEPT * _TRIES, 1))
            tried = _unit(np.repeat(best, _TRIES, axis=0) + step * rng.standard_normal((_KEPT * _TRIES, dim)))
            new = judged(tried, log_radius)
            best = np.concatenate([best, tried])
            ratio, mass, found = (np.concatenate(pair) for pair in zip((ratio, mass, found), new, strict=True))
        order = np.argsort(-ratio)
        best = best[order]
        top = order[0]
        if not np.isfinite(found[top]) or not mass[top] > (rare[-1] if rare else 0.0):
            continue
        rare.append(float(mass[top]))
        weight.append(float(found[top]))
        near = _unit(best[:1] + 0.05 * rng.standard_normal((32, dim)) / math.sqrt(dim))
        wide = bool(np.median(judged(near, log_radius)[0]) > 0.5)
    return np.array(rare), np.array(weight), wide


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
