"""The linear weight of one sample of one trial, by a model's function as it stands; compiled for any target.

The noise, the proposal's map and the order of operations are those of the lanes in ``engine/cpu/kernels``.
"""

import math
from typing import Any

from numba import float64, uint64

from fastsumo.engine.shapes import Shape
from fastsumo.jit.bits import select
from fastsumo.jit.calls import attempt
from fastsumo.jit.memory import floats, readonly, row_of
from fastsumo.jit.options import checked, inlined
from fastsumo.jit.ptx import philox_words
from fastsumo.models import transforms
from fastsumo.trial.lazy_sums import linear_weight
from fastsumo.trial.philox import polar, uniform

_LOW, _WORD, _BLOCKS_PER_EPOCH = uint64(0xFFFFFFFF), uint64(32), uint64(4096)


@inlined
def pair_on_card(trial, sample, block, key):
    """`trial.philox.uniform_pair` in 32-bit instructions of a GPU."""
    first, second = philox_words(
        trial & _LOW,
        trial >> _WORD,
        sample & _LOW,
        block + _BLOCKS_PER_EPOCH * (sample >> _WORD),
        key & _LOW,
        key >> _WORD,
    )
    return uniform(first), uniform(second)


def weight_of(function: Any, shape: Shape, cuda: Any, pair: Any) -> Any:
    """``weight(params, trial, sample)``, relative to ``2**shift``; NaN where the log weight is, or the model raises.

    ``cuda`` gives local arrays, ``pair`` two uniforms of a trial, a sample, a block and a key.
    """
    dim, noise_dim, params_size = shape.dim, shape.noise_dim, shape.params
    rows, columns = transforms.rows_of(shape.transform, dim, noise_dim), shape.columns
    numbers_size = max(shape.numbers, 1)
    sizes = (dim, columns, params_size) if columns else (dim, params_size)
    density, normal = checked(function, *sizes), shape.noise == "normal"

    @inlined
    def fill(z, trial, sample, key):
        for j in range(0, noise_dim - 1, 2):
            u1, u2 = pair(trial, sample, uint64(j // 2 + 1), key)
            z[j, 0], z[j + 1, 0] = polar(u1, u2) if normal else (u1, u2)
        if noise_dim % 2:
            u1, u2 = pair(trial, sample, uint64(noise_dim // 2 + 1), key)
            z[noise_dim - 1, 0] = polar(u1, u2)[0] if normal else u1

    if columns:

        @inlined
        def density_at(x, params, numbers):
            return density(readonly(x), readonly(floats(params.row_at, columns)), readonly(numbers))
    else:

        @inlined
        def density_at(x, params, numbers):
            return density(readonly(x), readonly(numbers))

    if not shape.transform:

        @inlined
        def weight(params, trial, sample):
            z = cuda.local.array((rows, 1), float64)
            fill(z, trial, sample, params.key)
            numbers = floats(params.numbers_at, numbers_size)[:params_size]
            log_weight, raised = attempt(density_at, (row_of(z, dim), params, numbers))
            return select(raised, math.nan, linear_weight(log_weight, params.shift))

        return weight

    transform = getattr(transforms, shape.transform)

    @inlined
    def weight_by_proposal(params, trial, sample):
        z, log_q = cuda.local.array((rows, 1), float64), cuda.local.array(1, float64)
        fill(z, trial, sample, params.key)
        numbers = floats(params.numbers_at, numbers_size)
        transform(z, dim, numbers[params_size:], log_q)
        log_density, raised = attempt(density_at, (row_of(z, dim), params, numbers[:params_size]))
        return select(raised, math.nan, linear_weight(log_density - log_q[0], params.shift))

    return weight_by_proposal
