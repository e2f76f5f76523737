"""A model's function in plain Python: its helpers not compiled, what it is given read-only."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from fastsumo.errors import ModelError
from fastsumo.jit.copies import plain as plain


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
