"""Data Docs without a network: a start page in plain English, and pages that load nothing from other hosts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

_OUTSIDE = re.compile(
    r"<script\b.*?</script>|<iframe\b.*?</iframe>|url\(['\"]?https?://[^)]*\)|<(?:link|img|source)\b[^>]*https?://[^>]*>"
    r"|<link\b[^>]*\bhref=[\"']//[^>]*>|<link\b[^>]*\brel=[\"']shortcut icon[^>]*>",
    re.IGNORECASE | re.DOTALL,
)
# Parts that need a script, or that the start page shows better: a failure that is only for information.
_IDLE = re.compile(
    r"<footer>.*?</footer>|<a data-toggle=\"collapse\".*?</a>|<br> Data asset: None"
    r"|<br> <span class=\"h6\" >Status:</span> <i [^>]*></i> \w+",
    re.DOTALL,
)
_ONLY_NOTED = re.compile(r"fa-times text-danger(\"[^>]*></i>(?:(?!<i ).)*?\[if not: is noted\])", re.DOTALL)
_STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 1100px; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
td, th { border: 1px solid #ddd; padding: .35rem .6rem; text-align: left; vertical-align: top; }
h2, h5 { margin-top: 1.6rem; } ul, ol { padding-left: 1.2rem; } a { color: #0b5fa5; }
h5 { font-size: 1.15rem; } summary { cursor: pointer; margin-top: 1.5rem; color: #0b5fa5; }
.collapse, .modal, .ge-walkthrough-modal, .navbar-brand, .btn, .card.mb-3 { display: none; }
.fa-check-circle::before { content: "✓"; color: #1a7f37; } .fa-times::before { content: "✗"; color: #b42318; }
.fa-exclamation-triangle::before { content: "!"; color: #b25e09; }
.broken { color: #b42318; font-weight: 600; } .noted { color: #b25e09; } .kept { color: #1a7f37; }
</style>"""

KEPT = 24
"""Outcomes of earlier runs that stay, of each suite."""

Line = tuple[str, str, str, str]
"""Promise; its consequence if broken; ``kept``, ``broken`` or ``noted``; and the outcome as a sentence."""


def write_pages(docs: Path, *, suite: str, title: str, lines: Sequence[Line], details: Mapping[str, str]) -> None:
    """Write the start page of a run, and the pages of its details so that they are readable without a network.

    GX's pages load their style and scripts from five other hosts; a plant's network often has no access to the
    internet. Of the outcomes of earlier runs the newest `KEPT` stay: a plant that is watched for years makes one an
    hour.

    Parameters
    ----------
    details : mapping of path to HTML
        GX's pages; the paths are relative to ``docs``.
    """
    for path, page in details.items():
        place = docs / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(_self_contained(page), encoding="utf-8")
    _forget_old(docs)
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "index.html").write_text(_start_page(docs, suite, title, lines), encoding="utf-8")


def _self_contained(page: str) -> str:
    clean = _ONLY_NOTED.sub(r"fa-exclamation-triangle\1", _IDLE.sub("", _OUTSIDE.sub("", page)))
    return clean.replace("</head>", f"{_STYLE}\n</head>", 1)


def _forget_old(docs: Path) -> None:
    """Delete all outcomes but the newest of each suite; folders of outcomes are named by time."""
    for runs in docs.glob("validations/*/*"):
        for old in sorted(runs.iterdir())[:-KEPT]:
            shutil.rmtree(old)


def _start_page(docs: Path, suite: str, title: str, lines: Sequence[Line]) -> str:
    """List broken promises, then noted ones; fold away the kept ones; link to the pages with every detail."""
    broken, noted, kept = ([line for line in lines if line[2] == state] for state in ("broken", "noted", "kept"))
    counts = f"{len(lines)} promises: {len(broken)} broken, {len(noted)} noted, {len(kept)} kept."
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(suite)} of {escape(title)}</title>{_STYLE}</head><body>
<h1>What the {escape(suite)} of {escape(title)} promise</h1>
<p>{counts}</p>
<p>A promise has one of three severities. <strong>Critical</strong>: a broken one stops the batch, and nothing of it is
stored. <strong>Warning</strong>: it puts the row aside, into the quarantine table, and the others go on.
<strong>Info</strong>: it is noted here and in the log, and changes nothing.</p>
{_table(broken + noted) if broken or noted else ""}
<details{"" if broken or noted else " open"}><summary>{len(kept)} promises were kept</summary>
{_table(kept)}
</details>
<h2>Details, as Great Expectations writes them</h2>
<ul>
{_links(docs)}
</ul>
</body></html>
"""


def _table(lines: Sequence[Line]) -> str:
    rows = "\n".join(
        f'<tr><td>{escape(promise)}</td><td>{escape(consequence)}</td><td class="{state}">{escape(outcome)}</td></tr>'
        for promise, consequence, state, outcome in lines
    )
    return f"<table><tr><th>Promise</th><th>If broken, it</th><th>Outcome</th></tr>\n{rows}\n</table>"


def _links(docs: Path) -> str:
    """Name each page by what it shows."""
    shows = {"validations": "the outcome of each promise", "expectations": "the promises alone"}
    pages = sorted(
        (page.relative_to(docs) for page in docs.glob("*/**/*.html")),
        key=lambda page: (page.parts[0] != "validations", page.stem),
    )
    return "\n".join(
        f'<li><a href="{escape(page.as_posix())}">{escape(page.stem.removeprefix("wheeltapper-").replace("_", ": "))}, '
        f"{shows.get(page.parts[0], page.parts[0])}</a></li>"
        for page in pages
    )
