"""One plant at work: its configuration together with the tables, the registry and the folders that belong to it."""

from __future__ import annotations

import hashlib
import json
import logging
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from wheeltapper import config, plants
from wheeltapper.config import Plant, PlugIn, Settings
from wheeltapper.errors import ConfigError, WheeltapperError
from wheeltapper.plugins import SOURCES
from wheeltapper.registry import Registry
from wheeltapper.store import Store

OBJECTIVE = "detect"
"""Name of the default objective: does this window look like normal running?"""

PATIENCE = 6 * 3600.0
"""Seconds that a run waits for another run of the same plant; no run should take longer."""

_log = logging.getLogger("wheeltapper.wait")


@dataclass(frozen=True)
class Workspace:
    """Everything that a task needs to know about a plant."""

    plant: Plant
    settings: Settings
    typed: str = ""
    """Name or path that the plant was opened by, for suggested commands."""

    @classmethod
    def open(cls, plant: str) -> Workspace:
        """Open a plant by its name in ``conf/`` or the path of its file."""
        return cls(plants.load(plant), Settings(), plant)

    @property
    def to_type(self) -> str:
        """Name or path of this plant for a command line, quoted where a shell needs it."""
        return shlex.quote(self.typed or self.plant.name)

    @cached_property
    def store(self) -> Store:
        """The plant's tables."""
        return Store(self.settings.store, self.plant.name, period=self.plant.period)

    @cached_property
    def registry(self) -> Registry:
        """The plant's runs and models."""
        return Registry(self.settings.tracking_uri, self.settings.artifacts, experiment=self.plant.name)

    @property
    def reports(self) -> Path:
        """The plant's reports and Data Docs."""
        return self.settings.reports / self.plant.name

    @property
    def bundles(self) -> Path:
        """Bundles on their way into the registry."""
        return self.settings.home.resolve() / "bundles" / self.plant.name

    def claim(self) -> None:
        """Record which file this plant's tables belong to; another file of the same name is another plant.

        A file that was moved, or copied with the same source, keeps its tables.

        Raises
        ------
        ConfigError
            If the tables belong to another existing file that names another source.
        """
        plant_file = config.path_of(self.typed or self.plant.name).resolve()
        record = self.settings.home.resolve() / "plants" / f"{self.plant.name}.txt"
        claimed_by = Path(record.read_text(encoding="utf-8")) if record.is_file() else plant_file
        if (
            claimed_by != plant_file
            and claimed_by.is_file()
            and _origin(plants.load(str(claimed_by))) != _origin(self.plant)
        ):
            raise ConfigError(
                f"the tables of '{self.plant.name}' in {self.settings.home} hold the readings of {claimed_by}, and "
                f"{plant_file} "
                "names another source. A plant is called by its file's name: rename one of the two files, or set "
                "WHEELTAPPER_HOME to another folder for one."
            )
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(str(plant_file), encoding="utf-8")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the plant for one run at a time; others wait. A killed run releases the lock.

        A run that holds the lock may enter again (a flow inside a flow).

        Raises
        ------
        WheeltapperError
            If the other run has not ended for `PATIENCE` seconds.
        """
        path = self.settings.home.resolve() / "locks" / f"{self.plant.name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, is_singleton=True, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.info("another run of %s is at work (it holds %s); waiting for it", self.plant.name, path)
            try:
                lock.acquire(timeout=PATIENCE)
            except Timeout as error:
                raise WheeltapperError(
                    f"another run of {self.plant.name} has held {path} for {PATIENCE / 3600:g} hours. Nothing was "
                    "changed. End it if it hangs, then run this again."
                ) from error
        try:
            yield
        finally:
            lock.release()

    def clear_bundles(self, training: str) -> None:
        """Delete the bundles of one training: they are in the registry. Another training may still write its own."""
        shutil.rmtree(self.bundles / training, ignore_errors=True)

    @property
    def accepts_by(self) -> str:
        """Hash of all settings that decide which readings are kept."""
        included: dict[str, Any] = {"asset_type": True, "source": True, "cleaning": {"units", "regimes"}}
        content = self.plant.model_dump(mode="json", include=included)
        content |= _named("code", self.plant.plug_ins.digest(SOURCES, self.plant.source.name))
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def _named(key: str, value: Any) -> dict[str, Any]:
    """Return the key with its value; nothing where the value is empty."""
    return {key: value} if value else {}


def labels(candidates: tuple[PlugIn, ...]) -> dict[str, PlugIn]:
    """Name candidates for people: the detector's name, with its options where it is tried more than once."""
    named: dict[str, PlugIn] = {}
    for candidate in candidates:
        is_repeated = sum(other.name == candidate.name for other in candidates) > 1
        options = brief(candidate.options)
        named[f"{candidate.name} ({options or 'defaults'})" if is_repeated else candidate.name] = candidate
    return named


def brief(options: Mapping[str, Any]) -> str:
    """Write options for people: ``n_estimators=100, max_samples=256``; empty without options.

    Examples
    --------
    >>> brief({"n_estimators": 100, "max_samples": 256})
    'n_estimators=100, max_samples=256'
    """
    return _cut(", ".join(f"{name}={_plain(value)}" for name, value in options.items()))


def _plain(value: object) -> str:
    """Write an option's value as in YAML, without quotes, which MLflow does not allow in names of runs."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_plain(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return "".join(letter for letter in str(value) if letter.isprintable() and letter not in "'\"\\")


def _cut(text: str, longest: int = 120) -> str:
    """Cut a text that is too long for a folder's name, and append a hash that keeps it unique."""
    if len(text) <= longest:
        return text
    return f"{text[:longest]}… {hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _origin(plant: Plant) -> str:
    """Return the identity of a plant's readings: its source, the source's place, and the type of its machines."""
    content = plant.model_dump(mode="json", include={"source", "asset_type"})
    path = str(plant.source.options.get("path", "/"))
    is_anywhere = Path(path).is_absolute() or "://" in path
    return json.dumps([content, "" if is_anywhere else str(plant.folder)], sort_keys=True)
