"""Write the report, and link it from Prefect's UI."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact

from tasks import DEFAULTS
from wheeltapper import memory
from wheeltapper.reporting.data import gather
from wheeltapper.reporting.report import write
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.report")


@task(name="write report", **DEFAULTS)
def write_report(plant: str, judged: dict[str, Any], now: datetime) -> str:
    """Write the HTML report with its figures; return its path."""
    _log.debug("drawing the figures of the report")
    space = Workspace.open(plant)
    memory.give_back(between_steps=True)
    path = write(gather(space, judged, now), space.reports)
    address = f"http://127.0.0.1:{space.settings.reports_port}/{space.plant.name}/{path.name}"
    create_markdown_artifact(
        key=f"report-{space.plant.name.replace('_', '-').lower()}",
        markdown=f"[Open the report]({address}) (served by `wheeltapper up`; the file is `{_short(path)}`)",
        description=f"{space.plant.name}: {judged['verdict']}",
    )
    return str(path)


def _short(path: Path) -> Path:
    folder = Path.cwd()
    return path.relative_to(folder) if path.is_relative_to(folder) else path
