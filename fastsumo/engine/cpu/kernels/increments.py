"""Lines of increments (`trial/increments.py`) of trials whose weights are drawn here, for `levels` and `optimal`."""

from numba import uint64

from fastsumo.engine.cpu.kernels.block import log_weights_of
from fastsumo.engine.status import BAD_WEIGHT, OK
from fastsumo.jit.memory import floats, ints
from fastsumo.jit.options import kernel
from fastsumo.trial.increments import line_of


@kernel
def increments_block(params, scratch, first, count, n, marks_at, marks, scratch_at, out_at, width):
    """A line of ``width`` numbers for each of ``count`` trials from number ``first`` on, from ``n`` weights of each.

    The status, and the lines that are done.
    """
    log_weights, wanted = floats(scratch_at, n), ints(marks_at, marks)
    for t in range(count):
        status = log_weights_of(params, scratch, first + uint64(t), 0, n, scratch_at)
        if status != OK:
            return status, t
        if line_of(log_weights, wanted, floats(out_at + 8 * width * t, width)):
            return BAD_WEIGHT, t
    return OK, count
