"""Copies of a function whose helpers are what they say now, not what they said when Numba first compiled them, checked.

Numba freezes globals and closures into a helper once in a process, and so into all that calls it. So what calls helpers
is compiled from copies: of the functions, of their globals, and of what Numba has decorated, which is decorated again
with every index checked (`checked.py`). Nothing of the user's is changed.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher
from numba.np.ufunc.dufunc import DUFunc

from fastsumo.jit.checked import (
    HelperCompiler,
    checked_helper,
    checked_ufunc,
    helper_options,
    in_order_c,
    in_order_fortran,
)
from fastsumo.jit.reached import loads, nested, of_library, overloads, python_function, template_function

_INSTEAD = {id(np.ascontiguousarray): in_order_c, id(np.asfortranarray): in_order_fortran}


@contextmanager
def thawed(function: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """The function with helpers that were never compiled; within the block overloads that it reaches are so too."""
    copies = _Recompiled()
    taught = [(template, copies.of_overload(template)) for template in _overloads_of(function)]
    before = [(template, {name: vars(template)[name] for name in now}) for template, now in taught]
    try:
        _put(taught)
        yield copies.function(function)
    finally:
        _put(before)


def _put(attributes: list[tuple[Any, dict[str, Any]]]) -> None:
    for owner, values in attributes:
        for name, value in values.items():
            setattr(owner, name, value)


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with all that Numba has decorated as the Python that it was made from, as far as it is reached.

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
    return _Plain().of(function)  # type: ignore[no-any-return]


def _overloads_of(function: Callable[..., Any]) -> list[Any]:
    """Overloads and intrinsics that a function reaches, or what it reaches does."""
    found: dict[int, Any] = {}
    waiting, seen = [python_function(function)], set()
    while waiting:
        each = python_function(waiting.pop())
        if isinstance(each, tuple):
            waiting += each
        if not isinstance(each, types.FunctionType) or id(each) in seen:
            continue
        seen.add(id(each))
        values = [*(load.value for load in loads(each)), *(each.__defaults__ or ())]
        names = {name for code in nested(each.__code__) for name in code.co_names}
        taught = overloads(values, names)
        found |= {id(template): template for template in taught}
        waiting += [template_function(template) for template in taught]
        waiting += [getattr(value, "_dispatcher", value) for value in values if not of_library(value)]
    return list(found.values())


class _Copies:
    """Copies that belong together: what is one object stays one."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Any, Any]] = {}  # by identity; the original beside the copy keeps it alive
        self._scopes: dict[int, tuple[Any, types.ModuleType]] = {}

    def of(self, value: Any) -> Any:
        """The copy of a value, which is the value itself where there is nothing in it to copy."""
        if id(value) not in self._made:
            copy = self._copied(value)
            self._made.setdefault(id(value), (value, copy))  # unless it was made on the way, as it reaches itself
        return self._made[id(value)][1]

    def _copied(self, value: Any) -> Any:
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
        if not isinstance(function, types.FunctionType) or not _reaches_helpers(function):
            return function
        scope = vars(self._scope(function.__globals__))
        cells = tuple(types.CellType() for _ in function.__closure__ or ())
        copy = types.FunctionType(function.__code__, scope, function.__name__, None, cells)
        copy.__kwdefaults__, copy.__module__ = function.__kwdefaults__, function.__module__
        copy.__qualname__, copy.__dict__ = function.__qualname__, dict(vars(function))
        self._made[id(function)] = function, copy  # before what it reaches, which may be itself
        copy.__defaults__ = self.of(function.__defaults__)
        for cell, old in zip(cells, function.__closure__ or (), strict=True):
            with suppress(ValueError):  # an empty one
                cell.cell_contents = self.of(old.cell_contents)
        for load in loads(function):
            if load.kind == "global" and (_is_helper(load.value) or not of_library(load.value)):
                self._place(scope, load.name, load.attributes, load.value)
        return copy

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
            return _element_by_element(self.function(value._dispatcher.py_func))
        return self.function(value.py_func) if isinstance(value, Dispatcher) else value


class _Recompiled(_Copies):
    """Helpers decorated again, but checked, and for whatever they are given, as Python's are. Plain functions stay:
    Numba knows them by identity, if at all.
    """

    def _helper(self, value: Any) -> Any:
        if id(value) in _INSTEAD:
            return _INSTEAD[id(value)]
        function = self.function((value._dispatcher if isinstance(value, DUFunc) else value).py_func)
        if id(value) in self._made:
            return self._made[id(value)][1]
        return checked_ufunc(value, function) if isinstance(value, DUFunc) else checked_helper(value, function)

    def of_overload(self, template: Any) -> dict[str, Any]:
        """Attributes of an overload or an intrinsic by which it is compiled as a helper is."""
        now: dict[str, Any] = {"_impl_cache": {}}
        if "_overload_func" in vars(template):
            now["_overload_func"] = staticmethod(self._teaching(template_function(template)))
        if "_jit_options" in vars(template):
            now["_jit_options"] = helper_options(template._jit_options) | {"pipeline_class": HelperCompiler}
        return now

    def _teaching(self, overload: Callable[..., Any]) -> Callable[..., Any]:
        """The same overload, whose implementations are copies."""

        @wraps(overload)
        def taught(*kinds: Any, **named: Any) -> Any:
            made = overload(*kinds, **named)
            return (made[0], self.function(made[1])) if isinstance(made, tuple) else self.function(made)

        return taught


def _is_helper(value: Any) -> bool:
    """Whether Numba has decorated it, other than in a library; or compiles it in a way that checks too little."""
    return id(value) in _INSTEAD or (isinstance(value, (Dispatcher, DUFunc)) and not of_library(value))


def _element_by_element(function: Callable[..., Any]) -> Callable[..., Any]:
    """What `numba.vectorize` makes of a function, in plain Python."""

    def called(*given: Any) -> Any:
        if all(np.ndim(each) == 0 for each in given):
            return function(*given)
        arrays = np.broadcast(*given)
        return np.array([function(*each) for each in arrays]).reshape(arrays.shape)

    return called


def _reaches_helpers(function: types.FunctionType) -> bool:
    """Whether something is reached that a copy has another in place of."""
    seen: set[int] = set()

    def search(value: Any) -> bool:
        if _is_helper(value):
            return True
        if id(value) in seen or of_library(value):
            return False
        seen.add(id(value))
        if isinstance(value, tuple):
            return any(map(search, value))
        if not isinstance(value, types.FunctionType):
            return False
        return search(value.__defaults__) or any(search(load.value) for load in loads(value))

    return search(function)
