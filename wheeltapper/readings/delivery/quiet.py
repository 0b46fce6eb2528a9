"""The end of a look at a plant: it is recorded, so that the next look costs nothing where nothing is new."""

from __future__ import annotations

from wheeltapper import sources
from wheeltapper.readings.delivery.cursor import read_cursor
from wheeltapper.unchanged import Look
from wheeltapper.workspace import Workspace


def end(space: Workspace, look: Look) -> None:
    """Record that everything was taken in, if the source's files show whether something is new.

    A plant with plug-ins of its own is always looked at: they may read anything.
    """
    files = sources.build(space.plant.source, space.plant.plug_ins).files_of(space.plant)
    cursor = read_cursor(space)
    if files is not None and cursor is not None and space.plant.plug_ins.folder is None:
        look.end(space.plant.title, files, cursor["files"])
