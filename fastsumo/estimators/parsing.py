"""What a word such as ``iwae:k=5`` stands for among estimators and laws of `K`; their ``repr`` is read too.

The grammar is in `base/words.py`. Such words come from people only: on the command line, in the TOML file of a study,
or in a call of what a user calls, as `fs.simulate`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from fastsumo.base import words
from fastsumo.base.words import Spec
from fastsumo.estimators.estimators import ESTIMATORS, Estimator, check_roulette
from fastsumo.estimators.labels import label
from fastsumo.estimators.roulette import LAWS, Roulette, law_that_takes

ESTIMATOR_WORDS = {words.kebab(kind.__name__): kind for kind in ESTIMATORS}
LAW_WORDS = {words.kebab(kind.__name__): kind for kind in LAWS}
_LAW = "roulette"  # the parameter of estimators that takes a law of K


def parse_estimator(text: str, law: Roulette | None = None) -> Estimator:
    """The estimator that ``text`` names, with ``law`` for its law of `K` where one is given.

    Examples
    --------
    >>> parse_estimator("iwae:k=5"), parse_estimator("SUMO(roulette=Harmonic(cap=80), minimum=1)").minimum
    (IWAE(k=5), 1)
    >>> parse_estimator("sumo:harmonic-geometric:alpha=8,rate=0.1,minimum=2").roulette
    HarmonicGeometric(alpha=8)
    """
    given = words.parse(text)
    kind = words.find("estimator", given.name, ESTIMATOR_WORDS)
    if law is not None:
        if _LAW not in inspect.signature(kind).parameters:
            raise ValueError(f"estimator {given.name!r} has no law of K: leave out --roulette")
        if _LAW in given.named or given.positional:
            raise ValueError(f"the law of K is given twice, in {text!r} and as --roulette")
        given.named[_LAW] = law  # type: ignore[assignment]
    given = _with_its_law(given, inspect.signature(kind).parameters)
    try:
        made: Estimator = words.call("estimator", kind, given, {_LAW: parse_roulette, "estimator": parse_estimator})
    except ValueError as error:
        raise ValueError(f"{error}{_of_a_law(given, inspect.signature(kind).parameters)}") from None
    return made


def parse_roulette(text: str) -> Roulette:
    """The law of `K` that ``text`` names.

    Examples
    --------
    >>> parse_roulette("harmonic:cap=80"), parse_roulette("power-law:1.5")
    (Harmonic(cap=80), PowerLaw(s=1.5))
    """
    given = words.parse(text)
    law: Roulette = words.call("roulette", words.find("roulette", given.name, LAW_WORDS), given)
    return law


def as_estimator(estimator: Any) -> Estimator:
    """An estimator, or the one that a word stands for; what is neither is an error that says what was meant.

    Examples
    --------
    >>> as_estimator("iwae:k=5"), as_estimator(ESTIMATORS[0](2))
    (IWAE(k=5), IWAE(k=2))
    >>> as_estimator(LAWS[0](cap=80))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    TypeError: estimator must be one such as ... got Harmonic(cap=80); did you mean SUMO(Harmonic(cap=80))?
    """
    if isinstance(estimator, str):
        return parse_estimator(estimator)
    if isinstance(estimator, Estimator):
        return estimator
    hint = ""
    if isinstance(estimator, Roulette):
        hint = f"; did you mean SUMO({label(estimator)})?"
    elif isinstance(estimator, type) and issubclass(estimator, Roulette):
        hint = f"; did you mean SUMO({estimator.__name__}(...))?"
    elif isinstance(estimator, type):
        hint = f"; did you mean {estimator.__name__}(...)?"
    elif isinstance(estimator, int):
        hint = f"; did you mean IWAE({estimator})?"
    elif callable(estimator) and getattr(estimator, "__name__", "") in ESTIMATOR_WORDS:  # such as fs.iwae
        hint = f"; did you mean {ESTIMATOR_WORDS[estimator.__name__].__name__}(...)?"
    elif isinstance(estimator, (list, tuple)):
        hint = "; one at a time, where fs.compare takes several"
    raise TypeError(f"estimator must be one such as fs.SUMO(fs.roulette.Harmonic()), got {estimator!r}{hint}")


def as_roulette(roulette: Any) -> Roulette:
    """A law of `K`, or the one that a word stands for."""
    if isinstance(roulette, str):
        return parse_roulette(roulette)
    check_roulette(roulette)
    return roulette  # type: ignore[no-any-return]


def _of_a_law(given: Spec, parameters: Mapping[str, Any]) -> str:
    """A hint where what an estimator was given are parameters of a law of `K`."""
    rest = {name: value for name, value in given.named.items() if name not in parameters}
    law = law_that_takes(rest)
    if law is None or not rest or _LAW not in parameters or given.positional:
        return ""
    own = [f"{name}={value}" for name, value in rest.items()]
    return f"; did you mean {given.name}:{words.kebab(law.__name__)}:{','.join(own)}?"


def _with_its_law(given: Spec, parameters: Mapping[str, Any]) -> Spec:
    """Named values after a law without brackets, such as ``sumo:harmonic-geometric:alpha=80,rate=0.1``, are its own."""
    own = [name for name in given.named if name not in parameters]
    if next(iter(parameters), "") != _LAW or not given.positional or "(" in given.positional[0] or not own:
        return given
    law = given.positional[0]
    law += ("," if ":" in law else ":") + ",".join(f"{name}={given.named[name]}" for name in own)
    rest = {name: value for name, value in given.named.items() if name in parameters}
    return given._replace(positional=[law, *given.positional[1:]], named=rest)
