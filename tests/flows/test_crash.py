"""`kill -9` at any moment of a run, then run again: as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

import pytest

KILLED = -signal.SIGKILL

POINTS = (
    "store.before_data:1",  # readings: nothing written yet
    "store.after_data:3",  # readings: three of six days lie there, none of them counts
    "store.before_commit:1",
    "store.after_commit:1",  # readings are there; the faults are not
    "store.after_data:2",  # features: half of them
    "registry.after_run:1",  # MLflow has the training and no candidate
    "registry.after_run:3",  # two candidates have begun
    "registry.after_bundle:2",
    "train.before_finish:2",
    "judge.after_document:1",  # decided, on no record
    "registry.after_register:1",  # the version is there, nothing is live
    "judge.after_ledger:1",  # on record, the alias does not know
    "registry.after_alias:1",  # live, nothing scored
    "score.after_scores:1",  # scores without alarms
)


def test_a_run_that_is_killed_again_and_again_ends_like_one_that_was_not(home: Any, undisturbed: Any) -> None:
    """Fourteen runs die, each further on; no table is ever broken, and the fifteenth ends as if it were the first."""
    for point in POINTS:
        ended = home.run("run", WHEELTAPPER_FAULT=f"{point}:kill")
        assert ended.code == KILLED, f"{point}: {ended}"
        assert home.damage() == [], point
    last = home.run("run")
    assert (last.code, last.err) == (0, "")
    assert home.everything() == undisturbed.everything()
    assert not (home.folder / "bundles").exists() or list((home.folder / "bundles").rglob("*.npz")) == []


@pytest.mark.slow
@pytest.mark.parametrize("point", ["store.after_data:5", "registry.after_register:1", "judge.after_ledger:1"])
def test_one_kill_changes_nothing(home: Any, undisturbed: Any, point: str) -> None:
    """A run is killed once; the next one ends like a run that nobody disturbed."""
    assert home.run("run", WHEELTAPPER_FAULT=f"{point}:kill").code == KILLED
    last = home.run("run")
    assert (last.code, last.err) == (0, "")
    assert home.everything() == undisturbed.everything()


@pytest.mark.slow
def test_kills_at_random_times_change_nothing(home: Any, undisturbed: Any) -> None:
    """Killed at three moments that nobody chose, the run ends like one that was not."""
    chance = random.Random(20261122)
    for _ in range(3):
        started = home.start("run")
        time.sleep(chance.uniform(1.0, 6.0))
        os.kill(started.process, signal.SIGKILL)
        assert home.nursery.wait(started).code in (KILLED, 0)
        assert home.damage() == []
    last = home.run("run")
    assert (last.code, last.err) == (0, "")
    assert home.everything() == undisturbed.everything()


def test_control_c_ends_in_one_sentence(home: Any) -> None:
    """Ctrl-C in the middle of a run: exit code 3, what to do next, and no traceback."""
    started = home.start("run")
    deadline = time.monotonic() + 60
    while "featurize" not in started.out.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(started.process, signal.SIGINT)
    ended = home.nursery.wait(started)
    assert ended.code == 3, ended
    assert ended.err.strip() == "stopped; run the same command again to go on where it stopped."
    assert home.damage() == []


def test_what_a_killed_training_left_running_is_ended_by_the_next(home: Any) -> None:
    """A training is killed and the plant changed: the old training does not seem to run for ever."""
    assert home.run("run", WHEELTAPPER_FAULT="registry.after_run:3:kill").code == KILLED
    assert {status for _, status in home.models()["runs"]} == {"RUNNING"}
    changed = home.plant.with_name("tiny_changed.yaml")
    changed.write_text(home.plant.read_text().replace("seed: 7", "seed: 8"))
    assert home.registry is not None
