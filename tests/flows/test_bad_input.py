"""A mistake in a plant or in its files gives one message, and nothing is written but quarantine."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

MISTAKES = {
    "a misspelt key": ("windows:", "window:", ("window", "Did you mean 'windows'?")),
    "a nonsense unit": ("unit: bar", "unit: furlongs_of_rain", ("pressure", "furlongs_of_rain", "is not known")),
    "a nonsense range": ("low: 0, high: 20", "low: 20, high: 0", ("pressure", "low must be below high")),
    "an unknown detector": ("[pca_residual]", "[pca_residuall]", ("Did you mean 'pca_residual'?",)),
    "an unknown option": ("[pca_residual]", "[pca_residual: {colour: 3}]", ("pca_residual", "colour")),
    "an unknown source": ("csv_folder:", "csv_foldre:", ("Did you mean 'csv_folder'?",)),
    "a number without a unit": ("step: 1min", "step: 60", ("step", "60", "30s, 5min, 1h")),
    "no YAML at all": ("windows: {", "windows: {{{", ("not valid YAML",)),
}


@pytest.fixture
def run_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command line in this process; return its exit code and what it said."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))

    def run(*arguments: str) -> tuple[int, str]:
        from wheeltapper import cli

        monkeypatch.setattr(sys, "argv", ["wheeltapper", *arguments])
        monkeypatch.setattr(cli.err, "_file", None)
        with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        assert "Traceback" not in shown.out + shown.err
        return int(str(ended.value.code)), shown.err

    return run


def _files(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_plant_is_named(line_yaml: Path, run_command: Any, tmp_path: Path, mistake: str) -> None:
    """The message names what came and what to do; exit code 2, and not one file is written."""
    old, new, parts = MISTAKES[mistake]
    text = line_yaml.read_text()
    assert old in text
    line_yaml.write_text(text.replace(old, new))
    code, message = run_command("run", str(line_yaml))
    assert code == 2
    assert message.startswith("wheeltapper: ")
    for part in parts:
        assert part in message
    assert _files(tmp_path / "home") == []


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("run", "pump_staton"), "Did you mean 'pump_station'?"),
        (("run", "/nowhere/plant.yaml"), "no such file: /nowhere/plant.yaml"),
        (("run", "pump_station", "--start", "yesterday"), "'yesterday' is not a date or time"),
        (("runn", "pump_station"), "No such command 'runn'"),
        (("score", "pump_station", "--end", "2026-01-31"), "No such option"),
    ],
)
def test_wrong_use_is_said_before_anything_starts(run_command: Any, tmp_path: Path, arguments: Any, part: str) -> None:
    """An unknown plant, file, date, command or option: exit code 2, and not one file is written."""
    code, message = run_command(*arguments)
    assert code == 2
    assert part in message
    assert _files(tmp_path / "home") == []


def _empty(line: Any) -> None:
    line.file("a").write_text("")


def _wrong_separator(line: Any) -> None:
    line.file("a").write_text(line.file("a").read_text().replace(",", ";"))


def _sensor_missing(line: Any) -> None:
    line.file("a").write_text(line.file("a").read_text().replace("pressure", "presure"))


def _no_files(line: Any) -> None:
    for asset in "ab":
        line.file(asset).rename(line.file(asset).with_suffix(".txt"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "options", "parts"),
    [
        (_empty, (), ("a.csv", "is empty")),
        (_wrong_separator, (), ("a.csv", "separator", "semicolon")),
        (_sensor_missing, (), ("a.csv", "'pressure'", "Did you mean 'presure'?")),
        (_no_files, (), ("no file in", ".txt")),
        (None, ("--start", "2030-01-01"), ("no readings from 2030-01-01", "the end", "wheeltapper check")),
    ],
)
def test_a_source_that_cannot_be_read_is_named(line_plant: Any, spoil: Any, options: Any, parts: Any) -> None:
    """Exit code 2, one message that names the file and the remedy, and no table."""
    if spoil is not None:
        spoil(line_plant)
    ended = line_plant.run("run", *options)
    assert ended.code == 2, ended
    for part in parts:
        assert part in ended.err
    assert "Traceback" not in ended.err + ended.out
    assert ended.err.count("wheeltapper: ") == 1
    assert [path for path in line_plant.files() if path.startswith(("store", "mlflow", "reports"))] == []


@pytest.mark.slow
def test_a_refusal_by_exit_code_reaches_the_shell(line_plant: Any) -> None:
    """Commands that answer no end with 1: a plant that was never trained has no champion to keep."""
    assert line_plant.run("ingest").code == 0
    ended = line_plant.run("evaluate")
    assert (ended.code, ended.err) == (1, "")
    assert "there is no champion yet" in ended.out
