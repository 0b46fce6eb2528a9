"""Choose among the candidates of a training, record the verdict once, and carry it out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from wheeltapper import faultpoints, sources
from wheeltapper.decisions import ledger
from wheeltapper.decisions.promotion import follow_ledger
from wheeltapper.evaluation import gates
from wheeltapper.evaluation.gates import Gate
from wheeltapper.registry import Version
from wheeltapper.scoring.live_model import live_version
from wheeltapper.training.candidate_run import table_of
from wheeltapper.training.objective import Decision, Objective, Ranking
from wheeltapper.training.result import CandidateResult
from wheeltapper.training.session import Training
from wheeltapper.training.shared import Shared
from wheeltapper.workspace import Workspace

JUDGED = "judged.json"
"""The document of the training's run: leaderboard, gates, verdict, and the chosen candidate on the test part."""

_log = logging.getLogger("wheeltapper.judge")


class Judged(BaseModel):
    """Result of a training, as stored with its run in MLflow.

    Documents of earlier versions lack some fields; those fields have defaults.
    """

    model_config = ConfigDict(frozen=True)

    objective: str = "detect"
    verdict: str
    reasons: list[str]
    candidate: str | None = Field(description="candidate that the verdict is about; None if there was none")
    bundle: str
    model_uri: str
    candidate_run: str
    gates: list[Gate]
    passed_over: dict[str, list[str]] = Field(
        default_factory=dict, description="other candidates → the gates that stopped them"
    )
    champion_before: dict[str, Any] | None = None
    ranked_by: str = ""
    notes: list[str] = Field(default_factory=list)
    learnt: dict[str, dict[str, int]] = Field(default_factory=dict, description="part → reason → windows")
    leaderboard: list[dict[str, Any]]
    text: str = ""
    judgements: dict[str, dict[str, Any]] = Field(default_factory=dict)
    searches: dict[str, dict[str, Any]] = Field(default_factory=dict)
    curves: dict[str, dict[str, Any]] = Field(default_factory=dict)
    self_test: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None
    test: list[dict[str, Any]] = Field(default_factory=list)

    def in_short(self) -> str:
        """Return verdict and main reason: the first failed gate, else the comparison with the baselines."""
        failed = [gate.reason for gate in self.gates if gate.passed is False and gate.blocks]
        compared = [gate.reason for gate in self.gates if gate.name == "beats_baselines"]
        why = [*failed, *compared, *self.reasons][0]
        return f"{self.verdict} {self.candidate}: {why}" if self.candidate else f"{self.verdict}: {why}"


@dataclass(frozen=True)
class TrainingVerdict:
    """The verdict of one training, with the places of everything about it."""

    judged: Judged
    key: str
    """The training's key."""
    run_id: str
    ledger: int
    """Sequence number of its ledger entry."""
    tables: dict[str, int]
    """Table → version that was trained on."""
    has_champion: bool
    """True if a model is live now, this one or an earlier one."""

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON values: the fields of `Judged`, and the places of everything."""
        return self.judged.model_dump(mode="json") | {
            "run": self.key,
            "run_id": self.run_id,
            "ledger": self.ledger,
            "tables": self.tables,
            "has_champion": self.has_champion,
        }


def choose(
    space: Workspace,
    objective: Objective,
    training: Training,
    results: Sequence[CandidateResult],
    shared: Shared,
    now: datetime,
) -> TrainingVerdict:
    """Return the verdict of a training; a recorded verdict is never changed."""
    entry = ledger.of_run(space.store, objective.name, training.key)
    if entry is None:
        judged = _decide(space, objective, training, results, shared)
        # The note is the description that MLflow's UI shows on the run's page; a tag takes 8000 characters.
        note = f"{judged.in_short()}\n\n```\n{judged.text[:6000]}\n```"
        tags = {"verdict": judged.verdict, "mlflow.note.content": note}
        space.registry.log(training.run_id, documents={JUDGED: judged.model_dump(mode="json")}, tags=tags)
        faultpoints.hit("judge.after_document")
        entry = _put_on_record(space, training, judged, now)
        faultpoints.hit("judge.after_ledger")
    space.registry.finish(training.run_id)
    judged = Judged.model_validate(space.registry.document(training.run_id, JUDGED))
    _read_live(space, objective)  # refused if it was changed on disk, before the registry's alias is moved to it
    follow_ledger(space, objective.name)
    space.clear_bundles(training.key)
    _log.info("%s %s", judged.verdict, judged.candidate or "")
    return TrainingVerdict(
        judged,
        key=training.key,
        run_id=training.run_id,
        ledger=int(entry["sequence"]),
        tables=training.versions,
        has_champion=ledger.live(space.store, objective.name) is not None,
    )


def _decide(
    space: Workspace, objective: Objective, training: Training, results: Sequence[CandidateResult], shared: Shared
) -> Judged:
    """Rank the candidates, and take the first that passes every gate."""
    by_label = {result.label: result for result in results}
    table = table_of(space, objective, training, shared)
    ranking = objective.rank(results)
    decision = Decision(space, training, by_label, table, shared, ranking)
    rival, outdated = _rival(objective, decision)
    decision = replace(decision, rival=rival)
    choice = gates.choose(
        ((label, objective.gates(decision, by_label[label])) for label in ranking.order), rival is not None
    )
    chosen = by_label[choice.candidate] if choice.candidate else None
    return Judged(
        objective=objective.name,
        verdict=choice.verdict.word,
        reasons=[*outdated, *choice.verdict.reasons],
        candidate=choice.candidate,
        bundle=chosen.bundle if chosen else "",
        model_uri=chosen.model_uri if chosen else "",
        candidate_run=chosen.run_id if chosen else "",
        gates=list(choice.gates),
        passed_over={name: list(failed) for name, failed in choice.passed_over.items()},
        champion_before=None if rival is None else objective.rival_judgement(rival),
        ranked_by=ranking.ranked_by,
        notes=_notes(space, objective, ranking, chosen),
        learnt=table.learnt,
        leaderboard=[dict(row) for row in ranking.rows],
        text=ranking.text,
        judgements={label: result.judgement for label, result in by_label.items()},
        searches={label: result.search for label, result in by_label.items() if result.search is not None},
        curves={label: result.curves for label, result in by_label.items()},
        self_test=chosen.self_test.model_dump(mode="json") if chosen and chosen.self_test else None,
        calibration=chosen.calibration if chosen else None,
        test=objective.test(decision, choice.candidate) if choice.candidate else [],
    )


def _notes(space: Workspace, objective: Objective, ranking: Ranking, chosen: CandidateResult | None) -> list[str]:
    of_source = sources.build(space.plant.source, space.plant.plug_ins).caveats(space.plant)
    return [*ranking.notes, *of_source, *objective.caveats(space.plant, chosen)]


def _rival(objective: Objective, decision: Decision) -> tuple[Any, list[str]]:
    """Return the champion, judged like the candidates, or None, with the reasons where it is left out."""
    live = live_version(decision.space, objective.name)
    if live is None:
        return None, []
    outdated = objective.champion_is_outdated(decision.space, live.bundle)
    if outdated:
        return None, outdated  # its normal was replaced by a person, so its cost cannot be compared
    return objective.judge_champion(decision, decision.space.registry.download(live), live.bundle), []


def _read_live(space: Workspace, objective: Objective) -> None:
    """Read and verify the live model."""
    live: Version | None = live_version(space, objective.name)
    if live is not None:
        objective.read(space.plant, space.registry.download(live), live.bundle)


def _put_on_record(space: Workspace, training: Training, judged: Judged, now: datetime) -> dict[str, Any]:
    """Register the bundle if it will be used, and write the verdict into the ledger, which makes it final."""
    version = ""
    if judged.verdict in ("promote", "challenge"):
        version = str(
            space.registry.register(
                space.plant.name, training.objective, judged.model_uri, judged.candidate_run, judged.bundle
            )
        )
    return ledger.append(
        space.store,
        now=now,
        actor="pipeline",
        objective=training.objective,
        verdict=judged.verdict,  # type: ignore[arg-type]
        bundle=judged.bundle if version else "",
        version=version,
        run=training.key,
        data=training.versions,
        gates=[gate.model_dump(mode="json") for gate in judged.gates],
        reason="; ".join(judged.reasons),
    )
