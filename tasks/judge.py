"""Compare the candidates of a run, pass the best through the gates, and carry the verdict out: once, and on record."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from prefect import task
from prefect.artifacts import create_table_artifact

from tasks import DEFAULTS, _selftest
from tasks._training import TrainingTable, training_table
from tasks.train import judge_scores
from wheeltapper import faultpoints, sources, tables
from wheeltapper.config import Plant
from wheeltapper.decisions import feedback, ledger
from wheeltapper.decisions.promotion import follow_ledger
from wheeltapper.errors import RegistryError
from wheeltapper.evaluation import duel, duplicate_target, gates, label_rule, leaderboard
from wheeltapper.evaluation.baseline_gate import beats_baselines
from wheeltapper.evaluation.budget_gate import keeps_budget
from wheeltapper.evaluation.gates import Gate
from wheeltapper.evaluation.judgement import Judgement
from wheeltapper.evaluation.leaderboard import Leaderboard
from wheeltapper.features.columns import that_show
from wheeltapper.features.compute import compute, select
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.registry import Registry
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.calibration import TRUSTED_FROM
from wheeltapper.store import Ref
from wheeltapper.workspace import OBJECTIVE, Workspace

_log = logging.getLogger("wheeltapper.judge")

JUDGED = "judged.json"
"""The document of the parent run: leaderboard, gates, verdict, and the chosen candidate on the test part."""


@task(name="judge candidates", **DEFAULTS)
def judge_candidates(
    plant: str, training: dict[str, Any], results: list[dict[str, Any]], now: datetime
) -> dict[str, Any]:
    """Return the verdict of a run. A run that has its verdict on record keeps it, whatever happened since."""
    space = Workspace.open(plant)
    entry = ledger.of_run(space.store, OBJECTIVE, training["key"])
    if entry is None:
        decided = _decide(space, training, results)
        # The note is the description that MLflow's UI shows on the run's page; a tag takes 8000 characters.
        note = f"{_in_short(decided)}\n\n```\n{decided['text'][:6000]}\n```"
        tags = {"verdict": decided["verdict"], "mlflow.note.content": note}
        space.registry.log(training["run_id"], documents={JUDGED: decided}, tags=tags)
        faultpoints.hit("judge.after_document")
        entry = _put_on_record(space, training, decided, now)
        faultpoints.hit("judge.after_ledger")
    space.registry.finish(training["run_id"])
    judged: dict[str, Any] = space.registry.document(training["run_id"], JUDGED)
    live_bundle(space)  # one that was changed on the disk is refused by name before it becomes or stays champion
    follow_ledger(space)
    space.clear_bundles()
    _show(space, judged)
    _log.info("%s %s", judged["verdict"], judged["candidate"] or "")
    return judged | {
        "run": training["key"],
        "run_id": training["run_id"],
        "ledger": int(entry["sequence"]),
        "tables": {name: ref["version"] for name, ref in training["refs"].items()},
        "has_champion": ledger.live(space.store, OBJECTIVE) is not None,
    }


def _decide(space: Workspace, training: dict[str, Any], results: list[dict[str, Any]]) -> dict[str, Any]:
    """Rank the candidates, and take the first that passes every gate."""
    by_label = {result["label"]: result for result in results}
    judgements = {label: Judgement.model_validate(result["judgement"]) for label, result in by_label.items()}
    baselines = {label for label, result in by_label.items() if result["is_baseline"]}
    figures = {label: result["self_test"]["mean"] for label, result in by_label.items()}
    board = leaderboard.rank(judgements.values(), baselines, figures)
    table = training_table(space, training["refs"])
    champion = live_bundle(space)
    moved_on = feedback.outdated(space.store, bundles.fingerprint(champion)) if champion else []
    if moved_on:
        champion = None  # it judges by a normal that a person has replaced: being cheaper by it means nothing
    rival = _Rival.of(space, champion, training, table) if champion else None
    of_labels = [_label_rule(space.plant, table), duplicate_target.duplicate_target(table.faults)]
    choice = gates.choose(
        (
            (one.candidate, [*_gates(space, by_label[one.candidate], one, board, rival), *of_labels])
            for one in board.candidates
        ),
        champion is not None,
    )
    chosen = choice.candidate
    return {
        "verdict": choice.verdict.word,
        "reasons": [*moved_on, *choice.verdict.reasons],
        "candidate": chosen,
        "bundle": by_label[chosen]["bundle"] if chosen else "",
        "model_uri": by_label[chosen]["model_uri"] if chosen else "",
        "candidate_run": by_label[chosen]["run_id"] if chosen else "",
        "gates": [gate.model_dump(mode="json") for gate in choice.gates],
        "passed_over": {name: list(failed) for name, failed in choice.passed_over.items()},
        "champion_before": rival.judgement.model_dump(mode="json") if rival else None,
        "ranked_by": board.ranked_by,
        "notes": [
            *board.notes,
            *sources.build(space.plant.source).caveats(space.plant),
            *_maturity(by_label[chosen] if chosen else None),
        ],
        "learnt": table.learnt,
        "leaderboard": board.rows(),
        "text": leaderboard.as_text(board),
        "judgements": {label: result["judgement"] for label, result in by_label.items()},
        "searches": {label: result["search"] for label, result in by_label.items() if "search" in result},
        "curves": {label: result["curves"] for label, result in by_label.items()},
        "self_test": by_label[chosen]["self_test"] if chosen else None,
        "calibration": by_label[chosen].get("calibration") if chosen else None,
        "test": _on_test_part(space, by_label, baselines, chosen, table),
    }


def _gates(
    space: Workspace, result: dict[str, Any], judgement: Judgement, board: Leaderboard, rival: _Rival | None
) -> list[Gate]:
    asked = [
        *_selftest.gates_of(result["self_test"]),
        beats_baselines(judgement, board.baselines, board.self_test),
        keeps_budget(judgement, space.plant.alarm_budget, promised=_promised(result)),
    ]
    if rival is not None:
        heard = (result["self_test"].get("heard", {}), rival.heard)  # one trained by an earlier version has none
        asked += [
            duel.beats_champion(judgement, rival.judgement, heard),
            duel.surely_beats_champion(judgement, rival.judgement, heard, seed=space.plant.seed),
        ]
    return asked


def _promised(result: dict[str, Any]) -> tuple[float, float, float] | None:
    """Return what a candidate's threshold stands for; None where it has decided for itself."""
    told = result.get("calibration")
    return (told["rate"], told["low"], told["high"]) if told else None


def _maturity(result: dict[str, Any] | None) -> list[str]:
    """Say which machines' thresholds have little normal running of their own behind them; nothing if none."""
    told = (result or {}).get("calibration")
    words = Counter(told["maturity"].values()) if told else Counter()
    young = [f"{words[word]} of {words.total()} {word}" for word in ("learning", "provisional") if words[word]]
    if not young:
        return []
    return [
        f"thresholds: {', '.join(young)}; a machine's own is trusted once its calibrate part is as long as "
        f"{TRUSTED_FROM:g} accepted alarms take, until then its kind's stands behind it"
    ]


def _label_rule(plant: Plant, table: TrainingTable) -> Gate:
    """Ask whether the labels are a rule of the newest readings of each window; the test part is not looked at."""
    rows = table.features[table.features["usable"] & table.part.isin(["train", "calibrate", "validate"])]
    sensors = [feature.name for feature in that_show(FeaturePlan.of(plant).features, "latest")]
    readings = rows[["asset_id", "window_end", *sensors]].rename(columns={"window_end": "timestamp"})
    return label_rule.label_rule(readings, sensors, table.faults)


@dataclass(frozen=True)
class _Rival:
    """The live champion on the windows that the candidates were judged on."""

    judgement: Judgement
    heard: Mapping[str, float]
    """Episode of the self-test → share of its faults that it hears; empty where faults are known to judge by."""

    @classmethod
    def of(cls, space: Workspace, champion: Bundle, training: dict[str, Any], table: TrainingTable) -> _Rival:
        """Judge it; where no fault is known, by the same self-test as the candidates."""
        judged = _judge_bundle(space, champion, training, table)
        if judged.cost_per_asset_week is not None:
            return cls(judged, {})
        tested = _selftest.run(space, champion, Ref.from_dict(training["refs"]["readings"]), table)
        return cls(judged, tested["heard"])


def _judge_bundle(space: Workspace, bundle: Bundle, training: dict[str, Any], table: TrainingTable) -> Judgement:
    """Judge the live champion on the very windows that the candidates were judged on."""
    validated = table.rows("validate")
    rows = stored_rows(space, bundle, validated)
    if rows is None:
        ref = Ref.from_dict(training["refs"]["readings"])
        own = compute(bundle.plan, space.store.read(tables.READINGS, version=ref.version))
        rows = own[own["window_end"].isin(validated["window_end"])].merge(validated[["asset_id", "window_end"]])
    return judge_scores(space, "champion", "validate", bundle.score(rows), table.faults, bundle, rows, table.flags)


def stored_rows(space: Workspace, bundle: Bundle, rows: pd.DataFrame) -> pd.DataFrame | None:
    """Return from stored feature rows those of the bundle's plan; None where the plant's plan has moved on.

    A bundle computes no more than it uses; the table holds all that the plant asks for. Where the bundle's plan is part
    of the plant's, its columns are taken as they stand.
    """
    followed = set(rows["plan"].unique())
    if followed <= {bundle.plan.hash}:
        return rows
    whole = FeaturePlan.of(space.plant)
    return select(bundle.plan, rows) if followed == {whole.hash} and bundle.plan.is_part_of(whole) else None


def _on_test_part(
    space: Workspace, by_label: dict[str, Any], baselines: set[str], chosen: str | None, table: TrainingTable
) -> list[dict[str, Any]]:
    """Look at the test part once: with the chosen candidate, and the baselines beside it."""
    rows = table.rows("test")
    if chosen is None or not rows["usable"].any():
        return []
    wanted = [*sorted(baselines), chosen]
    judged = []
    for label in wanted:
        own = _read_bundle(space.registry, by_label[label])
        one = judge_scores(space, label, "test", own.score(rows), table.faults, own, rows, table.flags)
        judged.append(one.model_dump(mode="json"))
    return [one | {"is_baseline": one["candidate"] in baselines} for one in judged]


def _read_bundle(registry: Registry, result: dict[str, Any]) -> Bundle:
    return bundles.read(registry.bundle_folder(result["model_uri"]), expected=result["bundle"])


def live_bundle(space: Workspace) -> Bundle | None:
    """Read the bundle that the ledger says is live, verified; None if nothing is."""
    entry = ledger.live(space.store, OBJECTIVE)
    if entry is None:
        return None
    known = {version.bundle: version for version in space.registry.versions(space.plant.name, OBJECTIVE)}
    if entry["bundle"] not in known:
        raise RegistryError(
            f"the ledger of {space.plant.name} says that bundle {entry['bundle'][:12]} (version {entry['version']}) is "
            f"live, but the registry at {space.registry.tracking_uri} does not have it. Restore MLflow's database and "
            "files, or delete WHEELTAPPER_HOME and start afresh."
        )
    return bundles.read(space.registry.download(known[entry["bundle"]]), expected=entry["bundle"])


def _put_on_record(
    space: Workspace, training: dict[str, Any], decided: dict[str, Any], now: datetime
) -> dict[str, Any]:
    """Register the bundle if it will be used, and write the verdict into the ledger: from here on it is decided."""
    version = ""
    if decided["verdict"] in ("promote", "challenge"):
        version = str(
            space.registry.register(
                space.plant.name, OBJECTIVE, decided["model_uri"], decided["candidate_run"], decided["bundle"]
            )
        )
    return ledger.append(
        space.store,
        now=now,
        actor="pipeline",
        objective=OBJECTIVE,
        verdict=decided["verdict"],
        bundle=decided["bundle"] if version else "",
        version=version,
        run=training["key"],
        data={name: ref["version"] for name, ref in training["refs"].items()},
        gates=decided["gates"],
        reason="; ".join(decided["reasons"]),
    )


def _show(space: Workspace, judged: dict[str, Any]) -> None:
    """Show the leaderboard in Prefect's UI."""
    shown = (
        "candidate",
        "cost_per_asset_week",
        "found",
        "faults",
        "false_alarms_per_asset_week",
        "vus_pr",
        "vus_pr_random",
    )
    rows = [{name: _rounded(row.get(name)) for name in shown} for row in judged["leaderboard"]]
    key = f"leaderboard-{space.plant.name.replace('_', '-').lower()}"
    create_table_artifact(rows, key=key, description=_in_short(judged))


def _in_short(judged: dict[str, Any]) -> str:
    """Say the verdict with what decided it: the first gate that failed, else the comparison with the baselines."""
    failed = [gate["reason"] for gate in judged["gates"] if gate["passed"] is False and gate["blocks"]]
    compared = [gate["reason"] for gate in judged["gates"] if gate["name"] == "beats_baselines"]
    why = [*failed, *compared, *judged["reasons"]][0]
    return f"{judged['verdict']} {judged['candidate']}: {why}" if judged["candidate"] else f"{judged['verdict']}: {why}"


def _rounded(value: Any) -> Any:
    return json.loads(f"{value:.4g}") if isinstance(value, float) else value
