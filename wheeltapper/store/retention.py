"""Old versions that are given up: recorded in the log first, then the data files that only they need are deleted.

The log keeps the entries of every version for ever; only rows that no remaining version has are deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from wheeltapper import faultpoints
from wheeltapper.errors import StoreError
from wheeltapper.store.commit import Commit, commit
from wheeltapper.store.entries import Retired, State
from wheeltapper.store.locking import locked
from wheeltapper.store.log import Log

NEVER = frozenset({"corrections", "missing", "ledger"})
"""Tables that record what happened to others: all their versions stay."""


def retain(folder: Path, kept_versions: frozenset[int], older_than: datetime) -> list[Path]:
    """Give up versions of the table in a folder, see `Store.retain`; return the files that were deleted."""
    if older_than.tzinfo is None:
        raise StoreError(f"older_than must have a time zone, such as UTC; got {older_than}.")
    if folder.name in NEVER:
        return []
    log = Log(folder)
    with locked(folder):
        state = log.state()
        retired = _retired(log, state, kept_versions, older_than)
        if retired == state.retired:
            return []
        deletable = sorted(_deletable(log, state.retired, retired))
        _record(log, state, retired)
        faultpoints.hit("store.after_retain")
        for path in deletable:
            (folder / path).unlink(missing_ok=True)
    return [folder / path for path in deletable]


def are_all_retired(retired: Retired, first: int, last: int) -> bool:
    """Say whether all versions from one to another were given up."""
    return last < retired.before and not any(first <= version <= last for version in retired.kept)


def _retired(log: Log, state: State, kept_versions: frozenset[int], older_than: datetime) -> Retired:
    """Return the versions to give up: those that another one replaced before an instant, except the kept ones."""
    limit, before = older_than.timestamp() * 1000, state.retired.before
    for entry in log.entries(before + 1, state.version):
        if entry.written_at >= limit:
            break
        before = entry.version  # it replaced the one before
    # A version that was given up once cannot come back: its files may be gone.
    return Retired(before, tuple(sorted(v for v in kept_versions if 0 <= v < before and v not in state.retired)))


def _deletable(log: Log, before: Retired, now: Retired) -> set[str]:
    """List the files that only the versions given up now need."""
    candidates = set(_removed(log, before.before + 1, now.before))
    for version in set(before.kept) - set(now.kept):
        candidates |= set(log.state(version).files)
    for version in now.kept:
        candidates -= set(log.state(version).files)
    candidates -= set(log.state(now.before).files)
    later_entries = log.entries(now.before + 1, log.newest())
    return candidates - {file.path for entry in later_entries for file in entry.add}


def _removed(log: Log, first: int, last: int) -> Iterator[str]:
    for entry in log.entries(first, last):
        yield from entry.remove


def _record(log: Log, state: State, retired: Retired) -> None:
    """Commit what is given up; the rows of the newest version stay as they are."""
    name = f"retain {state.version + 1}: given up before {retired.before} except {list(retired.kept)}"
    change = Commit(
        operation="retain", txn=name, period=state.period, columns=state.columns, add=(), remove=(), retired=retired
    )
    commit(log, state, change)
