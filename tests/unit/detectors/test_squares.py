"""Sums of squares in which no element may decide alone."""

import numpy as np
import pandas as pd
import pytest

from wheeltapper.detectors import build
from wheeltapper.detectors._squares import FAR


def usual(n_rows: int = 2000) -> pd.DataFrame:
    """Two sensors that know nothing of each other."""
    return pd.DataFrame(np.random.default_rng(0).normal(size=(n_rows, 2)), columns=["flow", "current"])


@pytest.mark.parametrize("name", ["mahalanobis", "pca_residual"])
def test_far_out_a_deviation_counts_linearly(name: str):
    """From 5 to 10 usual deviations the score is four times as high; from 100 to 200 only twice."""
    detector = build(name).fit(usual())
    rows = pd.DataFrame({"flow": [5.0, 10.0, 100.0, 200.0], "current": 0.0})
    near, twice, far, further = detector.score(rows)
    assert twice / near == pytest.approx(4, rel=0.05)
    assert further / far == pytest.approx(2, rel=0.1)
    assert far < FAR**2 * twice


@pytest.mark.parametrize("name", ["mahalanobis", "pca_residual"])
def test_a_detector_that_was_saved_before_scores_as_it_did(name: str):
    """Without a place where far begins, a hundred usual deviations are a hundred squared."""
    detector = build(name).fit(usual())
    state = {key: value for key, value in detector.state.items() if key != "far_"}
    ten, hundred = build(name).restore(state).score(pd.DataFrame({"flow": [10.0, 100.0], "current": 0.0}))
    assert hundred / ten == pytest.approx(100, rel=0.05)
