"""`Batched`: a log weight as a function of many samples at once, from NumPy, PyTorch, JAX or whatever gives arrays.

It is called on batches, by the engine on the CPU (`engine/cpu/feed.py`) and by all else that asks a model for values;
what it returns is checked here. Nothing of it is compiled.
"""

from __future__ import annotations

import importlib
import inspect
import threading
import warnings
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import checks
from fastsumo.errors import ModelError, SlowModelWarning
from fastsumo.jit.fingerprint import code_fingerprint, source_fingerprint, unknown_content
from fastsumo.models.batch import BATCH

Floats = NDArray[np.float64]
Factory = Callable[[], Callable[..., Any]]
Drawn = Callable[[int, int, int], tuple[NDArray[Any], ...]]  # see `Batched.__call__`

_LARGEST_BATCH = 2**24
_DOUBLE, _SINGLE = 1e-4, 1e-3  # relative, by which numbers may move with their batch, as networks' do
_NO_MEMORY = ("out of memory", "resource_exhausted", "can't allocate memory", "not enough memory", "std::bad_alloc")


FOR_BATCHES = (
    "one that uses PyTorch, JAX, SciPy or a network is for vectorized=True: it is not compiled, and takes batches of "
    "samples (see fs.model)"
)
_named: WeakValueDictionary[tuple[str | None, str], Batched] = WeakValueDictionary()  # by version and own name


class Batched:
    """A function of batches of samples, what it was made by, and how many samples it can take at a time.

    Parameters
    ----------
    function : callable or None
        ``f(z)``, ``f(z, params)``, and with data ``f(z, x)``, ``f(z, x, params)``; None to have the factory make it.
    batch : int
        The most samples of one call.
    factory : callable or str, optional
        What makes the function in another process: a function without arguments, or its import path "module:name".
    version : str, optional
        What tells it from others, where its code does not.
    """

    def __init__(
        self, function: Callable[..., Any] | None, batch: Any, factory: Factory | str | None, version: str | None
    ) -> None:
        self.batch = checks.whole("batch", BATCH if batch is None else batch, 1, _LARGEST_BATCH)
        if factory is not None and not callable(factory) and not (isinstance(factory, str) and ":" in factory):
            raise TypeError(
                "factory must be a function without arguments that returns the log weight, or its import path such as "
                f"'package.module:function', got {factory!r}"
            )
        if version is not None and not (isinstance(version, str) and version):
            raise TypeError(f"version must be a word such as 'vae-3', got {version!r}")
        self.factory, self.version = factory, version
        self._function = self._make() if function is None else function
        if not callable(self._function):
            raise TypeError(f"a model is a function of (z, params), got {self._function!r}")
        self.__name__ = str(getattr(self._function, "__name__", type(self._function).__name__))
        self.__module__ = str(getattr(self._function, "__module__", ""))
        self._most = self.batch  # samples that fit into memory, as far as is known
        self.turn = threading.Lock()  # whose it is to call it, where one thread at a time may
        if version is not None:
            _named[version, self.__name__] = self

    def __getstate__(self) -> dict[str, Any]:
        """Without the function where a factory makes it or a version names it: no network, no device is pickled."""
        state = {name: value for name, value in vars(self).items() if name != "turn"}
        if self.factory is None and (self.version is None or not unknown_content(self._function)):
            return state
        return state | {"_function": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.turn = threading.Lock()
        if self._function is None and self.factory is not None:
            self._function = self._make()
        elif self._function is None:
            here = _named.get((self.version, self.__name__))
            if here is None:
                raise ModelError(
                    f"the function of version {self.version!r} is not in this process, and networks are not sent from "
                    "one to another: give the model a factory= that makes it, by an import path or by value"
                )
            self._function = here._function

    @property
    def wrapped(self) -> Callable[..., Any]:
        """The user's function."""
        return self._function

    def _make(self) -> Any:
        if self.factory is None:
            raise TypeError("a vectorised model needs a function of batches, or a factory= that makes it")
        made = _found(self.factory)()
        if not callable(made):
            raise TypeError(f"factory {self.factory!r} must return the log weight, a function, but returned {made!r}")
        return made

    def takes_params(self, name: str, with_data: bool, params: int) -> bool:
        """Whether the function is given the params, by its signature; an error if it cannot take what it is given."""
        lead = ("z", "x") if with_data else ("z",)
        try:
            signature = inspect.signature(self._function)
        except (TypeError, ValueError):
            return params > 0
        found = signature.parameters.values()
        positional = [each for each in found if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
        required = sum(each.default is each.empty for each in positional)
        most = np.inf if any(each.kind is each.VAR_POSITIONAL for each in found) else len(positional)
        given = len(lead) + (required > len(lead) or (params > 0))
        keyword = [each.name for each in found if each.kind is each.KEYWORD_ONLY and each.default is each.empty]
        if not required <= given <= most or keyword:
            allowed = f"({', '.join(lead)}, params)" + ("" if params else f" or ({', '.join(lead)})")
            raise TypeError(f"model {name!r} must take {allowed}, but its signature is {name}{signature}")
        return given > len(lead)

    def __call__(self, name: str, draw: Drawn, params: tuple[Floats, ...], out: Floats) -> None:
        """Log weights of samples, to ``out``, by batches of few sizes: some frameworks compile for each.

        ``draw(begin, n, rows)`` gives ``z``, and ``x`` where there are data, of ``n`` samples from number ``begin`` on:
        arrays of so many rows, of which the last repeat the last sample. The function may write into what it is given,
        so they are new, and params are copied.

        Raises
        ------
        fastsumo.ModelError
            If it returns anything but one real number a sample.
        Exception
            Whatever the function raises, but where memory ran out it is asked for fewer samples.
        """
        n, done, failed, most = len(out), 0, None, self._most
        while done < n:
            size = min(n - done, most)
            rows = min(most, max(2, 1 << (size - 1).bit_length()))
            try:
                given = draw(done, size, rows)
                found = log_weights_of(name, self._function(*given, *map(np.copy, params)), given[0].shape)
                out[done : done + size] = found[:size]
                done += size
                continue
            except ModelError:
                raise
            except Exception as error:  # of the function, or of a device that does not give its result
                if rows == 1 or not _is_out_of_memory(error):
                    error.add_note(f"raised by the function of model {name!r}, given {rows} samples")
                    raise
                failed = failed or (rows, f"{type(error).__name__}: {error}".splitlines()[0])
            most = rows // 2  # out here, where no exception holds memory any more
        if failed is not None:
            self._most = min(self._most, most)
            warnings.warn(
                f"model {name!r} has no memory for {failed[0]} samples at a time ({failed[1]}): it goes on with "
                f"{most}; batch={most} is without this detour",
                SlowModelWarning,
                stacklevel=2,
            )

    def fingerprint(self) -> str:
        """What tells the function from others: its version, or else its factory's code, or else all it reaches."""
        if self.version is not None:
            return f"version {self.version}"
        if self.factory is not None:
            return code_fingerprint(_found(self.factory))[0]
        return source_fingerprint(self._function)

    def unknown(self) -> list[str]:
        """What of it nothing tells from another in another process, in words."""
        if self.version is not None:
            return []
        if self.factory is not None:
            return code_fingerprint(_found(self.factory))[1]
        return unknown_content(self._function)


def differ(one: Floats, other: Floats, within: Floats) -> NDArray[np.bool_]:
    """Where two arrays differ by more than so much; infinities and NaN are like themselves."""
    with np.errstate(invalid="ignore"):
        near = np.abs(one - other) <= within
    return ~(near | (one == other) | (np.isnan(one) & np.isnan(other)))


def tolerance_of(found: Floats) -> float:
    """By how much of themselves numbers may move with their batch, as networks' do: more where all are float32."""
    with np.errstate(over="ignore"):
        return _SINGLE if np.array_equal(found, found.astype(np.float32), equal_nan=True) else _DOUBLE


def rounding_of(rows: Floats) -> Floats:
    """By how much the columns of a table may move with what stands in other rows."""
    size = np.abs(np.where(np.isfinite(rows), rows, 0.0))
    tolerance = tolerance_of(rows)
    return np.asarray(tolerance * size.max(axis=0) + 1e-3 * tolerance * size.max())


def log_weights_of(name: str, returned: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """What a function returned for ``z`` of a shape, as an array; an error unless that is one real number a sample."""
    array = _array(name, returned)
    if array.shape != shape[:1]:
        hint = ""
        if array.ndim > 1 and array.size == shape[0]:
            hint = "; .reshape(-1) makes it one number a sample"
        elif array.ndim == 0:
            hint = "; a sum or a mean over the batch is not a log weight"
        raise ModelError(
            f"model {name!r} returned an array of shape {array.shape} for z of shape {shape}: it must return one log "
            f"weight a sample, shape ({shape[0]},){hint}"
        )
    return array


def _array(name: str, returned: Any) -> NDArray[Any]:
    """What a function returned as an array of real numbers: of NumPy, PyTorch (from any device), JAX, or a list."""
    array = returned if type(returned) is np.ndarray else _converted(name, returned)
    if array.dtype.kind not in "biuf" and not array.dtype.name.startswith(("bfloat16", "float8")):
        raise _no_numbers(
            name, returned, "" if array is not returned and array.dtype.kind == "O" else f" of dtype {array.dtype}"
        )
    return array


def _converted(name: str, returned: Any) -> NDArray[Any]:
    """What is not an array of NumPy as one."""
    if hasattr(returned, "detach"):  # a tensor that may record gradients, or lie on a GPU
        try:
            returned = returned.detach().cpu()
            if not returned.is_complex():
                returned = returned.resolve_neg().double().numpy()
        except (TypeError, NotImplementedError) as error:  # sparse, or of the device "meta"
            raise _no_numbers(name, returned, f", that is no array ({error})") from None
    if checks.is_masked(returned):
        raise _no_numbers(name, returned, ", a masked array, whose hidden values would be used")
    try:
        return np.asarray(returned)
    except (TypeError, ValueError) as error:
        raise _no_numbers(name, returned, f", that is no array ({error})") from None


def _no_numbers(name: str, returned: Any, why: str) -> ModelError:
    what = "None" if returned is None else type(returned).__name__
    return ModelError(
        f"model {name!r} returned {what}{why}: it must return one real number a sample, in an array of NumPy, PyTorch "
        "or JAX"
    )


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(each in str(error).lower() for each in _NO_MEMORY)


def _found(factory: Factory | str) -> Factory:
    """A factory, by value or by its import path "module:name"."""
    if not isinstance(factory, str):
        return factory
    module, _, name = factory.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"factory {factory!r} is not there: {error}") from None
    if not callable(found):
        raise TypeError(f"factory {factory!r} is no function but {found!r}")
    made: Factory = found
    return made
