"""Copies of a function whose helpers are what they say now, not what they said when Numba first compiled them.

Numba freezes globals and closures into a helper once in a process, and so into all that calls it. So what calls helpers
is compiled from copies: of the functions, of their globals, and of what Numba has decorated. Nothing of the user's is
changed.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from numba.core.dispatcher import Dispatcher
from numba.np.ufunc.dufunc import DUFunc

from fastsumo.jit.reached import loads, nested, of_library, overloads, python_function, template_function


@contextmanager
def thawed(function: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """The function with helpers that were never compiled; within the block overloads that it reaches are so too."""
    copies = _Recompiled()
    taught = _overloads_of(function)
    functions = [(template, "_overload_func") for template in taught if "_overload_func" in vars(template)]
    before = [(template, name, vars(template)[name]) for template, name in functions]
    for template, name in functions:
        setattr(template, name, staticmethod(copies.function(template_function(template))))
    for template in taught:
        template._impl_cache.clear()
    try:
        found = copies.function(function)
        copies.compile_signed()
        yield found
    finally:
        for template, name, value in before:
            setattr(template, name, value)


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
        if isinstance(value, (Dispatcher, DUFunc)) and not of_library(value):
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
            if load.kind == "global" and not of_library(load.value):
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
        return self.function((value._dispatcher if isinstance(value, DUFunc) else value).py_func)


class _Recompiled(_Copies):
    """Helpers decorated again, in the same way. Plain functions stay: Numba knows them by identity, if at all."""

    def __init__(self) -> None:
        super().__init__()
        self._signed: list[tuple[Any, list[Any]]] = []

    def _helper(self, value: Any) -> Any:
        if isinstance(value, DUFunc):
            old, signed = value._dispatcher, value._frozen
            signatures = list(old.overloads)
        else:
            old, signed, signatures = value, not value._can_compile, value.nopython_signatures
        function, options = self.function(old.py_func), dict(old.targetoptions)
        if id(value) in self._made:
            return self._made[id(value)][1]
        if isinstance(value, DUFunc):
            copy = DUFunc(function, value.identity, targetoptions=options)
        else:
            copy = type(value)(function, dict(value.locals), options, pipeline_class=value._compiler.pipeline_class)
        if signed:
            self._signed.append((copy, signatures))
        return copy

    def compile_signed(self) -> None:
        """Compile what was decorated for some signatures and for no others."""
        for copy, signatures in self._signed:
            for signature in signatures:
                (copy.add if isinstance(copy, DUFunc) else copy.compile)(signature)
            copy.disable_compile()


def _reaches_helpers(function: types.FunctionType) -> bool:
    """Whether something that Numba has decorated is reached, other than the libraries' own."""
    seen: set[int] = set()

    def search(value: Any) -> bool:
        if id(value) in seen or of_library(value):
            return False
        seen.add(id(value))
        if isinstance(value, (Dispatcher, DUFunc)):
            return True
        if isinstance(value, tuple):
            return any(map(search, value))
        if not isinstance(value, types.FunctionType):
            return False
        return search(value.__defaults__) or any(search(load.value) for load in loads(value))

    return search(function)
