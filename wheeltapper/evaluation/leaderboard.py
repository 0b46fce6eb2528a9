"""Leaderboard: all candidates of one part side by side, below the baselines that they have to beat."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from math import inf
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from wheeltapper.errors import DataError
from wheeltapper.evaluation.judgement import Judgement
from wheeltapper.evaluation.pairs import is_notably_cheaper, is_surely_cheaper

BY_SELF_TEST, BY_NAME = "self-test", "name"
"""How candidates are ranked where no fault is known: by the self-test, or by name where there was no self-test."""


class Leaderboard(BaseModel):
    """Baselines, then candidates, each block with the best first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: str
    ranked_by: str
    baselines: tuple[Judgement, ...]
    candidates: tuple[Judgement, ...]
    notes: tuple[str, ...] = ()
    self_test: dict[str, float] = Field(
        default_factory=dict, description="candidate → figure of the self-test, 0 to 1; higher is better"
    )

    @property
    def best(self) -> Judgement | None:
        """The first candidate; None without any."""
        return self.candidates[0] if self.candidates else None

    def rows(self) -> list[dict[str, Any]]:
        """Return one dictionary per line: place (None for a baseline), is_baseline and the judgement's figures."""
        lines = [{"place": None, "is_baseline": True, **self._line(judgement)} for judgement in self.baselines]
        places = enumerate(self.candidates, start=1)
        return lines + [{"place": place, "is_baseline": False, **self._line(judgement)} for place, judgement in places]

    def _line(self, judgement: Judgement) -> dict[str, Any]:
        return _figures(judgement) | {"self_test": self.self_test.get(judgement.candidate)}

    def frame(self) -> pd.DataFrame:
        """Return the lines as a DataFrame."""
        return pd.DataFrame(self.rows())


def rank(
    judgements: Iterable[Judgement], baselines: Collection[str], self_test: Mapping[str, float] | None = None
) -> Leaderboard:
    """Rank judgements: by cost where one candidate is surely cheaper, otherwise by VUS-PR.

    Few faults make the cost uncertain: the cheaper of two candidates is often only the luckier one. The cheapest
    candidate stands above another only if it is *surely* cheaper, that is in 95 % of resampled asset-weeks, and by more
    than a tenth. Among the rest VUS-PR decides, because it uses every window and not only the alarms.

    Where no faults are known, the cost of a detector is unknown (a detector without alarms would seem best). Then the
    figure of the self-test decides, where there is one, and the board states it.

    Parameters
    ----------
    judgements : iterable of Judgement
        Of one part.
    baselines : collection of str
        Names that are baselines.
    self_test : mapping, optional
        Candidate → figure of the self-test, higher is better.

    Raises
    ------
    DataError
        If there are none, if they are of different parts, or if a name occurs twice.
    """
    listed = list(judgements)
    parts = sorted({judgement.part for judgement in listed})
    names = [judgement.candidate for judgement in listed]
    if len(parts) != 1:
        raise DataError(f"a leaderboard is about one part, got {len(listed)} judgements of {parts or 'none'}")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"a leaderboard holds each candidate once; {repeated} occur several times")
    baseline_lines, candidate_lines = (
        [judgement for judgement in listed if (judgement.candidate in baselines) is is_baseline]
        for is_baseline in (True, False)
    )
    has_faults = any(judgement.cost_per_asset_week is not None for judgement in listed)
    return Leaderboard(
        part=parts[0],
        ranked_by=_ranked_by(has_faults, self_test),
        baselines=tuple(sorted(baseline_lines, key=_by_cost if has_faults else _by_self_test(self_test or {}))),
        candidates=_by_merit(candidate_lines)
        if has_faults
        else tuple(sorted(candidate_lines, key=_by_self_test(self_test or {}))),
        notes=tuple(dict.fromkeys(note for judgement in listed for note in judgement.notes)),
        self_test=dict(self_test or {}),
    )


def _ranked_by(has_faults: bool, self_test: Mapping[str, float] | None) -> str:
    if has_faults:
        return "cost per asset-week where one is surely cheaper, else VUS-PR"
    return BY_SELF_TEST if self_test else BY_NAME


def _by_merit(candidates: list[Judgement]) -> tuple[Judgement, ...]:
    if not candidates:
        return ()
    in_order = sorted(candidates, key=_by_cost)
    cheapest = in_order[0]
    behind = [
        judgement
        for judgement in in_order
        if is_notably_cheaper(cheapest.cost_per_asset_week, judgement.cost_per_asset_week)
        and is_surely_cheaper(cheapest.cost_by_asset_week, judgement.cost_by_asset_week)
    ]
    level = [judgement for judgement in in_order if judgement not in behind]
    return (*sorted(level, key=_by_vus), *behind)


def _by_vus(judgement: Judgement) -> tuple[float, float, str]:
    cost = inf if judgement.cost_per_asset_week is None else judgement.cost_per_asset_week
    return (inf if judgement.vus_pr is None else -judgement.vus_pr, cost, judgement.candidate)


def _by_cost(judgement: Judgement) -> tuple[float, float, str]:
    cost = inf if judgement.cost_per_asset_week is None else judgement.cost_per_asset_week
    return (cost, inf if judgement.vus_pr is None else -judgement.vus_pr, judgement.candidate)


def _by_self_test(figures: Mapping[str, float]) -> Callable[[Judgement], tuple[float, float, str]]:
    return lambda judgement: (-figures.get(judgement.candidate, -inf), 0.0, judgement.candidate)


_TABLES = {
    "outcomes",
    "by_kind",
    "cost_by_asset_week",
    "range_f1_by_asset",
    "false_alarms_by_asset",
    "false_alarms_by_regime",
}
"""Fields that are tables themselves, too long for a line of the board."""


def _figures(judgement: Judgement) -> dict[str, Any]:
    return judgement.model_dump(mode="json", exclude=_TABLES)


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _rate(judgement: Judgement) -> str:
    rate, low, high = (
        judgement.false_alarms_per_asset_week,
        judgement.false_alarms_per_asset_week_low,
        judgement.false_alarms_per_asset_week_high,
    )
    return "–" if rate is None or low is None or high is None else f"{rate:.3g} ({low:.2g}–{high:.2g})"


Column = tuple[str, Callable[[Judgement], str]]

COLUMNS: tuple[Column, ...] = (
    ("candidate", lambda judged: judged.candidate),
    ("cost/asset-week", lambda judged: _number(judged.cost_per_asset_week, "{:,.0f}")),
    ("found", lambda judged: f"{judged.found}/{judged.faults}" if judged.faults else "–"),
    ("by chance", lambda judged: _number(judged.chance_found, "{:.0%}")),
    ("delay min", lambda judged: _number(judged.delay_minutes_median, "{:,.1f}")),
    ("false alarms/week", _rate),
    ("in alarm", lambda judged: _number(judged.alarm_fraction, "{:.1%}")),
    ("VUS-PR", lambda judged: _number(judged.vus_pr, "{:.2f}")),
    ("random", lambda judged: _number(judged.vus_pr_random, "{:.2f}")),
    ("range F1", lambda judged: _number(judged.range_f1, "{:.2f}")),
    ("range random", lambda judged: _number(judged.range_f1_random, "{:.2f}")),
)
"""Headers of the printed board, and the text of each column's cells."""


def columns(board: Leaderboard) -> list[tuple[str, list[str]]]:
    """Return the board as columns of text, header first: baselines, then candidates."""
    judgements = [*board.baselines, *board.candidates]
    return [(header, [text(judgement) for judgement in judgements]) for header, text in _columns_of(board)]


def _columns_of(board: Leaderboard) -> tuple[Column, ...]:
    """Return the board's columns; where the self-test decides, its figure is one of them."""
    if board.ranked_by != BY_SELF_TEST:
        return COLUMNS
    return (*COLUMNS, ("self-test", lambda judgement: _number(board.self_test.get(judgement.candidate), "{:.2f}")))


def as_text(board: Leaderboard) -> str:
    """Return the board as plain text: a block of baselines, a rule, a block of candidates, then the notes."""
    widths = [max(len(header), *map(len, cells), 1) for header, cells in columns(board)]
    table = [_line([header for header, _ in columns(board)], widths)]
    rule = "-" * len(table[0])
    blocks = (board.baselines, board.candidates)
    for block in blocks:
        if block:
            table.append(rule)
            table += [_line([text(judgement) for _, text in _columns_of(board)], widths) for judgement in block]
    table.append(rule)
    table.append(f"{board.part}, ranked by {board.ranked_by}; baselines on top")
    return "\n".join([*table, *board.notes])


def _line(cells: list[str], widths: list[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])
