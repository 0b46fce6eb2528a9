"""Whether anything has happened since a plant was last watched: told from a few files, without opening a table.

An hourly look at a plant whose source has brought nothing should cost next to nothing. What the last complete look saw
stands in a file under the home: the plant's file, the source's files by size and time of change, the tables' logs and
the code. If all of it is as it was, there is nothing to do. Where any of it cannot be told so, everything is looked at.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from wheeltapper import __version__
from wheeltapper.config import Settings, data_folders, path_of
from wheeltapper.errors import ConfigError

LEDGER = "ledger"
_CODE = Path(__file__).parent


@dataclass(frozen=True)
class Files:
    """The files of a source that are all that it reads."""

    path: str
    """Folder or file, as the plant's file names it."""
    folder: str
    """The folder in which they lie."""
    patterns: tuple[str, ...]
    """Which files in the folder."""

    def stamps(self) -> dict[str, list[int]]:
        """Return each file, as seen from the folder, with its size and its time of change in nanoseconds."""
        folder = Path(self.folder)
        files = (file for pattern in self.patterns for file in folder.glob(pattern) if file.is_file())
        about = {file.relative_to(folder).as_posix(): file.stat() for file in files}
        return {name: [status.st_size, status.st_mtime_ns] for name, status in about.items()}

    def are_where_they_were(self, plant_file: Path) -> bool:
        """Tell whether the path still leads to the same folder: a relative one may lie in several places."""
        places = ((place / self.path).resolve() for place in data_folders(plant_file.parent))
        first = next((place for place in places if place.exists()), None)
        return first is not None and str(first if first.is_dir() else first.parent) == self.folder


def title(plant: str) -> str | None:
    """Return a plant's title if nothing has happened since it was last watched; None if something may have.

    Parameters
    ----------
    plant : str
        A name in ``conf/``, or the path of a YAML file.
    """
    settings = Settings()
    try:
        plant_file = path_of(plant).resolve()
        seen = json.loads(_record(settings, plant_file.stem).read_text(encoding="utf-8"))
        files = Files(seen["path"], seen["folder"], tuple(seen["patterns"]))
        is_same = (
            settings.keep_versions is None  # else versions may be due to be given up
            and files.are_where_they_were(plant_file)
            and seen["files"] == files.stamps()
            and seen["rest"] == _rest(settings, plant_file)
        )
        return str(seen["title"]) if is_same else None
    except (OSError, ValueError, KeyError, TypeError, ConfigError):
        return None  # never watched, or not readable: look at everything


@dataclass(frozen=True)
class Look:
    """One look at a plant, from its beginning to its end."""

    settings: Settings
    plant_file: Path
    ledger: int | None
    """The state of the ledger when it began: people decide while it goes on."""

    @classmethod
    def begin(cls, settings: Settings, plant: str) -> Look:
        """Begin a look; what was known of the plant no longer counts."""
        plant_file = path_of(plant).resolve()
        _record(settings, plant_file.stem).unlink(missing_ok=True)
        return cls(settings, plant_file, _logs(settings, plant_file.stem).get(LEDGER))

    def end(self, title: str, files: Files, states: dict[str, list[Any]]) -> None:
        """Record that everything was taken in, up to these states of the source's files: size and time of change."""
        rest = _rest(self.settings, self.plant_file)
        if rest["logs"].get(LEDGER) != self.ledger:
            return
        seen = {
            **{"title": title, "path": files.path, "folder": files.folder, "patterns": files.patterns},
            **{"files": {name: state[:2] for name, state in states.items()}, "rest": rest},
        }
        record = _record(self.settings, self.plant_file.stem)
        record.parent.mkdir(parents=True, exist_ok=True)
        unfinished = record.with_name(f".{record.name}.{uuid4().hex}")
        unfinished.write_text(json.dumps(seen), encoding="utf-8")
        unfinished.replace(record)


def _record(settings: Settings, name: str) -> Path:
    return settings.home.resolve() / "watched" / f"{name}.json"


def _rest(settings: Settings, plant_file: Path) -> dict[str, Any]:
    """Return everything but the source's files that decides whether there is something to do."""
    return {
        "plant": str(plant_file),
        "text": hashlib.sha256(plant_file.read_bytes()).hexdigest(),
        "logs": _logs(settings, plant_file.stem),
        "version": __version__,
        "code": _code(),
    }


def _logs(settings: Settings, name: str) -> dict[str, int]:
    """Return table → when its log was last changed, in nanoseconds: a commit puts a file into that folder."""
    logs = (settings.store / name).glob("*/_delta_log")
    return {log.parent.name: log.stat().st_mtime_ns for log in logs}


def _code() -> str:
    """Return a hash of the sizes and times of change of this library's files: other code may see something else."""
    found = sorted((str(path), path.stat()) for path in _CODE.rglob("*.py"))
    text = "\n".join(f"{path} {status.st_size} {status.st_mtime_ns}" for path, status in found)
    return hashlib.sha256(text.encode()).hexdigest()
