"""Search: which of several options does best on readings that nothing was fitted on, within a budget of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import timedelta
from statistics import fmean, stdev
from typing import Any, Literal, TypeVar

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from wheeltapper import tables
from wheeltapper.errors import DataError
from wheeltapper.evaluation.events import match
from wheeltapper.evaluation.exposure import is_in_fault, watched_rows
from wheeltapper.evaluation.ranking import mean_vus_pr, rank_windows

Options = TypeVar("Options")
JudgedBy = Literal["vus_pr", "hearing"]
NAMES: dict[JudgedBy, str] = {"vus_pr": "VUS-PR", "hearing": "faults heard"}
"""What the figure is called where people read it."""
STOPPED = "stopped, time used up"
"""What is said of a trial that was not judged on all folds."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Block(_Record):
    """A held-out block of the train part, and how much was fitted on before it."""

    start: str = Field(description="beginning of its first window, UTC, ISO 8601")
    end: str = Field(description="end of its last window")
    fitted_on: int = Field(description="normal windows before it")
    windows: int = Field(description="usable windows in it")
    guessing: float | None = Field(description="VUS-PR of a random score; None where no fault can be ranked in it")


class Trial(_Record):
    """One set of options, and how it did on each block."""

    options: dict[str, Any]
    figures: tuple[float | None, ...] = Field(
        description="0 to 1, higher is better; None: nothing to rank in the block; none at all if it was refused, "
        "those of the first blocks if it was stopped"
    )
    seconds: float = Field(ge=0, description="what it took to fit and judge it on all blocks, or until it was stopped")
    prepared: float = Field(
        default=0, ge=0, description="seconds that it took to prepare the search; the first trial has them with it"
    )
    refused: str = Field(default="", description="why it cannot be fitted on this data; empty if it can")
    stopped: bool = Field(default=False, description="the time was used up before all blocks were judged")

    @property
    def is_whole(self) -> bool:
        """Whether it was judged on all blocks; no other can be chosen."""
        return not (self.refused or self.stopped)

    @property
    def mean(self) -> float:
        """The figure that decides."""
        return fmean(self._known)

    @property
    def spread(self) -> float | None:
        """Standard deviation of the figure over the blocks; None of a single one."""
        return stdev(self._known) if len(self._known) > 1 else None

    @property
    def _known(self) -> list[float]:
        return [one for one in self.figures if one is not None]


def attempt_in_time(
    trials: Sequence[Options], attempt: Callable[[int, Options, float], Trial], budget: timedelta
) -> list[Trial]:
    """Attempt trials one after the other; none is begun once preparation and those before it have used up the budget.

    The first is always attempted: it is what would be fitted without a search. Until one has come to its end none is
    stopped, so that there is something to choose.

    Parameters
    ----------
    trials : sequence
        In the order in which they are attempted.
    attempt : callable
        Takes a number from 1 on, what is to be tried, and the seconds that are left for it (endless for the first).
    budget : timedelta
        Longer than nothing; by the trials' own seconds, so that one who looks a trial up instead of repeating it stops
        at the same place.
    """
    done: list[Trial] = []
    for number, options in enumerate(trials, start=1):
        left = budget.total_seconds() - sum(one.prepared + one.seconds for one in done)
        if done and (left <= 0 or done[-1].stopped):
            break
        done.append(attempt(number, options, left if any(one.is_whole for one in done) else math.inf))
    return done


def judge_in_time(
    folds: int, judge: Callable[[int], float | None], left: float, clock: Callable[[], float]
) -> tuple[float | None, ...]:
    """Judge one trial on fold after fold; no further one is begun once the time is used up.

    Parameters
    ----------
    judge : callable
        Takes the place of a fold, from 0 on, and returns the figure.
    left : float
        Seconds; the first fold is always judged.
    clock : callable
        Returns seconds since whenever, such as `time.monotonic`.

    Returns
    -------
    tuple
        The figures; fewer than folds if the trial was stopped.
    """
    begun = clock()
    figures: list[float | None] = []
    for place in range(folds):
        if figures and clock() - begun >= left:
            break
        figures.append(judge(place))
    return tuple(figures)


def best(trials: Sequence[Trial]) -> int:
    """Return the place of the trial with the highest mean; of equal ones the first: no change without a gain.

    One that was stopped is none of them: the folds that it was not judged on may be the harder ones.

    Raises
    ------
    DataError
        If every trial was refused.
    """
    whole = [place for place, one in enumerate(trials) if one.is_whole]
    if not whole:
        raise DataError(f"none of {len(trials)} trials of the search could be fitted: {trials[0].refused}")
    return max(whole, key=lambda place: trials[place].mean)


def guessing(
    block: pd.DataFrame, faults: pd.DataFrame, *, vus_window: int, seed: int, **watch: timedelta
) -> float | None:
    """Return the VUS-PR of a random score on a block; None where no asset has both faulty and normal windows there.

    Parameters
    ----------
    block : DataFrame
        Rows of the features table.
    faults : DataFrame
        Known faults.
    vus_window, seed
        As for `rank_windows`.
    watch
        ``spacing`` and ``max_gap`` of `watched_rows`.
    """
    usable = block.loc[block["usable"], ["asset_id", "window_end", "regime"]]
    rows = watched_rows(usable.assign(score=0.0, threshold=1.0), **watch)
    if rows.empty:
        return None
    return rank_windows(rows, _truth(rows, faults), vus_window=vus_window, seed=seed).vus_pr_random


def ranks(scores: pd.DataFrame, faults: pd.DataFrame, *, vus_window: int, **watch: timedelta) -> float | None:
    """Return the VUS-PR of the scores of a block, taken exactly as candidates are judged by it later."""
    rows = watched_rows(scores, **watch)
    return mean_vus_pr(rows, _truth(rows, faults), vus_window=vus_window)


def _truth(rows: pd.DataFrame, faults: pd.DataFrame) -> Any:
    spans = match(rows, tables.ALARMS.empty(), faults, timedelta(0)).faults
    return is_in_fault(rows, spans[["asset_id", "start", "end"]])


def told(
    trials: Sequence[Trial],
    left: Sequence[dict[str, Any]],
    blocks: Sequence[Block],
    judged_by: JudgedBy,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Return a search as JSON: asked for, tried with how it did, refused, stopped, not begun, and chosen.

    How long each trial took is not among it: that is another on every machine, and stands with the trial.

    Parameters
    ----------
    left : sequence of dict
        Options that there was no time for.
    settings : dict
        How it was searched: ``how``, ``minutes``, ``folds``.
    """
    chosen = best(trials)
    rows = [
        {
            "options": one.options,
            "figures": list(one.figures),
            "mean": one.mean,
            "spread": one.spread,
            "as_written": place == 0,
            "chosen": place == chosen,
        }
        for place, one in enumerate(trials)
        if one.is_whole
    ]
    return settings | {
        "judged_by": judged_by,
        "said": _said(blocks, judged_by),
        "blocks": [one.model_dump(mode="json") for one in blocks],
        "trials": rows,
        "refused": [{"options": one.options, "reason": one.refused} for one in trials if one.refused],
        "stopped": [
            {"options": one.options, "reason": STOPPED, "figures": list(one.figures)} for one in trials if one.stopped
        ],
        "left": list(left),
        "chosen": trials[chosen].options,
    }


def _said(blocks: Sequence[Block], judged_by: JudgedBy) -> str:
    """Say what the trials were judged by."""
    folds = len(blocks)
    if judged_by == "hearing":
        return (
            f"mean over {folds} folds of the share of moderate faults that are heard when they are put into normal "
            "running (no known fault can be ranked in the held-out blocks)"
        )
    faulty = sum(one.guessing is not None for one in blocks)
    return f"mean VUS-PR over the {faulty} of {folds} folds that hold known faults"
