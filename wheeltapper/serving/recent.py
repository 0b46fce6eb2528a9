"""What came in since the tables were last brought up to date, laid over them for readings that come late."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from wheeltapper.features.conditioning import Track
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.features.tracks import Arrivals, in_order, overlaid, within
from wheeltapper.scoring.live import CHAMPION, Answer, ScoredWindows
from wheeltapper.scoring.restore import TableHistory


@dataclass(frozen=True)
class _Part:
    """What one entry of the journal brought of one asset, and what it meant."""

    number: int
    """The entry's number."""
    readings: Track
    scored: ScoredWindows
    touched: np.ndarray[tuple[int], np.dtype[np.int64]]
    """Ends of the windows that are new, changed or gone since."""


@dataclass
class Recent:
    """Readings and scores of the tables with those that are not folded into them yet.

    It is a `wheeltapper.scoring.live.History`.
    """

    tables: TableHistory
    plan: FeaturePlan
    _parts: dict[str, deque[_Part]] = field(default_factory=dict)

    def add(self, number: int, asset: str, arrivals: Arrivals, answer: Answer) -> None:
        """Remember what an entry of the journal brought of an asset."""
        touched = np.union1d(answer.rows.ends, answer.gone)
        part = _Part(number, in_order(self.plan, arrivals), answer.scores[CHAMPION], touched)
        self._parts.setdefault(asset, deque()).append(part)

    def forget(self, number: int) -> None:
        """Forget what the entries up to a number brought: it is in the tables."""
        for asset, parts in list(self._parts.items()):
            while parts and parts[0].number <= number:
                parts.popleft()
            if not parts:
                del self._parts[asset]

    def readings(self, asset_id: str, start: int, end: int) -> Track:
        """Return the readings of a span: from ``start`` (inclusive) to ``end`` (exclusive), in microseconds."""
        track = self.tables.readings(asset_id, start, end)
        for part in self._parts.get(asset_id, ()):
            track = overlaid(track, within(part.readings, start, end))
        return track

    def scores(self, asset_id: str, start: int | None) -> ScoredWindows:
        """Return the windows that the champion has scored from an instant on; all of them if it is None."""
        scored = self.tables.scores(asset_id, start)
        for part in self._parts.get(asset_id, ()):
            scored = _laid_over(scored, part, start)
        return scored


def _laid_over(scored: ScoredWindows, part: _Part, start: int | None) -> ScoredWindows:
    """Return scores with those of a part in place of what it touched."""
    stays = ~np.isin(scored.ends, part.touched)
    is_new = np.ones(len(part.scored.ends), dtype=bool) if start is None else part.scored.ends >= start
    ends = np.concatenate([scored.ends[stays], part.scored.ends[is_new]])
    order = np.argsort(ends, kind="stable")
    columns = (
        np.concatenate([getattr(scored, name)[stays], getattr(part.scored, name)[is_new]])[order]
        for name in ("regimes", "score", "threshold", "severity")
    )
    return ScoredWindows(ends[order], *columns)
