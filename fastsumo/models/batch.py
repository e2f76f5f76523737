"""How many samples a vectorised model is given at a time, and what is kept of it in memory."""

BATCH = 16_384
BATCHES = 32  # of log weights are kept together, so that the last, which may be small, hardly counts, ...
ROOM = 2**21  # ... and so many of the last tile of trials


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
    22.5
    """
    return 8 * (BATCHES * batch + ROOM + batch * numbers)
