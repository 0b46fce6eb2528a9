"""Energy meters of an industrial building: counters in kWh, read every quarter of an hour.

Twenty meters as in [1]_: five machines, eight other consumers and rooms, the grid, a car charger, two fields of solar
panels, and so on; the first five of a fleet are the machines. The value of a meter only grows. Its level says nothing;
what counts is the mean power between two readings, over the time that really passed (a counter is marked as such, and
features use its count per hour).

Each meter has a base load, and work that comes in batches on working days; panels follow the sun over Lake Constance.
Machines have the mean powers that were measured (4.4, 9.3, 16.6 and 0.04 kW). The faults of meters (they freeze for
months, are reset, fall silent) are faults of sensors: ``stuck``, ``reset`` and ``dropout`` among the simulator's
kinds.

`as_published` writes readings the way that [1]_ publishes them: one column a meter, local time with its summer time
beside UTC, and gaps that are filled and named.

Not simulated: that the meters add up to the grid's, holidays, a trend over years.

References
----------
.. [1] Open Power System Data, "Household data", industrial building 3, doi:10.25832/household_data/2020-04-15.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from wheeltapper.assets import Drivers, Floats, Noise, Physics, Signal, Spell
from wheeltapper.config import AssetType, Effect, FaultKind, Sensor

if TYPE_CHECKING:
    import pandas as pd

ASSET_TYPE = AssetType(
    name="power_meter",
    description="Electricity meter of one consumer: a counter that only grows.",
    step=timedelta(minutes=15),
    sensors={
        "energy": Sensor(
            unit="kWh", low=0, high=10_000_000, counter=True, description="energy since the meter was installed"
        ),
    },
    faults={
        "overconsumption": FaultKind(
            description="The consumer draws far more than its work needs.",
            first_check="Look at what runs there now; compare with the same hour of last week.",
            effects={"energy": Effect(factor=2.5)},
        ),
        "outage": FaultKind(
            description="The consumer has stopped although it should run.",
            first_check="Check its fuse and whether it was switched off on purpose.",
            effects={"energy": Effect(factor=0.05)},
        ),
    },
)


@dataclass(frozen=True)
class Meter:
    """What one meter counts, in kW."""

    base: float
    """By day and night."""
    work: float = 0.0
    """Added while a batch runs, in working hours."""
    busy: float = 1.0
    """Share of working hours in which a batch runs."""
    sun: float = 0.0
    """Peak power of solar panels."""


METERS = {
    "machine_1": Meter(base=1.2, work=14.0, busy=0.4),
    "machine_2": Meter(base=7.9, work=3.0, busy=0.8),
    "machine_3": Meter(base=14.5, work=4.5, busy=0.8),
    "machine_4": Meter(base=0.03, work=0.15, busy=0.2),
    "machine_5": Meter(base=0.8, work=2.0, busy=0.6),
    "area_offices": Meter(base=1.5, work=6.0),
    "area_room_1": Meter(base=0.4, work=1.8),
    "area_room_2": Meter(base=0.5, work=2.2),
    "area_room_3": Meter(base=0.3, work=1.5),
    "area_room_4": Meter(base=0.6, work=2.6),
    "compressor": Meter(base=0.5, work=9.0, busy=0.6),
    "cooling_aggregate": Meter(base=3.0, work=8.0, busy=0.7),
    "cooling_pumps": Meter(base=1.8, work=1.0),
    "dishwasher": Meter(base=0.02, work=3.5, busy=0.15),
    "ev": Meter(base=0.01, work=7.0, busy=0.25),
    "grid_import": Meter(base=38.0, work=70.0),
    "pv_facade": Meter(base=0.0, sun=12.0),
    "pv_roof": Meter(base=0.0, sun=28.0),
    "refrigerator": Meter(base=0.15),
    "ventilation": Meter(base=2.2, work=4.5),
}

LATITUDE = np.radians(47.7)
NOON = 11.4 * 3600  # s after midnight UTC at 9.2° east
DAY, YEAR = 86_400.0, 365.2425 * 86_400.0
SOLSTICE = -10 * DAY  # of winter, before the first of January


def respond(drivers: Drivers) -> dict[str, Floats]:
    """Return what the meter of this number counts in an hour (kWh, which is its mean power in kW).

    Parameters
    ----------
    drivers : Drivers
        With signals ``batch`` (whether work comes), ``size`` (share) and ``clouds``. The level is the share of a full
        working hour.
    """
    outer = drivers.signals
    meters = list(METERS.values())
    meter = meters[(drivers.number - 1) % len(meters)]
    runs = _uniform(outer["batch"]) < meter.busy
    size = np.exp(0.6 * outer["size"])
    clear = 0.15 + 0.85 * _uniform(outer["clouds"])
    power = meter.base * np.sqrt(size) + meter.work * drivers.level * runs * size + meter.sun * clear * _sun(drivers)
    return {"energy": power}


def as_published(readings: pd.DataFrame, step: timedelta = ASSET_TYPE.step) -> pd.DataFrame:
    """Write the meters' readings side by side, as the data set does.

    Parameters
    ----------
    readings : DataFrame with columns asset_id, timestamp (UTC), energy
        As the simulator gives them; readings may be missing.
    step : timedelta
        Between two rows.

    Returns
    -------
    DataFrame
        ``utc_timestamp`` and ``cet_cest_timestamp`` (text, ISO 8601; the local one shows each hour of the autumn's
        change twice, told apart by its offset), one column a meter in kWh, and ``interpolated``: the meters whose
        value was missing and is filled in by a straight line, joined by `` | ``; empty where none was.
    """
    import pandas as pd

    wide = readings.pivot_table(index="timestamp", columns="asset_id", values="energy", sort=False)
    wide = wide.sort_index().asfreq(pd.tseries.frequencies.to_offset(step))
    names = np.array(wide.columns.tolist(), dtype=object)
    filled = wide.isna().to_numpy()
    notes = [" | ".join(names[row]) for row in filled]
    table = wide.interpolate(method="time", limit_area="inside").rename_axis(columns=None)
    utc = pd.DatetimeIndex(wide.index)
    local = utc.tz_convert("Europe/Berlin")
    table.insert(0, "utc_timestamp", [time.strftime("%Y-%m-%dT%H:%M:%SZ") for time in utc])
    table.insert(1, "cet_cest_timestamp", [time.isoformat(timespec="seconds") for time in local])
    table["interpolated"] = notes
    return table.reset_index(drop=True)


def _sun(drivers: Drivers) -> Floats:
    """Return the sine of the sun's height, 0 at night."""
    season = 2 * np.pi * (drivers.seconds - SOLSTICE) / YEAR
    declination = -np.radians(23.44) * np.cos(season)
    hour = 2 * np.pi * (drivers.seconds - NOON) / DAY
    height = np.sin(LATITUDE) * np.sin(declination) + np.cos(LATITUDE) * np.cos(declination) * np.cos(hour)
    return np.asarray(np.maximum(height, 0.0), dtype=np.float64)


def _uniform(normal: Floats) -> Floats:
    from scipy.special import ndtr

    return np.asarray(ndtr(normal), dtype=np.float64)


PHYSICS = Physics(
    respond=respond,
    # A meter is never off; only the amount of work changes.
    schedule=(
        Spell("normal", at=timedelta(hours=17), lasts=timedelta(hours=12), level=0.1),
        Spell("normal", at=timedelta(hours=5), lasts=timedelta(hours=24), level=0.05, weekday=5),
        Spell("normal", at=timedelta(hours=5), lasts=timedelta(hours=24), level=0.05, weekday=6),
    ),
    signals={
        "batch": Signal(sd=1.0, memory=timedelta(hours=3)),
        "size": Signal(sd=0.35, memory=timedelta(hours=2)),
        "clouds": Signal(sd=1.0, memory=timedelta(hours=5)),
    },
    noise={"energy": Noise(process=0.005, measurement=0.005)},
    shift=timedelta(minutes=30),
    lasts=(timedelta(hours=6), timedelta(hours=48)),
    names=tuple(METERS),
)
