"""Leaderboard: every candidate of a training, baselines on top."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wheeltapper.cli.printing import cells
from wheeltapper.cli.printing.cells import Row
from wheeltapper.evaluation.leaderboard import BY_SELF_TEST
from wheeltapper.training.choose import Judged

_Columns = Mapping[str, Callable[[Row], str]]

_WITH_FAULTS: _Columns = {
    "found": cells.faults_found,
    "delay": cells.delay,
    "false alarms/week": cells.false_alarms,
    "cost/asset-week": cells.cost,
    "VUS-PR (random)": cells.ranking_quality,
}
_WITHOUT_FAULTS: _Columns = {
    "self-test faults found": cells.self_test_share,
    "alarms/week": cells.false_alarms,
}
"""Where no fault is known: only the self-test and the number of alarms can be compared."""


def show_leaderboard(out: Console, judged: Judged) -> None:
    """Show the leaderboard of a training, and below it what limits its figures."""
    columns = _columns(judged)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column("", no_wrap=True)
    for header in columns:
        table.add_column(header, justify="right", no_wrap=True)
    for heading, is_baseline in (("baselines", True), ("candidates", False)):
        table.add_row(f"[italic]{heading}[/]")
        for row in judged.leaderboard:
            if row["is_baseline"] == is_baseline:
                figures = [cell(row) for cell in columns.values()]
                table.add_row(f"  {escape(row['candidate'])}", *figures, style=_style(row, judged.candidate))
    out.print(f"[bold]Leaderboard[/] of the validate part, ranked by {judged.ranked_by}")
    out.print(table)
    for note in judged.notes:
        out.print(f"[yellow]{escape(note)}[/]")
    out.print()


def _columns(judged: Judged) -> _Columns:
    """Return what is shown of each candidate; of an objective that raises no alarms every single figure."""
    if judged.ranked_by == BY_SELF_TEST:
        return _WITHOUT_FAULTS
    if not judged.leaderboard or "cost_per_asset_week" in judged.leaderboard[0]:
        return _WITH_FAULTS
    first = judged.leaderboard[0]
    figures = [name for name, value in first.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    return {name: partial(cells.figure, name) for name in figures}


def _style(row: Row, chosen: str | None) -> str:
    if row["is_baseline"]:
        return "dim"
    return "bold" if row["candidate"] == chosen else ""
