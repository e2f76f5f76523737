"""Values as bytes, with the code of functions inside them instead of its address. Numba brings what that takes.

Which values those are, and what is said where it fails, is up to the caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any


def dumps_by_value(value: Any, modules: Iterable[ModuleType]) -> bytes:
    """The value, with what it reaches in these modules by value too; raises whatever pickling it raises."""
    from numba import cloudpickle

    known = [module for module in modules if module.__name__ not in cloudpickle.list_registry_pickle_by_value()]
    for module in known:
        cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(value))
    finally:
        for module in known:
            cloudpickle.unregister_pickle_by_value(module)
