"""Spectra of waves that one can draw: a sine, a knock, a constant."""

from __future__ import annotations

import numpy as np
import pytest

from wheeltapper.config import AssetType
from wheeltapper.features.plan import build_set
from wheeltapper.features.sets import Stretch

TANK = AssetType.model_validate({"name": "tank", "step": "1s", "sensors": {"shake": {"unit": "mm/s"}}})


def describe(values: object, rows: int | None = None, bands: int = 3) -> dict[str, np.ndarray]:
    """Return the description of each window of the values; of all of them if nothing is said."""
    shake = np.array(values, dtype=float)
    last = np.arange((rows or len(shake)) - 1, len(shake))
    stretch = Stretch(np.arange(len(shake), dtype=float), {"shake": shake}, last - last[0], last)
    found = build_set("spectral", {"bands": bands}).compute(stretch, TANK)
    return {name.removeprefix("shake__"): one for name, one in found.items()}


@pytest.mark.parametrize(("cycles", "band"), [(5, 1), (24, 2), (45, 3)])
def test_a_sine_lies_in_one_band(cycles: int, band: int) -> None:
    """A sine of so many cycles in 100 readings has all its energy at that frequency; crest √2, kurtosis 1.5."""
    found = describe(7 + 2 * np.sin(2 * np.pi * cycles / 100 * (np.arange(100) + 0.3)))
    assert [found[f"band_{number}"][0] for number in (1, 2, 3)] == pytest.approx(
        [float(number == band) for number in (1, 2, 3)], abs=1e-12
    )
    assert found["centroid"][0] == pytest.approx(cycles / 100)
    assert found["crest"][0] == pytest.approx(np.sqrt(2), rel=0.03)
    assert found["kurtosis"][0] == pytest.approx(1.5)
    assert found["rms"][0] == pytest.approx(np.sqrt(7**2 + 2**2 / 2))


def test_two_sines_share_by_energy() -> None:
    """Amplitudes 3 and 1 are energies 9 and 1."""
    turn = 2 * np.pi * np.arange(60) / 60
    found = describe(3 * np.sin(5 * turn) + np.sin(15 * turn))
    assert [found[f"band_{number}"][0] for number in (1, 2)] == pytest.approx([0.9, 0.1])
    assert found["centroid"][0] == pytest.approx((0.9 * 5 + 0.1 * 15) / 60)


def test_a_knock_by_hand() -> None:
    """One of five readings is 5 higher: mean 1, deviations −1, −1, 4, −1, −1, variance 4, fourth moment 52."""
    found = describe([0, 0, 5, 0, 0])
    assert found["crest"][0] == pytest.approx(4 / 2)
    assert found["kurtosis"][0] == pytest.approx((4 * 1 + 256) / 5 / 16)
    assert found["rms"][0] == pytest.approx(np.sqrt(5))


@pytest.mark.parametrize("level", [0.1, 0.0, -3.7, 1e12])
def test_a_constant_moves_in_no_way(level: float) -> None:
    """Rounding of the mean is no movement: all is exactly 0 but the level itself."""
    found = describe([level] * 7)
    assert {name: one[0] for name, one in found.items() if name != "rms"} == dict.fromkeys(set(found) - {"rms"}, 0)
    assert found["rms"][0] == pytest.approx(abs(level))


def test_energy_is_that_of_the_readings() -> None:
    """The bands of odd and even windows add up to 1, and many bands give what NumPy's spectrum says."""
    values = np.random.default_rng(2).normal(size=40)
    for rows in (2, 3, 8, 9):
        found = describe(values, rows=rows)
        np.testing.assert_allclose(sum(found[f"band_{number}"] for number in (1, 2, 3)), 1, rtol=1e-12)
    energy = np.abs(np.fft.rfft(values - values.mean()))[1:] ** 2 * ([2] * 19 + [1])
    frequency = np.arange(1, 21) / 40
    assert describe(values)["centroid"][0] == pytest.approx((energy * frequency).sum() / energy.sum())


@pytest.mark.parametrize("rows", [5, 16, 37, 128])
def test_a_window_does_not_depend_on_company(rows: int) -> None:
    """A window by itself has the same spectrum as among a thousand, to the last bit."""
    values = np.random.default_rng(rows).normal(size=1000)
    together = describe(values, rows=rows)
    for place in (0, 411, 1000 - rows):
        alone = describe(values[place : place + rows])
        assert {name: one[0] for name, one in alone.items()} == {name: one[place] for name, one in together.items()}


def test_windows_of_different_lengths() -> None:
    """Windows by time may hold five readings and then seven: each is described by its own."""
    shake = np.random.default_rng(8).normal(size=12)
    stretch = Stretch(np.arange(12.0), {"shake": shake}, np.array([0, 5]), np.array([4, 11]))
    found = build_set("spectral").compute(stretch, TANK)
    assert found["shake__kurtosis"].tolist() == [describe(one)["kurtosis"][0] for one in (shake[:5], shake[5:])]
