"""The examination of one asset: all its sensors, from its first reading to the newest, a piece at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from wheeltapper import tables
from wheeltapper.config import IDLE_REGIMES, AssetType, Sensor
from wheeltapper.readings.health.broken import CounterResets, Dropout, Unchanged
from wheeltapper.readings.health.jumps import Jumps
from wheeltapper.readings.health.series import Detector, FlaggedRuns, Piece
from wheeltapper.readings.health.unusual import Unusual


@dataclass
class Examination:
    """What is known of one asset's sensors after some of its readings.

    It goes on from there: whether the readings come in one piece or one by one, the same flags are found.
    """

    detectors: dict[str, list[Detector]]
    """Sensor → what looks at it."""
    until: int | None = None
    """Time of the newest reading that was looked at, in microseconds since 1970."""
    rows: int = 0
    """Readings so far that were not idle."""

    @classmethod
    def begin(cls, asset_type: AssetType, kinds: Collection[str]) -> Examination:
        """Return the examination of an asset that has no readings yet."""
        return cls({name: _detectors(asset_type.sensors[name], list(kinds)) for name in asset_type.measured})

    def advance(self, readings: pd.DataFrame) -> pd.DataFrame:
        """Look at the asset's next readings, later than all before; return the flags that no later reading changes.

        Parameters
        ----------
        readings : DataFrame
            Rows of the table of readings, in order of time. Those of idle regimes (maintenance, off) are skipped.

        Returns
        -------
        DataFrame
            Columns of `tables.FLAGS` without the asset.
        """
        if readings.empty:
            return _as_rows([])
        times = tables.microseconds(readings["timestamp"])
        self.until = int(times[-1])
        is_watched = ~readings["regime"].isin(IDLE_REGIMES).to_numpy()
        by_sensor: list[tuple[str, FlaggedRuns]] = []
        for name, detectors in self.detectors.items():
            piece = Piece(self.rows, times[is_watched], readings[name].to_numpy(dtype=np.float64)[is_watched])
            by_sensor += [(name, flags) for detector in detectors for flags in detector.advance(piece)]
        self.rows += int(is_watched.sum())
        return _as_rows(by_sensor)

    def growing(self) -> pd.DataFrame:
        """Return the flags that the next readings may make longer; columns as those of `advance`."""
        by_sensor = [
            (name, flags)
            for name, detectors in self.detectors.items()
            for detector in detectors
            for flags in detector.growing()
        ]
        return _as_rows(by_sensor)

    def unsettled(self) -> Iterator[tuple[str, str, int | None]]:
        """Yield sensor, kind of flag, and the time from which on its flags may still begin or change.

        The time is None where only later readings can be flagged.
        """
        for name, detectors in self.detectors.items():
            for detector in detectors:
                for kind, start in detector.unsettled().items():
                    yield name, kind, start


def _detectors(sensor: Sensor, kinds: list[str]) -> list[Detector]:
    """Return what looks at a sensor."""
    low, high = (np.nan if limit is None else limit for limit in (sensor.low, sensor.high))
    unusual = Unusual(kinds, sensor.unit_of_features, sensor.counter)
    if sensor.counter:
        return [Dropout(), Unchanged(sensor.unit, low, high, "flat"), CounterResets(sensor.unit), unusual]
    return [Dropout(), Unchanged(sensor.unit, low, high), Jumps(sensor.unit), unusual]


def _as_rows(by_sensor: list[tuple[str, FlaggedRuns]]) -> pd.DataFrame:
    """Put flags into one frame."""
    by_sensor = [(name, flags) for name, flags in by_sensor if len(flags.runs)]
    if not by_sensor:
        return _no_rows()
    lengths = [len(flags.runs) for _, flags in by_sensor]
    first = np.concatenate([flags.runs.first for _, flags in by_sensor], axis=1)
    last = np.concatenate([flags.runs.last for _, flags in by_sensor], axis=1)
    return pd.DataFrame(
        {
            "sensor": np.repeat([name for name, _ in by_sensor], lengths),
            "kind": np.repeat([flags.kind for _, flags in by_sensor], lengths),
            "start": _instants(first[2]),
            "end": _instants(last[2]),
            "count": last[1] - first[1] + 1,
            "detail": [detail for _, flags in by_sensor for detail in flags.details],
        }
    )


@cache
def _no_rows() -> pd.DataFrame:
    return tables.FLAGS.empty().drop(columns="asset_id")


def _instants(times: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(times.astype("datetime64[us]"), tz="UTC")
