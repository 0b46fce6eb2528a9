"""Promises of every asset type: complete for people, consistent for machines, and faults that can be seen."""

from datetime import UTC, datetime, timedelta
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from tests.contracts.plug_ins import PLUG_INS, names, of_the_package
from wheeltapper.assets import Physics
from wheeltapper.config import IDLE_REGIMES, AssetType, FaultKind, sensor_faults
from wheeltapper.errors import SourceError
from wheeltapper.plugins import ASSET_TYPES
from wheeltapper.simulation import fleet, lookalikes
from wheeltapper.simulation.fleet import Disturbances, Span

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
TYPES = names(ASSET_TYPES)
MODULES = {name: PLUG_INS.module(ASSET_TYPES, name) for name in TYPES}
SIMULATED = [name for name, module in MODULES.items() if hasattr(module, "PHYSICS")]
PLANNED = [name for name in SIMULATED if MODULES[name].PHYSICS.label is None]
LABELLED = [name for name in SIMULATED if name not in PLANNED]
FAULTS = [(name, kind) for name in PLANNED for kind in MODULES[name].ASSET_TYPE.faults]
EVERY_SENSOR = [(name, sensor) for name in PLANNED for sensor in MODULES[name].ASSET_TYPE.sensors]
SENSOR_FAULTS = [
    (name, f"{kind}:{sensor}")
    for name in PLANNED
    for sensor in list(MODULES[name].ASSET_TYPE.sensors)[:1]
    for kind in sensor_faults.kinds_for(MODULES[name].ASSET_TYPE.sensors[sensor])
]


@pytest.fixture(params=TYPES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return MODULES[request.param]


def simulate(asset_type: AssetType, span: Span, **disturbances) -> tuple[pd.DataFrame, pd.DataFrame]:
    return fleet.simulate(asset_type, span, physics=fleet.physics_of(asset_type, PLUG_INS), **disturbances)


def _weeks(asset_type: AssetType) -> Span:
    """Three weeks, or long enough for several faults where they last longer than hours."""
    longest = MODULES[asset_type.name].PHYSICS.lasts[1]
    return Span(MONDAY, max(timedelta(days=21), 70 * longest), asset_type.step)


def _level_free(readings: pd.DataFrame, asset_type: AssetType) -> pd.DataFrame:
    """Put what counters count in an hour in the place of their level."""
    hours = readings["timestamp"].diff() / timedelta(hours=1)
    rates = {
        name: (readings[name].diff() / hours).fillna(0) for name, sensor in asset_type.sensors.items() if sensor.counter
    }
    return readings.assign(**rates)


@of_the_package
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


@pytest.mark.parametrize("name", PLANNED)
def test_simulated_values_lie_within_limits(name: str) -> None:
    """Also during faults every value is a number inside its limits, and every regime is one of the type's."""
    asset_type = MODULES[name].ASSET_TYPE
    disturbances = Disturbances(0.3, tuple(asset_type.faults), overlap=True)
    readings, _ = simulate(asset_type, _weeks(asset_type), seed=1, number=1, disturbances=disturbances)
    for sensor, about in asset_type.sensors.items():
        assert readings[sensor].between(about.low, about.high).all(), sensor
    assert set(readings["regime"]) <= set(asset_type.regimes)


@pytest.mark.parametrize("name", SIMULATED)
def test_limits_rarely_cut_a_healthy_machine(name: str) -> None:
    """Without faults, normal running lies strictly inside the limits in at least 99 of 100 readings."""
    asset_type = MODULES[name].ASSET_TYPE
    readings, _ = simulate(asset_type, _weeks(asset_type), seed=1, number=1)
    normal = readings[readings["regime"] == "normal"]
    for sensor, about in asset_type.sensors.items():
        inside = normal[sensor].between(about.low, about.high, inclusive="neither")
        assert inside.mean() > 0.99, sensor


@pytest.mark.parametrize("name", SIMULATED)
def test_what_needs_a_repair_has_failed(name: str) -> None:
    """A machine that stands for repair after each fault has failed; its type says so of each such fault."""
    kinds = [kind for kind in MODULES[name].ASSET_TYPE.faults.values() if kind.part == "machine"]
    fails = MODULES[name].PHYSICS.repair is not None
    assert [kind.ends_in_failure for kind in kinds] == [fails] * len(kinds)


@pytest.mark.parametrize("name", LABELLED)
def test_labels_are_a_rule_about_the_values(name: str) -> None:
    """If faults are read off the values, each kind shows its effect, and no more of it can be ordered."""
    asset_type = MODULES[name].ASSET_TYPE
    readings, faults = simulate(asset_type, Span(MONDAY, timedelta(days=200), asset_type.step), seed=1, number=1)
    normal = ~_inside(readings, faults)
    for kind, about in asset_type.faults.items():
        rows = _inside(readings, faults[faults["kind"] == kind])
        assert rows.sum() > 20
        for sensor, effect in about.effects.items():
            usual = readings[sensor].mean()
            assert readings.loc[rows, sensor].mean() - usual == pytest.approx(effect.shift, rel=0.2), (kind, sensor)
            assert readings.loc[rows, sensor].min() > readings.loc[normal, sensor].max(), (kind, sensor)
    with pytest.raises(SourceError, match="cannot be ordered"):
        simulate(
            asset_type, _weeks(asset_type), seed=1, number=1, disturbances=Disturbances(0.1, tuple(asset_type.faults))
        )


@pytest.mark.parametrize(("name", "kind"), FAULTS)
def test_a_fault_shows_in_the_sensors_that_it_touches(name: str, kind: str) -> None:
    """Against the twin without faults: right sign, right size at the peak, nothing in other sensors or before it."""
    asset_type = MODULES[name].ASSET_TYPE
    faulty, twin, faults = _with_twin(asset_type, kind)
    # A machine that stands still, or stands still in one of the two, shows nothing of its fault.
    runs = ~(faulty["regime"].isin(IDLE_REGIMES) | twin["regime"].isin(IDLE_REGIMES))
    assert len(faults) > 3
    for fault in faults.itertuples():
        late = fault.end - (fault.end - fault.start) / 10
        peak = faulty["timestamp"].between(late, fault.end) & runs
        whole = faulty["timestamp"].between(fault.start, fault.end)
        for sensor, about in asset_type.sensors.items():
            change = faulty[sensor] - twin[sensor]
            if sensor not in asset_type.faults[kind].effects:
                if MODULES[name].PHYSICS.repair is None:
                    assert not change[whole].any(), sensor
            elif not faulty.loc[peak, sensor].isin([about.low, about.high]).any() and peak.any():
                expected = fault.severity * _full(asset_type.faults[kind], sensor, float(twin.loc[peak, sensor].mean()))
                tolerance = 0.12 * abs(expected) + 4 * _restless(asset_type.faults[kind], sensor) / np.sqrt(peak.sum())
                # A machine that cools down after a repair starts the next fault a trifle colder than its twin.
                assert change[peak].mean() == pytest.approx(expected, abs=tolerance + 1e-6), sensor


@pytest.mark.parametrize(("name", "kind"), FAULTS)
def test_a_fault_begins_small(name: str, kind: str) -> None:
    """In its first tenth a fault does less than half of what it does in its last tenth."""
    asset_type = MODULES[name].ASSET_TYPE
    faulty, twin, faults = _with_twin(asset_type, kind)
    early, late = [], []
    for fault in faults.itertuples():
        tenth = (fault.end - fault.start) / 10
        early.append(faulty["timestamp"].between(fault.start, fault.start + tenth))
        late.append(faulty["timestamp"].between(fault.end - tenth, fault.end))
    for sensor in asset_type.faults[kind].effects:
        change = (faulty[sensor] - twin[sensor]).abs()
        first, last = (change[np.logical_or.reduce(rows)].mean() for rows in (early, late))
        assert first < last / 2, sensor


@pytest.mark.parametrize(("name", "kind"), SENSOR_FAULTS)
def test_a_broken_sensor_shows_in_itself_alone(name: str, kind: str) -> None:
    """Against the twin: the sensor that is named differs in every fault, all others never do."""
    asset_type = MODULES[name].ASSET_TYPE
    faulty, twin, faults = _with_twin(asset_type, kind, rates=False)
    assert len(faults) > 3
    assert set(faults["kind"]) == {kind}
    sensor = kind.partition(":")[2]
    seen = []
    for fault in faults.itertuples():
        whole = faulty["timestamp"].between(fault.start, fault.end)
        is_missing = (faulty[sensor].isna() & twin[sensor].isna())[whole]
        alike = (faulty.loc[whole, sensor] == twin.loc[whole, sensor]) | is_missing
        seen.append(not alike.all())
        others = [other for other in asset_type.sensors if other != sensor]
        pd.testing.assert_frame_equal(faulty.loc[whole, others], twin.loc[whole, others])
    assert all(seen)


@pytest.mark.parametrize(("name", "sensor"), EVERY_SENSOR)
def test_a_late_clock_shows_in_every_sensor(name: str, sensor: str) -> None:
    """Once it is late, values are off by clearly more than from one reading to the next: the lag fits the sensor."""
    asset_type = MODULES[name].ASSET_TYPE
    faulty, twin, faults = _with_twin(asset_type, f"clock_skew:{sensor}", rates=False)
    off = (faulty[sensor] - twin[sensor]) ** 2
    late = [
        faulty["timestamp"].between(fault.start + (fault.end - fault.start) / 2, fault.end)
        for fault in faults.itertuples()
    ]
    runs = ~twin["regime"].isin(IDLE_REGIMES)
    # The median square of a normal step is 0.455 of its mean; starts and stops are no normal steps.
    step = float(np.sqrt(np.median(np.diff(twin.loc[runs, sensor]) ** 2) / 0.455))
    assert np.median([np.sqrt(off[rows].mean()) for rows in late]) > 1.25 * step


@of_the_package
def test_all_faults_of_sensors_are_there() -> None:
    """The faults of sensors in plants; each has a sentence and a first check, and some sensor can suffer it."""
    kinds = {"stuck", "drift", "dropout", "spike", "noise", "clipped", "unit_change", "clock_skew", "reset"}
    assert kinds <= set(sensor_faults.KINDS)
    sensors = [sensor for name in PLANNED for sensor in MODULES[name].ASSET_TYPE.sensors.values()]
    for kind, about in sensor_faults.KINDS.items():
        assert about.part == "sensor"
        assert about.description.endswith(".")
        assert about.first_check.endswith(".")
        assert any(kind in sensor_faults.kinds_for(sensor) for sensor in sensors), kind


@pytest.mark.parametrize("name", PLANNED)
def test_lookalikes_of_every_kind(name: str) -> None:
    """A type has load changes, restarts and maintenance; hot days where it says what its surroundings are."""
    physics = MODULES[name].PHYSICS
    disturbances = {"load_change", "restart", "maintenance"} | ({"hot_day"} if physics.ambient else set())
    assert set(lookalikes.kinds(physics)) == disturbances
    assert physics.ambient is None or physics.ambient in physics.signals


@pytest.mark.parametrize("name", PLANNED)
def test_lookalikes_are_no_faults(name: str) -> None:
    """Load changes, hot days and restarts move the sensors, and the table of faults does not know them."""
    asset_type = MODULES[name].ASSET_TYPE
    shaken, faults = simulate(
        asset_type, _weeks(asset_type), seed=4, number=1, disturbances=Disturbances(lookalike_rate=0.1)
    )
    twin, _ = simulate(asset_type, _weeks(asset_type), seed=4, number=1)
    sensors = list(asset_type.sensors)
    moved = (_level_free(shaken, asset_type)[sensors] != _level_free(twin, asset_type)[sensors]).any(axis=1)
    assert faults.empty
    assert moved.mean() > 0.01


def _with_twin(asset_type: AssetType, kind: str, rates: bool = True) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Simulate a machine with one kind of fault, and the same without; counters as what they count in an hour."""
    span = _weeks(asset_type)
    faulty, faults = simulate(asset_type, span, seed=4, number=1, disturbances=Disturbances(0.1, (kind,)))
    twin, _ = simulate(asset_type, span, seed=4, number=1)
    if rates:
        faulty, twin = _level_free(faulty, asset_type), _level_free(twin, asset_type)
    return faulty, twin, faults


def _inside(readings: pd.DataFrame, faults: pd.DataFrame) -> np.ndarray:
    time = readings["timestamp"]
    return np.logical_or.reduce([time.between(fault.start, fault.end) for fault in faults.itertuples()])


def _full(kind: FaultKind, sensor: str, usual: float) -> float:
    """Return what the fully developed fault adds to the usual value."""
    effect = kind.effects[sensor]
    return usual * (effect.factor - 1) + effect.shift


def _restless(kind: FaultKind, sensor: str) -> float:
    return kind.effects[sensor].noise
