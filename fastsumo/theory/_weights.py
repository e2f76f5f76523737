"""The weights of a model of one or two dimensions as a finite sum: log weights at quadrature points, with masses.

Cells of the sample space are halved until Gauss's rule on a cell agrees with that on its parts, for a set of functions
of the weight: the weight, its square, its log, and ``exp(-t w)`` over many orders of ``t``. Then weights are drawn as
trials draw them; a cell that holds one which its points did not foresee is halved about it, so that a narrow peak is
found; and what is left to find must be within the error of these draws.
"""

from __future__ import annotations

import itertools
import math
import warnings
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastsumo import tails

from ._content import ByContent, look_at
from ._coordinates import Coordinates, log_weights_of
from ._far import ANY, LIGHT, FarOut, Index, far_out

if TYPE_CHECKING:
    from fastsumo.models.model import Model

Floats = NDArray[np.float64]

_NODES = {1: 12, 2: 8}  # of Gauss's rule in one direction
_FIRST = {1: (8.0, 0.5, 24), 2: (6.0, 1.0, 8)}  # cells of this width up to here, then so many wider and wider ones
_MOST = 1_500_000, 150_000  # points, of functions that take arrays, and of those that do not
_DRAWN = 1 << 14  # of `drawn_log_weights`
_PILOT = 1 << 16, 1 << 12  # weights drawn, likewise
_THINNEST = 1e-14  # of a cell, against its place
_GENERATIONS = 60
_TOLERANCE = {1: 1e-13, 2: 3e-11}  # of one cell, relative to the whole
GOOD = 1e-6  # what counts as exact, to its stated error
_SMALL, _LEFT_OUT = -50.0, -40.0  # logs of what is left out of cells, and of the points
_NONE = -700.0  # the log of a mass that is no number
_RULING = slice(0, 3)  # of the test functions: mass, weight and square
_LOG_T = np.concatenate([np.arange(-8.0, 8.0, 2.0), np.geomspace(8.0, 600.0, 12)])
_WIDE, _MANY_LOG_T = 50.0, np.concatenate([np.arange(-8.0, 8.0, 2.0), np.arange(8.0, 700.0, 12.0)])
_DEEP = 16.0  # logs, by which the median weight may lie below the evidence
_SINGULAR = 8.0  # a log weight that only a singularity, or a very narrow peak, reaches
_HEAVY = 0.5  # a k-hat beyond which there may be no variance
_EQUAL = 1e-8  # a chi-square that is lost in rounding
_SURPRISE = 1.0  # of a drawn log weight beyond those at the points of its cell
_DOUBTFUL = 6.0  # standard errors
_LONGEST = 60  # halvings about a surprise


@dataclass(frozen=True, eq=False)
class Weights:
    """Points of the distribution of ``log w``.

    Attributes
    ----------
    log_weight : ndarray, shape (n,)
        Relative to the log evidence, so that the mean weight is 1.
    mass : ndarray, shape (n,)
    log_evidence : float
    error : float
        Of expectations of ``w``, relative to it, and of ``exp(-t w)``: the sum over the cells of how much each moved
        when it was last halved.
    log_error : float
        The same of the mean of ``log w``.
    log_square_error : float
        The same of the variance of ``log w``.
    chi_square, square_error : float
        NaN where `E w^2` does not exist or could not be integrated; the error is relative to ``1 + chi_square``.
    doubt : str
        Why none of this is to be believed; empty where all agrees.
    """

    log_weight: Floats
    mass: Floats
    log_evidence: float
    error: float
    log_error: float
    log_square_error: float
    chi_square: float
    square_error: float
    doubt: str = ""

    @cached_property
    def zero_mass(self) -> float:
        """Probability of a zero weight."""
        return float(np.sum(self.mass[np.isneginf(self.log_weight)]))

    @cached_property
    def mean_log(self) -> float:
        """``E log w - log Z``."""
        return float(self.mass @ self.log_weight)

    @cached_property
    def depth(self) -> float:
        """How far below the evidence the median log weight lies; 0 where that is near.

        Over so many scales errors of ``exp(-t w)`` may add up in logs of sums of weights, once for each weight: the
        ``t`` at which cells are judged are few there.
        """
        order = np.argsort(self.log_weight)
        middle = min(int(np.searchsorted(np.cumsum(self.mass[order]), 0.5)), order.size - 1)
        depth = -float(self.log_weight[order][middle])
        return depth if depth > _DEEP else 0.0

    @cached_property
    def var_log(self) -> float:
        """``Var log w``."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self.mass @ (self.log_weight - self.mean_log) ** 2)

    def mean_deviation(self) -> float:
        """``E |w / Z - 1|``."""
        return 2.0 * float(self.mass @ np.maximum(-np.expm1(np.minimum(self.log_weight, 0.0)), 0.0))


def weights_of(model: Model) -> Weights | None:
    """The weights of a model without data in one or two dimensions, where quadrature and simulation agree; else None.

    The last 32 are kept.

    Examples
    --------
    >>> import fastsumo as fs
    >>> round(weights_of(fs.models.lognormal(0.5)).chi_square, 12) == round(math.expm1(0.25), 12)
    True
    """
    look_at(model)
    found = attempt(model)
    return found if found is not None and not found.doubt else None


def attempt(model: Model) -> Weights | None:
    """As `weights_of`, but with what is doubtful, and says why; None in more dimensions and with data."""
    return _find(ByContent(model)) if model.dim <= 2 and model.data is None else None


def tails_of_weights(model: Model) -> FarOut:
    """`far_out`, but for what lies nearer: where weights are singular inside, the tails do not tell.

    What a model declares is taken as it is.
    """
    far, found = far_out(model), attempt(model)
    weight, near_zero = far.weight, far.near_zero
    if found is None:
        if model.weight_zero_index is None and near_zero == LIGHT and model.data is None and _logs_look_heavy(model):
            near_zero = ANY
        return FarOut(weight, near_zero, far.has_square, far.has_mean)
    rough = bool(found.doubt) or found.square_error > GOOD
    singular = float(np.max(found.log_weight, initial=-math.inf)) > _SINGULAR
    if model.weight_tail_index is None and rough and singular and far.has_square is not False:
        weight = Index(2.0 if model.chi_square is not None else 1.0, weight.high)
    if model.weight_zero_index is None and found.zero_mass == 0.0:
        if found.log_error > GOOD and near_zero.above(1.0) is not False:
            near_zero = ANY
        elif found.log_square_error > GOOD and near_zero.above(2.0) is not False:
            near_zero = Index(math.nextafter(1.0, 2.0), math.inf)  # E |log w| has been integrated
    return FarOut(weight, near_zero, far.has_square, far.has_mean)


def _logs_look_heavy(model: Model) -> bool:
    """Whether drawn log weights have a tail near zero that may have no variance."""
    log_weights = drawn_log_weights(model)
    finite = log_weights[np.isfinite(log_weights)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tails.TailWarning)
        return bool(tails.pareto_khat(-finite, tail="right").khat > _HEAVY) if finite.size > 100 else False


def zero_weights(model: Model) -> float:
    """Probability of a zero weight, by quadrature; in more dimensions the share of zeros among some that are drawn."""
    found = attempt(model)
    if found is not None and not found.doubt:
        return found.zero_mass
    return 0.0 if model.data is not None else float(np.mean(np.isneginf(drawn_log_weights(model))))


def drawn_log_weights(model: Model) -> Floats:
    """Some 16 384 log weights of samples as trials draw them, but of NumPy's generator."""
    return _draw(ByContent(model))


@lru_cache(maxsize=8)
def _draw(key: ByContent) -> Floats:
    generator = np.random.default_rng(0)
    shape = (_DRAWN, key.model.noise_dim)
    noise = generator.standard_normal(shape) if key.model.noise == "normal" else generator.random(shape)
    return log_weights_at(key.model, noise)


@lru_cache(maxsize=32)
def _find(key: ByContent) -> Weights | None:
    with np.errstate(all="ignore"):
        return _Quadrature(key.model).weights()


class _Cells:
    """Boxes with their points: log masses, log weights, and the sums of both."""

    def __init__(self, low: Floats, high: Floats, log_mass: Floats, log_weight: Floats, log_product: Floats) -> None:
        self.low, self.high = low, high
        self.log_mass, self.log_weight, self.log_product = log_mass, log_weight, log_product

    def __len__(self) -> int:
        return len(self.low)

    def _arrays(self) -> tuple[Floats, ...]:
        return self.low, self.high, self.log_mass, self.log_weight, self.log_product

    def take(self, which: NDArray[np.bool_]) -> _Cells:
        return _Cells(*(array[which] for array in self._arrays()))

    @staticmethod
    def joined(parts: list[_Cells]) -> _Cells:
        return _Cells(*map(np.concatenate, zip(*(part._arrays() for part in parts), strict=True)))


class _Quadrature:
    """One model's cells."""

    def __init__(self, model: Model) -> None:
        self.space, self.far = Coordinates(model), far_out(model)
        self.dim, self.model = model.dim, model
        nodes, masses = np.polynomial.legendre.leggauss(_NODES[self.dim])
        grids = np.meshgrid(*[0.5 * (nodes + 1.0)] * self.dim, indexing="ij")
        self.nodes = np.stack([grid.ravel() for grid in grids], axis=-1)
        rule = 0.5 * masses if self.dim == 1 else np.outer(0.5 * masses, 0.5 * masses)
        self.log_rule = np.log(rule.ravel())
        self.points, self.bad = 0, ""
        self.powers = sum(self.far.near_zero.above(power) is not False for power in (1.0, 2.0))  # of log w, integrable
        self.most = _MOST[0] if self.space.arrays else _MOST[1]
        self.log_t = _MANY_LOG_T if self.is_wide() else _LOG_T
        self.errors = np.zeros(self.log_t.size + 5)

    def is_wide(self) -> bool:
        """Whether log weights are spread over more than the few ``t`` that are far from 1 can judge."""
        log_weights = drawn_log_weights(self.model)
        finite = log_weights[np.isfinite(log_weights)]
        return bool(finite.size > 0 and np.ptp(np.quantile(finite, [0.01, 0.99])) > _WIDE)

    def weights(self) -> Weights | None:
        if self.far.has_mean is False:
            doubt = "the tails of the weights show that they have no mean, so that there is no log evidence"
            return replace(self.result(self.first(), np.zeros(1)), doubt=doubt)
        leaves = self.refined(self.first(), [])
        if leaves is None:
            return None
        y, drawn = self.drawn()
        for _ in range(3):
            surprising, calm = self.surprised(leaves, y, drawn)
            if not len(surprising):
                break
            leaves = self.refined(surprising, [calm])
            assert leaves is not None
        return self.result(leaves, drawn)

    def first(self) -> _Cells:
        """Cells over the whole space, narrow near its middle."""
        near, width, count = _FIRST[self.dim]
        inner = np.arange(0.0, near + width, width)
        edges = []
        for reach in (-self.space.low, self.space.high):
            outer = np.append(inner, near * np.geomspace(1.25, reach / near, count))
            edges.append(outer[outer <= reach])
        line = np.concatenate([-edges[0][:0:-1], edges[1]])
        sides = np.meshgrid(*[np.arange(line.size - 1)] * self.dim, indexing="ij")
        at = np.stack([side.ravel() for side in sides], axis=-1)
        return self.evaluated(line[at], line[at + 1])

    def evaluated(self, low: Floats, high: Floats) -> _Cells:
        y = low[:, None, :] + (high - low)[:, None, :] * self.nodes
        flat = y.reshape(-1, self.dim)
        self.points += len(flat)
        log_density, log_weight, log_product = self.space.at(flat)
        wrong = np.isnan(log_weight) | np.isposinf(log_weight)
        if wrong.any():
            if np.max(log_density[wrong]) > _SMALL - 20.0:
                at = self.space.points(flat[wrong][:1])[0]
                self.bad = f"the log weight is NaN or +inf at {np.array2string(at, precision=4)}"
            log_weight[wrong] = log_product[wrong] = -np.inf
        log_volume = self.log_rule + np.sum(np.log(high - low), axis=1)[:, None]
        shape = log_volume.shape
        log_mass = log_density.reshape(shape) + log_volume
        return _Cells(low, high, log_mass, log_weight.reshape(shape), log_product.reshape(shape) + log_volume)

    def halved(self, cells: _Cells) -> _Cells:
        """The ``2^dim`` parts of each cell, side by side."""
        middle = 0.5 * (cells.low + cells.high)
        corners = np.stack(np.meshgrid(*[[0, 1]] * self.dim, indexing="ij"), axis=-1).reshape(-1, self.dim)
        low = np.where(corners[None] == 0, cells.low[:, None], middle[:, None])
        high = np.where(corners[None] == 0, middle[:, None], cells.high[:, None])
        return self.evaluated(low.reshape(-1, self.dim), high.reshape(-1, self.dim))

    def refined(self, cells: _Cells, done: list[_Cells]) -> _Cells | None:
        """Halve cells until their sums do not move; None where no weight is positive."""
        lefts: list[float] = []
        before, scale = None, (math.nan, math.nan)
        for _ in range(_GENERATIONS):
            found = self.scale([cells, *done])
            if found is None:
                return None
            if before is None or max(abs(found[0] - scale[0]), abs(found[1] - scale[1])) > 1e-3:
                scale, settled_sizes = found, np.zeros(self.log_t.size + 5)
                before, sizes = self.sums(cells, scale)
                for each in done:
                    settled_sizes += self.sums(each, scale)[1]
            parts = self.halved(cells)
            after, fresh = self.sums(parts, scale)
            apart = after.reshape(len(cells), 2**self.dim, -1)
            sizes = _sizes(np.maximum(sizes, fresh) + settled_sizes)
            moved = np.abs(apart.sum(axis=1) - before) / sizes
            settled = np.all(moved <= _TOLERANCE[self.dim], axis=1)
            settled |= np.all(cells.high - cells.low < _THINNEST * (1.0 + np.abs(cells.low)), axis=1)
            again = np.repeat(settled, 2**self.dim)
            done = [*done, parts.take(again)]
            self.errors += moved[settled].sum(axis=0)
            settled_sizes = settled_sizes + np.abs(after[again]).sum(axis=0)
            left, cells, before = moved[~settled].sum(axis=0), parts.take(~again), after[~again]
            sizes = np.abs(before).sum(axis=0)
            if not len(cells):
                break
            lefts.append(float(left[_RULING].max()))
            if self.hopeless(len(cells), lefts):
                self.errors += left
                done = [*done, cells]
                break
        return _Cells.joined(done)

    def hopeless(self, cells: int, lefts: list[float]) -> bool:
        """Whether the points allowed will not do: none are left, or a jump along a curve is only halved each time."""
        needed = 2**self.dim * cells * self.nodes.shape[0]
        if self.points + needed > self.most:
            return True
        gains = [after / before for before, after in itertools.pairwise(lefts[-4:]) if before > 0.0]
        if self.dim == 1 or len(gains) < 3 or not 0.3 < min(gains) <= max(gains) < 0.8:
            return False
        halvings = math.log2((self.most - self.points) / needed) + 1.0
        return lefts[-1] * max(gains) ** halvings > GOOD

    def scale(self, parts: list[_Cells]) -> tuple[float, float] | None:
        """Logs of the evidence and of the second moment, as far as they are known."""
        evidence = log_sum(np.array([log_sum(each.log_product.ravel()) for each in parts if len(each)]))
        squares = [log_sum((each.log_product + each.log_weight).ravel()) for each in parts if len(each)]
        return (evidence, log_sum(np.array(squares))) if math.isfinite(evidence) else None

    def sums(self, cells: _Cells, scale: tuple[float, float]) -> tuple[Floats, Floats]:
        """Integrals of the test functions over each cell, and of the size of each over all."""
        has_square = self.far.has_square is not False
        log_square = (
            cells.log_product + cells.log_weight - scale[1] if has_square else np.full_like(cells.log_mass, -np.inf)
        )
        size = _log_size(cells.log_weight - scale[0])
        grown = cells.log_mass + np.maximum(self.powers * size, 0.0)
        top = np.maximum(np.maximum(grown, cells.log_product - scale[0]), log_square)
        some = np.max(top, axis=1) > _SMALL
        integrals = np.zeros((len(cells), self.log_t.size + 5))
        log_mass, relative, size = cells.log_mass[some], cells.log_weight[some] - scale[0], size[some]
        mass = np.exp(log_mass)
        columns = [
            mass,
            np.exp(cells.log_product[some] - scale[0]),
            np.exp(log_square[some]),
            np.sign(relative) * np.exp(log_mass + size) if self.powers > 0 else 0.0 * mass,
            np.exp(log_mass + 2.0 * size) if self.powers > 1 else 0.0 * mass,
        ]
        columns += [mass * np.exp(-np.exp(np.minimum(t + relative, 50.0))) for t in self.log_t]
        integrals[some] = np.stack([column.sum(axis=1) for column in columns], axis=1)
        return integrals, np.array([float(np.abs(column).sum()) for column in columns])

    def drawn(self) -> tuple[Floats, Floats]:
        """Places and log weights of samples as trials draw them."""
        generator = np.random.default_rng(20)
        shape = (_PILOT[0] if self.space.arrays else _PILOT[1], self.model.noise_dim)
        noise = generator.standard_normal(shape) if self.model.noise == "normal" else generator.random(shape)
        return self.space.of_noise(noise)

    def surprised(self, leaves: _Cells, y: Floats, drawn: Floats) -> tuple[_Cells, _Cells]:
        """Cells about drawn weights that the points around them did not foresee; and all the others."""
        cells, fresh = leaves, np.zeros(len(leaves), dtype=bool)
        place, value = y, np.where(np.isneginf(drawn), -1e300, drawn)
        for _ in range(_LONGEST):
            home = _home(cells, place)
            known = home >= 0
            place, value, home = place[known], value[known], home[known]
            low, high = cells.log_weight.min(axis=1)[home], cells.log_weight.max(axis=1)[home]
            low, high = np.maximum(low, -1e300), np.maximum(high, -1e300)
            wonder = np.maximum(value - high, low - value) > _SURPRISE + 0.5 * (high - low)
            place, value = place[wonder], value[wonder]
            chosen = np.zeros(len(cells), dtype=bool)
            chosen[home[wonder]] = True
            count = 2**self.dim * int(chosen.sum())
            if count == 0 or self.points + count * self.nodes.shape[0] > self.most:
                break
            cells = _Cells.joined([cells.take(~chosen), self.halved(cells.take(chosen))])
            fresh = np.append(fresh[~chosen], np.ones(count, dtype=bool))
        return cells.take(fresh), cells.take(~fresh)

    def result(self, leaves: _Cells, drawn: Floats) -> Weights:
        log_mass, log_weight = leaves.log_mass.ravel(), leaves.log_weight.ravel()
        evidence = log_sum(leaves.log_product.ravel())
        relative = log_weight - evidence
        chi_square = math.nan
        if self.far.has_square is not False:
            log_second = log_sum(leaves.log_product.ravel() + log_weight) - 2.0 * evidence
            chi_square = math.exp(log_second) - 1.0 if log_second < 709.0 else math.inf
        size = _log_size(relative)
        grown = [np.maximum(log_mass + power * size, log_mass) for power in range(self.powers + 1)]
        tops = [max(float(np.max(each)), 0.0) for each in grown]
        sizes = [log_mass + relative, *(each - top for each, top in zip(grown, tops, strict=True))]
        keep = (np.max(sizes, axis=0) > _LEFT_OUT) & (log_mass > _NONE)
        mass = np.exp(log_mass[keep])
        whole, edge = float(mass.sum()), self.edge(leaves, evidence)
        errors = self.errors + edge
        for power in range(1, self.powers + 1):
            errors[2 + power] += np.exp(sizes[1 + power][~keep]).sum()
        plain = max(float(np.max(errors[5:])), float(errors[1]), float(errors[0]), abs(whole - 1.0) - 1e-12)
        plain = max(plain, abs(evidence) * np.finfo(float).eps)
        found = Weights(
            relative[keep],
            mass / whole,
            evidence,
            plain,
            float(errors[3]),
            float(errors[4]),
            chi_square,
            float(errors[2]),
        )
        if chi_square < _EQUAL:  # nearly equal weights: to all digits the variance of their logs
            found = replace(found, chi_square=found.var_log if found.var_log > 1e-28 else 0.0)
        return _doubted(found, drawn, self.bad)

    def edge(self, leaves: _Cells, evidence: float) -> Floats:
        """What the outermost cells hold of each sum: what lies beyond them is no less in doubt."""
        scale = self.scale([leaves])
        assert scale is not None
        reach = np.array([self.space.low, self.space.high])
        outer = np.any((leaves.low <= 0.5 * reach[0]) | (leaves.high >= 0.5 * reach[1]), axis=1)
        if self.space.uniform:
            outer = np.any((leaves.low <= 0.5 * reach[0]) | (leaves.high >= reach[1] - 3.0), axis=1)
        integrals = self.sums(leaves.take(outer), scale)[0]
        return np.asarray(np.abs(integrals).sum(axis=0) / _sizes(self.sums(leaves, scale)[1]))


def _log_size(relative: Floats) -> Floats:
    """``log |log w|``; that of a zero weight counts for nothing."""
    return np.log(np.maximum(np.where(np.isneginf(relative), 0.0, np.abs(relative)), 1e-300))


def _sizes(sums: Floats) -> Floats:
    """What errors of the test functions are judged by."""
    plain = np.maximum(sums[:5], 1.0)
    powers = 1.0 / np.maximum(sums[5:], 1e-300)  # it is the squares of exp(-t w), and higher powers, that count
    return np.concatenate([plain, np.minimum(powers, 1e300)])


def _doubted(found: Weights, drawn: Floats, bad: str) -> Weights:
    """With the reason why it is not to be believed, where there is one."""
    doubt = bad
    if not doubt and not found.error < GOOD:
        doubt = f"the log weight is too rough for a quadrature: its error is {found.error:.1g}"
    if not doubt:
        doubt = _disagreement(found, drawn)
    return replace(found, doubt=doubt)


def _disagreement(found: Weights, drawn: Floats) -> str:
    """How weights that were drawn contradict the quadrature, in functions of the weight that are bounded."""
    relative = drawn - found.log_evidence
    for log_t in (-4.0, -2.0, 0.0, 2.0, 4.0):
        sampled = -np.expm1(-np.exp(np.minimum(log_t + relative, 50.0)))
        integrated = -np.expm1(-np.exp(np.minimum(log_t + found.log_weight, 50.0)))
        mean, expected = float(sampled.mean()), float(found.mass @ integrated)
        square = max(float(found.mass @ integrated**2) - expected**2, 0.0)
        error = math.sqrt(max(square, float(sampled.var())) / drawn.size) + 1e-9
        if abs(mean - expected) > _DOUBTFUL * error:
            return (
                f"quadrature and simulation disagree: E[1 - exp(-{math.exp(log_t):.3g} w)] is {expected:.6g} by "
                f"quadrature and {mean:.6g} ± {error:.1g} of {drawn.size:,} weights"
            )
    return ""


def _home(cells: _Cells, y: Floats) -> NDArray[np.int64]:
    """The cell that each place lies in; -1 for none."""
    if cells.low.shape[1] == 1:
        order = np.argsort(cells.low[:, 0])
        at = np.searchsorted(cells.low[order, 0], y[:, 0], side="right") - 1
        home = order[np.maximum(at, 0)]
        inside = (at >= 0) & (y[:, 0] <= cells.high[home, 0])
        return np.where(inside, home, -1)
    home = np.full(len(y), -1, dtype=np.int64)
    width = cells.high - cells.low
    for size in np.unique(width, axis=0):
        same = np.flatnonzero(np.all(width == size, axis=1))
        lows = cells.low[same]
        for start in range(0, len(y), 1 << 14):
            part = slice(start, start + (1 << 14))
            open_ = np.flatnonzero(home[part] < 0)
            home[part][open_] = _in_boxes(lows, size, same, y[part][open_])
    return home


def _in_boxes(lows: Floats, size: Floats, names: NDArray[np.int64], y: Floats) -> NDArray[np.int64]:
    """Which of boxes of one size, sorted along the first axis, each place is in."""
    found = np.full(len(y), -1, dtype=np.int64)
    firsts, back = np.unique(lows[:, 0], return_inverse=True)
    at = np.searchsorted(firsts, y[:, 0], side="right") - 1
    for column in np.unique(at[at >= 0]):
        here = np.flatnonzero((at == column) & (y[:, 0] <= firsts[column] + size[0]))
        boxes = np.flatnonzero(back == column)
        boxes = boxes[np.argsort(lows[boxes, 1])]
        row = np.searchsorted(lows[boxes, 1], y[here, 1], side="right") - 1
        inside = (row >= 0) & (y[here, 1] <= lows[boxes[np.maximum(row, 0)], 1] + size[1])
        found[here[inside]] = names[boxes[row[inside]]]
    return found


def log_weights_at(model: Model, noise: Floats) -> Floats:
    """Log weights of noise (n, noise_dim): in one call of the function on arrays, or else point by point.

    The function is given one array for each coordinate. What it makes of them counts only where it agrees
    with plain calls at a few points: a function that looks at ``z.size``, say, does not.
    """
    points = noise if model.proposal is None else model.proposal.points(noise)
    return log_weights_of(model, points, Coordinates(model).arrays)


def log_sum(x: Floats) -> float:
    top = float(np.max(x))
    return top if math.isinf(top) else top + math.log(float(np.sum(np.exp(x - top))))
