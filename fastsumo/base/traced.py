"""Functions of numbers inside ``jax.jit``, where there are none yet: they are called back when there are."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])


def in_jit(constant: bool, known: tuple[str, ...] = ("offsets",)) -> Callable[[Function], Function]:
    """Decorator: arguments may be arrays that JAX traces, but those that must be ``known``, by which shapes are told.

    Mistakes in what is known are errors at once, others when there are numbers. What comes out is ``constant`` to
    ``jax.grad``. If it is not, a gradient through it is an error of JAX.
    """

    def decorated(function: Function) -> Function:
        @functools.wraps(function)
        def traced(*given: Any, **named: Any) -> Any:
            jax = sys.modules.get("jax")
            if jax is None:
                return function(*given, **named)
            arguments: dict[int | str, Any] = dict(enumerate(given)) | named
            for each in arguments:
                if constant and isinstance(arguments[each], jax.core.Tracer):
                    arguments[each] = jax.lax.stop_gradient(arguments[each])  # a number under jax.grad alone

            unknown = [each for each, value in arguments.items() if isinstance(value, jax.core.Tracer)]
            for each in known:
                if each in unknown:
                    raise TypeError(f"{each} must be known, since shapes depend on it, but JAX traces it here")

            def call(*numbers: Any) -> Any:
                full = arguments | dict(zip(unknown, map(np.asarray, numbers), strict=True))
                ordered = [full.pop(i) for i in range(len(given))]
                return function(*ordered, **full)

            if not unknown:
                return call()
            traces = [arguments[each] for each in unknown]
            first = arguments[0] if given else arguments["log_weights"]
            dtype = jax.numpy.result_type(first[0] if isinstance(first, (list, tuple)) else first)
            legal = call(*(np.ones(trace.shape, trace.dtype) for trace in traces))
            like = jax.tree.map(lambda found: jax.ShapeDtypeStruct(found.shape, dtype), legal)

            def called(*numbers: Any) -> Any:
                return jax.tree.map(lambda found: np.asarray(found, dtype), call(*numbers))

            return jax.pure_callback(called, like, *traces, vmap_method="sequential")

        return cast(Function, traced)

    return decorated
