"""A new normal of a machine: what accepting it would change, and the decision, which can be taken back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from wheeltapper import tables
from wheeltapper.config import IDLE_REGIMES, Plant
from wheeltapper.decisions import feedback, ledger
from wheeltapper.decisions.feedback import Decision
from wheeltapper.errors import ConfigError, DataError
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings import exclude
from wheeltapper.scoring.scales import MIN_ROWS
from wheeltapper.spelling import near_miss
from wheeltapper.training import parts, withheld
from wheeltapper.training.preparation import MIN_TRAIN_ROWS
from wheeltapper.workspace import OBJECTIVE, Workspace

FAR = 3.0
"""Times that a level must move as far as it wanders anyway to be called moved."""
AUDIBLE = 0.5
"""Usual spreads that it must move at least: less than that changes no alarm."""
_BLOCKS = 4
"""Earlier spells of the same length from which on it is known how far a level wanders."""
_IQR_OF_NORMAL = 1.349
_FEW = 20
"""Readings below which a level is not told."""


@dataclass(frozen=True)
class Level:
    """What one sensor usually shows before and since an instant, in its unit."""

    sensor: str
    unit: str
    before: float | None
    """Median; None where there are too few readings."""
    since: float | None
    spread_before: float | None
    """Interquartile range as a standard deviation."""
    spread_since: float | None
    wander_before: float | None = None
    """Standard deviation of the medians of earlier spells as long as the time since; None where they are too few."""

    @property
    def has_moved(self) -> bool:
        """Whether the level lies further from the old one than it wanders anyway.

        A day may swing far and its median hardly at all: what counts is how far the medians of earlier spells lie
        apart. Where there were too few of them, single readings have to do.
        """
        if self.before is None or self.since is None:
            return False
        spread = self.spread_before or 0.0
        far = FAR * spread if self.wander_before is None else max(FAR * self.wander_before, AUDIBLE * spread)
        return abs(self.since - self.before) > far


@dataclass(frozen=True)
class Preview:
    """What accepting a new normal would change."""

    asset: str
    since: pd.Timestamp
    regime: str
    """Operating state in which levels are compared: the most frequent one since then."""
    levels: tuple[Level, ...]
    windows: dict[str, dict[str, int]]
    """Part → reason → windows of this asset; see `exclude.tally`."""
    stops: tuple[str, ...]
    """Alarms of the live model that say nothing any more, by name."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        levels = [asdict(one) | {"has_moved": one.has_moved} for one in self.levels]
        return asdict(self) | {"since": self.since.isoformat(), "levels": levels}


def preview(space: Workspace, asset: str, since: pd.Timestamp, sensors: tuple[str, ...] = ()) -> Preview:
    """Look at what a new normal of an asset from an instant on would change; nothing is written.

    Raises
    ------
    ConfigError
        If there is no such asset or sensor, or no reading since then.
    DataError
        If there are too few windows since then to learn from, or a sensor that is not named has moved, too.
    """
    store, plant = space.store, space.plant
    _require(space, asset, sensors)
    since = since.as_unit("us")
    columns = ["asset_id", "timestamp", "origin", "regime", *plant.asset_type.measured]
    readings = store.read(tables.READINGS, columns=columns, assets=[asset])
    last = readings["timestamp"].max()
    if since > last or since <= readings["timestamp"].min():
        raise ConfigError(
            f"the new normal of {asset} must begin after its first reading, {readings['timestamp'].min()}, and not "
            f"after its last one, {last}; got {since}"
        )
    faults = store.read(tables.FAULTS)
    regime, levels = _levels(plant, readings, faults[faults["asset_id"] == asset], since)
    windows = _windows(space, readings, faults, asset, since)
    live = ledger.live(store, OBJECTIVE)
    alarms = store.read(tables.ALARMS)
    own = alarms[(alarms["asset_id"] == asset) & (alarms["last_at"] >= since)]
    own = own[own["bundle"] == (live["bundle"] if live else "")]
    found = Preview(asset, since, regime, levels, windows, tuple(own.sort_values("opened_at")["alarm_id"]))
    _require_enough(space, found, last)
    _require_named(found, sensors)
    return found


def rebaseline(
    space: Workspace, found: Preview, sensors: tuple[str, ...], *, reason: str, actor: str, now: datetime
) -> dict[str, Any]:
    """Accept a new normal: the next training learns from this asset's readings since then, and from no earlier ones."""
    said = feedback.new_normals(feedback.in_force(space.store)).get(found.asset)
    if said is not None and said.start == found.since:
        raise ConfigError(
            f"{said.actor} has accepted that new normal of {found.asset} already (ledger entry {said.sequence}). "
            f"Next: wheeltapper train {space.to_type}"
        )
    about = {"asset": found.asset, "start": str(found.since), "sensors": list(sensors)}
    words = reason or f"a new normal of {found.asset} from {found.since:%Y-%m-%d %H:%M} on is accepted"
    return feedback.write(
        space.store, "rebaseline", about, actor=actor, now=now, reason=words, data={"preview": found.as_dict()}
    )


def take_back_normal(space: Workspace, asset: str, *, actor: str, now: datetime) -> dict[str, Any]:
    """Take back the latest new normal of an asset: its whole past is learnt from again.

    Raises
    ------
    ConfigError
        If it has none.
    """
    said = feedback.new_normals(feedback.in_force(space.store)).get(asset)
    if said is None:
        raise ConfigError(f"no new normal of '{asset}' is in force. What was decided: wheeltapper ledger PLANT")
    return feedback.take_back(space.store, said, actor=actor, now=now)


def _require(space: Workspace, asset: str, sensors: tuple[str, ...]) -> None:
    known = sorted(space.store.read(tables.READINGS, columns=["asset_id"])["asset_id"].unique())
    if asset not in known:
        raise ConfigError(f"{space.plant.name} has no readings of '{asset}'; found {known}.{near_miss(asset, known)}")
    for name in sensors:
        measured = list(space.plant.asset_type.measured)
        if name not in measured:
            raise ConfigError(f"{asset} has no sensor '{name}'; found {measured}.{near_miss(name, measured)}")


def _windows(
    space: Workspace, readings: pd.DataFrame, faults: pd.DataFrame, asset: str, since: pd.Timestamp
) -> dict[str, dict[str, int]]:
    """Count the asset's windows that the next training would have."""
    plan, plant = FeaturePlan.of(space.plant), space.plant
    columns = ["asset_id", "window_start", "window_end", "usable", "why_not"]
    rows = space.store.read(tables.FEATURES, columns=columns, assets=[asset])
    cut = parts.cuts_since(readings, since, plant).to_frame(asset).T
    reaching = plan.reaching(rows)
    new = Decision(0, "rebaseline", "", "", asset, since, None)
    known = exclude.why_masked(reaching, faults, plant.window_reach, lead=plant.lead)
    usable = exclude.withhold(rows, reaching, known, withheld.before(new))
    reason = exclude.why_masked(plan.reaching(usable), faults, plant.window_reach, lead=plant.lead)
    return exclude.tally(reason, parts.assign(rows, cut))


def _levels(
    plant: Plant, readings: pd.DataFrame, faults: pd.DataFrame, since: pd.Timestamp
) -> tuple[str, tuple[Level, ...]]:
    """Compare levels in the operating state that is most frequent since then, outside known faults."""
    moments = readings.assign(window_start=readings["timestamp"], window_end=readings["timestamp"])
    runs = readings[~readings["regime"].isin(IDLE_REGIMES) & ~exclude.overlaps(moments, faults)]
    is_new = runs["timestamp"] >= since
    if not is_new.any():
        return "", ()
    regime = str(runs.loc[is_new, "regime"].mode().iloc[0])
    own = runs["regime"] == regime
    before, after = runs[own & ~is_new], runs[own & is_new]
    lasting = max(readings["timestamp"].max() - since, pd.Timedelta(days=1))
    spell = (since - before["timestamp"]) // lasting
    return regime, tuple(
        Level(
            name,
            plant.asset_type.sensors[name].unit,
            *_pair(before[name], after[name]),
            wander_before=_wander(before[name], spell),
        )
        for name in plant.asset_type.measured
    )


def _wander(values: pd.Series, spell: pd.Series) -> float | None:
    """Return how far the medians of earlier spells lie apart, as a standard deviation; None if they are too few."""
    by_spell = values.groupby(spell)
    medians = by_spell.median()[by_spell.count() >= _FEW]
    return float(medians.std()) if len(medians) >= _BLOCKS else None


def _pair(before: pd.Series, after: pd.Series) -> tuple[float | None, float | None, float | None, float | None]:
    """Return both medians, then both spreads."""
    told = [_usual(values.dropna().to_numpy(dtype=np.float64)) for values in (before, after)]
    return told[0][0], told[1][0], told[0][1], told[1][1]


def _usual(values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float | None, float | None]:
    if len(values) < _FEW:
        return None, None
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(middle), float((high - low) / _IQR_OF_NORMAL)


def _require_enough(space: Workspace, found: Preview, last: pd.Timestamp) -> None:
    least = {"train": MIN_TRAIN_ROWS, "calibrate": MIN_ROWS}
    for name, count in least.items():
        own = found.windows[name][exclude.LEARNT]
        if own >= count:
            continue
        lasts = last - found.since
        wait = f" At this pace wait until about {found.since + lasts * (count / own):%Y-%m-%d %H:%M}." if own else ""
        raise DataError(
            f"{found.asset} has {own} windows of normal running since {found.since:%Y-%m-%d %H:%M} for the {name} "
            f"part; at least {count} are needed to know what is usual now.{wait} Nothing was changed in "
            f"{space.plant.name}."
        )


def _require_named(found: Preview, sensors: tuple[str, ...]) -> None:
    """Refuse a new normal of some sensors where others have moved as well: their level would be accepted unseen."""
    others = [one for one in found.levels if one.has_moved and one.sensor not in sensors]
    if sensors and others:
        told = "; ".join(f"{one.sensor} from {one.before:.5g} to {one.since:.5g} {one.unit}" for one in others)
        raise DataError(
            f"{', '.join(sensors)} of {found.asset} cannot be accepted alone, others have moved as well: {told}. A new "
            "normal counts for the whole machine: name these sensors, too, or leave --sensor out."
        )
