"""The local outlier factor, against scikit-learn and by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import LocalOutlierFactor as Reference

from wheeltapper.detectors import build
from wheeltapper.errors import DataError


def rows_of(values) -> pd.DataFrame:
    values = np.asarray(values, dtype=float)
    return pd.DataFrame(values, columns=[f"sensor_{i}" for i in range(values.shape[1])])


@pytest.mark.parametrize(("n_rows", "n_features", "n_neighbors"), [(12, 1, 3), (300, 4, 20), (2000, 30, 20)])
def test_scores_equal_scikit_learn(n_rows, n_features, n_neighbors):
    """Inside, outside and far outside of what was seen, the difference is below 1e-8."""
    random = np.random.default_rng(n_rows)
    train = random.normal(size=(n_rows, n_features))
    fresh = np.concatenate([random.normal(size=(600, n_features)) * 2, random.normal(size=(20, n_features)) + 1000])
    ours = build("lof", {"n_neighbors": n_neighbors}).fit(rows_of(train))
    reference = Reference(n_neighbors=n_neighbors, novelty=True, algorithm="kd_tree").fit(train)
    np.testing.assert_allclose(ours.score(rows_of(fresh)), -reference.score_samples(fresh), rtol=1e-8)


def test_ten_evenly_spaced_rows_by_hand():
    """On 0, 1, … 9 with one neighbour every density is 1; a row at 12 is 3 away, so its factor is 3."""
    detector = build("lof", {"n_neighbors": 1}).fit(rows_of([[i] for i in range(10)]))
    np.testing.assert_allclose(detector.score(rows_of([[12], [9.5], [4]])), [3, 1, 1], rtol=1e-9)


def test_a_row_between_two_crowds_is_told_from_both():
    """Each crowd has company; the middle has none, though it is the mean of all rows."""
    random = np.random.default_rng(0)
    crowds = np.concatenate([random.normal(-5, 0.1, (50, 2)), random.normal(5, 0.1, (50, 2))])
    detector = build("lof", {"n_neighbors": 5}).fit(rows_of(crowds))
    assert detector.score(rows_of([[0, 0]]))[0] > 5 * detector.score(rows_of(crowds)).max()


def test_a_machine_at_rest_does_not_make_every_breath_infinitely_unusual():
    """With 500 identical rows among 100 different ones, a row beside them scores like a row beside the others."""
    moving = np.random.default_rng(0).normal(size=(100, 2))
    train = np.concatenate([moving, np.zeros((500, 2))])
    detector = build("lof").fit(rows_of(train))
    assert detector.score(rows_of([[0.0, 0.01]]))[0] < 2
    assert len(detector.kept_) == 101


def test_more_rows_than_the_bound_are_sampled_with_the_seed():
    """The bound holds, kept rows come from training in their order, and another seed keeps others."""
    rows = rows_of(np.arange(200)[:, None])
    first, again, other = (build("lof", {"max_rows": 50}, seed=seed).fit(rows).kept_[:, 0] for seed in (1, 1, 2))
    assert len(first) == 50
    assert (np.diff(first) > 0).all()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_rows_that_are_all_the_same_are_refused():
    """There is no density to compare with, and the message says so."""
    with pytest.raises(DataError, match="all 40 training rows are the same"):
        build("lof").fit(rows_of(np.ones((40, 2))))
