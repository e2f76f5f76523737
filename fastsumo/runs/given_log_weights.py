"""Log weights that come from elsewhere: SUMO, IWAE, JVI, Taylor, gradients of rows of them, and `K` to draw beforehand.

The forms that rows come in, and the threads, and the kernels, are in `engine/cpu/given/`. No model is
evaluated here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.base.text import counted
from fastsumo.base.traced import in_jit
from fastsumo.base.words import spelled
from fastsumo.engine.cpu.given.gradient import gradient_rows
from fastsumo.engine.cpu.given.jackknife import jackknife_rows
from fastsumo.engine.cpu.given.parts import SEGMENT, SHORT
from fastsumo.engine.cpu.given.series import series_gradient_rows, series_rows
from fastsumo.engine.cpu.given.threads import Floats, Ints, Piece, Rows, Used, alike, rows_of, run, whole_numbers
from fastsumo.engine.cpu.given.values import iwae_rows, path_rows, sumo_rows
from fastsumo.estimators.estimators import MOST_OF_BLOCK
from fastsumo.estimators.parsing import as_roulette
from fastsumo.estimators.roulette import Geometric, Harmonic, Roulette
from fastsumo.trial.plan import MAX_TERMS
from fastsumo.trial.survival import reciprocals

_HARMONIC, _GEOMETRIC = Harmonic(), Geometric(0.5)


@own_errstate
@spelled
@in_jit(constant=False)
def sumo(
    log_weights: Any,
    terms: ArrayLike | None = None,
    roulette: Roulette | str = _HARMONIC,
    minimum: int = 1,
    seed: int = 0,
    *,
    offsets: ArrayLike | None = None,
    threads: int | None = None,
) -> Any:
    """SUMO of log weights computed elsewhere: one trial a row, unbiased for `log Z` (Luo et al., ICLR 2020).

    ``L_m + sum_{j=1..K} (L_{m+j} - L_{m+j-1}) / P(K >= j)``, with ``L_k`` the log of the mean of a row's first ``k``
    weights, ``m = minimum``, and ``K`` the row's ``terms``. A row needs ``K + minimum`` log weights; more are not read.

    Parameters
    ----------
    log_weights : array_like
        A matrix (rows, samples); or a list of vectors; or, with ``offsets``, one vector that holds row ``r`` from
        ``offsets[r]`` to ``offsets[r + 1]``. float32 or float64, from NumPy, PyTorch or JAX. It is not copied, but from
        a GPU and for pieces of data that is not C-contiguous; float32 is computed with in double precision. -inf is a
        weight of zero.
    terms : int or array_like of int, shape (rows,), optional
        ``K`` of each row, drawn from ``roulette``. By default ``fs.draw_terms(rows, roulette, seed)``.
    roulette : Roulette
        The law of ``K``.
    minimum : int
        Samples before the first increment.
    seed : int
        Of the drawn terms.
    offsets : array_like of int, shape (rows + 1,), optional
        Where rows begin and end in a vector of log weights.
    threads : int, optional
        By default the cores that this process may use. The values do not depend on it.

    Returns
    -------
    ndarray of float64, shape (rows,)
        -inf where the first ``minimum`` weights of a row are all zero. Of tensors of PyTorch or arrays of JAX one of
        these, of their dtype and on their device.

    Raises
    ------
    ValueError
        If a row is too short for its terms (the message says how many log weights rows need), if a row holds NaN or
        +inf (the message names it), or shapes do not fit.
    TypeError
        If the log weights are neither float32 nor float64.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.isclose(sumo([[0.0, np.log(3.0)]], terms=1)[0], np.log(2.0)))
    True
    >>> law = Harmonic(cap=100)
    >>> terms = draw_terms(3, law, seed=1)
    >>> rows = [np.zeros(k + 1) for k in terms]
    >>> sumo(rows, roulette=law, seed=1)
    array([0., 0., 0.])
    """
    roulette = as_roulette(roulette)
    rows, used, m = _trials(log_weights, terms, roulette, minimum, seed, offsets)
    law, inverse, short = roulette.law(), _inverse(), _reciprocals(roulette)

    def kernel(piece: Piece, scratch: Floats, out: Floats) -> int:
        return sumo_rows(*piece.taken, m, law, short, inverse, scratch, out)

    return alike(log_weights)(_of_rows(rows, used, kernel, threads))


@own_errstate
@spelled
@in_jit(constant=True)
def sumo_coefficients(
    log_weights: Any,
    terms: ArrayLike | None = None,
    roulette: Roulette | str = _HARMONIC,
    minimum: int = 1,
    seed: int = 0,
    *,
    offsets: ArrayLike | None = None,
    threads: int | None = None,
) -> Any:
    """Derivatives of each row's SUMO with respect to its log weights, for use in a training objective.

    ``(coefficients * log_weights).sum()``, with the coefficients held constant, has the gradient of
    ``sumo(log_weights).sum()`` in any framework. With ``SUMO = sum_k c_k L_k`` the coefficient of ``log w_i`` is
    ``w_i`` times the sum of ``c_k / (w_1 + ... + w_k)`` over ``k >= max(i, minimum)``; those of a row add up to 1.

    Parameters
    ----------
    log_weights, terms, roulette, minimum, seed, offsets, threads
        As in `sumo`.

    Returns
    -------
    ndarray of float64, or list of them
        In the form of the log weights; 0 for weights of zero and beyond the ``K + minimum`` that are used. Where the
        value is -inf, they are the derivatives of the part of the sum over prefixes that have weight.

    Raises
    ------
    ValueError, TypeError
        As in `sumo`.

    Examples
    --------
    >>> import numpy as np
    >>> sumo_coefficients(np.zeros((1, 4)), terms=1)
    array([[0.5, 0.5, 0. , 0. ]])
    """
    roulette = as_roulette(roulette)
    rows, used, m = _trials(log_weights, terms, roulette, minimum, seed, offsets)
    law, short = roulette.law(), _reciprocals(roulette)

    def kernel(piece: Piece, scratch: Floats, out: Floats) -> int:
        bases = np.empty(2 * (int(piece.used.max(initial=0)) // SEGMENT + 1))
        return gradient_rows(*piece.taken, m, law, short, scratch, bases, piece.places, out)

    return alike(log_weights)(rows.shaped(_of_weights(rows, used, kernel, threads)))


@own_errstate
@spelled
@in_jit(constant=False)
def iwae(
    log_weights: Any, k: int | None = None, *, offsets: ArrayLike | None = None, threads: int | None = None
) -> Any:
    """``L_k``, the log of the mean of each row's first ``k`` weights (Burda et al., 2016).

    Parameters
    ----------
    log_weights, offsets, threads
        As in `sumo`.
    k : int, optional
        By default all weights of the row.

    Returns
    -------
    ndarray of float64, shape (rows,)

    Raises
    ------
    ValueError, TypeError
        As in `sumo`.

    Examples
    --------
    >>> iwae([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]], k=2)
    array([1., 2.])
    """
    rows = rows_of(log_weights, offsets)
    used = _whole_rows(rows, 1, "iwae") if k is None else Used(checks.whole("k", k, 1, MAX_TERMS))
    _check_lengths(rows, used, "k")
    inverse = _inverse()

    def kernel(piece: Piece, scratch: Floats, out: Floats) -> int:
        return iwae_rows(*piece.taken, inverse, scratch, out)

    return alike(log_weights)(_of_rows(rows, used, kernel, threads))


@own_errstate
@spelled
@in_jit(constant=False)
def jvi(log_weights: Any, order: int = 1, *, offsets: ArrayLike | None = None, threads: int | None = None) -> Any:
    """Jackknife of IWAE over all weights of each row (Nowozin, ICLR 2018): bias ``O(n^-2)``, or ``O(n^-3)`` at order 2.

    Parameters
    ----------
    log_weights, offsets, threads
        As in `sumo`. Rows must have more than ``order`` weights.
    order : {1, 2}
        Order 2 leaves out every pair: it takes time in proportion to the square of a row's length.

    Returns
    -------
    ndarray of float64, shape (rows,)
        -inf where the weights without one (or two) of them are all zero.

    Raises
    ------
    ValueError, TypeError
        As in `sumo`.

    Examples
    --------
    >>> jvi([[1.0, 1.0, 1.0]])
    array([1.])
    """
    rows, degree = rows_of(log_weights, offsets), checks.whole("order", order, 1, 2)
    used = _whole_rows(rows, degree + 1, f"the jackknife of order {degree}")
    inverse = _inverse()

    def kernel(piece: Piece, scratch: Floats, out: Floats) -> int:
        return jackknife_rows(*piece.taken, degree, inverse, scratch, out)

    return alike(log_weights)(_of_rows(rows, used, kernel, threads))


@own_errstate
@spelled
@in_jit(constant=False)
def cumulative_iwae(log_weights: Any, *, offsets: ArrayLike | None = None, threads: int | None = None) -> Any:
    """``L_1, L_2, ...`` of each row: the logs of the running means of its weights.

    Parameters
    ----------
    log_weights, offsets, threads
        As in `sumo`.

    Returns
    -------
    ndarray of float64, or list of them
        In the form of the log weights; -inf up to a row's first weight that is not zero.

    Raises
    ------
    ValueError, TypeError
        As in `sumo`.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.allclose(cumulative_iwae([[0.0, np.log(3.0)]]), [[0.0, np.log(2.0)]]))
    True
    """
    rows = rows_of(log_weights, offsets)
    used, inverse = _whole_rows(rows, 1, "cumulative_iwae"), _inverse()

    def kernel(piece: Piece, scratch: Floats, out: Floats) -> int:
        return path_rows(*piece.taken, inverse, scratch, piece.places, out)

    return alike(log_weights)(rows.shaped(_of_weights(rows, used, kernel, threads)))


@own_errstate
@spelled
@in_jit(constant=False)
def taylor(
    log_weights: Any,
    terms: ArrayLike | None = None,
    roulette: Roulette | str = _GEOMETRIC,
    block: int = 1,
    log_center: ArrayLike | None = None,
    seed: int = 0,
    *,
    offsets: ArrayLike | None = None,
    threads: int | None = None,
) -> Any:
    """Taylor's series of the log of weights computed elsewhere, one trial a row: see `fs.Taylor`.

    ``log c - sum_{k=1..K} y_1 ... y_k / (k P(K >= k))`` with ``log c = log_center``, ``K`` the row's ``terms``, and
    ``y_i = 1 - w_i / c``, ``w_i`` the mean of the row's ``i``-th ``block`` weights. A row needs ``K * block`` log
    weights; more are not read. Unbiased for `log Z` where ``E |y| < 1``, nothing caps ``K``, and ``c`` does not depend
    on the row's weights (Chopin, Crucinio & Singh, arXiv 2403.20313).

    Parameters
    ----------
    log_weights, offsets, threads
        As in `sumo`.
    terms : int or array_like of int, shape (rows,), optional
        ``K`` of each row, drawn from ``roulette``. By default ``fs.draw_terms(rows, roulette, seed)``.
    roulette : Roulette or str
        The law of ``K``.
    block : int
        Weights of a factor.
    log_center : float or array_like of float, shape (rows,)
        One for all rows, or one for each; it must be given. Best is ``log Z + log(1 + chi_square / block)``, from other
        weights than those of the rows, such as a moving average of earlier steps of training.
    seed : int
        Of the drawn terms.

    Returns
    -------
    ndarray of float64, shape (rows,)
        Never -inf: a weight of zero only makes a factor larger. Of tensors of PyTorch or arrays of JAX one of these, of
        their dtype and on their device.

    Raises
    ------
    ValueError, TypeError
        As in `sumo`; and if a value is too large for a float64, since weights lie far above ``exp(log_center)``.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.isclose(taylor([[0.0, np.log(3.0)]], terms=2, log_center=np.log(2.0))[0], np.log(2.0) - 0.5 + 0.25))
    True
    """
    roulette = as_roulette(roulette)
    rows, used, size, centers = _series(log_weights, terms, roulette, block, log_center, seed, offsets)
    law, counts = roulette.law(), _counts(roulette)

    def kernel(piece: Piece, scratch: Floats, out: Floats) -> int:
        return series_rows(*piece.taken, size, centers[piece.rows], law, counts, scratch, out)

    values = _of_rows(rows, used, kernel, threads)
    _check_series(np.isfinite(values))
    return alike(log_weights)(values)


@own_errstate
@spelled
@in_jit(constant=True)
def taylor_coefficients(
    log_weights: Any,
    terms: ArrayLike | None = None,
    roulette: Roulette | str = _GEOMETRIC,
    block: int = 1,
    log_center: ArrayLike | None = None,
    seed: int = 0,
    *,
    offsets: ArrayLike | None = None,
    threads: int | None = None,
) -> Any:
    """Derivatives of each row's `taylor` with respect to its log weights, for use in a training objective.

    ``(coefficients * log_weights).sum()``, with the coefficients held constant, has the gradient of
    ``taylor(log_weights).sum()`` in any framework, ``log_center`` being a constant; that is unbiased for the gradient
    of ``log Z``. Those of a row add up to 1 in the mean only.

    Parameters
    ----------
    log_weights, terms, roulette, block, log_center, seed, offsets, threads
        As in `taylor`.

    Returns
    -------
    ndarray of float64, or list of them
        In the form of the log weights; 0 for weights of zero and beyond the ``K * block`` that are used.

    Raises
    ------
    ValueError, TypeError
        As in `taylor`.

    Examples
    --------
    >>> import numpy as np
    >>> taylor_coefficients(np.zeros((1, 3)), terms=2, log_center=np.log(2.0))
    array([[0.75, 0.25, 0.  ]])
    """
    roulette = as_roulette(roulette)
    rows, used, size, centers = _series(log_weights, terms, roulette, block, log_center, seed, offsets)
    law, counts = roulette.law(), _counts(roulette)

    def kernel(piece: Piece, _scratch: Floats, out: Floats) -> int:
        room = np.empty(2 * (int(piece.used.max(initial=0)) // size))
        return series_gradient_rows(*piece.taken, size, centers[piece.rows], law, counts, room, piece.places, out)

    out = _of_weights(rows, used, kernel, threads)
    shaped = rows.shaped(out)
    if not np.isfinite(out).all():
        parts = [shaped[r] for r in range(rows.count)] if offsets is None else [out]
        _check_series(np.array([np.isfinite(part).all() for part in parts]))
    return alike(log_weights)(shaped)


@own_errstate
@spelled
def draw_terms(
    rows: int,
    roulette: Roulette | str = _HARMONIC,
    seed: int = 0,
) -> Ints:
    """``K`` of trials ``0 .. rows - 1``: what `sumo` draws, and `fs.simulate` too. A row needs ``K + minimum`` weights.

    Parameters
    ----------
    rows : int
        How many trials.
    roulette : Roulette
        The law of `K`.
    seed : int
        From 0 to ``2**64 - 1``.

    Returns
    -------
    ndarray of int64, shape (rows,)

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.

    Examples
    --------
    >>> draw_terms(5, Harmonic(cap=1))
    array([1, 1, 1, 1, 1])
    """
    return as_roulette(roulette).sample(checks.whole("rows", rows, 1), seed)


Kernel = Callable[[Piece, Floats, Floats], Any]  # of a piece, scratch memory, the output; the first bad row, or -1


def _of_rows(rows: Rows, used: Used, kernel: Kernel, threads: int | None) -> Floats:
    """One number for each row, by a kernel that is given the place for those of its piece."""
    out = np.empty(rows.count)
    run(rows, used, lambda piece, scratch: int(kernel(piece, scratch, out[piece.rows])), threads)
    return out


def _of_weights(rows: Rows, used: Used, kernel: Kernel, threads: int | None) -> Floats:
    """One number for each weight, 0 where it is not used, by a kernel that is given the whole output."""
    out = rows.room()
    run(rows, used, lambda piece, scratch: int(kernel(piece, scratch, out)), threads)
    return out


def _series(
    log_weights: Any,
    terms: ArrayLike | None,
    roulette: Roulette,
    block: Any,
    log_center: Any,
    seed: int,
    offsets: ArrayLike | None,
) -> tuple[Rows, Used, int, Floats]:
    """The rows, how many weights each uses, the size of a block, and the centre of each row."""
    law, size = roulette, checks.whole("block", block, 1, MOST_OF_BLOCK)
    checks.whole("seed", seed, 0, 2**64 - 1)
    if log_center is None:
        raise TypeError(
            "taylor needs log_center, one number or one for each row: about the log evidence, plus "
            "log(1 + chi_square / block), from other weights than these"
        )
    rows = rows_of(log_weights, offsets)
    given = checks.floats("log_center", log_center.detach().cpu() if hasattr(log_center, "detach") else log_center)
    if given.shape not in ((), (rows.count,)):
        raise ValueError(f"log_center must be one number or one for each of {rows.count} rows, got shape {given.shape}")
    if not np.all(np.isfinite(given)):
        raise ValueError(f"log_center must be finite, got {given[~np.isfinite(given)].flat[0]}")
    counts = law.sample(rows.count, seed) if terms is None else _terms(terms, law, rows.count)
    used = Used(counts * size)
    _check_lengths(rows, used, f"its K times {size}; draw K with fs.draw_terms and the same roulette and seed")
    return rows, used, size, np.ascontiguousarray(np.broadcast_to(given, rows.count))


def _check_series(known: NDArray[np.bool_]) -> None:
    """Refuse rows whose value is no number."""
    if not known.all():
        raise ValueError(
            f"the value of row {int(np.argmin(known))} is too large for float64: its weights lie far above "
            "exp(log_center); take a larger log_center"
        )


def _counts(law: Roulette) -> Floats:
    """``1 / (k P(K >= k))`` for the kernels of short rows; 0 where `K` cannot be as large."""
    return _reciprocals(law) / np.maximum(np.arange(SHORT + 2), 1)


def _trials(
    log_weights: Any, terms: ArrayLike | None, roulette: Roulette, minimum: int, seed: int, offsets: ArrayLike | None
) -> tuple[Rows, Used, int]:
    """The rows, how many weights each uses, and the minimum."""
    law, m = roulette, checks.whole("minimum", minimum, 1, MAX_TERMS)
    checks.whole("seed", seed, 0, 2**64 - 1)
    rows = rows_of(log_weights, offsets)
    if terms is None:
        used, hint = Used(law.sample(rows.count, seed), m), f"fs.draw_terms({rows.count}, {law!r}, seed={seed})"
    else:
        used, hint = Used(_terms(terms, law, rows.count), m), "terms"
    _check_lengths(rows, used, f"its K = {{}}, plus {m}; {hint} + {m} is how many each row needs")
    return rows, used, m


def _terms(terms: ArrayLike, law: Roulette, rows: int) -> Ints | int:
    counts = whole_numbers("terms", terms)
    if counts.shape not in ((), (rows,)):
        raise ValueError(f"terms must be one number or one for each of {rows} rows, got shape {counts.shape}")
    if counts.min() < 1:
        r = int(np.argmin(counts))
        raise ValueError(f"terms must be at least 1, got {counts.min()} for row {r}")
    if not law.survival(counts.max()) > np.finfo(float).tiny:
        r = int(np.argmax(counts))
        raise ValueError(f"{law!r} never draws K = {counts.max()}, the terms of row {r}")
    return counts if counts.ndim else int(counts)


def _check_lengths(rows: Rows, used: Used, reason: str) -> None:
    """Rows must be as long as what is used of them."""
    lengths, largest = rows.lengths(), used.largest()
    if largest <= np.min(lengths):
        return
    needs = used.of(0, rows.count)
    short = np.flatnonzero(needs > lengths)
    if short.size:
        r = int(short[0])
        others = f"; {short.size} of {rows.count} rows are too short, and the longest needs {largest}"
        raise ValueError(
            f"row {r} has {counted(rows.row(r).size, 'log weight')} and needs {needs[r]} "
            f"({reason.format(needs[r] - used.more)}){others if rows.count > 1 else ''}"
        )


def _whole_rows(rows: Rows, least: int, what: str) -> Used:
    """Each row's own length, at least ``least``."""
    lengths = rows.lengths()
    if np.min(lengths) < least:
        r = int(np.argmin(lengths))
        raise ValueError(f"row {r} has {counted(int(np.min(lengths)), 'log weight')}; {what} needs at least {least}")
    return Used(lengths)


def _inverse() -> Floats:
    """``1 / k`` for the kernels of short rows."""
    return 1.0 / np.maximum(np.arange(SHORT + 1), 1)


def _reciprocals(roulette: Roulette) -> Floats:
    """``1 / P(K >= j)`` for the kernels of short rows; 0 where `K` cannot be as large, or as good as never is."""
    law, largest = roulette.law(), 1.0 / np.finfo(float).tiny
    found = reciprocals(law, SHORT + 2)
    return np.where((np.arange(SHORT + 2) <= law.cap) & (found < largest), found, 0.0)
