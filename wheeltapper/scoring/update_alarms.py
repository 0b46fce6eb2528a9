"""Store scores and alarms of some machines, and change earlier ones where windows are new, late or corrected."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper import faultpoints, tables
from wheeltapper.readings import exclude
from wheeltapper.scoring import alarm_records
from wheeltapper.scoring.alarm_records import OPEN
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.describe import describe, top_sensors
from wheeltapper.scoring.diagnosis import FLAT
from wheeltapper.scoring.live import CHAMPION, LiveModel
from wheeltapper.scoring.notes import rescored
from wheeltapper.scoring.refold import Changed, Region, regions
from wheeltapper.scoring.window_rows import WindowRows, near_in_time
from wheeltapper.tables import microseconds
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.score")

_TAKEN_BACK = "readings that arrived later no longer show it."
_TICK = pd.Timedelta(1, "us")


class AlarmUpdate:
    """Takes the scores of one model in, and keeps its alarms up to date where it is the champion."""

    def __init__(self, space: Workspace, model: LiveModel, windows: WindowRows) -> None:
        self._store, self._rule, self._max_gap = space.store, space.plant.alarms, space.plant.max_gap
        self._model, self._windows = model, windows

    def take_in(self, changed: dict[str, Changed], *, is_first: bool = False) -> tuple[int, int]:
        """Store scores and alarms of some machines; return how many windows were scored and alarms are concerned."""
        if not changed:
            return 0, 0
        around = self._regions(changed)
        before = pd.concat([region.before for region in around.values()])
        after = pd.concat([region.after for region in around.values()])
        for line in rescored(before, after):
            _log.info("  note: %s", line)
        folded = pd.concat([region.fold(self._rule, self._max_gap) for region in around.values()], ignore_index=True)
        described = tables.ALARMS.empty()
        if self._model.role == CHAMPION:
            records = self._store.read(tables.ALARMS)
            nearby = records[_may_change(records, around)]
            matched = alarm_records.match(folded, nearby, self._model.name, records["alarm_id"])
            described = self._describe(folded, matched.identifiers, after)
            described = alarm_records.unless_rounded(described, nearby) if is_first else described
        after = after.assign(top_sensors=top_sensors(after, described))
        self._store_scores(before, after)
        faultpoints.hit("score.after_scores")
        if self._model.role == CHAMPION:
            ended = self._ended(matched.unmatched, around)
            self._store_alarms(pd.concat([described, ended], ignore_index=True))
        return sum(len(change.scored) for change in changed.values()), len(described)

    def _regions(self, changed: dict[str, Changed]) -> dict[str, Region]:
        sizes = self._store.sizes(tables.SCORES)
        stored = (pd.Timestamp(sizes[0][0]), pd.Timestamp(sizes[-1][1])) if sizes else None
        columns = tables.SCORES.names()
        narrow = {
            asset: Changed(change.first, change.last, change.scored[columns], change.replaces)
            for asset, change in changed.items()
        }
        return regions(self.read_scores, narrow, stored, self._rule, self._max_gap)

    def read_scores(self, start: pd.Timestamp | None, end: pd.Timestamp | None, assets: list[str]) -> pd.DataFrame:
        """Return the stored scores of the model in a span, for some machines."""
        rows = self._store.read(tables.SCORES, start=start, end=end, assets=assets)
        return rows[rows["bundle"] == self._model.name]

    def _stored_alarms(self, assets: list[str]) -> pd.DataFrame:
        records = self._store.read(tables.ALARMS)
        return records[records["asset_id"].isin(assets)]

    def _describe(self, folded: pd.DataFrame, identifiers: Sequence[str], after: pd.DataFrame) -> pd.DataFrame:
        if folded.empty:
            return tables.ALARMS.empty()
        features = self._features_of(folded, after)
        flags = self._flat_flags(folded)
        return describe(
            self._model.bundle, self._model.name, folded, identifiers, features, flags, self._rule.open_after
        )

    def _features_of(self, folded: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
        """Return the feature rows of the alarms' windows, and of those that led to them."""
        ends_by_asset = {asset: rows["window_end"] for asset, rows in after.groupby("asset_id")}
        opening = [
            int(ends_by_asset[asset].searchsorted(opened_at))
            for asset, opened_at in zip(folded["asset_id"], folded["opened_at"], strict=True)
        ]
        spans = folded.assign(
            start=[
                ends_by_asset[asset].iloc[max(place - self._rule.open_after + 1, 0)]
                for asset, place in zip(folded["asset_id"], opening, strict=True)
            ],
            end=folded["last_at"],
        )
        assets = [str(asset) for asset in folded["asset_id"].unique()]
        return pd.concat(
            [
                rows[_ends_inside(rows, spans)]
                for stretch in near_in_time(spans)
                for rows in self._windows.parts(assets, stretch["start"].min(), stretch["end"].max() + _TICK)
            ],
            ignore_index=True,
        )

    def _flat_flags(self, folded: pd.DataFrame) -> pd.DataFrame:
        """Return the flags of sensors that were stuck during alarms, without sensors for which that is usual."""
        flags = self._store.read(tables.FLAGS)
        spans = folded.groupby("asset_id").agg(first=("opened_at", "min"), last=("last_at", "max"))
        first, last = flags["asset_id"].map(spans["first"]), flags["asset_id"].map(spans["last"])
        assets = flags.loc[(flags["kind"] == FLAT) & (flags["end"] >= first) & (flags["start"] <= last), "asset_id"]
        if assets.empty:
            return flags.iloc[:0]
        flags = flags[flags["asset_id"].isin(assets)]
        columns = ["asset_id", "window_start", "window_end", "usable"]
        rows = self._store.read(tables.FEATURES, columns=columns, assets=sorted(set(assets)))
        part = pd.Series(np.where(is_unlearnt(self._model.bundle, rows), "", "train"), index=rows.index)
        return exclude.informative_flags(rows, part, flags).flags

    def _ended(self, unmatched: pd.DataFrame, around: Mapping[str, Region]) -> pd.DataFrame:
        """Return the stored alarms that are closed or withdrawn now, because no window continues them."""
        rows = unmatched[unmatched["state"] != alarm_records.WITHDRAWN]
        parts = [rows.iloc[:0]]
        for asset, region in around.items():
            of_asset = rows[rows["asset_id"] == asset]
            is_of_model, is_inside = of_asset["bundle"] == self._model.name, region.holds(of_asset["opened_at"])
            parts.append(alarm_records.withdraw(of_asset[is_of_model & is_inside], _TAKEN_BACK))
            # Windows have come after a pause, or the alarm is of a former champion: it is over.
            is_over = ~is_of_model | region.follows(of_asset["last_at"])
            parts.append(alarm_records.close(of_asset[is_over & (of_asset["state"] == OPEN)]))
        return pd.concat(parts, ignore_index=True)

    def _store_scores(self, before: pd.DataFrame, after: pd.DataFrame) -> None:
        """Write the scores that differ from the stored ones, and delete those whose windows no longer exist."""
        key = list(tables.SCORES.key)
        matched = after.merge(before, on=key, how="left", suffixes=("", "_before"), indicator=True)
        values = [name for name in tables.SCORES.names() if name not in key]
        is_same = np.logical_and.reduce([matched[name] == matched[f"{name}_before"] for name in values])
        new = after[~is_same | (matched["_merge"] == "left_only").to_numpy()]
        outdated = tables.SCORES.lost_keys(before, after)
        if new.empty and outdated.empty:
            return
        # Readings may return to an earlier state, so the transaction names the version before it.
        version = self._store.version(tables.SCORES)
        digest = hashlib.sha256(pd.util.hash_pandas_object(new[key], index=False).to_numpy().tobytes()).hexdigest()[:16]
        name = f"scores:{self._model.name}:{self._model.role}:{digest}:after {version}"
        self._store.upsert(
            tables.SCORES, new[tables.SCORES.names()], txn=name, drop=outdated if len(outdated) else None
        )

    def _store_alarms(self, records: pd.DataFrame) -> None:
        if records.empty:
            return
        version = self._store.version(tables.ALARMS)
        self._store.upsert(tables.ALARMS, records, txn=f"alarms:{self._model.name}:after {version}")

    def flagged_alarms(self, since: int) -> dict[str, Changed]:
        """Return the times of alarms during which flags of stuck sensors have changed since a version."""
        keys = self._store.changes(tables.FLAGS, since)
        keys = keys[keys["kind"] == FLAT]
        if keys.empty:
            return {}
        records = self._stored_alarms(list(keys["asset_id"].unique()))
        records = records[(records["bundle"] == self._model.name) & (records["state"] != alarm_records.WITHDRAWN)]
        # A flag may have become longer or shorter: any alarm that ends after its start may be concerned.
        begins = records["asset_id"].map(keys.groupby("asset_id")["start"].min())
        concerned = records[records["last_at"] >= begins].groupby("asset_id")
        none = tables.SCORES.empty()
        return {
            str(asset): Changed(rows["opened_at"].min(), rows["last_at"].max(), none, none[["asset_id", "window_end"]])
            for asset, rows in concerned
        }


def _may_change(records: pd.DataFrame, around: Mapping[str, Region]) -> pd.Series[Any]:
    """Tell which stored alarms are open, or reach into the time of their machine that was folded again."""
    firsts = {asset: region.first for asset, region in around.items()}
    begins = pd.to_datetime(records["asset_id"].map(firsts), utc=True)  # also where there is none at all
    may_change: pd.Series[Any] = begins.notna() & ((records["last_at"] >= begins) | (records["state"] == OPEN))
    return may_change


def is_unlearnt(bundle: Bundle, rows: pd.DataFrame) -> pd.Series:
    """Return which rows come after the bundle's training time; for an asset that is new to it, all do."""
    learnt = {asset: pd.Timestamp(when) for asset, when in bundle.provenance["learned_until"].items()}
    until = rows["asset_id"].map(learnt)
    return until.isna() | (rows["window_start"] >= until)


def _ends_inside(rows: pd.DataFrame, spans: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which windows end inside one of their machine's spans."""
    is_inside = np.zeros(len(rows), dtype=bool)
    places = rows.reset_index(drop=True).groupby("asset_id").indices
    ends = microseconds(rows["window_end"])
    for asset, start, end in zip(
        spans["asset_id"], microseconds(spans["start"]), microseconds(spans["end"]), strict=True
    ):
        of_asset = places.get(asset, np.empty(0, dtype=np.intp))
        is_inside[of_asset] |= (ends[of_asset] >= start) & (ends[of_asset] <= end)
    return is_inside
