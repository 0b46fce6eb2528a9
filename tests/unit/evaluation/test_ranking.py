from datetime import timedelta

import numpy as np
import pytest

from wheeltapper.evaluation.exposure import watched_rows
from wheeltapper.evaluation.ranking import average_precision, chance_above, rank_windows, roc_auc

MINUTE = timedelta(minutes=1)


def ranking(line, is_faulty):
    rows = watched_rows(line.scores, spacing=MINUTE, max_gap=3 * MINUTE)
    return rank_windows(rows, np.array([letter == "F" for letter in is_faulty]), vus_window=0, seed=1)


def test_polarity_higher_is_more_anomalous(draw):
    """High scores in the fault rank perfectly; the same scores upside down rank worst."""
    assert ranking(draw("00009900"), "    FF  ").roc_auc == 1
    assert ranking(draw("99990099"), "    FF  ").roc_auc == 0


def test_figures_use_scores_not_decisions(draw):
    """All scores are below the threshold, so every hard label is normal; the ranking is perfect all the same."""
    result = ranking(draw("0000320000"), "    FF    ")
    assert (result.roc_auc, result.average_precision) == (1, 1)


def test_one_class_has_no_figure():
    """With one class only there is no figure, not even 0."""
    scores = np.arange(4.0)
    assert average_precision(np.zeros(4, dtype=bool), scores) is None
    assert roc_auc(np.ones(4, dtype=bool), scores) is None


@pytest.mark.parametrize("digits", [0, 1, 12])
def test_figures_equal_those_of_scikit_learn(digits):
    """On scores of which many, some or none are equal."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    random = np.random.default_rng(digits)
    labels = random.random(2000) < 0.05
    scores = np.round(random.normal(size=2000) + labels, digits)
    assert average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores), rel=1e-12)
    assert roc_auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), rel=1e-12)


def test_assets_without_a_fault_stay_out_of_the_mean(draw):
    """Asset a is ranked perfectly; asset b has no fault and cannot be ranked."""
    result = ranking(draw("0090", asset="a") + draw("0900", asset="b"), "  F     ")
    assert (result.assets_ranked, result.roc_auc) == (1, 1)
    assert result.average_precision == pytest.approx(1)


def test_mean_is_over_assets_not_rows(draw):
    """One asset ranked perfectly and one upside down: one half, however many rows each has."""
    result = ranking(draw("00000000090", asset="a") + draw("9909", asset="b"), "         F   F ")
    assert result.roc_auc == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("clean", "stepped", "chance"),
    [
        ([1.0, 2.0], [3.0, 4.0], 1.0),
        ([1.0, 2.0], [1.0, 2.0], 0.5),
        ([3.0, 4.0], [1.0, 2.0], 0.0),
        ([1.0, 1.0], [1.0, 1.0], 0.5),
        ([1.0, 2.0, 3.0, 4.0], [2.5], 0.5),
        ([1.0, 2.0, 3.0, 4.0], [3.5], 0.75),
    ],
)
def test_the_chance_that_a_stepped_window_scores_higher(
    clean: list[float], stepped: list[float], chance: float
) -> None:
    """1 for a candidate that always hears the step, 0.5 for a deaf one (ties count half), 0 for an inverted one."""
    assert chance_above(np.array(clean), np.array(stepped)) == chance
