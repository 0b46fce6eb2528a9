"""Commands with which a person decides; every decision is recorded in the ledger."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated, TypedDict

import typer
from rich.markup import escape

from wheeltapper.cli.application import app, open_plant, out, print_json
from wheeltapper.cli.options import JsonOption, ObjectiveArgument, PlantArgument, parse_instant
from wheeltapper.errors import ConfigError


class _Who(TypedDict):
    """The person who decides, and the time."""

    actor: str
    now: datetime


ToOption = Annotated[int | None, typer.Option("--to", help="The version that becomes champion.")]


@app.command()
def promote(plant: PlantArgument, objective: ObjectiveArgument = "detect", to: ToOption = None) -> None:
    """Make a version the champion by hand: the challenger, or the version given with --to."""
    from wheeltapper.decisions import promotion

    space = open_plant(plant)
    with space.alone():
        entry = promotion.promote(space, objective, to, actor=getpass.getuser(), now=datetime.now(UTC))
    done = f"version {entry['version']} is now the champion (ledger entry {entry['sequence']})."
    out.print(f"{done} Next: wheeltapper score {escape(space.to_type)}")


@app.command()
def rollback(plant: PlantArgument, objective: ObjectiveArgument = "detect", to: ToOption = None) -> None:
    """Return to the previous champion, or to the version given with --to."""
    from wheeltapper.decisions import promotion

    space = open_plant(plant)
    with space.alone():
        entry = promotion.roll_back(space, objective, to, actor=getpass.getuser(), now=datetime.now(UTC))
    done = f"version {entry['version']} is the champion again (ledger entry {entry['sequence']})."
    out.print(f"{done} Next: wheeltapper score {escape(space.to_type)}")


AlarmArgument = Annotated[
    str,
    typer.Argument(
        metavar="ALARM_ID", help="The identifier of the alarm, or its first characters; `wheeltapper alarms` shows it."
    ),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="The reason, for the ledger.")]
UndoOption = Annotated[bool, typer.Option("--undo", help="Withdraw the decision.")]


@app.command()
def confirm(
    plant: PlantArgument,
    alarm: AlarmArgument,
    kind: Annotated[str, typer.Option("--kind", help="The kind of fault, such as one of the asset type.")] = "",
    reason: ReasonOption = "",
    undo: UndoOption = False,
) -> None:
    """Confirm that an alarm is a fault: models are judged by it, and none learns from it."""
    from wheeltapper.decisions import feedback

    space = open_plant(plant)
    who: _Who = {"actor": getpass.getuser(), "now": datetime.now(UTC)}
    with space.alone():
        if undo:
            entry = feedback.take_back_alarm(space, alarm, "confirm", **who)
        else:
            entry = feedback.confirm(space, alarm, kind or feedback.KIND, reason=reason, **who)
    effect = "no longer a confirmed fault" if undo else "confirmed as a fault; no model learns from it"
    out.print(f"{effect} (ledger entry {entry['sequence']}). Next: wheeltapper train {escape(space.to_type)}")


@app.command()
def dismiss(plant: PlantArgument, alarm: AlarmArgument, reason: ReasonOption = "", undo: UndoOption = False) -> None:
    """Declare that an alarm is not a fault: models may learn from its windows again."""
    from wheeltapper.decisions import feedback

    space = open_plant(plant)
    who: _Who = {"actor": getpass.getuser(), "now": datetime.now(UTC)}
    with space.alone():
        if undo:
            entry = feedback.take_back_alarm(space, alarm, "dismiss", **who)
        else:
            entry = feedback.dismiss(space, alarm, reason=reason, **who)
    effect = "no longer judged" if undo else "dismissed: not a fault; models may learn from it"
    out.print(f"{effect} (ledger entry {entry['sequence']}). Next: wheeltapper train {escape(space.to_type)}")


@app.command()
def rebaseline(
    plant: PlantArgument,
    asset: Annotated[str, typer.Argument(metavar="ASSET", help="The machine whose normal state has changed.")],
    since: Annotated[
        str | None, typer.Option("--from", help="First instant of the new normal state, such as 2026-01-31T06:00Z.")
    ] = None,
    sensor: Annotated[
        list[str] | None,
        typer.Option("--sensor", help="Accept only if no other sensor has moved; may be given several times."),
    ] = None,
    reason: ReasonOption = "",
    yes: Annotated[bool, typer.Option("--yes", help="Accept it. Without --yes, only the changes are shown.")] = False,
    undo: UndoOption = False,
    as_json: JsonOption = False,
) -> None:
    """Accept a new normal state of a machine: from the next training on, nothing before this instant is learnt from."""
    import pandas as pd

    from wheeltapper.cli.printing.new_normal import show_new_normal
    from wheeltapper.training import rebaseline

    space = open_plant(plant)
    who: _Who = {"actor": getpass.getuser(), "now": datetime.now(UTC)}
    if undo:
        if since is not None or yes:
            raise ConfigError(
                "--undo withdraws the latest new normal, so --from and --yes cannot be given with it. Leave them out."
            )
        with space.alone():
            undone = rebaseline.take_back_normal(space, asset, **who)["sequence"]
        done = f"models may learn from all readings of {escape(asset)} again (ledger entry {undone})."
        out.print(f"{done} Next: wheeltapper train {escape(space.to_type)}")
        return
    if since is None:
        raise ConfigError(
            "the first instant of the new normal state is missing. Name it, such as --from 2026-01-31T06:00Z."
        )
    sensors = tuple(sensor or ())
    with space.alone():
        preview = rebaseline.preview(space, asset, pd.Timestamp(parse_instant(since)), sensors)
        entry = rebaseline.rebaseline(space, preview, sensors, reason=reason, **who) if yes else None
    number = entry["sequence"] if entry else None
    if as_json:
        print_json(preview.as_dict() | {"ledger": number})
    else:
        show_new_normal(out, preview, space.to_type, number)
