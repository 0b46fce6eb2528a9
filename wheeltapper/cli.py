"""The command line: the composition root, and the one module that may import upwards, only inside functions.

Exit codes: 0 done, 1 the answer is no, 2 wrong use, 3 a failure.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import logging
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wheeltapper import __version__, config, servers, station
from wheeltapper.config import Settings
from wheeltapper.errors import ConfigError, NoChampionError, WheeltapperError

if TYPE_CHECKING:
    from wheeltapper.workspace import Workspace

app = typer.Typer(
    name="wheeltapper",
    help="Hears what is wrong with industrial machines before they break.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
store_app = typer.Typer(help="Look after the tables.", no_args_is_help=True)
app.add_typer(store_app, name="store")
datasets_app = typer.Typer(help="Public data sets to try the plants of conf/ on.", no_args_is_help=True)
app.add_typer(datasets_app, name="datasets")

out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)
for _console in (out, err):
    # In a pipe or a log there is no edge to wrap at.
    if not _console.is_terminal:
        _console.width = 160

PlantArgument = Annotated[
    str, typer.Argument(metavar="PLANT", help="A plant's name in conf/, or the path of its YAML file.")
]
StartOption = Annotated[
    str | None, typer.Option("--start", help="First instant to take in, such as 2026-01-31 or 2026-01-31T06:00Z.")
]
EndOption = Annotated[str | None, typer.Option("--end", help="First instant to leave out.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
ObjectiveArgument = Annotated[str, typer.Argument(metavar="[OBJECTIVE]", help="The question: so far only 'detect'.")]


def main() -> None:
    """Run the command line; every failure ends in one clear message and an exit code."""
    if Path("flows").is_dir():
        # Flows belong to the checkout, not to the installed library.
        sys.path.insert(0, str(Path.cwd()))
    debug = bool(os.environ.get("WHEELTAPPER_DEBUG"))
    if not debug:
        warnings.simplefilter("ignore")
    try:
        # Typer does not raise here: it returns the code of typer.Exit, and makes one of Ctrl-C.
        code = app(standalone_mode=False)
    except WheeltapperError as error:
        err.print(f"[bold red]wheeltapper:[/] {escape(str(error))}")
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _CONTROL_C
    except Exception as error:
        _end_unexpectedly(error, debug)
    if code == _CONTROL_C:
        err.print("\nstopped; run the same command again to go on where it stopped.")
        sys.exit(3)
    if code:
        sys.exit(code)


_CONTROL_C = 130


def _end_unexpectedly(error: Exception, debug: bool) -> NoReturn:
    """Tell wrong use from a failure; a failure's traceback goes to a file."""
    show = getattr(error, "format_message", None)
    if show is not None:
        err.print(f"[bold red]wheeltapper:[/] {escape(show())} Try: wheeltapper --help")
        sys.exit(2)
    if debug:
        raise error
    log = Settings().home.resolve() / "logs" / "failure.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(traceback.format_exception(error)))
    err.print(f"[bold red]wheeltapper:[/] failed: {escape(type(error).__name__)}: {escape(str(error))}\nDetails: {log}")
    sys.exit(3)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"wheeltapper {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[  # noqa: ARG001 - its callback has answered before
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    servers.prepare_environment(Settings())


# -- working: one flow each ----------------------------------------------------------------------------------------


@app.command()
def run(plant: PlantArgument, start: StartOption = None, end: EndOption = None) -> None:
    """Do the main job: ingest, featurize, train, judge, score, report."""
    from wheeltapper.printing import show_run

    found = _flow("pipeline", plant, start=start, end=end)
    show_run(out, _open(plant), found, plant)
    if not found["train"]["has_champion"]:
        raise typer.Exit(1)


@app.command()
def ingest(
    plant: PlantArgument,
    start: StartOption = None,
    end: EndOption = None,
    new: Annotated[
        bool, typer.Option("--new", help="Only what is new: from where the stored readings end, less a day.")
    ] = False,
) -> None:
    """Take readings in; what cannot be trusted goes to quarantine with its reason."""
    if new and start is not None:
        raise ConfigError("--new finds its own start: leave --start out, or --new.")
    counts = _flow("ingest", plant, start=start, end=end, new=new)["counts"]
    out.print(f"{counts['rows']:,} rows came: {counts['kept']:,} kept, {counts['quarantined']:,} in quarantine.")


@app.command()
def featurize(plant: PlantArgument, start: StartOption = None, end: EndOption = None) -> None:
    """Turn stored readings into feature rows."""
    found = _flow("featurize", plant, start=start, end=end)
    out.print(f"{found['windows']:,} windows with {found['columns']} features each.")


@app.command()
def train(plant: PlantArgument) -> None:
    """Train every candidate, judge them, and promote the best if it earns it."""
    from wheeltapper.printing import show_leaderboard, show_verdict

    judged = _flow("train", plant)
    show_leaderboard(out, judged)
    show_verdict(out, judged)
    if judged["verdict"] == "refuse":
        raise typer.Exit(1)


@app.command()
def score(plant: PlantArgument) -> None:
    """Score the newest windows with the champion and raise alarms."""
    found = _flow("score", plant)
    out.print(f"{found['scored']:,} windows scored, {found['alarms']} alarms.")


@app.command()
def watch(plant: PlantArgument) -> None:
    """Take in the readings that are new, score them and raise alarms: what a schedule does every hour."""
    found = _flow("watch", plant)
    kept, scored = found["ingest"]["counts"]["kept"], found["score"]
    out.print(f"{kept:,} readings looked at, {scored['scored']:,} windows scored, {scored['alarms']} alarms.")


@app.command()
def evaluate(plant: PlantArgument) -> None:
    """Ask whether the champion still does what it was promoted for (exit code 1: it should be trained again)."""
    found = _flow("evaluate", plant)
    out.print(f"[bold]{found['verdict']}[/]: {escape('; '.join(found['reasons']))}")
    if found["verdict"] != "keep":
        raise typer.Exit(1)


@app.command()
def retrain(plant: PlantArgument) -> None:
    """Evaluate, and train again if that says so."""
    from wheeltapper.printing import show_leaderboard, show_verdict

    found = _flow("retrain", plant)
    out.print(f"[bold]{found['evaluate']['verdict']}[/]: {escape('; '.join(found['evaluate']['reasons']))}")
    if found["train"] is not None:
        show_leaderboard(out, found["train"])
        show_verdict(out, found["train"])


@app.command()
def ablate(
    plant: PlantArgument,
    study: Annotated[str, typer.Option(help="scaling, features, sampling, or all of them.")] = "all",
    seeds: Annotated[int, typer.Option(min=2, help="Seeds of each variant.")] = 3,
    detector: Annotated[
        str, typer.Option(help="Detector that is fitted; by default the plant's first candidate.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Measure what regimes, feature sets and sampling are worth on this plant; nothing is stored or promoted."""
    from wheeltapper.printing import show_ablation

    on = err if as_json else out
    found = _flow("ablate", plant, on=on, study=study, seeds=seeds, detector=detector)
    if as_json:
        _print_json(found)
    else:
        show_ablation(out, found)


def _flow(name: str, plant: str, *, on: Console = out, **options: str | bool | int | None) -> dict[str, Any]:
    """Run one flow with progress on the terminal, against a Prefect server of its own or the one that is up."""
    wishes = {option: value for option, value in options.items() if value is not None and value is not False}
    given = {option: _instant(str(value)) if option in ("start", "end") else value for option, value in wishes.items()}
    known = config.load(plant)
    settings = Settings()
    with _progress(f"{known.name}: {known.description}" if known.description else known.name, on) as steps:
        steps("waking up Prefect")
        with servers.prefect(settings, meanwhile=lambda: _import_flow(name)):
            try:
                result: dict[str, Any] = _import_flow(name)(plant, **given)
            finally:
                from flows._goodbye import send_the_rest

                send_the_rest()
    return result


def _import_flow(name: str) -> Callable[..., Any]:
    import importlib

    try:
        module = importlib.import_module(f"flows.{name}")
    except ModuleNotFoundError as error:
        if error.name not in ("flows", f"flows.{name}"):
            raise
        raise ConfigError(
            "the flows are not here: they belong to Wheeltapper's checkout, not to the installed library. "
            "Change into the checkout's folder and try again."
        ) from error
    flow: Callable[..., Any] = getattr(module, name)
    return flow


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"'{text}' is not a date or time; write it like 2026-01-31 or 2026-01-31T06:00Z") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


class _Lines(logging.Handler):
    """Shows what the pipeline says: INFO as a line that stays, DEBUG as what is being done right now."""

    def __init__(self, say: Callable[[str, bool], None]) -> None:
        super().__init__(logging.DEBUG)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        step = record.name.removeprefix("wheeltapper.")
        self._say(f"[cyan]{step:<10}[/] {escape(record.getMessage())}", record.levelno >= logging.INFO)


@contextlib.contextmanager
def _progress(title: str, on: Console) -> Iterator[Callable[[str], None]]:
    """Show lines and a spinner while work goes on; without a terminal only the lines."""
    began = time.monotonic()
    on.print(f"[bold]Wheeltapper[/] · {escape(title)}\n")
    log = logging.getLogger("wheeltapper")
    log.setLevel(logging.DEBUG)
    with on.status("starting") as status:

        def say(text: str, stays: bool) -> None:
            if stays:
                on.print(f"[dim]{time.monotonic() - began:5.0f} s[/]  {text}")
            else:
                status.update(text)

        handler = _Lines(say)
        log.addHandler(handler)
        try:
            yield status.update
        finally:
            log.removeHandler(handler)
    on.print()


# -- looking -------------------------------------------------------------------------------------------------------


@app.command()
def plants(as_json: JsonOption = False) -> None:
    """List the plants of conf/."""
    found = {name: config.load(str(path)) for name, path in config.plant_files().items()}
    if as_json:
        _print_json(
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
    from wheeltapper.features.survey import survey
    from wheeltapper.printing import show_check

    found = survey(config.load_unchecked(plant))
    if as_json:
        _print_json(found)
    else:
        show_check(out, found, plant)
    if "problem" in found:
        raise typer.Exit(2)
    config.load(plant)  # what is wrong elsewhere in the plant is told as well


@app.command()
def leaderboard(plant: PlantArgument, as_json: JsonOption = False) -> None:
    """Show what the last training tried, baselines on top."""
    from wheeltapper.printing import show_leaderboard, show_verdict

    judged = _last_judged(plant)
    if as_json:
        _print_json(
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
    path = _open(plant).reports / "report.html"
    if not path.is_file():
        raise NoChampionError(f"{plant} has no report yet. Run: wheeltapper run {plant}")
    if as_json:
        _print_json({"report": str(path)})
    else:
        out.print(str(path))


@app.command()
def ledger(plant: PlantArgument, as_json: JsonOption = False) -> None:
    """Show every decision with its reasons; says where the chain of hashes is broken."""
    from wheeltapper import ledger as book
    from wheeltapper.printing import show_ledger

    space = _open(plant)
    entries, breaks = book.entries(space.store), book.verify(space.store)
    if as_json:
        rows = json.loads(entries.to_json(orient="records", date_format="iso"))
        _print_json({"entries": rows, "breaks": breaks})
    else:
        show_ledger(out, entries, breaks)
    if breaks:
        raise typer.Exit(1)


@app.command()
def alarms(plant: PlantArgument, as_json: JsonOption = False) -> None:
    """Show the alarms of the live model, newest first, each explained."""
    from wheeltapper import ledger as book
    from wheeltapper import tables
    from wheeltapper.printing import show_alarms
    from wheeltapper.workspace import OBJECTIVE

    store = _open(plant).store
    live = book.live(store, OBJECTIVE)
    if live is None:
        raise NoChampionError(f"{plant} has no live model yet. Run: wheeltapper run {plant}")
    rows = store.read(tables.ALARMS).sort_values("opened_at", ascending=False)
    rows = rows[rows["bundle"] == live["bundle"]]
    if as_json:
        _print_json(json.loads(rows.to_json(orient="records", date_format="iso")))
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
        _print_json(damage)
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
        _print_json([{"name": name, **one.model_dump(mode="json"), "here": here[name]} for name, one in known.items()])
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


def _open(plant: str) -> Workspace:
    from wheeltapper.workspace import Workspace

    return Workspace.open(plant)


def _last_judged(plant: str) -> dict[str, Any]:
    space = _open(plant)
    last = space.registry.last_run(space.plant.name) if space.settings.store.exists() else None
    if last is None:
        raise NoChampionError(f"{space.plant.name} has not been trained yet. Run: wheeltapper run {plant}")
    judged: dict[str, Any] = space.registry.document(last["run_id"], "judged.json")
    return judged


def _print_json(content: Any) -> None:
    sys.stdout.write(json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n")


# -- deciding ------------------------------------------------------------------------------------------------------

ToOption = Annotated[int | None, typer.Option("--to", help="The version to make champion.")]


@app.command()
def promote(plant: PlantArgument, objective: ObjectiveArgument = "detect", to: ToOption = None) -> None:
    """Make a version champion by hand: the challenger, unless --to names another."""
    from wheeltapper.deciding import promote as decide

    space = _open(plant)
    with space.alone():
        entry = decide(space, objective, to, actor=getpass.getuser(), now=datetime.now(UTC))
    done = f"version {entry['version']} is champion now (ledger entry {entry['sequence']})."
    out.print(f"{done} Next: wheeltapper score {plant}")


@app.command()
def rollback(plant: PlantArgument, objective: ObjectiveArgument = "detect", to: ToOption = None) -> None:
    """Return to the champion before this one, or to the version that --to names."""
    from wheeltapper.deciding import roll_back as decide

    space = _open(plant)
    with space.alone():
        entry = decide(space, objective, to, actor=getpass.getuser(), now=datetime.now(UTC))
    out.print(f"back to version {entry['version']} (ledger entry {entry['sequence']}). Next: wheeltapper score {plant}")


# -- servers -------------------------------------------------------------------------------------------------------


@app.command()
def up(
    deploy: Annotated[
        bool, typer.Option(help="Also deploy the flows of prefect.yaml and start a worker for them.")
    ] = True,
) -> None:
    """Start Prefect, MLflow, the reports and a worker on this machine, and leave them running."""
    settings = Settings()
    with _progress("starting servers on this machine", out) as steps:
        steps("preparing MLflow's database")
        _open_registry(settings)
        station.up(settings, deploy=deploy, now=datetime.now(UTC), tell=steps)
    _show_services(station.status(settings))
    out.print("[dim]They go on running. Stop them with: wheeltapper down[/]")


@app.command()
def down() -> None:
    """Stop what `up` started."""
    ended = station.down(Settings())
    out.print(f"stopped: {', '.join(ended)}" if ended else "nothing was running")


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Show which servers are running, and what runs next (exit code 1: a part has ended or does not answer)."""
    from dataclasses import asdict

    services = station.status(Settings())
    if as_json:
        coming = {name: when and when.isoformat() for name, when in station.next_runs(services).items()}
        _print_json({"services": [asdict(one) for one in services], "next": coming})
    elif not services:
        out.print("nothing is running. Start: wheeltapper up")
    else:
        _show_services(services)
    if any(one.state != "running" for one in services):
        raise typer.Exit(1)


_WHAT_IT_SHOWS = {
    "prefect": "runs, schedules, artifacts",
    "mlflow": "experiments, models",
    "reports": "reports, Data Docs",
    "worker": "runs the deployments of prefect.yaml",
}
_FIRST_PAGE = {"mlflow": "/#/experiments?workflowType=machine_learning"}
"""MLflow's first page is about language models, and stays so until it is told otherwise once."""


def _show_services(services: list[station.Service]) -> None:
    """Show where to look, what is wrong, and what runs next."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for one in services:
        place = f"process {one.pid}" if one.name == "worker" else one.url + _FIRST_PAGE.get(one.name, "")
        if one.state == "running":
            table.add_row(f"[bold]{one.name}[/]", place, _WHAT_IT_SHOWS[one.name])
        else:
            does = "has ended" if one.state == "ended" else "does not answer"
            table.add_row(f"[bold]{one.name}[/]", place, f"[red]{does}[/]; see {escape(one.log)}")
    for name, when in station.next_runs(services).items():
        table.add_row("[bold]next[/]", f"{when:%Y-%m-%d %H:%M} UTC" if when else "[red]nothing planned[/]", name)
    out.print(table)
    if any(one.state != "running" for one in services):
        out.print("Start what has ended: wheeltapper up. All afresh: wheeltapper down, then wheeltapper up")


def _open_registry(settings: Settings) -> None:
    """Make MLflow's database before its server does: two that migrate at once spoil it."""
    from wheeltapper.registry import Registry

    settings.reports.mkdir(parents=True, exist_ok=True)
    Registry(settings.tracking_uri, settings.artifacts, experiment="Default").prepare()


if __name__ == "__main__":
    main()
