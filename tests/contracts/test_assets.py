"""Promises of every asset type: complete for people, consistent for machines, and faults that can be seen."""

from datetime import UTC, datetime, timedelta
from types import ModuleType

import numpy as np
import pytest

from wheeltapper import _folder
from wheeltapper.assets import Physics
from wheeltapper.config import AssetType, FaultKind
from wheeltapper.simulation.fleet import Span, Wishes, simulate

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
TYPES = _folder.names("assets")
MODULES = {name: _folder.load_module("assets", name) for name in TYPES}
SIMULATED = [name for name, module in MODULES.items() if hasattr(module, "PHYSICS")]
FAULTS = [(name, kind) for name in SIMULATED for kind in MODULES[name].ASSET_TYPE.faults]


@pytest.fixture(params=TYPES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return MODULES[request.param]


def _three_weeks(asset_type: AssetType) -> Span:
    return Span(MONDAY, timedelta(days=21), asset_type.step)


def test_there_is_something_to_check() -> None:
    """The folder holds at least one type that can be simulated."""
    assert SIMULATED


def test_a_file_holds_the_type_that_it_is_named_after(module: ModuleType) -> None:
    """``ASSET_TYPE`` is an `AssetType` with the file's name, and the file begins with words for people."""
    assert isinstance(module.ASSET_TYPE, AssetType)
    assert module.__name__.endswith(f".{module.ASSET_TYPE.name}")
    assert module.__doc__
    assert module.ASSET_TYPE.description


def test_every_sensor_is_described_and_limited(module: ModuleType) -> None:
    """An engineer reads what each sensor measures and between which values."""
    for name, sensor in module.ASSET_TYPE.sensors.items():
        assert sensor.description, name
        assert sensor.low is not None, name
        assert sensor.high is not None, name


def test_every_fault_says_what_to_check_first(module: ModuleType) -> None:
    """Each kind has a sentence, a first check, and something that it does to a sensor."""
    for name, kind in module.ASSET_TYPE.faults.items():
        assert kind.description.endswith("."), name
        assert kind.first_check.endswith("."), name
        assert kind.effects, name


@pytest.mark.parametrize("name", SIMULATED)
def test_physics_speaks_of_the_type(name: str) -> None:
    """Timetable, noise and gradual kinds name only regimes, sensors and faults that the type has."""
    asset_type, physics = MODULES[name].ASSET_TYPE, MODULES[name].PHYSICS
    assert isinstance(physics, Physics)
    assert {spell.regime for spell in physics.schedule} <= set(asset_type.regimes)
    assert set(physics.noise) <= set(asset_type.sensors)
    assert set(physics.gradual) <= set(asset_type.faults)


@pytest.mark.parametrize("name", SIMULATED)
def test_simulated_values_lie_within_limits(name: str) -> None:
    """Also during faults every value is a number inside its limits, and every regime is one of the type's."""
    asset_type = MODULES[name].ASSET_TYPE
    wishes = Wishes(0.3, tuple(asset_type.faults), overlap=True)
    readings, _ = simulate(asset_type, _three_weeks(asset_type), seed=1, number=1, wishes=wishes)
    for sensor, about in asset_type.sensors.items():
        assert readings[sensor].between(about.low, about.high).all(), sensor
    assert set(readings["regime"]) <= set(asset_type.regimes)


@pytest.mark.parametrize("name", SIMULATED)
def test_limits_rarely_cut_a_healthy_machine(name: str) -> None:
    """Without faults, normal running lies strictly inside the limits in at least 99 of 100 readings."""
    asset_type = MODULES[name].ASSET_TYPE
    readings, _ = simulate(asset_type, _three_weeks(asset_type), seed=1, number=1)
    normal = readings[readings["regime"] == "normal"]
    for sensor, about in asset_type.sensors.items():
        inside = normal[sensor].between(about.low, about.high, inclusive="neither")
        assert inside.mean() > 0.99, sensor


@pytest.mark.parametrize(("name", "kind"), FAULTS)
def test_a_fault_shows_in_the_sensors_that_it_touches(name: str, kind: str) -> None:
    """Against the twin without faults: right sign, right size at the peak, nothing in other sensors or before it."""
    asset_type = MODULES[name].ASSET_TYPE
    span = _three_weeks(asset_type)
    faulty, faults = simulate(asset_type, span, seed=4, number=1, wishes=Wishes(0.1, (kind,)))
    twin, _ = simulate(asset_type, span, seed=4, number=1)
    assert len(faults) > 3
    for fault in faults.itertuples():
        late = fault.end - (fault.end - fault.start) / 10
        peak = faulty["timestamp"].between(late, fault.end)
        whole = faulty["timestamp"].between(fault.start, fault.end)
        for sensor, about in asset_type.sensors.items():
            change = faulty[sensor] - twin[sensor]
            if sensor not in asset_type.faults[kind].effects:
                assert not change[whole].any(), sensor
            elif not faulty.loc[peak, sensor].isin([about.low, about.high]).any():
                expected = fault.severity * _full(asset_type.faults[kind], sensor, float(twin.loc[peak, sensor].mean()))
                tolerance = 0.12 * abs(expected) + 4 * _restless(asset_type.faults[kind], sensor) / np.sqrt(peak.sum())
                assert change[peak].mean() == pytest.approx(expected, abs=tolerance), sensor


@pytest.mark.parametrize(("name", "kind"), FAULTS)
def test_a_fault_begins_small(name: str, kind: str) -> None:
    """In its first tenth a fault does less than half of what it does in its last tenth."""
    asset_type = MODULES[name].ASSET_TYPE
    span = _three_weeks(asset_type)
    faulty, faults = simulate(asset_type, span, seed=4, number=1, wishes=Wishes(0.1, (kind,)))
    twin, _ = simulate(asset_type, span, seed=4, number=1)
    early, late = [], []
    for fault in faults.itertuples():
        tenth = (fault.end - fault.start) / 10
        early.append(faulty["timestamp"].between(fault.start, fault.start + tenth))
        late.append(faulty["timestamp"].between(fault.end - tenth, fault.end))
    for sensor in asset_type.faults[kind].effects:
        change = (faulty[sensor] - twin[sensor]).abs()
        first, last = (change[np.logical_or.reduce(rows)].mean() for rows in (early, late))
        assert first < last / 2, sensor


def _full(kind: FaultKind, sensor: str, usual: float) -> float:
    """Return what the fully developed fault adds to the usual value."""
    effect = kind.effects[sensor]
    return usual * (effect.factor - 1) + effect.shift


def _restless(kind: FaultKind, sensor: str) -> float:
    return kind.effects[sensor].noise
