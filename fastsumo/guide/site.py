"""``fastsumo guide --html``: the guide, and a reference made of the docstrings, as pages that need no network.

pdoc, which comes with ``fastsumo[docs]``, makes the pages, and Matplotlib the formulas: as paths, since few machines
have a font for formulas.
"""

from __future__ import annotations

import base64
import io
import re
import tempfile
import warnings
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path
from shutil import copy
from types import ModuleType

import fastsumo as fs
from fastsumo.guide import pages

_REFERENCE = ("models", "proposals", "roulette", "tails", "theory", "vmath", "plot")
_FORMULA = re.compile(r"^```math\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FIGURE = re.compile(r"!\[[^\]]*\]\((\w+\.(?:png|svg))\)")


def build(folder: Path, names: Iterable[str], say: Callable[[str], None] = lambda text: None) -> None:
    """Write the site into a folder.

    Parameters
    ----------
    folder : Path
        Made where it is not there; files of the same names are replaced.
    names : iterable of str
        The pages whose code is run, since it draws their figures. The others have none.
    say : callable
        Told what is being done.

    Raises
    ------
    ImportError
        Without pdoc.
    RuntimeError
        If the code of a page fails.
    """
    try:
        import pdoc.doc
        import pdoc.render
        import pdoc.render_helpers
    except ImportError:
        raise ImportError("the site needs pdoc, which is not installed: pip install 'fastsumo[docs]'") from None

    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        drawn = _FIGURE.findall(pages.read(name))
        if drawn:
            say(f"running the code of {name}, for its figures")
            with tempfile.TemporaryDirectory() as scratch:
                pages.run(pages.read(name), Path(scratch))
                for figure in drawn:
                    copy(Path(scratch) / figure, folder)
    guide = [_module(name, _FORMULA.sub(_formula, pages.read(name))) for name in (pages.INDEX, *pages.names())]
    for module in guide:
        module.__doc__ = re.sub(r"\]\((\w+)\.md", r"](\1.html", module.__doc__ or "")
        module.__docformat__ = "markdown"  # type: ignore[attr-defined]
    public = [
        _module("fastsumo", fs.__doc__, fs),
        *(_module(f"fastsumo.{n}", None, getattr(fs, n)) for n in _REFERENCE),
    ]
    every = {module.__name__: pdoc.doc.Module(module) for module in guide + public}
    templates = Path(__file__).with_name("templates")
    pdoc.render.configure(docformat="numpy", show_source=False, template_directory=templates)
    titles = [(name, pages.title(name)) for name in (pages.INDEX, *pages.names())]
    pdoc.render.env.globals.update(guide=titles, reference=[module.__name__ for module in public])
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of types that only a checker imports
        for name, shown in every.items():
            file = folder / f"{name.replace('.', '/')}.html"
            file.parent.mkdir(exist_ok=True)
            file.write_text(pdoc.render.html_module(shown, every), encoding="utf-8")
        (folder / "search.js").write_text(pdoc.render.search_index(every), encoding="utf-8")


def _formula(found: re.Match[str]) -> str:
    """A block of LaTeX as a picture that scales with the text."""
    from matplotlib import rc_context
    from matplotlib.mathtext import math_to_image

    text, drawn = " ".join(found[1].split()).replace("\\frac", "\\dfrac"), io.BytesIO()
    with rc_context({"mathtext.fontset": "cm", "font.size": 12}):
        math_to_image(f"${text}$", drawn, dpi=80, format="svg")
    source = base64.b64encode(drawn.getvalue()).decode()
    return f'\n<div class="formula"><img alt="{escape(text)}" src="data:image/svg+xml;base64,{source}"></div>\n'


def _module(name: str, text: str | None, source: ModuleType | None = None) -> ModuleType:
    """A module of that name with the public names of another."""
    made = ModuleType(name, text or getattr(source, "__doc__", None))
    found = {} if source is None else {n: getattr(source, n) for n in getattr(source, "__all__", vars(source))}
    public = {n: value for n, value in found.items() if not n.startswith("_") and _belongs(value, source)}
    vars(made).update(public, __all__=list(public))
    return made


def _belongs(value: object, module: ModuleType | None) -> bool:
    """Whether a module offers that by its own name."""
    offered = hasattr(module, "__all__") or getattr(value, "__module__", "") == getattr(module, "__name__", None)
    return offered and not isinstance(value, ModuleType)
