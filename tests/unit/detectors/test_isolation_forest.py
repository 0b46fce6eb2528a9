"""Our walk through the trees gives scikit-learn's scores."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest as Reference

from wheeltapper.detectors import build
from wheeltapper.detectors.isolation_forest import _round_down, _unsuccessful_search


def rows_of(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values, columns=[f"sensor_{i}" for i in range(values.shape[1])])


@pytest.mark.parametrize(("n_rows", "n_features"), [(20, 1), (200, 3), (3000, 30)])
@pytest.mark.parametrize(("n_estimators", "max_samples"), [(100, 256), (7, 2), (30, 1000)])
def test_scores_equal_scikit_learn(n_rows, n_features, n_estimators, max_samples):
    """For small and large forests, and rows inside and outside what was seen, the difference is below 1e-12."""
    random = np.random.default_rng(n_rows)
    train = random.normal(size=(n_rows, n_features))
    train[::3] = np.round(train[::3], 1)  # ties
    fresh = np.concatenate([train[:50], random.normal(size=(1100, n_features)) * 3])
    options = {"n_estimators": n_estimators, "max_samples": max_samples}
    ours = build("isolation_forest", options, seed=5).fit(rows_of(train))
    reference = Reference(n_estimators=n_estimators, max_samples=min(max_samples, n_rows), random_state=5).fit(train)
    np.testing.assert_allclose(ours.score(rows_of(fresh)), -reference.score_samples(fresh), rtol=0, atol=1e-12)


def test_values_at_a_threshold_go_the_same_way_as_in_scikit_learn():
    """Thresholds themselves, and their single-precision neighbours, are where rounding would show."""
    train = np.random.default_rng(0).normal(size=(300, 1))
    reference = Reference(random_state=1).fit(train)
    thresholds = np.unique(np.concatenate([tree.tree_.threshold for tree in reference.estimators_]))
    single = thresholds.astype(np.float32)
    steps = [single, np.nextafter(single, np.float32(9)), np.nextafter(single, np.float32(-9))]
    edges = np.concatenate([thresholds, *steps]).astype(np.float64)[:, None]
    ours = build("isolation_forest", seed=1).fit(rows_of(train))
    np.testing.assert_allclose(ours.score(rows_of(edges)), -reference.score_samples(edges), rtol=0, atol=1e-12)


def plain_walk(forest, values):
    """Return the scores by asking one question after the other, in plain Python, from what a bundle would keep."""
    state = {name: array.tolist() for name, array in forest.state.items()}
    paths = []
    for row in values.astype(np.float32).tolist():
        total = 0.0
        for node in state["roots_"]:
            for _ in range(state["levels_"]):
                goes_right = row[state["feature_"][node]] > state["threshold_"][node]
                node = state["children_"][2 * node + goes_right]  # noqa: PLW2901
            total += state["path_"][node]
        paths.append(total)
    return np.exp2(-(np.array(paths) / len(state["roots_"])) / state["typical_path_"])


@settings(max_examples=25, deadline=None)
@given(
    n_estimators=st.sampled_from([1, 2, 31, 32, 33, 64, 70]),
    max_samples=st.sampled_from([2, 3, 16, 256]),
    n_features=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_forest_is_walked_to_the_last_bit(n_estimators, max_samples, n_features, seed):
    """Trees that fill their groups and trees that are left over, rows at the very split points, ties and constants."""
    random = np.random.default_rng(seed)
    train = np.round(random.normal(size=(40, n_features)), 1)
    train[:, 0] = train[0, 0] if seed % 2 else train[:, 0]
    forest = build("isolation_forest", {"n_estimators": n_estimators, "max_samples": max_samples}, seed=seed)
    splits = forest.fit(rows_of(train)).threshold_
    splits = splits[np.isfinite(splits)] if np.isfinite(splits).any() else np.zeros(1)
    values = np.concatenate([train[:5], random.choice(splits, (8, n_features)), [[1e9] * n_features]])
    scores = forest.score(rows_of(values))
    assert np.array_equal(scores, plain_walk(forest, values))
    reference = Reference(n_estimators=n_estimators, max_samples=min(max_samples, 40), random_state=seed).fit(train)
    np.testing.assert_allclose(scores, -reference.score_samples(values), rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_estimators", [31, 32, 33, 100])
def test_a_row_scores_the_same_alone_and_among_thousands(n_estimators):
    """Bit for bit: an alarm may not depend on how many rows came at once."""
    values = np.random.default_rng(2).normal(size=(2000, 4))
    forest = build("isolation_forest", {"n_estimators": n_estimators}, seed=2).fit(rows_of(values))
    together = forest.score(rows_of(values))
    alone = [forest.score(rows_of(values[[row]]))[0] for row in range(0, 2000, 97)]
    assert alone == together[::97].tolist()


def test_no_rows_have_no_scores():
    """An empty table is no error."""
    rows = rows_of(np.random.default_rng(0).normal(size=(30, 2)))
    assert build("isolation_forest").fit(rows).score(rows.iloc[:0]).shape == (0,)


def test_a_threshold_is_rounded_down_and_never_up():
    """1 + 1e-9 lies between two single-precision numbers; the lower one is 1, and 0.1 rounds up unless prevented."""
    rounded = _round_down(np.array([1 + 1e-9, 0.1, np.inf]))
    assert rounded[0] == 1.0
    assert float(rounded[1]) < 0.1 < float(np.nextafter(rounded[1], np.float32(1)))
    assert rounded[2] == np.inf


def test_the_path_still_to_be_expected_follows_the_paper():
    """No path for one row, one question for two, and 2 (ln 2 + 0.5772) - 4/3 for three."""
    expected = 2 * (np.log(2) + 0.5772156649) - 4 / 3
    np.testing.assert_allclose(_unsuccessful_search(np.array([0, 1, 2, 3])), [0, 0, 1, expected], atol=1e-9)


def test_only_the_feature_that_sets_a_row_apart_gets_credit():
    """Two constant sensors are never asked about, so the third one gets the whole score."""
    values = np.zeros((50, 3))
    values[:, 1] = np.arange(50)
    detector = build("isolation_forest").fit(rows_of(values))
    contributions = detector.contributions(rows_of(values[[49]]))
    assert contributions["sensor_1"].iloc[0] == pytest.approx(detector.score(rows_of(values[[49]]))[0])
    assert contributions["sensor_0"].iloc[0] == 0


def test_another_seed_grows_other_trees():
    """The seed is no decoration."""
    rows = rows_of(np.random.default_rng(0).normal(size=(300, 2)))
    first, second = (build("isolation_forest", seed=seed).fit(rows).score(rows) for seed in (1, 2))
    assert not np.array_equal(first, second)
    assert np.corrcoef(first, second)[0, 1] > 0.9
