"""Commands that work: one flow each."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer
from rich.markup import escape

from wheeltapper.cli._desk import (
    EndOption,
    JsonOption,
    PlantArgument,
    StartOption,
    app,
    err,
    open_plant,
    out,
    print_json,
    run_flow,
)
from wheeltapper.errors import ConfigError


@app.command()
def run(plant: PlantArgument, start: StartOption = None, end: EndOption = None) -> None:
    """Do the main job: ingest, featurize, train, judge, score, report."""
    from wheeltapper.cli.printing import show_run

    found = run_flow("pipeline", plant, start=start, end=end)
    show_run(out, open_plant(plant), found, shlex.quote(plant))
    if not found.verdicts[0].has_champion:
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
    ingested = run_flow("ingest", plant, start=start, end=end, new=new)
    out.print(f"{ingested.rows:,} rows came: {ingested.kept:,} kept, {ingested.quarantined:,} in quarantine.")


@app.command()
def featurize(plant: PlantArgument, start: StartOption = None, end: EndOption = None) -> None:
    """Turn stored readings into feature rows."""
    featurized = run_flow("featurize", plant, start=start, end=end)
    out.print(f"{featurized.windows:,} windows with {featurized.columns} features each.")


@app.command()
def train(plant: PlantArgument) -> None:
    """Train every candidate, judge them, and promote the best if it earns it."""
    from wheeltapper.cli.printing import show_leaderboard, show_verdict

    verdicts = run_flow("train", plant)
    for verdict in verdicts:
        show_leaderboard(out, verdict.as_dict())
        show_verdict(out, verdict.as_dict())
    if any(verdict.judged.verdict == "refuse" for verdict in verdicts):
        raise typer.Exit(1)


@app.command()
def score(plant: PlantArgument) -> None:
    """Score the newest windows with the champion and raise alarms."""
    found = run_flow("score", plant)
    out.print(f"{found.scored:,} windows scored, {found.alarms} alarms.")


@app.command()
def watch(plant: PlantArgument) -> None:
    """Take in the readings that are new, score them and raise alarms: what a schedule does every hour."""
    watched = run_flow("watch", plant)
    kept, scored = watched.ingest.kept, watched.score
    out.print(f"{kept:,} readings looked at, {scored.scored:,} windows scored, {scored.alarms} alarms.")


@app.command()
def evaluate(plant: PlantArgument) -> None:
    """Ask whether the champion still does what it was promoted for (exit code 1: it should be trained again)."""
    found = run_flow("evaluate", plant)
    out.print(f"[bold]{found.verdict}[/]: {escape('; '.join(found.reasons))}")
    if found.verdict != "keep":
        raise typer.Exit(1)


@app.command()
def selftest(plant: PlantArgument, as_json: JsonOption = False) -> None:
    """Put known faults into the newest readings, and show which the champion finds (exit code 1: a gate fails)."""
    from wheeltapper.cli.printing import show_selftest

    found = run_flow("selftest", plant, on=err if as_json else out)
    if as_json:
        print_json(found.as_dict())
    else:
        show_selftest(out, found.as_dict())
    if not found.passed:
        raise typer.Exit(1)


@app.command()
def retrain(plant: PlantArgument) -> None:
    """Evaluate, and train again if that says so (exit code 1: the new models were refused)."""
    from wheeltapper.cli.printing import show_leaderboard, show_verdict

    found = run_flow("retrain", plant)
    out.print(f"[bold]{found.evaluation.verdict}[/]: {escape('; '.join(found.evaluation.reasons))}")
    for verdict in found.verdicts:
        show_leaderboard(out, verdict.as_dict())
        show_verdict(out, verdict.as_dict())
    if any(verdict.judged.verdict == "refuse" for verdict in found.verdicts):
        raise typer.Exit(1)


@app.command()
def ablate(
    plant: PlantArgument,
    study: Annotated[
        str, typer.Option(help="scaling, features, sampling, or all of them; or seeds: every candidate.")
    ] = "all",
    seeds: Annotated[int, typer.Option(min=2, help="Seeds of each variant.")] = 3,
    detector: Annotated[
        str, typer.Option(help="Detector that is fitted; by default the plant's first candidate.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Measure what regimes, feature sets, sampling or luck are worth on this plant; nothing is stored or promoted."""
    from wheeltapper.cli.printing import show_ablation

    on = err if as_json else out
    found = run_flow("ablate", plant, on=on, study=study, seeds=seeds, detector=detector)
    if as_json:
        print_json(found)
    else:
        show_ablation(out, found)
