"""Leaderboard: every candidate of one part side by side, under the baselines that it has to beat."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from math import inf
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from wheeltapper.errors import DataError
from wheeltapper.evaluation.judgement import Judgement
from wheeltapper.evaluation.pairs import is_surely_cheaper, is_worth_telling

BY_SELF_TEST, BY_NAME = "self-test", "name"
"""What ranks candidates where no fault is known: the self-test, or nothing where there was none either."""


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
        """Return one plain dictionary a line: place (None for a baseline), is_baseline and the judgement's figures."""
        lines = [{"place": None, "is_baseline": True, **self._line(one)} for one in self.baselines]
        places = enumerate(self.candidates, start=1)
        return lines + [{"place": place, "is_baseline": False, **self._line(one)} for place, one in places]

    def _line(self, one: Judgement) -> dict[str, Any]:
        return _figures(one) | {"self_test": self.self_test.get(one.candidate)}

    def frame(self) -> pd.DataFrame:
        """Return the lines as a DataFrame."""
        return pd.DataFrame(self.rows())


def rank(
    judgements: Iterable[Judgement], baselines: Collection[str], self_test: Mapping[str, float] | None = None
) -> Leaderboard:
    """Put judgements in order: cheap ones first; among those whom luck may have kept from being cheapest, by VUS-PR.

    A handful of faults makes a handful of euros: of two candidates the cheaper one is often only the luckier one. So
    the cheapest has to be *surely* cheaper, in 95 % of resampled asset-weeks, and by more than a tenth, to stand above
    another; among the rest VUS-PR decides, which looks at every window and not only at the alarms.

    Where no faults are known nobody can say what a detector costs (silence would seem best); then the figure of the
    self-test decides, where there is one, and the board says so.

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
        If there are none, if they are of different parts, or if a name came twice.
    """
    every = list(judgements)
    parts = sorted({one.part for one in every})
    names = [one.candidate for one in every]
    if len(parts) != 1:
        raise DataError(f"a leaderboard is about one part, got {len(every)} judgements of {parts or 'none'}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"a leaderboard holds each candidate once; {twice} came several times")
    plain, candidates = ([one for one in every if (one.candidate in baselines) is wanted] for wanted in (True, False))
    has_faults = any(one.cost_per_asset_week is not None for one in every)
    return Leaderboard(
        part=parts[0],
        ranked_by=_ranked_by(has_faults, self_test),
        baselines=tuple(sorted(plain, key=_by_cost if has_faults else _by_self_test(self_test or {}))),
        candidates=_by_merit(candidates)
        if has_faults
        else tuple(sorted(candidates, key=_by_self_test(self_test or {}))),
        notes=tuple(dict.fromkeys(note for one in every for note in one.notes)),
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
        one
        for one in in_order
        if is_worth_telling(cheapest.cost_per_asset_week, one.cost_per_asset_week)
        and is_surely_cheaper(cheapest.cost_by_asset_week, one.cost_by_asset_week)
    ]
    level = [one for one in in_order if one not in behind]
    return (*sorted(level, key=_by_vus), *behind)


def _by_vus(one: Judgement) -> tuple[float, float, str]:
    cost = inf if one.cost_per_asset_week is None else one.cost_per_asset_week
    return (inf if one.vus_pr is None else -one.vus_pr, cost, one.candidate)


def _by_cost(one: Judgement) -> tuple[float, float, str]:
    cost = inf if one.cost_per_asset_week is None else one.cost_per_asset_week
    return (cost, inf if one.vus_pr is None else -one.vus_pr, one.candidate)


def _by_self_test(figures: Mapping[str, float]) -> Callable[[Judgement], tuple[float, float, str]]:
    return lambda one: (-figures.get(one.candidate, -inf), 0.0, one.candidate)


_TABLES = {
    "outcomes",
    "by_kind",
    "cost_by_asset_week",
    "range_f1_by_asset",
    "false_alarms_by_asset",
    "false_alarms_by_regime",
}
"""What would make a line of the board a book."""


def _figures(one: Judgement) -> dict[str, Any]:
    return one.model_dump(mode="json", exclude=_TABLES)


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _rate(one: Judgement) -> str:
    rate, low, high = (
        one.false_alarms_per_asset_week,
        one.false_alarms_per_asset_week_low,
        one.false_alarms_per_asset_week_high,
    )
    return "–" if rate is None or low is None or high is None else f"{rate:.3g} ({low:.2g}–{high:.2g})"


Column = tuple[str, Callable[[Judgement], str]]

COLUMNS: tuple[Column, ...] = (
    ("candidate", lambda one: one.candidate),
    ("cost/asset-week", lambda one: _number(one.cost_per_asset_week, "{:,.0f}")),
    ("found", lambda one: f"{one.found}/{one.faults}" if one.faults else "–"),
    ("by chance", lambda one: _number(one.chance_found, "{:.0%}")),
    ("delay min", lambda one: _number(one.delay_minutes_median, "{:,.1f}")),
    ("false alarms/week", _rate),
    ("in alarm", lambda one: _number(one.alarm_fraction, "{:.1%}")),
    ("VUS-PR", lambda one: _number(one.vus_pr, "{:.2f}")),
    ("random", lambda one: _number(one.vus_pr_random, "{:.2f}")),
    ("range F1", lambda one: _number(one.range_f1, "{:.2f}")),
    ("range random", lambda one: _number(one.range_f1_random, "{:.2f}")),
)
"""Headers of the printed board, and what stands under each."""


def columns(board: Leaderboard) -> list[tuple[str, list[str]]]:
    """Return the board as columns of text, header first: baselines, then candidates."""
    every = [*board.baselines, *board.candidates]
    return [(header, [text(one) for one in every]) for header, text in _columns_of(board)]


def _columns_of(board: Leaderboard) -> tuple[Column, ...]:
    """Return the board's columns; where the self-test decides, its figure is one of them."""
    if board.ranked_by != BY_SELF_TEST:
        return COLUMNS
    return (*COLUMNS, ("self-test", lambda one: _number(board.self_test.get(one.candidate), "{:.2f}")))


def as_text(board: Leaderboard) -> str:
    """Return the board as plain text: a block of baselines, a rule, a block of candidates, then the notes."""
    widths = [max(len(header), *map(len, cells), 1) for header, cells in columns(board)]
    table = [_line([header for header, _ in columns(board)], widths)]
    rule = "-" * len(table[0])
    blocks = (board.baselines, board.candidates)
    for block in blocks:
        if block:
            table.append(rule)
            table += [_line([text(one) for _, text in _columns_of(board)], widths) for one in block]
    table.append(rule)
    table.append(f"{board.part}, ranked by {board.ranked_by}; baselines on top")
    return "\n".join([*table, *board.notes])


def _line(cells: list[str], widths: list[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])
