"""The live sources of a served plant: each runs beside the service, and hands its readings to the plant."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import orjson

from wheeltapper.serving.intake import micros_of
from wheeltapper.serving.journal import Journal
from wheeltapper.serving.live_plant import Clock, LivePlant
from wheeltapper.sources import live
from wheeltapper.sources.live import Feed
from wheeltapper.sources.live.reading import LiveReading

LONGEST_PAUSE = 30.0
"""Seconds to which the pause before another try grows."""

_log = logging.getLogger("wheeltapper.serving")


class Feeds:
    """The live sources that a plant's YAML names.

    Parameters
    ----------
    plant : LivePlant
    clock : callable
        Returns the present time with a time zone.

    Raises
    ------
    ConfigError
        If an option is wrong, or a secret is not in the environment.
    """

    def __init__(self, plant: LivePlant, clock: Clock) -> None:
        self._plant, self._clock = plant, clock
        place = plant.space.settings.home.resolve() / "live_sources" / plant.plant.name
        names = [f"{number}_{source.name}" for number, source in enumerate(plant.plant.live, start=1)]
        self._refused = Journal(place / "refused") if names else None
        self._feeds = {
            name: live.build(source, plant.plant.plug_ins).open(plant.plant, self._keep, _made(place / name))
            for name, source in zip(names, plant.plant.live, strict=True)
        }
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Run each in a task of its own."""
        self._tasks = [asyncio.create_task(self._run(name, feed)) for name, feed in self._feeds.items()]

    async def end(self) -> None:
        """End all; what was not taken in comes again next time."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._refused is not None:
            self._refused.close()

    def look(self) -> None:
        """Note as the plant's trouble what keeps a source from delivering."""
        for name, feed in self._feeds.items():
            problem = feed.status().problem
            if problem:
                self._plant.troubles[f"live source {name}"] = problem
            else:
                self._plant.troubles.pop(f"live source {name}", None)

    async def _run(self, name: str, feed: Feed) -> None:
        pause = 1.0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await feed.run(self._take)
            except Exception as error:
                _log.exception("%s: live source %s has failed: %s", self._plant.plant.name, name, error)
            lasted = asyncio.get_running_loop().time() - began
            pause = 1.0 if lasted > LONGEST_PAUSE else min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _take(self, readings: Sequence[LiveReading]) -> None:
        """Take readings in; of one without any value (its machine is offline) only the reasons are kept."""
        for reading in readings:
            if not reading.values:
                await self._keep(reading.asset_id, orjson.dumps(reading.missing), f"no value at {reading.time}")
        with_values = [reading for reading in readings if reading.values]
        if with_values:
            await self._plant.take(with_values)

    async def _keep(self, address: str, content: bytes, why: str) -> None:
        """Keep what a source cannot use, with the reason, on the disk."""
        assert self._refused is not None
        text = content.decode("utf-8", "backslashreplace")
        entry = orjson.dumps({"at": micros_of(self._clock()), "address": address, "content": text, "why": why})
        await asyncio.wrap_future(self._refused.append(entry))
        _log.warning("%s: a message of %s was refused: %s", self._plant.plant.name, address, why)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
