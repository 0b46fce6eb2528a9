"""What `wheeltapper check` suggests for files that the plant's options do not fit: copied, it must read them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from wheeltapper import config, sources
from wheeltapper.config import Plant
from wheeltapper.readings.survey.survey import survey

TIMES = pd.date_range("2026-01-05 06:00", periods=40, freq="10min", tz="UTC")
LOCAL = TIMES.tz_convert("Europe/Berlin").tz_localize(None)
FLOW = [1500.25 + at for at in range(40)]
TEMP = [60.5 + 0.1 * (at % 7) for at in range(40)]
SENSORS = "flow: {unit: m³/h, low: 0, high: 3000}, temp: {unit: °C, low: 0, high: 150}"


def comma(value: float) -> str:
    """Write a number as in Germany."""
    return f"{value:.2f}".replace(".", ",")


def grouped(value: float) -> str:
    """Write a number as in Germany, with thousands."""
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def lines(head: str, row: Callable[[Any, float, float], str], times: Any = TIMES) -> str:
    """Write a table."""
    return head + "\n" + "".join(row(*one) + "\n" for one in zip(times, FLOW, TEMP, strict=True))


ISO = "%Y-%m-%dT%H:%M:%SZ"
FILES: dict[str, tuple[str, bytes]] = {
    "German Excel": (
        "März.csv",
        lines(
            "Zeitstempel;Durchfluß [m³/h];Temperatur [°C]",
            lambda at, flow, temp: f"{at:%d.%m.%Y %H:%M};{comma(flow)};{comma(temp)}",
            LOCAL,
        ).encode("latin-1"),
    ),
    "American, with AM and PM": (
        "log.csv",
        lines("Date,Flow,Temp", lambda at, flow, temp: f"{at:%m/%d/%Y %I:%M:%S %p},{flow:.2f},{temp:.2f}").encode(),
    ),
    "milliseconds since 1970": (
        "log.csv",
        lines("ts,flow,temp", lambda at, flow, temp: f"{int(at.timestamp() * 1000)},{flow},{temp:.2f}").encode(),
    ),
    "titles above, units below": (
        "log.csv",
        (
            "Logger,XR-5\nSerial,77\n\n"
            + lines("Time,Q,T\nYYYY-MM-DD,m3/h,°C", lambda at, flow, temp: f"{at:%Y-%m-%d %H:%M:%S},{flow},{temp:.2f}")
        ).encode(),
    ),
    "thousands in English": (
        "log.csv",
        lines("time,flow,temp", lambda at, flow, temp: f'{at:{ISO}},"{flow:,.2f}",{temp:.2f}').encode(),
    ),
    "thousands in German": (
        "log.csv",
        lines("Zeit;Flow;Temp", lambda at, flow, temp: f"{at:{ISO}};{grouped(flow)};{comma(temp)}").encode(),
    ),
    "UTF-16 with tabs": (
        "log.txt",
        lines("Time\tFlow\tTemp", lambda at, flow, temp: f"{at:%Y-%m-%d %H:%M}\t{flow}\t{temp:.2f}").encode("utf-16"),
    ),
    "a row a value": (
        "log.csv",
        lines(
            "time,machine,tag,value",
            lambda at, flow, temp: "\n".join(
                f"{at:{ISO}},{name},{tag},{value:.2f}"
                for name in ("p1", "p2")
                for tag, value in (("flow", flow), ("temp", temp))
            ),
        ).encode(),
    ),
    "a row a value, tags with the machine in them": (
        "log.csv",
        lines(
            "time,tag,value",
            lambda at, flow, temp: (
                f"{at:{ISO}},P1/flow,{flow}\n{at:{ISO}},P1/temp,{temp:.2f}\n{at:{ISO}},P2/flow,1\n{at:{ISO}},P2/temp,2"
            ),
        ).encode(),
    ),
    "machines side by side": (
        "log.csv",
        lines(
            "time,P1 flow,P1 temp,P2 flow,P2 temp",
            lambda at, flow, temp: f"{at:{ISO}},{flow},{temp:.2f},{flow},{temp:.2f}",
        ).encode(),
    ),
    "machines one after the other": (
        "log.csv",
        lines(
            "time,unit,flow,temp",
            lambda at, flow, temp: f"{at:{ISO}},north,{flow},{temp:.2f}\n{at:{ISO}},south,{flow},{temp:.2f}",
        ).encode(),
    ),
    "packed": (
        "p.csv.gz",
        gzip.compress(lines("time;flow;temp", lambda at, flow, temp: f"{at:{ISO}};{flow};{temp:.2f}").encode()),
    ),
    "no header": (
        "log.csv",
        lines("2026-01-05 05:50:00,1500,60", lambda at, flow, temp: f"{at:%Y-%m-%d %H:%M:%S},{flow},{temp}").encode(),
    ),
    "day and time of day apart": (
        "log.csv",
        lines("Date,Time,Flow,Temp", lambda at, flow, temp: f"{at:%d/%m/%Y},{at:%H:%M},{flow},{temp:.2f}").encode(),
    ),
    "blanks between the fields": (
        "log.csv",
        lines("flow temp", lambda at, flow, temp: f"{flow:.2f}    {temp:.2f}").encode(),
    ),
}


def plant_of(folder: Path, options: str = "path: data, time_column: when") -> Plant:
    """Write a plant as somebody would who has not looked at the file."""
    text = f"asset_type: {{step: 10min, sensors: {{{SENSORS}}}}}\nsource: {{csv_folder: {{{options}}}}}\n"
    text += "features: [latest]\ncandidates: [lof]\n"
    return config.parse(text, name="stranger", folder=folder, where="stranger.yaml")


def write(folder: Path, name: str, content: bytes) -> None:
    """Write one file of the folder ``data``."""
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / name).write_bytes(content)


@pytest.mark.parametrize("what", FILES)
def test_what_is_suggested_reads_the_file(what: str, tmp_path: Path) -> None:
    """Every row can be kept, with the values that were written; the plant as it was is refused."""
    write(tmp_path, *FILES[what])
    found = survey(plant_of(tmp_path))
    assert found["problem"]
    suggested = found["suggestion"]
    assert suggested["notes"] == []
    wanted = plant_of(tmp_path)
    mended = wanted.model_copy(update={"source": wanted.source.model_copy(update={"options": suggested["options"]})})
    again = survey(mended)
    assert again["rejected"] == {}
    assert again["rows"] >= 40
    # The first row stands in for a header that is missing.
    assert again["sensors"]["flow"]["max"] == pytest.approx(1539.25)
    assert again["sensors"]["temp"]["max"] == pytest.approx(61.1)
    if "time_column" in suggested["options"]:
        assert again["step_seconds"] == 600


@pytest.mark.parametrize(
    ("what", "option", "value"),
    [
        ("German Excel", "encoding", "latin-1"),
        ("German Excel", "columns", {"Durchfluß [m³/h]": "flow", "Temperatur [°C]": "temp"}),
        ("American, with AM and PM", "time_format", "%m/%d/%Y %I:%M:%S %p"),
        ("titles above, units below", "columns", {"Q": "flow", "T": "temp"}),
        ("day and time of day apart", "time_format", "%d/%m/%Y %H:%M"),
        ("machines one after the other", "asset_column", "unit"),
        ("blanks between the fields", "first", "2000-01-01"),
    ],
)
def test_each_option_is_the_right_one(what: str, option: str, value: Any, tmp_path: Path) -> None:
    """Not any that happens to be read: the encoding keeps umlauts, a unit names its sensor, days are not months."""
    write(tmp_path, *FILES[what])
    assert survey(plant_of(tmp_path))["suggestion"]["options"][option] == value


def test_a_wrong_decimal_mark_is_noticed_though_the_file_can_be_read(tmp_path: Path) -> None:
    """All rows would go to quarantine; the suggestion says which option keeps them."""
    write(tmp_path, "log.csv", lines("time;flow;temp", lambda at, f, t: f"{at:{ISO}};{comma(f)};{comma(t)}").encode())
    found = survey(plant_of(tmp_path, 'path: data, time_column: time, separator: ";"'))
    assert found["rows"] == 0
    assert found["suggestion"]["options"]["decimal"] == ","
    assert "40 of the first 40 readings can be kept" in found["suggestion"]["trial"]


@pytest.mark.slow
def test_an_umlaut_far_below_still_tells_the_encoding(tmp_path: Path) -> None:
    """The first megabyte is plain; the last line is not."""
    body = "2026-01-05 00:00,1,2,ok\n" * 50_000 + "2026-01-05 00:01,1,2,Störung\n"
    write(tmp_path, "log.csv", ("time,flow,temp,remark\n" + body).encode("latin-1"))
    options = "path: data, time_column: time, time_zone: UTC"
    suggestion = sources.suggest(plant_of(tmp_path, options))
    assert suggestion is not None
    assert suggestion.options["encoding"] == "latin-1"


def test_options_that_are_no_options_are_helped_with(tmp_path: Path) -> None:
    """A typing mistake is named, and what the file needs is suggested beside it."""
    write(tmp_path, *FILES["packed"])
    found = survey(plant_of(tmp_path, 'path: data, seperator: ";"'))
    assert "seperator" in found["problem"]
    assert found["suggestion"]["options"]["separator"] == ";"


def test_a_sensor_that_nobody_can_find_is_asked_for(tmp_path: Path) -> None:
    """The suggestion says which columns are left; it does not take any."""
    write(tmp_path, "log.csv", lines("time,flow,x,y", lambda at, f, t: f"{at:{ISO}},{f},1,{t:.2f}").encode())
    suggested = survey(plant_of(tmp_path))["suggestion"]
    assert suggested["notes"] == ["which column is sensor temp? Left are: x, y"]
    assert "still end with" in suggested["trial"]


def test_a_workbook_is_called_by_its_name(tmp_path: Path) -> None:
    """Not a file in some encoding."""
    write(tmp_path, "log.csv", b"PK\x03\x04" + bytes(100))
    assert "Excel workbook" in survey(plant_of(tmp_path))["suggestion"]["notes"][0]


def test_labels_are_pointed_at(tmp_path: Path) -> None:
    """A column of 0 and 1 that is called anomaly, and that no option reads."""
    write(tmp_path, "log.csv", lines("when,Flow,temp,anomaly", lambda at, f, t: f"{at:{ISO}},{f},{t},0").encode())
    assert "set fault_column: anomaly" in survey(plant_of(tmp_path))["suggestion"]["notes"][0]
