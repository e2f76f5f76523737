"""`audit`: somebody's own SUMO, held to ours on log weights that tell mistakes apart, and the mistake named.

The estimator is written here once more, in NumPy and with every step open, since a mistake is the same sum with one
step changed. `fs.sumo` is the fast one; tests hold the two together.
"""

from __future__ import annotations

import inspect
import math
import reprlib
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.base.shown import Shown
from fastsumo.base.text import NARROWEST, WIDTH, Column, Rows
from fastsumo.base.words import spelled
from fastsumo.estimators.parsing import as_roulette
from fastsumo.estimators.roulette import Harmonic, Roulette

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROWS, _MOST_TERMS = 64, 12
_LONG_TERMS, _RAREST = 1100, 1e-6  # of the long rows: their most terms, and how improbable these may be
_DRAWS = 100_000
_CLOSE, _CLOSE_SINGLE = 1e-8, 1e-4  # relative, of float64 and of float32
_EPSILON, _EPSILON_SINGLE = 2.0**-52, 2.0**-23
_SCALE = 10.0  # of the log weights of a case
_RARE = 1e-9  # the probability that a right law of K fails
_HARMONIC = Harmonic()


@dataclass(frozen=True)
class Audit(Shown):
    """What `audit` found.

    Attributes
    ----------
    passed : bool
    findings : tuple of str
        One sentence for each mistake; empty where all is right.
    checks : tuple of str
        What was looked at.

    Examples
    --------
    >>> print(Audit(True, (), ("values of 64 rows",)))
    passed: values of 64 rows
    """

    passed: bool
    findings: tuple[str, ...]
    checks: tuple[str, ...]

    @property
    def text(self) -> str:
        """The findings in words."""
        return self.words(WIDTH)

    def words(self, width: int = WIDTH) -> str:
        """``text`` in at most so many columns."""
        lines = [
            f"{'passed' if self.passed else 'failed'}: {', '.join(self.checks)}",
            *(f"- {s}" for s in self.findings),
        ]
        width = max(width, NARROWEST)
        return "\n".join(textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False) for line in lines)

    def __str__(self) -> str:
        return self.text

    def _blocks(self) -> list[Rows | list[Column]]:
        verdict = "passed" if self.passed else "failed"
        return [Rows([(verdict, ", ".join(self.checks)), *(("finding", each) for each in self.findings)])]


class _Case(NamedTuple):
    """Rows of log weights, the `K` of each, and what is divided by: ``survival[j - 1] = P(K >= j)``."""

    log_weights: Floats
    terms: Ints
    survival: Floats
    minimum: int
    start: int


@own_errstate
@spelled
def audit(
    function: Callable[..., Any],
    roulette: Roulette | str = _HARMONIC,
    minimum: int = 1,
    start: int = 1,
    *,
    draw: Callable[[int], Any] | None = None,
) -> Audit:
    """Hold an implementation of SUMO to its definition, and say in words what is wrong with it.

    Parameters
    ----------
    function : callable
        ``function(log_weights, terms)``: log weights of shape (rows, samples) and the `K` of each row, to the values of
        the rows. Of a row with ``K`` terms the first ``K + minimum + start - 1`` log weights count. Where a NumPy array
        will not do, it is called with tensors of PyTorch or arrays of JAX, if these have been imported. Values that are
        right in single precision only pass, and ``checks`` says so. Rows have up to 12 terms, then up to 1100.
    roulette : Roulette
        The law whose ``P(K >= j)`` increments are to be divided by.
    minimum, start : int
        As of `fs.SUMO`.
    draw : callable, optional
        ``draw(n)``: ``n`` independent `K`. Its law is held to ``roulette``.

    Returns
    -------
    Audit
        With ``passed``, ``findings`` and ``text``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or what ``function`` or ``draw`` returns has another shape.

    Notes
    -----
    Luo et al. (ICLR 2020) for SUMO; mistakes are those that public implementations have.

    Examples
    --------
    >>> import numpy as np
    >>> def mine(log_weights, terms):
    ...     path = np.logaddexp.accumulate(log_weights, axis=1) - np.log(np.arange(1, log_weights.shape[1] + 1))
    ...     increments = np.diff(path, axis=1)
    ...     k = np.arange(1, increments.shape[1] + 1)
    ...     return path[:, 0] + np.sum(increments / k * (k <= terms[:, None]), axis=1)  # times P, not divided by it
    >>> print(audit(mine))
    failed: values of 64 rows
    - increments are multiplied by P(K >= j), where they must be divided by it: the
      mean is not log Z
    """
    _check_takes("function", function, "log weights and terms and return values", "log weights", "terms")
    if draw is not None:
        _check_takes("draw", draw, "a number n and return n draws of K", "n")
    roulette = as_roulette(roulette)
    case = _case(roulette, checks.whole("minimum", minimum, 1), checks.whole("start", start, 0, 1))
    call = _Call(function)
    findings = _of_values(call, case)
    looked = [f"values of {_ROWS} rows{' to single precision' if call.single and not findings else ''}"]
    if not findings:
        looked += ["zero weights", "log weights of 800 and more"]
        findings = [*_of_zeros(call, case), *_of_scale(call, case)]
        long = _long_case(roulette, case.minimum, case.start)
        if long is not None:
            looked.append(f"rows of up to {long.terms[0]:,} terms")
            findings += _of_long(call, long)
    if draw is not None:
        looked.append(f"{_DRAWS:,} draws of K")
        findings += _of_draws(draw, roulette)
    return Audit(not findings, tuple(findings), tuple(looked))


def _check_takes(name: str, function: Any, what: str, *arguments: str) -> None:
    """Raise TypeError where something cannot be called with so many arguments."""
    if not callable(function):
        raise TypeError(f"{name} must take {what}, got {function!r}")
    try:
        inspect.signature(function).bind(*arguments)
    except ValueError:  # a function of C does not say what it takes
        pass
    except TypeError:
        raise TypeError(f"{name} must take {what}, but its signature is {inspect.signature(function)}") from None


# --- the definition, and mistakes in it -------------------------------------------------------------------------------


def value(case: _Case) -> Floats:
    """``L_m + sum_j (L_{m+j} - L_{m+j-1}) / P(K >= j)``, ``j = 1 .. K``; with ``start=0`` as `fs.SUMO` has it."""
    return _sum(case, _inverse(case.survival))


def _inverse(p: Floats) -> Floats:
    """``1 / p``, and 0 for what never comes."""
    return np.divide(1.0, p, out=np.zeros_like(p), where=p > 0.0)


def _path(log_weights: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.logaddexp.accumulate(log_weights, axis=1) - np.log(np.arange(1.0, log_weights.shape[1] + 1.0))


def _steps(case: _Case) -> Floats:
    """``L_{m+j} - L_{m+j-1}`` in column ``j - 1`` (of ``start=0`` the one before), 0 beyond the `K` of a row."""
    path, most = _path(case.log_weights), int(case.terms.max())
    j = np.arange(1, most + 1)
    begin = case.minimum + case.start - 2  # of the first, counted from 0; with start=0 it is none
    steps = np.where(j >= 2 - case.start, path[:, begin + j] - path[:, np.maximum(begin + j - 1, 0)], 0.0)
    return np.where(j <= case.terms[:, None], steps, 0.0)


def _sum(
    case: _Case,
    weights: Floats,
    *,
    path: Floats | None = None,
    terms: Ints | None = None,
    shift: int = 0,
    base: bool = True,
    mean: bool = False,
) -> Floats:
    """The sum with its parts open: weights of increments, which they are and how many, and what it begins with."""
    path = _path(case.log_weights) if path is None else path
    k = case.terms if terms is None else terms
    total = path[:, case.minimum - 1].copy() if base else np.zeros(len(k))
    added = np.zeros(len(k))
    for j in range(2 - case.start, int(k.max()) + 1):
        at = case.minimum + case.start + j - 2 + shift  # of L_{m+j}, counted from 0
        if 0 < at < path.shape[1] and j <= weights.size:
            with np.errstate(invalid="ignore"):
                added += np.where(j <= k, (path[:, at] - path[:, at - 1]) * weights[j - 1], 0.0)
    return total + (added / k if mean else added)


def _mistakes(case: _Case) -> list[tuple[str, Floats]]:
    """What each mistake would give, the likeliest first."""
    p = case.survival
    right, later, earlier = _inverse(p), _inverse(np.append(p[1:], 0.0)), _inverse(np.append(1.0, p[:-1]))
    by_mass = _inverse(p - np.append(p[1:], 0.0))
    sums = np.logaddexp.accumulate(case.log_weights, axis=1)
    means = np.cumsum(case.log_weights, axis=1) / np.arange(1.0, case.log_weights.shape[1] + 1.0)
    k, one = case.terms, np.ones_like(p)
    plain, top = value(case), case.log_weights.max(axis=1)
    first, steps = _path(case.log_weights)[:, case.minimum - 1], _steps(case)
    at = case.minimum + case.start + k - 2
    path = _path(case.log_weights)
    whole = np.full_like(k, path.shape[1] - case.minimum - case.start + 1)
    single = path[:, case.minimum - 1] + by_mass[k - 1] * (
        np.take_along_axis(path, at[:, None], 1)[:, 0] - path[range(len(k)), at - 1]
    )
    counts = np.arange(1.0, case.log_weights.shape[1] + 1.0)
    turned = case._replace(log_weights=case.log_weights[:, ::-1])
    used = np.arange(case.log_weights.shape[1]) <= at[:, None]
    ascending = np.sort(np.where(used, case.log_weights, math.inf), axis=1)
    descending = -np.sort(np.where(used, -case.log_weights, math.inf), axis=1)
    other = case._replace(start=1 - case.start)
    return [
        (
            "increments are multiplied by P(K >= j), where they must be divided by it: the mean is not log Z",
            _sum(case, p),
        ),
        (
            "increments are not divided by P(K >= j): the sum is IWAE of K + 1 samples, whose mean is below log Z",
            _sum(case, one),
        ),
        (
            "increment j is divided by P(K >= j + 1) in place of P(K >= j), as floor for ceil does in the draw of K",
            _sum(case, later),
        ),
        (
            "increments are multiplied by P(K >= j + 1), where they must be divided by P(K >= j)",
            _sum(case, np.append(p[1:], 0.0)),
        ),
        ("increment j is divided by P(K >= j - 1) in place of P(K >= j): off by one", _sum(case, earlier)),
        ("increments are divided by P(K = j) in place of P(K >= j)", _sum(case, by_mass)),
        ("only the last increment counts, over P(K = K): that is SingleTerm, not SUMO", single),
        (
            "only the last increment counts, over P(K >= K); all up to K are to be summed, each over its own",
            first + right[k - 1] * steps[range(len(k)), k - 1],
        ),
        (
            "every increment of a row is divided by P(K >= K), that of the last; j has its own, P(K >= j)",
            first + right[k - 1] * steps.sum(axis=1),
        ),
        (
            "the increments are subtracted, where they must be added: of L_{m+j} - L_{m+j-1} the sign",
            2.0 * first - plain,
        ),
        ("increments are averaged over the K terms in place of summed", _sum(case, right, mean=True)),
        ("the whole sum is divided by K: it must not be averaged", plain / k),
        ("the whole sum is divided by K + 1: it must not be averaged", plain / (k + 1)),
        ("increments are one late: that of j is L_{m+j+1} - L_{m+j}", _sum(case, right, shift=1)),
        (
            f"the sum is that of start={other.start}, the other convention; say so, and it is right",
            value(other),
        ),
        ("increments are one early: that of j is L_{m+j-1} - L_{m+j-2}", _sum(case, right, shift=-1)),
        ("the last increment is left out: the sum ends at K - 1", _sum(case, right, terms=k - 1)),
        ("there is one increment too many: the sum ends at K + 1", _sum(case, right, terms=k + 1)),
        ("K is not used: all increments that there are weights for are summed", _sum(case, right, terms=whole)),
        (
            "increments are taken from L_m in place of the prefix before: that of j is L_{m+j} - L_m",
            _from_first(case, right),
        ),
        ("the largest log weight of a row is taken off, and not put back", plain - top),
        ("no increments are added: the value is L_m alone, whose mean is below log Z", first),
        (
            "increments are not divided by P(K >= j), and the last is left out: the sum is IWAE of K samples",
            _sum(case, one, terms=k - 1),
        ),
        ("the first term is missing: L_m must be added to the increments", _sum(case, right, base=False)),
        (
            "one K is used for all rows, that of the first; each row has its own",
            _sum(case, right, terms=np.full_like(k, k[0])),
        ),
        (
            "one K is used for all rows, the largest; each row has its own",
            _sum(case, right, terms=np.full_like(k, k.max())),
        ),
        (
            "prefixes are sums of weights in place of means: log k is not taken off, so that L_k grows with k",
            _sum(case, right, path=sums),
        ),
        ("prefixes are means of log weights in place of logs of mean weights", _sum(case, right, path=means)),
        (
            "of the sum of k weights log(k - 1) is taken off in place of log k",
            _sum(case, right, path=sums - np.log(np.maximum(counts - 1.0, 1.0))),
        ),
        (
            "of the sum of k weights log(k + 1) is taken off in place of log k",
            _sum(case, right, path=sums - np.log1p(counts)),
        ),
        (
            "log weights are taken with the other sign: they must be log p - log q",
            value(case._replace(log_weights=-case.log_weights)),
        ),
        (
            "the value is that of SUMO of 1 / w, with the other sign",
            -value(case._replace(log_weights=-case.log_weights)),
        ),
        ("samples are taken from the last one of a row backwards, also those that do not count", value(turned)),
        (
            "samples are sorted, the smallest weight first: the mean is not log Z",
            value(case._replace(log_weights=ascending)),
        ),
        (
            "samples are sorted, the largest weight first: the mean is not log Z",
            value(case._replace(log_weights=descending)),
        ),
        *((f"the sum is that of minimum={m}", value(case._replace(minimum=m))) for m in range(1, case.minimum)),
        ("the sign is that of a loss: the values are those of SUMO times -1", -plain),
        ("the mean of all rows is returned, not the value of each", np.full(len(k), plain.mean())),
        ("the sum of all rows is returned, not the value of each", np.full(len(k), plain.sum())),
        (
            "minus the sum of all rows is returned, which is a loss, not the value of each",
            np.full(len(k), -plain.sum()),
        ),
        (
            "minus the mean of all rows is returned, which is a loss, not the value of each",
            np.full(len(k), -plain.mean()),
        ),
    ]


def _from_first(case: _Case, weights: Floats) -> Floats:
    """``L_m + sum_j (L_{m+j} - L_m) / P(K >= j)``."""
    path, first = _path(case.log_weights), case.minimum - 1
    total = path[:, first].copy()
    for j in range(2 - case.start, int(case.terms.max()) + 1):
        step = path[:, first + case.start + j - 1] - path[:, first]
        total += np.where(j <= case.terms, step * weights[j - 1], 0.0)
    return total


# --- what is looked at ------------------------------------------------------------------------------------------------


def _case(roulette: Roulette, minimum: int, start: int) -> _Case:
    """Rows that tell mistakes apart: wild weights, and every `K` from 1 to the most."""
    rng = np.random.default_rng(20200)
    most = int(np.count_nonzero(roulette.survival(np.arange(1, min(_MOST_TERMS, roulette.max_terms) + 1))))
    terms = np.resize(np.arange(most, 0, -1), _ROWS)
    rng.shuffle(terms)
    log_weights = rng.normal(-0.5, 1.5, (_ROWS, most + minimum + start + 1))
    return _Case(log_weights, terms.astype(np.int64), roulette.survival(np.arange(1, most + 2)), minimum, start)


def _long_case(roulette: Roulette, minimum: int, start: int) -> _Case | None:
    """A few rows of many terms, which show what is cut off somewhere; None where the law draws no more than before."""
    p = roulette.survival(np.arange(1, min(_LONG_TERMS, roulette.max_terms) + 1))
    most = int(np.count_nonzero(p > _RAREST))
    if most <= _MOST_TERMS:
        return None
    terms = np.maximum(np.array([most, most // 3, most // 10, most // 30]), 1)
    log_weights = np.random.default_rng(20201).normal(-0.5, 1.5, (len(terms), most + minimum + start))
    return _Case(log_weights, terms, roulette.survival(np.arange(1, most + 2)), minimum, start)


class _Call:
    """Calls the function with what it can take, and makes NumPy of what it gives."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._make: Callable[[Any], Any] = np.array
        self.single = False  # whether values are to be right in single precision only

    def __call__(self, log_weights: Floats, terms: Ints, what: str = "", *, first: bool = False) -> Floats:
        makers: list[Callable[[Any], Any]] = [np.array, *_makers()] if first else [self._make]
        before: list[str] = []
        for make in makers:
            try:
                given = self._function(make(log_weights.copy()), make(terms.copy()))
            except Exception as error:
                if len(before) + 1 == len(makers):
                    for said in before:
                        error.add_note(f"called before with other kinds of arrays, which gave: {said}")
                    if what:
                        error.add_note(f"raised by the function, given {what}")
                    raise
                before.append(f"{type(error).__name__}: {error}")
                continue
            self._make = make
            break
        if hasattr(given, "detach"):
            given = given.detach().cpu()
        try:
            found = np.asarray(given)
        except (TypeError, ValueError):  # bfloat16, or rows of several lengths
            found = np.asarray(None)
        if found.dtype.kind != "f" or found.dtype.itemsize < 4:
            kind = found.dtype if found.dtype.kind != "O" else reprlib.repr(given)
            raise TypeError(f"function must return float32 or float64, one value a row, but returned {kind}")
        self.single |= found.dtype.itemsize < 8
        if found.shape == () and len(terms) > 1:
            found = np.full(len(terms), float(found))
        if found.shape != terms.shape:
            raise ValueError(f"function must return one value a row, shape {terms.shape}, but returned {found.shape}")
        return found.astype(np.float64)

    def agrees(self, found: Floats, wanted: Floats, case: _Case, scale: float = _SCALE) -> bool:
        """To rounding, of log weights of the ``scale``; where both are infinite too."""
        return bool(self.near(found, wanted, case, scale).all())

    def near(self, found: Floats, wanted: Floats, case: _Case, scale: float = _SCALE) -> NDArray[np.bool_]:
        """Which values agree; rounding errors of prefixes grow like what they are divided by."""
        close, rounding = (_CLOSE_SINGLE, _EPSILON_SINGLE) if self.single else (_CLOSE, _EPSILON)
        factors = np.sqrt(1.0 + np.cumsum((2.0 * _inverse(case.survival)) ** 2))[case.terms - 1]
        with np.errstate(invalid="ignore"):
            allowed = close * (1.0 + np.abs(wanted)) + 8.0 * rounding * scale * factors
            return np.asarray((np.abs(found - wanted) <= allowed) | (found == wanted))


def _makers() -> list[Callable[[Any], Any]]:
    """Ways to make arrays of other frameworks, of those that are there already."""
    makers: list[Callable[[Any], Any]] = []
    if "torch" in sys.modules:
        makers.append(sys.modules["torch"].as_tensor)
    if "jax" in sys.modules:
        makers.append(sys.modules["jax"].numpy.asarray)
    return makers


def _of_values(call: _Call, case: _Case) -> list[str]:
    samples = int(case.terms.max()) + case.minimum + case.start
    short = case._replace(log_weights=case.log_weights[:, :samples])
    found = call(short.log_weights, case.terms, first=True)
    for single in (True,) if call.single else (False, True):
        call.single = single
        if call.agrees(found, value(case), case):
            return []
        for words, wrong in _mistakes(short):
            if call.agrees(found, wrong, case):
                return [words]
        cut = _cut_off(call, short, found)
        if cut is not None:
            return [cut]

    def differs(log_weights: Floats, terms: Ints) -> NDArray[np.bool_]:
        again = call(log_weights, terms)
        return ~(call.near(again, found, case) | (np.isnan(again) & np.isnan(found)))

    if not np.isfinite(found).any():
        return [f"no value is a number: that of row 0 is {found[0]}"]
    if differs(short.log_weights, case.terms).any():
        return ["two calls with the same arguments give other values: K, or something else, is drawn inside"]
    if not differs(short.log_weights, np.roll(case.terms, 1)).any():
        return ["the K of a row makes no difference to it: another is drawn inside, or one number is used for all rows"]
    half = len(found) // 2
    for kept in (slice(None, half), slice(half, None)):
        others, terms = -short.log_weights[::-1], case.terms[::-1].copy()
        others[kept], terms[kept] = short.log_weights[kept], case.terms[kept]
        if differs(others, terms)[kept].any():
            return ["the value of a row changes with the other rows: an axis, a maximum or a K is that of all rows"]
    return [f"values are not those of SUMO, by no mistake that is known here: {_furthest(call, case, found)}"]


def _furthest(call: _Call, case: _Case, found: Floats) -> str:
    """Where values are wrong, in words."""
    wanted, terms = value(case), case.terms
    bad = ~call.near(found, wanted, case)
    wrong, right = np.unique(terms[bad]), np.setdiff1d(terms, terms[bad])
    clue = ""
    if right.size and right.max() < wrong.min():
        clue = f"rows with K {'=' if right.max() == 1 else 'up to'} {right.max()} are right, all others wrong; "
    elif right.size and wrong.max() < right.min():
        clue = f"rows with K {'=' if wrong.max() == 1 else 'up to'} {wrong.max()} are wrong, all others right; "
    row = int(np.argmax(np.where(np.isnan(found), math.inf, np.abs(found - wanted))))
    return f"{clue}furthest is row {row} with K = {terms[row]}: {found[row]:.8g} in place of {wanted[row]:.8g}"


def _cut_off(call: _Call, case: _Case, found: Floats) -> str | None:
    """Whether the sum ends at some fixed number of terms, or what is divided by does, in words."""
    steps, inverse = _steps(case), _inverse(case.survival)[: int(case.terms.max())]
    first = _path(case.log_weights)[:, case.minimum - 1, None]
    sums = first + np.cumsum(steps * inverse, axis=1)
    rest = np.cumsum(steps[:, ::-1], axis=1)[:, ::-1] - steps
    mistakes = {
        "the sum ends at j = {0} where K is larger: the mean is that of a law with K <= {0}, not log Z": sums,
        "increments beyond j = {0} are all divided by P(K >= {0}), not each by its own P(K >= j)": sums
        + rest * inverse,
    }
    best, said = math.inf, None
    for words, values in mistakes.items():
        away = np.abs(values.T - found).max(axis=1)
        j = int(np.argmin(np.where(np.isnan(away), math.inf, away)))
        if away[j] < best and call.agrees(found, values[:, j], case):
            best, said = away[j], words.format(j + 1)
            if j + 1 == case.terms.min():
                said += "; or all rows have the smallest K"
    return said


def _of_zeros(call: _Call, case: _Case) -> list[str]:
    """Weights of zero, -inf, past the prefixes that every trial has."""
    log_weights = case.log_weights.copy()
    log_weights[:, case.minimum :: 2] = -math.inf
    found = call(log_weights, case.terms, "weights of zero, -inf")
    if call.agrees(found, value(case._replace(log_weights=log_weights)), case):
        return []
    return ["log weights of -inf, which are weights of zero, give other values (NaN, perhaps)"]


def _of_scale(call: _Call, case: _Case) -> list[str]:
    def moved(scale: Floats, what: str) -> bool:
        found = call(case.log_weights + scale[:, None], case.terms, what)
        return call.agrees(found - scale, value(case), case, 800.0)

    said = []
    for scale in (800.0, -800.0):
        if not moved(np.full(len(case.terms), scale), f"log weights around {scale:g}"):
            said.append(
                f"log weights around {scale:g} give other values, so weights {'overflow' if scale > 0 else 'vanish'}: "
                "take off the largest log weight before exp (logsumexp)"
            )
    if not said and not moved(np.resize([800.0, -800.0], len(case.terms)), "rows around 800 and others around -800"):
        said.append(
            "rows around 800 and others around -800 give other values together, but not alone: take off the largest "
            "log weight of each row before exp, not that of all"
        )
    return said


def _of_long(call: _Call, case: _Case) -> list[str]:
    """Rows of many terms: what is cut off beyond some number of them."""
    found = call(case.log_weights, case.terms, f"rows of up to {case.terms[0]} terms")
    if call.agrees(found, value(case), case):
        return []
    said = _cut_off(call, case, found)
    return [said or f"rows of more terms than {_MOST_TERMS} give other values: {_furthest(call, case, found)}"]


def _of_draws(draw: Callable[[int], Any], roulette: Roulette) -> list[str]:
    """The law of what is drawn, by a chi-square test, and against laws that mistakes give."""
    given = draw(_DRAWS)
    drawn = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
    if drawn.shape != (_DRAWS,) or drawn.dtype.kind not in "iuf":
        raise ValueError(f"draw(n) must return n whole numbers, got shape {drawn.shape} and dtype {drawn.dtype}")
    broken = np.flatnonzero(np.floor(drawn) != drawn)
    if broken.size:
        raise ValueError(f"draw(n) must return n whole numbers, got {drawn[broken[0]]}")
    if not np.isfinite(drawn).all():
        return ["some K are infinite: a uniform of 0 is divided by, perhaps"]
    first, second = roulette.survival([int(drawn[0]), int(drawn[0]) + 1])
    if (drawn == drawn[0]).all() and (first - second) ** _DRAWS < _RARE:
        return [f"draw(n) gives one K, {int(drawn[0])}, n times; trials need a K of their own"]
    alike = float(np.mean(drawn[1:] == drawn[:-1]))
    wanted = float(np.sum((np.unique(drawn, return_counts=True)[1] / _DRAWS) ** 2))
    if abs(alike - wanted) > 8.0 / math.sqrt(_DRAWS):
        why = "several trials share one K, perhaps, or they are in order"
        if alike < wanted:
            why = "their uniforms are antithetic, perhaps, or quasi-random"
        return [
            f"the K drawn are not independent: {alike:.1%} of neighbours are equal, where {wanted:.1%} would be; {why}"
        ]
    for lag in sorted({_DRAWS // parts for parts in range(2, 101)}):
        if (drawn[lag:] == drawn[:-lag]).mean() > 0.5 * (1.0 + wanted):
            return [f"the K drawn are not independent: after {lag:,} of them the same come again"]
    if _fits(drawn, roulette.survival):
        return []

    def product(k: Ints) -> Floats:
        return np.array([np.prod(roulette.survival(np.arange(1, n + 1))) for n in np.minimum(k, 60)])

    mistakes: list[tuple[str, Callable[[Ints], Floats]]] = [
        ("P(K >= k) is that of k + 1: floor in place of ceil, K = 0 comes too", lambda k: roulette.survival(k + 1)),
        ("P(K >= k) is that of k - 1: K is one too large", lambda k: roulette.survival(k - 1)),
        ("K = k goes on to k + 1 with probability P(K >= k + 1), which is to be over P(K >= k)", product),
        (
            "K = k goes on to k + 1 with probability P(K >= k), which is to be P(K >= k + 1) / P(K >= k)",
            lambda k: product(k - 1),
        ),
    ]
    for words, law in mistakes:
        if _fits(drawn, law):
            return [f"the law that K is drawn from is not the one that increments are divided by: {words}"]
    k = np.unique(np.concatenate([np.arange(2, 200), np.geomspace(200, 1e9, 60).astype(np.int64)]))
    above = np.sort(drawn)
    p, share = roulette.survival(k), 1.0 - np.searchsorted(above, k) / _DRAWS
    away = np.abs(share - p) / np.sqrt(np.maximum(p * (1.0 - p), 1.0 / _DRAWS) / _DRAWS)
    at = int(np.argmax(away))
    return [
        f"K does not follow the law: P(K >= {k[at]}) is {share[at]:.4g} among the draws in place of {p[at]:.4g}; they "
        f"lie from {int(drawn.min())} to {int(drawn.max())}"
    ]


def _fits(drawn: NDArray[Any], survival: Callable[[Ints], Floats]) -> bool:
    """Whether draws from 1 on follow a law, by chi-square over cells of ten draws at least."""
    from scipy.stats import chi2

    if drawn.min() < 0:
        return False
    edges = np.unique(np.concatenate([np.arange(0, 40), np.geomspace(40, 1e9, 60).astype(np.int64)]))
    above = np.where(edges == 0, 1.0, survival(np.maximum(edges, 1)))
    expected = -np.diff(np.append(above, 0.0)) * drawn.size
    seen = np.histogram(drawn, np.append(edges, np.inf))[0]
    if np.any(seen[expected <= 0.0]):
        return False
    cell = np.minimum(np.cumsum(expected) // 10.0, expected.sum() // 10.0 - 1.0).astype(np.int64)
    expected, seen = np.bincount(cell, expected), np.bincount(cell, seen)
    seen, expected = seen[expected > 0.0], expected[expected > 0.0]
    distance = float(np.sum((seen - expected) ** 2 / expected))
    return bool(chi2.sf(distance, max(expected.size - 1, 1)) > _RARE)
