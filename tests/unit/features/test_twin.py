"""The twin: near zero while the machine obeys its laws, away from zero when a fault breaks one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import plants, sources
from wheeltapper.assets import Drivers
from wheeltapper.assets.pump import ASSET_TYPE as PUMP
from wheeltapper.assets.pump import PHYSICS
from wheeltapper.config import AssetType
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan, build_set
from wheeltapper.features.sets import Stretch
from wheeltapper.readings import clean

PRESSURE = "pressure__twin__flow_rate"
CURRENT = "current__twin__pressure__flow_rate"
DUTY = "duty_cycle__twin__pressure__flow_rate"


def residuals(machine: AssetType, rows: int = 2, **sensors: Any) -> dict[str, np.ndarray]:
    """Return what the twin computes from readings a minute apart."""
    arrays = {name: np.array(values, dtype=float) for name, values in sensors.items()}
    n = len(next(iter(arrays.values())))
    last = np.arange(rows - 1, n)
    stretch = Stretch(60.0 * np.arange(n), arrays, last - rows + 1, last)
    return build_set("twin").compute(stretch, machine)


def test_by_hand() -> None:
    """Expected is twice the flow: residuals 1 and 3 have the mean 2, and 3 and −1 have 1. Reference row 001-N5."""
    sensors = {"flow": {"unit": "m³/h"}, "pressure": {"unit": "bar"}}
    machine = AssetType.model_validate(
        {"name": "x", "step": "1min", "sensors": sensors, "twin": {"pressure": "2 * flow"}}
    )
    found = residuals(machine, flow=[1, 2, 3], pressure=[3, 7, 5])
    assert {name: one.tolist() for name, one in found.items()} == {"pressure__twin__flow": [2, 1]}


def test_a_sensor_in_a_formula_is_what_it_measures() -> None:
    """The head comes from the measured pressure of 8, not from the 4 that the flow lets expect."""
    sensors = {"flow": {"unit": "m³/h"}, "pressure": {"unit": "bar"}, "power": {"unit": "kW"}}
    twin = {"pressure": "2 * flow", "head": "10 * pressure", "power": "head * flow"}
    machine = AssetType.model_validate({"name": "x", "step": "1min", "sensors": sensors, "twin": twin})
    found = residuals(machine, rows=1, flow=[2], pressure=[8], power=[161])
    assert found["pressure__twin__flow"].tolist() == [4]
    assert found["power__twin__pressure__flow"].tolist() == [1]


def test_no_twin_no_column() -> None:
    """An asset type without formulas gives nothing to watch. Reference row 001-N5."""
    assert build_set("twin").columns(PUMP.model_copy(update={"twin": {}})) == ()


def test_the_laws_are_those_of_the_simulated_pump() -> None:
    """Without disturbance all three residuals are zero, from a third of the load to beyond the full one.

    Reference row 001-N5.
    """
    level = np.linspace(0.3, 1.25, 40)
    still = {name: np.zeros(40) for name in PHYSICS.signals}
    healthy = PHYSICS.respond(Drivers(step=60.0, regime=np.full(40, "normal"), level=level, signals=still))
    found = residuals(PUMP, **healthy)
    assert set(found) == {PRESSURE, CURRENT, DUTY}
    for values in found.values():
        np.testing.assert_allclose(values, 0, atol=1e-9)


@pytest.fixture(scope="module")
def station() -> pd.DataFrame:
    """Return windows of three simulated pumps of four weeks, each with the fault that it is in at its height."""
    text = """
asset_type: pump
source: {simulator: {assets: 3, start: 2026-01-05, duration: 28d, anomaly_rate: 0.06}}
windows: {rows: 5}
features: [latest, twin]
candidates: [pca_residual]
seed: 11
"""
    plant = plants.parse(text, name="station", folder=Path(), where="station.yaml")
    batches = list(sources.build(plant.source).read(plant))
    rows = compute(FeaturePlan.of(plant), pd.concat([clean.parse(one, plant).rows for one in batches]))
    rows = rows[rows["usable"] & (rows["regime"] != "transition")].assign(kind="")
    for fault in pd.concat([one.faults for one in batches]).itertuples():
        mine = (rows["asset_id"] == fault.asset_id) & (rows["window_end"] <= fault.end)
        rows.loc[mine & (rows["window_end"] >= fault.start), "kind"] = "growing"
        rows.loc[mine & (rows["window_start"] >= fault.start + (fault.end - fault.start) / 2), "kind"] = fault.kind
    return rows


def test_normal_running_stays_near_zero(station: pd.DataFrame) -> None:
    """Over all regimes, starting up included: within a fifth of a bar, 3 A and 3 % on average, and quieter than raw.

    Every sensor of every pump is off by up to 2 % for good, which is 1.5 A and 0.13 bar.

    Reference row 001-N5.
    """
    normal = station[station["kind"] == ""]
    assert len(normal) > 80_000
    assert set(normal["regime"]) == {"startup", "normal", "high_load"}
    centre = normal.groupby("asset_id")[[PRESSURE, CURRENT, DUTY]].median().abs().max()
    assert centre[PRESSURE] < 0.2
    assert centre[CURRENT] < 3
    assert centre[DUTY] < 3
    assert normal[CURRENT].std() < 0.6 * normal["current"].std()
    assert normal[PRESSURE].std() < 0.7 * normal["pressure"].std()


BROKEN = [
    ("cavitation", PRESSURE, -2),
    ("cavitation", CURRENT, 3),
    ("seal_leak", CURRENT, 3),
    ("partial_blockage", PRESSURE, 4),
    ("partial_blockage", CURRENT, 3),
    ("electrical_fault", CURRENT, 3),
    ("bearing_wear", CURRENT, 1),
]


@pytest.mark.parametrize(("kind", "column", "deviations"), BROKEN)
def test_a_broken_law_shows(station: pd.DataFrame, kind: str, column: str, deviations: float) -> None:
    """Each kind of fault moves a residual by that many of its usual deviations, in the direction that physics says.

    Reference row 001-N5.
    """
    normal, faulty = station[station["kind"] == ""], station[station["kind"] == kind]
    assert len(faulty) > 20
    moved = (faulty[column].mean() - normal[column].mean()) / normal[column].std()
    assert moved / deviations > 1


def test_what_the_law_does_not_hold_for_has_no_value() -> None:
    """A root of something negative blanks the window, and only it; a set that says so."""
    sensors = {"flow": {"unit": "m³/h"}, "head": {"unit": "m"}}
    machine = AssetType.model_validate(
        {"name": "x", "step": "1min", "sensors": sensors, "twin": {"flow": "sqrt(head)"}}
    )
    found = residuals(machine, rows=1, flow=[2, 2, 2], head=[4, -1, 9])
    np.testing.assert_array_equal(found["flow__twin__head"], [0, np.nan, -1])
    assert not build_set("twin").always_has_value


def test_the_plan_carries_the_laws() -> None:
    """A plan written as JSON with its keys in another order computes the same; another law is another plan."""
    plan = FeaturePlan.model_validate({"asset_type": PUMP, "sets": ["twin"], "windows": {"rows": 2}})
    back = FeaturePlan.model_validate(json.loads(json.dumps(plan.model_dump(mode="json"), sort_keys=True)))
    assert list(back.asset_type.twin) != list(plan.asset_type.twin)
    assert back.hash == plan.hash
    frame = pd.DataFrame(
        {
            "asset_id": "pump-01",
            "timestamp": pd.date_range("2026-01-05", periods=3, freq="1min", tz="UTC"),
            "regime": "normal",
            **dict.fromkeys(PUMP.sensors, 40.0),
        }
    )
    pd.testing.assert_frame_equal(compute(back, frame), compute(plan, frame))
    other = PUMP.model_copy(update={"twin": {"pressure": "0.05 * flow_rate"}})
    assert FeaturePlan.model_validate({"asset_type": other, "sets": ["twin"], "windows": {"rows": 2}}).hash != plan.hash


def test_a_residual_names_its_sensors() -> None:
    """Each sensor of a law may be the wrong one."""
    features = {feature.name: feature for feature in build_set("twin").columns(PUMP)}
    assert features[CURRENT].sensors == ("current", "pressure", "flow_rate")
