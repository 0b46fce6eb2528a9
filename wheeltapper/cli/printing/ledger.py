"""Ledger: every decision about a plant, with its reasons."""

from __future__ import annotations

import re

import pandas as pd
from rich.console import Console
from rich.markup import escape

_NEXT_GATE = re.compile(r"; (?=[a-z]+(?:_[a-z]+)+: )")
"""Between the reasons of two gates; a semicolon within a reason does not separate."""


def show_ledger(out: Console, entries: pd.DataFrame, breaks: list[str]) -> None:
    """Show every decision, and where the chain of hashes is broken."""
    if entries.empty:
        out.print("no decision yet")
    for entry in entries.to_dict("records"):
        version = f" version {entry['version']}" if entry["version"] else ""
        verdict = f"{entry['time']:%Y-%m-%d %H:%M}  [bold]{entry['verdict']}[/]{version}"
        out.print(f"[bold]{entry['sequence']:>3}[/]  {verdict}  by {escape(str(entry['actor']))}")
        for reason in re.split(_NEXT_GATE, str(entry["reason"])):
            out.print(f"     {escape(_readable(reason))}")
        bundle, run = entry["bundle"][:12] or "none", escape(str(entry["run"]))
        out.print(f"     [dim]bundle {bundle}, run {run}, entry {entry['hash'][:12]}[/]")
    for problem in breaks:
        out.print(f"[bold red]broken[/]   {escape(problem)}")


def _readable(reason: str) -> str:
    """Write the gate's name before its reason with spaces."""
    name, colon, rest = reason.partition(": ")
    return f"{name.replace('_', ' ')}{colon}{rest}"
