"""Checks that the store is as it was written, and finds the files that killed writers have left."""

from __future__ import annotations

from pathlib import Path

from wheeltapper.errors import StoreError
from wheeltapper.store import checkpoints, files
from wheeltapper.store.beside import BesideLog
from wheeltapper.store.locking import locked
from wheeltapper.store.log import LOG_FOLDER, Damage, Log


def verify_all(root: str | Path) -> list[Damage]:
    """Verify every plant of a store, see `Store.verify`."""
    return [damage for plant in _folders_in(Path(root).absolute()) for damage in verify_plant(plant)]


def verify_plant(folder: Path) -> list[Damage]:
    """Read every table of a plant and list what is not as it was written."""
    return [damage for table in _folders_in(folder) for damage in _verify_table(table)]


def strays(folder: Path) -> list[Path]:
    """List the files of a plant that no version needs."""
    return [path for table in _folders_in(folder) for path in _strays(table)]


def sweep(folder: Path) -> list[Path]:
    """Delete the files of a plant that no version needs, table by table under its lock; return their paths."""
    deleted = []
    for table in _folders_in(folder):
        with locked(table):
            for path in _strays(table):
                path.unlink()
                deleted.append(path)
    return deleted


def _verify_table(folder: Path) -> list[Damage]:
    log = Log(folder)
    newest = log.newest()
    damages: list[Damage] = []
    damaged: dict[str, str] = {}
    beside = BesideLog(log)
    for found in log.walk(0, newest, after=""):
        if isinstance(found, Damage):
            damages.append(found)
            continue
        for path in found.remove:
            if path in damaged:
                damaged[path] += f" (only versions up to {found.version - 1} need it)"
        beside.follow(found)
        damaged |= {file.path: what for file in found.add if (what := files.damage(folder, file))}
    damages += log.cut_off(newest) if not damages else []
    damages += [Damage(str(folder / path), what) for path, what in damaged.items()]
    return damages + beside.damages() + checkpoints.damages(log, newest)


def _strays(folder: Path) -> list[Path]:
    """List data files and drafts that no entry names: killed writers left them."""
    log = Log(folder)
    newest = log.newest()
    named = {folder / file.path for entry in log.entries(0, newest, after="") for file in entry.add}
    for damage in log.cut_off(newest):  # with a hole in the log, a file that looks stray may be the only copy
        raise StoreError(damage.what)
    if newest < 0:
        return []
    data = [path for path in folder.rglob("*.parquet") if LOG_FOLDER not in path.parts and path not in named]
    drafts = (folder / LOG_FOLDER).glob("*.json#*")  # Delta's; ours end in .tmp
    return sorted([*data, *folder.rglob("*.tmp"), *drafts])


def _folders_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
