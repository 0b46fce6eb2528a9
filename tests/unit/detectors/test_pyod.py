"""PyOD's own numbers come out, whatever else is in the batch, and come back without a pickle."""

import numpy as np
import pandas as pd
import pytest

from wheeltapper.detectors import build
from wheeltapper.errors import ConfigError, DataError

pytest.importorskip("pyod", reason="PyOD is an optional part: pip install 'wheeltapper[pyod]'")


def normal_rows(n_rows: int = 100, seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(n_rows, 3)), columns=["flow", "pressure", "current"])


def test_the_score_is_pyod_s():
    """A forest of PyOD with the same seed and rows gives the same numbers."""
    from pyod.models.iforest import IForest

    parameters = {"n_estimators": 20}
    detector = build("pyod", {"detector": "IForest", "parameters": parameters}, seed=3).fit(normal_rows())
    own = IForest(random_state=3, **parameters).fit(normal_rows().to_numpy())
    fresh = normal_rows(20, seed=1)
    np.testing.assert_allclose(detector.score(fresh), own.decision_function(fresh.to_numpy()))


def test_a_detector_that_mixes_the_batch_in_is_asked_row_by_row():
    """COPOD's statistics take in the rows to be scored; a wild neighbour must not change a row's score."""
    detector = build("pyod", {"detector": "COPOD"}).fit(normal_rows())
    assert bool(detector.one_by_one_)
    rows = normal_rows(5, seed=1)
    with_wild = pd.concat([rows, rows * 1e6])
    np.testing.assert_array_equal(detector.score(with_wild)[:5], detector.score(rows))
    assert not build("pyod", {"detector": "KNN"}).fit(normal_rows()).one_by_one_


def test_only_numbers_are_kept_and_the_detector_is_fitted_anew():
    """A seeded sample of the rows, the seed, and one flag: with them another one gives the same scores."""
    options = {"detector": "IForest", "max_rows": 40}
    detector = build("pyod", options, seed=5).fit(normal_rows())
    assert sorted(detector.state) == ["columns_", "kept_", "one_by_one_", "seed_"]
    assert detector.state["kept_"].shape == (40, 3)
    restored = build("pyod", options).restore(detector.state)
    np.testing.assert_array_equal(restored.score(normal_rows(9)), detector.score(normal_rows(9)))


def test_what_cannot_be_fitted_is_an_error_with_its_name():
    """Five neighbours cannot be had of a parameter that is no number."""
    with pytest.raises(DataError, match="PyOD's KNN cannot be fitted to 100 rows of 3 features"):
        build("pyod", {"parameters": {"method": 7}}).fit(normal_rows())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"detector": "COPPOD"}, "Did you mean 'copod'"),
        ({"detector": "copod"}, "pyod.models.copod has no class 'copod'.*Did you mean 'COPOD'"),
        ({"detector": "os.system"}, "must be a class of pyod.models"),
        ({"parameters": {"neighbours": 3}}, "KNN has no 'neighbours'"),
    ],
)
def test_what_pyod_does_not_have_is_refused(options, said):
    """Names lead to classes of pyod.models, and nowhere else."""
    with pytest.raises(ConfigError, match=said):
        build("pyod", options)


def test_without_pyod_the_message_says_how_to_get_it(monkeypatch):
    """On a machine that has not installed the optional part."""
    monkeypatch.setattr("wheeltapper.detectors.pyod.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'wheeltapper\[pyod\]'"):
        build("pyod")
