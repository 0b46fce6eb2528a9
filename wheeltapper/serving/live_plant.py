"""A plant that is served: its journal, its live state, and what its readings mean.

Readings are checked, put into the journal, and taken into the live state in the order of the journal, so that a state
that is built again from the tables and the rest of the journal is the same one.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from wheeltapper import tables
from wheeltapper.decisions import ledger
from wheeltapper.features.compute import WindowRows
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings.delivery.cursor import read_mark
from wheeltapper.scoring import explanation
from wheeltapper.scoring.live import CHALLENGER, CHAMPION, Answer, LiveModel, LiveState, Transition, advance
from wheeltapper.scoring.restore import live_models, restore
from wheeltapper.scoring.tiers import tier_of
from wheeltapper.serving import journal
from wheeltapper.serving.fold import DOOR, journal_folder
from wheeltapper.serving.intake import Accepted, Intake, decode, encode
from wheeltapper.serving.journal import Journal
from wheeltapper.serving.recent import Recent
from wheeltapper.sources.live.reading import LiveReading
from wheeltapper.workspace import OBJECTIVE, Workspace

_log = logging.getLogger("wheeltapper.serving")

_EVER = 2**62
"""Later than any time, in microseconds since the epoch."""

LONGEST_WAIT = timedelta(minutes=2)
"""How long readings may wait for the tables until that is a trouble."""
BEHIND = "tables are behind"

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Meaning:
    """What one reading means: the window that it completes, as the champion sees it."""

    asset_id: str
    time: int
    """Of the reading, in microseconds since the epoch."""
    status: str
    """``scored``, or why there is no score: ``insufficient_history``, ``not_yet`` (a grid's cell is not over),
    ``learnt`` (the model has learnt from this time), else why the window cannot be used."""
    regime: str = ""
    window_end: int | None = None
    """End of the window that is scored: the time of the reading; on a grid, that of the last cell that is over."""
    score: float | None = None
    threshold: float | None = None
    severity: float | None = None
    challenger_severity: float | None = None
    findings: tuple[explanation.Finding, ...] = ()
    """The sensors of an anomalous window, the leading one first."""
    tier: str = ""
    """How soon it must be looked at, where the window is anomalous."""

    @property
    def is_anomalous(self) -> bool:
        """True if the score is above the threshold."""
        return self.score is not None and self.threshold is not None and self.score > self.threshold


@dataclass(frozen=True)
class Taken:
    """What readings that came in together mean."""

    number: int
    """Of their entry in the journal."""
    bundle: str
    """Hash of the champion that scored them."""
    meanings: tuple[Meaning, ...]
    """One for each reading, in their order."""
    transitions: tuple[Transition, ...]


@dataclass
class _Core:
    """The live state with what it needs, replaced as a whole when another model is live."""

    models: list[LiveModel]
    state: LiveState
    recent: Recent

    @property
    def champion(self) -> LiveModel:
        return next(model for model in self.models if model.role == CHAMPION)


class LivePlant:
    """Takes readings of one plant in and says what they mean.

    Parameters
    ----------
    space : Workspace
    clock : callable
        Returns the present time with a time zone.

    Raises
    ------
    NoChampionError
        If nothing is live.
    JournalError
        If another process serves the plant, or its journal is damaged.
    """

    def __init__(self, space: Workspace, clock: Clock) -> None:
        self.space, self.plant = space, space.plant
        self.clock = clock
        self._intake = Intake(space.plant)
        self._plan = FeaturePlan.of(space.plant)
        self._turn = threading.Lock()
        self._folded, self._others = 0, 0
        self._seen: int | None = None
        self._journal = Journal(journal_folder(space))
        try:
            self._core, self.reached = self._build(live_models(space), None)
        except BaseException:
            self._journal.close()
            raise
        self.since = clock()
        """Since when the present models are served."""
        self._moved_at = self.since
        self.troubles: dict[str, str] = {}
        """What does not work at present → why; readings are taken in and scored all the same."""

    @property
    def models(self) -> list[LiveModel]:
        """The champion and, where there is one, its challenger."""
        return self._core.models

    @property
    def state(self) -> LiveState:
        """The live state of all machines."""
        return self._core.state

    @property
    def waiting(self) -> int:
        """Entries of the journal that are not in the tables yet."""
        return self._journal.newest - self._folded

    async def take(self, readings: Sequence[LiveReading]) -> Taken:
        """Check readings, put them on the disk, and say what they mean.

        Raises
        ------
        RefusedReadingError
            If one of them breaks a promise; none of them was kept.
        JournalError
            If they could not be put on the disk; none of them was kept.
        """
        now = self.clock()
        accepted = self._intake.accept(readings, now)
        number = await asyncio.wrap_future(self._journal.append(encode(readings, now)))
        return self._take_in(number, accepted)

    def follow_tables(self) -> bool:
        """Forget what is in the tables by now; build the state anew if something else has changed the readings.

        Returns
        -------
        bool
            Whether the state was built anew.
        """
        version, mark = self.space.store.version(tables.READINGS), read_mark(self.space, DOOR)
        is_all_folded = self._journal.newest == mark.entry
        if mark.others != self._others or (is_all_folded and version not in (mark.readings, self._seen)):
            self._replace(self.models)
            return True
        self._note_progress(mark.entry)
        if mark.entry != self._folded:
            with self._turn:
                self._folded = mark.entry
                self._core.recent.forget(mark.entry)
        return False

    def _note_progress(self, entry: int) -> None:
        """Note as a trouble that readings wait for their way into the tables for long, and none of them gets there."""
        if entry != self._folded or self._journal.newest == entry:
            self._moved_at = self.clock()
            self.troubles.pop(BEHIND, None)
        elif self.clock() - self._moved_at > LONGEST_WAIT:
            self.troubles[BEHIND] = (
                f"no entry has reached the tables since {self._moved_at.isoformat()}; waiting: "
                f"{self._journal.newest - entry}. They are on the disk; the log fold-{self.plant.name} says why"
            )

    def follow_models(self) -> bool:
        """Serve what is live now, if it is another than before; return whether it is.

        Raises
        ------
        WheeltapperError
            If it cannot be loaded; the models from before are served on.
        """
        if self._live_names() == {model.role: model.name for model in self.models}:
            return False
        self._replace(live_models(self.space))
        self.since = self.clock()
        return True

    def close(self) -> None:
        """Write what is waiting and let another process serve the plant."""
        self._journal.close()

    def _replace(self, models: list[LiveModel]) -> None:
        """Build the state anew while readings are taken in, and put it in place of the present one."""
        core, reached = self._build(models, self.reached)
        with self._turn:
            self._replay(core, reached, self.reached)  # what was taken in meanwhile
            self._core = core

    def _live_names(self) -> dict[str, str]:
        store = self.space.store
        live = {CHAMPION: ledger.live(store, OBJECTIVE), CHALLENGER: ledger.challenger(store, OBJECTIVE)}
        return {role: str(entry["bundle"]) for role, entry in live.items() if entry is not None}

    def _build(self, models: list[LiveModel], until: int | None) -> tuple[_Core, int]:
        """Build the live state from the tables and the rest of the journal, up to an entry; return the last one in it.

        An entry that is on the disk but not taken in yet is left to who waits for its answer.
        """
        with self.space.alone():  # a fold that is at work would move the tables meanwhile
            mark = read_mark(self.space, DOOR)
            self._seen = self.space.store.version(tables.READINGS)
            state, history = restore(self.space, models)
        self._folded, self._others = mark.entry, mark.others
        core = _Core(models, state, Recent(history, self._plan))
        return core, self._replay(core, mark.entry, until)

    def _replay(self, core: _Core, after: int, until: int | None) -> int:
        """Take entries of the journal in again; return the number of the last one."""
        for entry in journal.entries(self._journal.folder, after):
            if until is not None and entry.number > until:
                break
            received, readings = decode(entry.content)
            self._advance(core, entry.number, self._intake.accept(readings, received))
            after = entry.number
        return after

    def _take_in(self, number: int, accepted: Sequence[Accepted]) -> Taken:
        with self._turn:
            answers = self._advance(self._core, number, accepted)
            self.reached = number
            core = self._core
        meanings, before = [], dict[str, int]()
        for reading in accepted:
            meanings.append(self._meaning(core, reading, answers[reading.asset_id], before.get(reading.asset_id)))
            before[reading.asset_id] = reading.micros
        return Taken(
            number,
            core.champion.name,
            tuple(meanings),
            tuple(t for answer in answers.values() for t in answer.transitions),
        )

    def _advance(self, core: _Core, number: int, accepted: Sequence[Accepted]) -> dict[str, Answer]:
        arrivals = self._intake.arrivals(accepted)
        _, answers = advance(core.state, arrivals, core.recent)
        for asset, answer in answers.items():
            core.recent.add(number, asset, arrivals[asset], answer)
        return answers

    def _meaning(self, core: _Core, reading: Accepted, answer: Answer, before: int | None) -> Meaning:
        """Find the window that a reading completes, and what the models say of it.

        ``before`` is the time of the reading of the same machine that came in just before it.
        """
        rows, is_on_grid = answer.rows, self.plant.cleaning.resample is not None
        place = int(np.searchsorted(rows.ends, reading.micros, side="right")) - 1
        begins = reading.micros if not is_on_grid else -_EVER if before is None else before + 1
        if place < 0 or rows.ends[place] < begins:
            repeated = None if is_on_grid else self._scored_before(core, reading)
            if repeated is not None:
                return repeated
            status = "not_yet" if is_on_grid else "insufficient_history"
            return Meaning(reading.asset_id, reading.micros, status, reading.regime)
        end = int(rows.ends[place])
        scored = answer.scores[CHAMPION]
        at = int(np.searchsorted(scored.ends, end))
        if at == len(scored.ends) or scored.ends[at] != end:
            return Meaning(reading.asset_id, reading.micros, str(rows.why_not[place]) or "learnt", reading.regime)
        meaning = Meaning(
            reading.asset_id,
            reading.micros,
            "scored",
            str(scored.regimes[at]),
            end,
            float(scored.score[at]),
            float(scored.threshold[at]),
            float(scored.severity[at]),
            _severity(answer, end),
        )
        return self._explained(core, meaning, rows, place) if meaning.is_anomalous else meaning

    def _scored_before(self, core: _Core, reading: Accepted) -> Meaning | None:
        """Return what a reading meant that has come before; None if its window was never scored.

        A client that did not get an answer sends again, and what it sends changes nothing.
        """
        newest = core.state.assets[reading.asset_id].alarm.newest
        if newest is None or reading.micros > newest:
            return None
        scored = core.recent.scores(reading.asset_id, reading.micros)
        if not len(scored.ends) or scored.ends[0] != reading.micros:
            return None
        return Meaning(
            reading.asset_id,
            reading.micros,
            "scored",
            str(scored.regimes[0]),
            reading.micros,
            float(scored.score[0]),
            float(scored.threshold[0]),
            float(scored.severity[0]),
        )

    def _explained(self, core: _Core, meaning: Meaning, rows: WindowRows, place: int) -> Meaning:
        """Add the sensors that an anomalous window is about, and how soon it must be looked at."""
        bundle = core.champion.bundle
        row = self._row(meaning.asset_id, rows, place)
        findings = tuple(explanation.explain(bundle, bundle.rows_of_plan(row)))
        tier = tier_of(meaning.severity or 0.0, None, bundle.asset_type)
        return Meaning(**{**vars(meaning), "findings": findings, "tier": tier})

    def _row(self, asset: str, rows: WindowRows, place: int) -> pd.DataFrame:
        """Return one window as a row of the table of features."""
        fixed = {
            "asset_id": asset,
            "window_end": pd.Timestamp(int(rows.ends[place]), unit="us", tz="UTC"),
            "window_start": pd.Timestamp(int(rows.starts[place]), unit="us", tz="UTC"),
            "regime": str(rows.regimes[place]),
            "plan": self._plan.hash,
            "usable": True,
            "why_not": "",
        }
        return pd.DataFrame([fixed | dict(zip(self._plan.columns, rows.values[place].tolist(), strict=True))])

    def newest(self) -> dict[str, int]:
        """Return asset → time of its newest reading, in microseconds since the epoch."""
        memories = {asset: state.memories[self._plan.hash] for asset, state in self._core.state.assets.items()}
        return {asset: memory.newest for asset, memory in memories.items() if memory.newest is not None}

    def alarms(self) -> pd.DataFrame:
        """Return the stored alarms: rows of `tables.ALARMS`; one that is new is there after the next fold."""
        return self.space.store.read(tables.ALARMS)


def _severity(answer: Answer, micros: int) -> float | None:
    """Return what the challenger says of a window."""
    scored = answer.scores.get(CHALLENGER)
    if scored is None:
        return None
    at = int(np.searchsorted(scored.ends, micros))
    return float(scored.severity[at]) if at < len(scored.ends) and scored.ends[at] == micros else None
