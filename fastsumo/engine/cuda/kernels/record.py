"""`KernelParams` in the memory of a card: one number of 8 bytes a field, whatever its type."""

import numpy as np

from fastsumo.jit.memory import floats, ints, words
from fastsumo.jit.options import inlined
from fastsumo.trial.params import KernelParams

_SIZE = len(KernelParams._fields)


def packed(params: KernelParams) -> np.ndarray:
    """The fields as numbers of 8 bytes, in order."""
    record = np.zeros(_SIZE)
    for at, value in enumerate(params):
        view = np.float64 if isinstance(value, float) else np.uint64 if isinstance(value, np.uint64) else np.int64
        record[at : at + 1].view(view)[0] = value
    return record


def reader(kind, product):
    """A function that reads params from an address; what kind of trial they are for is a constant in them."""

    @inlined
    def read(address):
        n, x, w = ints(address, _SIZE), floats(address, _SIZE), words(address, _SIZE)
        return KernelParams(
            linear_at=n[0],
            extended_at=n[1],
            key=w[2],
            numbers_at=n[3],
            row_at=n[4],
            kind=kind,
            minimum=n[6],
            power=x[7],
            head=x[8],
            log_decay=x[9],
            log_head=x[10],
            cap=n[11],
            table_at=n[12],
            table_size=n[13],
            product=product,
            longest_short=n[15],
            reciprocal_at=n[16],
            split_above=n[17],
            shift=x[18],
            order=n[19],
            equal_logs=x[20],
            base=n[21],
            first=n[22],
            single=n[23] != 0,
        )

    return read
