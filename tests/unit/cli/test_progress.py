"""What a command shows while it works: lines that stay, and the step that is running now, with a bar."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path

import pytest
from rich.console import Console

from wheeltapper import check_plant, steps
from wheeltapper.cli import flow_runs
from wheeltapper.cli.flow_runs import bar, progress
from wheeltapper.errors import ConfigError
from wheeltapper.steps import Steps

LOG = logging.getLogger("wheeltapper.train")


def shown(console: Console) -> str:
    """Return what is on the screen, without its control characters."""
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())


def test_a_terminal_shows_the_step_and_how_far_it_is() -> None:
    """The bar is a third full after two of six candidates."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with progress("mill", console):
        steps.report(LOG, 2, 6, "training %s", "lof")
    assert "training lof  " + "━" * flow_runs.BAR + " 2 of 6" in shown(console)


def test_a_log_file_has_lines_that_stay_only() -> None:
    """Without a terminal there is no bar and no spinner."""
    console = Console(file=io.StringIO(), width=100)
    with progress("mill", console):
        steps.report(LOG, 2, 6, "training %s", "lof")
        LOG.info("lof: 12 of 12 faults")
    assert "2 of 6" not in shown(console)
    assert re.search(r"^ +0 s  train      lof: 12 of 12 faults$", shown(console), re.MULTILINE)


def test_a_bar_is_never_longer_than_full() -> None:
    """Whatever is counted twice, and where there is nothing to do."""
    assert bar(Steps(7, 6)).count("━") == bar(Steps(0, 0)).count("━") == flow_runs.BAR


def test_the_plant_stands_on_the_screen_before_its_plug_ins_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first line must not wait for imports that take seconds."""
    console = Console(file=io.StringIO(), width=100)
    seen: list[str] = []

    def check(_plant: str) -> None:
        seen.append(shown(console))
        raise ConfigError("no more")

    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path))
    monkeypatch.setattr(check_plant, "load", check)
    with pytest.raises(ConfigError, match="no more"):
        flow_runs.run_flow("ingest", "pump_station", on=console)
    assert "Wheeltapper · pump_station: A drinking-water pump station" in seen[0]
