"""The pages of the guide: which there are, what they say, and what the code in them prints.

The code of a page is one program: its blocks run in their order, in one folder. A ``python`` block that begins with
``# name.py`` is saved under that name, and a ``toml`` block that begins with ``# name.toml`` too; of an ``sh`` block
the lines that begin with ``fastsumo`` are run. A ``text`` block right below a block is what that block prints; where it
ends with a line ``…``, what the block prints goes on.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from fastsumo.base import checks

INDEX = "index"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARK = "\x1e"
# What stands in the first line of a page's program; all else stands where it stands in the page.
_MARKS = f'_mark = lambda line: print(f"{_MARK}{{line}}", flush=True)'
# The program has no file, so that worker processes do not import it; its functions have their source all the same.
_START = "from pathlib import Path; exec(compile(Path({0!r}).read_bytes(), {0!r}, 'exec'))"
_COMMANDS = "import shlex as _shlex; from fastsumo.cli import main as _main"


class Block(NamedTuple):
    """Code or output in a page, and the line of the page where it begins."""

    kind: str
    text: str
    line: int
    shown: str | None  # what the page says that it prints


def names() -> list[str]:
    """Pages by name, in the order of the index, which names all.

    Examples
    --------
    >>> names()[0]
    'first_model'
    """
    return re.findall(r"\]\((\w+)\.md\)", read(INDEX))


def read(name: str) -> str:
    """The Markdown of a page."""
    if name != INDEX:
        checks.choice("page", name, names())
    return (resources.files(__package__) / f"{name}.md").read_text(encoding="utf-8")


def title(name: str) -> str:
    """The heading of a page.

    Examples
    --------
    >>> title("first_model")
    'A first model'
    """
    return read(name).partition("\n")[0].removeprefix("# ")


def blocks(text: str) -> Iterator[Block]:
    """What a page has between fences.

    Examples
    --------
    >>> page = "```python\\nprint(1)\\n```\\n\\n```text\\n1\\n```\\n"
    >>> [(block.kind, block.line, block.shown) for block in blocks(page)]
    [('python', 1, '1\\n'), ('text', 5, None)]
    """
    found = list(_BLOCK.finditer(text))
    for match, after in zip_longest(found, found[1:]):
        below = after and after[1] == "text" and not text[match.end() : after.start()].strip()
        yield Block(match[1], match[2], text.count("\n", 0, match.start()) + 1, after[2] if after and below else None)


def agrees(printed: str, shown: str) -> bool:
    """Whether a page shows what its code prints.

    Examples
    --------
    >>> agrees("1\\n2\\n", "1\\n…\\n"), agrees("1\\n2\\n", "1\\n")
    (True, False)
    """
    whole = not shown.endswith("\n…\n")
    return printed == shown if whole else printed.startswith(shown[:-2]) and len(printed) > len(shown) - 2


def run(text: str, folder: Path) -> dict[int, str]:
    """Run the code of a page in a folder, where its figures and files will lie.

    Parameters
    ----------
    text : str
        The page.
    folder : Path
        Empty.

    Returns
    -------
    dict
        What each block printed, by its line.

    Raises
    ------
    RuntimeError
        With what the program said, where it failed or warned.
    """
    program = [_MARKS] + [""] * text.count("\n")
    for kind, code, line, _ in blocks(text):
        file = re.match(r"# (\w+\.(?:py|toml))\n", code)
        lines = code.splitlines()
        if file and kind in ("python", "toml"):
            (folder / file[1]).write_text(code, encoding="utf-8")
        elif kind in ("python", "sh"):
            program[line - 1 : line + len(lines)] = [
                f"_mark({line})",
                *(lines if kind == "python" else map(_command, lines)),
            ]
    if any(block.kind == "sh" for block in blocks(text)):
        program[0] += f"; {_COMMANDS}"
    script = folder / "page.py"
    script.write_text("\n".join(program) + "\n", encoding="utf-8")
    start = _START.format(script.name)
    environment = {"PYTHONPATH": _path(), "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "agg", "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", start],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise RuntimeError(f"the code of the page failed:\n{done.stdout}\n{done.stderr}")
    return {int(line): printed for line, printed in re.findall(rf"{_MARK}(\d+)\n([^{_MARK}]*)", done.stdout)}


def _command(line: str) -> str:
    """The line of a program that does what a line of a shell does, if it is ours."""
    return f"assert _main(_shlex.split({line!r})[1:]) == 0" if line.startswith("fastsumo ") else ""


def _path() -> str:
    """Where the program finds this package."""
    return os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
