"""The kernels of a run, compiled and loaded: two hold the model, the others serve all models."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from fastsumo.engine.cuda.kernels import alone, log_weights, segments, tiles, totals
from fastsumo.engine.cuda.kernels.record import Kind
from fastsumo.engine.cuda.kernels.sizes import THREADS
from fastsumo.engine.faults import compiling
from fastsumo.engine.shapes import shape_of
from fastsumo.jit.copies import thawed
from fastsumo.jit.fingerprint import fingerprint
from fastsumo.jit.ptx import Bounds, Capability, ptx_of
from fastsumo.jit.sources import source_digest
from fastsumo.models.model import Model
from fastsumo.trial import kinds
from fastsumo.trial.lazy_sums import with_lazy_sums

TILES, TALLY, POWERS, TOTALS = "tiles", "tally", "powers", "totals"
WEIGH, BASE, LOGS, SETTLE = "weigh", "base", "logs", "settle"
ALONE, LOG_WEIGHTS = "alone", "log weights"
_BOUNDS = THREADS, 4  # of kernels with a block for a tile
_WEIGH_BOUNDS = 128, 8
_SOURCES = tuple(module.__name__ for module in (alone, log_weights, segments, tiles, totals))


class Source(NamedTuple):
    """How a kernel is made, its signature, and a hash of all that goes into it."""

    make: Callable[[Any], Any]
    signature: Any
    digest: str | None
    bounds: Bounds = None


def sources(model: Model, kind: Kind, long: bool, now: Any = None) -> dict[str, list[Source]]:
    """The kernels of a run by name, each in the forms to be tried in turn; those of long trials if there are any.

    ``now`` is what is compiled in place of the model's function: a copy whose helpers nobody has compiled.
    The last form is the model's function as it stands, that before it has sums of exponentials that are not evaluated.
    """

    def of_model(name: str, make: Callable[..., Any], signature: Any, bounds: Bounds = None) -> list[Source]:
        return [form._replace(bounds=bounds) for form in _of_model(name, make, signature, model, kind, now)]

    def of_all(name: str, make: Callable[..., Any], signature: Any, *about: Any) -> list[Source]:
        digest = hashlib.sha256(repr((source_digest(*_SOURCES), about, name)).encode()).hexdigest()
        return [Source(partial(make, *about), signature, digest, _BOUNDS if name == TALLY else None)]

    found = {
        TILES: of_model(TILES, tiles.tile_kernel, tiles.SIGNATURE, _BOUNDS),
        TALLY: of_all(TALLY, tiles.tally_kernel, tiles.TALLY, kind),
        POWERS: of_all(POWERS, tiles.powers_kernel, tiles.POWERS, kind),
        TOTALS: of_all(TOTALS, totals.totals_kernel, totals.SIGNATURE),
    }
    if long and kind.kind in kinds.ALONE:
        found[ALONE] = of_model(ALONE, alone.alone_kernel, alone.SIGNATURE)
    elif long:
        found[WEIGH] = of_model(WEIGH, segments.weigh_kernel, segments.WEIGH, _WEIGH_BOUNDS)
        found[BASE] = of_all(BASE, segments.base_kernel, segments.BASES, kind)
        found[SETTLE] = of_all(SETTLE, segments.settle_kernel, segments.SETTLE, kind)
        if kind.kind != kinds.IWAE:
            found[LOGS] = of_all(LOGS, segments.logs_kernel, segments.LOGS, kind)
    return found


def _of_model(
    name: str, make: Callable[..., Any], signature: Any, model: Model, kind: Kind, now: Any = None
) -> list[Source]:
    function, shape = _function_of(model), shape_of(model)
    compiled = now or function
    lazy, about = with_lazy_sums(compiled), (source_digest(__name__), shape, kind, name)
    return [
        Source(partial(make, form, shape, kind), signature, fingerprint(function, *about, form is lazy))
        for form in ([compiled] if lazy is None else [lazy, compiled])
    ]


def _function_of(model: Model) -> Any:
    return getattr(model.function, "py_func", model.function)


def compile_all(model: Model, kind: Kind, long: bool, capability: Capability) -> dict[str, str]:
    """PTX of the kernels of a run by name.

    Raises
    ------
    fastsumo.ModelError
        If the model calls what has no form for a GPU.
    """
    with thawed(_function_of(model), on_card=True) as now:
        return {name: _compile(model, forms, capability) for name, forms in sources(model, kind, long, now).items()}


def compile_log_weights(model: Model, kind: Kind, capability: Capability) -> str:
    """PTX of the kernel that `Engine.increments` takes."""
    make, signature = log_weights.log_weights_kernel, log_weights.SIGNATURE
    with thawed(_function_of(model), on_card=True) as now:
        return _compile(model, _of_model(LOG_WEIGHTS, make, signature, model, kind, now), capability)


def _compile(model: Model, forms: list[Source], capability: Capability) -> str:
    for form in forms[:-1]:
        try:
            return ptx_of(form.make, form.signature, capability, form.digest, form.bounds)
        except Exception:  # the model does more with a sum than to add to it
            continue
    with compiling(model, " for a GPU"):
        return ptx_of(forms[-1].make, forms[-1].signature, capability, forms[-1].digest, forms[-1].bounds)
