"""Distances small enough to count on the fingers."""

import numpy as np
import pandas as pd
import pytest

from wheeltapper.detectors import build
from wheeltapper.detectors._derived import squared_lengths
from wheeltapper.detectors._neighbours import nearest


def along_a_line(n_rows: int = 11) -> pd.DataFrame:
    """Rows at (0, 0), (1, 0), (2, 0) …"""
    return pd.DataFrame({"flow": np.arange(float(n_rows)), "pressure": 0.0})


def test_the_score_is_the_squared_distance_per_feature_to_the_kth_neighbour():
    """From (0, 3) the second nearest of the line is (1, 0): 1² + 3² = 10, over two features 5."""
    detector = build("k_nearest", {"k": 2}).fit(along_a_line())
    row = pd.DataFrame({"flow": [0.0], "pressure": [3.0]})
    assert detector.score(row)[0] == pytest.approx(5.0)
    assert detector.contributions(row).iloc[0].to_dict() == pytest.approx({"flow": 0.5, "pressure": 4.5})


def test_a_few_faulty_rows_in_training_do_not_make_their_fault_usual():
    """Four rows at (99, 99) are not five: the fifth neighbour of another such row is far away."""
    faulty = pd.DataFrame({"flow": [99.0] * 4, "pressure": 99.0})
    detector = build("k_nearest").fit(pd.concat([along_a_line(), faulty], ignore_index=True))
    assert detector.score(faulty)[0] > 8000
    assert build("k_nearest", {"k": 4}).fit(pd.concat([along_a_line(), faulty])).score(faulty)[0] == 0


def test_of_many_rows_a_seeded_sample_is_kept():
    """Of 50 rows 20 are kept, in their order; another seed keeps others."""
    kept = [build("k_nearest", {"max_rows": 20}, seed=seed).fit(along_a_line(50)).state["kept_"] for seed in (1, 2)]
    assert kept[0].shape == (20, 2)
    assert (np.diff(kept[0][:, 0]) > 0).all()
    assert not np.array_equal(*kept)


def test_neighbours_are_those_of_scikit_learn():
    """Over several chunks, distances and order are those of an exhaustive search."""
    from sklearn.neighbors import NearestNeighbors

    random = np.random.default_rng(0)
    kept, rows = random.normal(size=(700, 5)), random.normal(size=(300, 5)) * 3
    distance, place = nearest(rows, kept, squared_lengths(kept), 7)
    expected, where = NearestNeighbors(n_neighbors=7, algorithm="brute").fit(kept).kneighbors(rows)
    np.testing.assert_allclose(distance, expected, rtol=1e-7)
    np.testing.assert_array_equal(place, where)


def test_of_equal_distances_the_first_row_comes_first():
    """Three rows at the same place are neighbours in the order in which they were kept."""
    kept = np.array([[5.0], [1.0], [1.0], [1.0]])
    distance, place = nearest(np.zeros((1, 1)), kept, squared_lengths(kept), 4)
    assert place.tolist() == [[1, 2, 3, 0]]
    assert distance.tolist() == [[1.0, 1.0, 1.0, 5.0]]


def test_rounding_loses_no_neighbour():
    """Beside a wild row and far from nought, where products round by whole units, the nearest rows are still found."""
    kept = np.array([[1e6 + place, 1e6] for place in range(20)] + [[1e9, -1e9]])
    distance, place = nearest(np.array([[1e6 + 7.25, 1e6]]), kept, squared_lengths(kept), 4)
    assert place.tolist() == [[7, 8, 6, 9]]
    assert distance.tolist() == [[0.25, 0.75, 1.25, 1.75]]
