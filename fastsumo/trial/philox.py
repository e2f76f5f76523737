"""Random numbers: Philox4x32-10 (Salmon et al., SC 2011) named by (seed, trial, sample, block), uniforms and normals.

The counter layout is a promise (``fastsumo guide promises``): block 0 draws the roulette, block ``b >= 1`` the b-th
pair of numbers of a sample; block 0 of sample 1 orders trials that are stratified together (`draw.py`). Words of 32
bits travel in uint64 lanes, whose product is one vector instruction.
"""

import numpy as np
from numba import int64, uint64

from fastsumo.jit.bits import bits_float, sqrt
from fastsumo.jit.memory import local
from fastsumo.jit.options import apart, device, inlined
from fastsumo.vmath import _minus_two_log, _sincos_turns

LOW = np.uint64(0xFFFFFFFF)
HALF_WORD = np.uint64(32)
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_STEP_0, _KEY_STEP_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_BLOCKS_PER_EPOCH = np.uint64(4096)  # blocks of one sample; bits 32 and up of the sample index lie above them

_MANTISSA_SHIFT = np.uint64(12)
_ONE_BITS = np.uint64(0x3FF << 52)
_BELOW_ONE = 1.0 - 2.0**-53


@inlined
def _round(c0, c1, c2, c3, k0, k1):
    p0 = _MULTIPLIER_0 * (c0 & LOW)
    p1 = _MULTIPLIER_1 * (c2 & LOW)
    return (p1 >> HALF_WORD) ^ (c1 ^ k0), p1 & LOW, (p0 >> HALF_WORD) ^ (c3 ^ k1), p0 & LOW


@inlined
def _next_key(k0, k1):
    return (k0 + _KEY_STEP_0) & LOW, (k1 + _KEY_STEP_1) & LOW


@inlined
def philox(c0, c1, c2, c3, k0, k1):
    """Ten rounds on four 32-bit words with a two-word key, all uint64; returns four 32-bit words."""
    for _ in range(10):
        c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
        k0, k1 = _next_key(k0, k1)
    return c0, c1, c2, c3


@inlined
def uniform(word):
    """``(j + 1/2) 2^-52`` from the top 52 bits ``j`` of a 64-bit word: on the 53-bit grid, never 0 or 1."""
    return bits_float(int64((word >> _MANTISSA_SHIFT) | _ONE_BITS)) - _BELOW_ONE


@inlined
def _counter(trial, sample, block):
    return trial & LOW, trial >> HALF_WORD, sample & LOW, block + _BLOCKS_PER_EPOCH * (sample >> HALF_WORD)


@inlined
def _two_uniforms(w0, w1, w2, w3):
    return uniform(w0 | (w1 << HALF_WORD)), uniform(w2 | (w3 << HALF_WORD))


@inlined
def uniform_pair(trial, sample, block, key):
    """The two uniforms of one block of one sample; all arguments uint64."""
    c0, c1, c2, c3 = _counter(trial, sample, block)
    return _two_uniforms(*philox(c0, c1, c2, c3, key & LOW, key >> HALF_WORD))


@inlined
def roulette_uniform(trial, key):
    """The uniform that draws `K` of a trial."""
    return uniform_pair(trial, uint64(0), uint64(0), key)[0]


@inlined
def polar(u1, u2):
    """Two independent standard normals from two uniforms (Box and Muller, 1958)."""
    return _on_circle(_minus_two_log(u1), u2)


@inlined
def _on_circle(square, u2):
    """The point of a circle of that squared radius, at an angle of ``u2`` turns."""
    radius = sqrt(square)
    sine, cosine = _sincos_turns(u2)
    return radius * cosine, radius * sine


@inlined
def _two_by_two(a, b, key):
    """`philox` of two counters side by side: a round waits for its products, and there is time for another's then."""
    (a0, a1, a2, a3), (b0, b1, b2, b3), k0, k1 = a, b, key & LOW, key >> HALF_WORD
    for _ in range(10):
        a0, a1, a2, a3 = _round(a0, a1, a2, a3, k0, k1)
        b0, b1, b2, b3 = _round(b0, b1, b2, b3, k0, k1)
        k0, k1 = _next_key(k0, k1)
    return _two_uniforms(a0, a1, a2, a3), _two_uniforms(b0, b1, b2, b3)


@device
def _fill_pairs(trials, samples, block, key, first, second):
    """The uniforms of `uniform_pair` for every (trial, sample)."""
    n = trials.size
    half = n // 2
    for i in range(half):
        a, b = _counter(trials[i], samples[i], block), _counter(trials[i + half], samples[i + half], block)
        (first[i], second[i]), (first[i + half], second[i + half]) = _two_by_two(a, b, key)
    if n % 2:
        first[n - 1], second[n - 1] = uniform_pair(trials[n - 1], samples[n - 1], block, key)


_PIECE = 256  # samples of which the second number of a pair, if there is no room for it, is thrown away
_spare = local(_PIECE)


@inlined
def _piece(trials, samples, start, n):
    """The pairs of one piece."""
    m = min(_PIECE, n - start)
    return trials[start : start + m], samples[start : start + m]


@apart
def _turn(first, second, n):
    """Pairs of uniforms into pairs of normals, in place; half the instructions that it has among other loops."""
    for i in range(n):
        first[i] = _minus_two_log(first[i])
    for i in range(n):
        first[i], second[i] = _on_circle(first[i], second[i])


@device
def fill_roulette(trial, key, uniforms):
    """The uniforms that draw `K` of consecutive trials."""
    n = uniforms.size
    half, zero = n // 2, uint64(0)
    for i in range(half):
        a = _counter(trial + uint64(i), zero, zero)
        b = _counter(trial + uint64(half + i), zero, zero)
        (uniforms[i], _), (uniforms[half + i], _) = _two_by_two(a, b, key)
    if n % 2:
        uniforms[n - 1] = roulette_uniform(trial + uint64(n - 1), key)


def _filling(turn):
    """``fill(trials, samples, key, z)``: the first ``trials.size`` numbers of ``z[j]`` become the j-th of each sample.

    Uniforms first, then ``turn``, in place: one loop of both needs more registers than there are, and 0.6 ns more.
    """

    @device
    def fill(trials, samples, key, z):
        dim, n = z.shape[0], trials.size
        for j in range(0, dim - 1, 2):
            first, second = z[j], z[j + 1]
            _fill_pairs(trials, samples, uint64(j // 2 + 1), key, first, second)
            turn(first, second, n)
        if dim % 2:
            last, spare = z[dim - 1], _spare()
            for start in range(0, n, _PIECE):
                some = _piece(trials, samples, start, n)
                _fill_pairs(*some, uint64(dim // 2 + 1), key, last[start:], spare)
                turn(last[start:], spare, some[0].size)

    return fill


@inlined
def _leave(first, second, n):
    """Uniforms as they are."""


fill_uniforms, fill_normals = _filling(_leave), _filling(_turn)
