"""New normal: what changes if another usual level of a machine is accepted."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from wheeltapper.training.rebaseline import Preview


def show_new_normal(out: Console, preview: Preview, plant: str, entry: int | None) -> None:
    """Show what accepting a new normal changes, or has changed.

    Parameters
    ----------
    preview : Preview
    plant : str
        What to type for the plant on a command line.
    entry : int or None
        Number of the ledger entry; None where nothing was accepted yet.
    """
    start = f"{preview.since:%Y-%m-%d %H:%M}"
    out.print(f"[bold]{escape(preview.asset)}[/] from {start} UTC on, in regime {preview.regime}")
    out.print(_levels(preview))
    for part, counts in preview.windows.items():
        (_, learnt), *left_out = counts.items()
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in left_out)
        out.print(f"{part:<10} {learnt:,} windows learnt from" + (f"; {reasons}" if reasons else ""))
    stops = len(preview.stops)
    out.print(f"alarms     {stops} of the live model since then would no longer open" if stops else "alarms     none")
    if entry is None:
        begin = f"{preview.since:%Y-%m-%dT%H:%M:%SZ}"
        out.print("Nothing was written. To accept it, add --yes; to compare another instant, change --from:")
        out.print(f"  wheeltapper rebaseline {escape(plant)} {escape(shlex.quote(preview.asset))} --from {begin} --yes")
    else:
        name = escape(plant)
        out.print(f"accepted (ledger entry {entry}). Next: wheeltapper train {name}, then wheeltapper score {name}")


def _levels(preview: Preview) -> Table:
    """Compare each sensor's usual level and spread before and after the instant."""
    table = Table(box=None, pad_edge=False)
    for header in ("sensor", "unit", "usual before", "spread", "usual since", "spread", ""):
        table.add_column(header, justify="left" if header in ("sensor", "unit", "") else "right")
    for level in preview.levels:
        figures = (level.before, level.spread_before, level.since, level.spread_since)
        texts = ["–" if value is None else f"{value:.5g}" for value in figures]
        table.add_row(level.sensor, escape(level.unit), *texts, "[bold]moved[/]" if level.has_moved else "")
    return table
