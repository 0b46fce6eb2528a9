"""Gates and verdicts: each gate checks one condition on a candidate, and the verdict follows from all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from wheeltapper.errors import DataError

BEATS_CHAMPION = "beats_champion"
SURELY_BEATS_CHAMPION = "surely_beats_champion"
Word = Literal["promote", "challenge", "refuse", "keep"]


class Gate(BaseModel):
    """One condition on a candidate, with its result."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    passed: bool | None
    """None: it could not be checked; the reason explains it."""
    figure: float | None
    limit: float | None
    reason: str
    blocks: bool = True
    """True if a failure stops the candidate from going live; False if the gate only informs."""
    details: tuple[str, ...] = ()
    """Parts of the figure, for the record; one line each."""


class Verdict(BaseModel):
    """The decision on a candidate, and its reasons."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    word: Word
    reasons: tuple[str, ...]


def decide(gates: Sequence[Gate], has_champion: bool) -> Verdict:
    """Return the verdict on a candidate: promote, challenge (run in the shadow), keep the champion, or refuse.

    A failed gate that blocks refuses the candidate. A gate that could not be checked does not refuse, but at least one
    blocking gate must have been passed: an unchecked candidate never goes live. Where there is a champion, a candidate
    that is surely better replaces it. One that is better on paper becomes its challenger: it scores in the shadow until
    a person promotes it. Otherwise the champion stays.

    Examples
    --------
    >>> passed = Gate(name="keeps_budget", passed=True, figure=0.4, limit=1.0, reason="0.4 a week")
    >>> decide([passed], has_champion=False).word
    'promote'

    Raises
    ------
    DataError
        If there is a champion and the gate ``beats_champion`` is missing.
    """
    duel = [gate for gate in gates if gate.name == BEATS_CHAMPION]
    if has_champion and not duel:
        raise DataError("there is a champion: the candidate must be compared with it (gate beats_champion is missing)")
    blocking = [gate for gate in gates if gate.blocks and gate.name != BEATS_CHAMPION]
    failed = [gate for gate in blocking if gate.passed is False]
    reasons = tuple(f"{gate.name}: {gate.reason}" for gate in gates)
    if failed:
        return Verdict(word="refuse", reasons=tuple(f"{gate.name}: {gate.reason}" for gate in failed))
    if not any(gate.passed for gate in blocking):
        return Verdict(
            word="refuse", reasons=("no gate could be checked: nothing is known about the candidate", *reasons)
        )
    if not has_champion:
        return Verdict(word="promote", reasons=reasons)
    if not duel[0].passed:
        return Verdict(word="keep", reasons=reasons)
    is_sure = any(gate.passed for gate in gates if gate.name == SURELY_BEATS_CHAMPION)
    return Verdict(word="promote" if is_sure else "challenge", reasons=reasons)


class Choice(BaseModel):
    """The outcome of one training for its candidates."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidate: str | None
    """The candidate that the verdict is about; None if there was none."""
    verdict: Verdict
    gates: tuple[Gate, ...]
    passed_over: dict[str, tuple[str, ...]]
    """Other candidates that were checked → gates that stopped them; empty where no gate could be checked."""


def choose(gated: Iterable[tuple[str, Sequence[Gate]]], has_champion: bool) -> Choice:
    """Take the first candidate that may go live or challenge; if there is none, the verdict is about the best.

    Parameters
    ----------
    gated : iterable of candidate and its gates
        The best first; candidates behind the one that is taken are not computed.

    Raises
    ------
    DataError
        As `decide`.
    """
    refused = Verdict(word="refuse", reasons=("there is no candidate besides the baselines",))
    choice = Choice(candidate=None, verdict=refused, gates=(), passed_over={})
    failed: dict[str, tuple[str, ...]] = {}
    for candidate, gates in gated:
        verdict = decide(gates, has_champion)
        failed[candidate] = tuple(gate.name for gate in gates if gate.passed is False and gate.blocks)
        if verdict.word == "keep":
            failed[candidate] = (BEATS_CHAMPION,)
        may_run = verdict.word in ("promote", "challenge")
        if choice.candidate is None or may_run:
            choice = Choice(candidate=candidate, verdict=verdict, gates=tuple(gates), passed_over={})
        if may_run:
            break
    passed_over = {name: names for name, names in failed.items() if name != choice.candidate}
    return choice.model_copy(update={"passed_over": passed_over})
