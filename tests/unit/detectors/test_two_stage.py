"""The second is asked only where the first suspects something."""

import math
import sys

import numpy as np
import pandas as pd
import pytest

from wheeltapper import manifest
from wheeltapper.detectors import build
from wheeltapper.errors import ConfigError, DataError, NotFittedError


def normal_rows(n_rows: int = 400, seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(n_rows, 2)), columns=["flow", "pressure"])


def test_a_row_that_nobody_suspects_gets_the_first_detector_s_score():
    """Below the bound of one in ten, the second adds nothing."""
    detector = build("two_stage", {"first": "ecod", "second": "k_sigma"}).fit(normal_rows())
    rows = normal_rows(50, seed=1) * 0.2
    first = detector._parts["first"].rarity(rows)
    assert first.max() < math.log(10)
    np.testing.assert_array_equal(detector.score(rows), first)


def test_a_suspected_row_gets_the_bound_and_the_second_detector_s_score():
    """Nine deviations away: ln 10 from the first, the rest from the second."""
    detector = build("two_stage", {"first": "ecod", "second": "k_sigma"}).fit(normal_rows())
    row = pd.DataFrame({"flow": [9.0], "pressure": [0.0]})
    expected = math.log(10) + detector._parts["second"].rarity(row)
    np.testing.assert_allclose(detector.score(row), expected)
    assert detector.contributions(row).iloc[0].idxmax() == "flow"


def test_the_second_is_asked_about_nothing_else(monkeypatch):
    """Of one suspected row among fifty, it sees one."""
    detector = build("two_stage", {"first": "k_sigma", "second": "ecod"}).fit(normal_rows())
    rows = normal_rows(50, seed=1) * 0.2
    rows.iloc[7] = 9.0
    second = detector._parts["second"].detector
    seen, score = [], second.score_array
    monkeypatch.setattr(second, "score_array", lambda some: seen.extend(some.tolist()) or score(some))
    detector.score(rows)
    assert seen == [[9.0] * rows.shape[1]]


def test_without_a_second_the_first_decides_alone_and_it_is_said(caplog):
    """The score is the first's, without a bound, and both the log and the notes say who is missing."""
    detector = build("two_stage", {"first": "ecod", "second": None}).fit(normal_rows())
    far = pd.DataFrame({"flow": [50.0], "pressure": [0.0]})
    np.testing.assert_array_equal(detector.score(far), detector._parts["first"].rarity(far))
    assert "no second stage: ecod alone decides" in detector.notes[0]
    assert detector.notes[0] in caplog.text
    assert build("two_stage").notes == ()


FAR = pd.DataFrame({"flow": [50.0], "pressure": [0.0]})


def without(monkeypatch, *modules):
    """Make modules as if they were not installed: importing one of them is an error."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def test_without_tensorflow_the_forest_decides_alone_and_it_is_said(monkeypatch, caplog):
    """The published pair is fitted and scores where its autoencoder cannot be, and says what is not installed."""
    without(monkeypatch, "tensorflow", "keras")
    detector = build("two_stage", {"preset": "reference_001"}).fit(normal_rows())
    np.testing.assert_array_equal(detector.score(FAR), detector._parts["first"].rarity(FAR))
    assert detector.score(FAR) > np.quantile(detector.score(normal_rows(seed=1)), 0.95)
    assert detector.contributions(FAR).sum(axis=1).to_numpy() == pytest.approx(detector.score(FAR))
    (note,) = detector.notes
    assert "isolation_forest alone decides" in note and "autoencoder needs keras, which was not installed" in note
    assert [(one.levelname, note in one.message) for one in caplog.records] == [("WARNING", True)]


def test_what_was_fitted_without_a_second_stays_so_where_it_is_installed(monkeypatch, caplog):
    """Its threshold was set without one; the scores and the note go through the bundle's own file format."""
    with monkeypatch.context() as bare:
        without(bare, "tensorflow", "keras")
        detector = build("two_stage", {"preset": "reference_001"}).fit(normal_rows())
    caplog.clear()
    restored = build("two_stage", detector.options).restore(manifest.unpack(manifest.pack(detector.state)))
    np.testing.assert_array_equal(restored.score(FAR), detector.score(FAR))
    assert restored.notes == detector.notes
    assert restored.notes[0] in caplog.text
    assert manifest.pack(restored.state) == manifest.pack(detector.state)


def test_a_second_that_is_installed_later_is_fitted_again(monkeypatch):
    """Nothing of the poorer fit is left, neither in what it says nor in what it saves."""
    options = {"first": "ecod", "second": "k_sigma"}
    with monkeypatch.context() as bare:
        without(bare, "wheeltapper.detectors.k_sigma")
        detector = build("two_stage", options).fit(normal_rows())
        assert "k_sigma needs wheeltapper.detectors.k_sigma" in detector.notes[0]
    whole = build("two_stage", options).fit(normal_rows())
    assert manifest.pack(detector.fit(normal_rows()).state) == manifest.pack(whole.state)
    assert detector.notes == whole.notes == ()


def test_a_bundle_is_read_where_its_second_cannot_be_built(monkeypatch, caplog):
    """Fitted with both, and scored on a machine that lacks what the second needs: the first stands in for it."""
    options = {"first": "ecod", "second": "k_sigma"}
    whole = build("two_stage", options).fit(normal_rows())
    without(monkeypatch, "wheeltapper.detectors.k_sigma")
    restored = build("two_stage", options).restore(whole.state)
    np.testing.assert_array_equal(restored.score(FAR), math.log(10) + whole._parts["first"].rarity(FAR))
    assert restored.contributions(FAR).sum(axis=1).to_numpy() == pytest.approx(restored.score(FAR))
    assert restored.notes[0] in caplog.text


def test_a_second_that_fails_leaves_its_rows_to_the_first(monkeypatch, caplog):
    """It stands in for the second, so the alarm is still raised; a warning names both, and the notes keep it."""
    detector = build("two_stage", {"first": "ecod", "second": "k_sigma"}).fit(normal_rows())
    rows = pd.concat([normal_rows(50, seed=1) * 0.2, FAR], ignore_index=True)

    def fail(_):
        raise RuntimeError("the cloud is away")

    monkeypatch.setattr(detector._parts["second"].detector, "score_array", fail)
    first = detector._parts["first"].rarity(rows)
    np.testing.assert_array_equal(detector.score(rows), first + math.log(10) * (rows.index == 50))
    assert "k_sigma, failed on 1 suspected windows (RuntimeError: the cloud is away)" in caplog.text
    assert "ecod, stands for them" in caplog.text
    assert detector.notes[0].startswith("the second stage failed on 1 windows; there ecod alone decides")
    assert detector.contributions(rows).sum(axis=1).to_numpy() == pytest.approx(detector.score(rows))


def test_reasons_that_the_second_cannot_find_are_not_made_up(monkeypatch, caplog):
    """Its score stands, but whoever asks for the parts of it is told that there are none."""
    detector = build("two_stage", {"first": "ecod", "second": "k_sigma"}).fit(normal_rows())
    before = detector.score(FAR)
    monkeypatch.setattr(detector._parts["second"].detector, "contributions", lambda _: 1 / 0)
    np.testing.assert_array_equal(detector.score(FAR), before)
    assert detector.contributions(FAR) is None
    assert "ZeroDivisionError" in caplog.text


def test_what_is_not_the_second_s_fault_is_an_error_as_ever():
    """Rows that cannot be read, a score before any fit, and a second that these rows cannot be fitted to."""
    with pytest.raises(NotFittedError):
        build("two_stage").score(FAR)
    with pytest.raises(DataError, match="'flow'"):
        build("two_stage").fit(normal_rows()).score(FAR * np.nan)
    with pytest.raises(DataError, match="two_stage's part rate_of_change cannot be fitted"):
        build("two_stage", {"second": "rate_of_change"}).fit(normal_rows())


def test_a_part_that_is_no_detector_is_refused_by_the_option_s_name():
    """The near miss comes along."""
    with pytest.raises(ConfigError, match=r"option 'second'.*Did you mean 'ecod'"):
        build("two_stage", {"second": "ecood"})
