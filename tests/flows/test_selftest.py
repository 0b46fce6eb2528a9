"""How well a candidate tells a stepped window from a clean one, by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tests.flows.conftest import Home
from wheeltapper import tables
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.selftest.twins import Twins, recent_twins, twins_among
from wheeltapper.workspace import Workspace


def test_a_twin_is_put_together_from_what_differs() -> None:
    """One of three columns is kept, and all rows come back as they were."""
    clean = pd.DataFrame({"asset_id": ["a", "a"], "x": [1.0, np.nan], "y": [3.0, 4.0]})
    twin = clean.assign(x=[2.0, np.nan])
    twins = Twins(clean, twin[["x"]], rehearsal=None)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(twins.obvious(), twin)


@pytest.mark.slow
def test_readings_at_hand_give_the_twins_of_those_in_the_store(
    undisturbed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A benchmark without a store uses the same windows as the pipeline."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(undisturbed.folder))
    space = Workspace.open(str(undisturbed.plant))
    rows = space.store.read(tables.FEATURES)
    normal = rows[rows["usable"]].sort_values(["asset_id", "window_end"]).groupby("asset_id").tail(400)
    plan = FeaturePlan.of(space.plant)
    stored = recent_twins(space, plan, normal, None)
    at_hand = twins_among(plan, space.store.read(tables.READINGS), normal, space.plant.alarms)
    pd.testing.assert_frame_equal(at_hand.clean, stored.clean)
    pd.testing.assert_frame_equal(at_hand.difference, stored.difference)
    pd.testing.assert_frame_equal(at_hand.rehearsal.rows, stored.rehearsal.rows)
    assert len(stored.rehearsal.rows)


@pytest.mark.slow
def test_a_champion_is_examined_on_the_command_line(home: Home, undisturbed: Home) -> None:
    """Without a champion the answer is no; with one, a table of its sensors and every gate, as text and as JSON."""
    before = home.run("selftest")
    assert (before.code, "no champion" in before.err) == (1, True)
    shown = undisturbed.run("selftest")
    assert shown.code == 0, shown.out + shown.err
    assert "vibration" in shown.out and "is not blind" in shown.out
    shown_json = json.loads(undisturbed.run("selftest", "--json").out)
    assert shown_json["passed"] is True
    assert {line["sensor"] for line in shown_json["table"]} >= {"vibration", "pressure"}
    assert {"is_not_inverted", "is_not_blind"} <= {gate["name"] for gate in shown_json["gates"]}
