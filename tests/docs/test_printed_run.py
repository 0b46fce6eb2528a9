"""The run that the README shows is the run that the code makes: figures, verdict, alarm, word for word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.reading import ROOT

NETWORK = "autoencoder"
"""Its weights depend on the processor in their last digits, and so may its figures."""


def shown(name: str) -> list[str]:
    """Return the lines of a generated code block of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(rf"<!-- generated: {name} -->\n```text\n(.*?)```\n<!-- end of {name} -->", text, re.DOTALL)
    assert block, f"README.md has no generated part '{name}'"
    return block[1].splitlines()


def comparable(lines: list[str], home: str = ".wheeltapper") -> list[str]:
    """Return the lines in a fixed order, without what differs from run to run: seconds, the home, the network's digits.

    Lines are sorted, because candidates are trained side by side and are reported as they end.
    """
    bare = [re.sub(r"^ *\d+ s  ", "", line.replace(home, "~")).rstrip() for line in lines]
    return sorted(re.sub(r"[\d.,–]+", "#", line) if NETWORK in line else line for line in bare if line)


def test_seconds_and_the_home_are_no_difference_and_a_figure_is_one() -> None:
    """A slower run elsewhere is the same run; one with another cost is not."""
    lines = ["   36 s  train  lof: 12 of 12 faults, 3,326 EUR", "", "Report   .wheeltapper/reports/report.html"]
    same = ["   99 s  train  lof: 12 of 12 faults, 3,326 EUR", "Report   /tmp/home/reports/report.html"]
    assert comparable(lines) == comparable(same, "/tmp/home")
    assert comparable(lines) != comparable([lines[0].replace("3,326", "3,327"), lines[2]])


@pytest.mark.slow
@pytest.mark.long
def test_the_readmes_run_of_the_pump_station_is_what_the_code_prints(tmp_path: Path) -> None:
    """The main job on conf/pump_station.yaml, all of it, in a new home. If this fails: python benchmarks/run.py."""
    home = tmp_path / "home"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"WHEELTAPPER_HOME": str(home), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "wheeltapper.cli", "run", "pump_station"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False, timeout=900
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert comparable(done.stdout.splitlines(), str(home)) == comparable(shown("printed pump_station"))
