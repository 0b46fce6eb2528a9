"""What looks wrong with readings before anything is learnt from them: units, clocks, order, counters.

A suspicion is a hint with its evidence, for a person to judge; nothing is changed by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import Plant, Sensor

Floats = NDArray[np.float64]

UNITS = (
    *("°C", "°F", "K", "bar", "mbar", "Pa", "kPa", "MPa", "psi", "mm/s", "m/s", "in/s", "µm", "mm", "m", "%", "1"),
    *("l/s", "l/min", "l/h", "m³/s", "m³/h", "gal/min", "kg/s", "kg/h", "t/h", "rpm", "Hz", "kHz", "mA", "A"),
    *("mV", "V", "kV", "W", "kW", "MW", "Wh", "kWh", "MWh", "J", "kJ", "MJ"),
)
"""Units that are mistaken for each other in plants."""

FACTORS = (0.001, 1000.0, 0.01, 100.0)
"""A unit's prefix that was lost, or a per cent that was none."""

ZONES = ("Europe/Berlin", "Europe/London", "America/New_York", "Australia/Sydney")
"""One zone for each of the usual days on which clocks change."""

_FEW = 100
"""Readings below which nothing is suspected of a sensor."""


@dataclass(frozen=True)
class Suspicion:
    """One thing that looks wrong."""

    kind: str
    """unit, time_zone, time_format, order or counter"""
    where: str
    """The sensor, with its asset where only some are concerned, or the timestamps."""
    said: str
    """The evidence and what to try, in a sentence."""


def suspect(
    rows: pd.DataFrame, plant: Plant, rejected: pd.DataFrame, *, backward_share: float = 0.0
) -> list[Suspicion]:
    """List what looks wrong with readings.

    Parameters
    ----------
    rows : DataFrame
        Columns asset_id, timestamp (UTC) and the plant's sensors; of each asset in time order.
    plant : Plant
        Names the sensors, their units and limits.
    rejected : DataFrame
        Rows that cleaning put aside.
    backward_share : float
        Share of all rows that stepped back in time, 0 to 1.
    """
    found: list[Suspicion] = []
    for name, sensor in plant.asset_type.sensors.items():
        found += units(rows["asset_id"], rows[name], name, sensor)
        if not sensor.counter:
            found += counters(rows["asset_id"], rows[name], name)
    return [*found, *clocks(rows, rejected), *years(rows["timestamp"]), *order(backward_share)]


def units(asset_id: pd.Series[str], values: pd.Series[float], name: str, sensor: Sensor) -> list[Suspicion]:
    """Suspect another unit where most of an asset's readings are outside the limits but fit after a conversion.

    Does not see a wrong unit whose numbers stay inside the limits, nor a sensor without both limits: nearly every
    factor would bring readings below a single one.

    Parameters
    ----------
    asset_id, values : Series of shape (n_rows,)
        Values in the sensor's unit, as the source claims.
    """
    if sensor.low is None or sensor.high is None:
        return []
    said: dict[str, list[str]] = {}
    for asset, own in values.dropna().groupby(asset_id):
        numbers: Floats = np.asarray(own, dtype=np.float64)
        outside = 1 - _share_inside(numbers, sensor)
        if len(own) >= _FEW and outside > 0.5:
            fits = _fits(numbers, sensor)
            example = f"{own.median():.4g}"
            said.setdefault(fits, []).append(f"{asset} ({outside:.0%} outside, median {example})")
    return [
        Suspicion(
            "unit",
            name,
            f"{name} of {_some(assets)} does not fit its limits of {sensor.limits()}: {fits}. Convert it in the "
            "source, or correct unit and limits.",
        )
        for fits, assets in said.items()
    ]


def _fits(values: Floats, sensor: Sensor) -> str:
    """Say which conversions bring nearly all values inside the limits: known units first, two at most.

    A sensor is bought for what it measures, so a conversion is the likelier the nearer it brings the median to the
    middle between the limits.
    """

    def fitting(choices: Iterable[tuple[str, float, float]]) -> list[str]:
        inside = [one for one in choices if _share_inside(values * one[1] + one[2], sensor) > 0.99]
        middle, median = ((sensor.low or 0.0) + (sensor.high or 0.0)) / 2, float(np.median(values))
        return [one[0] for one in sorted(inside, key=lambda one: abs(median * one[1] + one[2] - middle))][:2]

    if found := fitting(_conversions(sensor.unit)):
        return f"the numbers look like {' or '.join(found)} instead of {sensor.unit}"
    if found := fitting((f"{factor:g}", factor, 0.0) for factor in FACTORS):
        return f"times {' or '.join(found)} it would fit"
    return "no usual unit or factor would fit either"


def _conversions(unit: str) -> Iterator[tuple[str, float, float]]:
    """Yield each other unit of the same kind as ``value * factor + shift`` gives the sensor's."""
    import pint

    registry = pint.application_registry
    for other in UNITS:
        try:
            shift, one = (float(registry.Quantity(value, other).to(unit).magnitude) for value in (0.0, 1.0))
        except pint.DimensionalityError:
            continue
        if (one - shift, shift) != (1.0, 0.0):
            yield other, one - shift, shift


def _share_inside(values: Floats, sensor: Sensor) -> float:
    low = -np.inf if sensor.low is None else sensor.low
    high = np.inf if sensor.high is None else sensor.high
    return float(np.mean((values >= low) & (values <= high)))


def counters(asset_id: pd.Series[str], values: pd.Series[float], name: str) -> list[Suspicion]:
    """Suspect a cumulative counter (energy, operating hours) where a sensor hardly ever falls but keeps rising.

    One step in a hundred may fall: counters are reset. A slow ramp without any noise looks the same.
    """
    rising = []
    for asset, own in values.dropna().groupby(asset_id):
        steps = np.diff(own.to_numpy())
        if len(own) >= _FEW and np.mean(steps < 0) <= 0.01 and np.mean(steps > 0) >= 0.2:
            rising.append(f"{asset} ({np.mean(steps >= 0):.1%} of its steps do not fall)")
    if not rising:
        return []
    said = (
        f"{name} of {_some(rising)} looks like a cumulative counter. What tells about the machine is how fast it "
        f"rises: write counter: true with sensor {name} in the asset type."
    )
    return [Suspicion("counter", name, said)]


def clocks(rows: pd.DataFrame, rejected: pd.DataFrame) -> list[Suspicion]:
    """Suspect wall-clock times that were read as UTC, or UTC that was read as wall-clock times.

    Evidence are the two hours a year at which clocks change: on a wall clock one is missing and one comes twice.
    Data without such a day, or with a step of more than half an hour, gives none.
    """
    skipped = rejected[rejected["reason"].str.contains("does not exist in", regex=False)]
    if len(skipped):
        return [
            Suspicion(
                "time_zone",
                "timestamp",
                f"{len(skipped):,} readings lie in an hour that the clocks skip, such as: "
                f"{skipped['reason'].iloc[0]}. A wall clock never shows it: the times may be UTC, or of another "
                "zone. Check time_zone in the source.",
            )
        ]
    pause = rows.groupby("asset_id", sort=False)["timestamp"].diff().dt.total_seconds().median()
    if len(rows) < _FEW or not 0 < pause <= 1800:
        return []
    step = timedelta(seconds=float(pause))
    seen = {zone: list(_changes_seen(rows, rejected, zone, step)) for zone in ZONES}
    zone, evidence = max(seen.items(), key=lambda item: len(item[1]))
    if not evidence:
        return []
    said = (
        f"{'; '.join(evidence[:3])}: these are the hours at which clocks change in {zone} and zones like it. The "
        f"times look like wall-clock times: set time_zone in the source, such as time_zone: {zone}."
    )
    return [Suspicion("time_zone", "timestamp", said)]


def _changes_seen(rows: pd.DataFrame, rejected: pd.DataFrame, zone: str, step: timedelta) -> Iterator[str]:
    """Yield the clock changes of a zone that the times show as a wall clock would."""
    times = np.sort(rows["timestamp"].dt.tz_localize(None).unique())
    aside = pd.to_datetime(rejected["timestamp"], utc=True, errors="coerce", format="ISO8601").dt.tz_localize(None)
    repeated = aside[rejected["expectation"].isin(["key_unique", "in_order"])]
    wanted = 0.5 * (timedelta(hours=1) / step)
    for begin, is_skipped in _clock_changes(zone, pd.Timestamp(times[0]), pd.Timestamp(times[-1])):
        end = begin + timedelta(hours=1)
        near = 2 * step
        inside, before, after = (
            int(((times >= low) & (times < high)).sum())
            for low, high in ((begin, end), (begin - near, begin), (end, end + near))
        )
        hour = f"{begin:%H:%M} to {end:%H:%M} on {begin:%Y-%m-%d}"
        if is_skipped and not inside and before and after:
            yield f"no reading from {hour}"
        if not is_skipped and ((repeated >= begin) & (repeated < end)).sum() >= wanted:
            yield f"the readings from {hour} come twice"


def _clock_changes(zone: str, first: pd.Timestamp, last: pd.Timestamp) -> Iterator[tuple[datetime, bool]]:
    """Yield the wall-clock hours that a zone skips (True) or repeats (False) between two wall-clock times."""
    days = pd.date_range(first.normalize(), last.normalize(), freq="D")
    local = ZoneInfo(zone)
    offsets = [
        (day.to_pydatetime().replace(tzinfo=local)).utcoffset() for day in [*days, days[-1] + pd.Timedelta(days=1)]
    ]
    for day, before, after in zip(days, offsets, offsets[1:], strict=False):
        if before != after and before is not None and after is not None:
            hours = [day.to_pydatetime() + timedelta(hours=hour) for hour in range(24)]
            changed = [hour for hour in hours if _offset(hour, local, 0) != _offset(hour, local, 1)]
            if changed:
                yield changed[0], after > before


def _offset(wall: datetime, zone: ZoneInfo, fold: int) -> timedelta | None:
    return wall.replace(tzinfo=zone, fold=fold).utcoffset()


def years(timestamp: pd.Series[pd.Timestamp]) -> list[Suspicion]:
    """Suspect the time's unit or format where readings are from before 1990 or after 2100."""
    times = timestamp.dropna()
    strange = times[(times.dt.year < 1990) | (times.dt.year > 2100)]
    if not len(strange):
        return []
    said = (
        f"{len(strange):,} of {len(times):,} readings are from before 1990 or after 2100, such as "
        f"{strange.iloc[0].isoformat()}. Check time_format in the source: unix, unix_ms or unix_us."
    )
    return [Suspicion("time_format", "timestamp", said)]


def order(backward_share: float) -> list[Suspicion]:
    """Suspect unsorted data where more than one row in ten steps back in time."""
    if backward_share <= 0.1:
        return []
    said = (
        f"{backward_share:.0%} of all rows step back in time and would go to quarantine. If files are not sorted by "
        "time, set shuffled: true in the source; if one file holds several machines, set asset_column."
    )
    return [Suspicion("order", "timestamp", said)]


def _some(names: Iterable[str]) -> str:
    first = list(names)
    return ", ".join(first[:3]) + (f" and {len(first) - 3} more" if len(first) > 3 else "")
