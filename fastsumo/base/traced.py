"""Functions of numbers inside ``jax.jit``, where there are none yet: they are called back when there are."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])


def in_jit(constant: bool) -> Callable[[Function], Function]:
    """Decorator: the first argument may be an array that JAX traces; the others, and all mistakes in them, are known.

    What comes out is ``constant`` to ``jax.grad``. If it is not, a gradient through it is an error of JAX.
    """

    def decorated(function: Function) -> Function:
        @functools.wraps(function)
        def traced(log_weights: Any, *others: Any, **named: Any) -> Any:
            jax = sys.modules.get("jax")
            if jax is None or not isinstance(log_weights, jax.core.Tracer):
                return function(log_weights, *others, **named)
            given = jax.lax.stop_gradient(log_weights) if constant else log_weights
            if not isinstance(given, jax.core.Tracer):  # under jax.grad alone
                return function(given, *others, **named)
            shape = function(np.zeros(given.shape, given.dtype), *others, **named).shape
            like = jax.ShapeDtypeStruct(shape, given.dtype)

            def called(numbers: Any) -> Any:
                return np.asarray(function(np.asarray(numbers), *others, **named), like.dtype)

            return jax.pure_callback(called, like, given, vmap_method="sequential")

        return cast(Function, traced)

    return decorated
