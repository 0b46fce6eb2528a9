"""The simulated boilers keep the reference's figures, come irregularly, and are smoothed and flagged, never mended."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wheeltapper import config, plants
from wheeltapper.assets.boiler import ASSET_TYPE
from wheeltapper.config import PlugIn
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings import clean
from wheeltapper.readings.survey.survey import survey
from wheeltapper.simulation.fleet import Disturbances, Span, simulate
from wheeltapper.sources.simulator import Simulator

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
PLANT = """
asset_type: boiler
source: simulator
windows: {rows: 12, every: 1, max_gap: 30min}
features: [rolling]
candidates: [lof]
"""


def _plant() -> config.Plant:
    return plants.parse(PLANT, name="tiny", folder=Path(), where="tiny.yaml")


def _read(**options: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    given = {"assets": 4, "start": "2026-01-05", "duration": "30d", "jitter": "4min", "gap_rate": 0.05, **options}
    batches = list(Simulator(**given).read(_plant()))
    return pd.concat([one.rows for one in batches]), pd.concat([one.faults for one in batches])


def test_four_boilers_with_irregular_sorted_timestamps() -> None:
    """Boilers A to D; pauses differ, never go back, and are five minutes on average where none is missing.

    Reference row 003-01.
    """
    rows, _ = _read(gap_rate=0)
    assert rows["asset_id"].unique().tolist() == ["boiler-A", "boiler-B", "boiler-C", "boiler-D"]
    pauses = rows.groupby("asset_id")["timestamp"].diff().dropna().dt.total_seconds()
    assert pauses.min() > 0
    assert pauses.nunique() > 10_000
    assert pauses.mean() == pytest.approx(300, rel=0.01)


def test_normal_temperatures_are_the_references() -> None:
    """24.9 ± 5.2 °C, and fewer than one in a hundred above the limit of 40 °C. Reference row 003-01."""
    span = Span(MONDAY, timedelta(days=60), timedelta(minutes=5))
    rows = pd.concat([simulate(ASSET_TYPE, span, seed=11, number=number)[0] for number in range(1, 5)])
    normal = rows.loc[rows["regime"] == "normal", "temperature"]
    assert normal.mean() == pytest.approx(24.9, rel=0.05)
    assert normal.std() == pytest.approx(5.2, rel=0.1)
    assert (normal > 40).mean() < 0.01


def test_overheating_reaches_the_references_temperatures() -> None:
    """At its peak, overheating of more than half severity lies above 40 °C and never above 94 °C.

    Reference row 003-01.
    """
    span = Span(MONDAY, timedelta(days=60), timedelta(minutes=5))
    rows, faults = simulate(ASSET_TYPE, span, seed=3, number=1, disturbances=Disturbances(0.1, ("overheating",)))
    assert len(faults) > 5
    for fault in faults[faults["severity"] > 0.6].itertuples():
        late = rows.loc[rows["timestamp"].between(fault.end - timedelta(minutes=30), fault.end), "temperature"]
        assert late.mean() > 40
        assert late.max() < 94


def test_smoothing_is_causal_and_mixes_no_boilers() -> None:
    """The moving average over twelve readings is that of each boiler's own last twelve. Reference row 003-02."""
    rows, _ = _read(assets=2, duration="2d", gap_rate=0)
    mixed = rows.sort_values("timestamp")
    smooth = compute(FeaturePlan.of(_plant()), mixed).set_index(["asset_id", "window_end"])
    for name, own in rows.groupby("asset_id"):
        by_hand = own["temperature"].rolling(12).mean().to_numpy()[11:]
        assert smooth.loc[name, "temperature__rolling_mean"].to_numpy() == pytest.approx(by_hand)
    later = rows.assign(temperature=rows["temperature"].where(rows["timestamp"] < rows["timestamp"].median(), 99.0))
    again = compute(FeaturePlan.of(_plant()), later).set_index(["asset_id", "window_end"])
    before = smooth.index.get_level_values("window_end") < rows["timestamp"].median()
    pd.testing.assert_frame_equal(smooth[before], again[before])


def test_no_window_reaches_across_a_gap() -> None:
    """With gaps of an hour, no window of twelve readings lasts longer than eleven pauses of thirty minutes.

    Reference row 003-02.
    """
    rows, _ = _read(assets=1, gap_rate=0.2, gap="2h")
    features = compute(FeaturePlan.of(_plant()), rows)
    times = rows["timestamp"].reset_index(drop=True)
    for start, end in zip(features["window_start"][::50], features["window_end"][::50], strict=True):
        inside = times[times.between(start, end)]
        assert len(inside) == 12
        assert inside.diff().max() <= timedelta(minutes=30)


def test_outliers_are_flagged_and_never_removed() -> None:
    """The quartile rule counts more outliers with faults than without, and cleaning keeps every reading.

    Reference row 003-04.
    """
    outliers = []
    for rate in (0.0, 0.1):
        options = {
            "start": "2026-01-05",
            "duration": "30d",
            "anomaly_rate": rate,
            "kinds": ["overheating"] if rate else None,
        }
        plant = _plant().model_copy(update={"source": PlugIn(name="simulator", options=options)})
        (batch,) = Simulator(**options).read(plant)
        parsed = clean.parse(batch, plant)
        assert len(parsed.rows) == len(batch.rows)
        np.testing.assert_array_equal(parsed.rows["temperature"], batch.rows["temperature"])
        outliers.append(survey(plant)["sensors"]["temperature"]["outliers"])
    assert outliers[1] > outliers[0] + 200


def test_the_rule_of_forty_degrees_is_the_types_alarm_limit() -> None:
    """The trivial rule stands in the type, so the baseline 'limits' reports it in every run. Reference row 003-13."""
    assert ASSET_TYPE.sensors["temperature"].alarm_high == 40


def test_gaps_take_the_asked_share_of_readings() -> None:
    """At 0.1 with gaps of an hour about a tenth is missing, in gaps of about an hour."""
    rows, _ = _read(assets=1, duration="120d", jitter="0s", gap_rate=0.1, gap="1h")
    assert len(rows) / (120 * 288) == pytest.approx(0.9, abs=0.02)
    pauses = rows["timestamp"].diff().dropna().dt.total_seconds() / 60 - 5
    assert pauses[pauses > 0].mean() == pytest.approx(60, rel=0.2)
