"""How a word of the command line may go on: names of models, estimators and laws, and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastsumo.estimators.parsing import ESTIMATOR_WORDS, LAW_WORDS
from fastsumo.guide import pages, scripts
from fastsumo.models.parsing import built_in


def models(prefix: str, **_: Any) -> list[str]:
    """Built-in models, and Python files."""
    return [*_started(sorted(built_in()), prefix), *_files(prefix, ".py")]


def results(prefix: str, **_: Any) -> list[str]:
    """Saved results."""
    return _files(prefix, ".npz")


def results_and_studies(prefix: str, **_: Any) -> list[str]:
    """Saved results, and studies."""
    return results(prefix) + studies(prefix)


def studies(prefix: str, **_: Any) -> list[str]:
    """Studies as they are named in the documentation, and what declares them."""
    return _files(prefix, ".study") + _files(prefix, ".toml")


def models_and_results(prefix: str, **_: Any) -> list[str]:
    return models(prefix) + results(prefix)


def estimators(prefix: str, **_: Any) -> list[str]:
    """Estimators; their parameters are up to the person."""
    return _started(sorted(ESTIMATOR_WORDS), prefix)


def roulettes(prefix: str, **_: Any) -> list[str]:
    """Laws of `K`."""
    return _started(sorted(LAW_WORDS), prefix)


def pages_of_the_guide(prefix: str, **_: Any) -> list[str]:
    """Pages of the guide, by name."""
    return _started(pages.names(), prefix)


def examples(prefix: str, **_: Any) -> list[str]:
    """Example scripts, by name."""
    return _started(scripts.names(), prefix)


def _started(names: list[str], prefix: str) -> list[str]:
    return [name for name in names if name.startswith(prefix)]


def _files(prefix: str, suffix: str) -> list[str]:
    """Files of that kind, and folders, that begin so."""
    folder, name = prefix.rpartition("/")[0::2]
    above = f"{folder}/" if "/" in prefix else ""
    try:
        found = sorted(path for path in Path(above or ".").iterdir() if path.name.startswith(name))
    except OSError:
        return []
    shown = [path for path in found if name or not path.name.startswith(".")]
    files = [f"{above}{path.name}" for path in shown if path.suffix == suffix and path.is_file()]
    return files + [f"{above}{path.name}/" for path in shown if path.is_dir()]
