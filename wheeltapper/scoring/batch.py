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

from wheeltapper import memory, tables
from wheeltapper.errors import DataError, NoChampionError
from wheeltapper.scoring.followed import Mark
from wheeltapper.scoring.live import CHALLENGER, CHAMPION, LiveModel
from wheeltapper.scoring.live_model import challenger_bundle, live_bundle
from wheeltapper.scoring.notes import ROUNDING, caveats
from wheeltapper.scoring.refold import Changed
from wheeltapper.scoring.update_alarms import AlarmUpdate, is_unlearnt
from wheeltapper.scoring.window_rows import Stretch, WindowRows
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.score")

GROUP_WINDOWS = 3_000_000
"""Windows of the machines that are scored at once for the first time, about."""

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
    memory.give_back(between_steps=True)
    result = _Scoring(space, LiveModel(champion, CHAMPION), check).bring_up_to_date()
    challenger = challenger_bundle(space)
    if challenger is not None:
        _Scoring(space, LiveModel(challenger, CHALLENGER), check).bring_up_to_date()
    if result.scored:
        _log.info("%s windows scored by %s, %d alarms", f"{result.scored:,}", champion.detector_name, result.alarms)
    else:
        _log.info("no new windows to score")
    return result


class _Scoring:
    """Finds what one model has to score, and scores it."""

    def __init__(self, space: Workspace, model: LiveModel, check: CheckScores) -> None:
        self._space, self._model, self._check = space, model, check
        self._store = space.store
        self._windows = WindowRows(space, model.bundle)
        self._update = AlarmUpdate(space, model, self._windows)

    def bring_up_to_date(self) -> Scored:
        """Take in what has changed since the bundle last scored in this role; everything the first time."""
        table = self._windows.table
        mark = Mark(self._store, f"scores of {self._model.name} as {self._model.role}", table, self._settings())
        newest, since = self._store.version(table), mark.version_taken_in()
        if newest is None:
            raise DataError(f"{self._space.plant.name} has no windows yet. Run: wheeltapper run {self._space.to_type}")
        scored = alarm_count = 0
        for batch in self._everything() if since is None else self._changes(since):
            count, raised = self._update.take_in(batch, is_first=since is None)
            scored, alarm_count = scored + count, alarm_count + raised
        if self._model.role == CHAMPION:
            alarm_count += self._follow_flags(is_first=since is None)
        if since != newest:
            mark.move(newest)
        return Scored(scored, alarm_count, self._model.name)

    def _follow_flags(self, *, is_first: bool) -> int:
        """Describe alarms again whose sensors were flagged as stuck only afterwards; return how many."""
        mark = Mark(self._store, f"alarms of {self._model.name}", tables.FLAGS)
        newest, since = self._store.version(tables.FLAGS), mark.version_taken_in()
        if newest is None or newest == since:
            return 0
        concerned = {} if is_first or since is None else self._update.flagged_alarms(since)
        _, alarm_count = self._update.take_in(concerned)
        mark.move(newest)
        return alarm_count

    def _settings(self) -> str:
        """Return a hash of the settings that alarms depend on: with others, they are folded again."""
        plant = self._space.plant
        text = f"{plant.alarms.model_dump_json()} {plant.max_gap}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _everything(self) -> Iterator[dict[str, Changed]]:
        """Yield all windows, some machines at a time."""
        for assets in self._asset_groups():
            parts = [self._score(rows) for rows in self._windows.parts(assets, self._unlearnt_from(assets))]
            memory.give_back()
            stored = self._update.read_scores(None, None, assets)
            scored = _unless_rounded(pd.concat(parts, ignore_index=True), stored)
            self._verify(scored)
            ends = pd.concat([scored, stored])[["asset_id", "window_end"]].groupby("asset_id")["window_end"]
            yield {
                str(asset): Changed(first, last, scored[scored["asset_id"] == asset], None)
                for asset, first, last in ends.agg(["min", "max"]).itertuples()
            }

    def _unlearnt_from(self, assets: list[str]) -> pd.Timestamp | None:
        """Return an instant before which the bundle has learnt all windows of some machines; None if there is none."""
        learnt = self._model.bundle.provenance["learned_until"]
        if not all(asset in learnt for asset in assets):
            return None
        return min(pd.Timestamp(learnt[asset]) for asset in assets)

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
        features = rows[is_unlearnt(self._model.bundle, rows)]
        for line in caveats(self._model.bundle, features):
            _log.info("  note: %s", line)
        scored = self._model.bundle.score(features)
        return scored.assign(bundle=self._model.name, role=self._model.role, top_sensors="")

    def _verify(self, scored: pd.DataFrame) -> None:
        """Check scores before they are stored.

        Raises
        ------
        DataError
            If an expectation on scores fails; the message names it.
        """
        if scored.empty:
            return  # nothing new since training: no failure
        space, role = self._space, self._model.role
        # The plant's regimes may have changed since the bundle was trained.
        regimes = dict.fromkeys((*space.plant.asset_type.regimes, *self._model.bundle.asset_type.regimes))
        folder = "scores" if role == CHAMPION else f"scores_{role}"
        findings = self._check(
            scored,
            title=f"{space.plant.name} ({role})",
            regimes=tuple(regimes),
            learned_until=self._model.bundle.provenance["learned_until"],
            docs=space.reports / "data_docs" / folder,
        )
        if not findings.ok:
            raise DataError(f"{space.plant.name}: scores of the {role} are not stored. {'; '.join(findings.failures)}")
        for note in findings.notes:
            _log.info("  note: %s", note)


def _unless_rounded(scored: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """Return scores with the stored values where these differ by rounding only: an earlier release wrote them."""
    key, values = list(tables.SCORES.key), ["score", "threshold", "severity"]
    before = scored[key].merge(stored[[*key, *values]], on=key, how="left")
    is_same = np.logical_and.reduce(
        [np.isclose(scored[name], before[name], rtol=ROUNDING, atol=ROUNDING) for name in values]
    )
    return scored.assign(**{name: scored[name].mask(is_same, before[name]) for name in values})
