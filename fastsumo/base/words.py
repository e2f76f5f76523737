"""Words that people type: whole numbers, and names with values such as ``iwae:k=5``. What they name is not known here.

One grammar: ``name``, ``name:value,key=value`` or ``name(value, key=value)``; what a name takes is read from the
signature of what it names.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, TypeVar, cast

from fastsumo.base import checks

Function = TypeVar("Function", bound=Callable[..., Any])

_SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}


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


def numbers(text: str) -> list[float]:
    """Numbers with commas between them, in brackets or not.

    Examples
    --------
    >>> numbers("0.5,-2"), numbers("[1e3]")
    ([0.5, -2.0], [1000.0])
    """
    inside = re.fullmatch(r"\s*\[(.*)\]\s*", text)
    try:
        return [float(part) for part in (inside[1] if inside else text).split(",")]
    except ValueError:
        raise ValueError(f"{text!r} is not of numbers with commas between them, such as 0.5,2") from None


def parse(text: str) -> Spec:
    """Split ``name(...)`` or ``name:...`` into its parts.

    Examples
    --------
    >>> parse("harmonic-geometric:alpha=80,rate=0.1")
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


def key(name: str) -> str:
    """A name as it is compared: without case, hyphens and underscores."""
    return re.sub(r"[-_]", "", name).lower()


def kebab(name: str) -> str:
    """A class's name as people type it.

    Examples
    --------
    >>> kebab("HarmonicGeometric"), kebab("ELBO")
    ('harmonic-geometric', 'elbo')
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def find(what: str, name: str, known: Mapping[str, Any]) -> Any:
    """What a name stands for; an error that suggests the nearest where it is none."""
    for candidate, value in known.items():
        if key(candidate) == key(name):
            return value
    return known[checks.choice(what, name, known)]


def spelled(function: Function) -> Function:
    """Decorator: an argument whose name the function does not have is an error that suggests the nearest.

    Examples
    --------
    >>> spelled(lambda trials, seed=0: trials)(n_trials=10)
    Traceback (most recent call last):
    TypeError: <lambda> has no parameter 'n_trials'; it takes trials, seed; did you mean 'trials'?
    """

    @functools.wraps(function)
    def checked(*values: Any, **named: Any) -> Any:
        check_names(function, named)
        return function(*values, **named)

    return cast(Function, checked)


def check_names(called: Callable[..., Any], named: Mapping[str, object]) -> None:
    """Raise TypeError where a function or class has no parameter of some name."""
    if named:
        names = _names(called)
        for name in named:
            if name not in names:
                raise TypeError(f"{called.__name__} has {checks.no_parameter(name, names)}")


@functools.cache
def _names(called: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(called).parameters if name != "self"]


def call(
    what: str,
    function: Callable[..., Any],
    given: Spec,
    readers: Mapping[str, Callable[[str], Any]] | None = None,
) -> Any:
    """Call with what was given, after checking it against the signature.

    Parameters
    ----------
    what : str
        For messages.
    function : callable
    given : Spec
        Values that are no text are taken as they are.
    readers : dict of str to callable, optional
        What reads the values of certain parameters. Others are numbers, None, True, lists of numbers, or words.
    """
    parameters = inspect.signature(function).parameters
    names = list(parameters)

    def read(text: Any, name: str) -> Any:
        if not isinstance(text, str):
            return text
        return (readers or {}).get(name, _value)(text)

    positional: list[Any] = [read(part, names[0] if names else "") for part in given.positional]
    if len(names) == 1 and len(positional) > 1:
        positional = [positional]
    takes = ", ".join(names) or "nothing"
    if len(positional) > len(names):
        raise ValueError(f"{what} {given.name!r} takes {takes}; got {', '.join(given.positional)}")
    values = dict(zip(names, positional, strict=False))
    for name, part in given.named.items():
        if name not in names:
            raise ValueError(f"{what} {given.name!r} has {checks.no_parameter(name, names)}")
        if name in values:
            raise ValueError(f"{what} {given.name!r} is given {name} twice")
        values[name] = read(part, name)
    for name, parameter in parameters.items():
        if name not in values and parameter.default is parameter.empty:
            raise ValueError(f"{what} {given.name!r} needs {name}, as in {given.name}:{name}=...")
    return function(**values)


def _value(text: str) -> Any:
    """A number, None, True, a list of numbers, or a word."""
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
