"""The simulator's options do what they say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from wheeltapper import plants, sources
from wheeltapper.assets.pump import ASSET_TYPE
from wheeltapper.errors import SourceError
from wheeltapper.sources import Batch
from wheeltapper.sources.simulator import Simulator

PLANT = """
asset_type: pump
source: simulator
features: [latest]
candidates: [lof]
"""


def _read(seed: int = 1, **options: object) -> list[Batch]:
    plant = plants.parse(f"{PLANT}\nseed: {seed}", name="tiny", folder=Path(), where="tiny.yaml")
    return list(Simulator(**{"start": "2026-01-05", "duration": "2d", **options}).read(plant))


def test_each_pump_is_one_batch_with_its_name() -> None:
    """Three pumps are three batches, named by number."""
    batches = _read(assets=3)
    assert [batch.rows["asset_id"].unique().tolist() for batch in batches] == [["pump-01"], ["pump-02"], ["pump-03"]]


def test_a_pump_is_the_same_in_every_fleet() -> None:
    """The second pump of two is the second of four, faults included."""
    small, large = _read(assets=2, anomaly_rate=0.1)[1], _read(assets=4, anomaly_rate=0.1)[1]
    pd.testing.assert_frame_equal(small.rows, large.rows)
    pd.testing.assert_frame_equal(small.faults, large.faults)


def test_the_plants_seed_decides() -> None:
    """Another seed gives other readings."""
    assert not _read(seed=1)[0].rows["pressure"].equals(_read(seed=2)[0].rows["pressure"])


@pytest.mark.parametrize("step", ["30s", "1min", "5min"])
def test_the_realised_rate_is_the_asked_one(step: str) -> None:
    """For twenty seeds the share of readings between the first and last reading of faults is within 1 % of 0.05."""
    for seed in range(20):
        (batch,) = _read(seed=seed, duration="10d", step=step, anomaly_rate=0.05)
        inside = sum(batch.rows["timestamp"].between(f.start, f.end).sum() for f in batch.faults.itertuples())
        assert inside / len(batch.rows) == pytest.approx(0.05, rel=0.01)


def test_only_asked_kinds_come() -> None:
    """With two kinds asked for, these two come and no other."""
    (batch,) = _read(duration="14d", anomaly_rate=0.1, kinds=["seal_leak", "cavitation"])
    assert set(batch.faults["kind"]) == {"seal_leak", "cavitation"}
    assert set(batch.faults["origin"]) == {"simulated"}


def test_all_kinds_come_by_default() -> None:
    """Two weeks at a rate of 0.1 hold every kind that a pump has."""
    (batch,) = _read(duration="14d", anomaly_rate=0.1)
    assert set(batch.faults["kind"]) == set(ASSET_TYPE.faults)


def test_the_step_is_the_asset_types_unless_asked() -> None:
    """Two days are 2880 readings a minute apart, or 288 ten minutes apart."""
    assert len(_read()[0].rows) == 2880
    assert len(_read(step="10min")[0].rows) == 288


def test_values_go_missing_where_asked() -> None:
    """By default none is missing; at 0.2 about a fifth."""
    sensors = list(ASSET_TYPE.sensors)
    assert not _read()[0].rows[sensors].isna().any(axis=None)
    assert _read(missing_rate=0.2)[0].rows[sensors].isna().to_numpy().mean() == pytest.approx(0.2, abs=0.02)


def test_a_pump_at_rest_is_quiet() -> None:
    """Off, its sensors show next to nothing, but are not frozen."""
    rows = _read(duration="7d")[0].rows
    still = rows[rows["regime"] == "off"]
    assert still["flow_rate"].max() < 5
    assert still["current"].max() < 3
    assert still["duty_cycle"].max() < 5
    assert still["pressure"].nunique() == len(still) > 80


def test_dates_without_a_zone_are_utc() -> None:
    """A cut from noon, naive or UTC, begins at noon UTC."""
    plant = plants.parse(PLANT, name="tiny", folder=Path(), where="tiny.yaml")
    source = Simulator(start="2026-01-05", duration="1d")
    for noon in (datetime(2026, 1, 5, 12), datetime(2026, 1, 5, 12, tzinfo=UTC)):
        (batch,) = source.read(plant, start=noon)
        assert batch.rows["timestamp"].iloc[0] == pd.Timestamp("2026-01-05T12:00Z")


def test_a_typing_mistake_gets_its_near_miss() -> None:
    """The message names the kinds that there are, and the likely one."""
    with pytest.raises(SourceError, match="Did you mean 'cavitation'"):
        _read(kinds=["cavitatoin"])


@pytest.mark.parametrize(
    "options", [{"anomaly_rate": 0.6}, {"assets": 0}, {"duration": "0s"}, {"step": "0s"}, {"missing_rate": 1}]
)
def test_senseless_options_are_refused(options: dict[str, object]) -> None:
    """A rate above a half, no asset, no duration and the like end before anything is simulated."""
    with pytest.raises(ValidationError):
        Simulator(**{"start": "2026-01-05", "duration": "1d", **options})


def test_the_built_in_plant_is_read() -> None:
    """The pump station of conf/ has as many pumps, readings and rows inside faults as its file says."""
    plant = plants.load(str(Path(__file__).parents[3] / "conf" / "pump_station.yaml"))
    source = sources.build(plant.source)
    assert isinstance(source, Simulator)
    batches = list(source.read(plant))
    rows = source.duration // timedelta(minutes=1)
    assert [len(batch.rows) for batch in batches] == [rows] * source.assets
    minutes = [((b.faults["end"] - b.faults["start"]) / timedelta(minutes=1) + 1).sum() for b in batches]
    assert minutes == [round(source.anomaly_rate * rows)] * source.assets


def test_a_pump_year_is_whole() -> None:
    """A reading every minute, 525 600 of them."""
    (batch,) = _read(duration="365d", anomaly_rate=0.02)
    assert len(batch.rows) == 525_600


def test_readings_that_come_late_are_cut_by_the_time_that_they_show() -> None:
    """Read in two halves, cut within a step, late readings come once, and on the side where their time lies."""
    plant = plants.parse(PLANT, name="tiny", folder=Path(), where="tiny.yaml")
    source = Simulator(start="2026-01-05", duration="2h", step="10min", jitter="9min", gap_rate=0.1)
    cut = datetime(2026, 1, 5, 1, 4, tzinfo=UTC)
    (whole,), (early,), (late,) = source.read(plant), source.read(plant, end=cut), source.read(plant, start=cut)
    assert early.rows["timestamp"].max() < cut <= late.rows["timestamp"].min()
    pd.testing.assert_frame_equal(pd.concat([early.rows, late.rows], ignore_index=True), whole.rows)


def test_a_gap_without_gaps_is_a_mistake() -> None:
    """Who says how long gaps are wants some."""
    with pytest.raises(ValidationError, match="Set gap_rate"):
        Simulator(start="2026-01-05", duration="1d", gap="1h")


def test_readings_must_not_overtake_each_other() -> None:
    """A jitter as long as the step is refused when the plant is read."""
    plant = plants.parse(PLANT, name="tiny", folder=Path(), where="tiny.yaml")
    with pytest.raises(SourceError, match="jitter must be shorter than a step of 1min"):
        Simulator(start="2026-01-05", duration="1d", jitter="1min").check(plant)
