"""Bring scores and alarms up to date: score the windows that are new or have changed, and fold again what they reach.

The windows that the live models were trained on are not scored. What was scored before is not looked at again, so the
cost follows what is new, whatever the history.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper import faultpoints, tables
from wheeltapper.errors import DataError, NoChampionError
from wheeltapper.features.normalise import UNSEEN
from wheeltapper.names import in_order, listing
from wheeltapper.readings import exclude
from wheeltapper.scoring import alarm_records
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.calibration import Calibration
from wheeltapper.scoring.describe import describe, top_sensors
from wheeltapper.scoring.diagnosis import FLAT
from wheeltapper.scoring.followed import Mark
from wheeltapper.scoring.live_model import challenger_bundle, live_bundle
from wheeltapper.scoring.refold import Changed, Region, regions
from wheeltapper.scoring.window_rows import Stretch, WindowRows, near_in_time
from wheeltapper.tables import microseconds
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.score")

CHAMPION, CHALLENGER = "champion", "challenger"
ROUNDING = 1e-9
"""Relative difference (near 0: in usual spreads) up to which two scores are equal: rounding."""
MOST_NOTES = 3
GROUP_WINDOWS = 3_000_000
"""Windows of the machines that are scored at once for the first time, about."""

_TAKEN_BACK = "readings that arrived later no longer show it."
_TICK = pd.Timedelta(1, "us")


class Findings(Protocol):
    """Result of a check of scores."""

    @property
    def ok(self) -> bool:
        """True if the scores may be stored."""

    @property
    def failures(self) -> Sequence[str]:
        """Each failed expectation as a sentence."""

    @property
    def notes(self) -> Sequence[str]:
        """Remarks that a person should look at."""


class CheckScores(Protocol):
    """Checks scores before they are stored."""

    def __call__(
        self,
        scores: pd.DataFrame,
        *,
        title: str,
        regimes: tuple[str, ...],
        learned_until: Mapping[str, str],
        docs: Path,
    ) -> Findings:
        """Check rows of the table of scores, with ``window_start``; write the report pages into ``docs``."""


@dataclass(frozen=True)
class Scored:
    """Result of one scoring run."""

    scored: int
    """Windows that the champion scored: new ones, and those that late readings have changed."""
    alarms: int
    """Alarms of the champion that are new, go on or have changed."""
    bundle: str
    """The champion's hash."""


def score_windows(space: Workspace, check: CheckScores) -> Scored:
    """Score every window that is new to the live models, and store scores and alarms, once each.

    The challenger scores beside the champion; its windows raise no alarms.

    Raises
    ------
    NoChampionError
        If nothing is live.
    DataError
        If scores fail an expectation; then they are not stored.
    """
    champion = live_bundle(space)
    if champion is None:
        raise NoChampionError(
            f"{space.plant.name} has no champion: no candidate has passed the gates yet. "
            f"Look at: wheeltapper leaderboard {space.to_type}"
        )
    result = _Scoring(space, champion, CHAMPION, check).bring_up_to_date()
    challenger = challenger_bundle(space)
    if challenger is not None:
        _Scoring(space, challenger, CHALLENGER, check).bring_up_to_date()
    if result.scored:
        _log.info("%s windows scored by %s, %d alarms", f"{result.scored:,}", champion.detector_name, result.alarms)
    else:
        _log.info("no new windows to score")
    return result


class _Scoring:
    """Scores of one bundle in one role, and their alarms."""

    def __init__(self, space: Workspace, bundle: Bundle, role: str, check: CheckScores) -> None:
        self._space, self._bundle, self._role, self._check = space, bundle, role, check
        self._store, self._rule, self._max_gap = space.store, space.plant.alarms, space.plant.max_gap
        self._name = bundles.fingerprint(bundle)
        self._windows = WindowRows(space, bundle)

    def bring_up_to_date(self) -> Scored:
        """Take in what has changed since the bundle last scored in this role; everything the first time."""
        table = self._windows.table
        mark = Mark(self._store, f"scores of {self._name} as {self._role}", table, self._settings())
        newest, since = self._store.version(table), mark.reached()
        if newest is None:
            raise DataError(f"{self._space.plant.name} has no windows yet. Run: wheeltapper run {self._space.to_type}")
        scored = alarm_count = 0
        for batch in self._everything() if since is None else self._changes(since):
            count, raised = self._take_in(batch, is_first=since is None)
            scored, alarm_count = scored + count, alarm_count + raised
        if self._role == CHAMPION:
            alarm_count += self._follow_flags(is_first=since is None)
        if since != newest:
            mark.move(newest)
        return Scored(scored, alarm_count, self._name)

    def _follow_flags(self, *, is_first: bool) -> int:
        """Describe alarms again whose sensors were flagged as stuck since, with hindsight; return how many."""
        mark = Mark(self._store, f"alarms of {self._name}", tables.FLAGS)
        newest, since = self._store.version(tables.FLAGS), mark.reached()
        if newest is None or newest == since:
            return 0
        concerned = {} if is_first or since is None else self._flagged_alarms(since)
        _, alarm_count = self._take_in(concerned)
        mark.move(newest)
        return alarm_count

    def _flagged_alarms(self, since: int) -> dict[str, Changed]:
        """Return the times of alarms during which flags of stuck sensors have changed since a version."""
        keys = self._store.changes(tables.FLAGS, since)
        keys = keys[keys["kind"] == FLAT]
        if keys.empty:
            return {}
        records = self._stored_alarms(list(keys["asset_id"].unique()))
        records = records[(records["bundle"] == self._name) & (records["state"] != alarm_records.WITHDRAWN)]
        # A flag may have become longer or shorter: any alarm that ends after its start may be concerned.
        begins = records["asset_id"].map(keys.groupby("asset_id")["start"].min())
        concerned = records[records["last_at"] >= begins].groupby("asset_id")
        none = tables.SCORES.empty()
        return {
            str(asset): Changed(rows["opened_at"].min(), rows["last_at"].max(), none, none[["asset_id", "window_end"]])
            for asset, rows in concerned
        }

    def _settings(self) -> str:
        """Return a hash of the settings that alarms depend on: with others, they are folded again."""
        text = f"{self._rule.model_dump_json()} {self._max_gap}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    # -- what is to be scored --------------------------------------------------------------------------------------

    def _everything(self) -> Iterator[dict[str, Changed]]:
        """Yield all windows, some machines at a time."""
        for assets in self._asset_groups():
            parts = [self._score(rows) for rows in self._windows.parts(assets)]
            stored = self._read_scores(None, None, assets)
            scored = _unless_rounded(pd.concat(parts, ignore_index=True), stored)
            self._verify(scored)
            ends = pd.concat([scored, stored])[["asset_id", "window_end"]].groupby("asset_id")["window_end"]
            yield {
                str(asset): Changed(first, last, scored[scored["asset_id"] == asset], None)
                for asset, first, last in ends.agg(["min", "max"]).itertuples()
            }

    def _changes(self, since: int) -> Iterator[dict[str, Changed]]:
        """Yield the windows that have changed since a version, a stretch of time after the other."""
        for stretch in self._windows.changed(since):
            rows = stretch.only_changed(self._windows.read(stretch.start, stretch.end, stretch.assets))
            scored = self._score(rows)
            self._verify(scored)
            yield dict(self._changed_in(stretch, scored))

    def _changed_in(self, stretch: Stretch, scored: pd.DataFrame) -> Iterator[tuple[str, Changed]]:
        for asset in stretch.assets:
            of_asset = scored[scored["asset_id"] == asset]
            if stretch.keys is None:
                yield asset, Changed(stretch.start, stretch.end - _TICK, of_asset, None)
                continue
            keys = stretch.keys[stretch.keys["asset_id"] == asset]
            yield asset, Changed(keys["window_end"].min(), keys["window_end"].max(), of_asset, keys)

    def _asset_groups(self) -> Iterator[list[str]]:
        """Yield the machines, as many at a time as have about `GROUP_WINDOWS` windows together."""
        group: list[str] = []
        rows = 0
        for asset, count in sorted(self._store.rows_per_asset(self._windows.table).items()):
            if group and rows + count > GROUP_WINDOWS:
                yield group
                group, rows = [], 0
            group.append(asset)
            rows += count
        if group:
            yield group

    def _score(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return rows of the table of scores, and ``window_start``, of the windows that were not learnt from."""
        features = rows[_is_unlearnt(self._bundle, rows)]
        for line in _caveats(self._bundle, features):
            _log.info("  note: %s", line)
        scored = self._bundle.score(features)
        return scored.assign(bundle=self._name, role=self._role, top_sensors="")

    def _verify(self, scored: pd.DataFrame) -> None:
        """Check scores before they are stored.

        Raises
        ------
        DataError
            If an expectation on scores fails; the message names it.
        """
        if scored.empty:
            return  # nothing new since training: no failure
        space, role = self._space, self._role
        # The plant's regimes may have changed since the bundle was trained.
        regimes = dict.fromkeys((*space.plant.asset_type.regimes, *self._bundle.asset_type.regimes))
        folder = "scores" if role == CHAMPION else f"scores_{role}"
        findings = self._check(
            scored,
            title=f"{space.plant.name} ({role})",
            regimes=tuple(regimes),
            learned_until=self._bundle.provenance["learned_until"],
            docs=space.reports / "data_docs" / folder,
        )
        if not findings.ok:
            raise DataError(f"{space.plant.name}: scores of the {role} are not stored. {'; '.join(findings.failures)}")
        for note in findings.notes:
            _log.info("  note: %s", note)

    # -- what it changes -------------------------------------------------------------------------------------------

    def _take_in(self, changed: dict[str, Changed], *, is_first: bool = False) -> tuple[int, int]:
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
        if self._role == CHAMPION:
            records = self._stored_alarms(list(around))
            matched = alarm_records.match(folded, records, self._name)
            described = self._describe(folded, matched.identifiers, after)
            described = alarm_records.unless_rounded(described, records) if is_first else described
        after = after.assign(top_sensors=top_sensors(after, described))
        self._store_scores(before, after)
        faultpoints.hit("score.after_scores")
        if self._role == CHAMPION:
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
        return regions(self._read_scores, narrow, stored, self._rule, self._max_gap)

    def _read_scores(self, start: pd.Timestamp | None, end: pd.Timestamp | None, assets: list[str]) -> pd.DataFrame:
        rows = self._store.read(tables.SCORES, start=start, end=end, assets=assets)
        return rows[rows["bundle"] == self._name]

    def _stored_alarms(self, assets: list[str]) -> pd.DataFrame:
        records = self._store.read(tables.ALARMS)
        return records[records["asset_id"].isin(assets)]

    def _describe(self, folded: pd.DataFrame, identifiers: Sequence[str], after: pd.DataFrame) -> pd.DataFrame:
        if folded.empty:
            return tables.ALARMS.empty()
        features = self._features_of(folded, after)
        flags = self._flat_flags(folded)
        return describe(self._bundle, self._name, folded, identifiers, features, flags, self._rule.open_after)

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
        """Return the flags of sensors that repeated themselves during alarms, without those of which it is usual."""
        flags = self._store.read(tables.FLAGS)
        spans = folded.groupby("asset_id").agg(first=("opened_at", "min"), last=("last_at", "max"))
        first, last = flags["asset_id"].map(spans["first"]), flags["asset_id"].map(spans["last"])
        assets = flags.loc[(flags["kind"] == FLAT) & (flags["end"] >= first) & (flags["start"] <= last), "asset_id"]
        if assets.empty:
            return flags.iloc[:0]
        flags = flags[flags["asset_id"].isin(assets)]
        columns = ["asset_id", "window_start", "window_end", "usable"]
        rows = self._store.read(tables.FEATURES, columns=columns, assets=sorted(set(assets)))
        part = pd.Series(np.where(_is_unlearnt(self._bundle, rows), "", "train"), index=rows.index)
        return exclude.informative_flags(rows, part, flags).flags

    def _ended(self, unmatched: pd.DataFrame, around: Mapping[str, Region]) -> pd.DataFrame:
        """Return the stored alarms that are closed or withdrawn now, because no window continues them."""
        rows = unmatched[unmatched["state"] != alarm_records.WITHDRAWN]
        parts = [rows.iloc[:0]]
        for asset, region in around.items():
            of_asset = rows[rows["asset_id"] == asset]
            is_ours, is_inside = of_asset["bundle"] == self._name, region.holds(of_asset["opened_at"])
            parts.append(alarm_records.withdraw(of_asset[is_ours & is_inside], _TAKEN_BACK))
            # Windows have come after a pause, or the alarm is of a former champion: it is over.
            is_over = ~is_ours | region.follows(of_asset["last_at"])
            parts.append(alarm_records.close(of_asset[is_over & (of_asset["state"] == alarm_records.OPEN)]))
        return pd.concat(parts, ignore_index=True)

    # -- writing ---------------------------------------------------------------------------------------------------

    def _store_scores(self, before: pd.DataFrame, after: pd.DataFrame) -> None:
        """Write the scores that differ from the stored ones, and delete those whose windows no longer exist."""
        key = list(tables.SCORES.key)
        matched = after.merge(before, on=key, how="left", suffixes=("", "_before"), indicator=True)
        values = [name for name in tables.SCORES.names() if name not in key]
        is_same = np.logical_and.reduce([matched[name] == matched[f"{name}_before"] for name in values])
        new = after[~is_same | (matched["_merge"] == "left_only").to_numpy()]
        left = before[key].merge(after[key], on=key, how="left", indicator=True)
        gone = left.loc[left["_merge"] == "left_only", key]
        if new.empty and gone.empty:
            return
        # Readings may return to an earlier state, so the transaction names the version before it.
        version = self._store.version(tables.SCORES)
        digest = hashlib.sha256(pd.util.hash_pandas_object(new[key], index=False).to_numpy().tobytes()).hexdigest()[:16]
        name = f"scores:{self._name}:{self._role}:{digest}:after {version}"
        self._store.upsert(tables.SCORES, new[tables.SCORES.names()], txn=name, drop=gone if len(gone) else None)

    def _store_alarms(self, records: pd.DataFrame) -> None:
        if records.empty:
            return
        version = self._store.version(tables.ALARMS)
        self._store.upsert(tables.ALARMS, records, txn=f"alarms:{self._name}:after {version}")


def _caveats(bundle: Bundle, features: pd.DataFrame) -> list[str]:
    """Return notes on machines and regimes with too little training data."""
    fallbacks = bundle.normaliser.fallbacks(features[features["usable"]])
    return [*_scaled_by_wider_group(fallbacks), *_new_machines(fallbacks, bundle.calibration)]


def _scaled_by_wider_group(fallbacks: pd.DataFrame) -> list[str]:
    return [
        f"{row.asset_id} in {row.regime} ({row.rows:,} windows) is scaled by its {row.used}: {row.why}"
        for row in fallbacks.sort_values("rows", ascending=False).head(MOST_NOTES).itertuples()
    ]


def _new_machines(fallbacks: pd.DataFrame, calibration: Calibration) -> list[str]:
    """Return a note on machines that are new since training and whose thresholds are not trusted yet."""
    unseen = in_order({str(asset) for asset in fallbacks.loc[fallbacks["why"] == UNSEEN, "asset_id"]})
    maturity = {asset: calibration.maturity(asset) for asset in unseen}
    untrusted = [f"{asset} ({stage})" for asset, stage in maturity.items() if stage in ("learning", "provisional")]
    if not untrusted:
        return []
    return [
        f"thresholds not trusted yet: {listing(untrusted)}; {UNSEEN}, so the threshold of their kind is used until the "
        "plant is trained with them"
    ]


def _is_unlearnt(bundle: Bundle, rows: pd.DataFrame) -> pd.Series:
    """Return which rows come after the bundle's training time; for an asset that is new to it, all do."""
    learnt = {asset: pd.Timestamp(when) for asset, when in bundle.provenance["learned_until"].items()}
    until = rows["asset_id"].map(learnt)
    return until.isna() | (rows["window_start"] >= until)


def _unless_rounded(scored: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """Return scores with the stored values where these differ by rounding only: an earlier release wrote them."""
    key, values = list(tables.SCORES.key), ["score", "threshold", "severity"]
    before = scored[key].merge(stored[[*key, *values]], on=key, how="left")
    is_same = np.logical_and.reduce(
        [np.isclose(scored[name], before[name], rtol=ROUNDING, atol=ROUNDING) for name in values]
    )
    return scored.assign(**{name: scored[name].mask(is_same, before[name]) for name in values})


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


def rescored(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """Return notes on windows within scored time that are new or have a changed score: their readings were late.

    Parameters
    ----------
    before, after : DataFrame
        Rows of the table of scores around the changed windows, of one bundle: as stored, and as they are now.
    """
    if before.empty:
        return []
    key = ["asset_id", "window_end"]
    matched = after[[*key, "score"]].merge(before[[*key, "score"]], on=key, how="left", suffixes=("", "_before"))
    is_past = matched["window_end"] <= matched["asset_id"].map(before.groupby("asset_id")["window_end"].max())
    # A new window has no earlier score (NaN), so it is close to none; a stored window always has one.
    is_same = np.isclose(matched["score"], matched["score_before"], rtol=ROUNDING, atol=ROUNDING)
    late = matched[is_past & ~is_same]
    if late.empty:
        return []
    spans = late.groupby("asset_id")["window_end"].agg(["size", "min", "max"])
    lines = [
        f"{count:,} of {asset} between {first.isoformat()} and {last.isoformat()}"
        for asset, count, first, last in spans.head(MOST_NOTES).itertuples()
    ]
    lines += [f"and {len(spans) - MOST_NOTES} more machines"] if len(spans) > MOST_NOTES else []
    return [f"{len(late):,} windows of a time that was scored before are new or have changed: {'; '.join(lines)}"]
