"""The network's shape, its training, and that NumPy says what Keras says."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from wheeltapper.detectors import autoencoder, build
from wheeltapper.detectors._tensorflow import _CHATTER, open_tensorflow
from wheeltapper.detectors.rows import thinned

pytestmark = pytest.mark.slow  # networks are trained


def follow_the_load(n_rows: int = 400) -> pd.DataFrame:
    """Twenty sensors that follow one hidden load, each with a noise of a tenth."""
    random = np.random.default_rng(0)
    load = random.uniform(-1.5, 1.5, (n_rows, 1))
    signs = np.where(np.arange(20) % 2, 1.0, -1.0)
    values = load * signs + random.normal(0, 0.1, (n_rows, 20))
    return pd.DataFrame(values, columns=[f"sensor_{i}" for i in range(20)])


@pytest.fixture(scope="module")
def trained():
    """One autoencoder, trained once, together with the Keras model that it was taken from."""
    detector = build("autoencoder", {"epochs": 60, "batch_size": 16}, seed=3)
    kept = []
    train = detector._train
    detector._train = lambda values: kept.append(train(values)) or kept[0]
    detector.fit(follow_the_load())
    return detector, kept[0][0]


@pytest.mark.parametrize(
    ("n_features", "widths"),
    [(27, (16, 12, 8)), (500, (16, 12, 8)), (16, (16, 12, 8)), (8, (8, 6, 4)), (3, (3, 3, 1)), (1, (1, 1, 1))],
)
def test_the_network_is_the_reference_or_narrower(n_features, widths):
    """27 features give the reference's shape; few features a smaller one with a narrower middle; many no wider one."""
    assert autoencoder._widths(n_features) == widths


def test_the_network_has_the_reference_layers():
    """Dense with ReLU, batch normalisation and dropout 0.2 five times, then one linear layer."""
    _, keras = open_tensorflow()
    model = autoencoder._build(keras, 27, seed=0)
    dense = [layer for layer in model.layers if type(layer).__name__ == "Dense"]
    assert [layer.units for layer in dense] == [16, 12, 8, 12, 16, 27]
    assert [layer.activation.__name__ for layer in dense] == ["relu"] * 5 + ["linear"]
    assert [type(layer).__name__ for layer in model.layers[:3]] == ["Dense", "BatchNormalization", "Dropout"]
    assert {layer.rate for layer in model.layers if type(layer).__name__ == "Dropout"} == {0.2}
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(1e-3)
    assert model.loss == "mse"


def test_numpy_scores_equal_keras(trained):
    """The exported layers redraw as Keras does, and the score is the mean squared difference."""
    detector, model = trained
    rows = follow_the_load(50) * 1.5
    asked = rows.to_numpy().clip(detector.low_, detector.high_)
    redrawn = model.predict(asked, verbose=0)
    np.testing.assert_allclose(detector.score(rows), ((rows.to_numpy() - redrawn) ** 2).mean(axis=1), atol=1e-4)


def test_what_was_learnt_is_better_than_guessing(trained):
    """After training, redrawing normal rows leaves less than a third of their variance."""
    detector, _ = trained
    assert detector.score(follow_the_load()).mean() < follow_the_load().to_numpy().var() / 3


def test_the_history_of_training_is_kept(trained):
    """One loss per epoch for both parts; both fell, and the best epoch's weights were taken."""
    detector, _ = trained
    assert len(detector.history_loss_) == len(detector.history_val_loss_) <= 60
    assert detector.history_loss_[-1] < detector.history_loss_[0]
    last_tenth = follow_the_load().iloc[-40:].clip(detector.low_, detector.high_, axis=1)
    assert detector.score(last_tenth).mean() == pytest.approx(detector.history_val_loss_.min(), rel=1e-4)


def test_a_broken_relation_between_usual_values_is_heard(trained):
    """All sensors at +1 is impossible, as odd and even ones are opposites; no single value is unusual."""
    detector, _ = trained
    impossible = pd.DataFrame(np.ones((1, 20)), columns=follow_the_load().columns)
    assert detector.score(impossible)[0] > detector.score(follow_the_load()).max()


def test_one_wild_feature_is_limited_to_fifty_deviations(trained):
    """A million is read as 50: the error is about 50² over 20 features, and it is that feature's."""
    detector, _ = trained
    wild = follow_the_load().iloc[[0]].assign(sensor_7=1e6)
    assert 48**2 / 20 < detector.score(wild)[0] < 53**2 / 20
    assert detector.contributions(wild).iloc[0].idxmax() == "sensor_7"


def test_more_rows_than_the_bound_are_sampled_in_time_order():
    """Thirty of a hundred rows, still in order, the same for the same seed."""
    values = np.arange(100.0)[:, None]
    first, again, other = (thinned(values, 30, seed)[:, 0] for seed in (1, 1, 2))
    assert len(first) == 30
    assert (np.diff(first) > 0).all()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_last_tenth_is_never_trained_on(monkeypatch):
    """Of 50 rows numbered in time, training batches hold 0 to 44 and validation 45 to 49."""
    seen = []
    make = autoencoder._batches
    monkeypatch.setattr(autoencoder, "_batches", lambda tf, v, size, seed: seen.append(v) or make(tf, v, size, seed))
    rows = pd.DataFrame({"clock": np.arange(50.0) / 10, "other": np.zeros(50)})
    first = build("autoencoder", {"epochs": 1}, seed=1).fit(rows)
    assert seen[0][:, 0].max() < 4.45 <= seen[1][:, 0].min()
    assert (len(seen[0]), len(seen[1])) == (45, 5)
    second = build("autoencoder", {"epochs": 1}, seed=2).fit(rows)
    assert not np.array_equal(first.weights_, second.weights_)


def test_training_writes_nothing_on_the_screen():
    """In a new process with warnings as errors, neither TensorFlow nor Keras says a word; other lines come through."""
    program = """
import numpy as np, os, pandas as pd
from wheeltapper.detectors import build
build("autoencoder", {"epochs": 1}).fit(pd.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), columns=["a", "b"]))
os.write(2, b"still here")
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "still here", 0)


def test_only_greetings_are_held_back():
    """TensorFlow's own log lines are; a real error message is passed on."""
    greeting = b"I0000 00:00:1795317206.066019    9363 port.cc:153] oneDNN custom operations are on."
    assert _CHATTER.match(greeting)
    assert not _CHATTER.match(b"ImportError: libcuda.so: cannot open shared object file")
