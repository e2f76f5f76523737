"""`Provenance`: what a run was made of and by, so that it can be told from others and run again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any

import numba

from fastsumo._version import __version__
from fastsumo.estimators.estimators import Estimator
from fastsumo.estimators.serialization import estimator_from_json, estimator_to_json
from fastsumo.jit.machine import cpu_name
from fastsumo.models.model import Model, source_hash
from fastsumo.models.portable import is_portable
from fastsumo.models.serialization import origin_of


@dataclass(frozen=True)
class Provenance:
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

    @classmethod
    def of(cls, model: Model, estimator: Estimator) -> Provenance:
        """Of a run on this machine."""
        source = source_hash(model)
        return cls(
            model.name,
            tuple(model.params.tolist()),
            source,
            estimator,
            model.log_evidence,
            model.chi_square,
            __version__,
            numba.__version__,
            cpu_name(),
            origin_of(model, source),
            is_portable(model),
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
            "estimator": repr(self.estimator),
            "minimum": plan.minimum,
            "law": plan.law._asdict() | {"table": table},
        }
        return vars(self) | {"params": list(self.params)} | told

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
        known = {field.name: stored[field.name] for field in fields(cls) if field.name not in ("estimator", "portable")}
        known["portable"] = stored.get("portable")  # which versions before this one did not store
        return cls(**known | {"params": tuple(known["params"]), "estimator": estimator})
