"""Commands that show something and change nothing."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from wheeltapper import config
from wheeltapper.cli.application import app, datasets_app, open_plant, out, print_json, store_app
from wheeltapper.cli.options import JsonOption, ObjectiveArgument, PlantArgument
from wheeltapper.config import Settings
from wheeltapper.errors import NoChampionError

if TYPE_CHECKING:
    from wheeltapper.training.choose import Judged


@app.command()
def plants(as_json: JsonOption = False) -> None:
    """List the plants in conf/."""
    from wheeltapper import check_plant

    loaded = {name: check_plant.load(str(path)) for name, path in config.plant_files().items()}
    if as_json:
        print_json(
            [
                {"name": name, "description": plant.description, "asset_type": plant.asset_type.name}
                for name, plant in loaded.items()
            ]
        )
        return
    table = Table(box=None, pad_edge=False)
    for header in ("plant", "asset type", "sensors", "description"):
        table.add_column(header)
    for name, plant in loaded.items():
        table.add_row(name, plant.asset_type.name, str(len(plant.asset_type.sensors)), escape(plant.description))
    out.print(table)


@app.command()
def check(plant: PlantArgument, as_json: JsonOption = False) -> None:
    """Read a plant's source and describe its content, or suggest options to read it; nothing is written."""
    from wheeltapper import check_plant, plants
    from wheeltapper.cli.printing.check import show_check
    from wheeltapper.readings.survey.survey import survey

    result = survey(plants.load(plant))
    if as_json:
        print_json(result)
    else:
        show_check(out, result, shlex.quote(plant))
    if "problem" in result:
        raise typer.Exit(2)
    check_plant.load(plant)  # mistakes elsewhere in the plant are reported as well


@app.command()
def leaderboard(plant: PlantArgument, objective: ObjectiveArgument = "detect", as_json: JsonOption = False) -> None:
    """Show every candidate of the last training, baselines on top, and the verdict."""
    from wheeltapper.cli.printing.leaderboard import show_leaderboard
    from wheeltapper.cli.printing.verdict import show_verdict

    judged = _last_judged(plant, objective)
    if as_json:
        fields = ("verdict", "reasons", "candidate", "leaderboard", "test", "gates", "notes")
        content = judged.model_dump(mode="json")
        print_json({name: content[name] for name in fields})
        return
    show_leaderboard(out, judged)
    show_verdict(out, judged)


@app.command()
def report(plant: PlantArgument, as_json: JsonOption = False) -> None:
    """Print the path of a plant's report."""
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
    """Show every decision with its reasons, and check the chain of hashes (exit code 1: it is broken)."""
    from wheeltapper.cli.printing.ledger import show_ledger
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
    """Show the alarms of the live model, newest first, each with an explanation and a person's judgement."""
    from wheeltapper import tables
    from wheeltapper.cli.printing.alarms import show_alarms
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
    judgements = {decision.alarm: decision.word for decision in feedback.in_force(store) if decision.alarm}
    rows = rows.assign(judged=[judgements.get(name, "") for name in rows["alarm_id"]])
    if as_json:
        print_json(json.loads(rows.to_json(orient="records", date_format="iso")))
    else:
        show_alarms(out, rows)


@store_app.command("verify")
def store_verify(as_json: JsonOption = False) -> None:
    """Check every file of every table and model version: sizes, checksums, row counts (exit code 1: damage)."""
    from dataclasses import asdict

    from wheeltapper.store import verify_all

    settings = Settings()
    damage = [{name: str(value) for name, value in asdict(file).items()} for file in verify_all(settings.store)]
    damage += _damaged_bundles(settings)
    if as_json:
        print_json(damage)
    else:
        for file in damage:
            out.print(f"[red]{escape(file['path'])}[/]: {escape(file['what'])}")
        out.print("every file is unchanged" if not damage else f"{len(damage)} files are damaged")
    if damage:
        raise typer.Exit(1)


def _damaged_bundles(settings: Settings) -> list[dict[str, str]]:
    """List the registered bundles of all plants whose files have changed since they were written."""
    from wheeltapper import manifest
    from wheeltapper.errors import BundleError
    from wheeltapper.registry import Registry

    if not settings.artifacts.is_dir():
        return []
    registry = Registry(settings.tracking_uri, settings.artifacts, experiment="Default")
    damage = []
    for plant in sorted(folder.name for folder in settings.store.iterdir() if folder.is_dir()):
        for version in registry.versions_of_plant(plant):
            folder = registry.download(version)
            try:
                manifest.verify(folder, version.bundle)
            except BundleError as error:
                damage.append(
                    {"path": str(folder), "what": f"{plant} {version.objective} version {version.version}: {error}"}
                )
    return damage


NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A name from `datasets list`.")]


@datasets_app.command("list")
def datasets_list(as_json: JsonOption = False) -> None:
    """List public data sets: their content, their licence, and whether they are on this machine."""
    from wheeltapper import datasets
    from wheeltapper.cli.printing.datasets import show_datasets

    sets = datasets.registry()
    folders = {name: datasets.where(dataset) for name, dataset in sets.items()}
    if as_json:
        print_json(
            [{"name": name, **dataset.model_dump(mode="json"), "here": folders[name]} for name, dataset in sets.items()]
        )
    else:
        show_datasets(out, sets, folders)


@datasets_app.command("fetch")
def datasets_fetch(name: NameArgument) -> None:
    """Download a public data set; the checksum of every file is compared, or recorded if none is published."""
    from wheeltapper import datasets
    from wheeltapper.cli.printing.datasets import show_fetched

    dataset = datasets.named(name, datasets.registry())
    with out.status("checking which files are on this machine") as status:
        files = datasets.fetch(dataset, datasets.target(), status.update)
    show_fetched(out, dataset, files, datasets.target())


def _last_judged(plant: str, objective: str) -> Judged:
    from wheeltapper import objectives
    from wheeltapper.training.choose import JUDGED, Judged

    space = open_plant(plant)
    objectives.named(space.plant, objective)
    last = space.registry.last_run(space.plant.name, objective) if space.settings.store.exists() else None
    if last is None:
        raise NoChampionError(f"{space.plant.name} has not been trained yet. Run: wheeltapper run {space.to_type}")
    return Judged.model_validate(space.registry.document(last["run_id"], JUDGED))
