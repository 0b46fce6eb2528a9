"""The same plant, data and seed give the same figures and the same bundles, also for two runs at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any


def test_two_runs_at_once_are_one_run(home: Any, undisturbed: Any) -> None:
    """Two runs start at the same moment in a new home: one waits, and both end like a single run elsewhere."""
    first, second = home.start("run"), home.start("run")
    ended = [home.nursery.wait(one) for one in (first, second)]
    assert [(one.code, one.err) for one in ended] == [(0, ""), (0, "")]
    assert sum("waiting for it" in one.out for one in ended) == 1
    assert home.everything() == undisturbed.everything()


def test_another_seed_gives_another_bundle(home: Any, undisturbed: Any) -> None:
    """The seed is part of what a bundle is: with another one its hash differs, and so do the readings."""
    plant = home.folder.parent / "tiny.yaml"
    plant.write_text(home.plant.read_text().replace("seed: 7", "seed: 8"))
    other = replace(home, plant=plant)
    assert other.run("run").err == ""
    ours, theirs = other.models(), undisturbed.models()
    assert {bundle for _, bundle in ours["versions"]}.isdisjoint(bundle for _, bundle in theirs["versions"])
    assert other.contents()["readings"] != undisturbed.contents()["readings"]
