"""What is installed here, for a bug report or the supplement of a paper."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from typing import TextIO

from fastsumo._version import __version__
from fastsumo.base.machine import available_threads
from fastsumo.base.text import labelled
from fastsumo.jit.machine import cpu_name

_NEEDED = ("numba", "llvmlite", "numpy", "scipy", "matplotlib", "rich", "platformdirs")
_OPTIONAL = ("pandas", "pyarrow", "xarray", "arviz", "torch", "jax", "numba-cuda", "distributed", "mpi4py", "IPython")


def show_versions(file: TextIO | None = None) -> None:
    """Print versions of fastsumo, Python and the libraries in use, and what machine this is.

    Nothing is imported for it. ``fastsumo doctor`` says what there is to mend on a machine.

    Parameters
    ----------
    file : text stream, optional
        Standard output by default.

    Examples
    --------
    >>> import io
    >>> text = io.StringIO()
    >>> show_versions(text)
    >>> text.getvalue().startswith(f"fastsumo        {__version__}")
    True
    """
    rows = [
        ("fastsumo", __version__),
        ("Python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("CPU", f"{cpu_name()}, {available_threads()} of {os.cpu_count() or 1} cores for this process"),
        *((name, version_of(name) or "absent") for name in _NEEDED),
        *((name, found) for name in _OPTIONAL if (found := version_of(name))),
    ]
    print(labelled(rows), file=sys.stdout if file is None else file)


def version_of(distribution: str) -> str | None:
    """The version of an installed distribution; None where it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
