"""CSV files that say little themselves: assets named by files, clocks that go on, faults by list or by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from wheeltapper import config, plants
from wheeltapper.errors import ConfigError, SourceError
from wheeltapper.sources import Batch, build
from wheeltapper.training import parts

PLANT = """\
asset_type: {step: 1min, sensors: {flow: {unit: 1}}}
source: {csv_folder: {path: data, %s}}
windows: {rows: 2}
features: [latest]
candidates: [pca_residual]
"""


def read(folder: Path, options: str, **span: Any) -> list[Batch]:
    """Read the folder's ``data`` with these options."""
    plant = config.parse(PLANT % options, name="tiny", folder=folder, where="tiny.yaml")
    return list(build(plant.source).read(plant, **span))


def write(folder: Path, **files: str) -> None:
    """Write files of ``data``; ``__`` in a name is a slash, and .csv is added."""
    for name, text in files.items():
        path = folder / "data" / f"{name.replace('__', '/')}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def flows(*values: float) -> str:
    return "flow\n" + "".join(f"{value}\n" for value in values)


def at(minute: int) -> pd.Timestamp:
    return pd.Timestamp("2026-01-05T00:00Z") + pd.Timedelta(minutes=minute)


def faults(batches: list[Batch]) -> list[tuple[Any, ...]]:
    """Return asset, start, end and kind of all faults, sorted."""
    together = pd.concat([batch.faults for batch in batches])
    return sorted(together[["asset_id", "start", "end", "kind"]].itertuples(index=False, name=None))


SPLIT = 'files: ["*_train.csv", "*_test.csv"], asset_pattern: "(?P<asset>.*)_(train|test)", first: 2026-01-05'


def test_training_and_test_file_are_one_asset_and_the_clock_goes_on(tmp_path: Path) -> None:
    """The pattern that stands first is read first, though 'test' comes before 'train' in the alphabet."""
    write(tmp_path, m1_train=flows(1, 2), m1_test=flows(3, 4))
    first, second = read(tmp_path, SPLIT)
    assert (first.origin, second.origin) == ("m1_train.csv", "m1_test.csv")
    assert [*first.rows["asset_id"], *second.rows["asset_id"]] == ["m1"] * 4
    assert [*first.rows["timestamp"], *second.rows["timestamp"]] == [at(minute) for minute in range(4)]


def test_labels_may_stand_in_the_test_file_alone(tmp_path: Path) -> None:
    """Three rows of training, then a fault in the second row of the test."""
    write(tmp_path, m1_train=flows(1, 2, 3), m1_test="flow,label\n4,0\n5,1\n6,0\n")
    assert faults(read(tmp_path, SPLIT + ", fault_column: label")) == [("m1", at(4), at(4), "labelled")]


def test_parts_by_files_part_such_an_asset_where_its_test_file_begins(tmp_path: Path) -> None:
    """Ten rows to learn from, the last fifth of their time to calibrate on; the test file judges."""
    write(tmp_path, m1_train=flows(*range(11)), m1_test=flows(*range(11)))
    text = PLANT % SPLIT + 'parts: {by: files, train: "*_train.csv", test: "*_test.csv", calibrate: 0.2}\n'
    plant = config.parse(text, name="tiny", folder=tmp_path, where="tiny.yaml")
    batches = build(plant.source).read(plant)
    readings = pd.concat([batch.rows.assign(origin=batch.origin) for batch in batches])
    (cut,) = parts.cuts(readings, plant).itertuples(index=False)
    assert (cut.calibrate_from, cut.validate_from, cut.test_from) == (at(8), at(11), at(16))


def test_a_pattern_that_fits_no_file_is_refused_even_if_another_does(tmp_path: Path) -> None:
    """Half the data would be missing without a word."""
    write(tmp_path, m1_train=flows(1))
    with pytest.raises(SourceError, match=r"matches files: '\*_test.csv'"):
        read(tmp_path, SPLIT)


def test_a_file_that_does_not_fit_the_asset_pattern_is_refused(tmp_path: Path) -> None:
    """It is named, with the two things that can be done."""
    write(tmp_path, m1_train=flows(1), readme=flows(1))
    with pytest.raises(SourceError, match=r"readme.csv: 'readme' does not fit asset_pattern .* leave the file out"):
        read(tmp_path, 'asset_pattern: "(?P<asset>.*)_train", first: 2026-01-05')


def test_equal_numbers_in_two_files_are_two_assets(tmp_path: Path) -> None:
    """Engine 1 of one fleet is not engine 1 of the other."""
    write(tmp_path, train_A="engine,flow\n1,5\n", train_B="engine,flow\n1,6\n")
    options = 'asset_pattern: "train_(?P<asset>.*)", asset_column: engine, first: 2026-01-05'
    assert [name for batch in read(tmp_path, options) for name in batch.rows["asset_id"]] == ["A/1", "B/1"]


def test_faults_begin_at_a_row_and_last_to_the_end_of_the_file(tmp_path: Path) -> None:
    """Counted from 0, through the borders of chunks; excepted files have none."""
    write(tmp_path, d0=flows(1, 2, 3), d1=flows(1, 2, 3, 4))
    options = "first: 2026-01-05, fault_from_row: 2, fault_free: d0.csv, fault_kind: step, chunk_rows: 1"
    assert faults(read(tmp_path, options)) == [("d1", at(2), at(3), "step")]


def test_the_last_rows_of_each_asset_count_as_faulty(tmp_path: Path) -> None:
    """Assets may take turns in the file, and one may be shorter than that."""
    rows = ["a,1", "b,1", "a,2", "a,3", "b,2", "a,4", "c,1"]
    write(tmp_path, fleet="engine,flow\n" + "\n".join(rows) + "\n")
    options = "asset_column: engine, first: 2026-01-05, fault_last_rows: 2, fault_kind: worn, chunk_rows: 2"
    expected = [("a", at(2), at(3), "worn"), ("b", at(0), at(1), "worn"), ("c", at(0), at(0), "worn")]
    assert faults(read(tmp_path, options)) == expected


def test_a_column_of_kinds_is_enough(tmp_path: Path) -> None:
    """A fault is wherever it names one; nobody has to add a column of zeros and ones."""
    rows = ["00:00Z,1,", "00:01Z,2,normal", "00:02Z,3,leak", "00:03Z,4,leak", "00:04Z,5,0", "00:05Z,6,Seal wear"]
    write(tmp_path, p1="time,flow,what\n" + "".join(f"2026-01-05T{row}\n" for row in rows))
    found = faults(read(tmp_path, "time_column: time, fault_kind_column: what"))
    assert found == [("p1", at(2), at(3), "leak"), ("p1", at(5), at(5), "Seal wear")]


TIMED = "time,flow\n2026-01-05T00:00Z,1\n2026-01-05T00:01Z,2\n2026-01-05T00:02Z,3\n"
LIST = "time_column: time, time_zone: UTC, fault_file: ../list.json"


@pytest.mark.parametrize("name", ["site/p1", "site/p1.csv", "p1.csv", "published/site/p1.csv"])
def test_a_list_names_faults_by_asset_or_by_file(tmp_path: Path, name: str) -> None:
    """The file may have more folders before it, or fewer; entries of other files are passed over."""
    write(tmp_path, site__p1=TIMED)
    listed = f'{{"{name}": [["2026-01-05 00:01:00", "2026-01-05 00:02:00"]], "site/p10.csv": [["2026-01-05", "2027"]]}}'
    (tmp_path / "list.json").write_text(listed.replace('"2027"', '"2027-01-01"'))
    assert faults(read(tmp_path, LIST)) == [("site/p1", at(1), at(2), "labelled")]


def test_a_list_may_be_csv_and_name_kinds(tmp_path: Path) -> None:
    """An empty kind is the option's."""
    write(tmp_path, p1=TIMED)
    (tmp_path / "list.csv").write_text(
        "asset,start,end,kind\np1,2026-01-05T00:00Z,2026-01-05T00:00Z,leak\np1,2026-01-05T00:02Z,2026-01-05T00:02Z,\n"
    )
    found = faults(read(tmp_path, LIST.replace("json", "csv") + ", fault_kind: other"))
    assert found == [("p1", at(0), at(0), "leak"), ("p1", at(2), at(2), "other")]


def test_a_listed_fault_comes_with_the_span_that_it_touches(tmp_path: Path) -> None:
    """Reading by spans loses none and invents none, even where the asset's first rows lie before the span."""
    write(tmp_path, p1=TIMED)
    (tmp_path / "list.json").write_text('{"p1": [["2026-01-05T00:02Z", "2026-01-05T00:02Z"]]}')
    options = LIST + ", chunk_rows: 1"
    assert faults(read(tmp_path, options, start=at(1))) == [("p1", at(2), at(2), "labelled")]
    assert faults(read(tmp_path, options, end=at(2))) == []


@pytest.mark.parametrize(
    ("listed", "says"),
    [
        pytest.param('{"p2": [["2026-01-05", "2026-01-06"]]}', r"names p2, but the assets are p1", id="nobody"),
        pytest.param('{"p1": [["2026-01-06", "2026-01-05"]]}', r"p1: the fault from 2026-01-06 ends before", id="back"),
        pytest.param('{"p1": [["soon", "later"]]}', r"p1: the time 'soon' cannot be read", id="unreadable"),
        pytest.param('{"p1": ["2026-01-05"]}', r"p1: expected \[start, end\], got '2026-01-05'", id="instant"),
        pytest.param('[["2026-01-05", "2026-01-06"]]', r"maps no names to faults, it is a list", id="nameless"),
        pytest.param("{", r"is no JSON", id="broken"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(tmp_path: Path, listed: str, says: str) -> None:
    """Labels are never lost without a word."""
    write(tmp_path, p1=TIMED)
    (tmp_path / "list.json").write_text(listed)
    with pytest.raises(SourceError, match=says):
        read(tmp_path, LIST)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Not taken for a list without faults."""
    write(tmp_path, p1=TIMED)
    with pytest.raises(SourceError, match=r"no fault_file '../list.json'"):
        read(tmp_path, LIST)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("first: 2026-01-05, fault_from_row: 1, fault_last_rows: 1", "each say where the faults are; keep one"),
        ("first: 2026-01-05, shuffled: true, fault_flags: [a, b]", "shuffled rows are sorted"),
        ("first: 2026-01-05, fault_free: a*", "fault_free needs fault_from_row or fault_last_rows"),
        ('first: 2026-01-05, asset_pattern: "(.*)_train"', r"expected a group \(\?P<asset>"),
        ('first: 2026-01-05, asset_pattern: "(?P<asset>"', "is no regular expression"),
    ],
)
def test_options_that_contradict_each_other_are_refused(tmp_path: Path, options: str, says: str) -> None:
    """Before anything is read."""
    with pytest.raises(ConfigError, match=says):
        read(tmp_path, options)


FLAGS = "header: false, names: [flow], first: 2026-01-05, fault_flags: [test/, label/], chunk_rows: 2"
HALVES = FLAGS + ', files: ["train/*", "test/*"], asset_pattern: "(train|test)/(?P<asset>.*)"'


def test_flags_may_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    """One a row, through the borders of chunks; files without the piece in their path are normal."""
    write(tmp_path, train__m1="1\n2\n", test__m1="3\n4\n5\n", label__m1="0\n1\n1\n")
    assert faults(read(tmp_path, HALVES)) == [("m1", at(3), at(4), "labelled")]


@pytest.mark.parametrize("label", ["0\n1\n", "0\n1\n0\n0\n"])
def test_more_or_fewer_flags_than_rows_are_refused(tmp_path: Path, label: str) -> None:
    """Nobody could say which flag belongs to which row."""
    write(tmp_path, train__m1="1\n", test__m1="3\n4\n5\n", label__m1=label)
    with pytest.raises(SourceError, match=rf"test/m1.csv has 3 rows, but m1.csv has {len(label) // 2} flags"):
        read(tmp_path, HALVES)


def test_a_missing_file_of_flags_is_refused(tmp_path: Path) -> None:
    """Not taken for a file without faults."""
    write(tmp_path, train__m1="1\n", test__m1="3\n")
    with pytest.raises(SourceError, match=r"flags of a file should be in .*label/m1.csv"):
        read(tmp_path, HALVES)


def test_what_options_make_up_is_said(tmp_path: Path) -> None:
    """Invented times and conventional faults are caveats; a clock and labels are none."""

    def caveats(options: str, more: str = "") -> tuple[str, ...]:
        plant = config.parse(PLANT % options + more, name="tiny", folder=tmp_path, where="tiny.yaml")
        return build(plant.source).caveats(plant)

    assert caveats("time_column: time, fault_column: fault") == ()
    clock, wear = caveats("first: 2026-01-05, fault_last_rows: 30, fault_kind: worn")
    assert "each reading counts as 1min after the one before it" in clock
    assert "'worn' is a convention, the last 30 readings" in wear
    assert "an earlier alarm counts as false" in wear
    granted = caveats("first: 2026-01-05, fault_last_rows: 30, fault_kind: worn", "\nlead: 1h\n")[1]
    assert "up to 1h earlier that stays on is right" in granted


def test_a_plant_in_a_folder_of_conf_has_the_folders_name_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder may be left out while the name is clear."""
    for name in ("mill", "sets/river", "sets/mill", "more/mine", "sets/mine"):
        path = tmp_path / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PLANT % f"first: 2026-01-05, fault_kind: {path.parent.name}")
    monkeypatch.chdir(tmp_path)
    assert list(config.plant_files()) == ["mill", "more/mine", "sets/mill", "sets/mine", "sets/river"]
    assert plants.load("sets/river") == plants.load("river")
    assert plants.load("mill").source.options["fault_kind"] == "conf"
    with pytest.raises(ConfigError, match="no plant named 'mine'"):
        plants.load("mine")
