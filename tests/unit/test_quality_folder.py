"""What the quality benchmark makes of CSV files that nobody has described."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks._folder import in_folder


def write(folder: Path, name: str, **columns: object) -> None:
    """Write a file of 300 rows; two sensors and whatever is given."""
    values = np.random.default_rng(0).normal(size=(300, 2))
    pd.DataFrame({"heat": values[:, 0], "flow": values[:, 1], **columns}).to_csv(folder / name, index=False)


def flags(first: int) -> np.ndarray:
    return np.arange(300) >= first


def test_readings_lie_where_the_file_says(tmp_path: Path) -> None:
    """Hourly instants: the step is an hour, the label's column says what was faulty, and the rest is a sensor."""
    hours = pd.date_range("2024-05-01", periods=300, freq="h")
    write(tmp_path, "a.csv", timestamp=hours, label=flags(250).astype(int), changepoint=0)
    (plant,) = in_folder(tmp_path)
    options = plant.source.options
    assert plant.asset_type.step == timedelta(hours=1)
    assert len(plant.asset_type.sensors) == 2
    assert (options["time_column"], options["fault_column"]) == ("timestamp", "label")


def test_without_instants_it_says_that_a_minute_is_made_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows in order, and words for labels."""
    write(tmp_path, "a.csv", Label=np.where(flags(280), "attack", "normal"))
    (plant,) = in_folder(tmp_path)
    assert plant.asset_type.step == timedelta(minutes=1)
    assert plant.source.options["fault_kind_column"] == "Label"
    assert "count as a minute apart" in capsys.readouterr().out


def test_short_experiments_teach_by_what_precedes_their_first_fault(tmp_path: Path) -> None:
    """Of two files the one that is faulty first, after 250 rows, says how many rows may be learnt from."""
    write(tmp_path, "a.csv", anomaly=flags(250))
    write(tmp_path, "b.csv", anomaly=flags(270))
    (plant,) = in_folder(tmp_path)
    assert (plant.parts.by, plant.parts.train, plant.parts.calibrate) == ("first_rows", 150, 100)


def test_experiments_of_different_days_are_laid_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Faulty too early to teach by rows, and a day apart: the calendar would put one into each part."""
    for day, name in enumerate(("a.csv", "b.csv")):
        seconds = pd.date_range(f"2024-05-0{day + 1}", periods=300, freq="s")
        write(tmp_path, name, time=seconds, anomaly=flags(100))
    (plant,) = in_folder(tmp_path)
    assert plant.asset_type.step == timedelta(seconds=1)
    assert "time_column" not in plant.source.options
    assert "different times" in capsys.readouterr().out


def test_files_without_labels_are_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody knows what is right for them."""
    write(tmp_path, "a.csv")
    assert list(in_folder(tmp_path)) == []
    assert "no column named label" in capsys.readouterr().out
