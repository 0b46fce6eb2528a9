"""Run: how the main job ended, and where to look next."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape

from wheeltapper.cli.printing.alarms import show_strongest_alarm
from wheeltapper.cli.printing.leaderboard import show_leaderboard
from wheeltapper.cli.printing.verdict import show_verdict
from wheeltapper.workspace import Workspace


def show_run(out: Console, space: Workspace, result: Any, plant: str) -> None:
    """Show how a run of the main job ended; ``plant`` is what the user called the plant."""
    for verdict in result.verdicts:
        show_leaderboard(out, verdict.judged)
        show_verdict(out, verdict.judged)
    if result.score is not None:
        show_strongest_alarm(out, space, result.score.bundle, plant)
    out.print(f"[bold]Report[/]   {escape(result.report)}")
    settings = space.settings
    out.print(
        "[bold]Servers[/]  wheeltapper up    starts Prefect at "
        f"http://127.0.0.1:{settings.prefect_port} and MLflow at http://127.0.0.1:{settings.mlflow_port}"
    )
