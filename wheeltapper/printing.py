"""What the command line shows: the leaderboard, a verdict, an explained alarm, the ledger, a source's check."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wheeltapper import sources, tables
from wheeltapper.config import Plant, Settings
from wheeltapper.errors import DataError
from wheeltapper.features import cleaning, suspicions
from wheeltapper.workspace import Workspace

_MARKS = {True: "[green]✓[/]", False: "[yellow]✗[/]", None: "–"}
_GOOD = {"promote": "green", "challenge": "green", "keep": "green", "refuse": "yellow"}


def show_run(out: Console, space: Workspace, found: dict[str, Any], plant: str) -> None:
    """Show how a run of the main job ended; ``plant`` is what the user called it."""
    show_leaderboard(out, found["train"])
    show_verdict(out, found["train"])
    if found["score"] is not None:
        _show_strongest_alarm(out, space, found["score"]["bundle"], plant)
    out.print(f"[bold]Report[/]   {escape(found['report'])}")
    settings = space.settings
    out.print(
        "[bold]Look[/]     wheeltapper up    then Prefect "
        f"http://127.0.0.1:{settings.prefect_port} and MLflow http://127.0.0.1:{settings.mlflow_port}"
    )


def show_leaderboard(out: Console, judged: dict[str, Any]) -> None:
    """Show the leaderboard, baselines on top."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column("", no_wrap=True)
    for header in ("found", "delay", "false alarms/week", "cost/asset-week", "VUS-PR (random)"):
        table.add_column(header, justify="right", no_wrap=True)
    for is_baseline, heading in ((True, "baselines"), (False, "candidates")):
        table.add_row(f"[italic]{heading}[/]")
        for row in judged["leaderboard"]:
            if row["is_baseline"] == is_baseline:
                table.add_row(*_cells(row), style=_style(row, judged))
    out.print(f"[bold]Leaderboard[/] of the validate part, by {judged['ranked_by']}")
    out.print(table)
    for note in judged["notes"]:
        out.print(f"[yellow]{escape(note)}[/]")
    out.print()


def _style(row: dict[str, Any], judged: dict[str, Any]) -> str:
    if row["is_baseline"]:
        return "dim"
    return "bold" if row["candidate"] == judged["candidate"] else ""


def _cells(row: dict[str, Any]) -> list[str]:
    delay = row["delay_minutes_median"]
    random = _number(row["vus_pr_random"], "{:.2f}")
    return [
        f"  {escape(row['candidate'])}",
        f"{row['found']} of {row['faults']}" if row["faults"] else "–",
        "–" if delay is None else f"{delay:.0f} min" if delay >= 10 else f"{delay * 60:.0f} s",
        _rate(row),
        _number(row["cost_per_asset_week"], "{:,.0f} " + row["currency"]),
        "–" if row["vus_pr"] is None else f"{row['vus_pr']:.2f} ({random})",
    ]


def _rate(row: dict[str, Any]) -> str:
    """Write false alarms per asset and week with their 95 % interval."""
    rate, low, high = (row[f"false_alarms_per_asset_week{end}"] for end in ("", "_low", "_high"))
    if rate is None:
        return "–"
    form = "{:.0f}" if high >= 100 else "{:.1f}"
    return f"{form.format(rate)} ({form.format(low)}–{form.format(high)})"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def show_verdict(out: Console, judged: dict[str, Any]) -> None:
    """Show the verdict with its reasons, and the chosen candidate on the test part."""
    colour = _GOOD.get(judged["verdict"], "yellow")
    chosen = f" {judged['candidate']}" if judged["candidate"] else ""
    out.print(f"[bold]Verdict[/]  [bold {colour}]{judged['verdict']}{escape(chosen)}[/]")
    for gate in judged["gates"]:
        mark = _MARKS[gate["passed"]] if gate["passed"] is not False or gate["blocks"] else "[yellow]![/]"
        informs = "" if gate["passed"] is not False or gate["blocks"] else " (informs, does not block)"
        out.print(f"       {mark} {escape(gate['name'].replace('_', ' '))}: {escape(gate['reason'])}{informs}")
    if not judged["gates"]:
        out.print(f"         {escape('; '.join(judged['reasons']))}")
    own = [row for row in judged["test"] if row["candidate"] == judged["candidate"]]
    for row in own:
        cells = _cells(row)
        out.print(
            f"         On the test part, looked at once: {cells[1]} faults found, {cells[3]} false alarms "
            f"and {cells[4]} per asset-week."
        )
        cheaper = cheaper_baseline(judged["test"], row)
        if cheaper is not None:
            out.print(
                f"         [yellow]There the baseline {cheaper['candidate']} costs less: {_cells(cheaper)[4]}.[/]"
            )
    out.print()


def cheaper_baseline(rows: list[dict[str, Any]], chosen: dict[str, Any]) -> dict[str, Any] | None:
    """Return the cheapest baseline of a part if it costs less than the chosen candidate, else None."""
    known = [row for row in rows if row["is_baseline"] and row["cost_per_asset_week"] is not None]
    best = min(known, key=lambda row: row["cost_per_asset_week"], default=None)
    own = chosen["cost_per_asset_week"]
    return best if best is not None and own is not None and best["cost_per_asset_week"] < own else None


def _capital(reason: str) -> str:
    name, colon, rest = reason.partition(": ")
    return f"{name.replace('_', ' ')}{colon}{rest}"


def _show_strongest_alarm(out: Console, space: Workspace, bundle: str, plant: str) -> None:
    rows = space.store.read(tables.ALARMS)
    mine = rows[rows["bundle"] == bundle]
    if mine.empty:
        out.print("[bold]Alarm[/]    none so far\n")
        return
    strongest = mine.loc[mine["peak_severity"].idxmax()]
    out.print(f"[bold]Alarm[/]    {escape(strongest['explanation'])}")
    out.print(f"         The strongest of {len(mine)}; all of them: wheeltapper alarms {escape(plant)}\n")


def show_alarms(out: Console, rows: pd.DataFrame) -> None:
    """Show alarms, one sentence each."""
    if rows.empty:
        out.print("no alarms")
    for row in rows.itertuples():
        state = " [red](open)[/]" if row.state == "open" else ""
        out.print(f"{row.tier:<8} {escape(str(row.explanation))}{state}")


def show_ledger(out: Console, entries: pd.DataFrame, breaks: list[str]) -> None:
    """Show every decision."""
    if entries.empty:
        out.print("nothing has been decided yet")
    for row in entries.itertuples():
        version = f" version {row.version}" if row.version else ""
        when = f"{row.time:%Y-%m-%d %H:%M}"
        out.print(f"[bold]{row.sequence:>3}[/]  {when}  [bold]{row.verdict}[/]{version}  by {escape(str(row.actor))}")
        for reason in str(row.reason).split("; "):
            out.print(f"     {escape(_capital(reason))}")
        out.print(f"     [dim]bundle {row.bundle[:12] or 'none'}, run {escape(str(row.run))}, entry {row.hash[:12]}[/]")
    for broken in breaks:
        out.print(f"[bold red]broken[/]   {escape(broken)}")


def check_source(plant: Plant) -> dict[str, Any]:
    """Read a plant's source without writing anything, and describe what is in it.

    Raises
    ------
    DataError
        If not one row could be kept.
    """
    kept, rejected, faults = [], [], 0
    for batch in sources.build(plant.source).read(plant):
        parsed = cleaning.parse(batch, plant)
        kept.append(parsed.rows)
        rejected.append(parsed.rejected)
        faults += len(batch.faults)
    if not kept:
        raise DataError(f"{plant.name}: the source has no readings.")
    aside = pd.concat(rejected, ignore_index=True)
    rows = pd.concat(kept, ignore_index=True)
    found = cleaning.profile(rows, plant, aside)
    suspected = suspicions.suspect(rows, plant, aside, backward_share=found["backward_share"])
    reasons = {str(reason): int(count) for reason, count in aside["reason"].value_counts().head(5).items()}
    return {"plant": plant.name, **found, "faults": faults, "reasons": reasons, "suspicions": [*map(asdict, suspected)]}


def show_check(out: Console, found: dict[str, Any], plant: str) -> None:
    """Show what is in a source."""
    span = f"{found['first']} to {found['last']}"
    out.print(f"[bold]{found['plant']}[/]: {found['rows']:,} readings of {len(found['assets'])} assets, {span}")
    step = found["step_seconds"]
    out.print(f"usual step {step:g} s, {found['gap_count']} gaps" if step else "there are not two readings in a row")
    out.print(f"{found['faults']} known faults")
    aside = sum(found["rejected"].values())
    out.print(f"{aside:,} rows would go to quarantine")
    for reason, count in found["reasons"].items():
        out.print(f"  {count:,} × {escape(reason)}")
    table = Table(box=None, pad_edge=False)
    table.add_column("sensor")
    for header in ("unit", "missing", "min", "mean", "max", "std", "outliers"):
        table.add_column(header, justify="right")
    for name, sensor in found["sensors"].items():
        figures = [_number(sensor[key], "{:.4g}") for key in ("min", "mean", "max", "std")]
        table.add_row(name, sensor["unit"], f"{sensor['missing']:,}", *figures, f"{sensor['outliers']:,}")
    out.print(table)
    for suspected in found["suspicions"]:
        out.print(f"[yellow]suspected {suspected['kind'].replace('_', ' ')}[/]  {escape(suspected['said'])}")
    out.print(f"[dim]Nothing was written. Next: wheeltapper run {escape(plant)} (writes to {Settings().home})[/]")
