"""`Model`: a log weight as a plain Python function with its noise, parameters and known truths, and the decorator.

Built-in and users' models go through this one contract. How a model is compiled is up to the engines.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import math
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo.base import checks
from fastsumo.base.text import counted
from fastsumo.base.words import spelled
from fastsumo.errors import ModelError
from fastsumo.jit.fingerprint import source_fingerprint
from fastsumo.models.plain import plain, readonly, writing_is_an_error
from fastsumo.models.proposals import Proposal
from fastsumo.models.purity import check_purity
from fastsumo.models.vectorized import Batched, Drawn, Factory, differ, rounding_of

Noise = Literal["normal", "uniform"]
Prepare = Callable[[NDArray[np.float64], NDArray[np.float64]], ArrayLike]
_ROWS_TOGETHER = 16  # rows of data that are prepared in one call
ROW_TRIALS = 2**32  # trial t of row i has the number i * ROW_TRIALS + t
PILOT_TRIAL = ROW_TRIALS - 1  # of each row, under seed 0, and of no estimator
MAX_DIM = 2 * 4095  # pairs of numbers that one sample can draw, by the counter layout


class Model:
    """Target and proposal together, seen as a log weight.

    Made by `fs.model`, `fs.importance` or the functions of `fs.models`; a value that is never changed.

    Attributes
    ----------
    function : callable
        ``f(z, params)``, or ``f(z, row, params)`` with data: the log weight of noise ``z`` (the log density at ``z``
        where there is a ``proposal``). Of a vectorised model, what calls its function on batches.
    dim : int
        Length of ``z``.
    params : ndarray of float64, shape (n,)
    noise : {"normal", "uniform"}
    log_evidence : float or None
        The true ``log Z`` where it is known.
    chi_square : float or None
        ``Var(w) / Z^2`` where it is known; may be infinite.
    laplace : callable or None
        ``t -> E[exp(-t w / Z)]``, where it is known.
    weight_tail_index : float or None
        ``b`` in ``P(w > t) ~ t^-b``, where it is known; infinite for lighter tails.
    weight_zero_index : float or None
        ``b`` in ``P(log w < -x) ~ x^-b``, where it is known; infinite for lighter tails. A proposal with heavier tails
        than the target's has one: a Student t with ``df`` degrees of freedom for a normal target, ``df / 2``.
    data : ndarray or None
        Rows that `fs.evaluate` goes through.
    prepare : callable or None
        What turns rows of data into the rows that ``function`` is given.
    row : ndarray or None
        The one row, prepared, of a model made by `at_row`.
    proposal : Proposal or None
    name : str
    origin : str or None
        The word on the command line that it was made from, where it was one for a file or a module.
    built_in : str or None
        The word for it among the built-in models, where it is one of them, with other parameters perhaps.
    vectorized : bool
        Whether its function takes batches of samples; see `fs.model`.
    batch : int or None
        The most samples that a vectorised function is given at a time.
    factory, version
        Taken as by `fs.model`, for a vectorised function that processes make anew; kept with the function.

    Examples
    --------
    >>> import fastsumo as fs
    >>> model = fs.models.note()
    >>> model
    Model('note', dim=2, log_evidence=1.837877066)
    >>> model.dim, round(model.chi_square, 4), model.proposal.parameters["covariance"]
    (2, 0.7329, array(5.))
    """

    def __init__(
        self,
        function: Callable[..., Any] | None,
        dim: int,
        params: ArrayLike = (),
        noise: Noise = "normal",
        log_evidence: float | Callable[..., Any] | None = None,
        name: str | None = None,
        *,
        vectorized: bool = False,
        batch: int | None = None,
        factory: Factory | str | None = None,
        version: str | None = None,
        data: ArrayLike | None = None,
        prepare: Prepare | None = None,
        proposal: Proposal | None = None,
        chi_square: float | None = None,
        laplace: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
        weight_tail_index: float | None = None,
        weight_zero_index: float | None = None,
    ) -> None:
        self.function = _function(function, vectorized, batch, factory, version)
        self.dim = checks.whole("dim", dim, 1, MAX_DIM)
        self.noise = checks.choice("noise", noise, ("normal", "uniform"))
        self.params = checks.vector("params", params)
        self.row: NDArray[np.float64] | None = None
        self._raw: NDArray[np.float64] | None = None  # the row before it was prepared
        self.data = None if data is None else _rows(data)
        self.prepare = prepare
        self.proposal = proposal
        self.origin: str | None = None
        self.built_in: str | None = None
        self.name = getattr(self.function, "__name__", "model") if name is None else checks.line("name", name)
        self.chi_square = _chi_square(chi_square)
        self.laplace = laplace
        self.weight_tail_index = _index("weight_tail_index", weight_tail_index)
        self.weight_zero_index = _index("weight_zero_index", weight_zero_index)
        self._evidence = log_evidence
        self._is_pure = False  # as far as is known
        self._is_prepared_alone = False  # likewise: whether what is prepared of a row depends on it alone
        self._check_arity()
        self._check_evidence()

    @property
    def vectorized(self) -> bool:
        """Whether its function takes batches of samples."""
        return isinstance(self.function, Batched)

    @property
    def batch(self) -> int | None:
        """The most samples that a vectorised function is given at a time."""
        return self.function.batch if isinstance(self.function, Batched) else None

    @property
    def log_evidence(self) -> float | None:
        """The true ``log Z`` where it is known, at the present parameters; None with data (see `row_log_evidence`)."""
        if self.data is not None:
            return None
        if callable(self._evidence):
            found = checks.floats(f"log_evidence of model {self.name!r}", self._evidence(self.params))
            if found.size != 1 or not np.isfinite(found).all():
                raise ValueError(f"log_evidence of model {self.name!r} must give a finite number, but gave {found}")
            return float(found.reshape(()))
        return None if self._evidence is None else float(self._evidence)

    def with_params(self, params: ArrayLike) -> Model:
        """A copy with other parameters, as many as before; nothing is compiled again.

        A ``log_evidence`` given as a function of the parameters follows them; one given as a number is kept.
        Known truths of the weights (``chi_square``, ``laplace`` and the two indices) are dropped.

        Parameters
        ----------
        params : sequence of float

        Returns
        -------
        Model

        Examples
        --------
        >>> import fastsumo as fs
        >>> fs.models.lognormal(1.0).with_params([2.0]).params
        array([2.])
        """
        values = checks.vector("params", params)
        if values.size != self.params.size:
            raise ValueError(f"model {self.name!r} takes {counted(self.params.size, 'param')}, got {values.size}")
        other = copy.copy(self)
        other.params = values
        if not np.array_equal(values, self.params):
            other._forget_weights()
            if self._raw is not None:
                other.row = other._one_row(self._raw)
                other._evidence = None
        return other

    def with_proposal(self, proposal: Proposal) -> Model:
        """A copy with another proposal of the same dimension; for models made by `fs.importance`.

        Parameters
        ----------
        proposal : Proposal

        Returns
        -------
        Model

        Examples
        --------
        >>> import fastsumo as fs
        >>> wider = fs.models.note().with_proposal(fs.proposals.Gaussian([0.0, 0.0], 9.0))
        >>> wider.proposal.parameters["covariance"], wider.chi_square is None
        (array(9.), True)
        """
        if self.proposal is None:
            raise ValueError(f"model {self.name!r} has no proposal to replace; make it with fs.importance")
        if proposal.dim != self.dim:
            raise ValueError(f"the proposal must have dimension {self.dim}, got {proposal.dim}")
        other = copy.copy(self)
        other.proposal, other.origin, other.built_in = proposal, None, None
        other._forget_weights()
        return other

    def _forget_weights(self) -> None:
        """Drop what was known of the law of the weights."""
        self.chi_square = self.laplace = self.weight_tail_index = self.weight_zero_index = None

    @property
    def columns(self) -> int:
        """Length of the row that the function is given; 0 without data."""
        if self.row is not None:
            return self.row.size
        return 0 if self.data is None else self.rows(0, 1).shape[1]

    def arguments(self, row: ArrayLike | None = None) -> tuple[NDArray[np.float64], ...]:
        """What the function takes after ``z``, for a row as the data have it: ``(row, params)`` or ``(params,)``."""
        if row is not None:
            return readonly(self._one_row(row)), self.params
        if self.data is not None:
            raise ValueError(f"model {self.name!r} has data: it needs a row, or take one with at_row")
        return (self.params,) if self.row is None else (readonly(self.row), self.params)

    def rows(self, first: int, stop: int) -> NDArray[np.float64]:
        """The rows ``first .. stop - 1`` as the function is given them: float64, contiguous, prepared.

        `prepare` always sees whole blocks of 16 rows, the last one filled up with its first row, so that what becomes
        of a row cannot depend on which others are asked for.

        Examples
        --------
        >>> def squares_too(rows, params):
        ...     return np.hstack([rows, rows * rows])
        >>> table = Model(lambda z, row, params: row[0], 1, data=[[1.0], [2.0]], prepare=squares_too)
        >>> table.rows(1, 2)
        array([[2., 4.]])
        """
        if self.data is None:
            raise ValueError(f"model {self.name!r} has no data")
        if self.prepare is None:
            return np.ascontiguousarray(self.data[first:stop], dtype=np.float64)
        begin = first - first % _ROWS_TOGETHER
        blocks = [self._prepared(self.data[at : at + _ROWS_TOGETHER]) for at in range(begin, stop, _ROWS_TOGETHER)]
        return np.ascontiguousarray(np.concatenate(blocks)[first - begin : stop - begin])

    def _prepared(self, raw: NDArray[Any]) -> NDArray[np.float64]:
        """Up to 16 rows of data, prepared."""
        assert self.prepare is not None
        block = np.empty((_ROWS_TOGETHER, raw.shape[1]))
        block[:] = raw[0]
        block[: raw.shape[0]] = raw
        if not self._is_prepared_alone:
            self._prove_prepare(block, raw.shape[0])
            self._is_prepared_alone = True
        return self._prepare_block(block)[: raw.shape[0]]

    def _prepare_block(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        assert self.prepare is not None
        try:
            given = self.prepare(block.copy(), self.params.copy())
        except Exception as error:
            said = f"{type(error).__name__}: {error}".splitlines()[0]
            raise ModelError(f"prepare of model {self.name!r}, given {_ROWS_TOGETHER} rows, raised {said}") from error
        given = given.detach().cpu() if hasattr(given, "detach") else given  # of a network, with its gradients
        out = checks.floats(f"what prepare of model {self.name!r} gives", given)
        if out.ndim != 2 or out.shape[0] != _ROWS_TOGETHER or out.shape[1] == 0:
            raise ValueError(
                f"prepare of model {self.name!r} must give one row for each of the {_ROWS_TOGETHER} it is given, "
                f"got shape {out.shape}"
            )
        return out

    def _prove_prepare(self, block: NDArray[np.float64], rows: int) -> None:
        """Hold `prepare` to itself, on the first rows that it is given: all at once, twice; and two of them alone."""
        found = self._prepare_block(block)
        within = rounding_of(found)
        if differ(found, self._prepare_block(block), within).any():
            raise ModelError(
                f"prepare of model {self.name!r} gives other numbers when it is called again: does it draw random "
                "numbers, or is a dropout on (a network in PyTorch: .eval())? It must be a function of rows and params"
            )
        for i in {0, rows - 1}:
            alone = self._prepare_block(np.broadcast_to(block[i], block.shape))
            columns = np.flatnonzero(differ(found[i], alone[i], within))
            if columns.size:
                j = columns[0]
                raise ModelError(
                    f"prepare of model {self.name!r} gives {found[i, j]} in column {j} for a row among others but "
                    f"{alone[i, j]} for it alone: does a mean or a normalisation go over the rows? It is given "
                    f"{_ROWS_TOGETHER} at a time, and what it gives for one must not depend on the others"
                )

    def row_log_evidence(self, first: int, stop: int) -> NDArray[np.float64] | None:
        """The true ``log Z`` of the rows ``first .. stop - 1``, where it is known."""
        if self.data is None or not callable(self._evidence):
            return None
        raw = readonly(np.ascontiguousarray(self.data[first:stop], dtype=np.float64))
        found = checks.floats(f"log_evidence of model {self.name!r}", self._evidence(raw, self.params))
        if found.shape != raw.shape[:1]:
            raise ValueError(
                f"log_evidence of model {self.name!r} must give one number for each of {counted(len(raw), 'row')}, "
                f"got shape {found.shape}"
            )
        if not np.all(found < np.inf):
            bad = int(np.argmin(found < np.inf))
            raise ValueError(f"log_evidence of model {self.name!r} gives {found[bad]} for row {first + bad}")
        return found

    def at_row(self, row: int) -> Model:
        """A model without data: this one at one row. All rows share compiled code.

        For `fs.simulate`, `fs.levels` and all else that takes one log evidence. Trial ``t`` of the row in `fs.evaluate`
        is trial ``(row << 32) + t`` of this model.

        Parameters
        ----------
        row : int

        Returns
        -------
        Model

        Examples
        --------
        >>> table = Model(lambda z, row, params: z[0] - 0.5 + row[0], 1, data=[[0.0], [7.0]])
        >>> table.at_row(1).row
        array([7.])
        """
        i = self.check_row(row)
        assert self.data is not None
        other = copy.copy(self)
        known = self.row_log_evidence(i, i + 1)
        other._raw, other.row, other.data = np.array(self.data[i], dtype=np.float64), self.rows(i, i + 1)[0], None
        other._evidence = None if known is None else float(known[0])
        other.name, other.origin = f"{self.name}[{i}]", None
        return other

    def check_row(self, row: int) -> int:
        """The number of a row of the data, or an error."""
        if self.data is None:
            raise ValueError(f"model {self.name!r} has no data, so it has no row {row!r}")
        return checks.whole("row", row, 0, min(self.data.shape[0], 2**31) - 1)

    @property
    def noise_dim(self) -> int:
        """Random numbers that one sample takes."""
        return self.dim if self.proposal is None else self.proposal.noise_dim

    def packed(self) -> NDArray[np.float64]:
        """All numbers that the compiled log weight takes: ``params``, then the proposal's."""
        return self.params if self.proposal is None else np.concatenate([self.params, self.proposal.packed()])

    def __call__(self, z: ArrayLike, row: ArrayLike | None = None) -> NDArray[np.float64]:
        """Log weights of noise ``z`` (..., noise_dim), in plain Python: slow, for looking and for quadrature.

        With data, ``row`` is a row as the data have it.

        Examples
        --------
        >>> import fastsumo as fs
        >>> round(float(fs.models.note()([0.0, 0.0])), 6)
        1.505783
        """
        noise = checks.floats("z", z)
        if noise.ndim == 0 or noise.shape[-1] != self.noise_dim:
            raise ValueError(
                f"z must have {counted(self.noise_dim, 'number')} in its last axis, got shape {noise.shape}"
            )
        flat = noise.reshape(-1, self.noise_dim)
        points = flat if self.proposal is None else self.proposal.points(flat)
        log_weights = self.values(points, row)
        if self.proposal is not None:
            with np.errstate(all="ignore"):
                log_weights -= self.proposal.log_density(points)
        return log_weights.reshape(noise.shape[:-1])

    def values(self, points: NDArray[np.float64], row: ArrayLike | None = None) -> NDArray[np.float64]:
        """What the function gives at points (n, dim), in plain Python: log densities where there is a proposal.

        Raises
        ------
        fastsumo.ModelError
            If it is no function of its arguments, or writes into them.

        Examples
        --------
        >>> Model(lambda z, params: z[0] * params[0], 1, [2.0]).values(np.array([[1.0], [3.0]]))
        array([2., 6.])
        """
        if isinstance(self.function, Batched):
            return self._batch_values(self.function, points, row)
        arguments, function = self.arguments(row), plain(self.function)
        if not self._is_pure:
            check_purity(self.function, self.name)
            self._is_pure = True
        with np.errstate(all="ignore"), writing_is_an_error(self.name):
            return np.array([float(function(point, *arguments)) for point in readonly(points)])

    def _batch_values(
        self, function: Batched, points: NDArray[np.float64], row: ArrayLike | None
    ) -> NDArray[np.float64]:
        *rows, _ = self.arguments(row)
        return self.call(function, points, *(np.broadcast_to(each, (len(points), each.size)) for each in rows))

    def call(self, function: Batched, *samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the function of a vectorised model gives for samples: rows of ``z``, or of ``z`` and ``x``."""

        def drawn(begin: int, n: int, rows: int) -> tuple[NDArray[np.float64], ...]:
            chosen = np.minimum(np.arange(begin, begin + rows), begin + n - 1)
            return tuple(each[chosen] for each in samples)

        out = np.empty(len(samples[0]))
        self.call_drawn(function, drawn, out)
        return out

    def call_drawn(self, function: Batched, drawn: Drawn, out: NDArray[np.float64]) -> None:
        """The same, to ``out``, for samples that are drawn when they are needed: see `Batched.__call__`."""
        function(self.name, drawn, (self.params,) if self._takes_params else (), out)

    def _one_row(self, row: ArrayLike) -> NDArray[np.float64]:
        given = checks.floats("row", row)
        return given if self.prepare is None else self._prepared(given[None])[0]

    def __repr__(self) -> str:
        known = "" if self.log_evidence is None else f", log_evidence={self.log_evidence:.10g}"
        numbers = "" if self.params.size == 0 else f", params={self.params.tolist()}"
        return f"Model({self.name!r}, dim={self.dim}{numbers}{known})"

    def _check_arity(self) -> None:
        if isinstance(self.function, Batched):
            self._takes_params = self.function.takes_params(self.name, self.data is not None, self.params.size)
            return
        point = "z" if self.proposal is None else "x"
        expected = (point, "params") if self.data is None else (point, "row", "params")
        code = getattr(self.function, "__code__", None)
        if code and not vars(self.function) and (code.co_argcount, code.co_kwonlyargcount) == (len(expected), 0):
            return  # as most do; a signature takes as long to look at as a hundred trials
        try:
            signature = inspect.signature(self.function)
        except (TypeError, ValueError):
            return
        try:
            signature.bind(*expected)
        except TypeError:
            raise TypeError(
                f"model {self.name!r} must take {len(expected)} arguments ({', '.join(expected)}), "
                f"but its signature is {self.name}{signature}"
            ) from None

    def _check_evidence(self) -> None:
        known = self._evidence
        if self.prepare is not None and (self.data is None or not callable(self.prepare)):
            raise TypeError(f"prepare must be a function of rows of data, got {self.prepare!r}, data {type(self.data)}")
        if known is None or callable(known):
            return
        if self.data is not None:
            raise ValueError("with data, log_evidence must be a function (rows, params) that gives one number a row")
        if not isinstance(known, (int, float, np.number)) or not math.isfinite(known):
            raise ValueError(f"log_evidence must be a finite number, a function of params or None, got {known!r}")


@spelled
def model(
    dim: int,
    params: ArrayLike = (),
    noise: Noise = "normal",
    log_evidence: float | Callable[..., Any] | None = None,
    name: str | None = None,
    *,
    vectorized: bool = False,
    batch: int | None = None,
    factory: Factory | str | None = None,
    version: str | None = None,
    data: ArrayLike | None = None,
    prepare: Prepare | None = None,
    chi_square: float | None = None,
    weight_tail_index: float | None = None,
    weight_zero_index: float | None = None,
) -> Callable[[Callable[..., Any]], Model]:
    """Decorator that makes a `Model` of a plain Python log weight ``f(z, params)``; or of one of batches.

    Parameters
    ----------
    dim : int
        Length of ``z``, the independent random numbers of one importance sample.
    params : sequence of float
        Passed to the function as a vector; change them with `Model.with_params`, without compilation.
    noise : {"normal", "uniform"}
        Whether ``z`` is standard normal or uniform on (0, 1).
    log_evidence : float or callable of params, optional
        The true ``log Z``, where it is known; with data, a function of ``(rows, params)``, one number a row.
    name : str, optional
        What reports call the model; by default the function's name.
    vectorized : bool
        The function takes many samples at a time and is not compiled; see Notes.
    batch : int, optional
        The most samples of one call of a vectorised function, 16384 by default.
    factory : callable or str, optional
        What makes a vectorised function in other processes, where studies need it, so that networks and devices are
        not pickled: a function without arguments, or its import path such as "package.module:function".
    version : str, optional
        A word such as "vae-3" that tells a vectorised function from others, for studies that go on another day; by
        default the factory's code does.
    data : array_like, shape (rows, columns), optional
        Makes it ``f(z, row, params)``; see `fs.evaluate`.
    prepare : callable ``(rows, params) -> rows``, optional
        What is computed once for each row of data, in NumPy, such as the mean and the scale of a proposal that an
        encoder gives: the function sees the rows that it returns. It is given 16 rows at a time and must not mix them,
        which is tried on the first of them.
    chi_square : float, optional
        The chi-square divergence of the target from the proposal, where it is known.
    weight_tail_index, weight_zero_index : float, optional
        ``b`` in ``P(w > t) ~ t^-b`` and in ``P(log w < -x) ~ x^-b``, where they are known; infinite for lighter tails.
        What is not given `theory` looks for far out in the tails.

    Returns
    -------
    callable
        Takes the function, gives its `Model`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above. What is wrong with the function itself is a
        `ModelError` or a TypeError before its first trial.

    Notes
    -----
    What Numba compiles in nopython mode will do; the functions of `fastsumo.vmath`, arithmetic, ``min``, ``max`` and
    ``a if c else b`` become SIMD instructions. So do loops over coordinates, parameters, rows of data or constant
    arrays, and helpers: a function with a loop is compiled for 16 samples at a time. It then must not branch on a
    coordinate nor make an array; if it does, it is compiled for one sample at a time, with the same values, several
    times as slow.

    The log weight must be a function of its arguments, which are read-only; -math.inf stands for a weight of zero.
    Before the first trial what is compiled is held to the Python function (`models/proof.py`): where they differ, an
    index is out of range, or something is written, there is a `ModelError`.

    A run takes the function, its helpers and all that they use, such as globals and arrays, as they are when it begins.
    Compiled code is kept under a hash of all that; a function that uses what cannot be hashed by content, such as a C
    function by address, is compiled for each run.

    **A vectorised model** is not compiled: ``f(z)`` or ``f(z, params)`` takes float64 of shape (n, dim),
    ``n <= batch``, and returns n log weights as an array of NumPy, PyTorch (from any device; gradients are dropped) or
    JAX, float32 or float64. With data it is ``f(z, x)`` or ``f(z, x, params)``, where row i of ``x``, of shape
    (n, columns), is the row of data of sample i. Without ``params`` the function may do without that argument.

    It gets the same random numbers as a compiled model: the NumPy version of one has the same trials. Samples of many
    trials come together, in batches of ``batch`` or of a power of 2, where surplus samples repeat the last. One thread
    calls the function, unless ``threads`` says more. A thread holds 22 MiB, and ``8 batch (dim + columns)`` bytes of
    what the function is given (which it may write into), beside what it takes itself; where memory runs out, batches
    are halved, with a warning.

    The log weight of a sample must not depend on the others: results are the same for any batch as far as the
    function's own rounding is, which in a network may differ from batch to batch in the last digits. Before the first
    trial a few dozen points are tried all at once, twice, and some alone: what draws random numbers or goes over the
    batch, such as a dropout or a normalisation that is in training, is a `ModelError`. What the function raises comes
    out as it is.

    Examples
    --------
    >>> @model(dim=1, params=[2.0], log_evidence=0.0)
    ... def half_normal(z, params):
    ...     return params[0] * z[0] - params[0] ** 2 / 2
    >>> half_normal
    Model('half_normal', dim=1, params=[2.0], log_evidence=0)

    >>> @model(dim=2, vectorized=True, log_evidence=0.0)
    ... def many(z):
    ...     return z[:, 0] + z[:, 1] - 1.0
    >>> many.batch
    16384
    """
    if callable(dim):
        name = getattr(dim, "__name__", "f")
        raise TypeError(
            f"write @fs.model(dim=...) above def {name}, with the length of its z: how many numbers it takes"
        )
    checks.whole("dim", dim, 1, MAX_DIM)

    def decorate(function: Callable[..., Any]) -> Model:
        options: dict[str, Any] = {"data": data, "prepare": prepare, "chi_square": chi_square}
        options |= {"vectorized": vectorized, "batch": batch, "factory": factory, "version": version}
        options |= {"weight_tail_index": weight_tail_index, "weight_zero_index": weight_zero_index}
        return Model(function, dim, params, noise, log_evidence, name, **options)

    return decorate


@spelled
def importance(
    log_density: Callable[..., Any] | None,
    proposal: Proposal,
    params: ArrayLike = (),
    log_evidence: float | Callable[[NDArray[np.float64]], float] | None = None,
    *,
    vectorized: bool = False,
    batch: int | None = None,
    factory: Factory | str | None = None,
    version: str | None = None,
    data: ArrayLike | None = None,
    name: str | None = None,
    chi_square: float | None = None,
    weight_tail_index: float | None = None,
    weight_zero_index: float | None = None,
) -> Model:
    """A model from an unnormalised log density and a proposal: ``log w = log_density(x) - log q(x)``, ``x ~ q``.

    Parameters
    ----------
    log_density : callable ``(x, params) -> float``
        Plain Python on ``x``, a vector of ``proposal.dim`` numbers; use `fastsumo.vmath` for speed. With ``data``,
        ``(x, row, params)``.
    proposal : Proposal
        For example ``fs.proposals.Gaussian(mean, covariance)``.
    params : sequence of float
        Passed to ``log_density``; change them with `Model.with_params`, without compilation.
    log_evidence : float or callable of params, optional
        The true ``log Z``, where it is known.
    vectorized, batch, factory, version
        As in `fs.model`: ``log_density`` takes points ``x`` (n, dim) and returns n log densities.
    data : array_like, shape (rows, columns), optional
        See `fs.evaluate`.
    name : str, optional
        What reports call the model; by default the name of ``log_density``.
    chi_square : float, optional
        The chi-square divergence of the target from the proposal, where it is known.
    weight_tail_index, weight_zero_index : float, optional
        ``b`` in ``P(w > t) ~ t^-b`` and in ``P(log w < -x) ~ x^-b``, where they are known; infinite for lighter tails.
        What is not given `theory` looks for far out in the tails.

    Returns
    -------
    Model

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above. What is wrong with the function itself is a
        `ModelError` or a TypeError before its first trial.

    Examples
    --------
    >>> from fastsumo.models.proposals import Gaussian
    >>> importance(lambda x, params: -0.5 * x[0] ** 2, Gaussian([0.0], 2.0)).dim
    1
    """
    if not isinstance(proposal, Proposal):
        hint = ""
        if isinstance(log_density, Proposal):
            hint = "; the log density comes first, then the proposal"
        elif isinstance(proposal, type):
            hint = f"; did you mean {proposal.__name__}(...)?"
        raise TypeError(f"proposal must be one such as fs.proposals.Gaussian(mean, covariance), got {proposal!r}{hint}")
    return Model(
        log_density,
        dim=proposal.dim,
        params=params,
        log_evidence=log_evidence,
        vectorized=vectorized,
        batch=batch,
        factory=factory,
        version=version,
        data=data,
        name=name,
        proposal=proposal,
        chi_square=chi_square,
        weight_tail_index=weight_tail_index,
        weight_zero_index=weight_zero_index,
    )


def _function(
    function: Callable[..., Any] | None, vectorized: bool, batch: Any, factory: Any, version: Any
) -> Callable[..., Any]:
    """The function of a model; one of batches if it is vectorised."""
    if not isinstance(vectorized, (bool, np.bool_)):
        raise TypeError(f"vectorized must be True or False, got {vectorized!r}")
    if vectorized:
        return Batched(function, batch, factory, version)
    for name, value in (("batch", batch), ("factory", factory), ("version", version)):
        if value is not None:
            raise ValueError(f"{name}={value!r} is for functions of batches: say vectorized=True too")
    if not callable(function):
        raise TypeError(f"a model is a function of (z, params), got {function!r}")
    if not (isinstance(function, (FunctionType, BuiltinFunctionType, np.ufunc)) or hasattr(function, "py_func")):
        kind = "class" if isinstance(function, type) else type(function).__name__
        raise TypeError(
            f"a model is a function that def or lambda made, since it is compiled; got a {kind}: numbers that it "
            "needs go into params (with vectorized=True it may be anything that can be called)"
        )
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"a model is a function that returns a number, got {function.__name__}, which is async")
    return function


def _chi_square(value: float | None) -> float | None:
    """A chi-square that was declared: at least 0, but for rounding, or infinite."""
    if value is None or value == math.inf:
        return value
    rounded = isinstance(value, (int, float)) and -1e-9 < value < 0.0
    return checks.real("chi_square", 0.0 if rounded else value, 0.0, closed="low")


def _index(name: str, value: float | None) -> float | None:
    """A tail index that was declared: positive or infinite."""
    return math.inf if value == math.inf else None if value is None else checks.real(name, value, 0.0)


def _rows(data: ArrayLike) -> NDArray[Any]:
    checked = checks.array("data", data)
    rows = data if isinstance(data, np.ndarray) else checked.astype(np.float64)  # a memory map stays one
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"data must be a table of shape (rows, columns), got shape {rows.shape}")
    if rows.shape[0] == 0:
        raise ValueError("data is empty: it must have at least one row")
    if rows.dtype.kind not in "fiub" or rows.dtype == np.float16:
        raise TypeError(f"data must be numbers (float32, float64 or integers), got dtype {rows.dtype}")
    return rows


def source_hash(model: Model) -> str:
    """Content hash of a model: its function, all it uses, its proposal's numbers. Parameters are not in it.

    What cannot be hashed by content (see `jit/fingerprint.py`) counts as the same in this process and in no other.
    """
    function = model.function
    content = function.fingerprint() if isinstance(function, Batched) else source_fingerprint(function)
    parts = [content, model.noise, str(model.dim)]
    if model.row is not None:
        parts.append(model.row.tobytes().hex())
    if model.proposal is not None:
        parts += [model.proposal.transform, model.proposal.packed().tobytes().hex()]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
