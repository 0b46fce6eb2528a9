"""Rows are ranked as scikit-learn ranks them."""

import numpy as np
import pandas as pd
from sklearn.svm import OneClassSVM

from tests.unit.columns import restless
from wheeltapper.detectors import build


def two_clouds(n_rows: int = 300, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    centre = np.where(random.integers(2, size=(n_rows, 1)), 2.0, -2.0)
    return pd.DataFrame(centre + random.normal(0, 0.3, (n_rows, 2)), columns=["flow", "pressure"])


def test_the_order_is_that_of_scikit_learn():
    """Its decision function and our score, with the sign turned round, are one a function of the other."""
    train, fresh = two_clouds(), two_clouds(100, seed=1) * 1.3
    detector = build("one_class", {"nu": 0.1}).fit(train)
    machine = OneClassSVM(nu=0.1, gamma=detector.gamma_).fit(train.to_numpy())
    raw = machine.score_samples(fresh.to_numpy())
    np.testing.assert_allclose(detector.score(fresh), -np.log(raw / machine.dual_coef_.sum()), rtol=1e-9)


def test_between_two_clouds_is_outside():
    """The middle is the mean of everything, and nothing was ever there."""
    train = two_clouds()
    middle = pd.DataFrame({"flow": [0.0], "pressure": [0.0]})
    detector = build("one_class").fit(train)
    assert detector.score(middle)[0] > np.quantile(detector.score(train), 0.99)


def test_farther_is_more_unusual_even_where_the_decision_function_is_flat():
    """At 100 and at 200 deviations scikit-learn's function is the same; here the farther one scores higher."""
    detector = build("one_class").fit(two_clouds())
    near, far = detector.score(pd.DataFrame({"flow": [100.0, 200.0], "pressure": [0.0, 0.0]}))
    assert far > 2 * near


def test_restlessness_counts_by_a_smaller_measure():
    """The same distance is less unusual in how restless a sensor is than in where it lies, and no less explained."""
    random = np.random.default_rng(0)
    features = restless("flow")
    names = ["flow", features[0].name]
    detector = build("one_class", features=features).fit(pd.DataFrame(random.normal(size=(500, 2)), columns=names))
    odd = pd.DataFrame([[8.0, 0.0], [0.0, 8.0]], columns=names)
    level, quiver = detector.score(odd)
    assert 0 < quiver < level / 2
    np.testing.assert_allclose(detector.contributions(odd).sum(axis=1), [level, quiver])


def test_what_was_saved_before_restlessness_scores_as_it_did():
    """Without a measure of each feature every one counts in full."""
    detector = build("one_class").fit(two_clouds())
    older = build("one_class").restore({key: value for key, value in detector.state.items() if key != "measure_"})
    np.testing.assert_array_equal(older.score(two_clouds(50)), detector.score(two_clouds(50)))
