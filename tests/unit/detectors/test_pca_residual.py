"""The combined index of the usual patterns and what they leave."""

import numpy as np
import pandas as pd
import pytest

from tests.unit.detectors.test_squares import added_up
from wheeltapper.detectors import build


def together(n_rows: int = 400) -> pd.DataFrame:
    """Two sensors that always show the same, but for a tenth."""
    random = np.random.default_rng(0)
    load = random.normal(size=n_rows)
    return pd.DataFrame({"flow": load, "current": load + random.normal(0, 0.1, n_rows)})


def test_a_broken_relation_counts_more_than_a_large_load():
    """Both sensors at 2 is a busy day; one at 1 and the other at -1 is a fault."""
    detector = build("pca_residual").fit(together())
    busy, fault = detector.score(pd.DataFrame({"flow": [2.0, 1.0], "current": [2.0, -1.0]}))
    assert busy < 1.2
    assert fault > 10


def test_the_squares_add_up_to_both_parts_over_their_limits():
    """Computed the long way round, with T2 and Q apart, the same numbers come out."""
    rows = together()
    scaled = (rows.to_numpy() - rows.to_numpy().mean(axis=0)) / rows.to_numpy().std(axis=0)
    variances, patterns = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    t2 = (scaled @ patterns[:, 1]) ** 2 / variances[1]
    q = (scaled @ patterns[:, 0]) ** 2
    one = t2 / np.quantile(t2, 0.99) + q / max(np.quantile(q, 0.99), 0.01)
    none = (scaled**2).sum(axis=1)
    none /= np.quantile(none, 0.99)
    share = 0.95 * variances.sum() / variances[1]  # of the first pattern, to make up 95 %
    phi = share * one + (1 - share) * none
    np.testing.assert_allclose(added_up(build("pca_residual").fit(rows)).score(rows), phi, rtol=1e-9)


def test_a_hair_of_variance_changes_nothing():
    """A pattern that just makes up the wanted share, or just does not: the same fault scores alike."""
    rows = together().assign(heat=np.random.default_rng(1).normal(size=400))
    scaled = (rows - rows.mean()) / rows.std(ddof=0)
    first = np.linalg.eigvalsh(scaled.T @ scaled / len(scaled))[-1] / 3
    fault = pd.DataFrame({"flow": [1.0], "current": [0.5], "heat": [0.0]})
    below, above = (build("pca_residual", {"variance": first + by}).fit(rows).score(fault)[0] for by in (-1e-6, 1e-6))
    assert below == pytest.approx(above, rel=1e-3)


def test_about_one_training_row_in_a_hundred_exceeds_a_limit():
    """Both limits hold 99 % of the rows, so at most 2 % lie beyond one of them, and phi beyond 1 is not common."""
    detector = build("pca_residual").fit(together())
    assert np.mean(detector.score(together()) > 2) <= 0.02


def test_a_constant_column_that_moves_is_heard_and_does_not_explode():
    """A valve that never moved in training adds to the score when it does, in proportion, not by division by zero."""
    rows = together().assign(valve=0.0)
    detector = build("pca_residual").fit(rows)
    usual = rows.iloc[[0]]
    small, large = (detector.score(usual.assign(valve=shift))[0] for shift in (0.01, 1.0))
    assert small < 2
    assert 10 < large < 1e5
    assert detector.contributions(usual.assign(valve=1.0)).iloc[0].idxmax() == "valve"


def test_columns_that_repeat_each_other_are_no_trouble():
    """The same sensor three times has one pattern and no remainder; a tenth of a deviation apart is not yet news."""
    load = together()["flow"]
    detector = build("pca_residual").fit(pd.DataFrame({"a": load, "b": load, "c": load}))
    apart = pd.DataFrame({"a": [0.0, 0.0], "b": [0.0, 0.0], "c": [0.05, 3.0]})
    barely, clearly = detector.score(apart)
    assert barely < 1
    assert clearly > 10


@pytest.mark.parametrize("variance", [0.5, 0.95, 0.999])
def test_any_share_of_variance_keeps_contributions_complete(variance):
    """However many patterns are kept, what the features add is the score."""
    rows = together().assign(noise=np.random.default_rng(1).normal(size=400))
    detector = build("pca_residual", {"variance": variance}).fit(rows)
    np.testing.assert_allclose(detector.contributions(rows).sum(axis=1), detector.score(rows), rtol=1e-12)


def test_all_rows_the_same_still_hear_a_change():
    """Nothing moves in training: there are no patterns, and every difference is left over."""
    rows = pd.DataFrame(np.ones((20, 2)), columns=["a", "b"])
    detector = build("pca_residual").fit(rows)
    np.testing.assert_array_equal(detector.score(rows), 0)
    assert detector.score(rows + 1)[0] > 10
