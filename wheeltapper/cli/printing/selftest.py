"""Self-test: the smallest fault of each sensor and kind that a model finds."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wheeltapper.cli.printing.gates import show_gates
from wheeltapper.selftest.champion import Examined


def show_selftest(out: Console, result: Examined) -> None:
    """Show the smallest fault of each sensor and kind that a model finds, and its gates."""
    from wheeltapper.reporting.text.selftest import grid

    content = grid(result.as_dict())
    out.print(
        f"[bold]Self-test[/] of {escape(result.detector)} on {result.windows:,} normal windows, "
        f"{result.start[:16]} to {result.until[:16]}"
    )
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("smallest fault found", no_wrap=True)
    for kind in content["kinds"]:
        table.add_column(kind, justify="right", no_wrap=True)
    for row in content["rows"]:
        table.add_row(escape(row["sensor"]), *(escape(cell["text"]) for cell in row["cells"]))
    out.print(table)
    for note in content["notes"]:
        out.print(f"[dim]{escape(note)}[/]")
    colour, outcome = ("green", "passed") if result.passed else ("yellow", "failed")
    out.print(f"[bold]Gates[/]    [bold {colour}]{outcome}[/]")
    show_gates(out, result.test.gates)
