"""Verdict: what a training decided, why, and what may help where it refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape

from wheeltapper.cli.printing import cells
from wheeltapper.cli.printing.cells import Row
from wheeltapper.cli.printing.gates import show_gates
from wheeltapper.readings.exclude import BEFORE, NOT_JUDGED, WAYS_OUT
from wheeltapper.training.choose import Judged

_COLOURS = {"promote": "green", "challenge": "green", "keep": "green", "refuse": "yellow"}


def show_verdict(out: Console, judged: Judged) -> None:
    """Show the verdict of a training with its gates and reasons, and the chosen candidate on the test part."""
    colour = _COLOURS.get(judged.verdict, "yellow")
    chosen = f" {judged.candidate}" if judged.candidate else ""
    out.print(f"[bold]Verdict[/]  [bold {colour}]{judged.verdict}{escape(chosen)}[/]")
    show_gates(out, judged.gates)
    if not judged.gates:
        out.print(f"         {escape('; '.join(judged.reasons))}")
    _show_passed_over(out, judged)
    _show_left_out(out, judged.learnt)
    for row in judged.test:
        if row["candidate"] == judged.candidate and "cost_per_asset_week" in row:
            _show_test_part(out, row, judged.test)
    out.print()


def _show_test_part(out: Console, row: Row, rows: Sequence[Row]) -> None:
    """Show how the chosen candidate did on the test part, and whether a baseline costs less there."""
    alarms = cells.false_alarms(row)
    figures = (
        f"{cells.faults_found(row)} faults found; per asset-week {alarms} false alarms and {cells.cost(row)}"
        if row["faults"]
        else f"no faults are known; {alarms} alarms per asset-week"
    )
    out.print(f"         On the test part, used only once: {figures}.")
    cheaper = cheaper_baseline(rows, row)
    if cheaper is not None:
        name = escape(cheaper["candidate"])
        out.print(f"         [yellow]On the test part the baseline {name} costs less: {cells.cost(cheaper)}.[/]")


def cheaper_baseline(rows: Sequence[Row], chosen: Row) -> Row | None:
    """Return the cheapest baseline of a part if it costs less than the chosen candidate, else None."""
    baselines = [row for row in rows if row["is_baseline"] and row["cost_per_asset_week"] is not None]
    cheapest = min(baselines, key=lambda row: row["cost_per_asset_week"], default=None)
    cost = chosen["cost_per_asset_week"]
    if cheapest is None or cost is None or cheapest["cost_per_asset_week"] >= cost:
        return None
    return cheapest


_REMEDIES = {
    "beats_baselines": "A baseline does as well on these windows. Add weeks with known faults, so that the two can be "
    "told apart; or name other candidates or features in the plant's YAML.",
    "keeps_budget": "Give the calibrate part more weeks of normal running (parts), or accept more false alarms "
    "(alarm_budget).",
    "threshold_is_reachable": "The calibrate part contains readings as extreme as a fault. Look at it in the report; "
    "record the faults in it, or leave that time out.",
    "is_not_blind": "Name features of the sensor whose faults are not found, or a candidate that looks at each sensor "
    "alone.",
    "has_learnt": "Train on more normal running, or name a simpler candidate.",
}
"""Failed gate → what may help; only gates that other data or another YAML can change."""


def _show_passed_over(out: Console, judged: Judged) -> None:
    """Show why better placed candidates were not chosen, and what may help after a refusal."""
    for name, failed in judged.passed_over.items():
        gates = ", ".join(f"'{gate.replace('_', ' ')}'" for gate in failed)
        why = f"it fails {gates}" if failed else "it passed no gate, so its quality is unknown"
        out.print(f"         Not {escape(name)}: {escape(why)}.")
    if judged.verdict == "refuse":
        failed = [gate.name for gate in judged.gates if gate.passed is False and gate.blocks]
        for remedy in dict.fromkeys(_REMEDIES[name] for name in failed if name in _REMEDIES):
            out.print(f"         {escape(remedy)}")


def _show_left_out(out: Console, learnt: Mapping[str, Mapping[str, int]]) -> None:
    """Show how many windows were not learnt from because of alarms or a new normal, and how to judge an alarm."""
    counts = {reason: sum(part.get(reason, 0) for part in learnt.values()) for reason in (BEFORE, NOT_JUDGED)}
    reasons = [f"{count:,} windows {reason}" for reason, count in counts.items() if count]
    if reasons:
        out.print(f"         Left out of learning: {', and '.join(reasons)}.")
    if counts[NOT_JUDGED]:
        out.print(f"         {escape(WAYS_OUT)}")
