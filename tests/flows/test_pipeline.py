"""The main job from end to end: what it says, and what it leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def test_the_real_program_ends_well_and_says_nothing_on_stderr(
    undisturbed: Any, prefect_api: str, tmp_path: Path
) -> None:
    """A good run: exit code 0, a leaderboard and an explained alarm, no warning, no progress bar, no log line."""
    env = {**os.environ, "WHEELTAPPER_HOME": str(undisturbed.folder), "PREFECT_API_URL": prefect_api}
    command = [sys.executable, "-m", "wheeltapper.cli", "run", str(undisturbed.plant)]
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    for part in ("Leaderboard", "k_sigma", "Verdict", "promote", "Alarm", "report.html"):
        assert part in ended.stdout
    for noise in ("Traceback", "Warning", "%|", "prefect.", "mlflow."):
        assert noise not in ended.stdout
