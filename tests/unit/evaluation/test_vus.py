import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wheeltapper.errors import DataError
from wheeltapper.evaluation import vus
from wheeltapper.evaluation.vus import random_volume, volume

DATA = Path(os.environ.get("WHEELTAPPER_DATA", Path(__file__).parents[4] / "shared" / "data"))


def blurred_faults():
    """Return the synthetic case of the reference values: three faults, random scores raised inside them."""
    labels = np.zeros(2000)
    labels[300:340] = labels[900:1000] = labels[1500:1510] = 1
    return labels, np.random.default_rng(7).random(2000) + 0.8 * labels


def pump_scores(path):
    """Return labels and the mean z² of a testbed file, as the reference file describes it."""
    table = pd.read_csv(path, sep=";")
    sensors = table.iloc[:, 1:9].to_numpy()
    z = np.clip((sensors - sensors[:400].mean(axis=0)) / sensors[:400].std(axis=0), -50, 50)
    return table["anomaly"].to_numpy()[400:], (z**2).mean(axis=1)[400:]


@pytest.mark.parametrize(("window", "pr", "roc"), [(10, 0.881322, 0.977849), (50, 0.891471, 0.98111)])
def test_synthetic_case_has_the_authors_value(window, pr, roc):
    """The authors' own evaluator gave these values for these three faults."""
    result = volume(*blurred_faults(), window)
    assert (result.pr, result.roc) == pytest.approx((pr, roc), abs=1e-5)


def test_every_reference_value_is_met():
    """On real pump files the volume is the one that the authors' evaluator computes."""
    path = DATA / "vus_reference.json"
    if not path.is_file():
        pytest.skip(f"no reference values at {path}; set WHEELTAPPER_DATA")
    values = [one for one in json.loads(path.read_text())["values"] if one["file"] != "synthetic"]
    for one in values:
        (found,) = DATA.glob(f"*/{one['file']}")
        result = volume(*pump_scores(found), one["L"])
        assert (result.pr, result.roc) == pytest.approx((one["vus_pr"], one["vus_roc"]), abs=1e-3), one
    assert values


def test_perfect_score_fills_the_volume_and_the_inverted_one_empties_it():
    """Turning the sign of a perfect score turns nearly everything into nearly nothing."""
    labels = np.zeros(1000, dtype=bool)
    labels[400:500] = True
    good, bad = volume(labels, labels * 1.0, 0), volume(labels, labels * -1.0, 0)
    assert (good.pr, good.roc) == pytest.approx((1, 1))
    assert bad.pr < 0.12
    assert bad.roc < 0.01


def test_buffer_forgives_an_early_score():
    """A peak four rows before the fault is worth nothing to the row, and something with a buffer."""
    labels = np.zeros(300, dtype=bool)
    labels[100:110] = True
    early = np.roll(labels, -10) * 1.0
    assert volume(labels, early, 40).pr > 2 * volume(labels, early, 0).pr


def test_random_score_has_the_random_value():
    """A score without skill lies near the random value, which grows with the share of faulty rows."""
    labels = np.zeros(3000, dtype=bool)
    labels[1000:1300] = labels[2000:2300] = True
    chance = random_volume(labels, 20, seed=3)
    skilless = volume(labels, np.random.default_rng(99).random(3000), 20)
    assert skilless.pr == pytest.approx(chance.pr, abs=0.03)
    assert chance.pr == pytest.approx(0.2, abs=0.05)
    assert chance.roc == pytest.approx(0.5, abs=0.05)
    assert random_volume(labels, 20, seed=3) == chance


def test_random_value_is_computed_once_for_each_way_of_asking(monkeypatch):
    """Candidates that are judged on the same faults share it; other faults, buffers, seeds and numbers do not."""
    labels = np.zeros(1001, dtype=bool)
    labels[500:530] = True
    ways = [(labels, 20, 3, 4), (np.roll(labels, 1), 20, 3, 4), (labels, 10, 3, 4), (labels, 20, 4, 4)]
    ways += [(labels, 20, 3, 5), (labels[:-1], 20, 3, 4)]
    asked = [random_volume(flags, window, seed=seed, draws=draws) for flags, window, seed, draws in ways]
    assert len(set(asked)) == len(ways)
    monkeypatch.setattr(vus, "volume", None)
    again = [random_volume(flags.copy(), window, seed=seed, draws=draws) for flags, window, seed, draws in ways]
    assert again == asked


def test_recall_counts_faults_that_were_touched():
    """One of two faults is ranked first, the other last: recall ½ of the rows × ½ of the faults, then all at 2 %."""
    labels = np.zeros(100, dtype=bool)
    labels[[20, 60]] = True
    scores = np.zeros(100)
    scores[20], scores[60] = 1, -1
    assert volume(labels, scores, 0).pr == pytest.approx(0.25 * 1 + 0.75 * 0.02)


def test_row_between_two_faults_is_never_more_than_faulty():
    """A row beside two faults, each worth √½ of a faulty row, is one faulty row, not 1.41.

    It alone scores high. Buffers of 0 and 1: all is caught at 2 %. Buffer of 2: recall 1/2.5 at once, then the rest.
    """
    labels, scores = np.zeros(100, dtype=bool), np.zeros(100)
    labels[[11, 13]] = True
    scores[12] = 1
    last = 0.4 * 1 + 0.6 * (2 + 1 + 2 * 0.5**0.5) / 100
    assert volume(labels, scores, 2).pr == pytest.approx((0.02 + 0.02 + last) / 3)


@pytest.mark.parametrize("value", [True, False])
def test_one_class_has_no_volume(value):
    """Where all rows are normal, or all faulty, there is nothing to rank and no figure, not even 0."""
    labels = np.full(50, value)
    assert volume(labels, np.arange(50), 5) is None
    assert random_volume(labels, 5, seed=0) is None


def test_buffers_may_reach_over_both_ends_and_meet():
    """Faults in the first and the last row, and two whose buffers meet, give a number between 0 and 1."""
    labels = np.zeros(30, dtype=bool)
    labels[[0, 12, 16, 29]] = True
    result = volume(labels, labels * 1.0, 40)
    assert 0 < result.pr <= 1
    assert 0 < result.roc <= 1


def test_wrong_input_is_refused():
    """Lengths that differ, a score that is not a number and a negative buffer are named."""
    with pytest.raises(DataError, match="one label and one score a row"):
        volume([True, False], [1.0], 2)
    with pytest.raises(DataError, match="1 of 2 that are not"):
        volume([True, False], [1.0, np.nan], 2)
    with pytest.raises(DataError, match="0 rows or more, got -1"):
        volume([True, False], [1.0, 0.0], -1)
