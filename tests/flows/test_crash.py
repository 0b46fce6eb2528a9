"""`kill -9` at any moment of a run, then run again: as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import replace
from typing import Any

import pytest

pytestmark = pytest.mark.slow  # real servers and processes

KILLED = -signal.SIGKILL

POINTS = (
    "store.after_data:3",  # readings: three of four days lie there, none of them counts
    "store.after_commit:1",  # readings are there; the faults are not
    "store.after_data:2",  # features: half of them
    "registry.after_run:3",  # MLflow has the training, two candidates have begun
    "registry.after_bundle:2",
    "judge.after_document:1",  # decided, on no record
    "registry.after_register:1",  # the version is there, nothing is live
    "judge.after_ledger:1",  # on record, the alias does not know
    "registry.after_alias:1",  # live, nothing scored
    "score.after_scores:1",  # scores without alarms
)


@pytest.mark.long
def test_a_run_that_is_killed_again_and_again_ends_like_one_that_was_not(home: Any, undisturbed: Any) -> None:
    """Ten runs die, each further on; no table is ever broken, and the eleventh ends as if it were the first."""
    for point in POINTS:
        ended = home.run("run", WHEELTAPPER_FAULT=f"{point}:kill")
        assert ended.code == KILLED, f"{point}: {ended}"
        assert home.damage() == [], point
    last = home.run("run")
    assert (last.code, last.err) == (0, "")
    assert home.everything() == undisturbed.everything()
    assert not (home.folder / "bundles").exists() or list((home.folder / "bundles").rglob("*.npz")) == []


@pytest.mark.parametrize("point", ["train.before_finish:2"])
def test_one_kill_changes_nothing(home: Any, undisturbed: Any, point: str) -> None:
    """A run is killed once; the next one ends like an undisturbed run."""
    assert home.run("run", WHEELTAPPER_FAULT=f"{point}:kill").code == KILLED
    last = home.run("run")
    assert (last.code, last.err) == (0, "")
    assert home.everything() == undisturbed.everything()


@pytest.mark.long
def test_kills_at_random_times_change_nothing(bare_home: Any, undisturbed: Any) -> None:
    """A run that was killed at two random moments ends like one that was not killed."""
    chance = random.Random(20261122)
    for _ in range(2):
        started = bare_home.start("run")
        time.sleep(chance.uniform(1.0, 6.0))
        os.kill(started.process, signal.SIGKILL)
        assert bare_home.nursery.wait(started).code in (KILLED, 0)
        assert bare_home.damage() == []
    last = bare_home.run("run")
    assert (last.code, last.err) == (0, "")
    assert bare_home.everything() == undisturbed.everything()


def test_control_c_ends_in_one_sentence(home: Any) -> None:
    """Ctrl-C in the middle of a run: exit code 3, what to do next, and no traceback."""
    started = home.start("run")
    deadline = time.monotonic() + 60
    while not (started.out.exists() and "featurize" in started.out.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(started.process, signal.SIGINT)
    ended = home.nursery.wait(started)
    assert ended.code == 3, ended
    assert ended.err.strip() == "stopped. To continue where it stopped, run the same command again."
    assert home.damage() == []


@pytest.mark.long
def test_what_a_killed_training_left_running_is_ended_by_the_next(home: Any, undisturbed: Any) -> None:
    """A training is killed and the seed changed: the old training ends as killed, and the new bundle is another."""
    plant = home.folder.parent / "tiny.yaml"
    plant.write_text(home.plant.read_text())
    changing = replace(home, plant=plant)
    assert changing.run("run", WHEELTAPPER_FAULT="registry.after_run:3:kill").code == KILLED
    begun = changing.models()["runs"]
    assert {status for _, status in begun} == {"RUNNING"}
    plant.write_text(plant.read_text().replace("seed: 7", "seed: 8"))
    last = changing.run("run")
    assert last.err == ""
    runs = changing.models()["runs"]
    assert {key for key, status in runs if status == "KILLED"} == {key for key, _ in begun}
    assert "RUNNING" not in {status for _, status in runs}
    theirs = undisturbed.models()["versions"]
    assert {bundle for _, bundle in changing.models()["versions"]}.isdisjoint(bundle for _, bundle in theirs)
