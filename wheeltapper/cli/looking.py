"""Commands that look, and change nothing."""

from __future__ import annotations

import json
import shlex
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from wheeltapper import config
from wheeltapper.cli._desk import JsonOption, PlantArgument, app, datasets_app, open_plant, out, print_json, store_app
from wheeltapper.config import Settings
from wheeltapper.errors import NoChampionError


@app.command()
def plants(as_json: JsonOption = False) -> None:
    """List the plants of conf/."""
    from wheeltapper.training import check_plant

    found = {name: check_plant.load(str(path)) for name, path in config.plant_files().items()}
    if as_json:
        print_json(
            [
                {"name": name, "description": plant.description, "asset_type": plant.asset_type.name}
                for name, plant in found.items()
            ]
        )
        return
    table = Table(box=None, pad_edge=False)
    for header in ("plant", "asset type", "sensors", "description"):
        table.add_column(header)
    for name, plant in found.items():
        table.add_row(name, plant.asset_type.name, str(len(plant.asset_type.sensors)), escape(plant.description))
    out.print(table)


@app.command()
def check(plant: PlantArgument, as_json: JsonOption = False) -> None:
    """Read a plant's source and say what is in it, or which options would read it; nothing is written."""
    from wheeltapper import plants
    from wheeltapper.cli.printing import show_check
    from wheeltapper.readings.survey.survey import survey
    from wheeltapper.training import check_plant

    found = survey(plants.load(plant))
    if as_json:
        print_json(found)
    else:
        show_check(out, found, shlex.quote(plant))
    if "problem" in found:
        raise typer.Exit(2)
    check_plant.load(plant)  # what is wrong elsewhere in the plant is told as well


@app.command()
def leaderboard(plant: PlantArgument, as_json: JsonOption = False) -> None:
    """Show what the last training tried, baselines on top."""
    from wheeltapper.cli.printing import show_leaderboard, show_verdict

    judged = _last_judged(plant)
    if as_json:
        print_json(
            {
                name: judged[name]
                for name in ("verdict", "reasons", "candidate", "leaderboard", "test", "gates", "notes")
            }
        )
        return
    show_leaderboard(out, judged)
    show_verdict(out, judged)


@app.command()
def report(plant: PlantArgument, as_json: JsonOption = False) -> None:
    """Say where the report of a plant is."""
    space = open_plant(plant)
    path = space.reports / "report.html"
    if not path.is_file():
        raise NoChampionError(f"{plant} has no report yet. Run: wheeltapper run {space.to_type}")
    if as_json:
        print_json({"report": str(path)})
    else:
        out.print(str(path))


@app.command()
def ledger(plant: PlantArgument, as_json: JsonOption = False) -> None:
    """Show every decision with its reasons; says where the chain of hashes is broken."""
    from wheeltapper.cli.printing import show_ledger
    from wheeltapper.decisions import ledger as book

    space = open_plant(plant)
    entries, breaks = book.entries(space.store), book.verify(space.store)
    if as_json:
        rows = json.loads(entries.to_json(orient="records", date_format="iso"))
        print_json({"entries": rows, "breaks": breaks})
    else:
        show_ledger(out, entries, breaks)
    if breaks:
        raise typer.Exit(1)


@app.command()
def alarms(plant: PlantArgument, as_json: JsonOption = False) -> None:
    """Show the alarms of the live model, newest first, each explained, and what a person has said about it."""
    from wheeltapper import tables
    from wheeltapper.cli.printing import show_alarms
    from wheeltapper.decisions import feedback
    from wheeltapper.decisions import ledger as book
    from wheeltapper.workspace import OBJECTIVE

    space = open_plant(plant)
    store = space.store
    live = book.live(store, OBJECTIVE)
    if live is None:
        raise NoChampionError(f"{plant} has no live model yet. Run: wheeltapper run {space.to_type}")
    rows = store.read(tables.ALARMS).sort_values("opened_at", ascending=False)
    rows = rows[rows["bundle"] == live["bundle"]]
    said = {one.alarm: one.word for one in feedback.in_force(store) if one.alarm}
    rows = rows.assign(judged=[said.get(name, "") for name in rows["alarm_id"]])
    if as_json:
        print_json(json.loads(rows.to_json(orient="records", date_format="iso")))
    else:
        show_alarms(out, rows)


@store_app.command("verify")
def store_verify(as_json: JsonOption = False) -> None:
    """Check every file of every table (log, size, SHA-256, page checksums, row counts) and of every model version."""
    from dataclasses import asdict

    from wheeltapper.store import verify_all

    settings = Settings()
    damage = [{name: str(value) for name, value in asdict(one).items()} for one in verify_all(settings.store)]
    damage += _damaged_bundles(settings)
    if as_json:
        print_json(damage)
    else:
        for one in damage:
            out.print(f"[red]{escape(one['path'])}[/]: {escape(one['what'])}")
        out.print("every file is as it was written" if not damage else f"{len(damage)} files are damaged")
    if damage:
        raise typer.Exit(1)


def _damaged_bundles(settings: Settings) -> list[dict[str, str]]:
    """List the registered bundles of all plants that are not as they were written."""
    from wheeltapper import manifest
    from wheeltapper.errors import BundleError
    from wheeltapper.registry import Registry
    from wheeltapper.workspace import OBJECTIVE

    if not settings.artifacts.is_dir():
        return []
    registry = Registry(settings.tracking_uri, settings.artifacts, experiment="Default")
    damage = []
    for plant in sorted(folder.name for folder in settings.store.iterdir() if folder.is_dir()):
        for version in registry.versions(plant, OBJECTIVE):
            folder = registry.download(version)
            try:
                manifest.verify(folder, version.bundle)
            except BundleError as error:
                damage.append({"path": str(folder), "what": f"{plant} version {version.version}: {error}"})
    return damage


NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A name that `datasets list` shows.")]


@datasets_app.command("list")
def datasets_list(as_json: JsonOption = False) -> None:
    """List public data sets: what they are, under which licence, and whether they are here."""
    from wheeltapper import datasets

    known = datasets.registry()
    here = {name: datasets.where(one) for name, one in known.items()}
    if as_json:
        print_json([{"name": name, **one.model_dump(mode="json"), "here": here[name]} for name, one in known.items()])
        return
    table = Table(box=None, pad_edge=False)
    for header in ("name", "plant", "licence", "data", "what it is"):
        table.add_column(header)
    for name, one in known.items():
        state = "here" if here[name] else "by hand" if one.by_hand else "not here"
        table.add_row(name, one.plant, one.licence, state, escape(one.title))
    out.print(table)
    out.print("[dim]Get one: wheeltapper datasets fetch NAME[/]")


@datasets_app.command("fetch")
def datasets_fetch(name: NameArgument) -> None:
    """Download a public data set; the checksum of every file is checked, or shown and recorded."""
    from wheeltapper import datasets

    dataset = datasets.named(name, datasets.registry())
    with out.status("looking at what is here") as status:
        files = datasets.fetch(dataset, datasets.target(), status.update)
    for one in files:
        out.print(f"{one.sha256}  {escape(one.name)}  [dim]{one.state}[/]")
    new = sum(one.state == "seen for the first time" for one in files)
    if new:
        record = datasets.target() / dataset.folder / datasets.RECORDED
        out.print(
            f"Nobody knew the checksum of {new} of these {len(files)} files. They are recorded now in "
            f"{escape(str(record))}; compare them with somebody else's if you can."
        )
    out.print(f"Licence {escape(dataset.licence)}; see {escape(dataset.page)}. Next: wheeltapper run {dataset.plant}")


def _last_judged(plant: str) -> dict[str, Any]:
    space = open_plant(plant)
    last = space.registry.last_run(space.plant.name) if space.settings.store.exists() else None
    if last is None:
        raise NoChampionError(f"{space.plant.name} has not been trained yet. Run: wheeltapper run {space.to_type}")
    judged: dict[str, Any] = space.registry.document(last["run_id"], "judged.json")
    return judged
