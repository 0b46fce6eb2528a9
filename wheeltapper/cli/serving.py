"""Commands that start and stop the servers of this machine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from wheeltapper.cli.application import app, out, print_json
from wheeltapper.cli.flow_runs import progress
from wheeltapper.cli.options import JsonOption
from wheeltapper.config import Settings
from wheeltapper.station import lifecycle


@app.command()
def up(
    deploy: Annotated[
        bool, typer.Option(help="Also deploy the flows of prefect.yaml, and start a worker that runs them.")
    ] = True,
) -> None:
    """Start Prefect, MLflow, the report server and a worker on this machine; they keep running."""
    from wheeltapper.cli.printing.status import show_services

    settings = Settings()
    with progress("starting servers on this machine", out) as show_step:
        show_step("preparing MLflow's database")
        _open_registry(settings)
        lifecycle.up(settings, deploy=deploy, now=datetime.now(UTC), announce=show_step)
    show_services(out, lifecycle.status(settings))
    out.print("[dim]They keep running. To stop them: wheeltapper down[/]")


@app.command()
def down() -> None:
    """Stop everything that `up` started."""
    ended = lifecycle.down(Settings())
    out.print(f"stopped: {', '.join(ended)}" if ended else "nothing was running")


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Show which servers run, and what runs next (exit code 1: a server has ended or does not answer)."""
    from dataclasses import asdict

    from wheeltapper.cli.printing.status import show_services

    services = lifecycle.status(Settings())
    if as_json:
        planned = {name: when and when.isoformat() for name, when in lifecycle.next_runs(services).items()}
        print_json({"services": [asdict(service) for service in services], "next": planned})
    elif not services:
        out.print("nothing is running. To start the servers: wheeltapper up")
    else:
        show_services(out, services)
    if any(service.state != "running" for service in services):
        raise typer.Exit(1)


def _open_registry(settings: Settings) -> None:
    """Create MLflow's database before its server does: two processes that migrate it at once would break it."""
    from wheeltapper.registry import Registry

    settings.reports.mkdir(parents=True, exist_ok=True)
    Registry(settings.tracking_uri, settings.artifacts, experiment="Default").prepare()
