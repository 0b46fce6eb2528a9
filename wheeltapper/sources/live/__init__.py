"""Live sources: readings come by themselves, one file for each kind of door."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from wheeltapper.config import Model, Plant, PlugIn, describe
from wheeltapper.errors import ConfigError
from wheeltapper.plugins import INSTALLED, LIVE_SOURCES, PlugIns
from wheeltapper.sources.live.reading import Take

Refuse = Callable[[str, bytes, str], Awaitable[None]]
"""Keeps what cannot be used, so that it is not lost: the topic or address, what came, and why it cannot be used.

Returns when it is on the disk, for then it is acknowledged.
"""


@dataclass(frozen=True)
class FeedStatus:
    """How a feed is doing."""

    is_connected: bool = False
    received: int = 0
    """Messages that came, those included that came again."""
    taken: int = 0
    """Readings that were taken in."""
    refused: int = 0
    """Messages that could not be used."""
    reconnects: int = 0
    """How often the connection was made again after it had broken."""
    last_message: datetime | None = None
    problem: str = ""
    """What keeps it from delivering, in words; empty while nothing does."""


class Feed(ABC):
    """A live source at work for one plant."""

    @abstractmethod
    async def run(self, take: Take) -> None:
        """Hand over readings as they come, until cancelled; what was not taken in comes again next time."""

    @abstractmethod
    def status(self) -> FeedStatus:
        """Return how it is doing."""


class LiveSource(Model, ABC):
    """One kind of live source. Its fields are its options in the plant's YAML."""

    @abstractmethod
    def open(self, plant: Plant, refuse: Refuse, memory: Path | None = None) -> Feed:
        """Return a feed of this plant's readings; it connects when it is run.

        Parameters
        ----------
        plant : Plant
        refuse : function
            Keeps what cannot be used.
        memory : Path, optional
            A folder of the feed's own for what it must remember when it is started again.

        Raises
        ------
        ConfigError
            If the options do not go with the plant, or a secret is not in the environment.
        """


def build(source: PlugIn, plug_ins: PlugIns = INSTALLED) -> LiveSource:
    """Make a live source from its name and options.

    Raises
    ------
    ConfigError
        If there is no such live source, or its options are not as it wants them.
    """
    kind = load(source.name, plug_ins)
    try:
        return kind(**source.options)
    except ValidationError as error:
        raise ConfigError(describe(error, f"live source {source.name}", kind)) from error


def load(name: str, plug_ins: PlugIns = INSTALLED) -> type[LiveSource]:
    """Return the class of a live source by its file's name.

    Raises
    ------
    ConfigError
        If there is no such live source.
    """
    return plug_ins.load(LIVE_SOURCES, name, LiveSource)  # type: ignore[type-abstract]
