"""The errors that fastsumo raises beside ``ValueError`` and ``TypeError``; their words are where they are raised."""

from __future__ import annotations


class ModelError(ValueError):
    """A model that cannot be run: the message says where and why.

    Parameters
    ----------
    message : str
    trial : int, optional
        The trial that it failed in, if it did not fail before.

    Examples
    --------
    >>> import fastsumo as fs
    >>> broken = fs.Model(lambda z, params: "a word", dim=1, name="broken")
    >>> try:
    ...     fs.simulate(broken, fs.ELBO(), trials=10)
    ... except fs.ModelError as error:
    ...     print(error)
    model 'broken' cannot be compiled: it must return one number, the log weight, but returned 'a word'
    """

    def __init__(self, message: str = "", trial: int | None = None) -> None:
        super().__init__(message)
        self.trial = trial


class DeviceError(RuntimeError):
    """A device that cannot be used, or was lost in the middle of a run: the message says which and why.

    Examples
    --------
    >>> import fastsumo as fs
    >>> try:
    ...     fs.sample(fs.models.note(), fs.ELBO(), 10, device="cuda:99")
    ... except fs.DeviceError as error:
    ...     print("not here")
    not here
    """


class StudyError(ValueError):
    """What is wrong with a study, its file or its run, in a line.

    Examples
    --------
    >>> import fastsumo as fs, tempfile, pathlib
    >>> study = fs.Study(pathlib.Path(tempfile.mkdtemp()) / "elbo.study")
    >>> study.add(fs.models.note(), fs.ELBO(), trials=1000)
    [0]
    >>> try:
    ...     study[0]
    ... except fs.StudyError as error:
    ...     print(error)
    cell 0 has no trials yet: run the study
    """


class CellsFailedError(StudyError):
    """Cells of a study stopped, because of their models; all others are done."""


class StudyStoppedError(StudyError):
    """The run of a study ended early, because of its disk or its executor; what was stored stays."""


class SlowModelWarning(UserWarning):
    """A model runs, with the same numbers, but slower than it could: the message says what is broken."""


class DamagedError(ValueError):
    """Bytes that are not the packed statistics which were written."""
