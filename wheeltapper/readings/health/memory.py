"""What the update of the flags remembers between two runs: a cache, which the tables can replace at any time.

It records which version of the readings and of the flags, which settings and which code it belongs to. Where one of
these has changed, or a byte of it is damaged, everything is computed from the tables again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from wheeltapper.config import AssetType
from wheeltapper.readings.health import states
from wheeltapper.readings.health.examination import Examination

DAYS = 8
"""Days from whose ends a late reading is followed."""
MONTHS = 12
"""Months from whose ends a late reading is followed; one that is later still costs the asset's whole history."""

DAY = 86_400_000_000
"""Microseconds."""


@dataclass
class Remembered:
    """One asset: its examination, and how far it was at some earlier moments."""

    now: Examination
    earlier: dict[int, str] = field(default_factory=dict)
    """Time of the newest reading then (microseconds since 1970) → name of the file with the examination."""


@dataclass
class Memory:
    """The examinations of all assets, and which tables they belong to."""

    readings: tuple[int, str]
    """Version and digest of the readings that were examined."""
    flags: tuple[int, str]
    """Version and digest of the flags that were found in them."""
    assets: dict[str, Remembered]
    counts: dict[str, int]
    """Kind of flag → flags of it in the table."""
    longest: list[list[Any]]
    """The longest spans in which a sensor does not measure, see `wheeltapper.readings.health.spans`."""


class MemoryFolder:
    """The folder of one plant's memory of flags.

    Parameters
    ----------
    folder : where it lies, beside the tables
    asset_type, kinds : what the examination of an asset depends on, besides its readings
    """

    def __init__(self, folder: Path, asset_type: AssetType, kinds: Collection[str]) -> None:
        self._folder = folder
        self._root = folder / "memory"
        self._asset_type, self._kinds = asset_type, kinds
        self.settings = hashlib.sha256(f"{_code()}|{asset_type.model_dump_json()}|{list(kinds)}".encode()).hexdigest()[
            :16
        ]

    def begin(self) -> Examination:
        """Return the examination of an asset that has no readings yet."""
        return Examination.begin(self._asset_type, self._kinds)

    def load(self) -> Memory | None:
        """Return the memory; None where there is none, it is damaged, or it belongs to other settings."""
        saved = self._read(self._root)
        if saved is None or saved["settings"] != self.settings:
            return None
        assets = {
            name: Remembered(
                states.restore(self.begin(), asset["now"]), {int(at): file for at, file in asset["earlier"]}
            )
            for name, asset in saved["assets"].items()
        }
        refs = tuple(saved["readings"]), tuple(saved["flags"])
        return Memory(*refs, assets, saved["counts"], saved["longest"])

    def save(self, memory: Memory) -> None:
        """Put a memory in place of the one before, and delete what it no longer needs."""
        assets = {
            name: {"now": states.dump(asset.now), "earlier": [list(pair) for pair in asset.earlier.items()]}
            for name, asset in memory.assets.items()
        }
        refs = {"readings": list(memory.readings), "flags": list(memory.flags)}
        summary = {"counts": memory.counts, "longest": memory.longest}
        self._write(self._root, states.encode({"settings": self.settings, **refs, **summary, "assets": assets}))
        names_in_use = {self._root.name, *(file for asset in memory.assets.values() for file in asset.earlier.values())}
        for path in self._folder.iterdir():
            if path.name not in names_in_use:
                path.unlink(missing_ok=True)

    def keep(self, examination: Examination) -> str:
        """Write an examination as it is now, and return the name of its file."""
        data = states.encode(states.dump(examination))
        name = hashlib.sha256(data).hexdigest()[:32]
        if not (self._folder / name).exists():
            self._write(self._folder / name, data)
        return name

    def before(self, remembered: Remembered, time: int) -> Examination | None:
        """Return the newest examination of readings before a time; None if there is none.

        Later ones are dropped.
        """
        if remembered.now.until is not None and remembered.now.until < time:
            return remembered.now
        remembered.earlier = {at: file for at, file in remembered.earlier.items() if at < time}
        for _, file in sorted(remembered.earlier.items(), reverse=True):
            saved = self._read(self._folder / file)
            if saved is not None:
                examination: Examination = states.restore(self.begin(), saved)
                return examination
        return None

    def _read(self, path: Path) -> Any:
        try:
            return states.decode(path.read_bytes())
        except (OSError, states.DamagedStateError):
            return None

    def _write(self, path: Path, data: bytes) -> None:
        """Write a file whole or not at all; after a power cut, its hash shows whether it is whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
        draft.write_bytes(data)
        draft.replace(path)


@cache
def _code() -> str:
    """Return a hash of this folder's code: what it remembers under other code is not trusted."""
    paths = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def is_worth_keeping(until: int | None, following: int, newest: int) -> bool:
    """Tell whether the examination between two readings is kept, so that a late reading can start from it.

    Parameters
    ----------
    until, following : the two readings' times
    newest : time of the newest reading of all
    """
    if until is None or until // DAY == following // DAY:
        return False
    return newest // DAY - until // DAY < DAYS or (
        _month(until) != _month(following) and _month(newest) - _month(until) <= MONTHS
    )


def thin_out(earlier: dict[int, str], newest: int) -> dict[int, str]:
    """Keep the end of each of the last `DAYS` days and `MONTHS` months."""
    last_of_month = {_month(at): at for at in sorted(earlier)}
    months = {at for month, at in last_of_month.items() if 0 < _month(newest) - month <= MONTHS}
    days = {at for at in earlier if newest // DAY - at // DAY < DAYS}
    return {at: file for at, file in sorted(earlier.items()) if at in months | days}


def _month(time: int) -> int:
    """Return the month of a time, counted from January 1970."""
    moment = datetime.fromtimestamp(time // 1_000_000, UTC)
    return (moment.year - 1970) * 12 + moment.month
