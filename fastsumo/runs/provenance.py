"""`Provenance`: what a run was made of and by, so that it can be told from others and run again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numba

from fastsumo._version import __version__
from fastsumo.base.shown import Shown
from fastsumo.estimators.estimators import Estimator
from fastsumo.estimators.labels import label
from fastsumo.estimators.serialization import estimator_from_json, estimator_to_json
from fastsumo.jit.machine import cpu_name
from fastsumo.models.model import Model, source_hash
from fastsumo.models.portable import is_portable
from fastsumo.models.serialization import origin_of
from fastsumo.theory import far_out, khat_of_weights, series_index


@dataclass(frozen=True, repr=False)
class Provenance(Shown):
    """What was run, and by what.

    Attributes
    ----------
    model : str
    params : tuple of float
    source : str
        Hash of the model's function, of all it uses and of its proposal's numbers.
    estimator : Estimator
    log_evidence, chi_square : float or None
        As far as the model knows them.
    weight_tail_index, weight_zero_index, weight_khat : float or None
    weight_variance : bool or None
        Of the weights: as the model declares them, or as theory finds them (see `with_tails_of`); whether they have a
        variance, and their k-hat where theory does not show that they have. Two runs are the same without them.
    series_index : tuple of float or None
        Bounds of the tail index of Taylor's series, likewise; None for other estimators.
    version, numba, cpu : str
    origin : str or None
        A word by which `models.parsing.parse_model` makes the model, with other parameters perhaps.
    portable : bool or None
        Whether the trials have the same bits on every machine, since the model is written with `vmath` alone; False
        where it calls libm, NumPy or somebody else's code: then values agree to about 10^-12 relative between kinds of
        machine. None in results of versions that did not know.

    Examples
    --------
    >>> import fastsumo as fs
    >>> run = fs.simulate(fs.models.note(), fs.IWAE(5), 10).provenance
    >>> run.model, run.estimator, run.origin
    ('note', IWAE(k=5), 'note')
    """

    model: str
    params: tuple[float, ...]
    source: str
    estimator: Estimator
    log_evidence: float | None
    chi_square: float | None
    version: str
    numba: str
    cpu: str
    origin: str | None = None
    portable: bool | None = None
    weight_tail_index: float | None = field(default=None, compare=False)
    weight_zero_index: float | None = field(default=None, compare=False)
    weight_variance: bool | None = field(default=None, compare=False)
    weight_khat: float | None = field(default=None, compare=False)
    series_index: tuple[float, float] | None = field(default=None, compare=False)

    @classmethod
    def of(cls, model: Model, estimator: Estimator) -> Provenance:
        """Of a run on this machine."""
        return cls(
            model.name,
            tuple(model.params.tolist()),
            source_hash(model),
            estimator,
            model.log_evidence,
            model.chi_square,
            __version__,
            numba.__version__,
            cpu_name(),
            origin_of(model),
            is_portable(model),
            model.weight_tail_index,
            model.weight_zero_index,
        )

    def with_tails_of(self, model: Model) -> Provenance:
        """With what theory finds of the tails of the model's weights, for all that judges the tail of the run."""
        far = far_out(model)
        weight, near_zero = (index.low if index.known else None for index in (far.weight, far.near_zero))
        return replace(
            self,
            weight_tail_index=weight,
            weight_zero_index=near_zero,
            weight_variance=far.has_square,
            weight_khat=None if far.has_square else khat_of_weights(model),
            series_index=series_index(model, self.estimator),
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it for people and for JSON: the estimator as text, and what follows from it; of a table a hash.

        Returns
        -------
        dict
        """
        plan = self.estimator.plan()
        table = hashlib.sha256(plan.law.table.tobytes()).hexdigest()[:16] if plan.law.table.size else ""
        told = {
            "estimator": label(self.estimator, "exact"),
            "minimum": plan.minimum,
            "law": plan.law._asdict() | {"table": table},
        }
        kept = {name: value for name, value in vars(self).items() if not name.startswith(("weight_", "series_"))}
        return kept | {"params": list(self.params)} | told

    def stored(self) -> dict[str, Any]:
        """All of it for a file, from which `of_stored` makes it again.

        Raises
        ------
        TypeError
            If the estimator or its law is none of fastsumo's.
        """
        return vars(self) | {"params": list(self.params), "estimator": json.loads(estimator_to_json(self.estimator))}

    @classmethod
    def of_stored(cls, stored: dict[str, Any], estimator: Estimator | None = None) -> Provenance:
        """What was stored; with ``estimator`` in the place of the stored one, where one is given."""
        if estimator is None:
            estimator = estimator_from_json(json.dumps(stored["estimator"]))
        known: dict[str, Any] = {each.name: stored.get(each.name) for each in fields(cls) if each.name != "estimator"}
        known |= {name: tuple(known[name]) for name in ("params", "series_index") if known[name] is not None}
        return cls(**known | {"estimator": estimator})
