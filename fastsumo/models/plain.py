"""A model's function in plain Python: its helpers not compiled, what it is given read-only."""

from __future__ import annotations

import traceback
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from fastsumo.errors import ModelError
from fastsumo.jit.fingerprint import is_known, nested


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with every compiled helper in it replaced by the Python function that it was compiled from.

    Examples
    --------
    >>> import numba
    >>> @numba.njit
    ... def double(x):
    ...     return 2.0 * x
    >>> plain(lambda z, params: double(z[0]))([1.5], ())
    3.0
    """
    return _Plain().of(function)


def readonly(array: NDArray[Any]) -> NDArray[Any]:
    """A view of an array that cannot be written into."""
    view = array.view()
    view.flags.writeable = False
    return view


@contextmanager
def writing_is_an_error(name: str) -> Iterator[None]:
    """Turn NumPy's complaint about a read-only array into a `ModelError` with the user's line."""
    try:
        yield
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{frame.filename}, line {frame.lineno}: `{frame.line}`"
        raise ModelError(
            f"model {name!r} writes into what it is given ({where}): z, rows of data and params are read-only; "
            "work on a copy, such as z.copy()"
        ) from None


class _Plain:
    def __init__(self) -> None:
        self._made: dict[int, Any] = {}

    def of(self, value: Any) -> Any:
        """What stands for a value: itself, if it is and holds nothing compiled."""
        value = getattr(value, "py_func", value)
        if type(value) is tuple:
            return tuple(map(self.of, value))
        if isinstance(value, types.ModuleType):
            return value if is_known(value.__name__) else _Module(value, self)
        if not isinstance(value, types.FunctionType) or is_known(value.__module__ or ""):
            return value
        if id(value) not in self._made:
            scope, cells = dict(value.__globals__), [types.CellType() for _ in value.__closure__ or ()]
            copy = types.FunctionType(value.__code__, scope, value.__name__, value.__defaults__, tuple(cells))
            copy.__kwdefaults__, copy.__module__ = value.__kwdefaults__, value.__module__
            self._made[id(value)] = copy  # before what it reaches, which may be itself
            for each in {name for code in nested(value.__code__) for name in code.co_names}:
                if each in scope:
                    scope[each] = self.of(scope[each])
            for cell, old in zip(cells, value.__closure__ or (), strict=True):
                cell.cell_contents = self.of(old.cell_contents)
        return self._made[id(value)]


class _Module:
    """A user's module whose compiled functions are plain ones."""

    def __init__(self, module: types.ModuleType, made: _Plain) -> None:
        self._module, self._plain = module, made

    def __getattr__(self, name: str) -> Any:
        return self._plain.of(getattr(self._module, name))
