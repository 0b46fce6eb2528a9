"""Checks that the store is as it was written, and finds the files that killed writers have left."""

from __future__ import annotations

from pathlib import Path

from wheeltapper.store import files
from wheeltapper.store.files import File
from wheeltapper.store.locking import locked
from wheeltapper.store.log import Damage, Log


def verify_all(root: str | Path) -> list[Damage]:
    """Verify every plant of a store, see `Store.verify`."""
    return [damage for plant in _folders_in(Path(root).absolute()) for damage in verify_plant(plant)]


def verify_plant(folder: Path) -> list[Damage]:
    """Read every table of a plant and list what is not as it was written."""
    return [damage for table in _folders_in(folder) for damage in _verify_table(table)]


def strays(folder: Path) -> list[Path]:
    """List the files of a plant that no version needs."""
    return [path for table in _folders_in(folder) for path in Log(table).strays()]


def sweep(folder: Path) -> list[Path]:
    """Delete the files of a plant that no version needs, table by table under its lock; return their paths."""
    deleted = []
    for table in _folders_in(folder):
        with locked(table):
            for path in Log(table).strays():
                path.unlink()
                deleted.append(path)
    return deleted


def _verify_table(folder: Path) -> list[Damage]:
    log = Log(folder)
    entries, damages = log.scan()
    damages += log.cut_off(len(entries)) if not damages else []
    last_needed: dict[str, int] = {}
    written: dict[str, File] = {}
    for entry in entries:
        for path in entry.remove:
            last_needed[path] = entry.version - 1
        written.update((file.path, file) for file in entry.add)
    for path, file in written.items():
        what = files.damage(folder, file)
        if what and path in last_needed:
            what += f" (only versions up to {last_needed[path]} need it)"
        if what:
            damages.append(Damage(str(folder / path), what))
    return damages + log.checkpoint_damages(entries)


def _folders_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
