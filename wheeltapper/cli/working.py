"""Commands that run one flow each."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer
from rich.markup import escape

from wheeltapper.cli.application import app, err, open_plant, out, print_json
from wheeltapper.cli.flow_runs import run_flow
from wheeltapper.cli.options import EndOption, JsonOption, PlantArgument, StartOption
from wheeltapper.errors import ConfigError


@app.command()
def run(plant: PlantArgument, start: StartOption = None, end: EndOption = None) -> None:
    """Run everything once: ingest, featurize, train, judge, score, report (exit code 1: no model is live)."""
    from wheeltapper.cli.printing.run import show_run

    result = run_flow("pipeline", plant, start=start, end=end)
    show_run(out, open_plant(plant), result, shlex.quote(plant))
    if not result.verdicts[0].has_champion:
        raise typer.Exit(1)


@app.command()
def ingest(
    plant: PlantArgument,
    start: StartOption = None,
    end: EndOption = None,
    new: Annotated[bool, typer.Option("--new", help="Read only what the source has not delivered yet.")] = False,
) -> None:
    """Read the source and store its readings; rows that fail a check go to quarantine, with the reason."""
    if new and start is not None:
        raise ConfigError("--new sets the start itself, so --start cannot be given as well. Leave out one of the two.")
    result = run_flow("ingest", plant, start=start, end=end, new=new)
    out.print(f"{result.rows:,} rows read: {result.kept:,} kept, {result.quarantined:,} in quarantine.")


@app.command()
def featurize(plant: PlantArgument, start: StartOption = None, end: EndOption = None) -> None:
    """Compute feature rows from the stored readings."""
    result = run_flow("featurize", plant, start=start, end=end)
    out.print(f"{result.windows:,} windows with {result.columns} features each.")


@app.command()
def train(plant: PlantArgument) -> None:
    """Train and judge every candidate; promote the best if it passes all gates (exit code 1: all were refused)."""
    from wheeltapper.cli.printing.leaderboard import show_leaderboard
    from wheeltapper.cli.printing.verdict import show_verdict

    verdicts = run_flow("train", plant)
    for verdict in verdicts:
        show_leaderboard(out, verdict.judged)
        show_verdict(out, verdict.judged)
    if any(verdict.judged.verdict == "refuse" for verdict in verdicts):
        raise typer.Exit(1)


@app.command()
def score(plant: PlantArgument) -> None:
    """Score the newest windows with the champion, and open alarms."""
    result = run_flow("score", plant)
    out.print(f"{result.scored:,} windows scored, {result.alarms} alarms.")


@app.command()
def watch(plant: PlantArgument) -> None:
    """Read what is new, score it and open alarms; the schedule does this every hour."""
    result = run_flow("watch", plant)
    kept, scored = (result.ingest.kept, result.score.scored) if result.ingest else (0, 0)
    alarms = result.score.alarms if result.score else 0
    out.print(f"{kept:,} readings read, {scored:,} windows scored, {alarms} alarms.")


@app.command()
def evaluate(plant: PlantArgument) -> None:
    """Check whether the champion still works as well as when it was promoted (exit code 1: train again)."""
    result = run_flow("evaluate", plant)
    out.print(f"[bold]{result.verdict}[/]: {escape('; '.join(result.reasons))}")
    if result.verdict != "keep":
        raise typer.Exit(1)


@app.command()
def selftest(plant: PlantArgument, as_json: JsonOption = False) -> None:
    """Inject known faults into recent readings, and show which the champion finds (exit code 1: a gate fails)."""
    from wheeltapper.cli.printing.selftest import show_selftest

    result = run_flow("selftest", plant, on=err if as_json else out)
    if as_json:
        print_json(result.as_dict())
    else:
        show_selftest(out, result)
    if not result.passed:
        raise typer.Exit(1)


@app.command()
def retrain(plant: PlantArgument) -> None:
    """Evaluate the champion, and train again if needed (exit code 1: the new models were refused)."""
    from wheeltapper.cli.printing.leaderboard import show_leaderboard
    from wheeltapper.cli.printing.verdict import show_verdict

    result = run_flow("retrain", plant)
    out.print(f"[bold]{result.evaluation.verdict}[/]: {escape('; '.join(result.evaluation.reasons))}")
    for verdict in result.verdicts:
        show_leaderboard(out, verdict.judged)
        show_verdict(out, verdict.judged)
    if any(verdict.judged.verdict == "refuse" for verdict in result.verdicts):
        raise typer.Exit(1)


@app.command()
def ablate(
    plant: PlantArgument,
    study: Annotated[
        str,
        typer.Option(
            help="What is varied: scaling, features or sampling; all varies each of them, seeds trains every candidate."
        ),
    ] = "all",
    seeds: Annotated[int, typer.Option(min=2, help="How many seeds each variant is trained with.")] = 3,
    detector: Annotated[str, typer.Option(help="The detector to train; by default the plant's first candidate.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Measure how much regimes, feature sets, sampling and the seed change the results; nothing is promoted."""
    from wheeltapper.cli.printing.ablation import show_ablation

    on = err if as_json else out
    result = run_flow("ablate", plant, on=on, study=study, seeds=seeds, detector=detector)
    if as_json:
        print_json(result)
    else:
        show_ablation(out, result)
