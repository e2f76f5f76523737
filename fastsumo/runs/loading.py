"""`load`: a file that `Result.save` or `Stratified.save` wrote, read back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fastsumo.base.floats import own_errstate
from fastsumo.runs import files
from fastsumo.runs.result import Result
from fastsumo.runs.stratified import Stratified


@own_errstate
def load(path: str | os.PathLike[str]) -> Any:
    """Read a `Result` that `Result.save` wrote, or a `Stratified` that its ``save`` did.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Result or Stratified

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is neither, is cut short, or was written by a newer format.

    Examples
    --------
    >>> import fastsumo as fs, tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "elbo.npz"
    >>> fs.simulate(fs.models.note(), fs.ELBO(), 1000).save(file)
    >>> fs.load(file).trials
    1000
    """
    fields = files.read(Path(path))
    if "strata" not in fields:
        return Result(**fields)
    results = tuple(Result(**part) for part in fields.pop("strata"))
    return Stratified(results=results, **fields)


def load_result(path: str | os.PathLike[str]) -> Result:
    """Read a `Result`, where nothing else will do.

    Raises
    ------
    FileNotFoundError
    ValueError
        As of `load`; and if the file holds a run by strata.
    """
    found = load(path)
    if isinstance(found, Stratified):
        raise ValueError(
            f"{path} is a run by strata of K, not one of plain trials: show it with `fastsumo show {path}`"
        )
    return found  # type: ignore[no-any-return]
