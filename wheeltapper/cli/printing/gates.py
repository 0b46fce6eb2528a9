"""Gates: what a model must show before it may go live, and whether it did."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from wheeltapper.evaluation.gates import Gate

_MARKS = {True: "[green]✓[/]", False: "[yellow]✗[/]", None: "–"}


def show_gates(out: Console, gates: Sequence[Gate]) -> None:
    """Show one line for each gate: passed, failed or not judged, with the reason."""
    for gate in gates:
        is_warning = gate.passed is False and not gate.blocks
        mark = "[yellow]![/]" if is_warning else _MARKS[gate.passed]
        effect = " (a warning only, it does not block)" if is_warning else ""
        out.print(f"       {mark} {escape(gate.name.replace('_', ' '))}: {escape(gate.reason)}{effect}")
