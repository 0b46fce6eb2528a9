"""Isolation forest: what a few random questions can tell apart from all the rest is unusual."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Floats
from wheeltapper.detectors._options import check_whole
from wheeltapper.detectors.rows import ArrayDetector, Names, as_frame, learn_rows, read_rows

_WALKS = 32_768  # rows times trees walked at once: the working arrays stay in the processor's cache
_EULER = float(np.euler_gamma)


class IsolationForest(ArrayDetector):
    """Many trees of random splits; the sooner a row stands alone, the more unusual it is.

    scikit-learn grows the trees; they are then kept as flat arrays and walked by compiled code, which gives
    scikit-learn's ``-score_samples`` to the last digits, some hundred times faster for a single row and without needing
    scikit-learn to score.

    It does not work well when an anomaly is only a wrong *combination* of values that are each usual (splits are
    parallel to the axes), nor when one sensor among hundreds is wrong (few splits use it). It ignores a sensor
    that never moved in training, and a value far outside of training is no more unusual to it than one just outside.

    Parameters
    ----------
    n_estimators : int
        Number of trees; from 1.
    max_samples : int
        Rows that each tree is grown from; from 2. All rows where there are fewer.

    References
    ----------
    .. [1] F. T. Liu, K. M. Ting, Z.-H. Zhou, "Isolation Forest", ICDM 2008, doi:10.1109/ICDM.2008.17
           (both defaults are the paper's).
    """

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "reference_000": {"n_estimators": 200, "max_samples": 256},
        "reference_001": {"n_estimators": 100, "max_samples": 256},
        "reference_002": {"n_estimators": 350, "max_samples": 256},
        "reference_003": {"n_estimators": 300, "max_samples": 256},
        "reference_004": {"n_estimators": 100, "max_samples": 256},
    }
    columns_: Names
    feature_: NDArray[np.int32]
    threshold_: NDArray[np.float32]
    children_: NDArray[np.int32]
    path_: Floats
    roots_: NDArray[np.int32]
    levels_: int
    typical_path_: float

    def __init__(self, n_estimators: int = 100, max_samples: int = 256) -> None:
        check_whole("isolation_forest", "n_estimators", n_estimators, low=1)
        check_whole("isolation_forest", "max_samples", max_samples, low=2)
        self.n_estimators = n_estimators
        self.max_samples = max_samples

    def fit(self, rows: pd.DataFrame) -> Self:
        """Grow the trees.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN

        Raises
        ------
        DataError
        """
        from sklearn.ensemble import IsolationForest as Grower

        self.columns_, values = learn_rows(rows)
        sample = min(self.max_samples, len(values))
        grower = Grower(n_estimators=self.n_estimators, max_samples=sample, random_state=self.seed)
        grower.fit(values)
        self.typical_path_ = float(_unsuccessful_search(np.array([sample]))[0])
        self._flatten([tree.tree_ for tree in grower.estimators_])
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return ``2 ** (-mean path length / typical path length)``: 0.5 is usual, towards 1 is unusual."""
        values = values.astype(np.float32)  # scikit-learn's trees compare in single precision
        from wheeltapper.detectors._forest import path_lengths

        feature, children, roots = (array.view(np.uint32) for array in (self.feature_, self.children_, self.roots_))
        trees = (feature, self.threshold_, children, self.path_, roots, int(self.levels_))
        mean_path: Floats = path_lengths(values, *trees) / len(self.roots_)
        return np.exp2(-mean_path / self.typical_path_)

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return how much each feature's splits brought forward the moment at which each row stood alone.

        Each split changes the path length that is still to be expected; the shortening is credited to the feature
        asked. Credits are averaged over the trees, negative ones (a feature that made the row look usual) count as
        none, and the rest shares out the score: every row adds up to it. A row that no feature makes look unusual
        is shared out evenly.

        Raises
        ------
        NotFittedError, DataError
        """
        values = read_rows(self, rows).astype(np.float32)
        shares = [_shares(self._credits(part)) for part in self._parts(values)]
        whole = np.concatenate([np.zeros((0, values.shape[1])), *shares])
        return as_frame(whole * self.score(rows)[:, None], self, rows)

    def _parts(self, values: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        size = max(1, _WALKS // len(self.roots_))
        for start in range(0, len(values), size):
            yield values[start : start + size]

    def _credits(self, values: NDArray[np.float32]) -> Floats:
        n_rows, n_features = values.shape
        credit = np.zeros(n_rows * n_features)
        where = self._start(n_rows)
        for _ in range(int(self.levels_)):
            below, used_feature = self._step(values, where)
            shortened = self.path_.take(where) - self.path_.take(below)
            credit += np.bincount(used_feature.ravel(), weights=shortened.ravel(), minlength=credit.size)
            where = below
        return credit.reshape(n_rows, n_features)

    def _start(self, n_rows: int) -> NDArray[np.int32]:
        return np.broadcast_to(self.roots_, (n_rows, len(self.roots_)))

    def _step(
        self, values: NDArray[np.float32], where: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Move every row one level down in every tree; return the new nodes and which value was asked for."""
        n_rows, n_features = values.shape
        feature = self.feature_.take(where)
        feature += (np.arange(n_rows, dtype=np.int32) * n_features)[:, None]
        child = where * np.int32(2)
        child += values.ravel().take(feature) > self.threshold_.take(where)
        return self.children_.take(child), feature

    def _flatten(self, trees: list[Any]) -> None:
        """Lay all trees behind each other; a leaf leads back to itself, so that every walk has the same length."""
        sizes = [tree.node_count for tree in trees]
        roots = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        children, path = [], []
        for tree, root in zip(trees, roots, strict=True):
            itself = np.arange(tree.node_count)[:, None]
            pair = np.column_stack([tree.children_left, tree.children_right])
            children.append(np.where(pair < 0, itself, pair) + root)
            depth = _depths(tree.children_left, tree.children_right)
            path.append(depth + _unsuccessful_search(tree.n_node_samples))
        is_leaf = np.concatenate([tree.children_left < 0 for tree in trees])
        self.roots_ = roots.astype(np.int32)
        self.children_ = np.concatenate(children).astype(np.int32).ravel()
        self.path_ = np.concatenate(path)
        self.feature_ = np.where(is_leaf, 0, np.concatenate([tree.feature for tree in trees])).astype(np.int32)
        threshold = np.concatenate([tree.threshold for tree in trees])
        self.threshold_ = _round_down(np.where(is_leaf, np.inf, threshold))
        self.levels_ = max(tree.max_depth for tree in trees)


def _unsuccessful_search(n_rows: NDArray[Any]) -> Floats:
    """Return c(n) of [1], equation 1: the path length still to be expected among ``n_rows`` rows."""
    n = np.asarray(n_rows, dtype=np.float64)
    many = np.maximum(n, 3.0)
    average = 2.0 * (np.log(many - 1.0) + _EULER) - 2.0 * (many - 1.0) / many
    return np.where(n > 2, average, np.where(n == 2, 1.0, 0.0))


def _depths(left: NDArray[Any], right: NDArray[Any]) -> Floats:
    """Return how many questions lie above each node; scikit-learn numbers parents before their children."""
    depth = np.zeros(len(left))
    for node in np.flatnonzero(left >= 0):
        depth[[left[node], right[node]]] = depth[node] + 1
    return depth


def _round_down(threshold: Floats) -> NDArray[np.float32]:
    """Return the largest single-precision numbers that are not above the thresholds: comparisons come out the same."""
    single = threshold.astype(np.float32)
    return np.where(single > threshold, np.nextafter(single, np.float32(-np.inf)), single).astype(np.float32)


def _shares(credit: Floats) -> Floats:
    """Turn credit into shares that are not negative and add up to 1 in every row."""
    positive = np.maximum(credit, 0.0)
    total = positive.sum(axis=1, keepdims=True)
    even = np.full_like(positive, 1.0 / positive.shape[1])
    shares: Floats = np.divide(positive, total, out=even, where=total > 0)
    return shares
