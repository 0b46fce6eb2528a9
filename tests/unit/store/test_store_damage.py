"""A damaged store: reading refuses each damaged file and names it, and verify lists it."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.another_process import fresh
from wheeltapper.errors import StoreError
from wheeltapper.store import Store, files, upkeep, verify_all, writing
from wheeltapper.store.log import Log
from wheeltapper.tables import Column, Table

NOISE = Table(
    name="noise",
    key=("asset_id", "timestamp"),
    time="timestamp",
    more="number",
    columns=(Column("asset_id", "text", "the machine"), Column("timestamp", "time", "when")),
)


def noise(day: int, shift: float = 0.0) -> pd.DataFrame:
    """Two hundred minutes of noise of one asset."""
    chance = random.Random(day)
    times = pd.date_range(f"2026-01-{day:02}", periods=200, freq="min", tz="UTC")
    level = [chance.gauss(shift, 1) for _ in times]
    return pd.DataFrame({"asset_id": "a", "timestamp": times, "level": level})


@pytest.fixture
def plant(tmp_path: Path) -> Store:
    """Two days in three versions; Monday's first file belongs to older versions only."""
    plant = Store(tmp_path, "mill")
    plant.upsert(NOISE, noise(5), txn="1")
    plant.upsert(NOISE, noise(6), txn="2")
    plant.upsert(NOISE, noise(5).assign(level=1.0).iloc[:10], txn="3")
    return plant


def live_files(plant: Store) -> list[Path]:
    return [plant.folder / "noise" / path for path in sorted(Log(plant.folder / "noise").state().files)]


def entry(plant: Store, version: int) -> Path:
    return plant.folder / "noise" / "_delta_log" / f"{version:020d}.json"


def refuses(plant: Store, path: Path) -> None:
    """Reading names the file, verify lists it, and both also in the process that wrote it."""
    for view in (plant, fresh(plant)):
        with pytest.raises(StoreError) as caught:
            view.read(NOISE)
        assert path.name in str(caught.value)
        assert str(path) in [damage.path for damage in view.verify()]
    assert str(path) in [damage.path for damage in verify_all(plant.folder.parent)]


def flip(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    bit = chance.randrange(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def test_an_intact_store(plant: Store) -> None:
    """Without damage there is none: the other tests would prove nothing."""
    assert plant.verify() == verify_all(plant.folder.parent) == []
    assert fresh(plant).read(NOISE)["level"].head(11).tolist() == [1.0] * 10 + [noise(5)["level"][10]]
    assert len(live_files(plant)) == 2


def test_forty_flipped_bits_in_data(plant: Store) -> None:
    """Any single flipped bit of a data file is refused by the file's name; the intact file is read again."""
    chance = random.Random(40)
    before = plant.read(NOISE)
    for _ in range(40):
        path = chance.choice(live_files(plant))
        intact = path.read_bytes()
        flip(path, chance)
        with pytest.raises(StoreError, match=path.name):
            fresh(plant).read(NOISE)
        assert [damage.path for damage in fresh(plant).verify()] == [str(path)]
        path.write_bytes(intact)
    pd.testing.assert_frame_equal(fresh(plant).read(NOISE), before)


def test_flipped_bits_in_pages_are_seen_without_the_log(plant: Store) -> None:
    """Pages carry checksums of their own: other readers that ask for them see most flips, whatever the log says."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    chance = random.Random(3)
    data = live_files(plant)[0].read_bytes()
    truth = pq.read_table(pa.BufferReader(data))
    pages = len(data) - 8 - int.from_bytes(data[-8:-4], "little")  # a parquet file ends in footer, its length, PAR1
    silent = {True: 0, False: 0}
    for _ in range(60):
        bit = chance.randrange(8 * 4, 8 * pages)
        harmed = bytearray(data)
        harmed[bit // 8] ^= 1 << bit % 8
        for checked in silent:
            try:
                rows = pq.read_table(pa.BufferReader(bytes(harmed)), page_checksum_verification=checked)
                silent[checked] += not rows.equals(truth)
            except (OSError, pa.ArrowException):
                pass
    assert silent[True] <= 2, "page headers are not covered by their checksum"
    assert silent[False] >= 10, "without the checksums most flips would be numbers"


def test_flipped_bits_in_the_log(plant: Store) -> None:
    """A flipped bit in the log is refused by name or changes nothing that we read; in older entries always refused."""
    chance = random.Random(41)
    before = plant.read(NOISE)
    refused = 0
    for turn in range(90):
        path = entry(plant, turn % 3)
        intact = path.read_bytes()
        flip(path, chance)
        try:
            pd.testing.assert_frame_equal(fresh(plant).read(NOISE), before)
            assert turn % 3 == 2, "only the newest entry has none after it that knows its bytes"
        except StoreError as error:
            assert path.name in str(error)
            refused += 1
        path.write_bytes(intact)
    assert refused > 60


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zero_the_tail(path: Path) -> None:
    """What a power cut makes of a file whose length was stored and whose last block was not."""
    data = path.read_bytes()
    path.write_bytes(data[:-100] + bytes(100))


@pytest.mark.parametrize("harm", [truncate, empty, zero_the_tail, Path.unlink])
def test_harmed_data_file(plant: Store, harm: Callable[[Path], None]) -> None:
    """A truncated, emptied, half-stored or deleted data file is refused by name."""
    path = live_files(plant)[1]
    harm(path)
    refuses(plant, path)


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("harm", [truncate, empty, zero_the_tail])
def test_harmed_log_entry(plant: Store, harm: Callable[[Path], None], version: int) -> None:
    """An empty log entry is no empty commit, and a torn one is no end of the log: both are refused by name."""
    harm(entry(plant, version))
    refuses(plant, entry(plant, version))


def test_a_line_less_in_the_log(plant: Store) -> None:
    """An entry that lost a whole line is still valid JSON, and is refused."""
    path = entry(plant, 2)
    lines = path.read_text().splitlines(keepends=True)
    remaining = [line for line in lines if '"remove"' not in line]
    assert len(remaining) == len(lines) - 1
    path.write_text("".join(remaining))
    refuses(plant, path)


def test_the_newest_entry_may_be_given_up(plant: Store) -> None:
    """The advice of the message works: delete the empty newest entry, write the same again, and all is well."""
    digest = plant.digest(NOISE)
    empty(entry(plant, 2))
    with pytest.raises(StoreError, match=r"lost power, delete 00000000000000000002\.json"):
        fresh(plant).read(NOISE)
    entry(plant, 2).unlink()
    assert fresh(plant).upsert(NOISE, noise(5).assign(level=1.0).iloc[:10], txn="3").digest == digest
    assert plant.verify() == []


def test_a_hole_in_the_log(plant: Store) -> None:
    """A deleted entry in the middle or at the start is refused by name, never skipped."""
    for version in (0, 1):
        intact = entry(plant, version).read_bytes()
        entry(plant, version).unlink()
        refuses(plant, entry(plant, version))
        entry(plant, version).write_bytes(intact)
    assert plant.verify() == []


def test_a_log_that_lost_its_end(plant: Store) -> None:
    """Entries deleted at the end show by a data file of a later version, and a reference to it is refused."""
    ref = plant.ref(NOISE)
    entry(plant, 1).unlink()
    entry(plant, 2).unlink()
    assert [damage.path for damage in plant.verify()] == [str(entry(plant, 1))]
    with pytest.raises(StoreError, match="no version 2"):
        fresh(plant).read(NOISE, version=ref.version)
    with pytest.raises(StoreError, match="missing from the log"):
        plant.sweep()


def test_an_entry_swapped_for_another_stores(plant: Store, tmp_path: Path) -> None:
    """An entry from another history is valid in itself; the chain refuses it."""
    stranger = Store(tmp_path / "other", "mill")
    stranger.upsert(NOISE, noise(5, shift=9), txn="1")
    stranger.upsert(NOISE, noise(6), txn="2")
    entry(plant, 1).write_bytes(entry(stranger, 1).read_bytes())
    with pytest.raises(StoreError, match="one of them was changed"):
        fresh(plant).read(NOISE)
    assert plant.verify() != []


def test_damage_in_an_old_version(plant: Store) -> None:
    """A file that only older versions need stops reading those, not the newest; verify says which."""
    (old,) = set((plant.folder / "noise").rglob("*.parquet")) - set(live_files(plant))
    truncate(old)
    assert len(plant.read(NOISE)) == 400
    with pytest.raises(StoreError, match=old.name):
        plant.read(NOISE, version=1)
    (damage,) = plant.verify()
    assert "only versions up to 1" in damage.what


def test_a_write_on_a_damaged_table_is_refused(plant: Store) -> None:
    """A correction to a damaged day is refused too, and nothing is committed on a damaged log."""
    (monday,) = [path for path in live_files(plant) if "2026-01-05" in str(path)]
    truncate(monday)
    with pytest.raises(StoreError, match=monday.name):
        fresh(plant).upsert(NOISE, noise(5), txn="4")
    empty(entry(plant, 0))
    with pytest.raises(StoreError, match=entry(plant, 0).name):
        fresh(plant).upsert(NOISE, noise(9), txn="5")
    assert not entry(plant, 3).exists()


def test_another_program_wrote(plant: Store) -> None:
    """A commit without our record is refused: nobody can say what its files should be."""
    deltalake = pytest.importorskip("deltalake")
    deltalake.DeltaTable(plant.folder / "noise").delete("asset_id = 'a'")
    with pytest.raises(StoreError, match=r"00000000000000000003\.json carries no record"):
        fresh(plant).read(NOISE)


def test_strays_are_no_damage(plant: Store) -> None:
    """What a killed writer left is ignored by reads, listed, and swept; nothing else goes."""
    before = plant.read(NOISE)
    folder = plant.folder / "noise"
    strays = [
        folder / "period=2026-01-05" / "part-00003-0123456789abcdef.parquet",
        folder / "period=2026-01-05" / ".part-00003-0123456789abcdef.parquet.99.tmp",
        folder / "_delta_log" / f"{3:020d}.json#1",
    ]
    for path in strays:
        path.write_bytes(b"half")
    assert plant.verify() == []
    pd.testing.assert_frame_equal(fresh(plant).read(NOISE), before)
    assert plant.sweep() == sorted(strays)
    assert plant.strays() == plant.verify() == []
    assert plant.read(NOISE, version=0)["level"].tolist() == noise(5)["level"].tolist()


def test_checkpoints(plant: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged checkpoint is listed, harms no read, and cannot slip into a commit; deleting it heals."""
    monkeypatch.setattr(upkeep, "CHECKPOINT_EVERY", 3)
    plant.upsert(NOISE, noise(7), txn="4")
    log = plant.folder / "noise" / "_delta_log"
    (path,) = log.glob("*.checkpoint.parquet")
    assert plant.verify() == []
    before = plant.read(NOISE)
    intact = path.read_bytes()
    truncate(path)
    assert [damage.path for damage in plant.verify()] == [str(path)]
    pd.testing.assert_frame_equal(fresh(plant).read(NOISE), before)
    path.write_bytes(intact)
    stale = path.with_name(f"{9:020d}.checkpoint.parquet")
    path.rename(stale)
    damaged = [damage.path for damage in plant.verify()]
    assert damaged == [str(stale), str(log / "_last_checkpoint")]
    stale.unlink()
    (log / "_last_checkpoint").write_bytes(b"")
    assert [damage.path for damage in plant.verify()] == [str(log / "_last_checkpoint")]
    (log / "_last_checkpoint").unlink()
    assert plant.verify() == []
    assert plant.upsert(NOISE, noise(8), txn="5").version == 4


def test_a_checkpoint_that_lies_stops_commits(plant: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delta trusts checkpoints; a valid one with another table's files is noticed before anything is committed."""
    monkeypatch.setattr(upkeep, "CHECKPOINT_EVERY", 2)
    stranger = Store(plant.folder.parent, "other")
    for day in (5, 6, 7):
        stranger.upsert(NOISE, noise(day, shift=9), txn=str(day))
    name = f"{2:020d}.checkpoint.parquet"
    log = entry(plant, 2).parent
    (log / name).write_bytes((entry(stranger, 2).parent / name).read_bytes())
    (log / "_last_checkpoint").write_bytes((entry(stranger, 2).parent / "_last_checkpoint").read_bytes())
    assert [damage.path for damage in plant.verify()] == [str(log / name)]
    with pytest.raises(StoreError, match="checkpoint"):
        fresh(plant).upsert(NOISE, noise(8), txn="4")
    assert not entry(plant, 3).exists()


@contextmanager
def little_space(limit: int) -> Iterator[None]:
    """No file may grow beyond this many bytes: what a full disk looks like to a writer."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_while_writing_data(plant: Store) -> None:
    """No space for the data file: the error names it, nothing is left behind, and it works once there is space."""
    before = plant.ref(NOISE)
    with little_space(1000), pytest.raises(StoreError, match=r"period=2026-01-07.*could not be written"):
        plant.upsert(NOISE, noise(7), txn="4")
    assert plant.ref(NOISE) == before
    assert plant.strays() == plant.verify() == []
    assert plant.upsert(NOISE, noise(7), txn="4").version == 3


def test_a_full_disk_while_committing(plant: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space for the log entry: a clean error, the old version stays, and it works once there is space."""
    before = plant.ref(NOISE)
    commit = writing.commit

    def cramped(*args: Any) -> Any:
        with little_space(300):
            return commit(*args)

    monkeypatch.setattr(writing, "commit", cramped)
    with pytest.raises(StoreError, match="Delta refused version 3"):
        plant.upsert(NOISE, noise(7), txn="4")
    monkeypatch.undo()
    assert plant.ref(NOISE) == before
    assert plant.verify() == []
    assert plant.upsert(NOISE, noise(7), txn="4").version == 3
    plant.sweep()
    assert plant.strays() == plant.verify() == []


def test_row_counts_are_checked(plant: Store) -> None:
    """Verify compares rows with the log even where bytes and SHA-256 agree."""
    file = next(iter(Log(plant.folder / "noise").state().files.values()))
    wrong = files.File(**{**file.as_dict(), "rows": file.rows + 1})
    assert "rows" in str(files.damage(plant.folder / "noise", wrong))
    assert files.damage(plant.folder / "noise", file) is None
