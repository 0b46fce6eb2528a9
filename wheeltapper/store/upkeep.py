"""What a writer does after a commit, so that the log opens as fast with half a million entries as with five.

The writer may be killed at every step: what is new is on the disk before what it replaces is deleted, and whatever was
not finished is done after a later commit.
"""

from __future__ import annotations

from collections.abc import Sequence

from wheeltapper import faultpoints
from wheeltapper.errors import StoreError
from wheeltapper.store import archive, checkpoints, snapshots, txns
from wheeltapper.store.entries import State
from wheeltapper.store.log import Log
from wheeltapper.syncing import sync_folder

SNAPSHOT_EVERY = 50
"""Commits between two snapshots: opening replays at most so many entries, a few milliseconds."""

MANY_FILES = 500
"""Data files of one commit from which a snapshot follows at once: its entry takes as long to read as many others."""

CHECKPOINT_EVERY = 10
"""Commits between two checkpoints: Delta replays the entries after the newest at each commit, 0.5 ms an entry."""

SEGMENT = 200
"""Entries of one segment of the archive; ten of them become one."""


def after_commit(log: Log, state: State, n_files: int) -> None:
    """Write what is due after a commit: checkpoint, snapshot, segments of the archive; remove what they replace.

    Parameters
    ----------
    state : State
        The table after the commit.
    n_files : int
        Data files that the commit added or removed.

    Raises
    ------
    StoreError
        If the disk is full or refuses; the commit itself is in the log.
    """
    before = state.snapshot[0] if state.snapshot else -1
    is_due = state.version - before >= SNAPSHOT_EVERY or n_files >= MANY_FILES
    if is_due or (state.version and state.version % CHECKPOINT_EVERY == 0):
        checkpoints.write(log, state)
        faultpoints.hit("store.after_checkpoint")
    if is_due:
        _snapshot(log, state, before)
        _archive(log, state.version)


def _snapshot(log: Log, state: State, before: int) -> None:
    """Write the names of the writes since the snapshot before, then the snapshot; then drop what neither names."""
    older = state.txns.older or txns.Index(log.folder, (), log.names)
    listed = txns.extend(older, before + 1, state.version)
    faultpoints.hit("store.after_txns")
    kept_versions = snapshots.versions_to_keep(
        [version for version in snapshots.versions(log.folder) if version < state.version]
    )
    previous = log.snapshot(before) if before >= 0 else None
    older_snapshots = [*previous.earlier, (before, previous.sha256)] if previous else []
    earlier = [(version, sha256) for version, sha256 in older_snapshots if version in kept_versions]
    snapshots.write(log.folder, state, listed, earlier)
    faultpoints.hit("store.after_snapshot")
    _drop_old(log, [*(version for version, _ in earlier), state.version], [*older.listed, *listed])


def _drop_old(log: Log, kept_versions: Sequence[int], listed: Sequence[txns.Listed]) -> None:
    for version in snapshots.versions(log.folder):
        if version < kept_versions[-1] and version not in kept_versions:
            snapshots.path(log.folder, version).unlink(missing_ok=True)
    needed_paths = {part.path(log.folder) for part in listed}
    for path in (log.folder / archive.BESIDE / "txns").iterdir():
        if path not in needed_paths:
            path.unlink(missing_ok=True)


def _archive(log: Log, version: int) -> None:
    """Move whole segments of entries older than the newest snapshot into the archive; the newest entry stays."""
    first = max((last for _, last, _ in log.archive.segments()), default=-1) + 1
    while first + SEGMENT <= version:
        try:
            data = [log.path(number).read_bytes() for number in range(first, first + SEGMENT)]
            _require_chain(log, first, first + SEGMENT - 1)
        except (OSError, StoreError):  # a damaged log is not touched; `store verify` names what is wrong
            return
        log.archive.write(first, data)
        faultpoints.hit("store.after_segment")
        first += SEGMENT
        log.archive.merge(SEGMENT)
    _drop_archived(log, first)


def _require_chain(log: Log, first: int, last: int) -> None:
    """Require that entries are sound and follow each other."""
    for _ in log.entries(first, last):
        pass


def _drop_archived(log: Log, first: int) -> None:
    """Delete the files of entries before a version: they are in segments."""
    for version in log.loose():
        if version < first:
            log.path(version).unlink(missing_ok=True)
            faultpoints.hit("store.after_drop")
    sync_folder(log.path(0).parent)
