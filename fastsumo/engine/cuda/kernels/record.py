"""`KernelParams` in the memory of a card: one number of 8 bytes a field, whatever its type."""

import math
from typing import NamedTuple

from fastsumo.jit.memory import floats, ints, words
from fastsumo.jit.options import inlined
from fastsumo.trial.params import KernelParams
from fastsumo.trial.plan import FINITE_HEAD

_SIZE = len(KernelParams._fields)
_AT = KernelParams(*range(_SIZE))  # where each field is


class Kind(NamedTuple):
    """What of an estimator is compiled into kernels."""

    kind: int
    product: bool
    harmonic: bool  # P(K >= k) = 1 / k to the end
    table: bool  # the law is a table
    stratified: bool

    @classmethod
    def of(cls, params: KernelParams) -> "Kind":
        """That of a run."""
        table = params.table_size > 0
        harmonic = not table and params.power == 1.0 and params.head >= FINITE_HEAD
        return cls(params.kind, params.product, harmonic, table, params.block_bits > 0)


def reader(kind: Kind):
    """A function that reads params from an address; what is compiled in are constants in them."""
    what, product, harmonic, table, stratified = kind

    @inlined
    def read(address):
        n, x, w = ints(address, _SIZE), floats(address, _SIZE), words(address, _SIZE)
        power, head = (1.0 if harmonic else x[_AT.power]), (math.inf if harmonic else x[_AT.head])
        table_size, block_bits = (n[_AT.table_size] if table else 0), (n[_AT.block_bits] if stratified else 0)
        return KernelParams(
            n[_AT.noise_at],
            n[_AT.noise_dim],
            n[_AT.chunk],
            n[_AT.log_weights_at],
            w[_AT.key],
            n[_AT.numbers_at],
            n[_AT.row_at],
            what,
            n[_AT.minimum],
            n[_AT.alive],
            power,
            head,
            x[_AT.log_decay],
            x[_AT.log_head],
            n[_AT.cap],
            n[_AT.lowest],
            n[_AT.highest],
            x[_AT.uniform_low],
            x[_AT.uniform_width],
            n[_AT.table_at],
            table_size,
            product,
            n[_AT.longest_short],
            n[_AT.reciprocal_at],
            n[_AT.split_above],
            x[_AT.shift],
            n[_AT.order],
            x[_AT.equal_logs],
            n[_AT.base],
            n[_AT.first],
            n[_AT.single] != 0,
            n[_AT.block],
            x[_AT.log_center],
            x[_AT.inverse_center],
            block_bits,
        )

    return read
