"""Gates and verdicts: what follows from the answers to the questions that a candidate was asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from wheeltapper.errors import DataError

BEATS_CHAMPION = "beats_champion"
SURELY_BEATS_CHAMPION = "surely_beats_champion"
Word = Literal["promote", "challenge", "refuse", "keep"]


class Gate(BaseModel):
    """One question with its answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    passed: bool | None
    """None: it could not be asked, and the reason says why."""
    figure: float | None
    limit: float | None
    reason: str
    blocks: bool = True
    """Whether a failure keeps the candidate from going live; others only inform."""
    details: tuple[str, ...] = ()
    """What the figure was made of, for the record; a line each."""


class Verdict(BaseModel):
    """What is to be done with a candidate, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    word: Word
    reasons: tuple[str, ...]


def decide(gates: Sequence[Gate], has_champion: bool) -> Verdict:
    """Return what to do with a candidate: promote, challenge (run in the shadow), keep the champion, or refuse.

    A failed gate that blocks refuses; one that could not be asked does not, but at least one blocking gate must have
    been passed: a candidate of which nothing is known never goes live. With a champion, a candidate that is surely
    better takes its place, one that is better on paper becomes its challenger (it scores in the shadow until somebody
    promotes it), and anything else leaves the champion alone.

    Raises
    ------
    DataError
        If there is a champion and nobody asked whether the candidate beats it.
    """
    duel = [gate for gate in gates if gate.name == BEATS_CHAMPION]
    if has_champion and not duel:
        raise DataError("there is a champion: the candidate must be compared with it (gate beats_champion is missing)")
    needed = [gate for gate in gates if gate.blocks and gate.name != BEATS_CHAMPION]
    failed = [gate for gate in needed if gate.passed is False]
    said = tuple(f"{gate.name}: {gate.reason}" for gate in gates)
    if failed:
        return Verdict(word="refuse", reasons=tuple(f"{gate.name}: {gate.reason}" for gate in failed))
    if not any(gate.passed for gate in needed):
        return Verdict(word="refuse", reasons=("no gate could be passed: nothing is known about the candidate", *said))
    if not has_champion:
        return Verdict(word="promote", reasons=said)
    if not duel[0].passed:
        return Verdict(word="keep", reasons=said)
    is_sure = any(gate.passed for gate in gates if gate.name == SURELY_BEATS_CHAMPION)
    return Verdict(word="promote" if is_sure else "challenge", reasons=said)


class Choice(BaseModel):
    """What became of the candidates of one training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidate: str | None
    """The one that the verdict is about; None if there was none."""
    verdict: Verdict
    gates: tuple[Gate, ...]
    passed_over: dict[str, tuple[str, ...]]
    """Other candidates that were asked → gates that kept them from it; none where no gate could be passed."""


def choose(asked: Iterable[tuple[str, Sequence[Gate]]], has_champion: bool) -> Choice:
    """Take the first candidate that may go live or challenge; if there is none, the verdict is about the best.

    Parameters
    ----------
    asked : iterable of candidate and its gates
        The best first; those behind the one that is taken are not asked for.

    Raises
    ------
    DataError
        As `decide`.
    """
    refused = Verdict(word="refuse", reasons=("there is no candidate besides the baselines",))
    choice = Choice(candidate=None, verdict=refused, gates=(), passed_over={})
    failed: dict[str, tuple[str, ...]] = {}
    for candidate, own in asked:
        verdict = decide(own, has_champion)
        failed[candidate] = tuple(gate.name for gate in own if gate.passed is False and gate.blocks)
        if verdict.word == "keep":
            failed[candidate] = (BEATS_CHAMPION,)
        may_run = verdict.word in ("promote", "challenge")
        if choice.candidate is None or may_run:
            choice = Choice(candidate=candidate, verdict=verdict, gates=tuple(own), passed_over={})
        if may_run:
            break
    others = {name: gates for name, gates in failed.items() if name != choice.candidate}
    return choice.model_copy(update={"passed_over": others})
