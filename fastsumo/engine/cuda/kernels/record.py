"""`KernelParams` in the memory of a card: one number of 8 bytes a field, whatever its type."""

import math
from typing import Any, NamedTuple

import numpy as np

from fastsumo.jit.memory import floats, ints, words
from fastsumo.jit.options import inlined
from fastsumo.trial.params import KernelParams
from fastsumo.trial.plan import FINITE_HEAD

_SIZE = len(KernelParams._fields)


class Kind(NamedTuple):
    """What of an estimator is compiled into kernels."""

    kind: int
    product: bool
    harmonic: bool  # P(K >= k) = 1 / k to the end
    table: bool  # the law is a table

    @classmethod
    def of(cls, params: KernelParams) -> "Kind":
        """That of a run."""
        table = params.table_size > 0
        harmonic = not table and params.power == 1.0 and params.head >= FINITE_HEAD
        return cls(params.kind, params.product, harmonic, table)


def packed(params: KernelParams) -> np.ndarray:
    """The fields as numbers of 8 bytes, in order."""
    record = np.zeros(_SIZE)
    for at, value in enumerate(params):
        view: Any = np.float64 if isinstance(value, float) else np.uint64 if isinstance(value, np.uint64) else np.int64
        record[at : at + 1].view(view)[:] = [value]
    return record


def reader(kind: Kind):
    """A function that reads params from an address; what is compiled in are constants in them."""
    what, product, harmonic, table = kind

    @inlined
    def read(address):
        n, x, w = ints(address, _SIZE), floats(address, _SIZE), words(address, _SIZE)
        power, head, table_size = (1.0 if harmonic else x[7]), (math.inf if harmonic else x[8]), (n[13] if table else 0)
        return KernelParams(
            linear_at=n[0],
            extended_at=n[1],
            key=w[2],
            numbers_at=n[3],
            row_at=n[4],
            kind=what,
            minimum=n[6],
            power=power,
            head=head,
            log_decay=x[9],
            log_head=x[10],
            cap=n[11],
            table_at=n[12],
            table_size=table_size,
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
