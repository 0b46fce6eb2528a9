"""Commands with which a person decides; every decision is in the ledger."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated, TypedDict

import typer
from rich.markup import escape

from wheeltapper.cli._desk import (
    JsonOption,
    ObjectiveArgument,
    PlantArgument,
    app,
    instant,
    open_plant,
    out,
    print_json,
)
from wheeltapper.errors import ConfigError


class _Who(TypedDict):
    """Who decides, and when."""

    actor: str
    now: datetime


ToOption = Annotated[int | None, typer.Option("--to", help="The version to make champion.")]


@app.command()
def promote(plant: PlantArgument, objective: ObjectiveArgument = "detect", to: ToOption = None) -> None:
    """Make a version champion by hand: the challenger, unless --to names another."""
    from wheeltapper.decisions.promotion import promote as decide

    space = open_plant(plant)
    with space.alone():
        entry = decide(space, objective, to, actor=getpass.getuser(), now=datetime.now(UTC))
    done = f"version {entry['version']} is champion now (ledger entry {entry['sequence']})."
    out.print(f"{done} Next: wheeltapper score {escape(space.to_type)}")


@app.command()
def rollback(plant: PlantArgument, objective: ObjectiveArgument = "detect", to: ToOption = None) -> None:
    """Return to the champion before this one, or to the version that --to names."""
    from wheeltapper.decisions.promotion import roll_back as decide

    space = open_plant(plant)
    with space.alone():
        entry = decide(space, objective, to, actor=getpass.getuser(), now=datetime.now(UTC))
    done = f"back to version {entry['version']} (ledger entry {entry['sequence']})."
    out.print(f"{done} Next: wheeltapper score {escape(space.to_type)}")


AlarmArgument = Annotated[
    str, typer.Argument(metavar="ALARM_ID", help="The alarm's name, or its beginning; `wheeltapper alarms` shows it.")
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the ledger.")]
UndoOption = Annotated[bool, typer.Option("--undo", help="Take the decision back.")]


@app.command()
def confirm(
    plant: PlantArgument,
    alarm: AlarmArgument,
    kind: Annotated[str, typer.Option("--kind", help="What was wrong, such as a fault of the asset type.")] = "",
    reason: ReasonOption = "",
    undo: UndoOption = False,
) -> None:
    """Say that an alarm is a fault: models are judged by it, and none ever learns from it."""
    from wheeltapper.decisions import feedback

    space = open_plant(plant)
    who: _Who = {"actor": getpass.getuser(), "now": datetime.now(UTC)}
    with space.alone():
        if undo:
            entry = feedback.take_back_alarm(space, alarm, "confirm", **who)
        else:
            entry = feedback.confirm(space, alarm, kind or feedback.KIND, reason=reason, **who)
    said = "it is no confirmed fault any more" if undo else "it is a fault, and never learnt from"
    out.print(f"{said} (ledger entry {entry['sequence']}). Next: wheeltapper train {escape(space.to_type)}")


@app.command()
def dismiss(plant: PlantArgument, alarm: AlarmArgument, reason: ReasonOption = "", undo: UndoOption = False) -> None:
    """Say that an alarm is no fault: its windows may be learnt from again."""
    from wheeltapper.decisions import feedback

    space = open_plant(plant)
    who: _Who = {"actor": getpass.getuser(), "now": datetime.now(UTC)}
    with space.alone():
        if undo:
            entry = feedback.take_back_alarm(space, alarm, "dismiss", **who)
        else:
            entry = feedback.dismiss(space, alarm, reason=reason, **who)
    said = "nobody has judged it any more" if undo else "it is no fault, and may be learnt from"
    out.print(f"{said} (ledger entry {entry['sequence']}). Next: wheeltapper train {escape(space.to_type)}")


@app.command()
def rebaseline(
    plant: PlantArgument,
    asset: Annotated[str, typer.Argument(metavar="ASSET", help="The machine that has a new normal.")],
    since: Annotated[
        str | None, typer.Option("--from", help="First instant of the new normal, such as 2026-01-31T06:00Z.")
    ] = None,
    sensor: Annotated[
        list[str] | None,
        typer.Option("--sensor", help="Accept only if no sensor but these has moved; may come several times."),
    ] = None,
    reason: ReasonOption = "",
    yes: Annotated[bool, typer.Option("--yes", help="Accept it; without, it is only shown what would change.")] = False,
    undo: UndoOption = False,
    as_json: JsonOption = False,
) -> None:
    """Accept a new normal of a machine from an instant on: the next training learns from nothing before it."""
    import pandas as pd

    from wheeltapper.cli.printing import show_new_normal
    from wheeltapper.training import rebaseline

    space = open_plant(plant)
    who: _Who = {"actor": getpass.getuser(), "now": datetime.now(UTC)}
    if undo:
        if since is not None or yes:
            raise ConfigError("--undo takes the latest new normal back: leave --from and --yes out, or --undo.")
        with space.alone():
            undone = rebaseline.take_back_normal(space, asset, **who)["sequence"]
        done = f"the whole past of {escape(asset)} counts again (ledger entry {undone})."
        out.print(f"{done} Next: wheeltapper train {escape(space.to_type)}")
        return
    if since is None:
        raise ConfigError("from when on is it normal? Name the instant: --from 2026-01-31T06:00Z")
    sensors = tuple(sensor or ())
    with space.alone():
        found = rebaseline.preview(space, asset, pd.Timestamp(instant(since)), sensors)
        entry = rebaseline.rebaseline(space, found, sensors, reason=reason, **who) if yes else None
    number = entry["sequence"] if entry else None
    if as_json:
        print_json(found.as_dict() | {"ledger": number})
    else:
        show_new_normal(out, found, space.to_type, number)
