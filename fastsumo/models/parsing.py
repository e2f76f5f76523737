"""What a name such as ``iwae:k=5`` stands for: models, estimators and laws of `K`.

One grammar: ``name``, ``name:value,key=value`` or ``name(value, key=value)``; what a name takes is read from
the signature of what it names, and ``repr`` of an estimator is read back. No option of the command line lives
here.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from fastsumo.base import checks
from fastsumo.estimators.estimators import Estimator
from fastsumo.estimators.roulette import Roulette, Table
from fastsumo.models import builtin
from fastsumo.models.model import Model

_SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}
_LAW = "roulette"  # the parameter of estimators that takes a law of K


class Spec(NamedTuple):
    """A parsed word: its name and what is given to it."""

    name: str
    positional: list[str]
    named: dict[str, str]


def number(text: str) -> int:
    """A whole number: ``10000000``, ``10_000_000``, ``1e7`` or ``10M`` (k, M, G or B, T).

    Examples
    --------
    >>> number("1e9"), number("2.5M")
    (1000000000, 2500000)
    """
    matched = re.fullmatch(r"\s*([-+]?[\d_,.]+(?:e[-+]?\d+)?)\s*([kmgbt]?)\s*", text, re.IGNORECASE)
    allowed = "a whole number such as 1000000, 1e6 or 1M"
    try:
        if matched is None:
            raise InvalidOperation
        value = Decimal(matched[1].replace(",", "")) * _SUFFIXES[matched[2].lower()]
        if abs(value.adjusted()) > 30 or value != int(value):
            raise InvalidOperation
    except InvalidOperation:
        raise ValueError(f"{text!r} is not {allowed}") from None
    return int(value)


def parse_spec(text: str) -> Spec:
    """Split ``name(...)`` or ``name:...`` into its parts.

    Examples
    --------
    >>> parse_spec("harmonic-geometric:alpha=80,rate=0.1")
    Spec(name='harmonic-geometric', positional=[], named={'alpha': '80', 'rate': '0.1'})
    """
    matched = re.fullmatch(r"\s*([\w-]+)\s*(?:\((.*)\)|:(.*))?\s*", text, re.DOTALL)
    if matched is None:
        raise ValueError(f"{text!r} is not of the form name, name:key=value,... or name(key=value, ...)")
    positional: list[str] = []
    named: dict[str, str] = {}
    for part in _split(matched[2] if matched[2] is not None else matched[3] or ""):
        key = re.match(r"\s*([A-Za-z_]\w*)\s*=(?!=)", part)
        if key and key[1] in named:
            raise ValueError(f"{key[1]} is given twice in {text!r}")
        if key:
            named[key[1]] = part[key.end() :].strip()
        elif named:
            raise ValueError(f"in {text!r} the value {part.strip()!r} without a name stands after one with a name")
        else:
            positional.append(part.strip())
    return Spec(matched[1], positional, named)


def estimator(text: str, law: Roulette | None = None) -> Estimator:
    """The estimator that ``text`` names, with ``law`` for its law of `K` where one is given.

    Examples
    --------
    >>> estimator("iwae:k=5"), estimator("SUMO(roulette=Harmonic(cap=80), minimum=1)").minimum
    (IWAE(k=5), 1)
    >>> estimator("sumo:harmonic-geometric:alpha=8,rate=0.1,minimum=2").roulette
    HarmonicGeometric(alpha=8, rate=0.1, cap=None)
    """
    given = parse_spec(text)
    kind = _named("estimator", given.name, _family(Estimator))
    if law is not None:
        if _LAW not in inspect.signature(kind).parameters:
            raise ValueError(f"estimator {given.name!r} has no law of K: leave out --roulette")
        if _LAW in given.named or given.positional:
            raise ValueError(f"the law of K is given twice, in {text!r} and as --roulette")
        given.named[_LAW] = law  # type: ignore[assignment]
    made: Estimator = _call("estimator", kind, _with_its_law(given, inspect.signature(kind).parameters))
    return made


def _with_its_law(given: Spec, parameters: Mapping[str, Any]) -> Spec:
    """Named values after a law without brackets, such as ``sumo:harmonic-geometric:alpha=80,rate=0.1``, are its own."""
    own = [name for name in given.named if name not in parameters]
    if next(iter(parameters), "") != _LAW or not given.positional or "(" in given.positional[0] or not own:
        return given
    law = given.positional[0]
    law += ("," if ":" in law else ":") + ",".join(f"{name}={given.named[name]}" for name in own)
    rest = {name: value for name, value in given.named.items() if name in parameters}
    return given._replace(positional=[law, *given.positional[1:]], named=rest)


def estimator_again(text: str, table: ArrayLike | None = None) -> Estimator:
    """The estimator of a ``repr``, with all values of the table that is its law of `K`, where it has one.

    Examples
    --------
    >>> shown = "SUMO(roulette=Table([1, 0.5, 0.4, 0.3, ... 5 values]))"
    >>> estimator_again(shown, [1, 0.5, 0.4, 0.3, 0.2]).expected_cost()
    3.4
    """
    if table is None:
        return estimator(text)
    given = parse_spec(text)
    given.named.pop(_LAW, None)
    rest = f"{given.name}({', '.join(f'{name}={value}' for name, value in given.named.items())})"
    return estimator(rest, Table(table))


def roulette(text: str) -> Roulette:
    """The law of `K` that ``text`` names.

    Examples
    --------
    >>> roulette("harmonic:cap=80"), roulette("power-law:1.5")
    (Harmonic(cap=80), PowerLaw(s=1.5, cap=None))
    """
    given = parse_spec(text)
    law: Roulette = _call("roulette", _named("roulette", given.name, _family(Roulette)), given)
    return law


def model(text: str) -> Model:
    """The model that ``text`` names: built in, or ``path/to/file.py:name``, or ``module:name``.

    Examples
    --------
    >>> model("gamma(1.5)").name, model("gamma:1.5").name
    ('gamma(1.5)', 'gamma(1.5)')
    """
    file = re.fullmatch(r"(.+\.py)(?::(.*))?", text)
    if file:
        return _model_of(_load_file(Path(file[1])), file[2], text)
    dotted = re.fullmatch(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*(?:\(.*\))?)", text)
    if "/" in text or os.sep in text:
        raise ValueError(f"model {text!r} is not of the form path/to/file.py:name")
    makers = _built_in()
    if dotted and _key(dotted[1]) not in map(_key, makers):
        return _model_of(_import(dotted[1]), dotted[2], text)
    given = parse_spec(text)
    try:
        maker = _named("model", given.name, makers)
    except ValueError as error:
        raise ValueError(f"{error}; your own are path/to/file.py:name or module:name") from None
    made: Model = _call("model", maker, given)
    return made


def names(what: str) -> list[str]:
    """All that can be named: ``what`` is "model", "estimator" or "roulette".

    Examples
    --------
    >>> names("estimator")[:3]
    ['elbo', 'iwae', 'jvi']
    """
    known = {"model": _built_in, "estimator": lambda: _family(Estimator), "roulette": lambda: _family(Roulette)}
    return sorted(known[checks.choice("kind", what, known)]())


def compact(text: str) -> str:
    """An estimator's ``repr`` without its defaults; those of its law of `K` are kept, but for None.

    Examples
    --------
    >>> compact("SUMO(roulette=Harmonic(cap=None), minimum=1)")
    'SUMO(roulette=Harmonic())'
    """
    given = parse_spec(text)
    kinds = {kind.__name__: kind for base in (Estimator, Roulette) for kind in _family(base).values()}
    if given.name not in kinds or given.positional:
        return text
    parameters = inspect.signature(kinds[given.name]).parameters
    law = issubclass(kinds[given.name], Roulette)
    kept = [
        f"{name}={compact(value) if name == _LAW else value}"
        for name, value in given.named.items()
        if name not in parameters or repr(parameters[name].default) != value or (law and value != "None")
    ]
    return f"{given.name}({', '.join(kept)})"


def _built_in() -> dict[str, Callable[..., Any]]:
    """The functions of `fastsumo.models`."""
    found = inspect.getmembers(builtin, inspect.isfunction)
    return {name: value for name, value in found if value.__module__ == builtin.__name__ and name[0] != "_"}


def _family(base: type) -> dict[str, Any]:
    """The classes below ``base`` by the name that a person types, such as ``harmonic-geometric``."""
    found: dict[str, Any] = {}
    kinds: list[type] = base.__subclasses__()
    for kind in kinds:
        found |= {_kebab(kind.__name__): kind, **_family(kind)}
    return {name: kind for name, kind in found.items() if not kind.__name__.startswith("_")}


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def _key(name: str) -> str:
    """A name as it is compared: without case, hyphens and underscores."""
    return re.sub(r"[-_]", "", name).lower()


def _named(what: str, name: str, known: dict[str, Any]) -> Any:
    for candidate, value in known.items():
        if _key(candidate) == _key(name):
            return value
    checks.choice(what, name, known)
    raise AssertionError("unreachable")


def _call(what: str, function: Callable[..., Any], given: Spec) -> Any:
    """Call with what was given, after checking it against the signature."""
    parameters = inspect.signature(function).parameters
    names = list(parameters)
    positional: list[Any] = [_value(part, names[0] if names else "") for part in given.positional]
    if len(names) == 1 and len(positional) > 1:
        positional = [positional]
    takes = ", ".join(names) or "nothing"
    if len(positional) > len(names):
        raise ValueError(f"{what} {given.name!r} takes {takes}; got {', '.join(given.positional)}")
    values = dict(zip(names, positional, strict=False))
    for name, part in given.named.items():
        if name not in names:
            raise ValueError(f"{what} {given.name!r} has no parameter {name!r}; it takes {takes}")
        if name in values:
            raise ValueError(f"{what} {given.name!r} is given {name} twice")
        values[name] = _value(part, name)
    for name, parameter in parameters.items():
        if name not in values and parameter.default is parameter.empty:
            raise ValueError(f"{what} {given.name!r} needs {name}, as in {given.name}:{name}=...")
    return function(**values)


def _value(text: Any, name: str) -> Any:
    """A number, None, True, a list of numbers, a law of `K` where ``name`` asks for one, or a word."""
    if not isinstance(text, str):
        return text
    if name == _LAW:
        return roulette(text)
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    try:
        return number(text)
    except ValueError:
        return text


def _split(text: str) -> list[str]:
    """The parts between commas that are in no bracket."""
    parts, depth, begin = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append(text[begin:place])
            begin = place + 1
    parts.append(text[begin:])
    if depth != 0:
        raise ValueError(f"the brackets of {text!r} do not match")
    return [] if parts == [""] else parts


def _load_file(path: Path) -> ModuleType:
    """Run a Python file as a module of its own; files beside it can be imported while it runs."""
    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    name = "fastsumo_user_" + re.sub(r"\W", "_", path.stem)
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    beside = str(path.resolve().parent)
    sys.path.insert(0, beside)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ValueError(f"cannot load {path}: {_where(error, path)}") from None
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(beside)
    return module


def _import(name: str) -> ModuleType:
    """Import a module; the current folder counts, as for ``python -m``."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(f"cannot import module {name!r}: {error}") from None
    except (Exception, SystemExit) as error:
        raise ValueError(f"cannot import module {name!r}: {type(error).__name__}: {error}") from None
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(here)


def _where(error: BaseException, path: Path) -> str:
    """What went wrong in a user's file, and in which line of it."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} (line {error.lineno})"
    frames, file = traceback.extract_tb(error.__traceback__), str(path.resolve())
    lines = [frame.lineno for frame in frames if frame.filename == file]
    return f"{type(error).__name__}: {error}" + (f" (line {lines[-1]})" if lines else "")


def _model_of(module: ModuleType, wanted: str | None, text: str) -> Model:
    """The model of a module by name, or made by a function of it, or its only one."""
    known = {name: value for name, value in vars(module).items() if isinstance(value, Model)}
    if not wanted:
        if len(known) == 1:
            wanted = next(iter(known))
            text = f"{text.rstrip(':')}:{wanted}"
            return _from(text, known[wanted])
        if not known:
            raise ValueError(f"{text} has no model; decorate a function with @fs.model(dim=...)")
        which = f"{text.rstrip(':')}:{next(iter(known))}"
        raise ValueError(f"{text} has the models {', '.join(known)}: say which, as in {which}")
    given = parse_spec(wanted)
    value = vars(module).get(given.name)
    if isinstance(value, Model):
        return _from(text, value)
    if callable(value) and wanted.rstrip().endswith(")"):
        made = _call("function", value, given)
        if isinstance(made, Model):
            return _from(text, made)
        raise ValueError(f"{given.name} of {text!r} returned {type(made).__name__}, not a fastsumo Model")
    if callable(value):
        raise ValueError(f"{given.name!r} is a function, not a model: decorate it with @fs.model(dim=...)")
    if value is not None:
        raise ValueError(f"{given.name!r} is of type {type(value).__name__}, not a fastsumo Model")
    checks.choice("model", given.name, known or ["none: the file has no model"])
    raise AssertionError("unreachable")


def _from(text: str, model: Model) -> Model:
    """A copy of the model that knows the word it came from, in a form that holds from any folder."""
    other = copy.copy(model)
    other.origin = lasting(text)
    return other


def lasting(text: str) -> str:
    """A word for a model that holds from any folder: that of a file with the whole path.

    Examples
    --------
    >>> lasting("gamma:1.5"), lasting("folder.module:name")
    ('gamma:1.5', 'folder.module:name')
    """
    file, colon, name = text.rpartition(":")
    if file.endswith(".py"):
        return f"{Path(file).absolute()}{colon}{name}"
    return str(Path(text).absolute()) if text.endswith(".py") else text
