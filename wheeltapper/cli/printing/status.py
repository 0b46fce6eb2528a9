"""Status: which servers run on this machine, where to open them, and what runs next."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wheeltapper.station import lifecycle

_CONTENT = {
    "prefect": "runs, schedules, artifacts",
    "mlflow": "experiments, models",
    "reports": "reports, Data Docs",
    "worker": "runs the deployments of prefect.yaml",
}
_FIRST_PAGE = {"mlflow": "/#/experiments?workflowType=machine_learning"}
"""MLflow opens on a page about language models until another page was chosen once."""


def show_services(out: Console, services: list[lifecycle.Service]) -> None:
    """Show where to open each server, which of them do not work, and what runs next."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for service in services:
        is_worker = service.name == "worker"
        place = f"process {service.pid}" if is_worker else service.url + _FIRST_PAGE.get(service.name, "")
        content = _CONTENT.get(service.name, "") if service.state == "running" else _problem(service)
        table.add_row(f"[bold]{service.name}[/]", place, content)
    for name, when in lifecycle.next_runs(services).items():
        table.add_row("[bold]next[/]", f"{when:%Y-%m-%d %H:%M} UTC" if when else "[red]nothing planned[/]", name)
    out.print(table)
    if any(service.state != "running" for service in services):
        out.print(
            "To start what has ended: wheeltapper up. To restart everything: wheeltapper down, then wheeltapper up"
        )


def _problem(service: lifecycle.Service) -> str:
    state = "has ended" if service.state == "ended" else "does not answer"
    return f"[red]{state}[/]; see {escape(service.log)}"
