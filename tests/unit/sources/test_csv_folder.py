"""A folder of CSV files: what is read, what is refused, and that no row is lost."""

import gzip
import os
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from wheeltapper import config, plants
from wheeltapper.errors import SourceError
from wheeltapper.readings import clean
from wheeltapper.sources.csv_folder import CsvFolder

HEAD = "time,flow,temp\n"


def plant(folder, sensors=("flow", "temp"), step="1min"):
    """Make a plant with these sensors, whose file lies in ``folder``."""
    listed = ", ".join(f"{name}: {{unit: 1}}" for name in sensors)
    text = (
        f"asset_type: {{step: {step}, sensors: {{{listed}}}}}\nsource: simulator\nfeatures: [latest]\ncandidates: [lof]"
    )
    return config.parse(text, name="tiny", folder=Path(folder), where="tiny.yaml")


def write(folder, **files):
    """Write files; ``__`` in a name is a slash, and .csv is added."""
    for name, text in files.items():
        path = Path(folder) / "data" / f"{name.replace('__', '/')}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def batches(folder, start=None, end=None, sensors=("flow", "temp"), **options):
    """Read the folder's ``data``."""
    options = {"path": "data", "time_column": "time", "time_zone": "UTC", **options}
    return list(CsvFolder(**options).read(plant(folder, sensors), start, end))


def rows(folder, **options):
    """Read the folder's only batch."""
    (batch,) = batches(folder, **options)
    return batch.rows


def refused(folder, **options):
    """Return the message with which the folder is refused; one line."""
    with pytest.raises(SourceError) as caught:
        batches(folder, **options)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


def minute(number):
    """Return an instant that many minutes after midnight."""
    return pd.Timestamp("2026-01-05T00:00:00Z") + pd.Timedelta(minutes=number)


def test_a_file_is_an_asset_named_by_its_path(tmp_path):
    """Files come in natural order, 2 before 10, each with its numbers as float64 and its times in UTC."""
    for name in ("line__10", "line__2", "line__1"):
        write(tmp_path, **{name: HEAD + "2026-01-05 00:00:00,1.5,20\n"})
    read = batches(tmp_path)
    assert [batch.origin for batch in read] == ["line/1.csv", "line/2.csv", "line/10.csv"]
    assert [batch.rows["asset_id"][0] for batch in read] == ["line/1", "line/2", "line/10"]
    assert read[0].rows["flow"].tolist() == [1.5]
    assert read[0].rows["flow"].dtype == "float64"
    assert read[0].rows["timestamp"].tolist() == [minute(0)]


def test_packed_files_are_unpacked(tmp_path):
    """A .csv.gz is read like its content, and its asset's name loses both endings."""
    write(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv.gz").write_bytes(gzip.compress((HEAD + "2026-01-05 00:00,1,2\n").encode()))
    assert rows(tmp_path, files="*.csv.gz")["asset_id"].tolist() == ["a"]


def test_text_stays_text_for_cleaning(tmp_path):
    """A column with one word keeps its fields as they came; another column does not suffer."""
    write(tmp_path, a=HEAD + "2026-01-05 00:00,abc,1\n2026-01-05 00:01, 2 ,\n")
    read = rows(tmp_path)
    assert read["flow"].tolist() == ["abc", " 2 "]
    assert read["temp"].isna().tolist() == [False, True]


def test_columns_are_renamed_and_others_left_out(tmp_path):
    """Columns maps the name in the file to the sensor."""
    write(tmp_path, a="time; Flow Rate ;x;temp\n2026-01-05 00:00;1,5;9;2\n")
    read = rows(tmp_path, separator=";", decimal=",", columns={"Flow Rate": "flow"})
    assert list(read.columns) == ["asset_id", "timestamp", "flow", "temp"]
    assert read["flow"].tolist() == [1.5]


def test_the_other_decimal_mark_is_not_misread(tmp_path):
    """With a decimal comma, 1.234 may be a thousand or one: the row is put aside, not read as 1.234."""
    write(tmp_path, a="time;flow;temp\n2026-01-05 00:00;1.234;2,5\n2026-01-05 00:01;1,5;3,5\n")
    (batch,) = batches(tmp_path, separator=";", decimal=",")
    parsed = clean.parse(batch, plant(tmp_path))
    assert parsed.rows["flow"].tolist() == [1.5]
    assert "'1.234' does not have the decimal mark ','" in parsed.rejected["reason"][0]


def test_rows_with_too_many_or_too_few_fields_come_out_in_place(tmp_path):
    """A torn row keeps its place, says what is wrong, and ends in quarantine; nothing is lost."""
    torn = "2026-01-05 00:01,1\n2026-01-05 00:02,1,2,3\n"
    write(tmp_path, a=HEAD + "2026-01-05 00:00,1,2\n" + torn + "2026-01-05 00:03,1,2\n2026-01-05 00:0")
    (batch,) = batches(tmp_path)
    assert batch.rows["defect"].tolist()[0] == ""
    assert batch.rows["defect"][1] == "row 3 of a.csv has 2 fields instead of 3: '2026-01-05 00:01,1'"
    assert "4 fields instead of 3" in batch.rows["defect"][2]
    parsed = clean.parse(batch, plant(tmp_path))
    assert parsed.rows["row"].tolist() == [0, 3]
    assert parsed.rejected["row"].tolist() == [1, 2, 4]
    assert set(parsed.rejected["expectation"]) == {"row_readable"}


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 100])
def test_chunks_lose_nothing(tmp_path, chunk_rows):
    """However small the chunks, the same rows come in the same order, torn ones included."""
    lines = [f"2026-01-05 00:{number:02d},{number},1" for number in range(7)]
    lines[3] += ",surplus"
    write(tmp_path, a=HEAD + "\n".join(lines))
    read = batches(tmp_path, chunk_rows=chunk_rows)
    assert max(len(batch.rows) for batch in read) <= chunk_rows + 1
    together = pd.concat([batch.rows for batch in read], ignore_index=True)
    assert together["flow"].astype(float).tolist() == list(range(7))
    assert (together.get("defect").fillna("") != "").tolist() == [number == 3 for number in range(7)]


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 100])
def test_flagged_rows_become_whole_faults(tmp_path, chunk_rows):
    """Consecutive flags are one fault, also across chunks; it ends with its last flagged reading."""
    flags = "0110011"
    body = "".join(f"2026-01-05 00:0{at},1,2,{flag}\n" for at, flag in enumerate(flags))
    write(tmp_path, a="time,flow,temp,bad\n" + body, b=HEAD + "2026-01-05 00:00,1,2\n")
    read = batches(tmp_path, fault_column="bad", chunk_rows=chunk_rows)
    faults = pd.concat([batch.faults for batch in read], ignore_index=True)
    assert faults["asset_id"].tolist() == ["a", "a"]
    assert faults["start"].tolist() == [minute(1), minute(5)]
    assert faults["end"].tolist() == [minute(2), minute(6)]
    assert faults["kind"].tolist() == ["labelled", "labelled"]


def test_faults_of_interleaved_assets_and_kinds_are_told_apart(tmp_path):
    """Assets in one file do not end each other's faults; another kind is another fault."""
    body = "".join(
        f"2026-01-05 00:0{at // 2},1,2,{asset},{flag},{kind}\n"
        for at, (asset, flag, kind) in enumerate(
            [("p", "yes", "leak"), ("q", "no", ""), ("p", "yes", "leak"), ("q", "true", ""), ("p", "1", "worn")]
        )
    )
    write(tmp_path, a="time,flow,temp,who,bad,what\n" + body)
    (batch,) = batches(tmp_path, asset_column="who", fault_column="bad", fault_kind_column="what")
    found = {(f.asset_id, f.kind): (f.start, f.end) for f in batch.faults.itertuples()}
    assert found == {
        ("p", "leak"): (minute(0), minute(1)),
        ("p", "worn"): (minute(2), minute(2)),
        ("q", "labelled"): (minute(1), minute(1)),
    }


def test_a_fault_goes_on_in_the_assets_next_file(tmp_path):
    """With an asset column, a fault that runs past midnight is one fault."""
    head = "time,flow,temp,who,bad\n"
    write(tmp_path, a=head + "2026-01-05 00:00,1,2,p,1\n", b=head + "2026-01-05 00:01,1,2,p,1\n")
    read = batches(tmp_path, asset_column="who", fault_column="bad")
    (fault,) = pd.concat([batch.faults for batch in read]).itertuples()
    assert (fault.start, fault.end) == (minute(0), minute(1))


def test_a_strange_flag_is_refused(tmp_path):
    """A fault column that holds words which are neither yes nor no is not guessed."""
    write(tmp_path, a="time,flow,temp,bad\n2026-01-05 00:00,1,2,maybe\n")
    assert "fault column 'bad' holds 'maybe'" in refused(tmp_path, fault_column="bad")


def test_a_span_cuts_rows_but_not_faults_nor_unreadable_times(tmp_path):
    """From start (inclusive) to end (exclusive); a fault keeps its true start; a broken time is in every span."""
    body = "".join(f"2026-01-05 00:0{at},{at},2,1\n" for at in range(4)) + "broken,9,2,0\n"
    write(tmp_path, a="time,flow,temp,bad\n" + body)
    span = (datetime(2026, 1, 5, 0, 2, tzinfo=UTC), datetime(2026, 1, 5, 0, 3, tzinfo=UTC))
    (batch,) = batches(tmp_path, *span, fault_column="bad")
    assert batch.rows["flow"].tolist() == [2.0, 9.0]
    assert batch.rows["timestamp"].tolist() == ["2026-01-05T00:02:00.000000+00:00", "broken"]
    assert batch.faults["start"].tolist() == [minute(0)]


def test_a_span_without_rows_is_empty_and_no_error(tmp_path):
    """A scheduled run may find nothing new."""
    write(tmp_path, a=HEAD + "2026-01-05 00:00,1,2\n")
    assert batches(tmp_path, start=datetime(2027, 1, 1, tzinfo=UTC)) == []


def test_data_without_times_gets_them_from_first_and_step(tmp_path):
    """Each asset starts at first and goes on at the asset type's step, across chunks."""
    write(tmp_path, a="flow,temp\n1,2\n3,4\n5,6\n", b="flow,temp\n7,8\n")
    read = batches(tmp_path, time_column=None, time_zone=None, first="2026-01-05", chunk_rows=2)
    times = [(row.asset_id, row.timestamp) for batch in read for row in batch.rows.itertuples()]
    assert times == [("a", minute(0)), ("a", minute(1)), ("a", minute(2)), ("b", minute(0))]


def test_a_file_without_header_split_at_blanks(tmp_path):
    """Runs of blanks separate; names lists the columns."""
    write(tmp_path, a="  1.0   2.5e+01\n 3   4\n\n5 6")
    options = {"separator": "whitespace", "header": False, "names": ["flow", "temp"]}
    read = rows(tmp_path, time_column=None, time_zone=None, first="2026-01-05", **options)
    assert read[["flow", "temp"]].to_numpy().tolist() == [[1, 25], [3, 4], [5, 6]]


def test_regimes_are_mapped(tmp_path):
    """Names of operating states in the file become regimes; YAML's off, which is false, is understood."""
    write(tmp_path, a="time,flow,temp,state\n2026-01-05 00:00,1,2,Running\n2026-01-05 00:01,1,2,Idle\n")
    read = rows(tmp_path, regime_column="state", regimes={"Running": "normal", "Idle": False})
    assert read["regime"].tolist() == ["normal", "off"]


def test_shuffled_rows_are_sorted_when_the_plant_says_so(tmp_path):
    """By default order is the file's; shuffled sorts a file by time, broken times last."""
    write(tmp_path, a=HEAD + "2026-01-05 00:02,2,0\n?,9,0\n2026-01-05 00:01,1,0\n")
    assert rows(tmp_path)["flow"].tolist() == [2, 9, 1]
    assert rows(tmp_path, shuffled=True, chunk_rows=1)["flow"].tolist() == [1, 2, 9]


@pytest.mark.parametrize(
    ("form", "text", "when"),
    [
        ("%d/%m/%Y %H:%M", "13/01/2026 10:30", "2026-01-13T10:30Z"),
        ("unix", "1767571200", "2026-01-05T00:00Z"),
        ("unix_ms", "1767571200500", "2026-01-05T00:00:00.5Z"),
        (None, "2026-01-05T01:00:00+01:00", "2026-01-05T00:00Z"),
        (None, "2026-01-05", "2026-01-05T00:00Z"),
        ("%Y-%m-%d %H:%M:%S%z", "2026-01-05 01:00:00+0100", "2026-01-05T00:00Z"),
    ],
)
def test_times_are_read_as_written(tmp_path, form, text, when):
    """Formats, counts since 1970, and offsets, which win over the zone."""
    write(tmp_path, a=HEAD + f"{text},1,2\n")
    assert rows(tmp_path, time_format=form)["timestamp"].tolist() == [pd.Timestamp(when)]


def test_hours_of_a_clock_change_are_put_aside(tmp_path):
    """02:30 happens twice in October and never in March: neither is guessed, and the reason says why."""
    body = "2026-03-29 02:30,1,2\n2026-10-25 02:30,1,2\n2026-10-25 12:00,1,2\n"
    write(tmp_path, a=HEAD + body)
    (batch,) = batches(tmp_path, time_zone="Europe/Berlin")
    parsed = clean.parse(batch, plant(tmp_path))
    assert parsed.rows["timestamp"].tolist() == [pd.Timestamp("2026-10-25T11:00Z")]
    assert "does not exist in Europe/Berlin" in parsed.rejected["reason"][0]
    assert "happens twice in Europe/Berlin" in parsed.rejected["reason"][1]


def test_one_unreadable_time_in_a_chunk_of_its_own_is_a_row_not_an_option(tmp_path):
    """A garbled last line must not stop the whole source."""
    write(tmp_path, a=HEAD + "2026-01-05 00:00,1,2\n?,1,2\n")
    read = batches(tmp_path, chunk_rows=1)
    assert [batch.rows["timestamp"][0] for batch in read] == [minute(0), "?"]


def test_naive_times_without_a_zone_are_refused(tmp_path):
    """The message says which option to set."""
    write(tmp_path, a=HEAD + "2026-01-05 00:00,1,2\n")
    assert "Set time_zone in the source" in refused(tmp_path, time_zone=None)


def test_times_in_another_format_get_an_advice(tmp_path):
    """Where day and month can be told apart, one format is named; where not, both."""
    write(tmp_path, a=HEAD + "13/01/2026 10:30,1,2\n")
    assert "Set time_format in the source: '%d/%m/%Y %H:%M' reads" in refused(tmp_path)
    write(tmp_path, a=HEAD + "03/01/2026 10:30,1,2\n")
    assert "'%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M'" in refused(tmp_path)


def test_a_missing_column_is_named_with_its_near_miss(tmp_path):
    """Sensor, time and asset columns must be in every file; the fault column in one at least."""
    write(tmp_path, a="time,flwo,temp\n2026-01-05 00:00,1,2\n")
    assert refused(tmp_path) == (
        "a.csv has no column 'flow' for sensor flow (it has: time, flwo, temp). Did you mean 'flwo'? "
        "Add it to the source, or remove it from the plant's sensors."
    )
    write(tmp_path, a=HEAD + "2026-01-05 00:00,1,2\n")
    assert "no column 'tme' for time_column" in refused(tmp_path, time_column="tme")
    assert "no column 'who' for asset_column" in refused(tmp_path, asset_column="who")
    assert "none of the 1 files have column 'bad' for fault_column" in refused(tmp_path, fault_column="bad")
    assert "which tiny does not have" in refused(tmp_path, columns={"time": "flwo"})


def test_what_cannot_be_split_is_refused(tmp_path):
    """Wrong separators, doubled columns, wrong names and empty files name what to do."""
    write(tmp_path, a="time;flow;temp\n2026-01-05 00:00;1;2\n")
    assert 'Set separator: ";" in the source' in refused(tmp_path)
    write(tmp_path, a="time,flow,flow,temp\n2026-01-05 00:00,1,2,3\n")
    assert "has column 'flow' for sensor flow twice" in refused(tmp_path)
    assert "4 columns, but names lists 1" in refused(tmp_path, header=False, names=["time"])
    write(tmp_path, a=HEAD + "2026-01-05 00:00,1\n")
    assert "no row has the 3 fields" in refused(tmp_path)
    write(tmp_path, a="\n\n")
    assert refused(tmp_path).startswith("a.csv is empty")
    write(tmp_path, a=HEAD)
    assert "hold no rows" in refused(tmp_path)


def test_another_encoding_is_refused_by_name(tmp_path):
    """Bytes that are no text in the encoding are not replaced, in the header or below."""
    for text in ("time,flow,temp,ä\n2026-01-05 00:00,1,2,3\n", HEAD + "2026-01-05 00:00,1,2ä\n"):
        write(tmp_path, a=text.encode("latin-1"))
        assert "is not text in encoding utf-8" in refused(tmp_path)
        assert len(rows(tmp_path, encoding="latin-1")) == 1


def test_nothing_to_read_lists_the_places(tmp_path, monkeypatch):
    """A folder is looked for beside the plant's file, in WHEELTAPPER_DATA and in ../shared/data."""
    monkeypatch.setenv("WHEELTAPPER_DATA", str(tmp_path / "elsewhere"))
    message = refused(tmp_path)
    assert str(tmp_path / "data") in message
    assert str(tmp_path / "elsewhere" / "data") in message
    assert "shared" in message
    write(tmp_path / "elsewhere", a=HEAD + "2026-01-05 00:00,1,2\n")
    assert len(rows(tmp_path)) == 1
    assert "no file in" in refused(tmp_path, files="*.txt")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"time_column": "t", "first": "2026-01-01"},
        {"time_column": "t", "first_in_name": "%Y", "time_zone": "UTC"},
        {"first": "2026-01-01", "first_in_name": "%Y", "time_zone": "UTC"},
        {"first_in_name": "%Y"},
        {"time_column": "t", "header": False},
        {"time_column": "t", "names": ["t"]},
        {"time_column": "t", "decimal": ","},
        {"time_column": "t", "separator": ";;"},
        {"time_column": "t", "encoding": "utf-9"},
        {"time_column": "t", "time_zone": "Mars"},
        {"time_column": "t", "fault_kind_column": "k", "fault_from_row": 3},
    ],
)
def test_options_that_contradict_each_other_are_refused(options):
    """Before anything is read."""
    with pytest.raises(ValidationError):
        CsvFolder(path="data", **options)


DATA = Path(os.environ.get("WHEELTAPPER_DATA") or Path(__file__).parents[3].parent / "shared" / "data")


@pytest.mark.skipif(not DATA.is_dir(), reason="no real data: set WHEELTAPPER_DATA")
@pytest.mark.parametrize("path", sorted(config.conf_folder().glob("*.yaml")), ids=lambda path: path.stem)
def test_real_plants_lose_no_row(path, monkeypatch):
    """Every plant of conf/ that reads CSV files: rows in = rows kept + rows put aside."""
    monkeypatch.setenv("WHEELTAPPER_DATA", str(DATA))
    real = plants.load(str(path))
    if real.source.name != "csv_folder":
        pytest.skip(f"{real.name} does not read CSV files")
    for batch in CsvFolder(**real.source.options).read(real):
        parsed = clean.parse(batch, real)
        assert len(parsed.rows) + len(parsed.rejected) == len(batch.rows)
        assert len(parsed.rows) > 0.9 * len(batch.rows)
