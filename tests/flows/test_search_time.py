"""A search keeps to its minutes: they begin with its preparation, and end between two folds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.mill import PLANT
from wheeltapper import config
from wheeltapper.config import PlugIn, Search
from wheeltapper.store import Ref
from wheeltapper.training import search as searching
from wheeltapper.training.objective import Job
from wheeltapper.training.session import Training
from wheeltapper.training.shared import Shared
from wheeltapper.training.trials import Block

FOLD = 10.0
"""Seconds that a fold takes on the clock of these tests."""


@dataclass
class Shelf:
    """A registry that keeps documents in memory, and knows which runs have ended."""

    documents: dict[tuple[str, str], Any] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    logged: dict[str, dict[str, Any]] = field(default_factory=dict)

    def trial_run(self, _: str, key: str, __: str) -> str:
        return key

    def finished(self, run_id: str) -> bool:
        return run_id in self.ended

    def document(self, run_id: str, name: str) -> Any:
        return self.documents[run_id, name]

    def log(self, run_id: str, *, documents: dict[str, Any], **more: Any) -> None:
        self.documents |= {(run_id, name): content for name, content in documents.items()}
        self.logged[run_id] = more

    def finish(self, run_id: str, _: str = "FINISHED") -> None:
        self.ended.add(run_id)


@dataclass
class Bench:
    """A search over three other values, whose preparation takes 15 s and whose three folds take ten seconds each."""

    shelf: Shelf = field(default_factory=Shelf)
    now: float = 1000.0
    judged: int = 0

    def search(self, seconds: float) -> dict[str, Any]:
        search = Search(minutes=seconds / 60, over={"pca_residual": {"variance": (0.5, 0.6, 0.7)}})
        plant = config.parse(PLANT, name="mill", folder=Path(), where="mill.yaml").model_copy(update={"search": search})
        space: Any = SimpleNamespace(plant=plant, registry=self.shelf)
        training = Training("detect", "k", "run", {"readings": Ref("mill", "readings", 1, "d")}, ())
        table: Any = None
        job = Job(space, training, "pca", PlugIn(name="pca_residual"), "run", table, {}, Shared())
        outcome = searching.search(job)
        assert outcome is not None
        return outcome

    def prepare(self, *_: Any) -> searching.HeldOut:
        self.now += 15.0
        block = Block(start="2026-01-05", end="2026-01-06", fitted_on=9, windows=9, guessing=0.1)
        folds: Any = ("first", "second", "third")
        return searching.HeldOut(folds, (block,) * 3, "vus_pr", ())

    def figure(self, *given: Any) -> float:
        """The options as written are the worst, and the later the fold, the harder it is."""
        self.now += FOLD
        self.judged += 1
        return float(given[3].options.get("variance", 0.1)) - 0.01 * int(given[4])


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    here = Bench()
    monkeypatch.setattr(searching, "time", SimpleNamespace(monotonic=lambda: here.now))
    monkeypatch.setattr(searching, "_cut", here.prepare)
    monkeypatch.setattr(searching, "_figure", here.figure)
    return here


def told(outcome: dict[str, Any]) -> tuple[int, list[list[float]], int]:
    """How many trials are whole, the figures of those that were stopped, and how many were not begun."""
    return len(outcome["trials"]), [trial["figures"] for trial in outcome["stopped"]], len(outcome["left"])


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1.0, (1, [], 3)),  # the first comes to its end
        (45.0, (1, [], 3)),  # 15 s of preparation and 30 s of the first: nothing is left
        (60.0, (1, [[0.5, 0.49]], 2)),  # 15 s are left for the second: two folds are begun
        (80.0, (2, [[0.6]], 1)),  # 5 s are left for the third
        (600.0, (4, [], 0)),
    ],
)
def test_the_minutes_begin_with_the_preparation_and_end_between_two_folds(
    bench: Bench, seconds: float, expected: tuple[int, list[list[float]], int]
) -> None:
    """A stopped trial keeps the figures of its folds; the chosen one was judged on all folds."""
    outcome = bench.search(seconds)
    assert told(outcome) == expected
    assert outcome["chosen"] == outcome["trials"][-1]["options"]
    assert searching.in_short(outcome)["search"]["left"] == 4 - expected[0]


def test_a_search_that_is_repeated_looks_up_what_was_stopped(bench: Bench) -> None:
    """Prepared again, and slower, it stops at the same place and judges nothing anew."""
    before = bench.search(60.0)
    judged = bench.judged
    bench.now += 1000.0
    assert bench.search(60.0) == before
    assert bench.judged == judged == 5


def test_a_trial_that_was_stopped_says_so_in_mlflow(bench: Bench) -> None:
    """It has a tag, the figures of its folds, and no mean that could be compared with that of another."""
    bench.search(60.0)
    (stopped,) = [trial for trial in bench.shelf.logged.values() if trial["tags"].get("stopped")]
    assert stopped["tags"]["stopped"] == "stopped, time used up"
    assert set(stopped["metrics"]) == {"vus_pr.fold_1", "vus_pr.fold_2", "seconds"}
