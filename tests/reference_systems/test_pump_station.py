"""Reference system 001, pump station: simulation, labels, checks, normalisation and prices."""

from __future__ import annotations

import hashlib
import itertools
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.reference_systems.reading import is_in_fault, plant_of, read
from wheeltapper import detectors, plants, sources, tables
from wheeltapper.config import IDLE_REGIMES, Plant
from wheeltapper.errors import SourceError
from wheeltapper.evaluation.judge import judge
from wheeltapper.features.compute import compute
from wheeltapper.features.normalise import RegimeNormaliser
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings.survey.survey import survey
from wheeltapper.training.candidate import baselines_of

MONDAY = "2024-01-01"
MINUTE = timedelta(minutes=1)
STATED = {
    "temperature": (45, 3, 20, 85, "°C"),
    "vibration": (2.5, 0.4, 0, 15, "mm/s"),
    "pressure": (6.5, 0.5, 0, 12, "bar"),
    "flow_rate": (150, 10, 0, 250, "m³/h"),
    "current": (85, 5, 0, 150, "A"),
    "duty_cycle": (75, 8, 0, 100, "%"),
}
"""Sensor → mean and deviation in normal running, limits, unit."""
SENSORS = list(STATED)
KINDS = ("cavitation", "bearing_wear", "seal_leak", "electrical_fault", "partial_blockage")


def _pumps(seed: int = 42, **options: object) -> Plant:
    """Make a plant of simulated pumps: thirty days of minutes from a Monday on, unless said otherwise."""
    options_used = {"assets": 1, "start": MONDAY, "duration": "30d", **options}
    simulator = ", ".join(f"{name}: {value}" for name, value in options_used.items())
    return plant_of(
        f"asset_type: pump\nsource: {{simulator: {{{simulator}}}}}\nfeatures: [latest]\ncandidates: [lof]\nseed: {seed}"
    )


def _readings(seed: int = 42, **options: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return readings and the truth about faults, straight from the source."""
    plant = _pumps(seed, **options)
    batches = list(sources.build(plant.source).read(plant))
    return (
        pd.concat([batch.rows for batch in batches], ignore_index=True),
        pd.concat([batch.faults for batch in batches], ignore_index=True),
    )


def _hash(frame: pd.DataFrame) -> str:
    return hashlib.sha256(pd.util.hash_pandas_object(frame).to_numpy().tobytes()).hexdigest()


@cache
def _fleet() -> pd.DataFrame:
    """Eight healthy pumps for four weeks of minutes, through cleaning and the suite."""
    return read(_pumps(assets=8, duration="28d", seed=11), check=False).rows


def test_a_seed_is_a_series_and_a_span_is_a_number_of_rows() -> None:
    """Thirty days of minutes are 43 200 rows; the same seed gives the same bits, another seed others.

    Reference row 001-02.
    """
    rows, faults = _readings(anomaly_rate=0.02)
    assert len(rows) == 30 * 86_400 // 60
    assert rows["timestamp"].iloc[0] == pd.Timestamp(MONDAY, tz="UTC")
    again, same_faults = _readings(anomaly_rate=0.02)
    assert (_hash(rows), _hash(faults)) == (_hash(again), _hash(same_faults))
    other, _ = _readings(seed=43, anomaly_rate=0.02)
    assert not np.isclose(rows[SENSORS], other[SENSORS]).any(axis=0).all()
    assert _hash(rows) != _hash(other)
    assert len(_readings(duration="2d", step="30s")[0]) == 2 * 86_400 // 30


def test_the_type_states_limits_and_units() -> None:
    """Six sensors with the reference's units and limits, and no other. Reference row 001-03."""
    sensors = _pumps().asset_type.sensors
    assert {name: (sensor.low, sensor.high, sensor.unit) for name, sensor in sensors.items()} == {
        name: (low, high, unit) for name, (_, _, low, high, unit) in STATED.items()
    }


@pytest.mark.parametrize("sensor", SENSORS)
def test_normal_running_has_the_stated_mean_and_deviation(sensor: str) -> None:
    """Both within 5 %, memory and physics included. Reference row 001-03."""
    mean, deviation, *_ = STATED[sensor]
    values = _fleet().loc[_fleet()["regime"] == "normal", sensor]
    assert values.mean() == pytest.approx(mean, rel=0.05)
    assert values.std() == pytest.approx(deviation, rel=0.05)


def test_no_value_leaves_its_limits_even_inside_faults() -> None:
    """With a third of the time in faults that overlap, the suite puts no row aside and each limit holds.

    Reference row 001-03.
    """
    delivered = read(_pumps(anomaly_rate=0.33, overlap="true", duration="14d"))
    assert delivered.rejected.empty
    for name, (_, _, low, high, _) in STATED.items():
        assert delivered.rows[name].between(low, high).all(), name
    assert delivered.rows["vibration"].max() > 6, "the faults are there"


def _waves(rows: pd.DataFrame, hours: list[float]) -> dict[float, float]:
    """Return the amplitude of the flow's wave of each period, by least squares over normal running."""
    normal = rows[rows["regime"] == "normal"]
    flow = normal["flow_rate"] - normal.groupby("asset_id")["flow_rate"].transform("mean")
    at = (normal["timestamp"] - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy() / 3600
    amplitudes = {}
    for period in hours:
        turns = 2 * np.pi * at / period
        wave, *_ = np.linalg.lstsq(np.column_stack([np.cos(turns), np.sin(turns), np.ones_like(turns)]), flow)
        amplitudes[period] = float(np.hypot(*wave[:2]))
    return amplitudes


@pytest.mark.parametrize("step", ["5min", "20min"])
def test_the_day_and_the_week_show_however_often_it_is_read(step: str) -> None:
    """In normal running the waves of 24 h and 168 h stand out of their neighbours, at 0.15 and 0.075 deviations.

    Reference row 001-04.
    """
    rows, _ = _readings(assets=8, duration="84d", step=step, seed=3)
    around_day, around_week = [24.0, 21.0, 22.4, 25.85, 28.0], [168.0, 112.0, 134.4, 224.0, 288.0]
    waves = _waves(rows, [*around_day, *around_week])
    for period, *others in (around_day, around_week):
        assert waves[period] > 1.5 * max(waves[neighbour] for neighbour in others), (period, waves)
    assert waves[24.0] == pytest.approx(1.5, rel=0.4)
    assert waves[168.0] == pytest.approx(0.75, rel=0.4)


@pytest.mark.parametrize("sensor", SENSORS)
def test_readings_remember_and_keep_their_deviation(sensor: str) -> None:
    """Lag-1 correlation within normal running is 0.7, and the deviation is the stated one, not 0.42 of it.

    Reference row 001-05.
    """
    pump = _fleet()[_fleet()["asset_id"] == "pump-03"]
    normal = (pump["regime"] == "normal").to_numpy()
    pairs = normal[1:] & normal[:-1]
    values = pump[sensor].to_numpy()
    assert np.corrcoef(values[1:][pairs], values[:-1][pairs])[0, 1] == pytest.approx(0.7, abs=0.04)
    assert values[normal].std() == pytest.approx(STATED[sensor][1], rel=0.15)


def test_states_last_as_long_as_the_timetable_says() -> None:
    """A day has 15 min off, 30 min start-up and two high loads of 2 h, a week 2 h maintenance; the rest is normal.

    Reference row 001-06.
    """
    minutes = _fleet().groupby(["asset_id", "regime"]).size().unstack()
    expected = {"off": 28 * 15, "startup": 28 * 30, "high_load": 28 * 240, "maintenance": 4 * 120}
    expected["normal"] = 28 * 1440 - sum(expected.values())
    for regime, rows in expected.items():
        assert minutes[regime].between(rows - 15, rows + 15).all(), regime


@pytest.mark.parametrize(
    ("regime", "ratios"),
    [
        ("high_load", {"duty_cycle": 1.15, "flow_rate": 1.20, "current": 1.18, "vibration": 1.10}),
        ("maintenance", {"duty_cycle": 0.5, "flow_rate": 0.4, "current": 0.5}),
    ],
)
def test_states_have_the_stated_means(regime: str, ratios: dict[str, float]) -> None:
    """Within a tenth of the stated multiple of normal running, and 5 °C warmer under high load.

    Reference row 001-06.
    """
    means = _fleet().groupby("regime")[SENSORS].mean()
    for sensor, ratio in ratios.items():
        assert means.loc[regime, sensor] / means.loc["normal", sensor] == pytest.approx(ratio, rel=0.1), sensor
    if regime == "high_load":
        assert means.loc[regime, "temperature"] - means.loc["normal", "temperature"] == pytest.approx(5, abs=2)


def test_states_follow_each_other_lawfully() -> None:
    """After standing still comes start-up and never the reverse; high load and maintenance begin and end in normal.

    Reference row 001-06.
    """
    lawful = {"off startup", "startup normal", "normal high_load", "high_load normal", "normal maintenance"}
    lawful |= {"maintenance normal", "normal off"}
    for _, pump in _fleet().groupby("asset_id"):
        changes = {f"{a} {b}" for a, b in itertools.pairwise(pump["regime"]) if a != b}
        assert changes == lawful


SIGNATURES: dict[str, dict[str, tuple[float, float]]] = {
    # sensor → factor and shift at full severity
    "cavitation": {"temperature": (1, 8), "vibration": (2.5, 0), "pressure": (0.60, 0), "flow_rate": (0.85, 0)},
    "bearing_wear": {"temperature": (1, 10), "vibration": (2.8, 0), "current": (1.15, 0)},
    "seal_leak": {"pressure": (0.75, 0), "flow_rate": (0.80, 0), "current": (1.12, 0), "duty_cycle": (1.10, 0)},
    "electrical_fault": {"temperature": (1, 15), "vibration": (1.20, 0), "current": (1.35, 0)},
    "partial_blockage": {
        "temperature": (1, 10),
        "vibration": (1.30, 0),
        "pressure": (1.40, 0),
        "flow_rate": (0.65, 0),
        "current": (1.25, 0),
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_fault_shows_its_signature_and_nothing_else(kind: str) -> None:
    """Beside its healthy twin, a fault's last readings differ by the stated factors and shifts times its severity.

    Reference row 001-07.
    """
    disturbances = {"anomaly_rate": 0.05, "kinds": f"[{kind}]", "duration": "20d"}
    (rows, faults), (twin, _) = _readings(**disturbances), _readings(duration="20d")
    faults = tables.FAULTS.check(faults)
    assert set(faults["kind"]) == {kind}
    assert faults["severity"].between(0.4, 1).all()
    lasted = (faults["end"] - faults["start"]).dt.total_seconds() / 60 + 1
    assert lasted.between(30, 240).all()
    untouched = [name for name in SENSORS if name not in SIGNATURES[kind]]
    pd.testing.assert_frame_equal(rows[untouched], twin[untouched])
    shifts: dict[str, list[float]] = {name: [] for name in SIGNATURES[kind]}
    for fault in faults.itertuples():
        at = np.flatnonzero(rows["timestamp"].between(fault.end - timedelta(minutes=4), fault.end))
        for name, changes in shifts.items():
            change = rows[name].to_numpy()[at] - twin[name].to_numpy()[at]
            changes.append(float(change.mean() / fault.severity))
    for name, (factor, shift) in SIGNATURES[kind].items():
        mean = STATED[name][0]
        assert np.mean(shifts[name]) == pytest.approx((factor - 1) * mean + shift, rel=0.15), name


def test_a_worn_bearing_grows_worse_to_its_end() -> None:
    """In the middle of each fault vibration is off by half of what it is off by at the end: a straight ramp.

    Reference row 001-07.
    """
    rows, faults = _readings(anomaly_rate=0.05, kinds="[bearing_wear]", duration="20d")
    twin, _ = _readings(duration="20d")
    off = rows["vibration"] / twin["vibration"] - 1
    middle, last = [], []
    for fault in faults.itertuples():
        at = np.flatnonzero(rows["timestamp"].between(fault.start, fault.end))
        middle.append(off[at[len(at) // 2]])
        last.append(off[at[-1]])
    assert len(faults) > 5
    assert np.array(middle) / np.array(last) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("rate", [0.005, 0.02, 0.1])
def test_the_asked_share_of_readings_is_anomalous(rate: float) -> None:
    """Within a tenth of what was asked, for single pumps, and no two faults touch. Reference row 001-08."""
    rows, faults = _readings(assets=2, anomaly_rate=rate)
    for asset, asset_rows in rows.groupby("asset_id"):
        asset_faults = faults[faults["asset_id"] == asset].sort_values("start")
        assert is_in_fault(asset_rows, asset_faults).mean() == pytest.approx(rate, rel=0.1)
        assert (asset_faults["start"].iloc[1:].to_numpy() > asset_faults["end"].iloc[:-1].to_numpy()).all()
        assert not asset_rows.loc[is_in_fault(asset_rows, asset_faults), "regime"].isin(IDLE_REGIMES).any()


def test_labels_rebuilt_from_the_events_are_the_readings_that_differ() -> None:
    """A reading differs from its healthy twin's exactly where the table of faults has a fault of its pump.

    Reference row 001-09.
    """
    (rows, faults), (twin, _) = _readings(assets=2, anomaly_rate=0.03), _readings(assets=2)
    differs = (rows[SENSORS] != twin[SENSORS]).any(axis=1)
    assert differs.sum() == round(0.03 * 43_200) * 2
    pd.testing.assert_series_equal(is_in_fault(rows, faults), differs, check_names=False)
    assert set(faults["origin"]) == {"simulated"}
    assert set(rows["regime"]) == {"startup", "normal", "high_load", "maintenance", "off"}


def test_a_file_with_a_label_column_comes_back_as_the_same_events(tmp_path: Path) -> None:
    """Written as rows with label, type of anomaly and state, the events are read again to the minute.

    Reference row 001-09.
    """
    rows, faults = _readings(anomaly_rate=0.03, duration="10d")
    kind = pd.Series("", index=rows.index)
    for fault in faults.itertuples():
        kind[rows["timestamp"].between(fault.start, fault.end)] = fault.kind
    labelled = rows.rename(columns={"regime": "operational_state"}).drop(columns="asset_id")
    labelled.assign(anomaly_label=(kind != "").astype(int), anomaly_type=kind).to_csv(tmp_path / "p.csv", index=False)
    source = (
        "{csv_folder: {path: p.csv, time_column: timestamp, regime_column: operational_state, "
        "fault_column: anomaly_label, fault_kind_column: anomaly_type}}"
    )
    delivered = read(
        plant_of(f"asset_type: pump\nsource: {source}\nfeatures: [latest]\ncandidates: [lof]", tmp_path), check=False
    )
    events = ["start", "end", "kind"]
    expected = faults.sort_values("start", ignore_index=True)[events]
    pd.testing.assert_frame_equal(delivered.faults[events].reset_index(drop=True), expected)
    assert delivered.rows["regime"].tolist() == rows["regime"].tolist()


def test_the_quality_report_counts_by_hand(tmp_path: Path) -> None:
    """Missing values, quartile outliers, least, greatest, mean, deviation, and ten of the pauses over two steps.

    Reference row 001-10.
    """
    minutes = [minute + 10 * (minute // 8) for minute in range(104)]  # a pause of eleven minutes after every eighth
    level = np.resize([1.0, 2.0, 3.0, 4.0, 5.0], 104)
    level[[20, 50]] = 9.0  # beyond 4 + 1.5 · 2
    level[[7, 77]] = np.nan
    times = pd.Timestamp("2026-01-05T00:00Z") + pd.to_timedelta(minutes, unit="min")
    pd.DataFrame({"time": times, "level": level, "flow": minutes}).to_csv(tmp_path / "tank.csv", index=False)
    plant = plant_of(
        """
asset_type: {step: 1min, sensors: {level: {unit: m, low: 0, high: 20}, flow: {unit: l/s}}}
source: {csv_folder: {path: tank.csv, time_column: time}}
features: [latest]
candidates: [lof]
""",
        tmp_path,
    )
    delivered = read(plant)
    assert delivered.rejected.empty, "a row with one missing value is a reading"
    report = survey(plant)
    assert report["step_seconds"] == 60
    assert report["gap_count"] == 12
    assert [gap["seconds"] for gap in report["gaps"]] == [660.0] * 10
    after_a_pause = {time.isoformat() for time in times[8::8]}
    assert {gap["until"] for gap in report["gaps"]} <= after_a_pause
    measured = level[~np.isnan(level)]
    sensor = report["sensors"]["level"]
    assert (sensor["missing"], sensor["outliers"], sensor["min"], sensor["max"]) == (2, 2, 1.0, 9.0)
    assert (sensor["mean"], sensor["std"]) == pytest.approx((measured.mean(), measured.std(ddof=1)))
    assert any("Pauses longer than" in note for note in delivered.notes)


@cache
def _windows() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return usable windows of three pumps: those of the first ten days, and those of the last four."""
    plant = _pumps(assets=3, duration="14d", seed=5)
    features = compute(FeaturePlan.of(plant), read(plant, check=False).rows)
    usable = features[features["usable"]]
    first = usable["window_end"] < pd.Timestamp(MONDAY, tz="UTC") + timedelta(days=10)
    return usable[first], usable[~first]


@pytest.mark.parametrize("method", ["robust", "standard"])
def test_every_state_is_scaled_by_what_is_usual_in_it(method: str) -> None:
    """Each pump and state that was seen has a scale: there, the typical row is 0 and its deviation about 1.

    Reference row 001-11.
    """
    train, _ = _windows()
    normaliser = RegimeNormaliser(method=method).fit(train)
    assert normaliser.fallbacks(train).empty
    z = normaliser.transform(train)
    states = train["regime"].unique().tolist()
    assert {"startup", "normal", "high_load"} <= set(states)
    for regime in ("startup", "normal", "high_load"):
        in_state = z[train["regime"] == regime]
        centre = in_state.median() if method == "robust" else in_state.mean()
        assert centre.abs().max() < 0.15, regime
        assert in_state.std().between(0.6, 1.6).all(), regime


def test_scales_are_learnt_from_training_and_an_unknown_state_is_no_normal_state() -> None:
    """Later rows change no scale; a state never seen gets the pump's own, is named, and does not look normal.

    Reference row 001-11.
    """
    train, later = _windows()
    normaliser = RegimeNormaliser().fit(train)
    alone = normaliser.transform(later.head(50))
    pd.testing.assert_frame_equal(normaliser.transform(later).head(50), alone, check_exact=True)
    strange = later[later["regime"] == "high_load"].assign(regime="flushing")
    fallbacks = normaliser.fallbacks(strange)
    assert set(fallbacks["used"]) == {"asset"}
    assert set(fallbacks["why"]) == {"regime not seen in training"}
    assert normaliser.transform(strange)["flow_rate"].median() > 2, "high load is far from what the pump usually does"
    assert normaliser.transform(later[later["regime"] == "high_load"])["flow_rate"].abs().median() < 1


def test_the_rule_of_k_sigma_looks_at_each_state_alone() -> None:
    """A flow four deviations above normal running scores 4 there and less than 3 under high load, where it is usual.

    Reference row 001-12.
    """
    train, later = _windows()
    normaliser = RegimeNormaliser(method="standard").fit(train)
    z = normaliser.transform(train)
    rule = detectors.build("k_sigma").fit(z)
    normal, busy = (later[later["regime"] == regime].head(1) for regime in ("normal", "high_load"))
    usual = train[(train["asset_id"] == normal["asset_id"].iloc[0]) & (train["regime"] == "normal")]
    high = usual["flow_rate"].mean() + 4 * usual["flow_rate"].std()
    scores = []
    for window in (normal, busy):
        # Every other sensor shows what is usual in its state.
        row = normaliser.centre(window).assign(flow_rate=high)
        scores.append(rule.score(normaliser.transform(window.assign(**row.iloc[0]))).item())
    assert scores[0] == pytest.approx(4, rel=0.05)
    assert scores[1] < 3
    raw = train[SENSORS]
    by_hand = np.abs((raw - raw.mean()) / raw.std(ddof=0)).max(axis=1)
    np.testing.assert_allclose(detectors.build("k_sigma").fit(raw).score(raw), by_hand)
    assert "k_sigma" in [baseline.name for baseline in baselines_of(_pumps())], "it stands on every leaderboard"


ECONOMICS = {
    "cavitation": (6500, 2.5),
    "bearing_wear": (11_000, 4),
    "seal_leak": (7200, 3),
    "electrical_fault": (15_000, 6),
    "partial_blockage": (5800, 2),
}


def test_the_plant_prices_its_five_kinds_of_fault() -> None:
    """The plant's page holds what a stop of each kind costs and how long it lasts; others cost the general price.

    Reference row 001-28.
    """
    costs = plants.load("pump_station").costs
    assert {kind: (price.missed_fault, price.downtime_hours) for kind, price in costs.by_kind.items()} == ECONOMICS
    assert costs.missed("electrical_fault") == 15_000
    assert costs.missed("stuck:pressure") == costs.missed_fault == 10_000


def test_each_kind_is_judged_by_its_own_price() -> None:
    """One of two worn bearings is missed: 11 000 and four hours. A fault that is found costs a repair, of any kind.

    Reference row 001-28.
    """
    costs = plants.load("pump_station").costs
    start = pd.Timestamp("2026-01-05", tz="UTC")
    spans = [("cavitation", 100, 160), ("bearing_wear", 400, 500), ("bearing_wear", 900, 1000)]
    times = start + pd.to_timedelta(np.arange(1440), unit="min")
    minute = np.arange(1440)
    rings = ((minute >= 100) & (minute <= 160)) | ((minute >= 900) & (minute <= 1000))
    scores = pd.DataFrame({"asset_id": "pump-01", "window_end": times, "score": rings * 2.0, "threshold": 1.0})
    faults = pd.DataFrame(
        [("pump-01", times[first], times[last], kind, 1.0, "simulated") for kind, first, last in spans],
        columns=tables.FAULTS.names(),
    )
    alarms = pd.DataFrame(
        [("pump-01", times[first], times[last], times[last]) for first, last in ((100, 160), (900, 1000))],
        columns=["asset_id", "opened_at", "last_at", "closed_at"],
    )
    judgement = judge(
        "rule",
        "test",
        scores,
        alarms,
        tables.FAULTS.check(faults),
        costs,
        spacing=MINUTE,
        max_gap=3 * MINUTE,
        tolerance=timedelta(0),
        vus_window=4,
        seed=1,
    )
    lines = {line.kind: line for line in judgement.by_kind}
    bearing, cavitation = lines["bearing_wear"], lines["cavitation"]
    assert (bearing.detection_rate, bearing.cost, bearing.cost_if_missed) == (0.5, 11_000 + 2000, 22_000)
    assert (cavitation.detection_rate, cavitation.cost, cavitation.cost_if_missed) == (1.0, 2000, 6500)
    assert (bearing.downtime_hours, cavitation.downtime_hours) == (4, 0)
    assert judgement.cost is not None
    assert (judgement.cost.total, judgement.cost.without_detector) == (15_000, 28_500)


VIBRATION = """
asset_type:
  step: 0.05ms
  sensors:
    acceleration: {unit: "1", low: -10, high: 10}
source:
  csv_folder:
    path: 2nd_test
    files: "2004*"
    separator: "\t"
    first_in_name: "%Y.%m.%d.%H.%M.%S"
    time_zone: UTC
    header: false
    names: [bearing_1, bearing_2, bearing_3, bearing_4]
    tag_pattern: (?P<asset>bearing_[1-4])
windows: {rows: 4, every: 1}
features: [rolling]
candidates: [lof]
"""
"""A test stand's files: no header, no ending, four bearings side by side at 20 kHz, named after when they begin."""


def _snapshots(folder: Path, names: list[str]) -> Plant:
    (folder / "2nd_test").mkdir()
    for number, name in enumerate(names):
        lines = ["\t".join(f"{number + row / 100 + bearing / 1000:.3f}" for bearing in range(4)) for row in range(8)]
        (folder / "2nd_test" / name).write_text("\n".join(lines) + "\n")
    return plant_of(VIBRATION, folder)


def test_snapshots_of_four_bearings_are_four_machines_at_20_khz(tmp_path: Path) -> None:
    """Two files of eight samples, ten minutes apart: 50 µs from sample to sample, and no window across the pause.

    Reference row 001-46.
    """
    plant = _snapshots(tmp_path, ["2004.02.12.10.32.39", "2004.02.12.10.42.39"])
    delivered = read(plant)
    assert (len(delivered.rows), len(delivered.rejected)) == (2 * 8 * 4, 0)
    assert delivered.rows["asset_id"].unique().tolist() == [f"bearing_{number}" for number in range(1, 5)]
    second = delivered.rows[delivered.rows["asset_id"] == "bearing_2"].reset_index(drop=True)
    begins = [pd.Timestamp("2004-02-12T10:32:39Z"), pd.Timestamp("2004-02-12T10:42:39Z")]
    expected = [begin + place * timedelta(microseconds=50) for begin in begins for place in range(8)]
    assert second["timestamp"].tolist() == expected
    assert second["acceleration"].tolist() == [
        round(file + row / 100 + 0.001, 3) for file in (0, 1) for row in range(8)
    ]
    features = compute(FeaturePlan.of(plant), delivered.rows)
    assert len(features) == 4 * 2 * 5
    assert (features["window_end"] - features["window_start"]).eq(timedelta(microseconds=150)).all()


def test_a_file_of_another_name_is_refused_by_name(tmp_path: Path) -> None:
    """A file whose name tells no instant is an error that names it and the option, not a file that is left out.

    Reference row 001-46.
    """
    plant = _snapshots(tmp_path, ["2004.02.12.10.32.39", "2004-readme"])
    with pytest.raises(SourceError, match="2004-readme: its name is not written like first_in_name"):
        read(plant)
