"""The store: what a write does, what a read returns, and that killed and racing writers change nothing about it."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from wheeltapper import faultpoints
from wheeltapper.errors import ConfigError, DataError, StoreError
from wheeltapper.store import KeyExistsError, Ref, Staged, Store, compaction, locking, verify_all, writing
from wheeltapper.store.log import Log
from wheeltapper.tables import Column, Table

LEVELS = Table(
    name="levels",
    key=("asset_id", "timestamp"),
    time="timestamp",
    more="number",
    volatile=("seen",),
    columns=(
        Column("asset_id", "text", "the machine"),
        Column("timestamp", "time", "when"),
        Column("note", "text", "a remark", optional=True),
        Column("seen", "time", "when it was stored"),
    ),
)
NOTES = Table(
    name="notes",
    key=("number",),
    columns=(Column("number", "count", "0, 1, …"), Column("good", "flag", "whether it is"), Column("x", "number", "")),
)
SEEN = pd.Timestamp("2026-02-01T00:00:00Z")
MONDAY, TUESDAY = "2026-01-05T10:00:00Z", "2026-01-06T10:00:00Z"


def levels(*rows: tuple[str, str, float], note: str | None = None, seen: pd.Timestamp = SEEN) -> pd.DataFrame:
    """Rows of asset, time and level."""
    frame = pd.DataFrame(rows, columns=["asset_id", "timestamp", "level"])
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True).astype("datetime64[us, UTC]")
    return frame.assign(note=pd.Series([note] * len(frame), dtype="str"), seen=seen)


def notes(**values: float) -> pd.DataFrame:
    """Notes n0=1.5, n3=2.0 …"""
    numbers = [int(name[1:]) for name in values]
    return pd.DataFrame({"number": numbers, "good": True, "x": list(values.values())})


def facts(frame: pd.DataFrame) -> list[tuple[str, str, float]]:
    """What `levels` was given."""
    times = frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return list(zip(frame["asset_id"], times, frame["level"], strict=True))


@pytest.fixture
def plant(tmp_path: Path) -> Store:
    return Store(tmp_path, "mill")


def data_files(plant: Store, table: Table = LEVELS) -> list[Path]:
    return sorted((plant.folder / table.name).rglob("*.parquet"))


# What a write does


def test_upsert_adds_replaces_and_leaves(plant: Store) -> None:
    """A new key is added, a changed row replaced, an identical one left, and the others stay."""
    plant.upsert(LEVELS, levels(("a", MONDAY, 1), ("b", MONDAY, 2), ("a", TUESDAY, 3)), txn="1")
    ref = plant.upsert(LEVELS, levels(("b", MONDAY, 20), ("a", TUESDAY, 3), ("c", TUESDAY, 4)), txn="2")
    assert ref.version == 1
    assert facts(plant.read(LEVELS)) == [("a", MONDAY, 1), ("a", TUESDAY, 3), ("b", MONDAY, 20), ("c", TUESDAY, 4)]


def test_upsert_of_known_rows_writes_nothing(plant: Store) -> None:
    """Rows that differ only in volatile columns are the same rows: no commit, no file, the old 'seen' stays."""
    first = plant.upsert(LEVELS, levels(("a", MONDAY, 1), ("a", TUESDAY, float("nan"))), txn="1")
    files = data_files(plant)
    later = levels(("a", MONDAY, 1), ("a", TUESDAY, float("nan")), seen=SEEN + pd.Timedelta("1D"))
    assert plant.upsert(LEVELS, later, txn="2") == first
    assert data_files(plant) == files
    assert (plant.read(LEVELS)["seen"] == SEEN).all()


def test_missing_and_present_differ(plant: Store) -> None:
    """A value that appears, a value that goes missing and a text that appears are all changes."""
    plant.upsert(LEVELS, levels(("a", MONDAY, float("nan")), ("b", MONDAY, 1)), txn="1")
    plant.upsert(LEVELS, levels(("a", MONDAY, 5), ("b", MONDAY, float("nan"))), txn="2")
    read = plant.read(LEVELS)
    assert read["level"].tolist()[0] == 5
    assert pd.isna(read["level"].iloc[1])
    assert plant.upsert(LEVELS, levels(("a", MONDAY, 5), note="leak"), txn="3").version == 2
    assert plant.read(LEVELS)["note"].fillna("-").tolist() == ["leak", "-"]


def test_upsert_drops_keys(plant: Store) -> None:
    """Dropped keys go unless the same write brings them; a key that is not there does not matter."""
    plant.upsert(LEVELS, levels(("a", MONDAY, 1), ("b", MONDAY, 2), ("c", TUESDAY, 3)), txn="1")
    drop = levels(("a", MONDAY, 0), ("b", MONDAY, 0), ("z", MONDAY, 0), ("c", TUESDAY, 0))
    plant.upsert(LEVELS, levels(("b", MONDAY, 2)), txn="2", drop=drop)
    assert facts(plant.read(LEVELS)) == [("b", MONDAY, 2)]
    assert plant.upsert(LEVELS, levels(), txn="3", drop=drop.iloc[:1]).version == 1
    plant.upsert(LEVELS, levels(), txn="4", drop=drop)
    assert plant.read(LEVELS).empty
    assert plant.verify() == []


def test_only_touched_periods_are_rewritten(plant: Store) -> None:
    """A correction on Tuesday leaves Monday's file as it is, name and all."""
    plant.upsert(LEVELS, levels(("a", MONDAY, 1), ("a", TUESDAY, 2)), txn="1")
    monday = [path for path in data_files(plant) if "2026-01-05" in str(path)]
    before = [path.stat().st_mtime_ns for path in monday]
    plant.upsert(LEVELS, levels(("a", TUESDAY, 9)), txn="2")
    assert [path for path in data_files(plant) if "2026-01-05" in str(path)] == monday
    assert [path.stat().st_mtime_ns for path in monday] == before
    assert len([path for path in data_files(plant) if "2026-01-06" in str(path)]) == 2


def test_late_rows_and_many_batches(plant: Store) -> None:
    """Forty batches in shuffled order end as forty rows in order, folded into few live files."""
    order = list(range(40))
    random.Random(1).shuffle(order)
    for minute in order:
        plant.upsert(LEVELS, levels(("a", f"2026-01-05T10:{minute:02}:00Z", minute)), txn=f"m{minute}")
    assert plant.read(LEVELS)["level"].tolist() == list(range(40))
    assert len(Log(plant.folder / LEVELS.name).state().files) <= 3 * compaction.MERGED


def test_a_txn_counts_once(plant: Store) -> None:
    """The same name a second time is skipped, even after other writes and from another process' view."""
    plant.upsert(NOTES, notes(n0=1), txn="1")
    plant.upsert(NOTES, notes(n0=2), txn="2")
    again = Store(plant.folder.parent, "mill").upsert(NOTES, notes(n0=1), txn="1")
    assert again.version == 1
    assert plant.read(NOTES)["x"].tolist() == [2]


def test_a_txn_may_be_any_text(plant: Store) -> None:
    """Quotes, line separators and letters of any language in a name do not disturb the log."""
    name = 'day "1"\u2028é\n\\'
    plant.upsert(NOTES, notes(n0=1), txn=name)
    assert plant.upsert(NOTES, notes(n0=2), txn=name).version == 0
    assert plant.verify() == []


def test_append_refuses_a_known_key(plant: Store) -> None:
    """Append adds new keys and refuses a key that is there, writing nothing."""
    plant.append(NOTES, notes(n0=1), txn="1")
    plant.append(NOTES, notes(n1=1), txn="2")
    with pytest.raises(KeyExistsError, match="1 of the rows"):
        plant.append(NOTES, notes(n1=1, n2=1), txn="3")
    assert plant.read(NOTES)["number"].tolist() == [0, 1]


def test_overwrite_changes_columns(plant: Store) -> None:
    """Overwrite puts other rows and columns in place; the old version stays readable with its own columns."""
    plant.upsert(LEVELS, levels(("a", MONDAY, 1), ("b", TUESDAY, 2)), txn="1")
    flows = levels(("a", MONDAY, 7)).rename(columns={"level": "flow"})
    assert plant.overwrite(LEVELS, flows, txn="2").version == 1
    assert plant.read(LEVELS)["flow"].tolist() == [7]
    assert facts(plant.read(LEVELS, version=0)) == [("a", MONDAY, 1), ("b", TUESDAY, 2)]
    assert plant.overwrite(LEVELS, flows.assign(seen=SEEN + pd.Timedelta("1h")), txn="3").version == 1
    assert plant.verify() == []


def test_overwrite_to_nothing(plant: Store) -> None:
    """A table can be emptied; new columns count as a change even where there are no rows."""
    plant.overwrite(NOTES, notes(n0=1), txn="1")
    assert plant.overwrite(NOTES, notes(), txn="2").version == 1
    assert plant.read(NOTES).empty
    plant.overwrite(LEVELS, levels().rename(columns={"level": "flow"}), txn="1")
    plant.overwrite(LEVELS, levels(), txn="2")
    assert "level" in plant.read(LEVELS)


def test_other_columns_are_refused(plant: Store) -> None:
    """Rows with another sensor are refused with the way out; the same sensors in another order are fine."""
    plant.upsert(LEVELS, levels(("a", MONDAY, 1)).assign(flow=2.0), txn="1")
    with pytest.raises(StoreError, match=r"lack \['flow'\] and bring \['temp'\].*overwrite"):
        plant.upsert(LEVELS, levels(("a", TUESDAY, 1)).assign(temp=2.0), txn="2")
    frame = levels(("a", TUESDAY, 3)).assign(flow=4.0)
    plant.upsert(LEVELS, frame[["flow", *frame.columns.drop("flow")]], txn="3")
    assert plant.read(LEVELS)[["level", "flow"]].to_numpy().tolist() == [[1, 2], [3, 4]]


def test_a_bad_frame_is_refused_before_anything_is_written(plant: Store) -> None:
    """Repeated keys, the store's own column name and a half key to drop are refused."""
    with pytest.raises(DataError, match="repeat the key"):
        plant.upsert(LEVELS, levels(("a", MONDAY, 1), ("a", MONDAY, 2)), txn="1")
    with pytest.raises(StoreError, match="period"):
        plant.upsert(LEVELS, levels(("a", MONDAY, 1)).assign(period=1.0), txn="1")
    with pytest.raises(DataError, match="timestamp"):
        plant.upsert(LEVELS, levels(), txn="1", drop=pd.DataFrame({"asset_id": ["a"]}))
    assert plant.version(LEVELS) is None


# What a read returns


def test_a_table_that_is_not_there(plant: Store) -> None:
    """Before the first write there is an empty frame with exact dtypes, no version, and nothing on the disk."""
    read = plant.read(NOTES)
    assert read.dtypes.astype(str).to_dict() == {"number": "int64", "good": "bool", "x": "float64"}
    assert plant.version(NOTES) is None
    assert plant.ref(NOTES).version == -1
    plant.upsert(NOTES, notes(), txn="1")
    assert plant.version(NOTES) is None
    assert plant.verify() == []


def test_read_returns_the_promised_dtypes(plant: Store) -> None:
    """Times are UTC microseconds, text is str, missing text stays missing; no period column appears."""
    plant.upsert(LEVELS, levels(("b", TUESDAY, 1), ("a", MONDAY, 2)), txn="1")
    for version in (None, -1):
        read = plant.read(LEVELS, version=version, columns=["asset_id", "timestamp", "note", "seen"])
        assert read.dtypes.astype(str).tolist() == ["str", "datetime64[us, UTC]", "str", "datetime64[us, UTC]"]
    assert list(plant.read(LEVELS)) == ["asset_id", "timestamp", "note", "seen", "level"]
    assert plant.read(LEVELS)["note"].isna().all()
    plant.overwrite(LEVELS, levels(), txn="2")
    assert plant.read(LEVELS)["timestamp"].dtype == "datetime64[us, UTC]"


def test_read_selects(plant: Store) -> None:
    """Start counts, end does not; assets and columns select; sorting needs no asked column."""
    plant.upsert(LEVELS, levels(("b", MONDAY, 1), ("a", MONDAY, 2), ("a", TUESDAY, 3)), txn="1")
    monday, tuesday = datetime(2026, 1, 5, 10, tzinfo=UTC), datetime(2026, 1, 6, 10, tzinfo=UTC)
    assert plant.read(LEVELS, start=monday, end=tuesday)["level"].tolist() == [2, 1]
    assert plant.read(LEVELS, start=tuesday)["level"].tolist() == [3]
    assert plant.read(LEVELS, end=monday).empty
    assert plant.read(LEVELS, assets=["b", "nobody"])["level"].tolist() == [1]
    only = plant.read(LEVELS, columns=["level"], assets=["a"])
    assert only.columns.tolist() == ["level"]
    assert only["level"].tolist() == [2, 3]


def test_read_refuses_what_is_not_there(plant: Store) -> None:
    """Unknown columns and versions, times without a zone and tables without a time are refused by name."""
    plant.upsert(LEVELS, levels(("b", MONDAY, 1)), txn="1")
    with pytest.raises(StoreError, match="Did you mean 'level'"):
        plant.read(LEVELS, columns=["levl"])
    with pytest.raises(StoreError, match="no version 1"):
        plant.read(LEVELS, version=1)
    with pytest.raises(StoreError, match="time zone"):
        plant.read(LEVELS, start=datetime(2026, 1, 5))
    with pytest.raises(StoreError, match="no time"):
        plant.read(NOTES, start=datetime(2026, 1, 5, tzinfo=UTC))
    with pytest.raises(StoreError, match="asset_id"):
        plant.read(NOTES, assets=["a"])


def test_time_travel(plant: Store) -> None:
    """Every version stays as it was, rows and digest."""
    refs = [plant.upsert(NOTES, notes(n0=x), txn=str(x)) for x in (1.0, 2.0, 3.0)]
    assert [ref.version for ref in refs] == [0, 1, 2]
    assert [plant.read(NOTES, version=ref.version)["x"].tolist() for ref in refs] == [[1], [2], [3]]
    assert [plant.digest(NOTES, ref.version) for ref in refs] == [ref.digest for ref in refs]
    assert len({ref.digest for ref in refs}) == 3
    assert plant.read(NOTES, version=-1).empty


def test_a_ref_survives_json(plant: Store) -> None:
    """A reference comes back from JSON as it went."""
    ref = plant.upsert(NOTES, notes(n0=1), txn="1")
    assert Ref.from_dict(json.loads(json.dumps(ref.as_dict()))) == ref == plant.ref(NOTES)


def test_periods(tmp_path: Path) -> None:
    """Days or months, in UTC; a table that exists keeps its own kind."""
    late = levels(("a", "2026-01-31T23:30:00Z", 1))
    late["timestamp"] = late["timestamp"].dt.tz_convert("Europe/Berlin")  # the first of February there
    Store(tmp_path, "fast", period="day").upsert(LEVELS, late, txn="1")
    Store(tmp_path, "slow", period="month").upsert(LEVELS, late, txn="1")
    Store(tmp_path, "slow", period="day").upsert(LEVELS, levels(("a", "2026-02-03T00:00:00Z", 1)), txn="2")
    folders = sorted(str(p.parent.relative_to(tmp_path)) for p in tmp_path.rglob("*.parquet"))
    assert folders == [
        "fast/levels/period=2026-01-31",
        "slow/levels/period=2026-01",
        "slow/levels/period=2026-02",
    ]


# The digest


def test_digest_knows_content_only(tmp_path: Path) -> None:
    """Order, batches, files, periods, volatile columns and the sign of zero are no content."""
    rows = [("a", MONDAY, 1.0), ("b", MONDAY, 0.0), ("a", TUESDAY, float("nan"))]
    at_once, piecewise = Store(tmp_path, "x"), Store(tmp_path, "y", period="month")
    at_once.upsert(LEVELS, levels(*rows).assign(flow=5.0), txn="1")
    piecewise.upsert(LEVELS, levels(("a", TUESDAY, 99.0)).assign(flow=5.0), txn="wrong")
    for number, (asset, time, level) in enumerate(reversed(rows)):
        frame = levels((asset, time, -level), seen=SEEN + pd.Timedelta("1D")).assign(flow=5.0)
        piecewise.upsert(LEVELS, frame.assign(level=level or -0.0), txn=str(number))
    assert at_once.digest(LEVELS) == piecewise.digest(LEVELS)


@pytest.mark.parametrize(
    "changed",
    [
        levels(("a", MONDAY, 1), ("b", MONDAY, 3)),
        levels(("a", MONDAY, 2), ("b", MONDAY, 1)),
        levels(("a", MONDAY, 1)),
        levels(("a", MONDAY, 1), ("c", MONDAY, 2)),
        levels(("a", MONDAY, 1), ("b", TUESDAY, 2)),
        levels(("a", MONDAY, 1), ("b", MONDAY, 2), note=""),
        levels(("a", MONDAY, 1), ("b", MONDAY, 2)).rename(columns={"level": "flow"}),
        levels(("a", MONDAY, 1), ("b", MONDAY, float("inf"))),
    ],
    ids=["value", "swapped", "fewer", "asset", "time", "empty text is not missing text", "column", "infinite"],
)
def test_digest_tells_content_apart(tmp_path: Path, changed: pd.DataFrame) -> None:
    """Any other fact gives another digest."""
    first, second = Store(tmp_path, "x"), Store(tmp_path, "y")
    first.upsert(LEVELS, levels(("a", MONDAY, 1), ("b", MONDAY, 2)), txn="1")
    second.upsert(LEVELS, changed, txn="1")
    assert first.digest(LEVELS) != second.digest(LEVELS)


def test_digest_of_this_release(plant: Store) -> None:
    """The digest of fixed rows is fixed: references written down by an earlier release stay comparable."""
    plant.upsert(LEVELS, levels(("a", MONDAY, 1.5), ("b", TUESDAY, 2.5), note="é"), txn="1")
    assert plant.digest(LEVELS) == "3eda4505a631bf8bac3a63c3bcc93946d1d99915dac77694705bbb9043143b64"


# Killed, racing and unlucky writers

WRITER = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[3])]!r}
from contextlib import nullcontext
from test_store import write_batches
from wheeltapper.store import Store, writing
if sys.argv[3] == "no-lock":
    writing.locked = lambda folder: nullcontext()
    writing.ATTEMPTS = 200
print("ready", flush=True)
sys.stdin.readline()
write_batches(Store(sys.argv[1], "mill"), sys.argv[2], announce=lambda batch: print(batch, flush=True))
sys.stdin.readline()
"""


def write_batches(plant: Store, asset: str, announce: Callable[[int], None] = lambda batch: None) -> None:
    """Eight batches of two assets on two days."""
    for batch in range(8):
        announce(batch)
        rows = [(f"{asset}{n}", f"2026-01-0{1 + day}T{batch:02}:00:00Z", batch) for n in (1, 2) for day in (0, 1)]
        plant.upsert(LEVELS, levels(*rows), txn=f"{asset}-{batch}")


def start_writer(root: Path, asset: str = "a", mode: str = "lock", fault: str = "") -> "subprocess.Popen[str]":
    """Start a process that writes eight batches as soon as it gets a line of input."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), asset, mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "WHEELTAPPER_FAULT": fault},
    )
    assert writer.stdout
    assert writer.stdout.readline() == "ready\n"
    return writer


def go(writer: "subprocess.Popen[str]") -> None:
    assert writer.stdin
    writer.stdin.write("go\n")
    writer.stdin.flush()


def finish(writer: "subprocess.Popen[str]") -> int:
    writer.communicate(timeout=120)
    return writer.returncode


def undisturbed(root: Path, *assets: str) -> str:
    """Digest of the same batches written in peace."""
    plant = Store(root, "peace")
    for asset in assets:
        write_batches(plant, asset)
    return plant.digest(LEVELS)


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Six kills at random moments, then one run to the end: each batch is there once, as if nothing had happened."""
    chance = random.Random(7)
    for lap in range(6):
        writer = start_writer(tmp_path)
        go(writer)
        assert writer.stdout
        for _ in range(1 + lap + chance.randint(0, 1)):
            writer.stdout.readline()
        writer.kill()  # just after a batch was begun: wherever in it that may be
        assert finish(writer) < 0
    plant = Store(tmp_path, "mill")
    write_batches(plant, "a")
    assert len(plant.read(LEVELS)) == 8 * 4
    assert plant.digest(LEVELS) == undisturbed(tmp_path, "a")
    assert plant.version(LEVELS) == 7, "each batch was committed once"
    plant.sweep()
    assert verify_all(tmp_path) == []


@pytest.mark.parametrize("point", ["before_data", "after_data", "before_commit", "after_commit"])
def test_killed_at_every_step(tmp_path: Path, point: str) -> None:
    """A kill at each step of a write, then the same write again: the same content, and strays can be swept."""
    writer = start_writer(tmp_path, fault=f"store.{point}:3:kill")
    go(writer)
    assert finish(writer) < 0
    plant = Store(tmp_path, "mill")
    assert plant.verify() == []
    assert len(plant.read(LEVELS)) % 4 == 0
    write_batches(plant, "a")
    assert plant.digest(LEVELS) == undisturbed(tmp_path, "a")
    assert plant.strays() == [], "a writer that comes again writes over its own stray files"


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["lock", "no-lock"])
def test_two_racing_processes(tmp_path: Path, mode: str) -> None:
    """Two writers in the same periods at once lose nothing, with the lock and by Delta's own commit alone."""
    writers = [start_writer(tmp_path, asset, mode) for asset in "ab"]
    for writer in writers:
        go(writer)
    assert [finish(writer) for writer in writers] == [0, 0]
    plant = Store(tmp_path, "mill")
    assert plant.version(LEVELS) == 15
    assert plant.digest(LEVELS) == undisturbed(tmp_path, "a", "b")
    assert plant.verify() == []


def test_a_racer_that_never_pauses(plant: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that loses every race gives up with a message and has changed nothing of its own."""
    rival = Store(plant.folder.parent, "mill")
    monkeypatch.setattr(writing, "locked", lambda folder: nullcontext())
    monkeypatch.setattr(writing, "ATTEMPTS", 3)
    count = iter(range(100))
    commit = writing.commit

    def beaten(*args: object) -> object:
        with monkeypatch.context() as pause:
            pause.setattr(writing, "commit", commit)
            rival.upsert(NOTES, notes(n1=float(next(count))), txn=f"rival {next(count)}")
        return commit(*args)

    monkeypatch.setattr(writing, "commit", beaten)
    with pytest.raises(StoreError, match="3 times in a row"):
        plant.upsert(NOTES, notes(n0=1), txn="mine")
    assert plant.read(NOTES)["number"].tolist() == [1]
    assert len(plant.strays()) == 3
    assert len(plant.sweep()) == 3
    assert plant.strays() == plant.verify() == []


def test_a_writer_waits_for_the_lock(plant: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error after too long a wait names the table and the lock."""
    monkeypatch.setattr(locking, "LOCK_SECONDS", 0.01)
    with locking.locked(plant.folder / "notes"), pytest.raises(StoreError, match=r"notes.*\.lock"):
        Store(plant.folder.parent, "mill").upsert(NOTES, notes(n0=1), txn="1")


def test_everything_is_synced_in_order(plant: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data and its folder reach the disk before the entry exists; the entry and its folder before the write returns."""
    plant.upsert(LEVELS, levels(("a", MONDAY, 1)), txn="1")
    log = plant.folder / "levels" / "_delta_log"
    entry = log / f"{1:020d}.json"
    synced: list[tuple[int, bool, int]] = []
    real = os.fsync

    def watch(handle: int) -> None:
        size = os.fstat(handle).st_size
        synced.append((os.fstat(handle).st_ino, entry.exists(), size))
        real(handle)

    old = set(data_files(plant))
    monkeypatch.setattr(os, "fsync", watch)
    plant.upsert(LEVELS, levels(("a", TUESDAY, 1)), txn="2")
    (data,) = set(data_files(plant)) - old
    inodes = [inode for inode, _, _ in synced]
    places = [data, data.parent, entry, log]
    order = [len(inodes) - 1 - inodes[::-1].index(path.stat().st_ino) for path in places]
    assert order == sorted(order)
    assert [synced[place][1] for place in order] == [False, False, True, True]
    assert synced[order[0]][2] == data.stat().st_size, "synced when it was whole"
    assert data.parent.parent.stat().st_ino in inodes, "the period's folder is new, so its parent is synced too"


def test_a_failed_write_leaves_the_table_alone(plant: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in the middle of a write leaves the old version, and the same write works afterwards."""
    plant.upsert(NOTES, notes(n0=1), txn="1")
    monkeypatch.setenv("WHEELTAPPER_FAULT", "store.before_commit:1:raise")
    with pytest.raises(faultpoints.InjectedFaultError, match=r"store\.before_commit"):
        plant.upsert(NOTES, notes(n0=2), txn="2")
    assert plant.read(NOTES)["x"].tolist() == [1]
    assert plant.upsert(NOTES, notes(n0=2), txn="2").version == 1
    assert plant.read(NOTES)["x"].tolist() == [2]


@pytest.mark.parametrize("order", ["store.after_data", "a:0:kill", "a:1:explode", ":1:kill", "a:x:raise"])
def test_a_fault_order_must_make_sense(monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    """A mistyped order is refused: a test that injects nothing would prove nothing."""
    monkeypatch.setenv("WHEELTAPPER_FAULT", order)
    with pytest.raises(ConfigError, match="point:nth:kill"):
        faultpoints.hit("a")


def test_fault_points_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the named point at the asked time fails."""
    monkeypatch.setenv("WHEELTAPPER_FAULT", "here:2:raise")
    faultpoints.hit("here")
    faultpoints.hit("elsewhere")
    with pytest.raises(faultpoints.InjectedFaultError):
        faultpoints.hit("here")
    faultpoints.hit("here")


def test_a_remote_store_is_refused() -> None:
    """An object store has no fsync and no lock of ours; it is refused rather than half supported."""
    with pytest.raises(StoreError, match="local disk"):
        Store("s3://bucket/store", "mill")


def test_other_programs_can_read(plant: Store) -> None:
    """Delta's own reader sees the same rows, and the period as a column."""
    deltalake = pytest.importorskip("deltalake")
    plant.upsert(LEVELS, levels(("a", MONDAY, 1), ("b", TUESDAY, 2)), txn="1")
    plant.upsert(LEVELS, levels(("a", MONDAY, 5)), txn="2")
    rows = deltalake.DeltaTable(plant.folder / "levels").to_pandas().sort_values("asset_id")
    assert rows["level"].tolist() == [5, 2]
    assert rows["period"].tolist() == ["2026-01-05", "2026-01-06"]


# Rows that are staged before they count


def test_staged_rows_count_only_once_they_replace(plant: Store) -> None:
    """Two parts lie on the disk and the table is as it was; then both are the table, in one version."""
    plant.upsert(LEVELS, levels(("old", MONDAY, 9)), txn="1")
    parts = [plant.stage(LEVELS, levels(("a", MONDAY, 1))), plant.stage(LEVELS, levels(("b", MONDAY, 2)))]
    assert facts(plant.read(LEVELS)) == [("old", MONDAY, 9)]
    parts = [Staged.from_dict(json.loads(json.dumps(part.as_dict()))) for part in parts]
    ref = plant.replace(LEVELS, parts, txn="2", made_from={"notes": 7})
    assert ref.version == 1
    assert facts(plant.read(LEVELS)) == [("a", MONDAY, 1), ("b", MONDAY, 2)]
    assert plant.made_from(LEVELS) == {"notes": 7}
    assert plant.verify() == []


def test_staged_rows_that_are_there_already_leave_nothing(plant: Store) -> None:
    """The same rows, cut otherwise, are no new version, and their files are gone."""
    before = plant.upsert(LEVELS, levels(("a", MONDAY, 1), ("b", MONDAY, 2)), txn="1")
    parts = [plant.stage(LEVELS, levels(("a", MONDAY, 1))), plant.stage(LEVELS, levels(("b", MONDAY, 2)))]
    assert plant.replace(LEVELS, parts, txn="2") == before
    assert plant.strays() == []


def test_a_staged_file_that_is_gone_is_missed(plant: Store) -> None:
    """Somebody swept between staging and replacing: the message says what to do, and the table is as it was."""
    plant.upsert(LEVELS, levels(("old", MONDAY, 9)), txn="1")
    part = plant.stage(LEVELS, levels(("a", MONDAY, 1)))
    plant.sweep()
    with pytest.raises(StoreError, match=r"is missing; \d+ bytes were written. Run the same step again"):
        plant.replace(LEVELS, [part], txn="2")
    assert facts(plant.read(LEVELS)) == [("old", MONDAY, 9)]


def test_parts_of_two_plans_do_not_mix(plant: Store) -> None:
    """One part has a column that the other lacks."""
    narrow = plant.stage(LEVELS, levels(("a", MONDAY, 1)))
    wide = plant.stage(LEVELS, levels(("b", MONDAY, 1)).assign(power=2.0))
    with pytest.raises(StoreError, match="different columns"):
        plant.replace(LEVELS, [narrow, wide], txn="1")


def test_the_time_span_of_changes_since_a_version(plant: Store) -> None:
    """Tuesday's rows came after version 0: from Tuesday to Tuesday. Since the newest version nothing changed."""
    plant.upsert(LEVELS, levels(("a", MONDAY, 1)), txn="1")
    plant.upsert(LEVELS, levels(("a", TUESDAY, 1), ("b", TUESDAY, 2)), txn="2")
    tuesday = datetime.fromisoformat(TUESDAY)
    assert plant.changed(LEVELS, 0) == (tuesday, tuesday)
    assert plant.changed(LEVELS, 1) is None
    assert plant.changed(LEVELS, -1) == (datetime.fromisoformat(MONDAY), tuesday)
    assert [rows for _, _, rows in plant.sizes(LEVELS)] == [1, 2]
