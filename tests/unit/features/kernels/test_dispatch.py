"""The way to the kernels: names, settings, who computes what, and the values that come together."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wheeltapper.errors import ConfigError, DataError
from wheeltapper.features import kernels
from wheeltapper.features.kernels import _tsfresh

VALUES = np.random.default_rng(4).normal(10, 2, 40)
FIRST = np.array([0, 5, 20], dtype=np.int64)
LAST = np.array([11, 16, 39], dtype=np.int64)
MIXED = {
    "mean": None,
    "quantile": [{"q": 0.1}, {"q": 0.9}],
    "augmented_dickey_fuller": [{"attr": "teststat"}],
    "skewness": None,
    "sample_entropy": None,
}
"""One of the fused kernels, parameters, a combiner that names more than it is told, a function that wants a Series."""


def extracted(settings: dict, values: np.ndarray = VALUES) -> pd.DataFrame:
    """Return what tsfresh's extract_features gives for the windows above."""
    from tsfresh import extract_features

    windows = zip(range(3), FIRST, LAST, strict=True)
    long = pd.concat([pd.DataFrame({"id": at, "flow": values[one : end + 1]}) for at, one, end in windows])
    return extract_features(long, column_id="id", default_fc_parameters=settings, n_jobs=0, disable_progressbar=True)


def test_names_are_those_that_tsfresh_gives() -> None:
    """The columns of a real extraction, in its order, are the sensor and the names that were foreseen."""
    for kind in ("minimal", "efficient"):
        settings = _tsfresh.settings(kind)
        long = pd.DataFrame({"id": 0, "flow": VALUES})
        from tsfresh import extract_features

        columns = extract_features(
            long, column_id="id", default_fc_parameters=settings, n_jobs=0, disable_progressbar=True
        ).columns
        assert [f"flow__{name}" for name in kernels.names(settings)] == list(columns)


@pytest.mark.parametrize("kind", ["minimal", "efficient", "comprehensive"])
def test_the_kept_names_are_those_of_tsfreshs_settings(kind: kernels.Kind) -> None:
    """names.json says what the installed tsfresh says; else: python -m wheeltapper.features.kernels._tsfresh."""
    assert kernels.known(kind) == kernels.names(_tsfresh.settings(kind))


def test_names_can_be_read_back() -> None:
    """From names come the settings that gave them, tuples, None and small numbers included."""
    for kind in ("efficient", "comprehensive"):
        assert kernels.settings_of(kernels.known(kind)) == _tsfresh.settings(kind)


def test_the_rule_of_names_is_tsfreshs() -> None:
    """Parameters stand in the order of their names, texts in quotes."""
    from tsfresh.utilities.string_manipulation import convert_to_output_format

    odd = {"z": 1, "a_b": "x", "widths": (2, 5), "none": None, "r": 0.1 + 0.2, "flag": True}
    assert kernels.name_of("one", odd) == f"one__{convert_to_output_format(odd)}"


@pytest.mark.parametrize("name", ["quantile__q", "quantile__q_", "quantile__q_import", "quantile__0.1"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    """A name without a parameter's value is quoted in the message."""
    with pytest.raises(ConfigError, match=f"'{name}' is no feature name of tsfresh"):
        kernels.parse(name)


@pytest.mark.slow
def test_values_are_those_of_extract_features() -> None:
    """Kernels and tsfresh's own functions together give tsfresh's table."""
    expected = extracted(MIXED)
    found = kernels.compute(MIXED, VALUES, FIRST, LAST)
    assert [f"flow__{name}" for name in found] == list(expected.columns)
    np.testing.assert_allclose(np.column_stack(list(found.values())), expected.to_numpy(), rtol=1e-9)


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_a_window_with_a_hole_goes_to_tsfresh(hole: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tsfresh says of NaN and inf is said here too; windows without them keep their kernel's value."""
    values = VALUES.copy()
    values[14] = hole
    asked = []
    calculate = _tsfresh.calculate

    def listen(calculator: str, many: list, values: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        asked.append((calculator, first.tolist()))
        return calculate(calculator, many, values, first, last)

    monkeypatch.setattr(_tsfresh, "calculate", listen)
    found = kernels.compute({"mean": None, "maximum": None}, values, FIRST, LAST)
    window = values[5:17]
    np.testing.assert_array_equal(found["mean"], [VALUES[:12].mean(), window.mean(), VALUES[20:].mean()])
    np.testing.assert_array_equal(found["maximum"], [VALUES[:12].max(), window.max(), VALUES[20:].max()])
    assert asked == [("mean", [5]), ("maximum", [5])]


@pytest.mark.parametrize("hole", [np.nan, -np.inf])
def test_or_is_left_blank(hole: float) -> None:
    """Feature sets promise NaN for a window with a hole; tsfresh would count zeros and maxima in it."""
    values = VALUES.copy()
    values[14] = hole
    found = kernels.compute({"length": None, "value_count": [{"value": 0}]}, values, FIRST, LAST, blank=True)
    np.testing.assert_array_equal(found["length"], [12, np.nan, 20])
    np.testing.assert_array_equal(found["value_count__value_0"], [0, np.nan, 0])


def test_the_callers_arrays_stay_as_they_are() -> None:
    """Locked arrays and slices of larger ones do; nothing is written into them."""
    wide = np.column_stack([VALUES, VALUES])
    wide.flags.writeable = False
    expected = kernels.compute({"mean": None}, VALUES, FIRST, LAST)
    found = kernels.compute({"mean": None}, wide[:, 0], FIRST.astype(np.int32), LAST)
    np.testing.assert_array_equal(found["mean"], expected["mean"])


@pytest.mark.parametrize(("first", "last"), [(0, 40), (-1, 3), (4, 3)])
def test_a_window_outside_the_readings_is_refused(first: int, last: int) -> None:
    """The message names the window; reading past the end would give another sensor's memory."""
    with pytest.raises(DataError, match=f"window 1 runs from reading {first} to {last}"):
        kernels.compute({"mean": None}, VALUES, np.array([0, first]), np.array([5, last]))


@pytest.mark.parametrize("name", ["kurtosi", "linear_trend_timewise", "matrix_profile"])
def test_an_unknown_calculator_is_refused(name: str) -> None:
    """A typo, and a calculator that cannot be used here, are named with what there is."""
    with pytest.raises(ConfigError, match=f"no calculator '{name}' can be used here"):
        kernels.compute({name: [{"attr": "slope"}]}, VALUES, FIRST, LAST)


def test_every_module_offers_kernels_of_tsfreshs_calculators() -> None:
    """Each file's KERNELS are found, under names that tsfresh knows, and minimal wins where two offer the same."""
    known = set(_tsfresh.settings("comprehensive"))
    offered = set(kernels.offered())
    for module in kernels.modules():
        names = set(importlib.import_module(f"wheeltapper.features.kernels.{module}").KERNELS)
        assert names
        assert names <= known & offered, module
    minimal = importlib.import_module("wheeltapper.features.kernels.minimal")
    assert kernels.find("median") is minimal.KERNELS["median"]


@pytest.mark.parametrize("calculator", kernels.offered())
def test_a_kernel_gives_a_value_for_every_window_and_parameter(calculator: str) -> None:
    """Windows of different lengths, and none at all, give a table of one row each and one column a parameter."""
    many = _tsfresh.settings("comprehensive")[calculator] or [{}]
    kernel = kernels.find(calculator)
    assert kernel is not None
    assert kernel(VALUES, FIRST, LAST, many).shape == (3, len(many))
    none = np.array([], dtype=np.int64)
    assert kernel(VALUES, none, none, many[:1]).shape == (0, 1)


def test_a_window_that_a_calculator_cannot_do_has_no_value(caplog: pytest.LogCaptureFixture) -> None:
    """Readings that differ by a last bit have no room for ten bins: their window has no value, others keep theirs."""
    last_bit = np.nextafter(100.0, 200.0)
    values = np.array([1.0, 2, 3, 4, 5, 6, 100, last_bit, 100, last_bit, 100, last_bit, 3, 4, 5, 7])
    first = np.arange(11, dtype=np.int64)
    kernels._log_once.cache_clear()
    with caplog.at_level("DEBUG", logger="wheeltapper.features"):
        found = kernels.compute({"binned_entropy": [{"max_bins": 10}]}, values, first, first + 5)
        again = kernels.compute({"binned_entropy": [{"max_bins": 10}]}, values, first, first + 5)
    (entropy,) = found.values()
    assert np.flatnonzero(np.isnan(entropy)).tolist() == [6]
    np.testing.assert_array_equal(entropy, *again.values())
    alone = kernels.compute({"binned_entropy": [{"max_bins": 10}]}, values, first[5:6], first[5:6] + 5)
    np.testing.assert_array_equal(entropy[5], *alone.values())
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("binned_entropy has no value for some windows (ValueError: Too many bins")


def test_of_many_parameters_only_the_impossible_has_no_value() -> None:
    """Two bins fit between two neighbouring numbers of 100, ten do not."""
    values = np.array([100.0, np.nextafter(100.0, 200.0)] * 4)
    first, last = np.array([0, 1]), np.array([5, 7])
    found = kernels.compute({"binned_entropy": [{"max_bins": 1}, {"max_bins": 10}]}, values, first, last)
    assert np.isfinite(found["binned_entropy__max_bins_1"]).all()
    assert np.isnan(found["binned_entropy__max_bins_10"]).all()


def test_a_wrong_setting_is_still_refused() -> None:
    """What is wrong for every window is a mistake of the settings, and no missing value."""
    with pytest.raises(ConfigError, match=r"from 0 to 1; got \[1\.5\]"):
        kernels.compute({"quantile": [{"q": 1.5}]}, VALUES, FIRST, LAST)


def test_autolag_none_has_tsfreshs_name() -> None:
    """It stands in quotes there, unlike every other None; 12 readings leave room for 4 lags, 20 for 8."""
    settings = {"augmented_dickey_fuller": [{"attr": "usedlag", "autolag": None}]}
    (name,) = kernels.names(settings)
    assert [f"flow__{name}"] == list(extracted(settings).columns)
    assert kernels.settings_of((name,)) == settings
    assert kernels.compute(settings, VALUES, FIRST, LAST)[name].tolist() == [4.0, 4.0, 8.0]


def test_importing_the_page_is_light() -> None:
    """Names can be had without numba, tsfresh or scipy."""
    code = (
        "import sys, json\nfrom wheeltapper.features import kernels\n"
        "kernels.settings_of(kernels.known('efficient'))\n"
        "print(json.dumps([name for name in ('numba', 'tsfresh', 'scipy', 'stumpy') if name in sys.modules]))"
    )
    root = Path(kernels.__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert json.loads(done.stdout) == []


@pytest.mark.slow
def test_minimal_features_need_no_tsfresh() -> None:
    """What has a kernel is computed without importing tsfresh, whose import alone takes seconds."""
    code = (
        "import sys\nimport numpy as np\nfrom wheeltapper.features import kernels\n"
        "settings = kernels.settings_of(kernels.known('minimal'))\n"
        "kernels.compute(settings, np.arange(9.0), np.array([0, 2]), np.array([5, 8]))\n"
        "print('tsfresh' in sys.modules)"
    )
    root = Path(kernels.__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "False"
