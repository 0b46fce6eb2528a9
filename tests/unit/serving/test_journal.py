"""The journal: what is acknowledged is there after any crash, in order, once; what is torn or damaged is never read."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from concurrent.futures import wait
from pathlib import Path

import pytest

from wheeltapper.errors import JournalError
from wheeltapper.serving import journal
from wheeltapper.serving.journal import Journal, entries, forget


def contents(folder: Path, after: int = 0) -> list[tuple[int, bytes]]:
    """Number and content of each entry."""
    return [(entry.number, entry.content) for entry in entries(folder, after)]


def write(folder: Path, first: int, last: int) -> None:
    """Write numbers, one an entry, and close."""
    written = Journal(folder)
    for number in range(first, last + 1):
        assert written.append(b"%d" % number).result(timeout=5) == number
    written.close()


def test_entries_come_back_in_order_and_go_on_after_a_restart(tmp_path: Path) -> None:
    """From any number on; another process may read while one writes."""
    write(tmp_path, 1, 3)
    write(tmp_path, 4, 5)
    assert contents(tmp_path) == [(n, b"%d" % n) for n in range(1, 6)]
    assert contents(tmp_path, 3) == [(4, b"4"), (5, b"5")]
    assert contents(tmp_path, 5) == []
    open_one = Journal(tmp_path)
    assert open_one.newest == 5
    open_one.append(b"6").result(timeout=5)
    assert contents(tmp_path, 5) == [(6, b"6")]
    open_one.close()


def test_entries_of_many_writers_are_numbered_as_they_lie(tmp_path: Path) -> None:
    """A thousand at once; each future has the number under which its entry is found."""
    written = Journal(tmp_path)
    futures = [written.append(b"%d" % n) for n in range(1000)]
    wait(futures, timeout=20)
    found = dict(contents(tmp_path))
    assert [found[future.result()] for future in futures] == [b"%d" % n for n in range(1000)]
    written.close()


@pytest.mark.parametrize("cut", [1, 5, 9, 11])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, cut: int) -> None:
    """Nobody was told that it is safe; what comes then takes its number."""
    write(tmp_path, 1, 3)
    (file,) = tmp_path.glob("*.journal")
    whole = file.read_bytes()
    with file.open("ab") as stream:
        stream.write(b"0a1b2c3d torn entry\n"[:cut])
    assert len(contents(tmp_path)) == 3
    write(tmp_path, 4, 4)
    assert file.read_bytes()[: len(whole)] == whole
    assert contents(tmp_path) == [(n, b"%d" % n) for n in range(1, 5)]


def test_a_damaged_entry_is_named(tmp_path: Path) -> None:
    """A changed byte before the last line is no torn write."""
    write(tmp_path, 1, 3)
    (file,) = tmp_path.glob("*.journal")
    file.write_bytes(file.read_bytes().replace(b" 2\n", b" 7\n"))
    with pytest.raises(JournalError, match=r"journal is damaged in line 2"):
        contents(tmp_path)
    with pytest.raises(JournalError, match=r"damaged in line 2"):
        Journal(tmp_path)


def test_files_go_when_all_that_they_hold_is_in_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never the newest one; entries that are gone are asked for in vain."""
    monkeypatch.setattr(journal, "FILE_BYTES", 30)
    write(tmp_path, 1, 9)
    before = sorted(tmp_path.glob("*.journal"))
    assert len(before) >= 3
    forget(tmp_path, 5)
    assert contents(tmp_path, 5) == [(n, b"%d" % n) for n in range(6, 10)]
    forget(tmp_path, 9)
    assert sorted(tmp_path.glob("*.journal")) == before[-1:]
    with pytest.raises(JournalError, match=r"entries 1 to \d+ .* are missing"):
        contents(tmp_path)
    write(tmp_path, 10, 10)
    assert contents(tmp_path, 9) == [(10, b"10")]


def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says so; what was half written is taken back, and the next entry follows the last one that was kept."""
    written = Journal(tmp_path)
    written.append(b"1").result(timeout=5)

    def refuse(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "fdatasync", refuse)
        with pytest.raises(JournalError, match="No space left"):
            written.append(b"lost").result(timeout=5)
    assert written.append(b"2").result(timeout=5) == 2
    assert contents(tmp_path) == [(1, b"1"), (2, b"2")]
    written.close()


def test_only_one_process_writes(tmp_path: Path) -> None:
    """The second is told; after the first has closed it may."""
    first = Journal(tmp_path)
    with pytest.raises(JournalError, match="another process writes"):
        Journal(tmp_path)
    first.close()
    Journal(tmp_path).close()


def test_what_was_acknowledged_before_a_kill_is_there(tmp_path: Path) -> None:
    """The process prints each number after its entry is safe, and dies between two entries."""
    program = f"""
import os
from pathlib import Path
from wheeltapper.serving.journal import Journal
written = Journal(Path({str(tmp_path)!r}))
for number in range(1, 200):
    print(written.append(b"%d" % number).result(), flush=True)
    if number == 57:
        for later in range(20):
            written.append(b"not acknowledged")
        os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    told = [int(line) for line in done.stdout.split()]
    assert told == list(range(1, 58))
    assert contents(tmp_path)[:57] == [(n, b"%d" % n) for n in told]
    again = Journal(tmp_path)
    assert again.newest >= 57
    again.close()
