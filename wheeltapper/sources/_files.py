"""Where the files of a source lie, in which order they are read, and which assets they are named after."""

from __future__ import annotations

import re
from pathlib import Path

from wheeltapper.config import Plant, data_folders
from wheeltapper.errors import SourceError

_PACKED = {".gz", ".bz2", ".zst", ".lz4"}


def locate(path: Path, plant: Plant) -> Path:
    """Find a folder or file; a relative one may lie in several places.

    Raises
    ------
    SourceError
        If it is in none of them; the message lists the places looked at.
    """
    places = [(folder / path).resolve() for folder in data_folders(plant.folder)]
    for place in places:
        if place.exists():
            return place
    looked = "; ".join(dict.fromkeys(map(str, places)))
    raise SourceError(
        f"no file or folder '{path}'. Looked for: {looked}. Set path, or WHEELTAPPER_DATA; "
        "public data sets: wheeltapper datasets list."
    )


def is_packed(shown: str) -> bool:
    """Tell whether a file is packed, so that its bytes are not its text."""
    return Path(shown).suffix.lower() in _PACKED


def asset_name(shown: str) -> str:
    """Return a file's path without its ending: ``valve1/0`` for ``valve1/0.csv.gz``."""
    path = Path(shown)
    path = path.with_suffix("") if is_packed(shown) else path
    return path.with_suffix("").as_posix()


def text_ending(path: Path) -> str:
    """Return how a file's name ends, its packing included: ``.csv.gz``; the whole name if it has no ending."""
    inner = Path(path.stem).suffix if path.suffix.lower() in _PACKED else ""
    return inner + path.suffix or path.name


def natural(text: str) -> list[tuple[int, int, str]]:
    """Return a sort key in which 2 stands before 10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]
