"""Checks that the store is as it was written, and finds the files that killed writers have left."""

from __future__ import annotations

from pathlib import Path

from wheeltapper.errors import StoreError
from wheeltapper.store import checkpoints, files, verified
from wheeltapper.store.beside import BesideLog
from wheeltapper.store.entries import Entry, Retired
from wheeltapper.store.locking import locked
from wheeltapper.store.log import LOG_FOLDER, Damage, Log
from wheeltapper.store.retention import are_all_retired
from wheeltapper.store.verified import Verified


def verify_all(root: str | Path) -> list[Damage]:
    """Verify every plant of a store, see `Store.verify`."""
    return [damage for plant in folders_in(Path(root).absolute()) for damage in verify_plant(plant)]


def verify_plant(folder: Path, everything: bool = True) -> list[Damage]:
    """Read every table of a plant, or what is new in it, and list what is not as it was written."""
    return [damage for table in folders_in(folder) for damage in _verify(table, everything)]


def strays(folder: Path) -> list[Path]:
    """List the files of a plant that no version needs."""
    return [path for table in folders_in(folder) for path in _strays(table)]


def sweep(folder: Path) -> list[Path]:
    """Delete the files of a plant that no version needs, table by table under its lock; return their paths."""
    deleted = []
    for table in folders_in(folder):
        with locked(table):
            for path in _strays(table):
                path.unlink()
                deleted.append(path)
    return deleted


def _verify(folder: Path, everything: bool) -> list[Damage]:
    """Verify one table, and note it if it is undamaged."""
    log = Log(folder)
    before = None if everything else verified.load(folder)
    damages = _all_damages(log) if before is None else _new_damages(log, before)
    if not damages and log.newest() >= 0:
        verified.save(folder, log.state())
    return damages


def _all_damages(log: Log) -> list[Damage]:
    """Read every entry of a log and every file that a version needs."""
    newest = log.newest()
    damages: list[Damage] = []
    needs = _Needs(_retired(log))
    damaged: dict[str, str] = {}
    beside = BesideLog(log)
    for item in log.walk(0, newest, after=""):
        if isinstance(item, Damage):
            damages.append(item)
            continue
        for path, is_needed in needs.follow(item):
            if path in damaged and not is_needed:
                del damaged[path]
            elif path in damaged:
                damaged[path] += f" (only versions up to {item.version - 1} need it)"
        beside.follow(item)
        damaged |= {file.path: problem for file in item.add if (problem := files.damage(log.folder, file))}
    damages += log.cut_off(newest) if not damages else []
    damages += [Damage(str(log.folder / path), problem) for path, problem in damaged.items()]
    return damages + beside.damages() + checkpoints.damages(log, newest)


def _new_damages(log: Log, before: Verified) -> list[Damage]:
    """Read the entries and files that came after a version that was verified, and files that have changed since."""
    newest = log.newest()
    if newest < before.version or not _follows(log, before):
        return _all_damages(log)
    walked = list(log.walk(before.version + 1, newest, after=before.head))
    damages = [item for item in walked if isinstance(item, Damage)]
    if damages:
        return damages
    added = {file.path: file for entry in walked if isinstance(entry, Entry) for file in entry.add}
    state = log.state()
    removed = {path for entry in walked if isinstance(entry, Entry) for path in entry.remove}
    passing = [] if state.retired.before > before.version else [added[path] for path in removed if path in added]
    unread = [*verified.unknown(before, log.folder, state.files.values()), *passing]
    wrong = [(file, files.damage(log.folder, file)) for file in unread]
    damages = [Damage(str(log.folder / file.path), problem) for file, problem in wrong if problem]
    return damages + checkpoints.damages(log, newest)


def _follows(log: Log, before: Verified) -> bool:
    """Say whether the verified version is one of this log."""
    try:
        return log.entry(before.version).sha256 == before.head
    except StoreError:
        return False


class _Needs:
    """Follows a log and says of each removed file whether a version that stays needs it."""

    def __init__(self, retired: Retired) -> None:
        self._retired = retired
        self._added_at: dict[str, int] = {}

    def follow(self, entry: Entry) -> list[tuple[str, bool]]:
        """Go on by one entry; return each file that it removes, and whether an older version that stays needs it."""
        removed = []
        for path in entry.remove:
            first = self._added_at.pop(path, 0)
            removed.append((path, not are_all_retired(self._retired, first, entry.version - 1)))
        self._added_at.update((file.path, entry.version) for file in entry.add)
        return removed


def _retired(log: Log) -> Retired:
    try:
        return log.state().retired
    except StoreError:  # the damage is named by those who read the log
        return Retired()


def _strays(folder: Path) -> list[Path]:
    """List data files and drafts that killed writers left: no version that stays needs them."""
    log = Log(folder)
    newest = log.newest()
    needs = _Needs(_retired(log))
    needed_paths: set[Path] = set()
    for entry in log.entries(0, newest, after=""):
        needed_paths -= {folder / path for path, is_needed in needs.follow(entry) if not is_needed}
        needed_paths |= {folder / file.path for file in entry.add}
    for damage in log.cut_off(newest):  # with a hole in the log, a file that looks stray may be the only copy
        raise StoreError(damage.what)
    if newest < 0:
        return []
    data = [path for path in folder.rglob("*.parquet") if LOG_FOLDER not in path.parts and path not in needed_paths]
    drafts = (folder / LOG_FOLDER).glob("*.json#*")  # Delta's; ours end in .tmp
    return sorted([*data, *folder.rglob("*.tmp"), *drafts])


def folders_in(folder: Path) -> list[Path]:
    """List the tables in a plant's folder, or the plants in a store's."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
