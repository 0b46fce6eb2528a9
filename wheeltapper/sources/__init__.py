"""Sources: where readings come from, one source a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from wheeltapper import tables
from wheeltapper.config import Model, Plant, PlugIn, describe
from wheeltapper.errors import ConfigError
from wheeltapper.plugins import INSTALLED, SOURCES, PlugIns
from wheeltapper.unchanged import Files


@dataclass(frozen=True)
class Batch:
    """Rows as the source delivers them, in its order: nothing checked, nothing dropped."""

    origin: str
    """The file, query or simulation that they are from, for messages."""
    rows: pd.DataFrame
    """Columns asset_id, timestamp, the plant's sensors, and regime where the source knows it.

    Values may still be text, missing or out of order; ``timestamp`` is text or UTC. An optional column ``defect``
    describes why the source could not read a row; it is empty for all others.
    """
    faults: pd.DataFrame = field(default_factory=tables.FAULTS.empty)
    """Faults that the source has labels for: rows of `tables.FAULTS`."""
    if_unordered: str = ""
    """Has no meaning any more: rows may arrive in any order. It is still accepted, for plug-ins that give it."""


Cursor = dict[str, Any]
"""Up to where a source was read, in plain JSON values that only this source understands."""


@dataclass(frozen=True)
class News:
    """What is new in a source."""

    batches: Iterator[Batch]
    """The new rows, and perhaps rows that were read before: those change nothing."""
    cursor: Cursor
    """Where to go on next time; to be recorded after all of the batches are stored, not before."""
    is_empty: bool = False
    """Whether it is known without reading that there are no batches."""


@dataclass(frozen=True)
class Suggestion:
    """Options that would read the data, for a person to look at; they are not used without one."""

    origin: str
    """The file or query that was looked at."""
    options: dict[str, Any]
    """All options of the source."""
    because: dict[str, str]
    """Option → why it differs from the plant's."""
    notes: tuple[str, ...] = ()
    """Open questions, such as a sensor whose column was not found."""


@dataclass(frozen=True)
class Example:
    """Tiny data for the contract tests of a source."""

    plant: Callable[[Path], str]
    """Writes clean rows of two assets, one of them with a fault, below a folder; returns the YAML of a plant that reads
    them."""
    broken: Mapping[str, Callable[[Path], str]]
    """Description of a mistake → the same with this mistake: reading must end in a `SourceError`. At least one."""


class Source(Model, ABC):
    """One kind of source. Its fields are its options in the plant's YAML."""

    @classmethod
    def example(cls) -> Example | None:
        """Return tiny data for contract tests; None where reading takes a server, which the tests then start."""
        return None

    def check(self, plant: Plant) -> None:
        """Refuse options that do not go with the plant's asset type; reads nothing.

        Raises
        ------
        SourceError
            If the options name a sensor or fault kind that the asset type does not have.
        """

    def caveats(self, plant: Plant) -> tuple[str, ...]:  # noqa: ARG002 - most sources assume nothing
        """Return notes on what the options assume, for a careful reading of the figures.

        Each note is shown under the leaderboard.
        """
        return ()

    @classmethod
    def suggest(cls, plant: Plant, options: dict[str, Any]) -> Suggestion | None:  # noqa: ARG003 - most cannot
        """Look at the data and suggest options that would read it; None where there is no suggestion.

        Parameters
        ----------
        plant : Plant
            Names the sensors that are looked for.
        options : dict
            The options in the plant's YAML; they may be wrong.
        """
        return None

    @abstractmethod
    def read(self, plant: Plant, start: datetime | None = None, end: datetime | None = None) -> Iterator[Batch]:
        """Yield the readings from ``start`` (inclusive) to ``end`` (exclusive) in batches of bounded size.

        Reading the same span twice yields the same rows in the same order.

        Raises
        ------
        SourceError
            If there is nothing to read, or a file or column is not as the options describe.
        """

    def read_new(self, plant: Plant, cursor: Cursor | None, since: datetime | None) -> News:  # noqa: ARG002 - see below
        """Return what is new since a cursor; by default all rows from ``since`` on, which costs reading them again.

        Parameters
        ----------
        plant : Plant
        cursor : dict or None
            `News.cursor` of the last time; None to read everything.
        since : datetime with a time zone, or None
            For a source that knows nothing better: an instant from which on readings may be new.

        Raises
        ------
        SourceError
            As `read`.
        """
        return News(self.read(plant, since), {})

    def files_of(self, plant: Plant) -> Files | None:  # noqa: ARG002 - see below
        """Return the files whose sizes and times of change tell whether anything is new; by default None.

        Only for a source whose cursors name the state of each of these files, and that reads nothing else.
        """
        return None


def suggest(plant: Plant) -> Suggestion | None:
    """Ask a plant's source for options that would fit; None where it has no suggestion.

    Raises
    ------
    ConfigError
        If there is no such source.
    """
    return load(plant.source.name, plant.plug_ins).suggest(plant, plant.source.options)


def build(source: PlugIn, plug_ins: PlugIns = INSTALLED) -> Source:
    """Make a plant's source.

    Raises
    ------
    ConfigError
        If there is no such source, or its options are not as it wants them.
    """
    kind = load(source.name, plug_ins)
    try:
        return kind(**source.options)
    except ValidationError as error:
        raise ConfigError(describe(error, f"source {source.name}", kind)) from error


def load(name: str, plug_ins: PlugIns = INSTALLED) -> type[Source]:
    """Return the class of a source by its file's name.

    Raises
    ------
    ConfigError
        If there is no such source.
    """
    return plug_ins.load(SOURCES, name, Source)  # type: ignore[type-abstract]
