"""A new normal of a machine: a preview of its effects, and the decision, which can be taken back."""

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
from wheeltapper.scoring.alarm_records import standing
from wheeltapper.scoring.scales import MIN_ROWS
from wheeltapper.spelling import near_miss
from wheeltapper.training import parts, withheld
from wheeltapper.training.preparation import MIN_TRAIN_ROWS
from wheeltapper.workspace import OBJECTIVE, Workspace

FAR = 3.0
"""Multiple of its usual wander by which a level must move to count as moved."""
LEAST_MOVE = 0.5
"""Smallest move in usual spreads; a smaller one changes no alarm."""
_BLOCKS = 4
"""Fewest earlier periods of the same length for measuring how far a level wanders."""
_IQR_OF_NORMAL = 1.349
_FEW = 20
"""Fewest readings for a level."""


@dataclass(frozen=True)
class Level:
    """Usual level of one sensor before and since an instant, in its unit."""

    sensor: str
    unit: str
    before: float | None
    """Median; None where there are too few readings."""
    since: float | None
    spread_before: float | None
    """Interquartile range as a standard deviation."""
    spread_since: float | None
    wander_before: float | None = None
    """Standard deviation of the medians of earlier periods of the same length; None where there are too few."""

    @property
    def has_moved(self) -> bool:
        """True if the level has moved further than it usually wanders.

        Readings of a day may swing far while its median hardly moves. So the measure is the spread of the medians of
        earlier periods; where there are too few of them, it is the spread of single readings.
        """
        if self.before is None or self.since is None:
            return False
        spread = self.spread_before or 0.0
        far = FAR * spread if self.wander_before is None else max(FAR * self.wander_before, LEAST_MOVE * spread)
        return abs(self.since - self.before) > far


@dataclass(frozen=True)
class Preview:
    """Effects of accepting a new normal."""

    asset: str
    since: pd.Timestamp
    regime: str
    """Operating state in which levels are compared; the most frequent one since then."""
    levels: tuple[Level, ...]
    windows: dict[str, dict[str, int]]
    """Part → reason → windows of this asset; see `exclude.tally`."""
    stops: tuple[str, ...]
    """Identifiers of alarms of the live model that no longer count."""

    def as_dict(self) -> dict[str, Any]:
        """Return the preview as JSON values."""
        levels = [asdict(level) | {"has_moved": level.has_moved} for level in self.levels]
        return asdict(self) | {"since": self.since.isoformat(), "levels": levels}


def preview(space: Workspace, asset: str, since: pd.Timestamp, sensors: tuple[str, ...] = ()) -> Preview:
    """Return the effects of a new normal of an asset from an instant on; nothing is written.

    Raises
    ------
    ConfigError
        If there is no such asset or sensor, or no reading since then.
    DataError
        If there are too few windows since then to train on, or a sensor that is not named has moved, too.
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
    alarms = standing(store.read(tables.ALARMS))
    affected = alarms[(alarms["asset_id"] == asset) & (alarms["last_at"] >= since)]
    affected = affected[affected["bundle"] == (live["bundle"] if live else "")]
    result = Preview(asset, since, regime, levels, windows, tuple(affected.sort_values("opened_at")["alarm_id"]))
    _require_enough(space, result, last)
    _require_named(result, sensors)
    return result


def rebaseline(
    space: Workspace, preview_result: Preview, sensors: tuple[str, ...], *, reason: str, actor: str, now: datetime
) -> dict[str, Any]:
    """Accept a new normal: the next training uses this asset's readings since then, and no earlier ones."""
    in_force = feedback.new_normals(feedback.in_force(space.store)).get(preview_result.asset)
    if in_force is not None and in_force.start == preview_result.since:
        raise ConfigError(
            f"{in_force.actor} has accepted that new normal of {preview_result.asset} already (ledger entry "
            f"{in_force.sequence}). "
            f"Next: wheeltapper train {space.to_type}"
        )
    about = {"asset": preview_result.asset, "start": str(preview_result.since), "sensors": list(sensors)}
    text = reason or f"a new normal of {preview_result.asset} from {preview_result.since:%Y-%m-%d %H:%M} on is accepted"
    return feedback.write(
        space.store, "rebaseline", about, actor=actor, now=now, reason=text, data={"preview": preview_result.as_dict()}
    )


def take_back_normal(space: Workspace, asset: str, *, actor: str, now: datetime) -> dict[str, Any]:
    """Take back the latest new normal of an asset: its whole past is used for training again.

    Raises
    ------
    ConfigError
        If the asset has none.
    """
    decision = feedback.new_normals(feedback.in_force(space.store)).get(asset)
    if decision is None:
        raise ConfigError(f"no new normal of '{asset}' is in force. To see the decisions: wheeltapper ledger PLANT")
    return feedback.take_back(space.store, decision, actor=actor, now=now)


def _require(space: Workspace, asset: str, sensors: tuple[str, ...]) -> None:
    assets = sorted(space.store.read(tables.READINGS, columns=["asset_id"])["asset_id"].unique())
    if asset not in assets:
        raise ConfigError(f"{space.plant.name} has no readings of '{asset}'; found {assets}.{near_miss(asset, assets)}")
    for name in sensors:
        measured = list(space.plant.asset_type.measured)
        if name not in measured:
            raise ConfigError(f"{asset} has no sensor '{name}'; found {measured}.{near_miss(name, measured)}")


def _windows(
    space: Workspace, readings: pd.DataFrame, faults: pd.DataFrame, asset: str, since: pd.Timestamp
) -> dict[str, dict[str, int]]:
    """Count the asset's windows in the next training."""
    plan, plant = FeaturePlan.of(space.plant), space.plant
    columns = ["asset_id", "window_start", "window_end", "usable", "why_not"]
    rows = space.store.read(tables.FEATURES, columns=columns, assets=[asset])
    cut = parts.cuts_since(readings, since, plant).to_frame(asset).T
    reaching = plan.reaching(rows)
    new = Decision(0, "rebaseline", "", "", asset, since, None)
    masked = exclude.why_masked(reaching, faults, plant.window_reach, lead=plant.lead)
    usable = exclude.withhold(rows, reaching, masked, withheld.before(new))
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
    in_regime = runs["regime"] == regime
    before, after = runs[in_regime & ~is_new], runs[in_regime & is_new]
    duration = max(readings["timestamp"].max() - since, pd.Timedelta(days=1))
    spell = (since - before["timestamp"]) // duration
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
    """Return the standard deviation of the medians of earlier periods; None if there are too few."""
    by_spell = values.groupby(spell)
    medians = by_spell.median()[by_spell.count() >= _FEW]
    return float(medians.std()) if len(medians) >= _BLOCKS else None


def _pair(before: pd.Series, after: pd.Series) -> tuple[float | None, float | None, float | None, float | None]:
    """Return both medians, then both spreads."""
    centres_and_spreads = [_usual(values.dropna().to_numpy(dtype=np.float64)) for values in (before, after)]
    return centres_and_spreads[0][0], centres_and_spreads[1][0], centres_and_spreads[0][1], centres_and_spreads[1][1]


def _usual(values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float | None, float | None]:
    if len(values) < _FEW:
        return None, None
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(middle), float((high - low) / _IQR_OF_NORMAL)


def _require_enough(space: Workspace, result: Preview, last: pd.Timestamp) -> None:
    required = {"train": MIN_TRAIN_ROWS, "calibrate": MIN_ROWS}
    for name, count in required.items():
        available = result.windows[name][exclude.LEARNT]
        if available >= count:
            continue
        lasts = last - result.since
        wait = (
            f" At this pace wait until about {result.since + lasts * (count / available):%Y-%m-%d %H:%M}."
            if available
            else ""
        )
        raise DataError(
            f"{result.asset} has {available} windows of normal running since {result.since:%Y-%m-%d %H:%M} for the "
            f"{name} "
            f"part; at least {count} are needed to learn the new normal.{wait} Nothing was changed in "
            f"{space.plant.name}."
        )


def _require_named(result: Preview, sensors: tuple[str, ...]) -> None:
    """Refuse a new normal of some sensors where others have moved as well: their levels would be accepted unnoticed."""
    unnamed = [level for level in result.levels if level.has_moved and level.sensor not in sensors]
    if sensors and unnamed:
        moves = "; ".join(
            f"{level.sensor} from {level.before:.5g} to {level.since:.5g} {level.unit}" for level in unnamed
        )
        raise DataError(
            f"{', '.join(sensors)} of {result.asset} cannot be accepted alone, others have moved as well: {moves}. "
            f"A new "
            "normal counts for the whole machine: name these sensors, too, or leave --sensor out."
        )
