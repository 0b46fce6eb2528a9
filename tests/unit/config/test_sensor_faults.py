"""What is known about faults of sensors: their names, which sensor can have which, and rival units."""

from __future__ import annotations

import doctest

import pytest

from wheeltapper.assets.power_meter import ASSET_TYPE as METER
from wheeltapper.assets.pump import ASSET_TYPE as PUMP
from wheeltapper.config import sensor_faults
from wheeltapper.errors import SourceError


def test_every_rival_unit_is_right() -> None:
    """Factors and offsets agree with pint."""
    import pint

    units = pint.application_registry
    names = {"°F": "degF", "in/s": "inch/s", "knots": "knot", "1/min": "rpm", "share of one": "dimensionless"}
    names |= {"hp": "horsepower", "l/s": "l/s", "MPa": "MPa", "Hz": "Hz"}
    for unit, (factor, offset, rival) in sensor_faults.RIVAL_UNITS.items():
        source = {"1/min": "rpm", "%": "percent", "°C": "degC", "Hz": "Hz", "m³/h": "m**3/h", "m³/min": "m**3/min"}
        if {unit, rival} == {"1/min", "Hz"}:  # turns, not radians
            assert factor == pytest.approx(60.0 if unit == "Hz" else 1 / 60)
            continue
        expected = units.Quantity(10.0, source.get(unit, unit)).to(names[rival]).magnitude
        assert 10 * factor + offset == pytest.approx(expected, rel=1e-3), unit


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("stuk", "Did you mean 'stuck'"),
        ("stuck:presure", "Did you mean 'pressure'"),
        ("reset:pressure", "sensor pressure of pump can suffer reset"),
        ("reset", "no sensor of pump can suffer reset"),
        ("unit_change:current", "these can: "),
    ],
)
def test_a_kind_that_cannot_be_is_refused(kind: str, says: str) -> None:
    """The message says which sensors could suffer it, and the near miss."""
    with pytest.raises(SourceError, match=says):
        sensor_faults.describe(kind, PUMP)


def test_a_counter_suffers_only_what_a_counter_can() -> None:
    """A meter sticks, drops out, is late and is reset; it does not drift."""
    assert sensor_faults.kinds_for(METER.sensors["energy"]) == ("stuck", "dropout", "clock_skew", "reset")
    assert "reset" not in sensor_faults.kinds_for(PUMP.sensors["pressure"])
    with pytest.raises(SourceError, match="no sensor of power_meter can suffer drift"):
        sensor_faults.describe("drift", METER)


def test_the_examples_hold() -> None:
    """What the docstrings show is what the functions return."""
    results = doctest.testmod(sensor_faults)
    assert results.attempted == 2
    assert results.failed == 0
