"""How many samples a vectorised model is given at a time, and what is kept of it in memory."""

from fastsumo.trial.sizes import SHORT, TILE

BATCH = 16_384
BATCHES = 32  # of log weights are kept together, so that the last, which may be small, hardly counts
STRETCH = 4  # of those of one trial that is too long for that
_TABLES = 2  # of so many: of short trials and of long ones
_PLACE = 4  # bytes, beside the log weight itself, that tell where it is
_TRIALS = 3_000_000  # bytes for numbers and samples of their trials


def bytes_held(batch: int, numbers: int) -> int:
    """Memory that a thread holds at most for a vectorised model, beside what its function takes.

    Parameters
    ----------
    batch : int
    numbers : int
        That the function is given for a sample: coordinates, and columns of data.

    Examples
    --------
    >>> round(bytes_held(BATCH, 20) / 2**20, 1)
    24.4
    """
    return (8 + _PLACE) * ((_TABLES * BATCHES + STRETCH) * batch + TILE * SHORT) + 8 * batch * (numbers + 2) + _TRIALS
