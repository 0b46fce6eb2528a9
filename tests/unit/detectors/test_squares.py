"""Sums of squares in which no element may decide alone."""

import numpy as np
import pandas as pd
import pytest

from tests.unit.columns import restless
from wheeltapper.detectors import Detector, build
from wheeltapper.detectors._squares import FAR, POWER, _together

FEATURES = restless("flow", "current")


def added_up(detector: Detector) -> Detector:
    """The same detector, with the squares of all elements just added up, those of restlessness too."""
    plain = {"power_": np.array(2.0), "apart_": np.zeros(len(detector.state["columns_"]), dtype=bool)}
    return type(detector)().restore(detector.state | plain)


def usual(n_rows: int = 2000) -> pd.DataFrame:
    """Two sensors that know nothing of each other."""
    return pd.DataFrame(np.random.default_rng(0).normal(size=(n_rows, 2)), columns=["flow", "current"])


@pytest.mark.parametrize("name", ["mahalanobis", "pca_residual"])
def test_far_out_a_deviation_counts_linearly(name: str):
    """From 5 to 10 usual deviations the score is four times as high; from 100 to 200 only twice."""
    detector = build(name, features=FEATURES).fit(usual())
    rows = pd.DataFrame({"flow": [5.0, 10.0, 100.0, 200.0], "current": 0.0})
    near, twice, far, further = detector.score(rows)
    assert twice / near == pytest.approx(4, rel=0.05)
    assert further / far == pytest.approx(2, rel=0.1)
    assert far < FAR**2 * twice


@pytest.mark.parametrize("name", ["mahalanobis", "pca_residual"])
def test_a_detector_that_was_saved_before_scores_as_it_did(name: str):
    """Without a place where far begins, a hundred usual deviations are a hundred squared."""
    detector = build(name, features=FEATURES).fit(usual())
    state = {key: value for key, value in detector.state.items() if key != "far_"}
    ten, hundred = build(name).restore(state).score(pd.DataFrame({"flow": [10.0, 100.0], "current": 0.0}))
    assert hundred / ten == pytest.approx(100, rel=0.05)


def with_restlessness(n_rows: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Four levels, and how restless two of them are; all know nothing of each other."""
    names = ["flow", "current", "pressure", "speed", "flow__restless_10_rows", "current__restless_10_rows"]
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(n_rows, len(names))), columns=names)


@pytest.mark.parametrize("name", ["mahalanobis", "pca_residual"])
def test_restlessness_does_not_deafen_to_levels(name: str):
    """A row that is odd in one level scores, to the last bit, as if nobody had asked how restless sensors are."""
    rows = with_restlessness()
    odd = pd.DataFrame(0.0, index=[0], columns=rows.columns).assign(flow=4.0)
    levels = [column for column in rows if "restless" not in column]
    alone = build(name, features=FEATURES).fit(rows[levels]).score(odd[levels])
    np.testing.assert_array_equal(build(name, features=FEATURES).fit(rows).score(odd), alone)


@pytest.mark.parametrize("name", ["mahalanobis", "pca_residual"])
def test_restlessness_counts_less_and_alone(name: str):
    """It takes more of it to be as loud, but then all of the score is its own."""
    rows = with_restlessness()
    odd = pd.DataFrame(0.0, index=[0, 1], columns=rows.columns)
    odd.loc[0, "flow"] = odd.loc[1, "flow__restless_10_rows"] = 4.0
    detector = build(name, features=FEATURES).fit(rows)
    level, restless = detector.score(odd)
    assert 0 < restless < level
    odd["flow__restless_10_rows"] = 10.0
    parts = detector.contributions(odd)
    assert parts is not None
    assert (parts[["flow", "current", "pressure", "speed"]] == 0).to_numpy().all()
    np.testing.assert_allclose(parts.sum(axis=1), detector.score(odd))


@pytest.mark.parametrize("name", ["mahalanobis", "pca_residual"])
@pytest.mark.parametrize("far", [1.0, 30.0, 1000.0])
def test_what_never_was_restless_does_not_drown_the_rest(name: str, far: float):
    """Sensors that stood still in training: their first quiver is heard, and less than as large a move of a level."""
    rows = with_restlessness()
    still = [column for column in rows if "restless" in column]
    rows[still] = 0.0
    detector = build(name, features=FEATURES).fit(rows)
    usual = pd.DataFrame(0.0, index=[0], columns=rows.columns)
    quiver, move = (detector.score(usual.assign(**{one: far}))[0] for one in (still[0], "flow"))
    assert detector.score(usual)[0] < quiver < 3 * move


@pytest.mark.parametrize("name", ["mahalanobis", "pca_residual"])
def test_where_no_level_ever_moved_restlessness_is_heard(name: str):
    """Machines that stand all through training, and shake: there is no level to bring it to the scale of."""
    rows = with_restlessness()
    rows[[column for column in rows if "restless" not in column]] = 0.0
    detector = build(name, features=FEATURES).fit(rows)
    odd = pd.DataFrame(0.0, index=[0], columns=rows.columns).assign(flow__restless_10_rows=8.0)
    assert detector.score(odd)[0] > 5 * np.median(detector.score(rows)) > 0


@pytest.mark.parametrize("name", ["mahalanobis", "pca_residual"])
def test_restlessness_counts_a_fifth_and_is_never_made_louder(name: str):
    """Ten times as wild in training, it still counts a fifth at its 99 % quantile; ten times as calm, no more."""
    for wild in (3.0, 10.0, 0.1):
        rows = with_restlessness()
        apart = rows.columns.str.contains("restless")
        rows.loc[:, apart] *= wild
        detector = build(name, features=FEATURES).fit(rows)
        squares = added_up(detector).contributions(rows).to_numpy(copy=True)
        squares[:, ~apart] = _together(squares[:, ~apart], POWER)
        level, restless = (np.quantile(squares[:, which].sum(axis=1), 0.99) for which in (~apart, apart))
        if name == "mahalanobis" and wild > 1:
            assert restless / level == pytest.approx(0.2)
        assert restless / level < 0.2 + 1e-9


@pytest.mark.parametrize("name", ["mahalanobis", "pca_residual"])
def test_far_out_restlessness_counts_linearly_too(name: str):
    """From 60 to 120 usual deviations the score hardly more than doubles; far begins where it does for levels."""
    detector = build(name, features=FEATURES).fit(with_restlessness())
    odd = pd.DataFrame(0.0, index=[0, 1], columns=with_restlessness(1).columns)
    odd["flow__restless_10_rows"] = [60.0, 120.0]
    far, further = detector.score(odd)
    assert 2 < further / far < 2.4


@pytest.mark.parametrize("name", ["mahalanobis", "pca_residual"])
def test_restlessness_may_be_all_there_is(name: str):
    """A plant that computes nothing else: it is judged by that."""
    rows = with_restlessness().filter(like="restless")
    detector = build(name, features=FEATURES).fit(rows)
    assert detector.score(rows + 5).min() > np.median(detector.score(rows))


@pytest.mark.parametrize("name", ["mahalanobis", "pca_residual"])
def test_many_small_moves_count_beside_one_far_one(name: str):
    """Four levels that moved by two and one that moved by four are as long by squares; here the four are louder."""
    rows = with_restlessness().iloc[:, :4]
    spread = pd.DataFrame([[2.0, 2.0, 2.0, 2.0], [4.0, 0.0, 0.0, 0.0], [8.0, 0.0, 0.0, 0.0]], columns=rows.columns)
    wear, one, further = build(name, features=FEATURES).fit(rows).score(spread)
    assert 1.3 < wear / one < 1.8
    assert further / one == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("name", ["mahalanobis", "pca_residual"])
def test_a_detector_that_was_saved_before_powers_adds_up_squares(name: str):
    """Without the note of the power the parts of levels are the squares themselves."""
    rows = with_restlessness().iloc[:, :4]
    fitted = build(name, features=FEATURES).fit(rows)
    older = build(name).restore({key: value for key, value in fitted.state.items() if key != "power_"})
    np.testing.assert_allclose(older.score(rows), added_up(fitted).score(rows))
    assert not np.allclose(older.score(rows), fitted.score(rows))


def test_parts_add_up_to_the_power_mean_times_their_number():
    """Of lengths 1, 4 and 0 with the power 1.5: three times ((1 + 8 + 0) / 3) to the power 4/3."""
    parts = _together(np.array([[1.0, 16.0, 0.0], [0.0, 0.0, 0.0]]), 1.5)
    np.testing.assert_allclose(parts.sum(axis=1), [3 * 3 ** (4 / 3), 0.0])
    np.testing.assert_allclose(parts[0] / parts[0].sum(), [1 / 9, 8 / 9, 0.0])


@pytest.mark.parametrize("name", ["mahalanobis", "pca_residual"])
def test_a_detector_that_was_saved_before_restlessness_scores_as_it_did(name: str):
    """Without the note of what is measured apart, all squares are added up."""
    rows = with_restlessness()
    fitted = build(name, features=FEATURES).fit(rows)
    older = build(name).restore({key: value for key, value in fitted.state.items() if key not in {"apart_", "power_"}})
    parts = older.contributions(rows)
    assert parts is not None
    assert (parts > 0).to_numpy().all()
    assert (older.score(rows) > fitted.score(rows)).all()
