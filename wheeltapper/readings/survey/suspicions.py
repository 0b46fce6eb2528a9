"""Suspicions about readings before anything is learnt from them: units, clocks, order, counters, copies.

A suspicion is a hint with its evidence, for a person to judge; it changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import Plant, Sensor, format_duration

Floats = NDArray[np.float64]

UNITS = (
    *("°C", "°F", "K", "bar", "mbar", "Pa", "kPa", "MPa", "psi", "mm/s", "m/s", "in/s", "µm", "mm", "m", "%", "1"),
    *("l/s", "l/min", "l/h", "m³/s", "m³/h", "gal/min", "kg/s", "kg/h", "t/h", "rpm", "Hz", "kHz", "mA", "A"),
    *("mV", "V", "kV", "W", "kW", "MW", "Wh", "kWh", "MWh", "J", "kJ", "MJ"),
)
"""Units that are mistaken for each other in plants."""

FACTORS = (0.001, 1000.0, 0.01, 100.0)
"""Factors of a lost prefix (m, k), or of a fraction that was taken for per cent."""

ZONES = ("Europe/Berlin", "Europe/London", "America/New_York", "Australia/Sydney")
"""One zone for each of the usual days on which clocks change."""

UNORDERED = "unordered"
"""Stands in place of a promise for rows that are kept, but came late or repeat an instant."""
_FEW = 100
"""With fewer readings, nothing is suspected of a sensor."""


@dataclass(frozen=True)
class Suspicion:
    """A hint that something is wrong."""

    kind: str
    """unit, time_zone, time_format, order, counter, constant, copy or step"""
    where: str
    """The sensor, with its asset where only some are concerned, or the timestamps."""
    said: str
    """The evidence and what to try, in a sentence."""


def suspect(
    rows: pd.DataFrame,
    plant: Plant,
    rejected: pd.DataFrame,
    *,
    backward_share: float = 0.0,
    minutes: pd.Series[pd.Timestamp] | None = None,
    faults: pd.DataFrame | None = None,
) -> list[Suspicion]:
    """List the suspicions about readings.

    Parameters
    ----------
    rows : DataFrame
        Columns asset_id, timestamp (UTC) and the plant's sensors; each asset's rows in time order.
    plant : Plant
        Names the sensors, their units and limits.
    rejected : DataFrame
        Rows that cleaning put aside, and with the expectation `UNORDERED` those that are late or repeated.
    backward_share : float
        Share of all rows that stepped back in time, 0 to 1.
    minutes : Series, optional
        The minutes in which there is any reading at all, if ``rows`` are only a sample.
    faults : DataFrame, optional
        Rows of `tables.FAULTS`.
    """
    suspicions: list[Suspicion] = []
    for name in plant.asset_type.measured:
        sensor = plant.asset_type.sensors[name]
        suspicions += units(rows["asset_id"], rows[name], name, sensor)
        if not sensor.counter:
            suspicions += counters(rows["asset_id"], rows[name], name)
    times = rows if minutes is None else pd.DataFrame({"asset_id": "any", "timestamp": minutes})
    suspicions += constants(rows, plant)
    suspicions += copies(rows, plant, faults)
    return [*suspicions, *clocks(times, rejected), *years(rows["timestamp"]), *order(backward_share)]


def units(asset_id: pd.Series[str], values: pd.Series[float], name: str, sensor: Sensor) -> list[Suspicion]:
    """Suspect another unit if most of an asset's readings are outside the limits but fit after a conversion.

    It does not find a wrong unit whose numbers stay inside the limits. A sensor that lacks one of the limits is not
    examined: nearly every factor would bring readings below a single limit.

    Parameters
    ----------
    asset_id, values : Series of shape (n_rows,)
        Values in the sensor's unit, as the source claims.
    """
    if sensor.low is None or sensor.high is None:
        return []
    assets_by_hint: dict[str, list[str]] = {}
    for asset, asset_values in values.dropna().groupby(asset_id):
        numbers: Floats = np.asarray(asset_values, dtype=np.float64)
        outside = 1 - _share_inside(numbers, sensor)
        if len(numbers) >= _FEW and outside > 0.5:
            median = f"{asset_values.median():.4g}"
            description = f"{asset} ({outside:.0%} outside, median {median})"
            assets_by_hint.setdefault(_fitting_unit(numbers, sensor), []).append(description)
    return [
        Suspicion(
            "unit",
            name,
            f"{name} of {_some(assets)} does not fit its limits of {sensor.limits()}: {hint}. If the source delivers "
            f"another unit, name it in the plant (cleaning: units: {{{name}: …}}); else correct unit and limits.",
        )
        for hint, assets in assets_by_hint.items()
    ]


def _fitting_unit(values: Floats, sensor: Sensor) -> str:
    """Name the conversions that bring nearly all values inside the limits: units first, two at most.

    A sensor is chosen for the values that it measures. So the nearer a conversion brings the median to the middle
    between the limits, the more likely it is.
    """
    if units := _fitting(values, sensor, _conversions(sensor.unit)):
        return f"the numbers look like {' or '.join(units)} instead of {sensor.unit}"
    if factors := _fitting(values, sensor, ((f"{factor:g}", factor, 0.0) for factor in FACTORS)):
        return f"times {' or '.join(factors)} it would fit"
    return "no usual unit or factor would fit either"


def _fitting(values: Floats, sensor: Sensor, conversions: Iterable[tuple[str, float, float]]) -> list[str]:
    """Return the names of the two most likely conversions (name, factor, shift)."""
    middle, median = ((sensor.low or 0.0) + (sensor.high or 0.0)) / 2, float(np.median(values))
    distances = [
        (abs(median * factor + shift - middle), name)
        for name, factor, shift in conversions
        if _share_inside(values * factor + shift, sensor) > 0.99
    ]
    return [name for _, name in sorted(distances, key=lambda entry: entry[0])[:2]]


def _conversions(unit: str) -> Iterator[tuple[str, float, float]]:
    """Yield each other unit of the same kind with its factor and shift: ``value * factor + shift`` is in ``unit``."""
    import pint

    registry = pint.application_registry
    for other_unit in UNITS:
        try:
            at_zero, at_one = (float(registry.Quantity(value, other_unit).to(unit).magnitude) for value in (0.0, 1.0))
        except pint.DimensionalityError:
            continue
        if (at_one - at_zero, at_zero) != (1.0, 0.0):
            yield other_unit, at_one - at_zero, at_zero


def _share_inside(values: Floats, sensor: Sensor) -> float:
    low = -np.inf if sensor.low is None else sensor.low
    high = np.inf if sensor.high is None else sensor.high
    return float(np.mean((values >= low) & (values <= high)))


def counters(asset_id: pd.Series[str], values: pd.Series[float], name: str) -> list[Suspicion]:
    """Suspect a cumulative counter (energy, operating hours) if a sensor keeps rising and hardly ever falls.

    One step in a hundred may fall: counters are reset. A slow ramp without any noise looks the same.
    """
    rising = []
    for asset, asset_values in values.dropna().groupby(asset_id):
        steps = np.diff(asset_values.to_numpy())
        if len(asset_values) >= _FEW and np.mean(steps < 0) <= 0.01 and np.mean(steps > 0) >= 0.2:
            rising.append(f"{asset} ({np.mean(steps >= 0):.1%} of its steps do not fall)")
    if not rising:
        return []
    hint = (
        f"{name} of {_some(rising)} looks like a cumulative counter. Its rate shows the state of the machine, its "
        f"value does not: write counter: true with sensor {name} in the asset type."
    )
    return [Suspicion("counter", name, hint)]


def constants(rows: pd.DataFrame, plant: Plant) -> list[Suspicion]:
    """Suspect sensors that have the same value all the time, on every asset: nothing can be learnt from them."""
    names = [name for name in plant.asset_type.measured if rows[name].count() >= _FEW and rows[name].nunique() == 1]
    if not names:
        return []
    values = [f"{name} ({rows[name].dropna().iloc[0]:.4g})" for name in names]
    hint = (
        f"{_some(values, 12)} never {'moves' if len(names) == 1 else 'move'}: a dead sensor, a setting that was never "
        "changed, or a column that means something else. Nothing can be learnt from it; leave it out of sensors, or "
        "correct the source."
    )
    return [Suspicion("constant", ", ".join(names), hint)]


def copies(rows: pd.DataFrame, plant: Plant, faults: pd.DataFrame | None) -> list[Suspicion]:
    """Suspect that two assets are the same one if many of their readings are the same at the same instants.

    Only readings that differ from the one before count: machines that stand still look alike.
    """
    sensors = list(plant.asset_type.measured)
    moves = (rows[sensors] != rows[sensors].shift()).any(axis=1) & (rows["asset_id"] == rows["asset_id"].shift())
    moving = rows[moves]
    repeated = moving[moving.duplicated(["timestamp", *sensors], keep=False)]
    if not len(repeated):
        return []
    key = repeated.groupby(["timestamp", *sensors], sort=False, dropna=False).ngroup().rename("key")
    keyed = repeated[["asset_id", "timestamp"]].assign(key=key)
    both = keyed.merge(keyed, on="key", suffixes=("", "_other"))
    both = both[both["asset_id"] < both["asset_id_other"]]
    pairs = []
    for (first, second), shared in both.groupby(["asset_id", "asset_id_other"]):
        shorter = min((rows["asset_id"] == first).sum(), (rows["asset_id"] == second).sum())
        if len(shared) >= max(10, 0.02 * shorter):
            opposed = _count_opposed(shared["timestamp"], str(first), str(second), faults)
            labels = f", {opposed:,} of them with opposite labels" if opposed else ""
            pairs.append(f"{first} and {second} ({len(shared):,} readings{labels})")
    if not pairs:
        return []
    hint = (
        f"{_some(pairs)} hold the same values at the same times: the same experiment twice, or overlapping exports. "
        "A model that learns from one and is tested on the other looks better than it is; leave one out in the source."
    )
    return [Suspicion("copy", "timestamp", hint)]


def _count_opposed(times: pd.Series[pd.Timestamp], first: str, second: str, faults: pd.DataFrame | None) -> int:
    """Count the instants at which one asset is inside a fault and the other is not."""
    if faults is None or not len(faults):
        return 0
    is_in_first, is_in_second = (_inside(times, faults[faults["asset_id"] == name]) for name in (first, second))
    return int((is_in_first != is_in_second).sum())


def _inside(times: pd.Series[pd.Timestamp], faults: pd.DataFrame) -> NDArray[np.bool_]:
    inside = np.zeros(len(times), dtype=bool)
    for start, end in zip(faults["start"], faults["end"], strict=True):
        inside |= np.asarray(times.between(start, end))
    return inside


def clocks(rows: pd.DataFrame, rejected: pd.DataFrame) -> list[Suspicion]:
    """Suspect wall-clock times that were read as UTC, or UTC that was read as wall-clock times.

    The evidence is in the two hours a year at which clocks change: on a wall clock one is missing and one occurs twice.
    Data without such a day, or with a step of more than half an hour, gives no evidence.
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
    changes_by_zone = {zone: list(_changes_seen(rows, rejected, zone, step)) for zone in ZONES}
    zone, evidence = max(changes_by_zone.items(), key=lambda item: len(item[1]))
    if not evidence:
        return []
    hint = (
        f"{'; '.join(evidence[:3])}: these are the hours at which clocks change in {zone} and zones like it. The "
        f"times look like wall-clock times: set time_zone in the source, such as time_zone: {zone}."
    )
    return [Suspicion("time_zone", "timestamp", hint)]


def _changes_seen(rows: pd.DataFrame, rejected: pd.DataFrame, zone: str, step: timedelta) -> Iterator[str]:
    """Yield the clock changes of a zone that the times show as a wall clock would."""
    times = np.sort(rows["timestamp"].dt.tz_localize(None).unique())
    rejected_times = pd.to_datetime(rejected["timestamp"], utc=True, errors="coerce", format="ISO8601").dt.tz_localize(
        None
    )
    repeated = rejected_times[rejected["expectation"] == UNORDERED]
    enough = 0.5 * (timedelta(hours=1) / step)
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
        if not is_skipped and ((repeated >= begin) & (repeated < end)).sum() >= enough:
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
    """Suspect the time's unit or format if readings are from before 1990 or after 2100."""
    times = timestamp.dropna()
    strange = times[(times.dt.year < 1990) | (times.dt.year > 2100)]
    if not len(strange):
        return []
    hint = (
        f"{len(strange):,} of {len(times):,} readings are from before 1990 or after 2100, such as "
        f"{strange.iloc[0].isoformat()}. Check time_format in the source: unix, unix_ms or unix_us."
    )
    return [Suspicion("time_format", "timestamp", hint)]


def order(backward_share: float) -> list[Suspicion]:
    """Suspect unsorted data if more than one row in ten steps back in time."""
    if backward_share <= 0.1:
        return []
    hint = (
        f"{backward_share:.0%} of all rows come after a later one of their asset. They are sorted in; but if one file "
        "holds several machines, set asset_column, and if a clock was set back, their times are wrong."
    )
    return [Suspicion("order", "timestamp", hint)]


def step(pause: float | None, expected: timedelta) -> list[Suspicion]:
    """Suspect the asset type's step if readings usually follow each other faster or slower.

    Parameters
    ----------
    pause : float or None
        The usual pause between two readings in s.
    expected : timedelta
        The asset type's step.
    """
    if pause is None or 0.6 < pause / expected.total_seconds() < 1.6:
        return []
    usual, configured = format_duration(timedelta(seconds=pause)), format_duration(expected)
    return [
        Suspicion(
            "step",
            "timestamp",
            f"readings usually arrive every {usual}, but the asset type's step is {configured}: windows, gaps and "
            f"reaction times are counted in it. Write step: {usual} in the asset type.",
        )
    ]


def _some(names: Iterable[str], most: int = 3) -> str:
    first = list(names)
    return ", ".join(first[:most]) + (f" and {len(first) - most} more" if len(first) > most else "")
