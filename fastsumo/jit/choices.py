"""Choices that are the same at every turn of a loop, in LLVM's text: what hangs on them need not stay in the loop.

LLVM makes instructions of branches that decide on one or two values, and takes these out of the loop. A branch that it
leaves keeps inside all that hangs on its values, though that is the same for all lanes (see `pipeline.py`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

_NAME = r'%(?:"[^"]*"|[-\w.$]+)'
_FUNCTION = re.compile(r"^define [^\n]*\{\n.*?^\}$", re.MULTILINE | re.DOTALL)
_LABEL = re.compile(r'^("[^"]*"|[-\w.$]+):', re.MULTILINE)
_TARGET = re.compile(rf"label ({_NAME})")
_DEFINED = re.compile(rf"^ +({_NAME}) = ", re.MULTILINE)
_BRANCH = re.compile(rf"^ +br i1 ({_NAME}), label ({_NAME}), label ({_NAME})", re.MULTILINE)
_PHI = re.compile(rf"^ +{_NAME} = phi (\w+) \[.*\]$", re.MULTILINE)
_INCOMING = re.compile(rf'\[ ((?:"[^"]*"|[^\s"])+), ({_NAME}) \]')
_CHOICE = "%choice.of.fastsumo."

Edges = dict[str, list[str]]


def with_choices(module: str) -> str:
    """The text of a module in which values hang on no branch that could be decided before the loop.

    Ways part in one block of a loop and meet in another. Where their condition, and what a value is on either, are
    there before the loop, the value is chosen where they part. LLVM then takes the choice out of the loop, and drops a
    branch that decides nothing else; both may lay bare another one.
    """
    before = [int(number) for number in re.findall(rf"{re.escape(_CHOICE)}(\d+)", module)]
    numbers = itertools.count(max(before, default=-1) + 1)
    return _FUNCTION.sub(lambda found: _in_function(found[0], numbers), module)


def _in_function(text: str, numbers: Iterator[int]) -> str:
    head, *rest = _LABEL.split(text)
    bodies = {"": head} | {f"%{label}": body for label, body in zip(rest[::2], rest[1::2], strict=True)}
    targets = {name: _TARGET.findall(body) for name, body in bodies.items()}
    sources: Edges = {name: [] for name in bodies}
    for name, each in targets.items():
        for target in each:
            sources[target].append(name)
    loops = {name: _reached(name, targets) & _reached(name, sources) for name in bodies}
    above, defined = _dominators(sources), {name: _DEFINED.findall(body) for name, body in bodies.items()}
    for name in bodies:
        branch, loop = _BRANCH.search(bodies[name]), loops[name]
        if branch is None or name not in loop or branch[2] == branch[3]:
            continue
        inside = {each for block in loop for each in defined[block]}
        condition, one, other = branch.groups()
        if condition in inside:
            continue
        for join in [each for each in bodies if each in loop]:
            left, right = (_by_way(name, first, join, sources, above) & loop for first in (one, other))
            if left and right:
                chosen, bodies[join] = _chosen(bodies[join], condition, left, right, inside, numbers)
                bodies[name] = _BRANCH.sub(lambda found, before=chosen: before + found[0], bodies[name])
    return bodies.pop("") + "".join(f"{name[1:]}:{body}" for name, body in bodies.items())


def _reached(name: str, edges: Edges) -> set[str]:
    """Blocks to which edges lead from one."""
    found, todo = set[str](), [name]
    while todo:
        new = set(edges[todo.pop()]) - found
        found |= new
        todo += new
    return found


def _dominators(sources: Edges) -> dict[str, set[str]]:
    """For each block, those on all ways to it, itself among them."""
    found = {name: set(sources) if sources[name] else {name} for name in sources}
    while True:
        before = dict(found)
        for name, each in sources.items():
            found[name] = {name}.union(set.intersection(*(found[source] for source in each)) if each else ())
        if before == found:
            return found


def _by_way(name: str, first: str, join: str, sources: Edges, above: dict[str, set[str]]) -> set[str]:
    """Blocks by which one comes to ``join`` if one goes from a branch to ``first``, and not else."""
    found = {name} if first == join else set[str]()
    if sources[first] == [name]:
        found.update(each for each in sources[join] if first in above[each])
    return found


def _chosen(
    body: str, condition: str, left: set[str], right: set[str], inside: set[str], numbers: Iterator[int]
) -> tuple[str, str]:
    """What chooses values of a block where ways meet, if all are there before the loop; and the block, with these."""
    choices: list[str] = []

    def of_phi(found: re.Match[str]) -> str:
        incoming = _INCOMING.findall(found[0])
        sides = [{value for value, by in incoming if by in side} for side in (left, right)]
        values = set.union(*sides)
        if [len(side) for side in sides] != [1, 1] or len(values) == 1 or values & inside:
            return found[0]
        new, (x,), (y,) = f"{_CHOICE}{next(numbers)}", *sides
        choices.append(f"  {new} = select i1 {condition}, {found[1]} {x}, {found[1]} {y}\n")
        return _INCOMING.sub(lambda way: f"[ {new}, {way[2]} ]" if way[2] in left | right else way[0], found[0])

    body = _PHI.sub(of_phi, body)
    return "".join(choices), body
