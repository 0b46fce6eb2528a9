"""The same readings in any cut and order give the same tables: all at once, in hours, shuffled, late, killed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.flows import any_cut
from tests.flows.cut_plants import Cut

pytestmark = pytest.mark.slow


def test_the_rest_raises_alarms(cut: Cut) -> None:
    """Else the tests below would compare little: windows and alarms are new; one is open before and one after."""
    for table in (any_cut.tables.FEATURES, any_cut.tables.SCORES):
        before, after = (len(plant.space.store.read(table)) for plant in (cut.before, cut.after))
        assert after > before + 100
    alarms = any_cut.standing_alarms(cut.before.space)
    assert (alarms["state"] == "open").sum() >= 1
    alarms = any_cut.standing_alarms(cut.after.space)
    assert (alarms["state"] == "open").sum() >= 1
    assert (alarms["opened_at"] >= cut.rest["timestamp"].min()).sum() >= 2


@pytest.mark.parametrize("way", ["hours", "singles", "growing", "shuffled", "late", "corrected"])
def test_the_tables_are_those_of_one_delivery(cut: Cut, way: str, tmp_path: Path) -> None:
    """Hour by hour, reading by reading, in a growing file, shuffled within a day, one hour late, or wrong at first."""
    other = cut.before.copy(tmp_path / way)
    bring: Callable[..., Any] = any_cut.WAYS[way]
    options = {"count": 8} if way == "singles" else {}
    other.bring(bring(cut.rest, cut.pace, np.random.default_rng(11), **options))
    cut.requires_the_same(other)


def test_the_live_core_says_what_the_tables_say(cut: Cut) -> None:
    """Reading by reading, from the state that the tables leave: features, scores and alarms to the last bit."""
    assert any_cut.live_differences(cut.before, cut.after, cut.rest) == []


@pytest.mark.long
def test_looks_that_are_killed_leave_no_trace(cut: Cut, tmp_path: Path) -> None:
    """About ten looks die at random moments, and twelve at chosen points; each is run again until it ends."""
    other = cut.before.copy(tmp_path / "killed")
    killing = any_cut.Killing(other, random.Random(20261201))
    killing.bring(any_cut.pieces(cut.rest, 2 * cut.pace.hour), kills=10, points=any_cut.POINTS)
    assert killing.at_random >= 3
    assert killing.at_points >= 8
    cut.requires_the_same(other)
