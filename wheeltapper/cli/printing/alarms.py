"""Alarms: one sentence for each, which says when, how strong and why."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.markup import escape

from wheeltapper import tables
from wheeltapper.scoring.alarm_records import standing
from wheeltapper.workspace import Workspace

_JUDGED = {"confirm": "confirmed", "dismiss": "dismissed"}
_STATES = {"open": " [red](open)[/]", "withdrawn": " [dim](withdrawn)[/]"}


def show_alarms(out: Console, rows: pd.DataFrame) -> None:
    """Show alarms, one sentence each.

    Parameters
    ----------
    rows : DataFrame like `tables.ALARMS`
        With one more column, ``judged``: confirm, dismiss, or empty where no person has judged the alarm.
    """
    if rows.empty:
        out.print("no alarms")
    for row in rows.to_dict("records"):
        state = _STATES.get(row["state"], "")
        judged = f" [green]({_JUDGED[row['judged']]})[/]" if row.get("judged") else ""
        explanation = escape(str(row["explanation"]))
        out.print(f"[dim]{row['alarm_id']}[/]  {row['tier']:<8} {explanation}{state}{judged}")


def show_strongest_alarm(out: Console, space: Workspace, bundle: str, plant: str) -> None:
    """Show the strongest alarm of one model; ``plant`` is what the user called the plant."""
    rows = standing(space.store.read(tables.ALARMS))
    alarms = rows[rows["bundle"] == bundle]
    if alarms.empty:
        out.print("[bold]Alarm[/]    none so far\n")
        return
    strongest = alarms.iloc[int(alarms["peak_severity"].to_numpy().argmax())]
    out.print(f"[bold]Alarm[/]    {escape(strongest['explanation'])}")
    out.print(f"         This is the strongest of {len(alarms)}. To list all: wheeltapper alarms {escape(plant)}\n")
