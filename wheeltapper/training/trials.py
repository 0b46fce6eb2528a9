"""Trials of a search: judge several options on held-out readings within a time budget, and choose the best."""

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
NAMES: dict[JudgedBy, str] = {"vus_pr": "VUS-PR", "hearing": "faults found"}
"""Name of the figure in texts; ``hearing`` in stored documents is the share of injected faults found."""
STOPPED = "stopped, time used up"
"""Text for a trial that was not judged on all folds."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Block(_Record):
    """A held-out block of the train part, and the number of windows fitted on before it."""

    start: str = Field(description="beginning of its first window, UTC, ISO 8601")
    end: str = Field(description="end of its last window")
    fitted_on: int = Field(description="normal windows before it")
    windows: int = Field(description="usable windows in it")
    guessing: float | None = Field(description="VUS-PR of a random score; None where no fault can be ranked in it")


class Trial(_Record):
    """One set of options, and its figure on each block."""

    options: dict[str, Any]
    figures: tuple[float | None, ...] = Field(
        description="0 to 1, higher is better; None: nothing to rank in the block; none at all if it was refused, "
        "those of the first blocks if it was stopped"
    )
    seconds: float = Field(ge=0, description="time to fit and judge it on all blocks, or until it was stopped")
    prepared: float = Field(
        default=0, ge=0, description="seconds for preparing the search; counted with the first trial"
    )
    refused: str = Field(default="", description="reason why it cannot be fitted on this data; empty if it can")
    stopped: bool = Field(default=False, description="the time was used up before all blocks were judged")

    @property
    def is_whole(self) -> bool:
        """True if it was judged on all blocks; only such a trial can be chosen."""
        return not (self.refused or self.stopped)

    @property
    def mean(self) -> float:
        """Mean of the figure over the blocks; it decides."""
        return fmean(self._defined)

    @property
    def spread(self) -> float | None:
        """Standard deviation of the figure over the blocks; None for a single block."""
        return stdev(self._defined) if len(self._defined) > 1 else None

    @property
    def _defined(self) -> list[float]:
        return [figure for figure in self.figures if figure is not None]


def attempt_in_time(
    trials: Sequence[Options], attempt: Callable[[int, Options, float], Trial], budget: timedelta
) -> list[Trial]:
    """Attempt trials one after the other; none is started once the budget is used up.

    The first is always attempted: its options would be fitted without a search. No trial is stopped before one is
    complete, so that there is one to choose.

    Parameters
    ----------
    trials : sequence
        In the order in which they are attempted.
    attempt : callable
        Takes a number from 1 on, the options, and the seconds that are left (infinite for the first).
    budget : timedelta
        More than 0. It is compared with the trials' recorded seconds, so that a continued search, which reads finished
        trials, stops at the same place.
    """
    finished: list[Trial] = []
    for number, options in enumerate(trials, start=1):
        seconds_left = budget.total_seconds() - sum(trial.prepared + trial.seconds for trial in finished)
        if finished and (seconds_left <= 0 or finished[-1].stopped):
            break
        finished.append(
            attempt(number, options, seconds_left if any(trial.is_whole for trial in finished) else math.inf)
        )
    return finished


def judge_in_time(
    folds: int, judge: Callable[[int], float | None], seconds_left: float, clock: Callable[[], float]
) -> tuple[float | None, ...]:
    """Judge one trial on fold after fold; no further fold is started once the time is used up.

    Parameters
    ----------
    judge : callable
        Takes the index of a fold, from 0 on, and returns the figure.
    seconds_left : float
        Time for the folds; the first one is always judged.
    clock : callable
        Returns seconds since any fixed instant, such as `time.monotonic`.

    Returns
    -------
    tuple
        The figures; fewer than folds if the trial was stopped.
    """
    began = clock()
    figures: list[float | None] = []
    for place in range(folds):
        if figures and clock() - began >= seconds_left:
            break
        figures.append(judge(place))
    return tuple(figures)


def best(trials: Sequence[Trial]) -> int:
    """Return the place of the trial with the highest mean; of equal ones the first: no change without a gain.

    A stopped trial is not considered: the folds that it was not judged on may be the harder ones.

    Raises
    ------
    DataError
        If every trial was refused.
    """
    whole = [place for place, trial in enumerate(trials) if trial.is_whole]
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
    """Return the VUS-PR of the scores of a block, computed exactly as for candidates later."""
    rows = watched_rows(scores, **watch)
    return mean_vus_pr(rows, _truth(rows, faults), vus_window=vus_window)


def _truth(rows: pd.DataFrame, faults: pd.DataFrame) -> Any:
    spans = match(rows, tables.ALARMS.empty(), faults, timedelta(0)).faults
    return is_in_fault(rows, spans[["asset_id", "start", "end"]])


def record(
    trials: Sequence[Trial],
    untried: Sequence[dict[str, Any]],
    blocks: Sequence[Block],
    judged_by: JudgedBy,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Return the record of a search as JSON values: settings, trials with their figures, and the choice.

    Trials that were refused, stopped or not started are included. The seconds of each trial are left out, because they
    differ between machines; they are stored with the trial.

    Parameters
    ----------
    untried : sequence of dict
        Options that were not started for lack of time.
    settings : dict
        Settings of the search: ``how``, ``minutes``, ``folds``.
    """
    chosen = best(trials)
    rows = [
        {
            "options": trial.options,
            "figures": list(trial.figures),
            "mean": trial.mean,
            "spread": trial.spread,
            "as_written": place == 0,
            "chosen": place == chosen,
        }
        for place, trial in enumerate(trials)
        if trial.is_whole
    ]
    return settings | {
        "judged_by": judged_by,
        "said": _basis(blocks, judged_by),
        "blocks": [block.model_dump(mode="json") for block in blocks],
        "trials": rows,
        "refused": [{"options": trial.options, "reason": trial.refused} for trial in trials if trial.refused],
        "stopped": [
            {"options": trial.options, "reason": STOPPED, "figures": list(trial.figures)}
            for trial in trials
            if trial.stopped
        ],
        "left": list(untried),
        "chosen": trials[chosen].options,
    }


def _basis(blocks: Sequence[Block], judged_by: JudgedBy) -> str:
    """Return the basis of the figure, as a phrase for the stored record."""
    folds = len(blocks)
    if judged_by == "hearing":
        return (
            f"mean over {folds} folds of the share of moderate injected faults that are found in normal "
            "running (no known fault can be ranked in the held-out blocks)"
        )
    faulty = sum(block.guessing is not None for block in blocks)
    return f"mean VUS-PR over the {faulty} of {folds} folds with known faults"
