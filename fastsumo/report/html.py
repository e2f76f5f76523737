"""A page of HTML that needs nothing from elsewhere. Its rows and tables are of `fastsumo.base.html`.

Nothing here knows what a result is.
"""

from __future__ import annotations

from fastsumo.base.html import escape

# Light and dark, phone and paper. Figures stay on white; the small paths of trials take blue and orange by name.
STYLE = """
:root { color-scheme: light dark; --paper: #fbfbf9; --card: #ffffff; --ink: #1c1e21; --soft: #5b6169; --line: #dcdfe3;
  --blue: #0072B2; --orange: #D55E00; --green: #009E73; }
@media (prefers-color-scheme: dark) { :root { --paper: #131518; --card: #1c1f24; --ink: #e7e9ec; --soft: #a5acb5;
  --line: #343a42; --blue: #56B4E9; --orange: #F0883E; --green: #3FC79A; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem clamp(0.8rem, 3vw, 2.5rem) 4rem; max-width: 100rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 0.25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 0.6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 0.4rem; overflow-wrap: anywhere; }
p { margin: 0.4rem 0; max-width: 52rem; }
.soft, figcaption { color: var(--soft); }
figcaption { font-size: 0.875rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 0.9rem 1.1rem; }
.card > h2:first-child, .card > h3:first-child, figure h3 { margin-top: 0; }
.big { font-size: clamp(1.5rem, 6vw, 2.3rem); font-weight: 600; font-variant-numeric: tabular-nums; margin: 0.1rem 0; }
.warn { border-left: 4px solid var(--orange); }
.good { border-left: 4px solid var(--green); }
.figures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr)); }
figure { margin: 0; }
figure > svg, .figure > svg { display: block; width: 100%; height: auto; max-width: 36rem; margin: 0 auto;
  border-radius: 4px; }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.7rem 0.25rem 0; text-align: right; vertical-align: top; white-space: nowrap; }
th { font-weight: 600; border-bottom: 1px solid var(--line); vertical-align: bottom; }
td + td, th + th { padding-left: 0.7rem; }
.left { text-align: left; }
.rows th { border: 0; text-align: left; color: var(--soft); font-weight: 500; vertical-align: top; }
.rows td { text-align: left; white-space: normal; overflow-wrap: anywhere; max-width: 46rem; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 0.7rem 0.9rem;
  margin: 0.4rem 0; white-space: pre-wrap; overflow-wrap: anywhere;
  font: 0.875rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
.spark { display: block; width: 11rem; height: 2.4rem; }
a { color: var(--blue); }
nav a { display: inline-block; margin-right: 0.9rem; white-space: nowrap; }
li { margin: 0.3rem 0; max-width: 50rem; }
ul { margin: 0.4rem 0; padding-left: 1.2rem; }
.bar { display: inline-block; height: 0.7em; background: var(--blue); border-radius: 1px; print-color-adjust: exact; }
@media print { :root { color-scheme: light; --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb;
  --blue: #0072B2; --orange: #D55E00; --green: #009E73; }
  body { font-size: 10pt; padding: 0; max-width: none; } nav { display: none; }
  .figures { grid-template-columns: 1fr 1fr; } figure, tr, pre, .card { break-inside: avoid; }
  h2, h3 { break-after: avoid; } .scroll { overflow: visible; } }
"""


def page(title: str, body: str) -> str:
    """A whole page."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="fastsumo">\n<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def section(name: str, title: str, body: str, level: int = 2) -> str:
    """A part of a page that a link can name."""
    return f'<section id="{escape(name)}"><h{level}>{escape(title)}</h{level}>{body}</section>'
