"""Commands that look after the servers of this machine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from wheeltapper.cli._desk import JsonOption, app, out, print_json, progress
from wheeltapper.config import Settings
from wheeltapper.station import lifecycle


@app.command()
def up(
    deploy: Annotated[
        bool, typer.Option(help="Also deploy the flows of prefect.yaml and start a worker for them.")
    ] = True,
) -> None:
    """Start Prefect, MLflow, the reports and a worker on this machine, and leave them running."""
    settings = Settings()
    with progress("starting servers on this machine", out) as steps:
        steps("preparing MLflow's database")
        _open_registry(settings)
        lifecycle.up(settings, deploy=deploy, now=datetime.now(UTC), announce=steps)
    _show_services(lifecycle.status(settings))
    out.print("[dim]They go on running. Stop them with: wheeltapper down[/]")


@app.command()
def down() -> None:
    """Stop what `up` started."""
    ended = lifecycle.down(Settings())
    out.print(f"stopped: {', '.join(ended)}" if ended else "nothing was running")


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Show which servers are running, and what runs next (exit code 1: a part has ended or does not answer)."""
    from dataclasses import asdict

    services = lifecycle.status(Settings())
    if as_json:
        coming = {name: when and when.isoformat() for name, when in lifecycle.next_runs(services).items()}
        print_json({"services": [asdict(one) for one in services], "next": coming})
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


def _show_services(services: list[lifecycle.Service]) -> None:
    """Show where to look, what is wrong, and what runs next."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for one in services:
        place = f"process {one.pid}" if one.name == "worker" else one.url + _FIRST_PAGE.get(one.name, "")
        if one.state == "running":
            table.add_row(f"[bold]{one.name}[/]", place, _WHAT_IT_SHOWS[one.name])
        else:
            does = "has ended" if one.state == "ended" else "does not answer"
            table.add_row(f"[bold]{one.name}[/]", place, f"[red]{does}[/]; see {escape(one.log)}")
    for name, when in lifecycle.next_runs(services).items():
        table.add_row("[bold]next[/]", f"{when:%Y-%m-%d %H:%M} UTC" if when else "[red]nothing planned[/]", name)
    out.print(table)
    if any(one.state != "running" for one in services):
        out.print("Start what has ended: wheeltapper up. All afresh: wheeltapper down, then wheeltapper up")


def _open_registry(settings: Settings) -> None:
    """Make MLflow's database before its server does: two that migrate at once spoil it."""
    from wheeltapper.registry import Registry

    settings.reports.mkdir(parents=True, exist_ok=True)
    Registry(settings.tracking_uri, settings.artifacts, experiment="Default").prepare()
