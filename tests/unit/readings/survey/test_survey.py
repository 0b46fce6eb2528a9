"""The survey before anything is written: span, step, gaps and missing values, however the readings are cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from wheeltapper import config
from wheeltapper.config import Plant
from wheeltapper.errors import SourceError
from wheeltapper.readings.survey import counting
from wheeltapper.readings.survey.survey import survey

SENSORS = "flow: {unit: 1, low: 0, high: 100}, temp: {unit: 1}"


def plant(folder: Path, options: str = "", step: str = "1min") -> Plant:
    """Make a plant that reads ``readings.csv``."""
    source = f"{{csv_folder: {{path: readings.csv, time_column: time, time_zone: UTC{options}}}}}"
    text = f"asset_type: {{step: {step}, sensors: {{{SENSORS}}}}}\nsource: {source}\n"
    return config.parse(text + "features: [latest]\ncandidates: [lof]", name="tiny", folder=folder, where="tiny.yaml")


def write(folder: Path, minutes: list[int], flow: list[Any] | None = None) -> None:
    """Write one reading a minute after midnight; ``temp`` is the minute."""
    values = flow or [float(at % 7) for at in minutes]
    rows = "".join(
        f"2026-01-05 {at // 60:02d}:{at % 60:02d},{value},{at}\n" for at, value in zip(minutes, values, strict=True)
    )
    (folder / "readings.csv").write_text("time,flow,temp\n" + rows, encoding="utf-8")


def kinds(surveyed: dict[str, Any]) -> list[str]:
    """Return the kinds of what is suspected."""
    return [entry["kind"] for entry in surveyed["suspicions"]]


@pytest.mark.parametrize("chunk_rows", [1, 3, 100])
def test_span_step_and_gaps(tmp_path: Path, chunk_rows: int) -> None:
    """Ten readings with a pause of three minutes and one of twenty: two gaps, the longer first."""
    write(tmp_path, [0, 1, 2, 5, 6, 7, 8, 9, 29, 30])
    surveyed = survey(plant(tmp_path, f", chunk_rows: {chunk_rows}"))
    assert (surveyed["rows"], surveyed["assets"], surveyed["step_seconds"]) == (10, ["readings"], 60.0)
    assert (surveyed["first"], surveyed["last"]) == ("2026-01-05T00:00:00+00:00", "2026-01-05T00:30:00+00:00")
    assert surveyed["gap_count"] == 2
    assert [gap["seconds"] for gap in surveyed["gaps"]] == [1200.0, 180.0]
    assert surveyed["gaps"][0] == {"asset_id": "readings", "until": "2026-01-05T00:29:00+00:00", "seconds": 1200.0}
    assert surveyed["by_asset"]["readings"]["longest_gap_seconds"] == 1200.0


def test_missing_values_and_values_outside_limits_are_counted(tmp_path: Path) -> None:
    """One field is empty, one beyond 100; neither is a row for quarantine yet."""
    write(tmp_path, [0, 1, 2, 3], ["1", "", "500", "2"])
    flow = survey(plant(tmp_path))["sensors"]["flow"]
    assert (flow["missing"], flow["outside"], flow["min"], flow["max"]) == (1, 1, 1.0, 500.0)


def test_every_figure_of_a_small_file_is_counted_by_hand(tmp_path: Path) -> None:
    """Ten readings, one a minute with a pause of nine, one of them twice: spread, outliers and shares of all rows."""
    write(tmp_path, [*range(9), 17, 17], [1, 2, 1, 2, 1, 2, 1, "", 2, 1, 50])
    surveyed = survey(plant(tmp_path))
    assert (surveyed["rows"], surveyed["rejected"], surveyed["repeated"]) == (10, {}, 1)
    assert surveyed["duplicate_share"] == pytest.approx(1 / 11)
    assert surveyed["backward_share"] == 0
    assert surveyed["gaps"] == [{"asset_id": "readings", "until": "2026-01-05T00:17:00+00:00", "seconds": 540.0}]
    flow = surveyed["sensors"]["flow"]
    assert (flow["unit"], flow["missing"], flow["min"], flow["max"], flow["outliers"]) == ("1", 1, 1.0, 50.0, 1)
    assert flow["mean"] == pytest.approx(62 / 9)
    assert flow["std"] == pytest.approx(pd.Series([1, 2, 1, 2, 1, 2, 1, 2, 50]).std())
    json.dumps(surveyed)


@pytest.mark.parametrize(("value", "outliers"), [("7", 0), ("7.01", 1), ("-1", 0), ("-1.01", 1)])
def test_an_outlier_lies_more_than_one_and_a_half_interquartile_ranges_out(
    tmp_path: Path, value: str, outliers: int
) -> None:
    """Quartiles of 2 and 4: from -1 to 7 is usual."""
    write(tmp_path, list(range(101)), [*([1, 2, 3, 4, 5] * 20), value])
    assert survey(plant(tmp_path))["sensors"]["flow"]["outliers"] == outliers


def test_a_step_back_is_counted_also_where_what_follows_is_only_repeated(tmp_path: Path) -> None:
    """As clocks do in October: 0 1 2 then again 1 2, then on; two rows are repeated, one step goes back."""
    write(tmp_path, [0, 1, 2, 1, 2, 3])
    surveyed = survey(plant(tmp_path))
    assert (surveyed["rows"], surveyed["rejected"]) == (4, {})
    assert (surveyed["repeated"], surveyed["late"], surveyed["steps_back"]) == (2, 0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("chunk_rows", [2, 50, 1000])
def test_the_whole_survey_is_the_same_however_it_is_cut(tmp_path: Path, chunk_rows: int) -> None:
    """A file's order is followed through its chunks: a row that comes late is late in each of them."""
    minutes = [at for at in range(201) if at != 50]
    write(tmp_path, [*minutes[:120], 50, *minutes[120:]])
    surveyed, at_once = survey(plant(tmp_path, f", chunk_rows: {chunk_rows}")), survey(plant(tmp_path))
    assert surveyed == at_once
    assert (surveyed["rows"], surveyed["rejected"]) == (201, {})
    assert (surveyed["repeated"], surveyed["late"], surveyed["steps_back"]) == (0, 1, 1)


def test_very_many_readings_are_told_from_every_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts, limits and span stay exact; means come from the sample, and the survey says so."""
    write(tmp_path, list(range(200)))
    exact = survey(plant(tmp_path))
    monkeypatch.setattr(counting, "MOST_VALUES", 600)
    surveyed = survey(plant(tmp_path, ", chunk_rows: 30"))
    assert (exact["every"], surveyed["every"]) == (1, 2)
    for key in ("rows", "first", "last", "step_seconds", "gap_count", "by_asset"):
        assert surveyed[key] == exact[key]
    assert surveyed["sensors"]["temp"]["max"] == 199.0
    assert surveyed["sensors"]["temp"]["mean"] == 99.0  # of 0, 2, 4 … 198; of all it is 99.5


def test_pauses_that_are_all_different_do_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a jittering clock three digits are kept, and the usual step is the middle one."""
    monkeypatch.setattr(counting, "_MOST_PAUSES", 50)
    seconds = pd.Series([10 + 0.001 * at for at in range(400)]).cumsum()
    tally = counting.AssetTimes()
    for start in range(0, 400, 40):
        part = pd.Timestamp("2026-01-05T00:00Z") + pd.to_timedelta(seconds[start : start + 40], unit="s")
        tally.add(pd.Series(part))
    assert len(tally.pauses) <= 90
    assert tally.step() == pytest.approx(10.2, abs=0.1)


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in WHEELTAPPER_HOME nor beside the readings."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))
    write(tmp_path, [0, 1, 2])
    survey(plant(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["readings.csv"]


def test_another_step_and_a_dead_sensor_are_suspected(tmp_path: Path) -> None:
    """A minute where the plant says ten, and a flow that is 3 for ever."""
    write(tmp_path, list(range(150)), [3.0] * 150)
    surveyed = survey(plant(tmp_path, step="10min"))
    assert {"step", "constant"} <= set(kinds(surveyed))
    assert "Write step: 1min" in next(entry["said"] for entry in surveyed["suspicions"] if entry["kind"] == "step")


def test_what_cannot_be_read_and_not_be_helped_is_refused(tmp_path: Path) -> None:
    """There is no such file: nothing can be suggested."""
    with pytest.raises(SourceError, match="no file or folder"):
        survey(plant(tmp_path))
