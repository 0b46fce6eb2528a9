"""Votes that can be counted."""

import numpy as np
import pandas as pd
import pytest

from tests.unit.columns import of
from wheeltapper import manifest
from wheeltapper.detectors import build
from wheeltapper.detectors._members import named, split
from wheeltapper.detectors.ensemble import _one_sensor_moved, _separation
from wheeltapper.errors import ConfigError, DataError
from wheeltapper.features.columns import Feature


def normal_rows(n_rows: int = 400, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    load = random.normal(size=n_rows)
    return pd.DataFrame({name: load + random.normal(0, 0.3, n_rows) for name in ("flow", "pressure", "current")})


def test_the_score_is_the_weighted_sum_of_what_the_members_find():
    """Weights 3 and 1 are three quarters and one quarter of each member's own −ln P."""
    detector = build("ensemble", {"members": ["ecod", "pca_residual"], "weights": [3, 1]}).fit(normal_rows())
    rows = normal_rows(30, seed=1) * 2
    ecod, pca = (member.rarity(rows) for member in detector._parts.values())
    np.testing.assert_allclose(detector.score(rows), 0.75 * ecod + 0.25 * pca)


def test_members_are_calibrated_on_the_latest_quarter_that_they_have_not_seen():
    """Of 400 rows, 300 are fitted on; a row as unusual as the rarest of the last 100 is 2 in 101."""
    rows = normal_rows()
    detector = build("ensemble", {"members": ["k_sigma", "ecod"], "weights": [1, 1]}).fit(rows)
    alone = build("k_sigma").fit(rows.iloc[:300])
    held_out = rows.iloc[300:]
    worst = held_out.iloc[[alone.score(held_out).argmax()]]
    member = detector._parts["member0"]
    assert member.rarity(worst)[0] == pytest.approx(np.log(101 / 2))


def test_a_member_that_hears_nothing_counts_next_to_nothing():
    """A die beside k-sigma: the die's share of the vote is below one in ten."""
    detector = build("ensemble", {"members": ["k_sigma", "random_score"]}).fit(normal_rows())
    assert detector.weights_[0] > 0.9
    assert detector.weights_.sum() == pytest.approx(1.0)


def test_a_member_that_cannot_say_is_shared_out_as_the_others_are():
    """The die has no reasons of its own; contributions still add up to the whole score."""
    detector = build("ensemble", {"members": ["k_sigma", "random_score"], "weights": [1, 1]}).fit(normal_rows())
    row = pd.DataFrame({"flow": [9.0], "pressure": [0.0], "current": [0.0]})
    assert detector.contributions(row).iloc[0].to_dict() == pytest.approx(
        {"flow": detector.score(row)[0], "pressure": 0.0, "current": 0.0}
    )


def test_dice_alone_have_no_reasons():
    """Nobody can say, so nothing is said."""
    detector = build("ensemble", {"members": ["random_score"] * 2, "weights": [1, 1]}).fit(normal_rows())
    assert detector.contributions(normal_rows(3)) is None


def test_the_published_ensemble_has_its_three_members_with_equal_weights():
    """Forest, LOF and autoencoder as that system sets them; each has one vote."""
    detector = build("ensemble", {"preset": "reference_001"})
    members = [(one.name, one.detector.options) for one in detector._parts.values()]
    assert members == [
        (name, build(name, {"preset": "reference_001"}).options) for name in ("isolation_forest", "lof", "autoencoder")
    ]
    assert detector.weights == [1, 1, 1]


def test_what_a_member_has_to_say_is_said_by_the_ensemble():
    """Two stages of which one is missing are a poorer vote, and nobody would know."""
    detector = build("ensemble", {"members": ["ecod", {"two_stage": {"first": "k_sigma", "second": None}}]})
    assert detector.notes == (
        "two_stage: no second stage: k_sigma alone decides, and nothing confirms what it suspects",
    )


def test_a_member_that_cannot_be_fitted_is_an_error_with_its_name():
    """Without rates rate_of_change has nothing to say, and a vote without it would be another vote."""
    with pytest.raises(DataError, match=r"ensemble's part rate_of_change cannot be fitted.*feature set rates"):
        build("ensemble", {"members": ["ecod", "rate_of_change"]}).fit(normal_rows())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"members": ["ecod"]}, "at least two"),
        ({"members": ["ecod", "lofty"]}, "no detector named 'lofty'"),
        ({"members": ["ecod", {"lof": {"k": 3}}]}, "lof has no option 'k'"),
        ({"members": ["ecod", "limits"]}, "limits cannot be a part of ensemble"),
        ({"members": ["ecod", "always_normal"]}, "always_normal cannot be a part of ensemble"),
        ({"members": ["ecod", 7]}, "expected a detector such as lof"),
        ({"members": ["ecod", "k_sigma"], "weights": [1]}, "2 numbers above 0"),
        ({"members": ["ecod", "k_sigma"], "weights": [1, 0]}, "2 numbers above 0"),
    ],
)
def test_a_vote_that_cannot_be_held_is_refused_before_work_begins(options, said):
    """The message says what is wrong with it."""
    with pytest.raises(ConfigError, match=said):
        build("ensemble", options)


def test_a_detector_is_written_as_in_a_plant():
    """By name, or by name with options; options may be left empty."""
    assert named("lof") == ("lof", {})
    assert named({"lof": {"n_neighbors": 3}}) == ("lof", {"n_neighbors": 3})
    assert named({"lof": None}) == ("lof", {})


def test_few_rows_are_used_twice():
    """Of 400 rows the last 100 are held out; of 100 rows the last 25 would say nothing about tails."""
    fit_on, held_out = split(normal_rows())
    assert (len(fit_on), len(held_out)) == (300, 100)
    assert [len(part) for part in split(normal_rows(100))] == [100, 100]


def test_one_sensor_of_each_row_is_moved_with_all_its_features():
    """Three deviations up or down, flow together with its mean, and never two sensors in one row."""
    swing = np.tile([-1.0, 1.0], 50)
    rows = pd.DataFrame({"flow": swing, "flow__mean": swing, "pressure": 2 * swing})
    moved = (_one_sensor_moved(rows, of("flow", mean="level"), 0)[rows.columns] - rows).abs()
    assert set(map(tuple, moved.round(9).to_numpy().tolist())) == {(3.0, 3.0, 0.0), (0.0, 0.0, 6.0)}


def test_features_of_no_sensor_are_moved_together():
    """The sine and the cosine of the hour move in the same rows, and no sensor with them."""
    swing = np.tile([-1.0, 1.0], 50)
    rows = pd.DataFrame({"flow": swing, "hour_sin": swing, "hour_cos": swing})
    clock = [Feature(name, (), "phase") for name in ("hour_sin", "hour_cos")]
    moved = (_one_sensor_moved(rows, clock, 0)[rows.columns] - rows).abs()
    assert set(map(tuple, moved.round(9).to_numpy().tolist())) == {(3.0, 0.0, 0.0), (0.0, 3.0, 3.0)}


def test_separation_is_the_area_under_the_roc_curve():
    """Of six pairs, four are in the right order and one is a tie: 4.5 of 6."""
    assert _separation(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0])) == pytest.approx(4.5 / 6)


def test_it_travels_in_a_bundle_s_arrays():
    """Members' arrays go through the bundle's own file format and give the same scores and reasons."""
    options = {"members": ["ecod", {"ensemble": {"members": ["k_sigma", "k_nearest"]}}]}
    detector, rows = build("ensemble", options).fit(normal_rows()), normal_rows(20, seed=1) * 2
    restored = build("ensemble", options).restore(manifest.unpack(manifest.pack(detector.state)))
    np.testing.assert_array_equal(restored.score(rows), detector.score(rows))
    pd.testing.assert_frame_equal(restored.contributions(rows), detector.contributions(rows))
