"""The promises of every detector; a new file in wheeltapper/detectors is tested here the day it appears.

What a test needs to know of a detector stands on its class: options for examples, which sensors it notices, whether it
is slow to fit.
"""

import io
import subprocess
import sys
import threading
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tests.contracts.plug_ins import FOLDER, PLUG_INS, names, of_the_package
from wheeltapper import detectors
from wheeltapper.config import AssetType, Sensor
from wheeltapper.detectors import Detector, baselines
from wheeltapper.errors import ConfigError, DataError, NotFittedError
from wheeltapper.features.columns import Feature, describe
from wheeltapper.features.impute import Imputer, filled
from wheeltapper.features.normalise import RegimeNormaliser
from wheeltapper.plugins import DETECTORS
from wheeltapper.scoring.bundle import inputs
from wheeltapper.scoring.calibration import Calibration
from wheeltapper.scoring.effect import is_far
from wheeltapper.scoring.scorer import Scorer

KINDS = {name: detectors.load(name, PLUG_INS) for name in names(DETECTORS)}
NEEDY = [name for name, kind in KINDS.items() if kind.needs]  # the rows below do not have what they need
EVERY = [name for name in KINDS if name not in NEEDY]
SLOW = {name for name in EVERY if KINDS[name].slow_to_fit}
GUESSING = {name for name in EVERY if KINDS[name].notices == "nothing"}
SCORING = [name for name in EVERY if name not in GUESSING]
NOTICING = [name for name in EVERY if KINDS[name].notices == "every sensor"]
EXPLAINING = [name for name in NOTICING if KINDS[name].contributions is not Detector.contributions]


def each(names: list[str]) -> list:
    """Return the names as parameters of a test that fits; those that are slow to fit are marked."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in names]


def build(name: str, options: dict | None = None, seed: int = 0) -> Detector:
    return detectors.build(name, options, seed=seed, plug_ins=PLUG_INS, features=FEATURES)


SENSORS = ("flow", "pressure", "current")
MEANS = [Feature(f"{sensor}__mean", (sensor,), "level") for sensor in SENSORS]
STEPS = [Feature(f"{sensor}__at_{step}", (sensor,), "sequence", place=step) for sensor in SENSORS for step in range(8)]
FEATURES = (*MEANS, *STEPS)
"""What the columns of the rows below show, beside the sensors themselves."""


def normal_rows(n_rows: int = 200, seed: int = 0) -> pd.DataFrame:
    """Three sensors and three rolling features that follow one hidden load, within about ±3."""
    random = np.random.default_rng(seed)
    load = random.uniform(-1.5, 1.5, n_rows)
    names = ["flow", "pressure", "current", "flow__mean", "pressure__mean", "current__mean"]
    return pd.DataFrame({name: load + random.normal(0, 0.3, n_rows) for name in names})


def rows_for(name: str, n_rows: int = 200, seed: int = 0) -> pd.DataFrame:
    """The rows that a detector reads: those above, or waves of eight readings with the latest ones beside them."""
    if not KINDS[name].reads_sequences:
        return normal_rows(n_rows, seed)
    random = np.random.default_rng(seed)
    begin = random.uniform(0, 2 * np.pi, (n_rows, 1))
    rows = normal_rows(n_rows, seed)[["flow", "pressure", "current"]]
    for sensor in list(rows):
        wave = np.sin(begin + np.pi / 4 * np.arange(8)) + random.normal(0, 0.1, (n_rows, 8))
        rows[[f"{sensor}__at_{place}" for place in range(8)]] = wave
    return rows


def of(sensor: str, rows: pd.DataFrame) -> list[str]:
    """The columns of a sensor."""
    return [feature.name for feature in describe(rows, FEATURES) if feature.sensors[0] == sensor]


def latest(sensor: str, rows: pd.DataFrame) -> list[str]:
    """The columns that hold a sensor's latest value."""
    return [name for name in rows if name in (sensor, f"{sensor}__at_7")]


def first(rows: pd.DataFrame) -> list[str]:
    """One column, or as many as make a sequence."""
    return ["flow", *(feature.name for feature in STEPS if feature.name in of("flow", rows))]


def fresh(name: str, **options) -> Detector:
    return build(name, KINDS[name].example_options | options)


def fitted(name: str, rows: pd.DataFrame, seed: int = 7) -> Detector:
    return build(name, KINDS[name].example_options, seed=seed).fit(rows)


def through_npz(state: dict) -> dict:
    """Write arrays to a file that can hold no pickle, and read them back."""
    held = io.BytesIO()
    np.savez(held, allow_pickle=False, **state)
    held.seek(0)
    with np.load(held, allow_pickle=False) as read:
        return {key: read[key] for key in read.files}


class FittedOnce(dict[str, Detector]):
    """Detectors by name, each fitted when it is first asked for."""

    def __missing__(self, name: str) -> Detector:
        return self.setdefault(name, fitted(name, rows_for(name)))


@pytest.fixture(scope="module")
def once() -> FittedOnce:
    """Every detector, fitted once on the same normal rows."""
    return FittedOnce()


@of_the_package
def test_the_folder_holds_the_detectors_that_are_promised():
    """Five ways of looking and three silly ones."""
    promised = {
        "isolation_forest",
        "lof",
        "autoencoder",
        "pca_residual",
        "k_sigma",
        "always_normal",
        "always_anomalous",
    }
    assert promised <= set(EVERY)
    assert {"k_sigma", "always_normal", "always_anomalous"} <= set(baselines())


def another(name: str, option: str, value: object) -> object:
    """A value that an option may also have."""
    if option in KINDS[name].other_values:
        return KINDS[name].other_values[option]
    return {"a": 1.0} if isinstance(value, dict) else value + 1 if isinstance(value, int) else value / 2


@pytest.mark.parametrize("name", NEEDY)
def test_columns_that_a_detector_needs_are_asked_for_by_name(name):
    """Where they are missing, the message names them; where they are there, it scores, alone as in a batch."""
    needs = KINDS[name].needs
    with pytest.raises(DataError, match=needs[0]):
        build(name).fit(normal_rows())
    rows = normal_rows().assign(**{column: np.linspace(-1, 1, 200) for column in needs})
    detector = build(name).fit(rows)
    scores = detector.score(rows)
    assert [detector.score(rows.iloc[[i]])[0] for i in range(9)] == scores[:9].tolist()
    np.testing.assert_array_equal(detector.score(rows.iloc[:, ::-1]), scores)
    np.testing.assert_array_equal(build(name).restore(through_npz(detector.state)).score(rows), scores)
    np.testing.assert_allclose(detector.contributions(rows).sum(axis=1), scores)
    assert detector.score(rows.assign(flow=10.0)).min() > np.quantile(scores, 0.95)


@pytest.mark.parametrize("name", EVERY)
def test_presets_are_options_that_the_detector_takes(name):
    """Every preset can be built, an option beside it overrides it, and a misspelt one gets its near miss."""
    presets = KINDS[name].presets
    for preset, options in presets.items():
        built = build(name, {"preset": preset}).options
        assert built.items() >= options.items()
        for option, value in options.items():
            changed = another(name, option, value)
            assert build(name, {"preset": preset, option: changed}).options == {**built, option: changed}
    with pytest.raises(ConfigError, match=f"{name} has no preset 'reference'"):
        build(name, {"preset": "reference"})


@pytest.mark.parametrize("name", EVERY)
def test_options_are_stored_as_given_and_all_have_defaults(name):
    """`options` returns the constructor's options, and a detector built from them has the same ones."""
    options = build(name).options
    assert build(name, options).options == options
    for option, value in options.items():
        changed = another(name, option, value)
        assert build(name, {option: changed}).options == {**options, option: changed}


@pytest.mark.parametrize("name", EVERY)
def test_an_unknown_option_is_refused_with_the_near_miss(name):
    """A typo must not be ignored."""
    option_names = list(build(name).options)
    wrong = option_names[0] + "s" if option_names else "colour"
    with pytest.raises(ConfigError, match=f"{name} has no option '{wrong}'") as refusal:
        build(name, {wrong: 1})
    if option_names:
        assert f"Did you mean '{option_names[0]}'?" in str(refusal.value)


@pytest.mark.parametrize("name", EVERY)
def test_a_number_that_cannot_be_is_refused_by_name(name):
    """Every numeric option refuses minus one and text, and the message says which option and what came."""
    for option in build(name).options:
        for nonsense in (-1, "many"):
            with pytest.raises(ConfigError, match=f"'{option}'.*{nonsense}"):
                build(name, {option: nonsense})


@pytest.mark.parametrize("name", EVERY)
def test_scoring_before_fitting_is_refused(name):
    """A detector that has learnt nothing has nothing to say and nothing to save."""
    detector = build(name)
    for act in (lambda: detector.score(rows_for(name)), lambda: detector.state):
        with pytest.raises(NotFittedError, match="call fit first"):
            act()


@pytest.mark.parametrize("name", each(SCORING))
@pytest.mark.parametrize("size", [10.0, -10.0])
def test_a_planted_outlier_scores_above_every_normal_row(name, size, once):
    """A row whose sensors lie ten deviations away in opposite directions is more unusual than all of training."""
    columns = rows_for(name).columns
    outlier = pd.DataFrame([np.resize([size, -size], len(columns))], columns=columns)
    detector = once[name]
    assert detector.score(outlier)[0] > detector.score(rows_for(name)).max()


@pytest.mark.parametrize("name", each(NOTICING))
@pytest.mark.parametrize("size", [10.0, -10.0])
def test_one_broken_sensor_is_heard(name, size, once):
    """A sensor ten deviations away, and its mean with it, scores above nineteen in twenty normal rows."""
    broken = rows_for(name).iloc[[3]].copy()
    broken[of("pressure", broken)] = size
    detector = once[name]
    assert detector.score(broken)[0] > np.quantile(detector.score(rows_for(name)), 0.95)


@pytest.mark.parametrize("name", each(NOTICING))
def test_higher_is_more_anomalous(name, once):
    """Rows far away score higher on average than fresh normal rows, in every detector."""
    detector = once[name]
    other = rows_for(name, seed=1)
    assert np.median(detector.score(other + 6)) > np.quantile(detector.score(other), 0.95)


EXTREMES = {
    "a million": lambda rows: rows * 1e6,
    "one wild row": lambda rows: rows * np.where(rows.index == 5, 1e6, 1.0)[:, None],
    "a constant column": lambda rows: rows.assign(**dict.fromkeys(first(rows), 1.0)),
    "only constant columns but one": lambda rows: (rows * 0).assign(**rows[first(rows)]),
    "one column": lambda rows: rows[first(rows)],
    "duplicated rows": lambda rows: rows.iloc[np.arange(len(rows)) // 4 % 8].reset_index(drop=True),
    "a machine at rest half of the time": lambda rows: rows * np.where(rows.index % 2, 1.0, 0.0)[:, None],
    "thirty rows": lambda rows: rows.iloc[:30],
    "ten rows": lambda rows: rows.iloc[:10],
}


HARSHEST = {"one wild row", "one column", "ten rows"}  # for detectors that take seconds to fit
EXTREMES["ten rows of one column, one of them wild"] = lambda rows: EXTREMES["one wild row"](rows)[first(rows)].iloc[
    :10
]


def every_extreme() -> list:
    """Return each detector with each extreme; those that are slow to fit see all of their extremes at once, first."""
    return [
        pytest.param(name, extreme, marks=_marks(extreme) if name in SLOW else [])
        for name in EVERY
        for extreme in EXTREMES
        if name not in SLOW or extreme in HARSHEST or extreme.endswith("wild")
    ]


def _marks(extreme: str) -> list:
    return [pytest.mark.slow, pytest.mark.long] if extreme in HARSHEST else [pytest.mark.slow]


@pytest.mark.parametrize(("name", "extreme"), every_extreme())
def test_scores_stay_finite_on_extreme_rows(name, extreme):
    """Trained on extreme rows, a detector still returns a number, also for a value of 1e300."""
    rows = EXTREMES[extreme](rows_for(name, 60))
    detector = fresh(name, **KINDS[name].hasty_options).fit(rows)
    wild = pd.concat([rows, rows * 1e6, rows * 0 + 1e300, rows * 0 - 1e300])
    assert np.isfinite(detector.score(wild)).all()
    parts = detector.contributions(wild)
    assert parts is None or np.isfinite(parts.to_numpy()).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", each(EVERY))
def test_a_value_that_is_no_number_is_refused_by_the_name_of_its_feature(name, bad, once):
    """A gap in the data is not scored as if it were a value."""
    rows = rows_for(name)
    rows.loc[4, "current"] = bad
    for act in (once[name].score, fresh(name).fit):
        with pytest.raises(DataError, match=r"feature 'current' holds .* in row 4"):
            act(rows)


@pytest.mark.parametrize("name", each(EVERY))
def test_a_row_scores_the_same_alone_and_in_any_batch(name, once):
    """Tables and plain numbers, all rows at once, one by one, shuffled and in pieces: the same to the last bit."""
    detector, rows = once[name], rows_for(name, 150, seed=2) * np.linspace(0.5, 4, 150)[:, None]
    scores, values = detector.score(rows), rows.to_numpy()
    np.testing.assert_array_equal(detector.score_array(values), scores)
    alone = [(detector.score(rows.iloc[[i]])[0], detector.score_array(values[[i]])[0]) for i in range(len(rows))]
    np.testing.assert_array_equal(np.transpose(alone), [scores, scores])
    random = np.random.default_rng(5)
    for cuts in (random.choice(150, 4, replace=False), random.choice(150, 30, replace=False)):
        order = random.permutation(150)
        pieces = [detector.score_array(values[some]) for some in np.split(order, np.sort(cuts))]
        np.testing.assert_array_equal(np.concatenate(pieces), scores[order])


@pytest.mark.parametrize("name", each(EVERY))
def test_plain_numbers_are_checked_like_a_table(name, once):
    """No rows get no scores; too few columns and values that are no numbers are refused; huge ones are cut."""
    detector, values = once[name], rows_for(name, 20).to_numpy(copy=True)
    assert detector.score_array(values[:0]).shape == (0,)
    with pytest.raises((DataError, ValueError), match=str(values.shape[1])):
        detector.score_array(values[:, 1:])
    np.testing.assert_array_equal(detector.score_array(values * 1e12), detector.score(rows_for(name, 20) * 1e12))
    values[4, 2] = np.nan
    with pytest.raises(DataError, match=r"feature '.*' holds nan in row 4"):
        detector.score_array(values)


def windows_for(name: str, n_rows: int, seed: int = 0) -> pd.DataFrame:
    """Rows in the features' own units: of two machines in two regimes, of a third one, and of a regime never seen."""
    rows = rows_for(name, n_rows, seed) * 3 + 20
    asset, regime = np.arange(n_rows) % 2, np.arange(n_rows) // 2 % 2
    return rows.add(5 * asset + 10 * regime, axis=0).assign(
        asset_id=np.array(["pump-1", "pump-2"])[asset], regime=np.array(["normal", "high_load"])[regime]
    )


def model_of(name: str, detector: Detector) -> SimpleNamespace:
    """What the scorer needs of a bundle: every part of it has something to do."""
    rows = windows_for(name, 400)
    columns = [column for column in rows if column not in ("asset_id", "regime")]
    features = tuple(describe(columns, FEATURES))
    sensors = {
        "flow": Sensor(unit="l/s", alarm_effect=6.0),
        "pressure": Sensor(unit="bar"),
        "current": Sensor(unit="A"),
    }
    usual = {("*", "*"): 0.2, ("*", "normal"): 0.1, ("pump-1", "normal"): 0.3}
    return SimpleNamespace(
        asset_type=AssetType(name="pump", step=timedelta(minutes=1), sensors=sensors),
        plan=SimpleNamespace(columns=tuple(columns), features=features),
        imputer=Imputer.fit(rows[["current", "flow"]]),
        normaliser=RegimeNormaliser().fit(rows, features),
        detectors={"*": detector},
        calibration=Calibration(
            usual, {key: 1.7 * value for key, value in usual.items()}, {"*": 2.0, "normal": 1.5}, {"pump-2": 1.3}
        ),
    )


def by_tables(model: SimpleNamespace, rows: pd.DataFrame) -> np.ndarray:
    """Score, threshold and severity the long way round, table by table."""
    detector = model.detectors["*"]
    complete = filled(model.imputer, rows, model.plan.columns)
    z = inputs(detector, model.normaliser, complete)
    found = model.calibration.apply(rows, detector.score(z))
    far = is_far(model.asset_type, model.plan.features, model.normaliser, rows)
    if not detector.always_alarms:
        found["threshold"] = found["threshold"].where(far, np.maximum(found["threshold"], found["score"]))
    return np.array([found["score"], found["threshold"], np.maximum(found["score"], 0) / found["threshold"]])


@pytest.mark.parametrize("name", each(EVERY))
def test_the_scorer_gives_what_tables_give_in_any_batch(name, once):
    """Holes, unseen regimes and machines, smallest effects: whole, one by one and in pieces, the same last bit."""
    model = model_of(name, once[name])
    rows = windows_for(name, 120, seed=8)
    rows.loc[::7, "regime"] = "never_seen"
    rows.loc[60:, "asset_id"] = np.where(rows.index[60:] % 3, rows["asset_id"][60:], "pump-99")
    rows.loc[rows.index % 5 == 0, "current"], rows.loc[[3, 77], "flow"] = np.nan, [np.inf, -np.inf]
    rows.loc[::11, list(model.plan.columns[1:3])] += 40.0
    expected, scorer = by_tables(model, rows), Scorer(model)
    whole = scorer.score_rows(rows)
    np.testing.assert_array_equal([whole.score, whole.threshold, whole.severity], expected)
    random, values = np.random.default_rng(3), rows[list(scorer.columns)].to_numpy()
    for asset in rows["asset_id"].unique():
        of_asset = random.permutation(np.flatnonzero(rows["asset_id"] == asset))
        for pieces in (len(of_asset), 7, 1):
            for some in np.array_split(of_asset, pieces):
                part = scorer.score(asset, rows["regime"].to_numpy(dtype=object)[some], values[some])
                np.testing.assert_array_equal([part.score, part.threshold, part.severity], expected[:, some])


@pytest.mark.parametrize("name", each(EVERY))
def test_no_rows_get_no_scores(name, once):
    """An hour without a usable window is not an error."""
    assert once[name].score(rows_for(name).iloc[:0]).shape == (0,)


@pytest.mark.parametrize("name", each(EVERY))
def test_fitting_again_gives_the_same_and_touches_nothing(name, once):
    """With a busy thread beside it the same numbers come out; global randomness and the rows are left alone."""
    rows = rows_for(name)
    random_before = np.random.get_state()[1].copy()
    stop = threading.Event()

    def keep_busy() -> None:
        matrix = np.ones((200, 200))
        while not stop.is_set():
            matrix @ matrix

    busy = threading.Thread(target=keep_busy)
    busy.start()
    try:
        again = fitted(name, rows)
    finally:
        stop.set()
        busy.join()
    assert again.state.keys() == once[name].state.keys()
    for key, value in again.state.items():
        np.testing.assert_array_equal(value, once[name].state[key], err_msg=key)
    np.testing.assert_array_equal(np.random.get_state()[1], random_before)
    pd.testing.assert_frame_equal(rows, rows_for(name))


@pytest.mark.parametrize("name", each(EVERY))
def test_scoring_does_not_change_the_rows(name, once):
    """Values beyond the limit are cut in a copy, not in the caller's table."""
    many = rows_for(name, 20) * 1e10
    for rows in (many, many.iloc[[3]].copy()):  # a single row may come as a view of the table itself
        before = rows.copy()
        once[name].score(rows)
        once[name].contributions(rows)
        pd.testing.assert_frame_equal(rows, before)


@pytest.mark.parametrize("name", each(EVERY))
def test_the_state_survives_a_file_without_pickle(name, once):
    """Arrays written, read and given to a fresh detector give the very same scores and contributions."""
    rows = rows_for(name, 50, seed=3) * 3
    restored = build(name, once[name].options).restore(through_npz(once[name].state))
    np.testing.assert_array_equal(restored.score(rows), once[name].score(rows))
    before, after = once[name].contributions(rows), restored.contributions(rows)
    if before is not None:
        pd.testing.assert_frame_equal(after, before)


@pytest.mark.slow
def test_scoring_needs_no_training_library(once, tmp_path):
    """In a new process, restored detectors score the same without TensorFlow and scikit-learn."""
    light = [name for name in EVERY if not KINDS[name].packages]
    for name, detector in ((name, once[name]) for name in light):
        rows = rows_for(name, 20, seed=4)
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
        np.savez(tmp_path / f"{name}.npz", allow_pickle=False, **detector.state)
        np.save(tmp_path / f"{name}.npy", detector.score(rows))
    program = f"""
import sys
sys.modules.update(dict.fromkeys(["tensorflow", "keras", "sklearn"]))  # importing one of them is now an error
from pathlib import Path
import numpy as np, pandas as pd
from wheeltapper.detectors import build, load
from wheeltapper.plugins import PlugIns
folder = Path({str(tmp_path)!r})
plug_ins = PlugIns(Path({FOLDER!r}).resolve() if {FOLDER!r} else None)
for name in {light!r}:
    rows = pd.read_csv(folder / f"{{name}}.csv", float_precision="round_trip")
    with np.load(folder / f"{{name}}.npz", allow_pickle=False) as state:
        options = load(name, plug_ins).example_options
        detector = build(name, options, plug_ins=plug_ins).restore(dict(state))
    np.testing.assert_array_equal(detector.score(rows), np.load(folder / f"{{name}}.npy"), err_msg=name)
print("same")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "same", done.stderr


@pytest.mark.parametrize("name", each(EVERY))
def test_contributions_look_like_the_rows_and_add_up_to_the_score(name, once):
    """Contributions are parts of this score, in the caller's own columns and index."""
    rows = rows_for(name, 25, seed=5).iloc[:, ::-1] * 2
    rows.index = pd.RangeIndex(100, 125)
    contributions = once[name].contributions(rows)
    if contributions is None:
        assert KINDS[name].contributions is Detector.contributions
        return
    assert list(contributions.columns) == list(rows.columns)
    assert list(contributions.index) == list(rows.index)
    np.testing.assert_allclose(contributions.sum(axis=1), once[name].score(rows), rtol=1e-9)


@pytest.mark.parametrize("name", each(EXPLAINING))
def test_the_broken_sensor_contributes_most(name, once):
    """With current alone ten deviations away, current stands first."""
    row = rows_for(name).iloc[[3]].copy()
    row[latest("current", row)] = 10.0
    contributions = once[name].contributions(row)
    assert contributions is not None
    assert contributions.iloc[0].idxmax() in latest("current", row)


@pytest.mark.parametrize("name", each(EVERY))
def test_the_order_of_columns_does_not_matter(name, once):
    """Features are known by name, not by place."""
    rows = rows_for(name, 20, seed=6)
    np.testing.assert_array_equal(once[name].score(rows.iloc[:, ::-1]), once[name].score(rows))


@pytest.mark.parametrize("name", each(EVERY))
def test_other_columns_are_refused(name, once):
    """A missing, unknown, or repeated feature is named; a misspelt one gets its near miss."""
    rows = rows_for(name, 20)
    with pytest.raises(DataError, match=r"missing \['flow'\]"):
        once[name].score(rows.drop(columns="flow"))
    with pytest.raises(DataError, match=r"unknown \['torque'\]"):
        once[name].score(rows.assign(torque=1.0))
    with pytest.raises(DataError, match="Did you mean 'flows'"):
        once[name].score(rows.rename(columns={"flow": "flows"}))
    with pytest.raises(DataError, match=f"{rows.shape[1] + 1} arrived"):
        once[name].score(pd.concat([rows, rows[["flow"]]], axis=1))


@pytest.mark.parametrize("name", EVERY)
def test_rows_that_nothing_can_be_learnt_from_are_refused(name):
    """Too few rows, no column, text, or two columns of one name: the message says what came."""
    rows = rows_for(name, 30)
    with pytest.raises(DataError, match="got 9 rows"):
        fresh(name).fit(rows.iloc[:9])
    with pytest.raises(DataError, match="of 0 features"):
        fresh(name).fit(rows[[]])
    with pytest.raises(DataError, match="feature 'flow' holds str"):
        fresh(name).fit(rows.assign(flow="1.0"))
    with pytest.raises(DataError, match=r"\['flow'\] arrived more than once"):
        fresh(name).fit(pd.concat([rows, rows[["flow"]]], axis=1))
