"""The ledger: each verdict once, chained, and every change to it shows."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wheeltapper.decisions import ledger
from wheeltapper.errors import StoreError
from wheeltapper.faultpoints import InjectedFaultError
from wheeltapper.store import Store
from wheeltapper.tables import LEDGER

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def decide(store: Store, run: str, verdict: Any = "promote", **other: Any) -> dict[str, Any]:
    """Write a verdict with sensible particulars."""
    fields: dict[str, Any] = {
        "now": NOON,
        "actor": "pipeline",
        "objective": "detect",
        "bundle": f"bundle of {run}",
        "version": "1",
        "data": {"readings": 3},
        "gates": [{"gate": "beats baselines", "value": np.float64(0.75), "limit": 0.5}],
        "reason": "it is better",
    }
    return ledger.append(store, run=run, verdict=verdict, **{**fields, **other})


@pytest.fixture
def plant(tmp_path: Path) -> Store:
    return Store(tmp_path, "mill")


def test_entries_are_chained(plant: Store) -> None:
    """Each entry knows its place and the hash of the one before; particulars come back as they were given."""
    first, second = decide(plant, "r1"), decide(plant, "r2", "keep")
    assert [first["sequence"], second["sequence"]] == [0, 1]
    assert first["previous"] == ""
    assert second["previous"] == first["hash"]
    assert len(first["hash"]) == 64
    assert second["gates"] == [{"gate": "beats baselines", "value": 0.75, "limit": 0.5}]
    assert second["data"] == {"readings": 3}
    assert second["time"] == NOON
    assert ledger.verify(plant) == []
    assert ledger.entries(plant)["verdict"].tolist() == ["promote", "keep"]


def test_a_verdict_is_written_once(plant: Store) -> None:
    """The same run, objective and verdict again, later and with other words, is the entry that is there."""
    first = decide(plant, "r1")
    assert decide(plant, "r1", now=NOON + timedelta(hours=1), reason="again") == first
    decide(plant, "r1", objective="failure_type")
    decide(plant, "r1", "roll back")
    assert len(ledger.entries(plant)) == 3
    assert ledger.entries(plant, "failure_type")["sequence"].tolist() == [1]


def test_live_is_the_last_that_made_something_live(plant: Store) -> None:
    """Promote and roll back make a bundle live; keep, challenge and refuse do not; other objectives do not count."""
    assert ledger.live(plant, "detect") is None
    decide(plant, "r1")
    decide(plant, "r2")
    for number, verdict in enumerate(["keep", "challenge", "refuse", "retrain"]):
        decide(plant, f"n{number}", verdict)
    decide(plant, "r9", objective="horizon")
    live = ledger.live(plant, "detect")
    assert live
    assert live["run"] == "r2"
    decide(plant, "back", "roll back", bundle="bundle of r1")
    assert (ledger.live(plant, "detect") or {})["bundle"] == "bundle of r1"
    decide(plant, "off", "roll back", bundle="", version="")
    assert ledger.live(plant, "detect") is None


def test_of_run(plant: Store) -> None:
    """The newest entry of a run; None for a run nobody decided on."""
    decide(plant, "r1", "challenge")
    decide(plant, "r1", "promote")
    assert (ledger.of_run(plant, "detect", "r1") or {})["verdict"] == "promote"
    assert ledger.of_run(plant, "detect", "r2") is None
    assert ledger.of_run(plant, "other", "r1") is None


@pytest.mark.parametrize("column", ["time", "actor", "bundle", "gates", "reason", "hash", "previous"])
def test_a_rewritten_entry_shows(plant: Store, column: str) -> None:
    """Whoever rewrites a field through the store itself breaks the chain at that entry."""
    for run in ("r1", "r2", "r3"):
        decide(plant, run)
    rows = ledger.entries(plant)
    rows.loc[1, column] = NOON + timedelta(days=1) if column == "time" else "forged"
    # Times and hashes are volatile, so a forger has to take the row out before putting it back.
    plant.upsert(LEDGER, rows.iloc[:0], txn="out", drop=rows.iloc[[1]])
    plant.upsert(LEDGER, rows.iloc[[1]], txn="back")
    assert any("entry 1" in line for line in ledger.verify(plant))


def test_a_removed_entry_shows(plant: Store) -> None:
    """A removed entry leaves a hole in the numbers and in the chain; a rehashed one breaks the next link."""
    for run in ("r1", "r2", "r3"):
        decide(plant, run)
    rows = ledger.entries(plant)
    plant.upsert(LEDGER, rows.iloc[:0], txn="out", drop=rows.iloc[[1]])
    assert len(ledger.verify(plant)) == 2
    forged = rows.iloc[1].to_dict() | {"reason": "forged"}
    forged["hash"] = ledger._hash(forged)
    plant.upsert(LEDGER, rows.iloc[[1]].assign(reason="forged", hash=forged["hash"]), txn="back")
    assert ledger.verify(plant) == ["entry 2 does not follow the entry before it: one was removed or rewritten"]


def test_an_interrupted_run_has_the_same_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted before or after its commit and resumed an hour later, the ledger says the same as undisturbed."""
    peace = Store(tmp_path, "peace")
    decide(peace, "r1")
    decide(peace, "r2", "keep")
    for point in ("before_commit", "after_commit"):
        plant = Store(tmp_path, point)
        decide(plant, "r1")
        monkeypatch.setenv("WHEELTAPPER_FAULT", f"store.{point}:1:raise")
        with pytest.raises(InjectedFaultError):
            decide(plant, "r2", "keep")
        monkeypatch.delenv("WHEELTAPPER_FAULT")
        decide(plant, "r2", "keep", now=NOON + timedelta(hours=1))
        assert plant.digest(LEDGER) == peace.digest(LEDGER)
        assert ledger.verify(plant) == []


def test_bad_particulars_are_refused(plant: Store) -> None:
    """Unknown verdicts, times without a zone and figures that JSON cannot hold are refused; nothing is written."""
    with pytest.raises(StoreError, match="verdict must be one of"):
        decide(plant, "r1", "promoted")
    with pytest.raises(StoreError, match="time zone"):
        decide(plant, "r1", now=datetime(2026, 1, 5))
    with pytest.raises(StoreError, match="'gates'"):
        decide(plant, "r1", gates={"auc": float("nan")})
    with pytest.raises(StoreError, match="'data'"):
        decide(plant, "r1", data={"store": object()})
    assert plant.version(LEDGER) is None


DECIDER = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[3])]!r}
from test_ledger import decide
from wheeltapper.store import Store
plant = Store(sys.argv[1], "mill")
print("ready", flush=True)
sys.stdin.readline()
for number in range(5):
    decide(plant, f"{{sys.argv[2]}}{{number}}", "keep")
    decide(plant, f"shared{{number}}", "keep")
"""


@pytest.mark.slow
def test_two_deciders_at_once(plant: Store, tmp_path: Path) -> None:
    """Two processes that decide at the same time make one chain; what both decide is in it once."""
    deciders = [
        subprocess.Popen(
            [sys.executable, "-c", DECIDER, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        for name in "ab"
    ]
    for decider in deciders:
        assert decider.stdout
        assert decider.stdout.readline() == "ready\n"
    for decider in deciders:
        assert decider.stdin
        decider.stdin.write("go\n")
        decider.stdin.flush()
    for decider in deciders:
        decider.communicate(timeout=120)
    assert [decider.returncode for decider in deciders] == [0, 0]
    rows = ledger.entries(plant)
    assert sorted(rows["run"]) == sorted(f"{name}{n}" for name in ("a", "b", "shared") for n in range(5))
    assert ledger.verify(plant) == []
