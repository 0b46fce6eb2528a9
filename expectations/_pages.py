"""Data Docs that stand on their own: a start page in plain words, and pages that fetch nothing over the network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

_OUTSIDE = re.compile(
    r"<script\b.*?</script>|<iframe\b.*?</iframe>|url\(['\"]?https?://[^)]*\)|<(?:link|img|source)\b[^>]*https?://[^>]*>|<link\b[^>]*\bhref=[\"']//[^>]*>",
    re.IGNORECASE | re.DOTALL,
)
_STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 1100px; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
td, th { border: 1px solid #ddd; padding: .35rem .6rem; text-align: left; vertical-align: top; }
h2, h5 { margin-top: 1.6rem; } ul, ol { padding-left: 1.2rem; } a { color: #0b5fa5; }
.collapse, .modal, .ge-walkthrough-modal, .navbar-brand, .btn { display: none; }
.fa-check-circle::before { content: "✓"; color: #1a7f37; } .fa-times::before { content: "✗"; color: #b42318; }
.fa-exclamation-triangle::before { content: "!"; color: #b25e09; }
.broken { color: #b42318; font-weight: 600; } .noted { color: #b25e09; } .kept { color: #1a7f37; }
</style>"""

Line = tuple[str, str, str, str]
"""Promise, severity, ``kept``, ``broken`` or ``noted``, and what came of it."""


def write_pages(docs: Path, *, suite: str, title: str, lines: Sequence[Line]) -> None:
    """Make the pages of a run readable without a network, and write the start page.

    The pages as they are generated load their style and scripts from five other hosts, and their start page is empty
    without them; a plant's network often has no way out.
    """
    for page in docs.rglob("*.html"):
        _make_self_contained(page)
    (docs / "index.html").write_text(_start_page(docs, suite, title, lines), encoding="utf-8")


def _make_self_contained(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    clean = _OUTSIDE.sub("", text)
    if clean != text:
        page.write_text(clean.replace("</head>", f"{_STYLE}\n</head>", 1), encoding="utf-8")


def _start_page(docs: Path, suite: str, title: str, lines: Sequence[Line]) -> str:
    """List the promises, broken ones first, and link to the pages with every detail."""
    order = {"broken": 0, "noted": 1, "kept": 2}
    rows = "\n".join(
        f'<tr><td>{escape(says)}</td><td>{severity}</td><td class="{state}">{escape(outcome)}</td></tr>'
        for says, severity, state, outcome in sorted(lines, key=lambda line: order[line[2]])
    )
    pages = sorted(page.relative_to(docs).as_posix() for page in docs.glob("*/**/*.html"))
    links = "\n".join(f'<li><a href="{escape(page)}">{escape(page)}</a></li>' for page in pages)
    broken = sum(state == "broken" for _, _, state, _ in lines)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(suite)} of {escape(title)}</title>{_STYLE}</head><body>
<h1>What the {escape(suite)} of {escape(title)} promise</h1>
<p>{len(lines)} promises, {broken} broken. A broken critical promise stops the batch; rows that break another are put
aside with their reason; the rest is for information.</p>
<table><tr><th>Promise</th><th>Severity</th><th>Outcome</th></tr>
{rows}
</table>
<h2>Details</h2>
<ul>
{links}
</ul>
</body></html>
"""
