"""Motor, valve and compressor obey the laws that their files name (001-N6), and every fleet is quick."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wheeltapper import plants
from wheeltapper.assets import Drivers, compressor, motor, valve
from wheeltapper.plugins import ASSET_TYPES, INSTALLED
from wheeltapper.simulation.fleet import Span, simulate
from wheeltapper.sources.simulator import Simulator

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def _steady(module: object, level: float = 1.0, **outer: float) -> dict[str, float]:
    signals = {name: np.array([outer.get(name, 0.0)]) for name in module.PHYSICS.signals}
    drivers = Drivers(step=60.0, regime=np.array(["normal"]), level=np.array([level]), signals=signals)
    return {sensor: float(values[0]) for sensor, values in module.respond(drivers).items()}


def test_six_kinds_of_machine_beside_the_pump() -> None:
    """Motors, valves and compressors can be watched in any plant, as can boilers, turbines and meters.

    Reference row 001-N6.
    """
    assert {"pump", "motor", "valve", "compressor", "boiler", "wind_turbine", "power_meter", "machine"} <= set(
        INSTALLED.names(ASSET_TYPES)
    )


def test_a_motor_at_rated_load() -> None:
    """At full torque: 1473 turns a minute, the hypotenuse of 69 and 36 A, and 62 °C above the air in the winding.

    Reference row 001-N6.
    """
    rated = _steady(motor, load=0.15)
    assert rated["speed"] == pytest.approx(1500 * (1 - 0.018))
    assert rated["current"] == pytest.approx(np.hypot(69, 36))
    assert rated["winding_temperature"] == pytest.approx(25 + 62, abs=0.1)
    assert np.sqrt(3) * 400 * 69 * 0.94 == pytest.approx(45_000, rel=0.01)


def test_a_motor_at_rest() -> None:
    """Off, it draws nothing, turns nothing and has the temperature of the air. Reference row 001-N6."""
    rest = _steady(motor, level=0.0)
    assert (rest["current"], rest["speed"], rest["winding_temperature"]) == (0, 0, 25)


def test_the_valve_equation_holds() -> None:
    """Flow is Kv times the root of the pressure drop, and the supply loses with the square of the flow.

    Reference row 001-N6.
    """
    for level in (0.5, 1.0, 1.5):
        at = _steady(valve, level)
        kv = 90 * 30 ** (at["position"] / 100 - 1)
        assert at["flow_rate"] == pytest.approx(kv * np.sqrt(at["upstream_pressure"] - 2.5))
        assert at["upstream_pressure"] == pytest.approx(7.5 - 4e-4 * at["flow_rate"] ** 2)


def test_a_closed_valve_passes_nothing() -> None:
    """Shut, there is no flow, the spring's first pressure, and the whole supply before it. Reference row 001-N6."""
    shut = _steady(valve, 0.0)
    assert (shut["flow_rate"], shut["upstream_pressure"]) == (0, 7.5)
    assert shut["actuator_pressure"] == pytest.approx(0.4)


def test_a_compressor_pays_seven_kilowatts_for_a_cubic_metre() -> None:
    """At normal load 84 kW for 12 m³/min, 135 A; at half load less than half the air per kilowatt is lost to idling.

    Reference row 001-N6.
    """
    normal, half = _steady(compressor), _steady(compressor, 0.5)
    kilowatts = [np.sqrt(3) * 400 * 0.9 * at["current"] / 1000 for at in (normal, half)]
    assert kilowatts[0] == pytest.approx(84)
    assert normal["current"] == pytest.approx(134.7, rel=1e-3)
    assert kilowatts[1] == pytest.approx(6 + 78 / 2)
    assert half["suction_pressure"] == pytest.approx(normal["suction_pressure"] / 4)


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("motor", ("current", "winding_temperature")),
        ("valve", ("position", "flow_rate")),
        ("compressor", ("current", "air_flow")),
    ],
)
def test_sensors_move_together(name: str, pair: tuple[str, str]) -> None:
    """Hour by hour in normal running, what belongs together rises and falls together. Reference row 001-N6."""
    asset_type = INSTALLED.module(ASSET_TYPES, name).ASSET_TYPE
    readings, _ = simulate(asset_type, Span(MONDAY, timedelta(days=28), timedelta(minutes=5)), seed=3, number=1)
    hours = readings[readings["regime"] == "normal"].set_index("timestamp")[list(pair)].resample("h").mean()
    assert hours[pair[0]].corr(hours[pair[1]]) > 0.5


def test_leave_one_machine_out_is_possible() -> None:
    """Machines of a kind are alike and not the same: their means differ by less than a tenth, and differ.

    Reference row 001-N6.
    """
    for name in ("motor", "valve", "compressor"):
        asset_type = INSTALLED.module(ASSET_TYPES, name).ASSET_TYPE
        span = Span(MONDAY, timedelta(days=14), timedelta(minutes=10))
        fleet = pd.concat([simulate(asset_type, span, seed=3, number=number)[0] for number in range(1, 5)])
        means = fleet[fleet["regime"] == "normal"].groupby("asset_id")[list(asset_type.sensors)].mean()
        assert (means.nunique() == 4).all()
        assert ((means / means.mean() - 1).abs() < 0.1).all(axis=None)


@pytest.mark.parametrize("name", INSTALLED.names(ASSET_TYPES))
def test_a_fleet_is_quick(name: str) -> None:
    """A fifth of a million readings with everything that can go wrong take at most 1.2 s of one core.

    That is the pace of ten million in a minute.
    """
    module = INSTALLED.module(ASSET_TYPES, name)
    plant = plants.parse(
        f"asset_type: {name}\nsource: simulator\nfeatures: [latest]\ncandidates: [lof]",
        name="tiny",
        folder=Path(),
        where="tiny.yaml",
    )
    disturbances = {} if module.PHYSICS.label else {"anomaly_rate": 0.05, "lookalike_rate": 0.05}
    source = Simulator(
        start="2026-01-05",
        duration=100_000 * module.ASSET_TYPE.step,
        assets=2,
        missing_rate=0.01,
        gap_rate=0.01,
        **disturbances,
    )
    assert sum(len(batch.rows) for batch in source.read(plant)) > 190_000
