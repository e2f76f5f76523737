"""Drawing `K`: the largest k with ``u <= P(K >= k)``, from the roulette uniform of each trial; and what it costs.

For the law given ``lowest <= K <= highest`` the uniform is taken to ``(P(K > highest), P(K >= lowest)]`` first.

Stratified (Vihola, Operations Research 2018): the trials of a block of ``B`` have the uniforms ``(j + u) / B``, ``u``
their own, and ``j`` their place in a permutation of ``0 .. B - 1`` that is random and the block's. So each trial alone
has the law, and a block has one trial in each of ``B`` equal parts of it.
"""

from numba import float64, int64, uint64

from fastsumo.jit.bits import bits_float, float_bits, floor
from fastsumo.jit.memory import floats, ints
from fastsumo.jit.options import device, inlined, kernel
from fastsumo.trial import kinds
from fastsumo.trial.philox import HALF_WORD, LOW, fill_roulette, philox
from fastsumo.trial.plan import FINITE_HEAD
from fastsumo.vmath import exp, log

_NEVER = int64(1 << 62)  # a `K` that no trial has


@device
def _terms(params, terms_at, n):
    """`K` of ``n`` trials, in the place of their uniforms."""
    terms, u = ints(terms_at, n), floats(terms_at, n)
    if params.table_size:
        table = floats(params.table_at, params.table_size)
        for t in range(n):
            terms[t] = max(min(_from_table(table, _within(params, u[t])), params.highest), params.lowest)
    elif params.power == 1.0:  # P(K >= k) = 1 / k means K = floor(1 / u); beyond the head, logs for the few
        lowest, highest, goes_on = float(params.lowest), float(params.highest), params.head >= FINITE_HEAD
        head = _NEVER if goes_on else int64(min(params.head, highest))
        for t in range(n):
            within = _within(params, u[t])
            k = int64(max(min(1.0 / within, highest), lowest))
            terms[t] = k if k < head else -float_bits(within)
        for t in range(0 if goes_on else n):
            if terms[t] < 0:
                terms[t] = _from_formula(params, bits_float(-terms[t]))
    else:
        for t in range(n):
            terms[t] = _from_formula(params, _within(params, u[t]))


def _drawing(place):
    """A function ``draw(params, first, terms_at, n)`` of `K` of the ``n`` trials from number ``first`` on.

    Uniforms are in the memory of the terms first, where ``place(params, first, u)`` may change them.
    """

    @device
    def draw(params, first, terms_at, n):
        terms, u = ints(terms_at, n), floats(terms_at, n)
        if params.kind == kinds.IWAE or params.kind == kinds.JVI:
            for t in range(n):
                terms[t] = params.cap
        else:
            fill_roulette(first, params.key, u)
            place(params, first, u)
            _terms(params, terms_at, n)

    return draw


@device
def _leave(params, first, u):
    """Every trial has a uniform of its own."""


@device
def _stratify(params, first, u):
    """Roulette uniforms by blocks."""
    bits, done, n = uint64(params.block_bits), 0, u.size
    while done < n:
        block = (first + uint64(done)) >> bits
        end = min(n, int64(((block + uint64(1)) << bits) - first))
        words = _words_of(block, params.key)
        for t in range(done, end):
            u[t] = _placed(params, first + uint64(t), u[t], words)
        done = end


@device
def _stratify_if_asked(params, first, u):
    if params.block_bits > 0:
        _stratify(params, first, u)


draw_alone, draw_stratified, draw = _drawing(_leave), _drawing(_stratify), _drawing(_stratify_if_asked)


@inlined
def _within(params, u):
    """The uniform that draws `K`; exactly the roulette uniform where the law is whole."""
    return params.uniform_low + params.uniform_width * u


@inlined
def _words_of(block, key):
    """The permutation of a block: four words of a counter that no sample has, of sample 1 and block 0."""
    return philox(block & LOW, block >> HALF_WORD, uint64(1), uint64(0), key & LOW, key >> HALF_WORD)


@inlined
def _placed(params, trial, u, words):
    """The roulette uniform of a trial, ``u`` where it lies in its part.

    The permutation is of xors, sums, odd products and shifted xors of ``block_bits`` bits, each of which can be undone.
    The low half of the first word enters once, as the first xor: so every place is equally likely, whatever the rest.
    """
    bits = uint64(params.block_bits)
    mask, half = (uint64(1) << bits) - uint64(1), (bits + uint64(1)) >> uint64(1)
    j = trial & mask
    for word in words:
        j = ((j ^ word) * ((word >> uint64(16)) | uint64(1))) & mask
        j ^= j >> half
    for word in words[1:]:
        j = ((j + (word >> uint64(16))) * (word | uint64(1))) & mask
        j ^= j >> half
    return (float64(int64(j)) + u) / float64(int64(mask) + 1)


@inlined
def placed(params, trial, u):
    """The roulette uniform of one trial, whose own is ``u``, where trials are stratified."""
    return _placed(params, trial, u, _words_of(trial >> uint64(params.block_bits), params.key))


@inlined
def terms_of(params, u):
    """`K` of one trial from its roulette uniform."""
    if params.kind == kinds.IWAE or params.kind == kinds.JVI:
        return params.cap
    u = _within(params, u)
    if params.table_size:
        k = _from_table(floats(params.table_at, params.table_size), u)
        return max(min(k, params.highest), params.lowest)
    if params.power == 1.0:
        highest = float(params.highest)
        terms = int64(max(min(1.0 / u, highest), float(params.lowest)))
        if params.head < FINITE_HEAD and terms >= int64(min(params.head, highest)):
            terms = _from_formula(params, u)
        return terms
    return _from_formula(params, u)


@inlined
def _from_formula(params, u):
    """The power head where ``u`` is above ``P(K >= head)``, else the geometric tail."""
    log_u = log(u)
    head = 1.0 / u if params.power == 1.0 else exp(min(-log_u / max(params.power, 1e-300), 700.0))
    tail = params.head + floor((log_u + params.log_head) / params.log_decay)
    k = tail if log_u + params.log_head <= 0.0 else head
    return int64(max(min(k, float(params.highest)), float(params.lowest)))


@device
def _from_table(table, u):
    """Bisection in a non-increasing table."""
    low, high = 0, table.size - 1
    while low < high:
        middle = (low + high + 1) // 2
        if u <= table[middle]:
            low = middle
        else:
            high = middle - 1
    return low + 1


@inlined
def samples_of(params, terms):
    """Importance samples of a trial of `K` terms."""
    if params.kind == kinds.MLMC:
        return params.base + (params.base << terms) if params.first else params.base << (terms - 1)
    if params.kind == kinds.TAYLOR:
        return params.block * terms
    return params.minimum + terms


@kernel
def draw_terms(params, first, terms_at, n):
    """Entry point of `Roulette.sample`."""
    draw(params, first, terms_at, n)
