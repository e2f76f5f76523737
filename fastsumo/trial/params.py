"""What every kernel is told of a run: `KernelParams`, numbers and addresses, which cost nothing to pass.

The law of `K`, the coefficients of a trial and where the model's compiled functions are. `OwnedParams` keeps the arrays
alive that addresses point to.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import exact
from fastsumo.jit.records import packed, register
from fastsumo.trial import kinds
from fastsumo.trial.plan import FINITE_HEAD, Plan
from fastsumo.trial.ranges import LARGEST_SHIFT, LOG_2
from fastsumo.trial.series import scale_of
from fastsumo.trial.sizes import SHORT
from fastsumo.trial.survival import exact_survival, reciprocals

NEVER = 2**62  # samples that no trial has
_NONE = np.zeros(1)  # the numbers of no model


class Weigher(Protocol):
    """A compiled model: addresses of its functions, and the numbers and the row of data that they read."""

    @property
    def noise_at(self) -> int: ...
    @property
    def noise_dim(self) -> int: ...
    @property
    def chunk(self) -> int: ...
    @property
    def log_weights_at(self) -> int: ...
    @property
    def numbers(self) -> NDArray[np.float64]: ...
    @property
    def row(self) -> NDArray[np.float64]: ...


class _Fields(NamedTuple):
    """What ends in ``_at`` is an address."""

    noise_at: int  # of the function that fills a chunk with noise
    noise_dim: int  # numbers of noise a sample
    chunk: int  # samples of a chunk, and the space between two numbers of one
    log_weights_at: int  # of the model's function
    key: np.uint64
    numbers_at: int
    row_at: int
    kind: int
    minimum: int
    alive: int  # the value is -inf where so many first weights are all zero
    power: float  # of the law of K, see `plan.Law`; so are the next six
    head: float
    log_decay: float
    log_head: float  # log of 1 / P(K >= head); infinite where the head goes on
    cap: int
    lowest: int  # the least and the largest K that a trial may have, ...
    highest: int
    uniform_low: float  # ... and where the uniform lies that draws it: from uniform_low on, uniform_width wide
    uniform_width: float
    table_at: int
    table_size: int
    product: bool  # interior coefficients are -1 up to the law's head
    longest_short: int  # the largest K that runs as a short trial
    reciprocal_at: int  # of 1 / P(K >= j) for j = 0 .. SHORT + 1, or the factors of the levels, see `factors_of`
    split_above: int  # trials of more samples are left to all threads together
    shift: float  # linear weights are relative to 2**shift
    order: int  # of the jackknife
    equal_logs: float  # K log(1 - 1 / K): what its logs add up to where all weights are equal
    base: int  # samples of level 0
    first: int  # 1 if a trial has a level 0 of its own
    single: bool  # whether only the level that is drawn counts
    block: int  # samples of a term of Taylor's series
    log_center: float  # log of the number c that the series is around
    inverse_center: float  # 1 / (block c), for linear weights: times 2**shift
    block_bits: int  # log2 of the trials whose uniforms are stratified together


class KernelParams(_Fields):
    """A run as kernels see it."""

    @cached_property
    def packed(self) -> NDArray[np.int64]:
        """The fields as numbers of 8 bytes, in order."""
        return packed(self)

    @cached_property
    def address(self) -> int:
        """Where they are, as long as there are these params."""
        return self.packed.ctypes.data


register(KernelParams)


class OwnedParams(NamedTuple):
    """Kernel params with the arrays that they point into."""

    params: KernelParams
    owned: tuple[object, ...]


def make_params(weigher: Weigher | None, plan: Plan, seed: int) -> OwnedParams:
    """The run of a plan on a compiled model; without one, only `K` can be drawn."""
    return with_model(params_of(plan), weigher, seed)


def params_of(plan: Plan) -> OwnedParams:
    """What a run has of its plan: it draws `K` from seed 0, and knows no model."""
    law, factors = plan.law, factors_of(plan)
    beyond = exact_survival(law, plan.largest + 1) if plan.high < law.cap else 0.0
    params = KernelParams(
        noise_at=0,
        noise_dim=0,
        chunk=0,
        log_weights_at=0,
        key=np.uint64(0),
        numbers_at=_NONE.ctypes.data,
        row_at=_NONE.ctypes.data,
        kind=plan.kind,
        minimum=plan.minimum,
        alive=plan.alive,
        power=float(law.power),
        head=float(law.head),
        log_decay=float(law.log_decay),
        log_head=float(law.power) * exact.log(law.head) if law.head < FINITE_HEAD else np.inf,
        cap=int(law.cap),
        lowest=plan.low,
        highest=plan.largest,
        uniform_low=beyond,
        uniform_width=exact_survival(law, plan.low) - beyond,
        table_at=law.table.ctypes.data,
        table_size=law.table.size,
        product=plan.kind == kinds.SUMO and law.power == 1.0 and law.table.size == 0,
        longest_short=_longest_short(plan),
        reciprocal_at=factors.ctypes.data,
        split_above=NEVER,
        shift=0.0,
        order=plan.order,
        equal_logs=law.cap * exact.log1p(-1.0 / law.cap) if plan.kind == kinds.JVI else 0.0,
        base=plan.base,
        first=int(plan.first),
        single=plan.single,
        block=plan.block,
        log_center=plan.log_center,
        inverse_center=0.0,
        block_bits=plan.stratified.bit_length() - 1,
    )
    return OwnedParams(params, (law.table, factors))


def with_model(owned: OwnedParams, weigher: Weigher | None, seed: int) -> OwnedParams:
    """The same run from a seed, on a compiled model if there is one."""
    key = np.uint64(seed)
    if weigher is None:
        return OwnedParams(owned.params._replace(key=key), owned.owned)
    numbers, row = weigher.numbers, weigher.row
    params = owned.params._replace(
        key=key,
        noise_at=weigher.noise_at,
        noise_dim=weigher.noise_dim,
        chunk=weigher.chunk,
        log_weights_at=weigher.log_weights_at,
        numbers_at=numbers.ctypes.data,
        row_at=row.ctypes.data,
    )
    return OwnedParams(params, (weigher, numbers, row, *owned.owned))


def with_center(params: KernelParams, center: float) -> KernelParams:
    """The params of a run whose log weights are expected around ``center``; those of a series, around its own."""
    if params.kind != kinds.TAYLOR:
        return params._replace(shift=shift_of(center))
    shift, inverse = scale_of(params.log_center, params.block)
    return params._replace(shift=shift, inverse_center=inverse)


def shift_of(center: float) -> float:
    """The power of 2 that weights are relative to where log weights are expected around ``center``."""
    shift = float(round(center / LOG_2))
    return shift if abs(shift) < LARGEST_SHIFT else 0.0


def _longest_short(plan: Plan) -> int:
    if plan.kind == kinds.MLMC:
        return sum(plan.samples(k) <= SHORT for k in range(1, plan.law.cap + 1))
    return (SHORT - plan.minimum) // plan.block


def factors_of(plan: Plan) -> NDArray[np.float64]:
    """``1 / P(K >= j)`` for the `K` of short trials, 1 for ``j = 0``; and then ``1 / n`` for their samples.

    For Taylor's series ``1 / (j P(K >= j))``. For levels, what the difference that `K` stands for counts: ``1 / P(K >=
    j)``, or ``1 / P(K = j)`` where only one level counts; 0 for ``j = 0``.
    """
    law, inverses = plan.law, 1.0 / np.maximum(np.arange(SHORT + 1.0), 1.0)
    if plan.kind == kinds.TAYLOR:
        return np.append(reciprocals(law, SHORT + 2) / np.maximum(np.arange(SHORT + 2.0), 1.0), inverses)
    if plan.kind != kinds.MLMC:
        return np.append(reciprocals(law, SHORT + 2), inverses)
    factors = np.ones(SHORT + 2)
    factors[0], factors[1 : law.cap + 1] = 0.0, [exact.exp(-level * law.log_decay) for level in range(law.cap)]
    if plan.single:
        factors[1 : law.cap] /= -exact.expm1(law.log_decay)
    return np.append(factors, inverses)
