"""Nothing has happened only if plant, source, tables and code are as the last complete look left them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wheeltapper import unchanged
from wheeltapper.config import Settings
from wheeltapper.unchanged import Files, Look

ROOT = Path(__file__).parents[2]
LARGE = {"pandas", "pyarrow", "great_expectations", "mlflow", "sklearn", "scipy", "numba", "tensorflow"}
TITLE = "mill: two machines"


class Mill:
    """A plant's file, its readings, and the logs of two tables in a home."""

    def __init__(self, folder: Path) -> None:
        self.file, self.home = folder / "mill.yaml", folder / "home"
        self.readings = folder / "readings"
        self.file.write_text("asset_type: pump", encoding="utf-8")
        self.readings.mkdir()
        (self.readings / "day.csv").write_text("t,x\n", encoding="utf-8")
        for table in ("readings", "ledger"):
            self.commit(table)

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home)

    @property
    def files(self) -> Files:
        return Files("readings", str(self.readings), ("**/*.csv",))

    def commit(self, table: str) -> None:
        """Write an entry into the log of a table; the folder's time of change always moves."""
        log = self.home / "store" / "mill" / table / "_delta_log"
        log.mkdir(parents=True, exist_ok=True)
        number = len(list(log.iterdir()))
        (log / f"{number:020d}.json").write_text("{}", encoding="utf-8")
        os.utime(log, ns=(number, number))

    def look(self) -> None:
        """Look at everything, and remember it."""
        look = Look.begin(self.settings, str(self.file))
        look.end(TITLE, self.files, {name: [*stamp, "sha"] for name, stamp in self.files.stamps().items()})


@pytest.fixture
def mill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mill:
    mill = Mill(tmp_path)
    monkeypatch.setenv("WHEELTAPPER_HOME", str(mill.home))
    return mill


def test_a_plant_that_was_never_watched_is_looked_at(mill: Mill) -> None:
    assert unchanged.title(str(mill.file)) is None


def test_nothing_has_happened_since_a_look(mill: Mill) -> None:
    mill.look()
    assert unchanged.title(str(mill.file)) == TITLE


@pytest.mark.parametrize(
    "happens",
    [
        lambda mill: (mill.readings / "next.csv").write_text("t,x\n"),
        lambda mill: (mill.readings / "day.csv").write_text("t,x\n1,2\n"),
        lambda mill: (mill.readings / "day.csv").unlink(),
        lambda mill: mill.file.write_text("asset_type: motor"),
        lambda mill: mill.commit("readings"),
        lambda mill: mill.commit("ledger"),
        lambda mill: (mill.home / "watched" / "mill.json").write_text("{"),
    ],
    ids=["new file", "grown file", "file gone", "other settings", "readings written", "decision", "damaged record"],
)
def test_whatever_happens_is_seen(mill: Mill, happens: object) -> None:
    """A file, a table or the plant has changed, or what was remembered cannot be read: everything is looked at."""
    mill.look()
    happens(mill)  # type: ignore[operator]
    assert unchanged.title(str(mill.file)) is None


def test_readings_that_lie_elsewhere_now_are_seen(mill: Mill, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A relative path leads to another folder once one of its name stands where it is looked for first."""
    data = tmp_path / "data"
    mill.readings.rename(tmp_path / "moved")
    (data / "readings").mkdir(parents=True)
    monkeypatch.setenv("WHEELTAPPER_DATA", str(data))
    mill.readings = data / "readings"
    mill.look()
    assert unchanged.title(str(mill.file)) == TITLE
    (tmp_path / "readings").mkdir()
    assert unchanged.title(str(mill.file)) is None


def test_a_look_that_did_not_end_counts_for_nothing(mill: Mill) -> None:
    """It was killed: what the look before had seen is no longer known to be all."""
    mill.look()
    Look.begin(mill.settings, str(mill.file))
    assert unchanged.title(str(mill.file)) is None


def test_a_decision_during_a_look_is_not_passed_over(mill: Mill) -> None:
    """A person made another model live after the windows were scored."""
    look = Look.begin(mill.settings, str(mill.file))
    mill.commit("ledger")
    look.end(TITLE, mill.files, {name: list(stamp) for name, stamp in mill.files.stamps().items()})
    assert unchanged.title(str(mill.file)) is None


def test_a_file_that_changed_during_a_look_is_looked_at_again(mill: Mill) -> None:
    """What counts is what was read, not what lies there when the look ends."""
    look, read = Look.begin(mill.settings, str(mill.file)), mill.files.stamps()
    (mill.readings / "day.csv").write_text("t,x\n1,2\n", encoding="utf-8")
    look.end(TITLE, mill.files, {name: list(stamp) for name, stamp in read.items()})
    assert unchanged.title(str(mill.file)) is None


def test_versions_that_are_due_are_given_up(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where old versions are given up with time, time alone is something new."""
    mill.look()
    monkeypatch.setenv("WHEELTAPPER_KEEP_VERSIONS", "30d")
    assert unchanged.title(str(mill.file)) is None


def test_a_quiet_watch_imports_nothing_large() -> None:
    """What the command line and the flow import before they know whether anything is new."""
    code = (
        "import sys, flows.watch, wheeltapper.cli.flow_runs, wheeltapper.unchanged; "
        f"print(sorted({LARGE!r} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
