"""Copies of a function whose helpers are what they say now, not what they said when Numba first compiled them, checked.

Numba freezes globals and closures into a helper once in a process, and so into all that calls it. So what calls helpers
is compiled from copies: of the functions, of their globals, and of what Numba has decorated, which is decorated again
with every index checked (`checked.py`). Nothing of the user's is changed.
"""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from threading import RLock
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError, NumbaWarning
from numba.core.registry import CPUDispatcher
from numba.np.ufunc.dufunc import DUFunc

from fastsumo.jit.checked import INSTEAD, HelperCompiler, checked_helper, checked_ufunc, helper_options
from fastsumo.jit.reached import (
    WRITTEN,
    functions,
    loads,
    of_library,
    overloads_of,
    python_function,
    reached,
    template_function,
)

_one_at_a_time = RLock()  # overloads are one for all threads


@contextmanager
def thawed(function: Callable[..., Any], on_card: bool = False) -> Iterator[Callable[..., Any]]:
    """The function with helpers that were never compiled; within the block overloads that it reaches are so too.

    They are checked.
    """
    copies = _OnCard({}) if on_card else _Checked(INSTEAD)
    with _one_at_a_time:
        taught = [(template, copies.of_overload(template)) for template in _overloads_of(function)]
        before = [(template, {name: vars(template)[name] for name in now}) for template, now in taught]
        try:
            _put(taught)
            yield copies.function(function)
        finally:
            _put(before)


def exception_of(function: Callable[..., Any], *arguments: Any) -> Exception | None:
    """What a user's function raises when it is compiled and called; None if it raises nothing, or is not compiled.

    For the words of an error: the code of a model only says that there was one.
    """
    options = helper_options({"error_model": "numpy"})
    with thawed(python_function(function)) as now, warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaWarning)
        compiled = CPUDispatcher(now, {}, {**options, "no_cpython_wrapper": False}, pipeline_class=HelperCompiler)
        try:
            compiled(*arguments)
        except NumbaError:
            return None
        except Exception as error:
            traceback = error.__traceback__
            return error.with_traceback(traceback and traceback.tb_next)  # without this line
    return None


def _put(attributes: list[tuple[Any, dict[str, Any]]]) -> None:
    for owner, values in attributes:
        for name, value in values.items():
            setattr(owner, name, value)


def plain(function: Callable[..., Any], instead: dict[int, Any] | None = None) -> Callable[..., Any]:
    """The function with all that Numba has decorated as the Python that it was made from, as far as it is reached.

    In the places of values whose identities are in ``instead`` stands what that says.

    Examples
    --------
    >>> import numba
    >>> slope = 1.0
    >>> @numba.njit
    ... def helper(x):
    ...     return slope * x
    >>> plain(lambda x: helper(x)).__code__ is plain(helper).__code__, plain(helper) is helper.py_func
    (False, True)
    """
    return _Plain(instead or {}).of(function)  # type: ignore[no-any-return]


def _overloads_of(function: Callable[..., Any]) -> list[Any]:
    """Overloads and intrinsics that a function reaches, or what it reaches does."""
    return list({id(template): template for each in functions(function) for template in overloads_of(each)}.values())


class _Copies:
    """Copies that belong together: what is one object stays one."""

    def __init__(self, instead: dict[int, Any]) -> None:
        self._instead = instead
        self._made: dict[int, tuple[Any, Any]] = {}  # by identity; the original beside the copy keeps it alive
        self._scopes: dict[int, tuple[Any, types.ModuleType]] = {}

    def of(self, value: Any) -> Any:
        """The copy of a value, which is the value itself where there is nothing in it to copy."""
        if id(value) not in self._made:
            copy = self._copied(value)
            self._made.setdefault(id(value), (value, copy))  # unless it was made on the way, as it reaches itself
        return self._made[id(value)][1]

    def _copied(self, value: Any) -> Any:
        if id(value) in self._instead:
            return self._instead[id(value)]
        if _is_helper(value):
            return self._helper(value)
        if isinstance(value, tuple):
            items = [self.of(item) for item in value]
            same = all(new is old for new, old in zip(items, value, strict=True))
            return value if same else value._make(items) if hasattr(value, "_make") else tuple(items)
        return value

    def _helper(self, value: Any) -> Any:
        """What stands for something that Numba has decorated."""
        raise NotImplementedError

    def function(self, function: Any) -> Any:
        """The copy of a function, if it reaches something that Numba has decorated."""
        if id(function) in self._made:
            return self._made[id(function)][1]
        if not isinstance(function, types.FunctionType) or not self._changes(function):
            return function
        scope = vars(self._scope(function.__globals__))
        cells = tuple(types.CellType() for _ in function.__closure__ or ())
        copy = types.FunctionType(function.__code__, scope, function.__name__, None, cells)
        copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
        copy.__dict__ = dict(vars(function))
        self._made[id(function)] = function, copy  # before what it reaches, which may be itself
        copy.__defaults__ = self.of(function.__defaults__)
        copy.__kwdefaults__ = {name: self.of(value) for name, value in (function.__kwdefaults__ or {}).items()}
        held: dict[str, Any] = {}
        for name, old in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            with suppress(ValueError):  # an empty one
                held[name] = old.cell_contents
        for load in loads(function):
            if id(load.value) in self._instead or not of_library(load.value):
                self._place(held if load.kind == "cell" else scope, load.name, load.attributes, load.value)
        for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
            if name in held:
                cell.cell_contents = held[name]
        return copy

    def _changes(self, function: types.FunctionType) -> bool:
        """Whether something is reached that a copy has another in place of."""
        seen: set[int] = set()

        def search(value: Any) -> bool:
            if id(value) in self._instead or _is_helper(value):
                return True
            if id(value) in seen or of_library(value):
                return False
            seen.add(id(value))
            return isinstance(value, types.FunctionType) and any(search(each) for _, each in reached(value))

        return search(function)

    def _place(self, scope: dict[str, Any], name: str, attributes: tuple[str, ...], value: Any) -> None:
        """Put the copy of a value where copied code finds it: under a name, or in a copy of the module of that name."""
        copy = self.of(value)
        if copy is value or name not in scope:
            return
        for attribute in attributes:
            module = scope[name] = self._scope(vars(scope[name]))
            scope, name = vars(module), attribute
        scope[name] = copy

    def _scope(self, scope: dict[str, Any]) -> types.ModuleType:
        """A module with a copy of a module's globals; of such a copy, itself."""
        if id(scope) not in self._scopes:
            module = types.ModuleType(str(scope.get("__name__", "")))
            vars(module).update(scope)
            self._scopes[id(scope)] = self._scopes[id(vars(module))] = scope, module
        return self._scopes[id(scope)][1]


class _Plain(_Copies):
    """Helpers as the Python that they were made from."""

    def _copied(self, value: Any) -> Any:
        return self.function(value) if isinstance(value, types.FunctionType) else super()._copied(value)

    def _helper(self, value: Any) -> Any:
        if isinstance(value, DUFunc):
            return _element_by_element(self.function(python_function(value)))
        return self.function(python_function(value))


class _Checked(_Copies):
    """Helpers decorated again, checked, and for whatever they are given, as Python's are.

    Plain functions stay: Numba knows them by identity, if at all.
    """

    def _helper(self, value: Any) -> Any:
        function = self.function(python_function(value))
        return self._made[id(value)][1] if id(value) in self._made else self._decorated(value, function)

    def _decorated(self, helper: Any, function: Callable[..., Any]) -> Any:
        return checked_ufunc(helper, function) if isinstance(helper, DUFunc) else checked_helper(helper, function)

    def of_overload(self, template: Any) -> dict[str, Any]:
        """Attributes of an overload or an intrinsic by which it is compiled as a helper is."""
        now: dict[str, Any] = {"_impl_cache": {}} if "_impl_cache" in vars(template) else {}
        if "_overload_func" in vars(template):
            now["_overload_func"] = staticmethod(self._teaching(template_function(template)))
        if "_jit_options" in vars(template):
            now["_jit_options"] = self._options(template._jit_options) | {"pipeline_class": HelperCompiler}
        return now

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        return helper_options(options)

    def _teaching(self, overload: Callable[..., Any]) -> Callable[..., Any]:
        """The same overload, whose implementations are copies."""

        @wraps(overload)
        def taught(*kinds: Any, **named: Any) -> Any:
            made = overload(*kinds, **named)
            return (made[0], self.function(made[1])) if isinstance(made, tuple) else self.function(made)

        setattr(taught, WRITTEN, overload)
        return taught


class _OnCard(_Checked):
    """Those for a GPU's compiler, which knows no ufuncs, and refuses to be told of bounds: `ptx.py` tells it."""

    def _decorated(self, helper: Any, function: Callable[..., Any]) -> Any:
        return helper if isinstance(helper, DUFunc) else super()._decorated(helper, function)

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        return super()._options(options) | {"boundscheck": False}


def _is_helper(value: Any) -> bool:
    """Whether Numba has decorated it, other than in a library."""
    return isinstance(value, (Dispatcher, DUFunc)) and not of_library(value)


def _element_by_element(function: Callable[..., Any]) -> Callable[..., Any]:
    """What `numba.vectorize` makes of a function, in plain Python."""

    def called(*given: Any) -> Any:
        if all(np.ndim(each) == 0 for each in given):
            return function(*given)
        arrays = np.broadcast(*given)
        return np.array([function(*each) for each in arrays]).reshape(arrays.shape)

    return called
