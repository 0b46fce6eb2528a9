"""Detectors of sequences: another rhythm is heard, NumPy says what Keras says, and small cases come out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.unit.columns import sequences as described
from wheeltapper import manifest
from wheeltapper.config import AssetType
from wheeltapper.detectors import build
from wheeltapper.detectors._sequences import LEAST_STEPS, sequence_places
from wheeltapper.errors import DataError
from wheeltapper.features.columns import Feature
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan

FAST = {
    "conv_autoencoder": {"epochs": 12, "batch_size": 32},
    "forecast_residual": {},
    "lstm_autoencoder": {"epochs": 12, "batch_size": 32},
    "matrix_profile": {},
}
NETWORKS = ["conv_autoencoder", "lstm_autoencoder"]
EACH = [pytest.param(name, marks=pytest.mark.slow) if name in NETWORKS else name for name in FAST]
STEPS = 16
MOTOR = AssetType.model_validate({"name": "motor", "step": "1s", "sensors": {"current": {"unit": "A"}}})

HUM = FeaturePlan.model_validate(
    {"asset_type": MOTOR, "sets": ["latest", "rolling", "sequence"], "windows": {"rows": STEPS}}
)
STEPPED = described(*"abcdef", steps=STEPS)
"""What the columns of `sequences` show; those that a test does not have are not missed."""


def hum(n: int, period: int, seed: int) -> pd.DataFrame:
    """Feature rows of a current that swings once every ``period`` readings, always between the same limits."""
    noise = np.random.default_rng(seed).normal(0, 0.05, n)
    readings = pd.DataFrame(
        {
            "asset_id": "motor-01",
            "timestamp": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(n), unit="s"),
            "regime": "normal",
            "current": np.sqrt(2) * np.sin(2 * np.pi * np.arange(n) / period + 0.1) + noise,
        }
    )
    rows = compute(HUM, readings)
    return rows.loc[rows["usable"], list(HUM.columns)].reset_index(drop=True)


def sequences(values: np.ndarray) -> pd.DataFrame:
    """Return an array of shape (n_rows, n_steps, n_sensors) as feature rows of the sensors a, b, …"""
    return pd.DataFrame(
        {
            f"{'abcdef'[sensor]}__at_{step}": values[:, step, sensor]
            for sensor in range(values.shape[2])
            for step in range(values.shape[1])
        }
    )


def waves(n_rows: int, n_steps: int, seed: int = 0) -> np.ndarray:
    """Two sensors that swing once in eight readings, the second one after the first."""
    random = np.random.default_rng(seed)
    begin = random.uniform(0, 2 * np.pi, (n_rows, 1, 1)) - np.arange(2)
    return np.sin(begin + np.pi / 4 * np.arange(n_steps)[:, None]) + random.normal(0, 0.05, (n_rows, n_steps, 2))


@pytest.fixture(scope="module")
def usual() -> pd.DataFrame:
    """The motor as it hums on a good day: one swing in sixteen readings."""
    return hum(700, period=16, seed=0)


def share_heard(name: str, usual: pd.DataFrame) -> float:
    """Fit a detector; return the share of windows of a faster hum that score above 99 in 100 of another good day."""
    other, faster = hum(400, period=16, seed=1), hum(400, period=8, seed=2)
    detector = build(name, FAST.get(name, {}), seed=7, features=HUM.features).fit(usual)
    return float((detector.score(faster) > np.quantile(detector.score(other), 0.99)).mean())


@pytest.mark.parametrize("name", EACH)
def test_another_rhythm_is_heard(name, usual):
    """A motor that hums twice as fast, as loud as ever and as high: nearly every window is an alarm.

    A forecast of one reading is right by chance twice in a swing of eight, so it hears three windows in four.
    """
    assert share_heard(name, usual) > (0.7 if name == "forecast_residual" else 0.95)


def test_another_rhythm_is_nothing_to_a_control_chart(usual):
    """Level, mean and spread of a window are what they were, so the baseline hears hardly more than its one in 100."""
    assert share_heard("k_sigma", usual) < 0.05
    faster = hum(400, period=8, seed=2)
    for column in ("current__rolling_mean", "current__rolling_std"):
        assert abs(faster[column].mean() - usual[column].mean()) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n_steps"), [("conv_autoencoder", 8), ("conv_autoencoder", 11), ("lstm_autoencoder", 11)]
)
def test_numpy_redraws_what_keras_redraws(name, n_steps, monkeypatch):
    """To a hundred-thousandth, also where the number of steps is no multiple of four."""
    detector = build(name, {"epochs": 1}, seed=3, features=STEPPED)
    kept = []
    train = detector._train
    monkeypatch.setattr(detector, "_train", lambda values: kept.append(train(values)) or kept[0])
    detector.fit(sequences(waves(80, n_steps)))
    asked = np.clip(waves(50, n_steps, seed=1), detector.low_, detector.high_)
    drawn = detector._redraw(asked, detector._unpacked())
    np.testing.assert_allclose(drawn, kept[0][0].predict(asked, verbose=0), atol=1e-5)
    score = ((asked - drawn) ** 2).mean(axis=(1, 2))
    np.testing.assert_allclose(detector.score(sequences(asked)), score, rtol=1e-12)


@pytest.mark.slow
def test_training_stops_when_the_last_tenth_no_longer_improves():
    """Noise has no shape to be learnt: the best of 60 rounds is soon behind, and it is the one that is kept."""
    noise = np.random.default_rng(0).normal(size=(300, 8, 2))
    detector = build("conv_autoencoder", {"epochs": 60, "batch_size": 64}, features=STEPPED).fit(sequences(noise))
    losses = detector.history_val_loss_
    assert len(losses) < 60
    assert losses.argmin() == len(losses) - 5
    assert detector.score(sequences(noise[-30:])).mean() == pytest.approx(losses.min(), rel=0.05)


def trained_hash(name: str, seed: int) -> str:
    """Fit a detector for a short time; return the hash of what it has learnt."""
    options = {"epochs": 1, "max_rows": 60} if name in NETWORKS else {"max_rows": 60}
    state = build(name, options, seed=seed, features=STEPPED).fit(sequences(waves(120, 8))).state
    return manifest.fingerprint({"arrays.npz": manifest.pack(state)})


@pytest.mark.parametrize("name", EACH)
def test_another_seed_gives_another_hash(name):
    """Chance decides which rows are learnt from, and where a network begins."""
    assert trained_hash(name, 7) != trained_hash(name, 8)


@pytest.mark.parametrize("name", [name for name in FAST if name not in NETWORKS])
def test_the_same_seed_and_rows_give_the_same_hash(name):
    """Two trainings with seed 7 give the same bytes; of networks, tests/contracts says so with every number."""
    assert trained_hash(name, 7) == trained_hash(name, 7)


@pytest.mark.parametrize("name", EACH)
def test_other_columns_count_for_nothing(name):
    """The latest values beside the sequence change no score, and have no part in it."""
    rows = sequences(waves(60, 8))
    options = {"epochs": 1} if name in NETWORKS else {}
    detector = build(name, options, features=STEPPED).fit(rows.assign(a=1.0, b__mean=2.0))
    far = detector.score(rows.assign(a=900.0, b__mean=-900.0))
    np.testing.assert_array_equal(far, detector.score(rows.assign(a=1.0, b__mean=2.0)))
    parts = detector.contributions(rows.assign(a=900.0, b__mean=-900.0))
    assert (parts[["a", "b__mean"]] == 0).all(axis=None)


@pytest.mark.parametrize("name", EACH)
def test_rows_without_a_sequence_are_refused(name):
    """The message names the feature set to add."""
    rows = pd.DataFrame({"flow": np.arange(20.0), "flow__mean": 1.0})
    with pytest.raises(DataError, match="Add the feature set 'sequence' to the plant's features"):
        build(name).fit(rows)


def test_a_sequence_with_a_hole_is_refused():
    """A sensor that lacks a step is named with it; so is one with fewer steps than a sequence has."""
    with pytest.raises(DataError, match="of 'b' the reading at place 2 is missing"):
        sequence_places([one for one in described("a", "b", steps=5) if one.name != "b__at_2"], "x")
    with pytest.raises(DataError, match=f"at least {LEAST_STEPS} readings.*of 'a' the reading at place 3 is missing"):
        sequence_places(described("a", steps=3), "x")


def test_steps_are_counted_not_spelt():
    """at_10 comes after at_9, not after at_1; sensors stand by name, and other columns are passed over."""
    *first, last = described("b", steps=11)
    features = [last, Feature("a", ("a",), "latest"), *described("a", steps=11), *first]
    places = sequence_places(features, "x")
    assert [features[place].name for place in places[:, 0]] == [f"a__at_{step}" for step in range(11)]
    assert [features[place].name for place in places[:, 1]] == [f"b__at_{step}" for step in range(11)]


@pytest.fixture(scope="module")
def ramps():
    """A forecaster that has seen two hundred ramps: each rises evenly, some fast and some slowly."""
    random = np.random.default_rng(0)
    start, slope = random.uniform(-1, 1, (2, 200, 1, 1))
    return build("forecast_residual", {"ridge": 1e-6}, features=STEPPED).fit(
        sequences(start + slope * np.arange(4)[:, None])
    )


def test_a_ramp_goes_on(ramps):
    """After 1, 2, 3 it expects 4: that scores nothing, while 4.1 and 3.9 are ten times the least error of 0.01."""
    rows = sequences(np.array([[1, 2, 3, 4], [1, 2, 3, 4.1], [1, 2, 3, 3.9], [0, 0, 0, 0.05]])[..., None])
    assert ramps.spread_ == pytest.approx(0.01)
    np.testing.assert_allclose(ramps.score(rows), [0, 100, 100, 25], atol=0.2)


def test_a_wrong_forecast_is_blamed_on_the_latest_reading_of_its_sensor(ramps):
    """The whole score stands at at_3, which is what did not come as announced."""
    parts = ramps.contributions(sequences(np.array([[[1.0], [2], [3], [9]]])))
    assert parts.loc[0, ["a__at_0", "a__at_1", "a__at_2"]].tolist() == [0, 0, 0]
    assert parts.loc[0, "a__at_3"] == pytest.approx(((9 - 4) / 0.01) ** 2, rel=1e-3)


def test_usual_errors_score_about_one_also_with_few_rows():
    """Sixty rows of noise and 22 earlier readings: fresh noise still scores about 1, not what the fit left over."""
    random = np.random.default_rng(1)
    detector = build("forecast_residual", features=STEPPED).fit(sequences(random.normal(size=(60, 12, 2))))
    assert detector.score(sequences(random.normal(size=(2000, 12, 2)))).mean() == pytest.approx(1, abs=0.25)


def shapes(*lines: list[float]) -> pd.DataFrame:
    """One sensor, a line a row."""
    return sequences(np.array(lines, dtype=float)[..., None])


ZIGZAG, STAIRS, FLAT = [1, -1, 1, -1], [-1, -1, 1, 1], [0, 0, 0, 0]


def test_shape_counts_and_neither_level_nor_size():
    """A zigzag ten times as large and 50 higher is the same; stairs are unrelated (2), a line is shapeless (1)."""
    known = shapes(*[ZIGZAG] * 10)
    detector = build("matrix_profile", features=STEPPED).fit(known)
    found = detector.score(shapes(ZIGZAG, [60, 40, 60, 40], STAIRS, FLAT, [-1, 1, -1, 1]))
    np.testing.assert_allclose(found * detector.usual_, [0, 0, 2, 1, 4], atol=1e-12)


def test_the_distance_is_that_of_the_matrix_profile():
    """The z-normalised distance to each training row, squared, by the number of readings: the least of them."""
    random = np.random.default_rng(4)
    known, fresh = random.normal(size=(30, 12)), random.normal(size=(5, 12))
    detector = build("matrix_profile", features=STEPPED).fit(shapes(*known))

    def normalised(rows):
        return (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)

    apart = normalised(fresh)[:, None] - normalised(known)
    expected = (apart**2).mean(axis=2).min(axis=1)
    np.testing.assert_allclose(detector.score(shapes(*fresh)) * detector.usual_, expected, rtol=1e-9)


def test_a_sensor_that_always_stood_still_and_moves_is_heard():
    """Constant training is no accident: the same constant, and another one, score nothing; a step scores 1."""
    detector = build("matrix_profile", features=STEPPED).fit(shapes(*[FLAT] * 20))
    found = detector.score(shapes(FLAT, [7, 7, 7, 7], STAIRS))
    np.testing.assert_allclose(found * detector.usual_, [0, 0, 1], atol=1e-12)


def test_rounding_noise_is_no_shape():
    """Where a sensor swings by 1, a trembling in the ninth digit is as good as constant, whatever its pattern."""
    detector = build("matrix_profile", features=STEPPED).fit(shapes(*[ZIGZAG] * 10, *[FLAT] * 10))
    trembling = 1e-9 * np.array(STAIRS)
    assert detector.score(shapes(trembling, FLAT)).max() < 1e-6


def test_the_sensor_with_the_unknown_shape_contributes_most():
    """Of two sensors the second one draws stairs for the first time."""
    known = np.stack([np.tile(ZIGZAG, (20, 1)), np.tile(ZIGZAG, (20, 1))], axis=2).astype(float)
    odd = known[:1].copy()
    odd[0, :, 1] = STAIRS
    parts = build("matrix_profile", features=STEPPED).fit(sequences(known)).contributions(sequences(odd))
    assert parts.filter(like="a__").to_numpy().sum() == pytest.approx(0, abs=1e-9)
    assert parts.filter(like="b__").to_numpy().sum() == pytest.approx(100)  # 2 / 0.01, by two sensors
