"""Named tuples of numbers in compiled code: every kind of field, read and replaced."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from fastsumo.jit.memory import floats, ints, words
from fastsumo.jit.options import device, kernel
from fastsumo.jit.records import packed, register, with_field


class _Fields(NamedTuple):
    count: int
    scale: float
    key: np.uint64
    fine: bool


class Numbers(_Fields):
    @cached_property
    def packed(self) -> np.ndarray:
        return packed(self)

    @property
    def address(self) -> int:
        return self.packed.ctypes.data


register(Numbers)


@device
def write(record, at):  # type: ignore[no-untyped-def]
    ints(at, 1)[0], floats(at + 8, 1)[0], words(at + 16, 1)[0] = record.count, record.scale, record.key
    ints(at + 24, 1)[0] = 1 if record.fine else 0


@kernel
def read(record, at):  # type: ignore[no-untyped-def]
    write(record, at)
    other = with_field(with_field(record, "scale", 2 * record.count), "fine", not record.fine)
    write(with_field(other, "count", int(record.scale)), at + 32)


def test_fields_are_read_and_replaced() -> None:
    for given in (
        Numbers(-3, -0.5, np.uint64(2**64 - 1), True),
        Numbers(2**62, 7.25, np.uint64(0), False)._replace(count=11),
    ):
        out = np.zeros(8, np.int64)
        read(given, out.ctypes.data)
        np.testing.assert_array_equal(out[:4], given.packed)
        other = given._replace(count=int(given.scale), scale=2.0 * given.count, fine=not given.fine)
        np.testing.assert_array_equal(out[4:], other.packed)


def test_packed_fields_have_8_bytes_each() -> None:
    record = packed(Numbers(-2, 0.25, np.uint64(2**63), True))
    assert record.tolist()[::3] == [-2, 1]
    assert record.view(np.float64)[1] == 0.25
    assert record.view(np.uint64)[2] == 2**63
