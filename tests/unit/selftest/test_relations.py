"""A score that has learnt how features move together passes; others do not."""

import numpy as np
import pandas as pd
import pytest

from tests.unit.columns import restless
from wheeltapper.detectors import build
from wheeltapper.selftest.relations import MARGIN, WORTH, Relations, has_learnt, relations


def together(seed: int, n_rows: int = 600) -> pd.DataFrame:
    """Flow and current always show the same, but for a tenth."""
    random = np.random.default_rng(seed)
    load = random.normal(size=n_rows)
    return pd.DataFrame({"flow": load, "current": load + random.normal(0, 0.1, n_rows)})


PUMP = np.full(600, "pump-01", dtype=object)


@pytest.mark.parametrize("name", ["mahalanobis", "pca_residual", "k_nearest"])
def test_what_has_learnt_passes(name: str):
    """A flow of 1 with a current of -1 was never seen: whoever has learnt that tells shuffled from real."""
    detector = build(name).fit(together(1))
    gate = has_learnt(relations(detector.score, together(2), PUMP))
    assert gate.passed
    assert gate.figure > 0.8


@pytest.mark.parametrize("score", ["sum", "largest", "weights"])
def test_what_has_learnt_nothing_is_refused(score: str):
    """A sum of squares, the largest deviation and weights drawn at random know each feature by itself only."""
    weights = np.random.default_rng(5).normal(size=(2, 2))
    scores = {
        "sum": lambda rows: (rows.to_numpy() ** 2).sum(axis=1),
        "largest": lambda rows: -rows.abs().max(axis=1).to_numpy(),
        "weights": lambda rows: ((rows.to_numpy() @ np.diag(np.diag(weights))) ** 2).sum(axis=1),
    }
    gate = has_learnt(relations(scores[score], together(2), PUMP))
    assert gate.passed is False
    assert gate.blocks


def test_a_machine_is_shuffled_by_itself():
    """Two machines on two levels: within each nothing moves together, so there is nothing to be learnt."""
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.normal(size=(600, 2)), columns=["flow", "current"])
    rows.iloc[300:] += 8.0
    assets = np.repeat(np.array(["a", "b"], dtype=object), 300)
    measured = relations(lambda z: (z.to_numpy() ** 2).sum(axis=1), rows, assets)
    assert measured.by_gaussian < measured.by_squares + WORTH
    assert has_learnt(measured).passed is None


def test_what_looks_at_each_feature_alone_is_not_asked():
    """No claim, no question; one feature, or a handful of windows, cannot be shuffled."""
    assert has_learnt(None).passed is None
    assert relations(lambda z: z["flow"].to_numpy(), together(1)[["flow"]], PUMP) is None
    assert relations(lambda z: z["flow"].to_numpy(), together(1, 90), PUMP[:90]) is None


def test_the_margin_counts():
    """Just as far above the sum of squares as chance can carry it is refused; the margin itself passes."""
    bare = {"by_squares": 0.6, "by_gaussian": 0.9}
    assert has_learnt(Relations(by_detector=0.6 + MARGIN / 2, **bare)).passed is False
    assert has_learnt(Relations(by_detector=0.6 + MARGIN, **bare)).passed


def test_restlessness_is_left_as_it_is():
    """A detector gives it less weight than levels: shuffled with them, it would ask for what nobody promised."""
    random = np.random.default_rng(3)
    rows = together(2)
    mood = random.normal(size=len(rows))
    for sensor in ("flow", "current"):
        rows[f"{sensor}__restless_10_rows"] = 3 * mood + 0.3 * random.normal(size=len(rows))
    asked: list[pd.DataFrame] = []

    def score(z: pd.DataFrame) -> np.ndarray:
        asked.append(z)
        return (z["flow"] - z["current"]).abs().to_numpy()

    features = restless("flow", "current")
    gate = has_learnt(relations(score, rows, PUMP, features=features))
    names = [feature.name for feature in features]
    pd.testing.assert_frame_equal(asked[1][names], rows[names])
    assert not asked[1]["flow"].equals(rows["flow"])
    assert list(asked[1].columns) == list(rows.columns)
    assert gate.passed
    alone = relations(lambda z: (z.to_numpy() ** 2).sum(axis=1), rows[names], PUMP, features=features)
    assert alone is not None
    assert alone.by_gaussian > alone.by_squares
