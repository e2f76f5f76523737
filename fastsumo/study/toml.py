"""Studies declared in a TOML file: what its keys mean, and what is said where one is not understood."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from fastsumo.base import checks, words
from fastsumo.errors import StudyError
from fastsumo.estimators.estimators import SUMO
from fastsumo.estimators.parsing import parse_estimator, parse_roulette
from fastsumo.models.parsing import parse_model
from fastsumo.study.grid import Wanted, check_told_apart, wanted

_TOP = ("study", "cells")
_MOST_SEEDS = 1_000_000
_CELL = ("models", "estimators", "roulettes", "trials", "seeds", "params", "name")


def declared(path: Path) -> tuple[Path, list[Wanted]]:
    """The file of the study that a TOML file declares, and all its cells; see `Study.from_toml`. Nothing is written."""
    content = _content(path)
    groups = content.get("cells")
    if not isinstance(groups, list) or not groups or not all(isinstance(group, dict) for group in groups):
        raise StudyError(
            f"{path} declares no cells: it needs at least one [[cells]] with models, estimators and trials"
        )
    try:
        for name in content:
            checks.choice("key", name, _TOP)
        file = _place(path, content)
        cells = [cell for group in groups for cell in _cells(group, path.parent)]
        check_told_apart(cells)
    except (TypeError, ValueError) as error:
        if isinstance(error, StudyError):
            raise
        raise StudyError(f"in {path}: {error}") from None
    return file, cells


def study_path(path: Path) -> Path:
    """The file of the study that a TOML file declares."""
    return _place(path, _content(path))


def _place(path: Path, content: dict[str, Any]) -> Path:
    name = content.get("study", f"{path.stem}.study")
    if not isinstance(name, str) or not name:
        raise StudyError(f'in {path}: study must be the name of a file, such as "caps.study", got {name!r}')
    return path.parent / name


def _content(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # as Windows writes it
    except OSError as error:
        raise StudyError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} is not TOML: {error}") from None


def _cells(group: dict[str, Any], folder: Path) -> list[Wanted]:
    for name in group:
        checks.choice("key", name, _CELL)
    if "estimators" not in group and "roulettes" not in group:
        raise ValueError("[[cells]] needs estimators, or roulettes: laws of K, for SUMO")
    for name in ("models", "trials"):
        if name not in group:
            raise ValueError(f"[[cells]] needs {name}")
    trials = group["trials"]
    trials = words.number(trials) if isinstance(trials, str) else trials
    seeds = group.get("seeds", [0])
    seeds = range(checks.whole("seeds", seeds, 1, _MOST_SEEDS)) if not isinstance(seeds, list) else seeds
    models: list[Any] = [_placed(word, folder) for word in _words("models", group["models"])]
    estimators = [parse_estimator(word) for word in _words("estimators", group.get("estimators", []))]
    estimators += [SUMO(parse_roulette(word)) for word in _words("roulettes", group.get("roulettes", []))]
    if "params" in group:
        models = [parse_model(word).with_params(params) for word in models for params in _vectors(group["params"])]
    return wanted(models, estimators, trials, seeds, group.get("name"))


def _vectors(value: Any) -> list[list[float]]:
    if not isinstance(value, list) or not value or not all(isinstance(params, list) for params in value):
        raise TypeError(f"params must be a list of vectors, such as [[0.5, 2.0]], got {value!r}")
    return value


def _words(name: str, value: Any) -> list[str]:
    given = value if isinstance(value, list) else [value]
    if not all(isinstance(word, str) for word in given):
        raise TypeError(f"{name} must be a word or a list of words, as on the command line, got {value!r}")
    return given


def _placed(word: str, folder: Path) -> str:
    """``file.py:name`` is relative to the TOML file."""
    file, colon, name = word.partition(".py:")
    if colon:
        return f"{folder / file}.py:{name}"
    return str(folder / word) if word.endswith(".py") else word
